"""Processes that end for sure, folders that go away, and what every program wrote."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A benchmark could not be run to its end."""


def die_with_parent():
    """In a child: ends with the lab, however that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program under the lab's eye."""

    def __init__(self, name, popen, log):
        self.name, self.popen, self.log = name, popen, log

    def alive(self):
        """Whether it still runs."""
        return self.popen.poll() is None

    def line(self, seconds=20):
        """The next line it prints."""
        deadline = time.monotonic() + seconds
        text = b""
        os.set_blocking(self.popen.stdout.fileno(), False)
        while not text.endswith(b"\n"):
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} printed nothing within {seconds} s; {self.tail()}")
            piece = self.popen.stdout.read(1)
            if piece:
                text += piece
            elif not self.alive():
                raise Failed(f"{self.name} ended with {self.popen.returncode}; {self.tail()}")
            else:
                time.sleep(0.002)
        return text.decode()

    def end(self, seconds=None):
        """Waits for its end. Answers what else it printed."""
        try:
            out, _ = self.popen.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} was not done after {seconds:.0f} s; {self.tail()}") from None
        if self.popen.returncode != 0:
            raise Failed(f"{self.name} ended with {self.popen.returncode}; {self.tail()}")
        return (out or b"").decode()

    def stop(self):
        """Asks it to end, and its children; makes it, after two seconds."""
        for signum, patience in ((signal.SIGTERM, 2), (signal.SIGKILL, 5)):
            if not self.alive():
                break
            try:
                os.killpg(self.popen.pid, signum)
            except ProcessLookupError:
                break
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        for pipe in (self.popen.stdout, self.popen.stdin):
            if pipe:
                pipe.close()

    def tail(self):
        """The end of what it wrote to stderr."""
        text = Path(self.log).read_text(errors="replace").strip()
        return f"it wrote: {text[-1500:]}" if text else "it wrote nothing to stderr"


class Processes:
    """All that a run starts and makes; leaving the context ends and removes it."""

    def __init__(self, logs=None, verbose=False):
        self.running, self.endings, self.verbose = [], [], verbose
        self.folder = Path(tempfile.mkdtemp(prefix="nearcast-lab-"))
        self.logs = Path(logs) if logs else self.folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A second Ctrl-C must not leave namespaces behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.stop_all()
        for ending in reversed(self.endings):
            ending()
        shutil.rmtree(self.folder, ignore_errors=True)

    def say(self, text):
        """A line about what happens, when asked for."""
        if self.verbose:
            print(f"lab: {text}", file=sys.stderr, flush=True)

    def at_the_end(self, ending):
        """Called when everything is over, the last one first."""
        self.endings.append(ending)

    def place(self, name):
        """A fresh folder."""
        self.count += 1
        path = self.folder / f"{self.count:03}-{name}"
        path.mkdir()
        return path

    def start(self, line, name=None, host=None, stdin=None, environment=None):
        """Starts a program, on a host if one is given."""
        name = name or Path(str(line[0])).name
        self.count += 1
        log = self.logs / f"{self.count:03}-{name}.log"
        line = [str(word) for word in line]
        if host is not None:
            line = ["ip", "netns", "exec", host.namespace, *line]
        with open(log, "wb") as errors:
            popen = subprocess.Popen(
                line,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                preexec_fn=die_with_parent,
                env=dict(os.environ, **(environment or {})),
            )
        process = Process(name, popen, log)
        self.running.append(process)
        return process

    def stop_all(self, but=()):
        """Stops whatever runs."""
        keep = list(but)
        for process in reversed(self.running):
            if process not in keep:
                process.stop()
        self.running = keep


def run(line, **options):
    """Runs a short command to its end; fails with what it wrote."""
    done = subprocess.run([str(word) for word in line], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, line))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
