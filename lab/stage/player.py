#!/usr/bin/env python3
"""A player that reads in real time and measures, and a reader that takes bytes as fast as they come.

Runs as a program of its own on the host where somebody watches, and prints one JSON object.

The player reads an HLS playlist of one rendition as hls.js or ffmpeg do: segment after segment over one kept-alive
connection, up to `--ahead` seconds ahead of the playhead. What it calls a start and a stall:

- first frame: from pressing play until 64 KiB of media or a quarter second of it is there, whichever is more;
- stall: after the first frame the playhead stands still for more than 250 ms. It moves on once a quarter second of
  media lies ahead of it.
"""

import argparse
import hashlib
import http.client
import json
import sys
import time
import urllib.parse

START_BYTES = 64 * 1024
QUARTER = 0.25
CHUNK = 16 * 1024
RETRY_SECONDS = 1.0
PATIENCE = 30


class Broken(Exception):
    """An answer that is no media."""


class Server:
    """One kept-alive connection."""

    def __init__(self, url, agent):
        parts = urllib.parse.urlsplit(url)
        self.host, self.agent, self.errors = parts.netloc, agent, 0
        self.connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)

    def get(self, path, first=None, end=None):
        """The answer to a request for a file or some of its bytes; tried again a second after a failure."""
        headers = {"User-Agent": self.agent}
        if first is not None:
            headers["Range"] = f"bytes={first}-{end - 1}"
        try:
            self.connection.request("GET", path, headers=headers)
            answer = self.connection.getresponse()
            if answer.status in (200, 206):
                return answer
            answer.read()
            if answer.status not in (503, 502):
                raise Broken(f"{path}: {answer.status}")
        except (OSError, http.client.HTTPException):
            pass
        self.failed()
        return None

    def failed(self):
        """Counts a failure and waits before the next try."""
        self.errors += 1
        self.connection.close()
        time.sleep(RETRY_SECONDS)

    def whole(self, path):
        """A small file."""
        while True:
            answer = self.get(path)
            if answer is not None:
                try:
                    return answer.read()
                except (OSError, http.client.HTTPException):
                    self.failed()


class Segment:
    """A range of a file that plays for some seconds."""

    def __init__(self, path, first, end, seconds):
        self.path, self.first, self.end, self.seconds = path, first, end, seconds


def byte_range(text, after):
    """First and end of `length@offset`; without an offset it goes on after the range before it."""
    length, _, offset = text.partition("@")
    first = int(offset) if offset else after
    return first, first + int(length)


def parse(text, base):
    """The segments of a media playlist, its init section first; or the path of a master's first rendition."""
    segments, seconds, span, after = [], None, None, 0
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#EXT-X-MAP:"):
            fields = dict(f.split("=", 1) for f in line.split(":", 1)[1].split(","))
            path = urllib.parse.urljoin(base, fields["URI"].strip('"'))
            first, end = byte_range(fields["BYTERANGE"].strip('"'), 0)
            segments.append(Segment(path, first, end, 0.0))
        elif line.startswith("#EXTINF:"):
            seconds = float(line.split(":", 1)[1].split(",")[0])
        elif line.startswith("#EXT-X-BYTERANGE:"):
            span = line.split(":", 1)[1]
        elif line and not line.startswith("#"):
            path = urllib.parse.urljoin(base, line)
            if seconds is None:
                return path
            first, end = byte_range(span, after)
            segments.append(Segment(path, first, end, seconds))
            after, seconds, span = end, None, None
    return segments


class Playhead:
    """Where playback is, told of media as it comes."""

    def __init__(self, pressed):
        self.pressed, self.available = pressed, 0.0
        self.base = None  # moment and media time from which the playhead runs
        self.since = None  # standing still since
        self.first_frame, self.stalls = None, []

    def position(self, now):
        """Media time that plays at `now`."""
        if self.base is None:
            return 0.0
        moment, media = self.base
        return min(media + now - moment, self.available)

    def came(self, now, media, enough, complete):
        """Media reaches to `media` seconds; `enough` says whether a first frame can be shown."""
        if self.base is None:
            self.available = media
            if enough:
                self.first_frame = now - self.pressed
                self.base = (now, 0.0)
            return
        moment, start = self.base
        dry = moment + self.available - start
        if self.since is None and now > dry:
            self.since = dry
        stood = self.available
        self.available = media
        if self.since is not None:
            at = self.base[1] + (self.since - self.base[0])
            if media - at >= QUARTER or complete:
                lasted = now - self.since
                if lasted > QUARTER:
                    self.stalls.append({"at_s": round(self.since - self.pressed, 3), "lasted_s": round(lasted, 3)})
                self.base, self.since = (now, min(at, stood)), None


def play(args):
    """Plays and answers what happened."""
    wait_until(args.at)
    pressed = time.monotonic()
    server = Server(args.url, args.agent)
    path = urllib.parse.urlsplit(args.url).path
    segments = path
    while isinstance(segments, str):
        path = segments
        segments = parse(server.whole(path).decode(), path)
    playhead, digest = Playhead(pressed), hashlib.blake2b(digest_size=16)
    total = min(sum(s.seconds for s in segments), args.seconds or 1e9)
    read, done, played_bytes = 0, 0.0, 0
    for segment in segments:
        if done >= total:
            break
        while done - playhead.position(time.monotonic()) >= args.ahead:
            time.sleep(0.05)
        size, got = segment.end - segment.first, 0
        while got < size:
            answer = server.get(segment.path, segment.first + got, segment.end)
            if answer is None:
                continue
            try:
                while got < size:
                    piece = answer.read1(min(CHUNK, size - got))
                    if not piece:
                        raise http.client.IncompleteRead(b"")
                    got += len(piece)
                    digest.update(piece)
                    played_bytes += len(piece) if segment.seconds else 0
                    media = done + segment.seconds * got / size
                    enough = played_bytes >= START_BYTES and media >= QUARTER
                    playhead.came(time.monotonic(), media, enough, media >= total)
                answer.read()
            except (OSError, http.client.HTTPException):
                server.failed()
        done += segment.seconds
        read += size
    now = time.monotonic()
    time.sleep(max(0.0, total - playhead.position(now)) if args.stay else 0.0)
    return {
        "first_frame_ms": round(playhead.first_frame * 1000, 1) if playhead.first_frame is not None else None,
        "stalls": playhead.stalls,
        "stall_seconds": round(sum(s["lasted_s"] for s in playhead.stalls), 3),
        "read_s": round(now - pressed, 3),
        "bytes": read,
        "errors": server.errors,
        "digest": digest.hexdigest(),
    }


def take(args):
    """Reads the first bytes of a file, or all of it, as fast as they come."""
    wait_until(args.at)
    begun = time.monotonic()
    server = Server(args.url, args.agent)
    path = urllib.parse.urlsplit(args.url).path
    digest, got, first_byte = hashlib.blake2b(digest_size=16), 0, None
    while True:
        answer = server.get(path, got, args.bytes) if args.bytes else server.get(path, got, 1 << 50)
        if answer is None:
            continue
        try:
            while piece := answer.read1(1 << 16):
                first_byte = first_byte or time.monotonic()
                got += len(piece)
                digest.update(piece)
            if answer.length in (0, None):
                break
        except (OSError, http.client.HTTPException):
            server.failed()
    if args.bytes and got < args.bytes:
        raise Broken(f"{path}: {got} bytes instead of {args.bytes}")
    return {
        "seconds": round(time.monotonic() - begun, 3),
        "first_byte_ms": round(((first_byte or begun) - begun) * 1000, 1),
        "bytes": got,
        "errors": server.errors,
        "digest": digest.hexdigest(),
    }


def wait_until(moment):
    """Waits for a moment of the machine's monotonic clock, which all hosts share."""
    time.sleep(max(0.0, moment - time.monotonic()))


def main():
    """Runs the command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = top.add_subparsers(required=True)
    for name, kind in (("play", play), ("take", take)):
        sub = kinds.add_parser(name)
        sub.set_defaults(kind=kind)
        sub.add_argument("url")
        sub.add_argument("--at", type=float, default=0.0, help="moment of the monotonic clock to begin at")
        sub.add_argument("--agent", default="lab-player")
        sub.add_argument("--seconds", type=float, default=None, help="media to play; otherwise all")
        sub.add_argument("--ahead", type=float, default=30.0, help="seconds of media to hold ahead")
        sub.add_argument("--stay", action="store_true", help="stay until the playhead is at the end")
        sub.add_argument("--bytes", type=int, default=None)
    args = top.parse_args()
    try:
        print(json.dumps(args.kind(args)))
    except Broken as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
