"""How much memory a node holds: idle, and with a large title that it serves to many peers at once.

Memory is resident memory as the kernel counts it, the program's own pages included.
"""

import time

from stage import media, nearcast, usage
from stage.network import Network
from stage.processes import Failed
from stage.report import Report, plain_arguments
from stage.together import Together, read

NEEDS = ["root", "ip", "curl"]
COLUMNS = {"rss": "MiB", "most": "most MiB", "anonymous": "no file MiB", "descriptors": "descriptors", "mbit": "Mbit/s"}


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--mib", type=int, default=4000, help="size of the title")
    parser.add_argument("--peers", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30, help="how long it serves them")
    parser.add_argument("--each", default="40M", help="what each peer reads a second")


def run(args, processes):
    """Looks at a node at rest, then while it serves."""
    size = args.mib << 20
    report = Report(f"memory: a title of {args.mib} MiB, {args.peers} peers", COLUMNS, plain_arguments(args))
    machine = Network(processes).host("machine")
    service = nearcast.Service(args, processes, [media.noise_film(size)])
    service.serve(machine)
    node = Together(service, machine, "node", ["--cache", str(4 * size)])
    node.ready()
    time.sleep(10)  # what starting up needed has been given back by then
    idle = state(node)
    report.row("idle", idle)
    file = node.file()
    read(machine, f"http://{node.gateway}/{file}")
    report.row("holds all of the title", state(node))
    serving = served(args, processes, service, machine, node, file)
    report.row(f"serves {args.peers} peers", serving)
    report.ours(idle=idle["rss"], serving=serving["rss"], serving_most=serving["most"])
    return report


def state(node):
    """What a node holds at this moment."""
    return {**{key: round(mib, 1) for key, mib in usage.memory(node.pid).items()}, "descriptors": usage.descriptors(node.pid)}


def served(args, processes, service, machine, node, file):
    """Lets peers read different parts of the title, and looks at the node all the while.

    They hand nothing on: a node has enough with a dozen peers, and some would be content with each other.
    """
    alone = ["--cache", "50MB", "--sharing", "off"]
    peers = [Together(service, machine, f"peer{n}", alone) for n in range(args.peers)]
    for peer in peers:
        peer.ready(60)
    size = args.mib << 20
    before = node.status()["sent_bytes"]
    for n, peer in enumerate(peers):
        line = ["curl", "-sf", "-o", "/dev/null", "--limit-rate", args.each, "-r", f"{size * n // len(peers)}-", f"http://{peer.gateway}/{file}"]
        processes.start(line, name=f"player{n}", host=machine)
    worst, begun = state(node), time.monotonic()
    while time.monotonic() - begun < args.seconds:
        time.sleep(0.25)
        worst = max(worst, state(node), key=lambda s: s["rss"])
    status = node.status()
    if status["peers"] < args.peers:
        raise Failed(f"only {status['peers']} of {args.peers} peers are connected")
    worst["mbit"] = round((status["sent_bytes"] - before) * 8 / args.seconds / 1e6)
    return worst
