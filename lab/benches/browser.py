"""Viewers in real browsers, one after the other: ours beside p2p-media-loader and plain hls.js.

Each opens a page that it has never seen and watches a film to its end. All that the pages load (scripts, engine,
playlists, media) shares one fair bucket at the origin, which answers 20 ms late. Measured in the pages: the first frame
from the opening of the page on, and each time that the playhead stands still; at the origin: all bytes that it sent, and
those of the film and its outboards, of which `copies` speaks. With `--lower` the film has several renditions, the players
choose, and `copies` is over what a viewer was given in the mean. With `--natives` some of our viewers have the program and a
player that begins with 64 KiB of media, so that their first frames are apart.
"""

import json
import shutil
import subprocess

from stage import media, nearcast
from stage.processes import Failed, run as run_to_end
from stage.report import Report, median, percentile, plain_arguments

NEEDS = ["ffmpeg", "chromium", "node", "npm"]
COLUMNS = {
    "first_frame_1_ms": "first frame, first viewer p50 ms", "first_frame_later_ms": "later ones p50 ms",
    "first_frame_max_ms": "max ms", "stall_s": "stalled s", "origin_mb": "origin MB", "peer_mb": "from peers MB",
    "copies": "copies", "rung": "mean rung",
}
ENGINES = ["nearcast", "p2p-media-loader", "plain"]
# What runs beside ours, and its tracker: kept outside of the repository.
PACKAGES = ["p2p-media-loader-core@2.3", "p2p-media-loader-hlsjs@2.3", "bittorrent-tracker@11"]
STAGE = nearcast.ROOT / "lab" / "stage"


def rates(text):
    """Several rates in Mbit/s with commas between them."""
    return [float(rate) for rate in text.split(",")]


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--viewers", type=int, default=4)
    parser.add_argument("--apart", type=float, default=5.0, help="seconds between two viewers")
    parser.add_argument("--mbit", type=float, default=2.15, help="rate of the film")
    parser.add_argument("--lower", type=rates, default=[], help="rates of lower renditions in Mbit/s, several with commas")
    parser.add_argument("--seconds", type=int, default=120, help="length of the film")
    parser.add_argument("--origins", type=rates, default=[12.0, 5.0, 3.0],
                        help="origin's Mbit/s, several with commas")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--delay-ms", type=float, default=20.0, help="how late the origin answers")
    parser.add_argument("--natives", type=int, default=0, help="of our viewers so many have the program instead of a page")
    parser.add_argument("--only", choices=ENGINES, action="append", help="run only these")


def run(args, processes):
    """Runs every engine at every rate, interleaved, so that what else the machine does hits all of them."""
    report = Report(
        f"browser: {args.viewers} viewers {args.apart:g} s apart, film of "
        f"{', '.join(f'{rate:g}' for rate in [args.mbit, *args.lower])} Mbit/s and {args.seconds} s, "
        f"{args.repeats} times", COLUMNS, plain_arguments(args),
    )
    if args.natives > args.viewers // 2:
        raise Failed(f"--natives {args.natives}: every other viewer at most, of {args.viewers}")
    engines = args.only or ENGINES
    web = nearcast.ROOT / "web"
    if not (web / "node_modules").exists():
        run_to_end(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=web)
    run_to_end(["npm", "run", "--silent", "build:hls"], cwd=web)
    evening = Evening(args, processes, web, engines)
    found = {mbit: {engine: [] for engine in engines} for mbit in args.origins}
    for repeat in range(args.repeats):
        for mbit in args.origins:
            for engine in engines:
                processes.say(f"{engine} at {mbit:g} Mbit/s, {repeat + 1} of {args.repeats}")
                found[mbit][engine].append(evening.of(engine, mbit))
    runs = {}
    for mbit, by_engine in found.items():
        for engine, evenings in by_engine.items():
            figures = summary(evenings, evening.size)
            report.row(f"{engine}, origin {mbit:g}", figures)
            runs.setdefault(f"{mbit:g}", {})[engine] = dict(figures, evenings=evenings)
    chief = runs.get("12") or next(iter(runs.values()))
    report.ours(engines={engine: {
        "first_frame_ms": {"p50": figures["first_frame_p50_ms"], "max": figures["first_frame_max_ms"]},
        "stall_s": figures["stall_s"], "origin_mb": figures["origin_mb"], "peer_mb": figures["peer_mb"],
    } for engine, figures in chief.items()}, runs=runs)
    report.note("Medians over the repeats; browsers of all viewers share this machine, so compare ratios, not digits.")
    return report


class Evening:
    """What all evenings share: the site, its supernode, the tracker of the other, the packages."""

    def __init__(self, args, processes, web, engines):
        self.args, self.processes = args, processes
        film = media.film(args.mbit, args.seconds, args.lower)
        self.size = None if args.lower else media.media_file(film).stat().st_size
        service = nearcast.Service(args, processes, [film])
        self.site = service.site
        serve = processes.start(
            [args.binary, "serve", service.site, "--listen", "127.0.0.1:0", "--relay", "off", "--json"],
            name="serve", environment=service.environment,
        )
        ready = json.loads(serve.line())
        tracker = ""
        packages = media.store() / "browser-packages"
        if "p2p-media-loader" in engines:
            install(packages)
            tracker = processes.start(["node", STAGE / "tracker.mjs", packages], name="tracker").line().strip()
        playlists = sorted(p.relative_to(service.site) for p in (service.site / "media").rglob("*.m3u8"))
        master = [p for p in playlists if p.name == "master.m3u8"] or playlists
        self.shared = {
            "viewers": args.viewers, "apart": args.apart, "seconds": args.seconds, "delayMs": args.delay_ms,
            "site": str(service.site), "playlist": str(master[0]), "web": str(web), "packages": str(packages),
            "directory": ready["url"], "tracker": tracker, "chromium": shutil.which("chromium"),
            "program": {"binary": str(args.binary), "key": ready["link"].split("#")[1], "place": str(processes.place("nodes")),
                        "environment": service.environment},
        }

    def of(self, engine, mbit):
        """One evening with one engine at one rate."""
        natives = self.args.natives if engine == "nearcast" else 0
        wanted = json.dumps(dict(self.shared, engine=engine, mbit=mbit, natives=natives))
        process = self.processes.start(["node", STAGE / "browser.mjs", wanted], name=engine)
        found = json.loads(process.end(4 * self.args.seconds + 180 + self.args.apart * self.args.viewers))
        missed = [viewer for viewer in found["viewers"] if viewer["first"] is None]
        if missed:
            raise Failed(f"{engine} at {mbit:g} Mbit/s showed a viewer nothing: {missed[0]}")
        return {
            "first_frames_ms": [round(viewer["first"]) for viewer in found["viewers"] if not viewer.get("native")],
            "native_first_frames_ms": [round(viewer["first"]) for viewer in found["viewers"] if viewer.get("native")],
            "stalled_s": [round(viewer["stalled"] / 1000, 2) for viewer in found["viewers"]],
            "ended": [viewer["ended"] for viewer in found["viewers"]],
            "origin_mb": round(found["sent"] / 1e6, 2),
            "media_mb": round(found["media"] / 1e6, 2),
            "peer_mb": round(sum(viewer["peers"] for viewer in found["viewers"]) / 1e6, 2),
            "given_mb": [round(viewer["given"] / 1e6, 2) for viewer in found["viewers"] if not viewer.get("native")],
            # The lowest rendition is 1.
            "rungs": [rung(viewer["played"]) for viewer in found["viewers"] if not viewer.get("native")],
            "unverified_mb": round(sum(viewer.get("unverified", 0) for viewer in found["viewers"]) / 1e6, 2),
            "errors": [error for viewer in found["viewers"] for error in viewer["errors"] + viewer["wrong"]],
        }


def rung(played):
    """Mean rendition by the seconds that each was shown, the lowest 1."""
    return round(sum((number + 1) * seconds for number, seconds in enumerate(played)) / sum(played), 3)


def install(packages):
    """Puts the other programs into the lab's own folder, once."""
    packages.mkdir(parents=True, exist_ok=True)
    if (packages / "node_modules" / "p2p-media-loader-hlsjs").exists():
        return
    # The tracker's package brings data channels for programs, which would be compiled; a server needs none.
    line = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--legacy-peer-deps", "--ignore-scripts", "--prefix", str(packages), *PACKAGES]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"npm could not install {' '.join(PACKAGES)}: {done.stderr.strip()[-400:]}")


def summary(evenings, size):
    """The figures of one engine at one rate; copies are over `size` bytes, or over what a viewer was given."""
    given = [megabytes for evening in evenings for megabytes in evening["given_mb"]]
    over = size / 1e6 if size else sum(given) / len(given)
    rungs = [mean for evening in evenings for mean in evening["rungs"]]
    first = [evening["first_frames_ms"][0] for evening in evenings]
    natives = [ms for evening in evenings for ms in evening["native_first_frames_ms"]]
    later = [ms for evening in evenings for ms in evening["first_frames_ms"][1:]]
    every = first + later
    stalls = [sum(evening["stalled_s"]) for evening in evenings]
    return {
        "first_frame_1_ms": median(first), "first_frame_1_max_ms": max(first),
        "first_frame_later_ms": median(later), "native_first_frame_ms": median(natives) if natives else None, "first_frame_p50_ms": percentile(every, 50),
        "first_frame_max_ms": max(every), "stall_s": round(median(stalls), 2), "stall_max_s": round(max(stalls), 2),
        "origin_mb": round(median([evening["origin_mb"] for evening in evenings]), 2),
        "origin_mb_range": [min(e["origin_mb"] for e in evenings), max(e["origin_mb"] for e in evenings)],
        "peer_mb": round(median([evening["peer_mb"] for evening in evenings]), 2),
        "unverified_mb": round(median([evening["unverified_mb"] for evening in evenings]), 2),
        "media_mb": round(median([evening["media_mb"] for evening in evenings]), 2),
        "copies": round(median([evening["media_mb"] for evening in evenings]) / over, 3),
        "rung": round(sum(rungs) / len(rungs), 3),
        "ended": all(all(evening["ended"]) for evening in evenings),
        "errors": sum(len(evening["errors"]) for evening in evenings),
    }
