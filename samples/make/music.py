"""The album "Near before far": three short pieces, composed and rendered here.

Usage: python3 music.py [output folder]

Each piece is a function that fills a ``Desk`` and returns the mixed sound; below
them the album is encoded in three formats, so that the samples exercise Ogg Opus,
AAC in MP4 and MP3. Notes are MIDI numbers; times in the scores are beats.
"""

import pathlib
import subprocess
import sys
import tempfile

import art
import synth
from synth import Desk

ARTIST = "Nearcast"
ALBUM = "Near before far"
YEAR = "2026"
LICENCE = "MIT OR Apache-2.0"


def melody(desk, score, start, beat, play, gain, pan=0.0, send=0.35):
    """Play (beats, note) pairs one after the other; a note of None is a rest."""
    at = start
    for beats, note in score:
        if note is not None:
            desk.place(play(note, beats * beat), at * beat, gain, pan, send)
        at += beats


def human(desk, amount=0.006):
    """A few milliseconds of lateness, so that nothing sounds like a machine gun."""
    return abs(desk.rng.normal(0.0, amount))


# --------------------------------------------------------------------- pieces


def first_light():
    """D major, 80 to the minute: keys, a flute, light brushes."""
    beat = 60 / 80
    desk = Desk(14 * 4 * beat + 6.5, seed=11)
    rng = desk.rng
    # Root of the bass, then the voicing of the keys, one line per bar of the turn.
    turn = [
        (38, [57, 61, 64, 66]),  # D maj9
        (35, [57, 61, 62, 66]),  # B m9
        (43, [57, 59, 62, 66]),  # G maj9
        (33, [55, 59, 62, 64]),  # A 11
    ]
    bars = turn * 3 + [turn[2], turn[0]]
    for bar, (root, voicing) in enumerate(bars):
        at = bar * 4 * beat
        last = bar == len(bars) - 1
        desk.chord([root + 12] + voicing, at, (6 if last else 4) * beat, 0.020)
        # Broken chords rising and falling, in eighths.
        order = [0, 1, 2, 3, 2, 3, 1, 2]
        for step, pick in enumerate(order if not last else [0, 1, 2, 3]):
            when = at + (step * 0.5 * (1.3 if last else 1.0)) * beat + human(desk)
            note = voicing[pick] + (12 if step in (3, 5) else 0)
            hard = 0.75 + 0.25 * (step % 4 == 0)
            desk.place(synth.keys(note, 1.6 * beat, hard), when, 0.13 * hard, -0.25 + 0.12 * pick, 0.3)
        if bar >= 2:
            desk.place(synth.bass(root, (5 if last else 2.3) * beat), at, 0.27, 0, 0.05)
            if not last:
                desk.place(synth.bass(root + 7, 0.9 * beat), at + 2.5 * beat, 0.18, 0, 0.05)
        if 4 <= bar < 12:
            for b in (0, 2.5):
                desk.place(synth.kick(), at + b * beat, 0.26, 0, 0.05)
            for b in (1, 3):
                desk.place(synth.brush(rng), at + b * beat + human(desk), 0.14, 0.1, 0.2)
            for b in range(8):
                desk.place(synth.shaker(rng), at + b * 0.5 * beat + human(desk), 0.08 + 0.05 * (b % 2), 0.35, 0.1)
    tune = [
        (1.5, 78), (0.5, 76), (1, 74), (1, 69), (1, 71), (1, 74), (1.5, 78), (0.5, 76),
        (2, 74), (1, 71), (1, 69), (1, 71), (2, 76), (1, None),
        (1.5, 78), (0.5, 81), (1, 78), (1, 76), (1, 74), (1, 78), (1.5, 83), (0.5, 81),
        (1, 79), (1, 78), (1, 74), (1, 71), (1.5, 76), (0.5, 74), (1, 69), (1, 76),
        (3, 74), (1, 76), (4.5, 78),
    ]  # fmt: skip
    melody(desk, tune, 16, beat, lambda n, d: synth.flute(n, d * 0.94, rng), 0.125, 0.05, 0.5)
    for i, note in enumerate((81, 78, 81, 85)):  # an echo of the tune in the first bars
        desk.place(synth.bell(note), (8 + i * 2) * beat, 0.06, 0.5 - i * 0.3, 0.6)
    return desk.master()


def neighbours():
    """F major, 112 to the minute: one figure handed from player to player."""
    beat = 60 / 112
    desk = Desk(21 * 4 * beat + 3.0, seed=23)
    rng = desk.rng
    turn = [
        (41, [57, 60, 64, 65]),  # F maj7
        (40, [55, 60, 62, 67]),  # C over E
        (38, [57, 60, 64, 65]),  # D m9
        (34, [58, 62, 65, 69]),  # Bb maj7
    ]
    bridge = [
        (43, [58, 62, 65, 69]),  # G m9
        (36, [58, 60, 64, 67]),  # C 7
        (45, [55, 60, 64, 67]),  # A m7
        (38, [57, 60, 65, 69]),  # D m7
    ]
    bars = turn + turn + turn + bridge + turn + [turn[0]]
    hands = [
        (lambda n: synth.mallet(n), -0.65, 0.26),
        (lambda n: synth.keys(n, 0.5, 0.9), 0.0, 0.17),
        (lambda n: synth.bell(n + 12, 1.6), 0.65, 0.075),
    ]
    for bar, (root, voicing) in enumerate(bars):
        at = bar * 4 * beat
        last = bar == len(bars) - 1
        if last:
            for i, note in enumerate([53, 57, 60, 64, 67, 72]):
                desk.place(synth.keys(note, 2.6), at + i * 0.07, 0.13, -0.4 + 0.16 * i, 0.4)
            desk.place(synth.bass(29 + 12, 2.5), at, 0.28, 0, 0.05)
            break
        # The figure: four notes in eighths. Each time the next player has it, and
        # the one before it answers with the last note, softly: light passed on.
        for half in (0, 1):
            turn_of = (bar * 2 + half) % 3
            for step, pick in enumerate((0, 2, 3, 1) if half == 0 else (3, 1, 2, 2)):
                play, pan, gain = hands[turn_of]
                note = voicing[pick] + 12
                when = at + (half * 2 + step * 0.5) * beat + human(desk, 0.004)
                desk.place(play(note), when, gain * (1.0 if step == 0 else 0.8), pan, 0.3)
            play, pan, gain = hands[(turn_of + 1) % 3]
            desk.place(play(voicing[3]), at + (half * 2 + 1.75) * beat, gain * 0.45, pan, 0.4)
        if bar >= 2:
            desk.chord(voicing, at, 4 * beat, 0.016, 1.8)
        if bar >= 4:
            line = ((0, root, 1.2), (1.5, root, 0.4), (2, root + 12, 0.7), (3, root + 7, 0.8))
            for b, note, length in line:
                desk.place(synth.bass(note, length * beat), at + b * beat, 0.24, 0, 0.04)
            for b in (0, 2) if bar % 4 != 3 else (0, 2, 3.5):
                desk.place(synth.kick(), at + b * beat, 0.30, 0, 0.04)
            for b in range(8):
                loud = 0.13 if b % 2 else 0.08
                desk.place(synth.shaker(rng), at + b * 0.5 * beat + human(desk, 0.004), loud, -0.3, 0.1)
            if not 12 <= bar < 14:  # the bridge starts without the brush, to breathe
                for b in (1, 3):
                    desk.place(synth.brush(rng), at + b * beat, 0.17, 0.12, 0.2)
    tune = [
        (1.5, 72), (0.5, 74), (1, 77), (1, 76), (1, 74), (1, 72), (2, 67),
        (1.5, 69), (0.5, 72), (1, 74), (1, 77), (1, 77), (0.5, 76), (0.5, 74), (2, 72),
        (2, 77), (1, 74), (1, 70), (2, 76), (1, 74), (1, 72), (1.5, 76), (0.5, 79), (2, 76), (3, 74), (1, 72),
        (1.5, 81), (0.5, 79), (1, 77), (1, 76), (1, 74), (1, 76), (2, 79),
        (1.5, 77), (0.5, 76), (1, 74), (1, 72), (2, 74), (2, 72), (3, 77),
    ]  # fmt: skip
    melody(desk, tune, 32, beat, lambda n, d: synth.flute(n, d * 0.92, rng), 0.125, -0.05, 0.4)
    return desk.master()


def lamps():
    """A minor and C major, a waltz at 100 to the minute: music box and pads."""
    beat = 60 / 100
    desk = Desk(23 * 3 * beat + 6.0, seed=37)
    rng = desk.rng
    a = [
        (45, [57, 60, 64, 67]),  # A m7
        (41, [57, 60, 64, 65]),  # F maj7
        (36, [55, 60, 64, 67]),  # C
        (43, [55, 59, 62, 67]),  # G
    ]
    b = [
        (38, [57, 60, 62, 65]),  # D m7
        (43, [55, 59, 62, 65]),  # G 7
        (36, [55, 59, 60, 64]),  # C maj7
        (40, [56, 59, 62, 64]),  # E 7
    ]
    bars = a[:2] + a + a + b + a + [a[0], a[1], b[1], (36, [55, 60, 64, 67]), (36, [55, 60, 62, 67])]
    for bar, (root, voicing) in enumerate(bars):
        at = bar * 3 * beat
        last = bar >= len(bars) - 1
        desk.chord([root + 12] + voicing[:3], at, (5 if last else 3) * beat, 0.022)
        if bar >= 1:
            desk.place(synth.bass(root, (4 if last else 1.7) * beat), at, 0.27, 0, 0.05)
        if last:
            for i, note in enumerate((60, 64, 67, 72, 76, 79)):
                desk.place(synth.bell(note, 4.0), at + i * 0.33 * beat, 0.10, -0.5 + 0.2 * i, 0.6)
            continue
        for step in (1, 2):  # the two light beats of the waltz
            for i, note in enumerate(voicing[1:]):
                when = at + step * beat + i * 0.012 + human(desk, 0.004)
                desk.place(synth.keys(note, 0.8 * beat, 0.6), when, 0.062, -0.3 + 0.25 * i, 0.35)
        for step in range(6):  # a quiet lamp-like glitter above
            note = voicing[(step * 2 + bar) % 4] + 24
            if bar >= 6 and step % 2:
                desk.place(synth.mallet(note, 0.6), at + step * 0.5 * beat, 0.05, 0.6 - 0.24 * step, 0.55)
        if 6 <= bar < 20:
            desk.place(synth.kick(), at, 0.20, 0, 0.05)
            for step in (1, 2):
                desk.place(synth.brush(rng), at + step * beat + human(desk), 0.085, 0.15, 0.25)
    box = [
        (2, 76), (1, 72), (1.5, 69), (0.5, 71), (1, 72), (2, 79), (1, 76), (2, 74), (1, 71),
        (2, 76), (1, 81), (1.5, 79), (0.5, 77), (1, 76), (2, 72), (1, 76), (3, 74),
    ]  # fmt: skip
    song = [
        (2, 77), (1, 81), (2, 79), (1, 74), (1, 76), (1, 79), (1, 83), (2, 80), (1, 76),
        (2, 81), (1, 76), (1.5, 77), (0.5, 76), (1, 72), (1, 76), (1, 79), (1, 84), (2, 83), (1, 79),
        (2, 81), (1, 76), (1, 77), (1, 76), (1, 72), (2, 74), (1, 71), (3, 72),
    ]  # fmt: skip
    melody(desk, box, 6, beat, lambda n, d: synth.bell(n, 2.2), 0.16, 0.1, 0.4)
    melody(desk, song, 30, beat, lambda n, d: synth.flute(n, d * 0.95, rng), 0.125, -0.1, 0.5)
    melody(desk, song, 30, beat, lambda n, d: synth.bell(n, 1.8), 0.07, 0.3, 0.5)
    return desk.master()


# ---------------------------------------------------------------------- album

TRACKS = [
    ("First Light", first_light, "01-first-light.opus"),
    ("Neighbours", neighbours, "02-neighbours.m4a"),
    ("Lamps Along the Lane", lamps, "03-lamps-along-the-lane.mp3"),
]

# Encoder settings by file name ending. Opus in Ogg carries no picture here: players
# take cover.jpg from the folder, which is worth showing too.
CODECS = {
    ".opus": ["-c:a", "libopus", "-b:a", "96k", "-vbr", "constrained"],
    ".m4a": ["-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart"],
    ".mp3": ["-c:a", "libmp3lame", "-q:a", "4", "-id3v2_version", "3"],
}


def encode(wav, cover, path, title, number):
    """Encode one track with its tags and, where the format has it, the cover."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(wav)]
    if path.suffix != ".opus":
        command += ["-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:v", "copy"]
        command += ["-disposition:v:0", "attached_pic", "-metadata:s:v", "title=Album cover"]
        command += ["-metadata:s:v", "comment=Cover (front)"]
    tags = {
        "title": title,
        "artist": ARTIST,
        "album_artist": ARTIST,
        "album": ALBUM,
        "track": f"{number}/{len(TRACKS)}",
        "date": YEAR,
        "genre": "Ambient",
        "copyright": f"{YEAR} Nearcast contributors, {LICENCE}",
        "comment": f"Composed and synthesized for Nearcast. Licence: {LICENCE}.",
    }
    for key, value in tags.items():
        command += ["-metadata", f"{key}={value}"]
    # Bit-exact: no encoder version or date in the file, so a rebuild compares equal.
    command += CODECS[path.suffix] + ["-fflags", "+bitexact", "-flags:a", "+bitexact", str(path)]
    subprocess.run(command, check=True)


def main():
    """Render the covers and all tracks into the output folder."""
    default = pathlib.Path(__file__).resolve().parent.parent / "music"
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        cover = art.cover(600)
        art.save_jpeg(cover, out / "cover.jpg", 40_000)
        art.save_jpeg(art.shrink(cover, 300), work / "small.jpg", 14_000)
        for number, (title, play, name) in enumerate(TRACKS, 1):
            synth.write_wav(work / "track.wav", play())
            encode(work / "track.wav", work / "small.jpg", out / name, title, number)
            print(f"{name}: {(out / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
