"""A node hands on over a household's line while somebody there uses it: how much of the line is left to him.

A home behind 50/50 Mbit/s and 40 ms, whose node has a title that two peers far away fetch from it. Measured: an
upload and a download of a laptop in that home, alone and beside the node, in per cent of their rate alone; how much of
the line the node uses when nobody else does; how long packets wait in the line meanwhile, beyond the empty line's round
trip. Beside ours: an upload over plain TCP in the node's place.

The line begins in a modem of its own, as at people's homes. On the host that sends, the kernel keeps a TCP from having
more than a few packets in the queue (TCP small queues), so that whoever else fills that queue by 10 ms leaves it 5 Mbit/s.
"""

import json
import os
import sys
import time

from stage import media, nearcast
from stage.line import Line
from stage.network import Network, forward
from stage.processes import Failed, run as run_command
from stage.report import Report, plain_arguments

NEEDS = ["root", "ip", "tc"]
COLUMNS = {
    "upload": "upload %", "download": "download %", "used": "line used %", "queue": "queue p95 ms",
}
SINK, SOURCE, ECHO = 7001, 7002, 7003


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--down", type=float, default=50.0, help="Mbit/s to the home")
    parser.add_argument("--up", type=float, default=50.0, help="Mbit/s from the home")
    parser.add_argument("--rtt", type=float, default=40.0, help="round trip of the empty line in ms")
    parser.add_argument("--queue-ms", type=float, default=100.0, help="room in the line's queues")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--settle", type=float, default=5.0, help="before each measurement")


class Stage:
    """The home, the world, and the line between them."""

    def __init__(self, args, processes):
        self.args, self.processes = args, processes
        network = self.network = Network(processes)
        modem, self.world, self.origin = (network.host(name) for name in ("modem", "world", "origin"))
        self.peers = [network.host(f"peer{n}") for n in (1, 2)]
        self.line = Line(processes, modem.namespace, network.router, args.rtt / 2)
        # The modem's only way out is the line; its veth would be a second one.
        outside(modem, self.line)
        self.home, self.laptop = (behind(network, modem, self.line, name) for name in ("home", "laptop"))
        self.line.shape(args.down, args.up, args.queue_ms)
        for what, port in (("sink", SINK), ("source", SOURCE), ("echo", ECHO)):
            self.flow(self.world, what, port).line()

    def flow(self, host, *words):
        """Starts a program of `stage.flow` on a host."""
        lab = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        line = [sys.executable, "-m", "stage.flow", *words]
        return self.processes.start(line, name=f"flow-{words[0]}", host=host, environment={"PYTHONPATH": lab})

    def measure(self, *words):
        """What a flow between the laptop and the world reports."""
        flow = self.flow(self.laptop, words[0], self.world.address, words[1], self.args.seconds)
        return json.loads(flow.end(self.args.seconds + 60))

    def queue(self, base):
        """How long packets wait at the 95th percentile, beyond the empty line's round trip."""
        trips = sorted(self.measure("probe", ECHO))
        if len(trips) < 20:
            raise Failed("probes do not come back")
        return trips[len(trips) * 95 // 100] - base, trips

    def used(self, before, begun):
        """Per cent of the line's rate that left home since."""
        return (self.line.sent() - before) * 8 / 1e6 / (time.monotonic() - begun) / self.args.up * 100


def outside(modem, line):
    """Takes the modem's first interface away and routes it over the line."""
    run_command(["ip", "-n", modem.namespace, "link", "del", "eth0"])
    run_command(["ip", "-n", modem.namespace, "route", "add", "default", "via", line.away_address])
    forward(modem.namespace)


def behind(network, modem, line, name):
    """A host that reaches everybody through the modem."""
    host = network.host(name, behind=modem)
    run_command(["ip", "-n", network.router, "route", "add", f"{host.address}/32", "via", line.home_address])
    return host


def run(args, processes):
    """Measures alone, beside ours, and beside plain TCP."""
    report = Report(
        f"manners: beside an upload on {args.down:g}/{args.up:g} Mbit/s, {args.rtt:g} ms, room for {args.queue_ms:g} ms",
        COLUMNS, plain_arguments(args),
    )
    seconds = 8 * args.seconds + 8 * args.settle
    size = int(args.up * 1e6 / 8 * seconds / 2)
    stage = Stage(args, processes)
    service = nearcast.Service(args, processes, [media.noise_film(size)])
    service.serve(stage.origin)
    state = filled(stage, service)
    # Who takes from the node could take from the origin as well: that has little to give.
    stage.network.shape(stage.origin, up=1)
    empty = sorted(stage.measure("probe", ECHO))
    base = empty[len(empty) // 2]
    alone = {"upload": stage.measure("push", SINK), "download": stage.measure("pull", SOURCE)}
    report.row("nobody (Mbit/s)", {key: round(rate, 1) for key, rate in alone.items()})

    node = started(service, stage.home, state)
    node.ready(60)
    takers = [service.node(peer, extra=["--sharing", "off"]) for peer in stage.peers]
    for taker in takers:
        taker.ready()
        taker.keep(taker.ask("titles")[0]["id"])
    ours = beside(stage, base, alone)
    handed = node.status()["sent_bytes"]
    if handed < size / 20:
        raise Failed(f"the node handed on {handed} bytes only; {node.process.tail()}")
    report.row("nearcast", ours)
    report.ours(**ours)
    for taker in takers:
        taker.process.stop()
    node.process.stop()

    plain = stage.flow(stage.home, "push", stage.world.address, SINK, 100 * args.seconds)
    report.row("plain TCP", beside(stage, base, alone))
    plain.stop()
    return report


def filled(stage, service):
    """A state of a node that has the title: fetched beside the origin, where no line is in the way."""
    state = service.processes.place("state-home")
    node = started(service, stage.origin, state)
    node.ready()
    node.keep(node.ask("titles")[0]["id"]).end(240)
    node.process.stop()
    return state


def started(service, host, state, *options):
    """A node on a host, with the memory and cache in `state`."""
    line = [service.binary, "node", service.link, "--state", state, "--gateway", nearcast.GATEWAY, "--json", *options]
    environment = dict(service.environment, HOME=str(state))
    process = service.processes.start(line, name="node-home", host=host, environment=environment)
    return nearcast.Node(service, host, process)


def beside(stage, base, alone):
    """What is left to others beside what is going on, and what it uses when they are quiet."""
    time.sleep(stage.args.settle)
    before, begun = stage.line.sent(), time.monotonic()
    queue, _ = stage.queue(base)
    figures = {"used": round(stage.used(before, begun), 1), "queue": round(queue, 1)}
    for name, words in (("upload", ("push", SINK)), ("download", ("pull", SOURCE))):
        rate = stage.measure(*words)
        figures[name] = round(rate / alone[name] * 100, 1)
        time.sleep(stage.args.settle)
    return figures
