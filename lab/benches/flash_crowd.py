"""Many want all of one file at once, and the origin can carry only a few copies of it.

64 MiB kept by eight nodes of 50/10 Mbit/s at once, origin 20 Mbit/s up. The time until the last one has all of it
is compared with what no way to deliver can beat when the origin sends k copies:

    limit(k) = max(F/us, F/dmin, N F / (us + sum of u), (N - k) F / sum of u)

`ratio` is the time over the limit at 1.6 copies. Beside ours: BitTorrent clients with a tracker of ours and one seed
on the origin's line, and plain nginx.
"""

import time

from stage import media, nearcast, torrents, viewers, web
from stage.network import Network
from stage.processes import Failed
from stage.report import Report, plain_arguments

CLIENTS = {client.name: client for client in (torrents.Aria2(), torrents.Libtorrent(), torrents.Transmission())}
NEEDS = ["root", "ip", "tc", "ffmpeg", "nginx", "aria2c", "python:libtorrent", "transmission-daemon"]
COLUMNS = {"seconds": "last one s", "ratio": "x limit", "median": "median s", "copies": "copies"}
# The copies for which the published limit is 42.9 s at the default sizes.
LIMIT_COPIES = 1.6


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--mib", type=float, default=64.0, help="size of the file")
    parser.add_argument("--origin", type=float, default=20.0, help="origin's Mbit/s up")
    parser.add_argument("--down", type=float, default=50.0)
    parser.add_argument("--up", type=float, default=10.0)
    parser.add_argument("--piece-kib", type=int, default=256, help="size of the BitTorrent clients' pieces")
    parser.add_argument("--queue-ms", type=float, default=100.0)
    ways = ["nearcast", *CLIENTS, "nginx"]
    parser.add_argument("--only", choices=ways, action="append", help="run only these")


def limit(args, size, copies):
    """Seconds that nobody beats when the origin sends so many copies."""
    origin, down, up = (mbit * 1e6 / 8 for mbit in (args.origin, args.down, args.up))
    together = args.nodes * up
    return max(
        size / origin, size / down, args.nodes * size / (origin + together), (args.nodes - copies) * size / together
    )


def run(args, processes):
    """Runs each way to deliver, one after the other, on fresh programs."""
    size = int(args.mib * 1024 * 1024)
    bound = limit(args, size, LIMIT_COPIES)
    report = Report(
        f"flash-crowd: {args.mib:g} MiB to {args.nodes} nodes of {args.down:g}/{args.up:g} Mbit/s, "
        f"origin {args.origin:g}; limit {bound:.1f} s at {LIMIT_COPIES} copies, "
        f"{limit(args, size, 1.3):.1f} s at 1.3",
        COLUMNS, plain_arguments(args),
    )
    network = Network(processes, args.queue_ms)
    origin = network.host("origin", up=args.origin)
    homes = [network.host(f"node{n}", args.down, args.up) for n in range(1, args.nodes + 1)]
    for way in args.only or ["nearcast", *CLIENTS, "nginx"]:
        processes.say(way)
        before = origin.counted()
        if way == "nearcast":
            times, _ = ours(args, processes, size, origin, homes)
        elif way == "nginx":
            times = plain(processes, size, origin, homes, bound)
        else:
            try:
                times = swarm(args, processes, CLIENTS[way], origin, homes, bound)
            except torrents.Unfinished as why:
                report.note(f"{way}: {why}")
                processes.stop_all()
                continue
        sent = origin.counted().since(before)
        processes.stop_all()
        times.sort()
        figures = {
            "seconds": round(times[-1], 2), "ratio": round(times[-1] / bound, 3),
            "median": round(times[len(times) // 2], 2), "copies": round(sent.up / size, 3), "times": times,
        }
        report.row(way, figures)
        if way == "nearcast":
            report.ours(ratio=figures["ratio"], copies=figures["copies"], seconds=figures["seconds"], limit=round(bound, 2))
    return report


def ours(args, processes, size, origin, homes):
    """Keeps the file on every node. Answers when each had it, and where it came from."""
    service = nearcast.Service(args, processes, [media.noise_film(size)])
    service.serve(origin)
    nodes = [service.node(home) for home in homes]
    for node in nodes:
        node.ready()
    titles = [node.ask("titles")[0]["id"] for node in nodes]
    begun = time.monotonic()
    keeps = [node.keep(title) for node, title in zip(nodes, titles)]
    times = {}
    while len(times) < len(keeps):
        for keep in keeps:
            if keep not in times and not keep.alive():
                keep.end()
                times[keep] = round(time.monotonic() - begun, 3)
        if time.monotonic() - begun > 900:
            raise Failed("nodes were not done after 900 s")
        time.sleep(0.02)
    return list(times.values()), nearcast.received(nodes)


def swarm(args, processes, client, origin, homes, bound):
    """Fetches the file by BitTorrent."""
    file = media.noise(args.mib)
    torrents.tracker(processes, origin)
    meta = torrents.torrent(processes, origin, file, args.piece_kib * 1024)
    client.seed(processes, origin, meta, file)
    time.sleep(5)  # the seed checks its file and announces itself; no client says when it has
    begun = time.monotonic()
    started = [client.leech(processes, home, meta, file) for home in homes]
    times = torrents.gather([mark for mark, _ in started], begun, 20 * bound)
    for _, copy in started:
        if copy.stat().st_size != file.stat().st_size:
            raise Failed(f"{client.name} says it is done, and the file has another size")
    return [round(t, 3) for t in times]


def plain(processes, size, origin, homes, bound):
    """Fetches the file from nginx alone."""
    file = media.noise(size / 1024 / 1024)
    url = web.nginx(processes, origin, file.parent) + file.name
    begin = viewers.soon(len(homes))
    readers = [viewers.take(processes, home, url, begin, size) for home in homes]
    return [answer["seconds"] for answer in viewers.answers(readers, 60 + 20 * bound)]
