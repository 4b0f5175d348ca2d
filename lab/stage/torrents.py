"""BitTorrent clients beside ours: one seeds on the origin's host, the others leech, a tracker of ours introduces them."""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

from . import needs
from .processes import Failed

TRACKER = Path(__file__).with_name("tracker.py")
LIBTORRENT = Path(__file__).with_name("libtorrent_client.py")
PORT = 6881
TRACKER_PORT = 6969


def bencode(value):
    """Bencoding (BEP 3)."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"


def torrent(processes, host, file, piece):
    """Writes a torrent of a file, with the tracker on `host`."""
    pieces = b""
    with open(file, "rb") as content:
        while block := content.read(piece):
            pieces += hashlib.sha1(block).digest()
    meta = {
        "announce": f"http://{host.address}:{TRACKER_PORT}/announce",
        "info": {"name": file.name, "length": file.stat().st_size, "piece length": piece, "pieces": pieces},
    }
    path = processes.place("torrent") / f"{file.name}.torrent"
    path.write_bytes(bencode(meta))
    return path


def tracker(processes, host):
    """Starts the tracker."""
    process = processes.start([sys.executable, TRACKER, TRACKER_PORT], name="tracker", host=host)
    process.line()
    return process


class Aria2:
    """aria2c."""

    name, needs = "aria2", ["aria2c"]
    common = ["--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false", f"--listen-port={PORT}",
              "--console-log-level=error", "--summary-interval=0", "--show-console-readout=false",
              "--file-allocation=none", "--no-conf", "--disable-ipv6=true"]

    def seed(self, processes, host, meta, file):
        """Seeds a file."""
        place = processes.place(f"aria2-{host.name}")
        shutil.copy(file, place / file.name)
        line = ["aria2c", *self.common, "--bt-seed-unverified=true", "--check-integrity=true", "--seed-ratio=0.0",
                "-d", place, meta]
        return processes.start(line, host=host)

    def leech(self, processes, host, meta, file):
        """Fetches it and goes on seeding. Answers the mark that says it is complete."""
        place = processes.place(f"aria2-{host.name}")
        mark, hook = place / "done", place / "hook"
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
        line = ["aria2c", *self.common, f"--on-bt-download-complete={hook}", "--seed-ratio=0.0", "-d", place, meta]
        processes.start(line, host=host)
        return mark, place / file.name


class Libtorrent:
    """libtorrent (rasterbar), by its Python binding with the settings it ships with, or over TCP alone."""

    name, needs = "libtorrent", ["python:libtorrent"]

    def __init__(self, over="any"):
        self.over = over

    def seed(self, processes, host, meta, file):
        """Seeds a file."""
        place = processes.place(f"libtorrent-{host.name}")
        shutil.copy(file, place / file.name)
        process = self.start(processes, host, meta, place)
        process.line()
        return process

    def leech(self, processes, host, meta, file):
        """Fetches it and goes on seeding."""
        place = processes.place(f"libtorrent-{host.name}")
        self.start(processes, host, meta, place)
        return place / "done", place / file.name

    def start(self, processes, host, meta, place):
        """A client on a torrent."""
        line = [needs.PYTHON, LIBTORRENT, meta, place, PORT, host.address, self.over]
        return processes.start(line, name="libtorrent", host=host)


class Transmission:
    """transmission-daemon."""

    name, needs = "transmission", ["transmission-daemon"]

    def seed(self, processes, host, meta, file):
        """Seeds a file."""
        place = self.place(processes, host)
        shutil.copy(file, place / file.name)
        return self.daemon(processes, host, place, meta)

    def leech(self, processes, host, meta, file):
        """Fetches it and goes on seeding."""
        place = self.place(processes, host)
        self.daemon(processes, host, place, meta)
        return place / "done", place / file.name

    @staticmethod
    def place(processes, host):
        """A folder for one daemon."""
        return processes.place(f"transmission-{host.name}")

    @staticmethod
    def daemon(processes, host, place, meta):
        """Starts a daemon on a torrent."""
        hook, watched, config = place / "hook", place / "watched", place / "config"
        hook.write_text(f"#!/bin/sh\ntouch {place}/done\n")
        hook.chmod(0o755)
        watched.mkdir()
        config.mkdir()
        settings = {
            "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False, "peer-port": PORT,
            "port-forwarding-enabled": False, "rpc-enabled": False, "download-dir": str(place),
            "watch-dir": str(watched), "watch-dir-enabled": True, "script-torrent-done-enabled": True,
            "script-torrent-done-filename": str(hook), "speed-limit-up-enabled": False, "ratio-limit-enabled": False,
            "bind-address-ipv4": host.address, "rename-partial-files": False,
        }
        (config / "settings.json").write_text(json.dumps(settings))
        process = processes.start(["transmission-daemon", "-f", "-g", config], name="transmission", host=host)
        shutil.copy(meta, watched)
        return process


class Unfinished(Failed):
    """Clients that were not complete in the time they were given."""


def gather(marks, begun, seconds):
    """When each mark appeared, in seconds after `begun`; `Unfinished` when one does not within `seconds`."""
    times = {}
    while len(times) < len(marks):
        for mark in marks:
            if mark not in times and mark.exists():
                times[mark] = max(0.0, time.monotonic() - begun)
        if time.monotonic() - begun > seconds:
            raise Unfinished(f"{len(marks) - len(times)} of {len(marks)} were not complete after {seconds:.0f} s")
        time.sleep(0.02)
    return [times[mark] for mark in marks]
