"""Nodes that play, seek, skip and serve each other for a long time: whether memory or descriptors grow.

Growth is what the last quarter of the time has over the second one, in the median: the first quarter fills caches.
"""

import random
import time

from stage import media, nearcast, usage
from stage.network import Network
from stage.processes import Failed
from stage.report import Report, median, plain_arguments
from stage.together import Together

NEEDS = ["root", "ip", "curl"]
COLUMNS = {
    "rss": "MiB", "growth": "grew MiB", "anonymous_growth": "without files", "descriptors": "descriptors",
    "descriptors_growth": "grew", "most": "most MiB", "cpu": "CPU %",
}


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--titles", type=int, default=6)
    parser.add_argument("--mib", type=int, default=24, help="size of each title")
    parser.add_argument("--cache-mib", type=int, default=64, help="cache of each node: less than all titles take")
    parser.add_argument("--each", default="400k", help="what each player reads a second")
    parser.add_argument("--seed", type=int, default=1)


def run(args, processes):
    """Lets players come and go, and looks at the nodes every few seconds."""
    chance = random.Random(args.seed)
    report = Report(f"soak: {args.nodes} nodes for {args.minutes:g} minutes", COLUMNS, plain_arguments(args))
    machine = Network(processes).host("machine")
    service = nearcast.Service(args, processes, [media.noise_film(args.mib << 20, n) for n in range(args.titles)])
    origin = service.serve(machine)
    nodes = [Together(service, machine, f"node{n}", ["--cache", f"{args.cache_mib}MB"]) for n in range(args.nodes)]
    for node in nodes:
        node.ready()
    titles = [nodes[0].file(number) for number in range(args.titles)]
    watched = {node.name: node.pid for node in nodes} | {"serve": origin.popen.pid}
    samples, players = {name: [] for name in watched}, [None] * len(nodes)
    begun = time.monotonic()
    while time.monotonic() - begun < 60 * args.minutes:
        for n, node in enumerate(nodes):
            if players[n] is None or not players[n].alive():
                players[n] = play(args, processes, machine, node, chance, titles)
        for name, pid in watched.items():
            samples[name].append({**usage.memory(pid), "descriptors": usage.descriptors(pid), "cpu_seconds": usage.cpu_seconds(pid)})
        time.sleep(2)
    elapsed = time.monotonic() - begun
    for name, taken in samples.items():
        report.row(name, figures(taken, elapsed))
    rows = [figures for _, figures in report.rows]
    report.ours(growth=max(f["growth"] for f in rows), descriptors_growth=max(f["descriptors_growth"] for f in rows))
    check(nodes)
    return report


def play(args, processes, machine, node, chance, titles):
    """A player that begins somewhere and leaves after a while."""
    size = args.mib << 20
    start = chance.choice([0, 0, chance.randrange(size)])
    line = ["curl", "-sf", "-o", "/dev/null", "--limit-rate", args.each, "-m", str(chance.randrange(5, 60)),
            "-r", f"{start}-", f"http://{node.gateway}/{chance.choice(titles)}"]
    processes.running = [p for p in processes.running if p.alive() or p.name != "player"]
    return processes.start(line, name="player", host=machine)


def figures(samples, elapsed):
    """The figures of one process."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter:2 * quarter], samples[-quarter:]

    def grew(key):
        return median([s[key] for s in late]) - median([s[key] for s in early])

    return {
        "rss": round(median([s["rss"] for s in late]), 1), "growth": round(grew("rss"), 1),
        "anonymous_growth": round(grew("anonymous"), 1), "descriptors": median([s["descriptors"] for s in late]),
        "descriptors_growth": grew("descriptors"), "most": round(max(s["most"] for s in samples), 1),
        "cpu": round(100 * (samples[-1]["cpu_seconds"] - samples[0]["cpu_seconds"]) / elapsed, 1),
    }


def check(nodes):
    """Fails when the nodes did not serve each other."""
    if sum(node.status()["delivered_bytes"]["peers"] for node in nodes) == 0:
        raise Failed("no node got anything from another: this says nothing about serving")
