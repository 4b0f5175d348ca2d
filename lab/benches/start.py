"""The first MiB of a title that three others hold, from an idle origin and from a busy one.

The newcomer and the holders have 50/10 Mbit/s, the origin 20 Mbit/s up. Busy means eight downloads of a large file
that never end. Measured: from the request at the gateway to the last byte of the first MiB, over several titles, each
by a node that was just started and holds nothing, since one that has played fetches the beginnings of what may follow;
bounds are what all sources, or the origin alone, could bring.
"""

import time

from stage import media, nearcast, viewers, web
from stage.network import Network
from stage.report import Report, median, percentile, plain_arguments

NEEDS = ["root", "ip", "tc", "ffmpeg", "nginx"]
COLUMNS = {"seconds": "median s", "p95": "p95 s", "least": "least s", "ratio": "x plain"}
SIZE = 1024 * 1024


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--holders", type=int, default=3)
    parser.add_argument("--times", type=int, default=5, help="titles that are started, one after the other")
    parser.add_argument("--origin", type=float, default=20.0, help="origin's Mbit/s up")
    parser.add_argument("--down", type=float, default=50.0)
    parser.add_argument("--up", type=float, default=10.0)
    parser.add_argument("--downloads", type=int, default=8, help="downloads that make the origin busy")
    parser.add_argument("--queue-ms", type=float, default=100.0)
    parser.add_argument("--only", choices=["idle", "busy"], action="append")


def run(args, processes):
    """Starts titles from an idle and a busy origin, through ours and plainly."""
    all_sources = SIZE * 8 / 1e6 / min(args.down, args.origin + args.holders * args.up)
    alone = SIZE * 8 / 1e6 / min(args.down, args.origin)
    report = Report(
        f"start: first MiB with {args.holders} holders; bounds {all_sources:.2f} s from all, {alone:.2f} s from an "
        "idle origin alone", COLUMNS, plain_arguments(args),
    )
    network = Network(processes, args.queue_ms)
    origin = network.host("origin", up=args.origin)
    holders = [network.host(f"holder{n}", args.down, args.up) for n in range(1, args.holders + 1)]
    newcomer = network.host("newcomer", args.down, args.up)
    crowd = [network.host(f"crowd{n}", args.down, args.up) for n in range(1, args.downloads + 1)]
    songs = [media.noise_film(4 * SIZE, number) for number in range(args.times)]
    for state in args.only or ["idle", "busy"]:
        plain = [round(t, 3) for t in plainly(args, processes, origin, newcomer, crowd, songs, state)]
        figures = nodes(args, processes, network, origin, holders, newcomer, crowd, songs, state)
        ratio = figures["seconds"] / median(plain)
        report.row(f"nearcast, {state} origin", {**figures, "ratio": round(ratio, 3)})
        report.row(f"nginx alone, {state} origin", {**summary(plain), "ratio": 1.0})
        report.ours(**{state: figures["seconds"], f"{state}_ratio": round(ratio, 3)})
    return report


def summary(times):
    """The figures of several starts."""
    return {"seconds": median(times), "p95": percentile(times, 95), "least": min(times), "times": times}


def occupy(args, processes, origin, crowd, state):
    """Makes the origin busy when it should be."""
    if state == "busy":
        url = web.nginx(processes, origin, media.noise(512).parent, port=81) + media.noise(512).name
        for home in crowd:
            viewers.take(processes, home, url, 0.0, 512 * SIZE)
        time.sleep(4)  # until the downloads have filled the line


def plainly(args, processes, origin, newcomer, crowd, songs, state):
    """Each first MiB from nginx alone."""
    root = web.nginx(processes, origin, songs[0].parent)
    occupy(args, processes, origin, crowd, state)
    times = [first(processes, newcomer, f"{root}{song.name}/{media.NOISE}") for song in songs]
    processes.stop_all()
    return times


def first(processes, host, url):
    """Seconds until the first MiB is there."""
    reader = viewers.take(processes, host, url, time.monotonic() + 1.0, SIZE)
    return viewers.answers([reader], 300)[0]["seconds"]


def nodes(args, processes, network, origin, holders, newcomer, crowd, songs, state):
    """Each first MiB through a node, others of which hold it."""
    service = nearcast.Service(args, processes, songs)
    service.serve(origin)
    others = [service.node(home) for home in holders]
    for other in others:
        other.ready()
    network.shape(origin)
    files = fill(processes, others)
    network.shape(origin, up=args.origin)
    time.sleep(3)  # until the supernode was told what they hold
    occupy(args, processes, origin, crowd, state)
    times, delivered = [], {}
    for url in files:
        node = service.node(newcomer)
        node.ready()
        times.append(round(first(processes, newcomer, url), 3))
        for source, count in nearcast.sources([node]).items():
            delivered[source] = delivered.get(source, 0) + count
        node.process.stop()
    processes.stop_all()
    return {**summary(times), "delivered_bytes": delivered}


def fill(processes, others):
    """Lets the holders read every title to its end. Answers the titles' addresses at any gateway."""
    count = len(others[0].ask("titles"))
    files = [others[0].file(number, media.NOISE) for number in range(count)]
    for url in files:
        readers = [viewers.take(processes, other.host, url, 0.0) for other in others]
        viewers.answers(readers, 300)
    return files
