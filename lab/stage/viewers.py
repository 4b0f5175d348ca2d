"""Players on their hosts: started for the same moment, their answers gathered."""

import json
import sys
import time
from pathlib import Path

from .processes import Failed

PLAYER = Path(__file__).with_name("player.py")
# Python needs a moment to start; on two cores eight of them need several.
LEAD = 2.0


def soon(viewers):
    """A moment at which so many players are ready to begin."""
    return time.monotonic() + LEAD + 0.15 * viewers


def play(processes, host, url, at, seconds=None, ahead=30.0, stay=True):
    """Starts a player that presses play at `at`."""
    line = [sys.executable, PLAYER, "play", url, "--at", f"{at:.3f}", "--ahead", ahead, "--agent", f"lab/{host.name}"]
    line += ["--seconds", seconds] if seconds else []
    line += ["--stay"] if stay else []
    return processes.start(line, name=f"player-{host.name}", host=host)


def take(processes, host, url, at, size=None):
    """Starts a reader that takes the first `size` bytes, or all."""
    line = [sys.executable, PLAYER, "take", url, "--at", f"{at:.3f}", "--agent", f"lab/{host.name}"]
    line += ["--bytes", size] if size else []
    return processes.start(line, name=f"reader-{host.name}", host=host)


def answers(started, seconds):
    """What they found, in the order they were given; fails when one is not done within `seconds` from here on."""
    deadline = time.monotonic() + seconds
    found = [json.loads(p.end(max(1.0, deadline - time.monotonic()))) for p in started]
    if len({answer["digest"] for answer in found}) > 1:
        raise Failed("players of the same media were given different bytes")
    return found
