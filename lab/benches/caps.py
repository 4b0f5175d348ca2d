"""What a node hands on under its caps, by the counters of its interface and not by its own word.

A home whose node has a title that two peers elsewhere fetch from it. `--upload-limit`: the rate that leaves the home over
some seconds. `--monthly-limit`: all that leaves it until it stops by itself, over a restart in the middle. `pause`: what
leaves it then, which is what connections need to say that they live.
"""

import shutil
import time

from benches.manners import filled, started
from stage import media, nearcast
from stage.network import Network
from stage.processes import Failed
from stage.report import Report, plain_arguments

NEEDS = ["root", "ip", "tc"]
COLUMNS = {"allowed": "allowed", "left": "left home", "percent": "%"}
# The interface says that nothing goes out when it carries less than this in a second: pings and messages.
QUIET_BYTES = 20_000


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--up", type=float, default=50.0, help="the home's Mbit/s up")
    parser.add_argument("--limit", type=float, default=8.0, help="--upload-limit in Mbit/s")
    parser.add_argument("--month", type=float, default=60.0, help="--monthly-limit in MB")
    parser.add_argument("--seconds", type=float, default=20.0, help="over which the rate is measured")


class Stage:
    """Home, origin and peers, and a site with one title that the home's node has."""

    def __init__(self, args, processes):
        self.args, self.processes = args, processes
        self.network = Network(processes)
        self.home, self.origin = self.network.host("home", up=args.up), self.network.host("origin")
        self.peers = [self.network.host(f"peer{n}") for n in (1, 2)]
        size = int(max(args.month * 2e6, args.limit * 1e6 / 8 * (args.seconds + 20)))
        self.service = nearcast.Service(args, processes, [media.noise_film(size)])
        self.serving = self.service.serve(self.origin)
        self.state = filled(self, self.service)
        self.network.shape(self.origin, up=1)

    def begin(self, *options, state=None):
        """Starts the home's node and its takers. Answers the node and what had left home before."""
        node = started(self.service, self.home, state or self.state, *options)
        node.ready()
        before = self.home.counted().up
        for peer in self.peers:
            taker = self.service.node(peer, extra=["--sharing", "off"])
            taker.ready()
            taker.keep(taker.ask("titles")[0]["id"])
        return node, before

    def end(self):
        """Stops everything but the origin."""
        self.processes.stop_all(but=[self.serving])

    def fresh(self):
        """A state that has handed on nothing yet this month."""
        return shutil.copytree(self.state, self.processes.place("state-month"), dirs_exist_ok=True)

    def quiet(self, seconds=3, patience=120):
        """Waits until nothing has left home for some seconds."""
        deadline, calm = time.monotonic() + patience, 0
        while calm < seconds:
            before = self.home.counted().up
            time.sleep(1)
            calm = calm + 1 if self.home.counted().up - before < QUIET_BYTES else 0
            if time.monotonic() > deadline:
                raise Failed(f"the node still hands on after {patience} s")


def run(args, processes):
    """Measures one cap after the other."""
    report = Report("caps: what leaves a home, by its interface", COLUMNS, plain_arguments(args))
    stage = Stage(args, processes)
    fresh = stage.fresh()

    _, _ = stage.begin("--upload-limit", f"{int(args.limit * 1000)}kbit")
    time.sleep(5)
    before, begun = stage.home.counted().up, time.monotonic()
    time.sleep(args.seconds)
    rate = (stage.home.counted().up - before) * 8 / 1e6 / (time.monotonic() - begun)
    stage.end()
    report.row("upload limit, Mbit/s", row(args.limit, rate))

    month = f"{int(args.month * 1000)}kB"
    node, before = stage.begin("--monthly-limit", month, state=fresh)
    half = before + args.month * 1e6 / 2
    deadline = time.monotonic() + 120
    while stage.home.counted().up < half:
        if time.monotonic() > deadline:
            raise Failed(f"the node hands on too little; {node.process.tail()}")
        time.sleep(0.05)
    stage.end()
    stage.begin("--monthly-limit", month, state=fresh)
    stage.quiet()
    left = (stage.home.counted().up - before) / 1e6
    stage.end()
    report.row("monthly limit, MB", row(args.month, left))

    node, _ = stage.begin()
    node.ask("pause")
    time.sleep(2)
    before = stage.home.counted().up
    time.sleep(5)
    paused = (stage.home.counted().up - before) / 5 * 8 / 1e6
    stage.end()
    report.row("paused, Mbit/s", {"allowed": 0, "left": round(paused, 4)})
    report.ours(upload_percent=row(args.limit, rate)["percent"], month_percent=row(args.month, left)["percent"],
                paused_mbit=round(paused, 4))
    return report


def row(allowed, left):
    """One cap and what it came to."""
    return {"allowed": allowed, "left": round(left, 3), "percent": round(left / allowed * 100, 1)}
