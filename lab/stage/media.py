"""Films and files to deliver, made once and kept outside of the repository."""

import os
import shutil
import struct
from pathlib import Path

from .processes import Failed, run

NOISE = "film.m4s"
SEGMENT_SECONDS = 4


def store():
    """Where made media is kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("NEARCAST_LAB_MEDIA") or Path(home) / "nearcast-lab")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def film(mbit, seconds, lower=()):
    """A folder with an HLS film, `mbit` Mbit/s over its whole length: of one rendition in a single CMAF file, or of more,
    those of `lower` Mbit/s below it."""
    rates = [mbit, *sorted(lower, reverse=True)]
    folder = store() / f"film-{'-'.join(f'{rate:g}' for rate in rates)}mbit-{seconds}s"
    if (folder / "master.m3u8").exists():
        return folder
    making = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    # Noise fills the rate; test pictures alone would need a tenth of it.
    line = [
        "ffmpeg", "-v", "error", "-nostdin",
        "-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=24:duration={seconds},noise=alls=70:allf=t",
        "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}",
    ]
    for number, rate in enumerate(rates):
        bits = f"{int(rate * 1000 - 70)}k"
        line += ["-map", "0:v", "-map", "1:a", f"-b:v:{number}", bits, f"-minrate:v:{number}", bits,
                 f"-maxrate:v:{number}", bits, f"-bufsize:v:{number}", bits, f"-s:v:{number}", f"{640 >> number}x{360 >> number}"]
    if lower:
        line += ["-var_stream_map", " ".join(f"v:{number},a:{number}" for number in range(len(rates)))]
    run([
        *line,
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", str(24 * SEGMENT_SECONDS),
        "-keyint_min", str(24 * SEGMENT_SECONDS), "-sc_threshold", "0",
        "-c:a", "aac", "-b:a", "64k",
        "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod",
        "-hls_segment_type", "fmp4", "-hls_flags", "single_file", "-master_pl_name", "master.m3u8",
        str(making / ("film-%v.m3u8" if lower else "film.m3u8")),
    ])
    os.rename(making, folder)
    return folder


def long_film(mbit, seconds):
    """The same, `seconds` long: made of a shorter one that comes again and again, which takes a moment."""
    once = 120
    if seconds <= once:
        return film(mbit, seconds)
    folder = store() / f"film-{mbit:g}mbit-{seconds}s-again"
    if (folder / "film.m3u8").exists():
        return folder
    making = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    short = film(mbit, once)
    whole = making / "short.mp4"
    run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(short / "film.m3u8"), "-c", "copy", str(whole)])
    run([
        "ffmpeg", "-v", "error", "-nostdin", "-stream_loop", str(-(-seconds // once) - 1), "-i", str(whole), "-t", str(seconds), "-c", "copy",
        "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod",
        "-hls_segment_type", "fmp4", "-hls_flags", "single_file", "-master_pl_name", "master.m3u8",
        str(making / "film.m3u8"),
    ])
    whole.unlink()
    os.rename(making, folder)
    return folder


def media_file(folder):
    """The one media file of a film."""
    files = sorted(folder.glob("*.m4s")) or sorted(folder.glob("*.mp4"))
    if len(files) != 1:
        raise Failed(f"{folder} does not hold one media file; remove it, and it is made again")
    return files[0]


def noise(mebibytes):
    """A file of random bytes."""
    path = store() / f"noise-{mebibytes:g}MiB.bin"
    size = int(mebibytes * 1024 * 1024)
    if path.exists() and path.stat().st_size == size:
        return path
    making = path.with_name(f"{path.name}.{os.getpid()}")
    with open(making, "wb") as file:
        for _ in range(size // 65536):
            file.write(os.urandom(65536))
        file.write(os.urandom(size % 65536))
    os.rename(making, path)
    return path


def noise_film(size, number=0, mbit=4):
    """A ready HLS folder whose one media file is `size` bytes of noise: published as it is, whatever publishing turns
    sound into."""
    folder = store() / f"noise-film-{size}-{number}"
    if (folder / "master.m3u8").exists():
        return folder
    making = folder.with_name(f"{folder.name}.{os.getpid()}")
    making.mkdir()
    with open(making / NOISE, "wb") as file:
        for at in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size - at)))
    head, step = 1000, int(mbit * 1e6 / 8) * SEGMENT_SECONDS
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}", "#EXT-X-PLAYLIST-TYPE:VOD",
             f'#EXT-X-MAP:URI="{NOISE}",BYTERANGE="{head}@0"']
    for at in range(head, size, step):
        length = min(step, size - at)
        lines += [f"#EXTINF:{length * 8 / (mbit * 1e6):.6f},", f"#EXT-X-BYTERANGE:{length}@{at}", NOISE]
    (making / "master.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n")
    os.rename(making, folder)
    return folder
