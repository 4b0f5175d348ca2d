"""What a player gets from the cache through a node's gateway, beside nginx with the same file.

Whole reads over loopback, and the first byte of reads that begin anywhere in the title.
"""

from stage import media, nearcast, usage, web
from stage.network import Network
from stage.report import Report, median, percentile, plain_arguments
from stage.together import Together, read

NEEDS = ["root", "ip", "curl", "nginx"]
COLUMNS = {"gbit": "Gbit/s", "of_nginx": "x nginx", "first_ms": "first byte ms", "first_ms_p95": "p95 ms", "cpu_per_gb": "CPU-s/GB"}


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--mib", type=int, default=1024, help="size of the title")
    parser.add_argument("--times", type=int, default=5, help="whole reads of each; the median is shown")
    parser.add_argument("--seeks", type=int, default=40, help="reads that begin anywhere")


def run(args, processes):
    """Reads the same file from both."""
    size = args.mib << 20
    file = media.noise_film(size)
    report = Report(f"gateway: {args.mib} MiB from the cache", COLUMNS, plain_arguments(args))
    machine = Network(processes).host("machine")
    nginx = web.nginx(processes, machine, file)
    plain = measured(args, machine, nginx + "film.m4s", size, None)
    service = nearcast.Service(args, processes, [file])
    service.serve(machine)
    node = Together(service, machine, "node", ["--cache", str(4 * size)])
    node.ready()
    url = f"http://{node.gateway}/{node.file()}"
    read(machine, url)
    ours = measured(args, machine, url, size, node.pid)
    plain["of_nginx"], ours["of_nginx"] = 1.0, round(ours["gbit"] / plain["gbit"], 3)
    report.row("nearcast", ours)
    report.row("nginx", plain)
    report.ours(**ours)
    return report


def measured(args, machine, url, size, pid):
    """Whole reads and seeks of one address."""
    read(machine, url)
    before = usage.cpu_seconds(pid) if pid else 0
    whole = [read(machine, url)["seconds"] for _ in range(args.times)]
    cpu = (usage.cpu_seconds(pid) - before) / args.times / (size / 1e9) if pid else None
    # The same places for both, spread over the title.
    places = [size * (2 * n + 1) // (2 * args.seeks) for n in range(args.seeks)]
    first = [1000 * read(machine, url, "-r", f"{at}-{at + 65535}")["first"] for at in places]
    return {
        "gbit": round(size * 8 / median(whole) / 1e9, 3), "first_ms": round(median(first), 2),
        "first_ms_p95": round(percentile(first, 95), 2), "cpu_per_gb": cpu and round(cpu, 3),
    }
