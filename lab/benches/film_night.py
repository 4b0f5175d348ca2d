"""Many press play on one film within seconds, on an origin that cannot carry them all.

Eight viewers, a film of 4 Mbit/s and an origin of 20 Mbit/s up: they need 32. Measured at each player: the first
frame, and every stall; at the origin's interface: the bytes it sent, over the film's size. Delivered by `nearcast
serve`, by nginx as the origin of the same site, and plainly by nginx.
"""

from stage import media, nearcast, viewers, web
from stage.network import Network
from stage.report import Report, percentile, plain_arguments

NEEDS = ["root", "ip", "tc", "ffmpeg", "nginx"]
COLUMNS = {
    "stalls": "stalls", "stall_seconds": "stalled s", "stuttering": "viewers with stalls",
    "first_frame_ms": "first frame p95 ms", "first_frame_p50_ms": "p50 ms", "copies": "copies",
}


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--viewers", type=int, default=8)
    parser.add_argument("--within", type=float, default=2.0, help="seconds in which all press play")
    parser.add_argument("--mbit", type=float, default=4.0, help="rate of the film")
    parser.add_argument("--seconds", type=int, default=90, help="length of the film")
    parser.add_argument("--origin", type=float, default=20.0, help="origin's Mbit/s up")
    parser.add_argument("--down", type=float, default=50.0, help="viewers' Mbit/s down")
    parser.add_argument("--up", type=float, default=10.0, help="viewers' Mbit/s up")
    parser.add_argument("--queue-ms", type=float, default=100.0, help="longest queue at a shaped line")
    parser.add_argument("--only", choices=["serve", "nginx", "plain"], action="append", help="run only these")


def run(args, processes):
    """Runs each way to deliver, one after the other, on fresh hosts."""
    report = Report(
        f"film-night: {args.viewers} viewers of {args.mbit:g} Mbit/s within {args.within:g} s, "
        f"origin {args.origin:g} Mbit/s, viewers {args.down:g}/{args.up:g}",
        COLUMNS, plain_arguments(args),
    )
    film = media.film(args.mbit, args.seconds)
    network = Network(processes, args.queue_ms)
    # An empty line is not needed while nothing is started: shaping comes when all is ready.
    origin = network.host("origin", up=args.origin)
    homes = [network.host(f"viewer{n}", args.down, args.up) for n in range(1, args.viewers + 1)]
    ways = args.only or ["serve", "nginx", "plain"]
    for way, title in (("serve", "nearcast serve"), ("nginx", "nearcast, nginx as origin"), ("plain", "nginx alone")):
        if way not in ways:
            continue
        processes.say(title)
        figures = evening(args, processes, film, origin, homes, way)
        report.row(title, figures)
        if way == "serve":
            report.ours(**{key: figures[key] for key in ("stalls", "copies", "first_frame_ms", "stall_seconds")})
    return report


def evening(args, processes, film, origin, homes, way):
    """One way to deliver, from starting its programs to the end of the film."""
    nodes, urls = [], []
    if way == "plain":
        urls = [web.nginx(processes, origin, film) + "master.m3u8"] * len(homes)
    else:
        service = nearcast.Service(args, processes, [film])
        service.serve(origin)
        link = service.elsewhere(web.nginx(processes, origin, service.site)) if way == "nginx" else None
        supernode = service.supernode if way == "nginx" else None
        nodes = [service.node(home, link, supernode) for home in homes]
        for node in nodes:
            node.ready()
        urls = [node.file() for node in nodes]
    begin = viewers.soon(len(homes))
    gap = args.within / max(1, len(homes) - 1)
    before, lines = origin.counted(), [home.counted() for home in homes]
    players = [
        viewers.play(processes, home, url, begin + gap * n) for n, (home, url) in enumerate(zip(homes, urls))
    ]
    found = viewers.answers(players, 20 + 6 * args.seconds)
    sent = origin.counted().since(before)
    size = media.media_file(film).stat().st_size
    figures = summary(found, sent.up / size)
    figures["viewers_up_mb"] = [round(h.counted().since(b).up / 1e6, 1) for h, b in zip(homes, lines)]
    if nodes:
        figures["delivered_bytes"] = nearcast.sources(nodes)
        figures["received_bytes"] = nearcast.received(nodes)
    processes.stop_all()
    return figures


def summary(found, copies):
    """The figures of one evening."""
    starts = [answer["first_frame_ms"] for answer in found]
    return {
        "stalls": sum(len(answer["stalls"]) for answer in found),
        "stall_seconds": round(sum(answer["stall_seconds"] for answer in found), 2),
        "stuttering": sum(1 for answer in found if answer["stalls"]),
        "first_frame_ms": percentile(starts, 95),
        "first_frame_p50_ms": percentile(starts, 50),
        "first_frames_ms": starts,
        "read_s": [answer["read_s"] for answer in found],
        "copies": round(copies, 3),
        "errors": sum(answer["errors"] for answer in found),
        "each": [answer["stalls"] for answer in found],
    }
