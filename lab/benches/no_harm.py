"""Viewers come one after the other to an origin with room to spare, just enough, and too little.

Four viewers five seconds apart on a video of 2 Mbit/s; the origin has 12, 5 and 3 Mbit/s up. Start-up and stalls
must not be worse than from the same origin by plain HTTP.
"""

from stage import media
from stage.network import Network
from stage.report import Report, plain_arguments

from . import film_night

NEEDS = film_night.NEEDS
COLUMNS = {
    "first_frame_p50_ms": "first frame p50 ms", "first_frame_ms": "p95 ms", "stalls": "stalls",
    "stall_seconds": "stalled s", "copies": "copies",
}


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--viewers", type=int, default=4)
    parser.add_argument("--apart", type=float, default=5.0, help="seconds between two viewers")
    parser.add_argument("--mbit", type=float, default=2.0, help="rate of the video")
    parser.add_argument("--seconds", type=int, default=45, help="length of the video")
    parser.add_argument("--origins", type=lambda text: [float(t) for t in text.split(",")], default=[12.0, 5.0, 3.0],
                        help="origin's Mbit/s up, several with commas")
    parser.add_argument("--down", type=float, default=50.0)
    parser.add_argument("--up", type=float, default=10.0)
    parser.add_argument("--queue-ms", type=float, default=100.0)


def run(args, processes):
    """Runs ours and plain HTTP at each of the origin's rates."""
    report = Report(
        f"no-harm: {args.viewers} viewers of {args.mbit:g} Mbit/s, {args.apart:g} s apart", COLUMNS,
        plain_arguments(args),
    )
    film = media.film(args.mbit, args.seconds)
    network = Network(processes, args.queue_ms)
    origin = network.host("origin", up=args.origins[0])
    homes = [network.host(f"viewer{n}", args.down, args.up) for n in range(1, args.viewers + 1)]
    args.within = args.apart * (args.viewers - 1)
    top = {}
    for mbit in args.origins:
        network.shape(origin, up=mbit)
        for way, name in (("serve", "nearcast"), ("plain", "nginx alone")):
            processes.say(f"{name} at {mbit:g} Mbit/s")
            figures = film_night.evening(args, processes, film, origin, homes, way)
            report.row(f"{name}, origin {mbit:g}", figures)
            top.setdefault(f"{mbit:g}", {})["ours" if way == "serve" else "plain"] = {
                key: figures[key] for key in COLUMNS
            }
    report.ours(origins=top)
    return report
