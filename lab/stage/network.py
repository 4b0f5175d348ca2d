"""Hosts made of network namespaces around a router, each with a line of its own rates, and their counters."""

import os
import re
from dataclasses import dataclass

from .processes import Failed, run

PREFIX = "nclab"
# Bytes that may leave at once at line rate: the kernel's timers need some, and a packet must fit.
BURST = 16 * 1024


@dataclass
class Counted:
    """Bytes that went through an interface, headers and all."""

    up: int
    down: int

    def since(self, before):
        """What went through since `before`."""
        return Counted(self.up - before.up, self.down - before.down)


class Host:
    """One machine: a namespace with one interface behind a shaped line."""

    def __init__(self, network, name, number, beyond):
        self.name, self.number, self.beyond = name, number, beyond
        self.namespace = f"{network.name}-{name}"
        self.address = f"10.77.{number}.2"
        self.router = f"10.77.{number}.1"

    def counted(self):
        """The bytes that its interface carried so far."""
        for line in run(["ip", "netns", "exec", self.namespace, "cat", "/proc/net/dev"]).splitlines():
            if line.strip().startswith("eth0:"):
                fields = line.split(":", 1)[1].split()
                return Counted(up=int(fields[8]), down=int(fields[0]))
        raise Failed(f"{self.name} has no interface")


class Network:
    """A router namespace and hosts around it. Every host is a household of its own: a /24 for each."""

    def __init__(self, processes, queue_ms=100):
        sweep()
        self.name = f"{PREFIX}{os.getpid()}"
        self.queue_ms = queue_ms
        self.router = f"{self.name}-router"
        self.hosts = []
        processes.at_the_end(self.remove)
        run(["ip", "netns", "add", self.router])
        run(["ip", "-n", self.router, "link", "set", "lo", "up"])
        forward(self.router)

    def host(self, name, down=None, up=None, behind=None):
        """Adds a host whose line carries `down` and `up` Mbit/s; none for no limit. It hangs on the router, or on
        another host that forwards for it."""
        number = len(self.hosts) + 1
        beyond = behind.namespace if behind else self.router
        host = Host(self, name, number, beyond)
        self.hosts.append(host)
        inside, outside = host.namespace, f"h{number}"
        run(["ip", "netns", "add", inside])
        pair = ["type", "veth", "peer", "name", outside, "netns", beyond]
        run(["ip", "-n", inside, "link", "add", "eth0", *pair])
        run(["ip", "-n", inside, "addr", "add", f"{host.address}/24", "dev", "eth0"])
        run(["ip", "-n", beyond, "addr", "add", f"{host.router}/24", "dev", outside])
        for namespace, device in ((inside, "lo"), (inside, "eth0"), (beyond, outside)):
            run(["ip", "-n", namespace, "link", "set", device, "up"])
        run(["ip", "-n", inside, "route", "add", "default", "via", host.router])
        self.shape(host, down, up)
        return host

    def shape(self, host, down=None, up=None):
        """Sets the rates of a host's line, in Mbit/s; none for no limit."""
        self._shape(host.namespace, "eth0", up)
        self._shape(host.beyond, f"h{host.number}", down)

    def _shape(self, namespace, device, mbit):
        tc = ["tc", "-n", namespace, "qdisc"]
        if "tbf" in run([*tc, "show", "dev", device]):
            run([*tc, "del", "dev", device, "root"])
        if mbit is None:
            return
        queue = int(mbit * 1e6 / 8 * self.queue_ms / 1000) + BURST
        run([*tc, "add", "dev", device, "root", "tbf", "rate", f"{int(mbit * 1000)}kbit",
             "burst", BURST, "limit", queue])

    def remove(self):
        """Removes all namespaces; their interfaces go with them."""
        for namespace in [h.namespace for h in self.hosts] + [self.router]:
            drop(namespace)


def forward(namespace):
    """Has a namespace pass packets on between its interfaces."""
    run(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1"])


def drop(namespace):
    """Removes a namespace if it is there."""
    try:
        run(["ip", "netns", "del", namespace])
    except Failed:
        pass


def sweep():
    """Removes what a run left behind that was killed without a chance to clean up."""
    for line in run(["ip", "netns", "list"]).splitlines():
        found = re.match(rf"({PREFIX}(\d+)-\S+)", line)
        if found and not os.path.exists(f"/proc/{found[2]}"):
            drop(found[1])
