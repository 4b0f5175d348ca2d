"""What a process uses, by the kernel's own count, and a machine made ready to be measured."""

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Seconds of processor time that a process has used, in its own code and in the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid):
    """MiB of memory that a process holds, the most it held, and what of it no file stands behind."""
    text = Path(f"/proc/{pid}/status").read_text()
    kib = {name: int(value) for name, value in re.findall(r"(VmRSS|VmHWM|RssAnon):\s+(\d+) kB", text)}
    return {"rss": kib["VmRSS"] / 1024, "most": kib["VmHWM"] / 1024, "anonymous": kib["RssAnon"] / 1024}


def descriptors(pid):
    """How many file descriptors a process holds."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def touch_memory(folder, size):
    """Writes and removes a file. In a virtual machine the first use of a page of memory can cost more than all
    that is measured; pages that were used a moment ago are used again."""
    path = Path(folder) / "touched"
    piece = bytes(1 << 20)
    with open(path, "wb") as file:
        for _ in range(-(-size // len(piece))):
            file.write(piece)
    path.unlink()
