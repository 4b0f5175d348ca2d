"""A line with a length: two namespaces joined by a program that holds every packet back for a while.

The kernel at hand may lack `netem`, so packets go through a pair of TUN devices instead. Rates are set by `tbf` on the
devices, in front of the delay, as a modem has it. Run as a program, this is the forwarder.
"""

import ctypes
import fcntl
import heapq
import os
import select
import struct
import subprocess
import sys
import time

from .network import BURST
from .processes import run

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
DEVICE = "line0"
# Larger than any packet of these devices.
PACKET = 2048


class Line:
    """Both ends of a line between two namespaces, `home` and `away`, `ms` one way."""

    def __init__(self, processes, home, away, ms, number=1):
        self.home, self.away = home, away
        self.home_address, self.away_address = f"10.79.{number}.2", f"10.79.{number}.1"
        command = [sys.executable, "-m", "stage.line", home, away, str(ms)]
        self.process = processes.start(
            command, name="line", environment={"PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
        )
        self.process.line()
        for namespace, own, other in (
            (home, self.home_address, self.away_address), (away, self.away_address, self.home_address)
        ):
            run(["ip", "-n", namespace, "addr", "add", own, "peer", other, "dev", DEVICE])
            run(["ip", "-n", namespace, "link", "set", DEVICE, "up", "mtu", "1500", "txqueuelen", "1000"])

    def shape(self, down, up, queue_ms):
        """Sets the rates in Mbit/s, with room for that long in each queue."""
        for namespace, mbit in ((self.home, up), (self.away, down)):
            queue = int(mbit * 1e6 / 8 * queue_ms / 1000) + BURST
            run(["tc", "-n", namespace, "qdisc", "replace", "dev", DEVICE, "root", "tbf",
                 "rate", f"{int(mbit * 1000)}kbit", "burst", BURST, "limit", queue])

    def sent(self):
        """Bytes that left home over the line, headers and all."""
        return counted(self.home)["tx"]


def counted(namespace):
    """The bytes that the line's device carried in a namespace."""
    path = f"/sys/class/net/{DEVICE}/statistics"
    text = run(["ip", "netns", "exec", namespace, "cat", f"{path}/tx_bytes", f"{path}/rx_bytes"])
    sent, received = map(int, text.split())
    return {"tx": sent, "rx": received}


def tun(namespace):
    """Opens the device in a namespace; the process is there afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/var/run/netns/{namespace}", "rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    return device


def forward(home, away, seconds):
    """Moves packets between both devices, each held back by `seconds`."""
    ends = {home: away, away: home}
    waiting, count = [], 0
    poll = select.poll()
    for device in ends:
        poll.register(device, select.POLLIN)
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, device, packet = heapq.heappop(waiting)
            try:
                os.write(device, packet)
            except OSError:
                pass  # the device is not up yet, or the kernel is short of memory: a packet lost
        pause = max(0, (waiting[0][0] - time.monotonic()) * 1000) if waiting else 1000
        # Poll rounds up to milliseconds: below one, turning round is truer.
        for device, _ in poll.poll(pause if pause >= 1 else 0):
            for _ in range(64):
                try:
                    packet = os.read(device, PACKET)
                except BlockingIOError:
                    break
                count += 1
                heapq.heappush(waiting, (time.monotonic() + seconds, count, ends[device], packet))


def main(home, away, ms):
    """The forwarder: runs until it is killed."""
    first = tun(home)
    second = tun(away)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    except PermissionError:
        pass  # timing is a little rougher then
    print("ready", flush=True)
    forward(first, second, float(ms) / 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
