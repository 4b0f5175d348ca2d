"""One large title from one node to another over loopback, unshaped: the rate, and what it costs both ends.

Node A holds all of it, node B gets it from A, verified and kept. Beside it: iroh alone, which is our transport without
a store, without hashes and without an engine, and other programs between two hosts with an unshaped line. libtorrent has TCP
alone there: by uTP, which it picks by itself, it is many times slower.
"""

import subprocess
import time

from stage import media, nearcast, torrents, usage, web
from stage.network import Network
from stage.processes import Failed
from stage.report import Report, median, plain_arguments
from stage.together import Together, read

CLIENTS = {client.name: client for client in (torrents.Aria2(), torrents.Libtorrent("tcp"))}
NEEDS = ["root", "ip", "curl", "nginx", "aria2c", "python:libtorrent"]
COLUMNS = {"gbit": "Gbit/s", "cpu_per_gb": "CPU-s/GB", "seconds": "s", "of_iroh": "x iroh"}


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--mib", type=int, default=1024, help="size of the title")
    parser.add_argument("--times", type=int, default=3, help="transfers of each kind; the median is shown")
    parser.add_argument("--raw", metavar="FILE", help="the raw_iroh example; otherwise it is built")
    ways = ["nearcast", "played", "iroh", "nginx", *CLIENTS]
    parser.add_argument("--only", choices=ways, action="append", help="run only these")


def run(args, processes):
    """Runs each way to deliver, one after the other."""
    size = args.mib << 20
    report = Report(f"bulk: {args.mib} MiB between two processes, unshaped", COLUMNS, plain_arguments(args))
    network = Network(processes)
    machine, other = network.host("machine"), network.host("other")
    ways = args.only or ["nearcast", "played", "iroh", "nginx", *CLIENTS]
    if "nearcast" in ways and not can_keep(args):
        report.note("this nearcast has no `keep`: what a player reads is shown instead")
        ways = ["played" if way == "nearcast" else way for way in ways if way != "played"]
    found = {}
    for way in ways:
        try:
            times = several(way, args, processes, machine, other, size)
        except torrents.Unfinished as why:
            report.note(f"{way}: {why}")
            continue
        finally:
            processes.stop_all()
        processes.say(f"{way}: {times}")
        found[way] = {key: median([t[key] for t in times]) for key in times[0] if times[0][key] is not None}
    return filled(report, found)


def several(way, args, processes, machine, other, size):
    """As many transfers as were asked for, each by fresh programs."""
    times = []
    for _ in range(args.times):
        times.append(once(way, args, processes, machine, other, size))
        processes.stop_all()
    return times


def filled(report, found):
    """The report with every row, and ours at the top."""
    ours = found.get("nearcast") or found.get("played")
    raw = found.get("iroh")
    for way, figures in found.items():
        if raw and way in ("nearcast", "played", "iroh"):
            figures["of_iroh"] = figures["gbit"] / raw["gbit"]
        report.row(way, {key: round(value, 3) for key, value in figures.items()})
    if ours:
        report.ours(**{key: round(value, 3) for key, value in ours.items()})
    return report


def once(way, args, processes, machine, other, size):
    """One transfer."""
    if way in ("nearcast", "played"):
        return ours(way, args, processes, machine, size)
    if way == "iroh":
        return iroh(args, processes, machine, size)
    if way == "nginx":
        file = media.noise(args.mib)
        url = web.nginx(processes, machine, file.parent) + file.name
        make_ready(processes, size)
        return figures(size, read(machine, url)["seconds"])
    return swarm(CLIENTS[way], processes, machine, other, media.noise(args.mib), size)


def make_ready(processes, size):
    """Memory for what the receiver writes. Just before it is measured: what is free for a few seconds a virtual machine
    gives back to its host."""
    usage.touch_memory(processes.folder, size + (256 << 20))


def figures(size, seconds, cpu=None):
    """The figures of one transfer."""
    return {
        "gbit": size * 8 / seconds / 1e9, "seconds": seconds, "cpu_per_gb": None if cpu is None else cpu / (size / 1e9)
    }


def can_keep(args):
    """Whether this nearcast has the command that keeps a title."""
    return subprocess.run([args.binary, "keep", "--help"], capture_output=True, check=False).returncode == 0


def ours(way, args, processes, machine, size):
    """From a node that holds all to one that holds nothing."""
    service = nearcast.Service(args, processes, [media.noise_film(size)])
    service.serve(machine)
    cache = ["--cache", str(4 * size)]
    a, b = Together(service, machine, "a", cache), Together(service, machine, "b", cache)
    a.ready()
    file = a.file()
    read(machine, f"http://{a.gateway}/{file}")
    b.ready()
    time.sleep(6)  # until A's cache is durable and the supernode was told of it
    make_ready(processes, size)
    before = usage.cpu_seconds(a.pid), usage.cpu_seconds(b.pid)
    begun = time.monotonic()
    if way == "nearcast":
        title = b.titles()[0]["id"]
        line = [args.binary, "keep", title, "--wait", "--gateway", b.gateway]
        processes.start(line, name="keep", host=machine, environment=service.environment).end(120)
    else:
        read(machine, f"http://{b.gateway}/{file}")
    seconds = time.monotonic() - begun
    spent = usage.cpu_seconds(a.pid) - before[0], usage.cpu_seconds(b.pid) - before[1]
    sent = a.status()["sent_bytes"]
    if sent < 0.9 * size:
        raise Failed(f"A sent only {sent} of {size} bytes: B got the rest elsewhere")
    return {**figures(size, seconds, sum(spent)), "cpu_sender": spent[0], "cpu_receiver": spent[1]}


def iroh(args, processes, machine, size):
    """Iroh alone, between two processes."""
    program = args.raw or nearcast.build(["-p", "nearcast-node", "--example", "raw_iroh"], "raw_iroh")
    serve = processes.start([program, "serve"], name="raw-serve", host=machine)
    key, address = serve.line().split()
    make_ready(processes, size)
    before = usage.cpu_seconds(serve.popen.pid)
    fetch = processes.start([program, "fetch", key, address, str(size)], name="raw-fetch", host=machine)
    seconds = float(fetch.line(120))
    cpu = usage.cpu_seconds(serve.popen.pid) - before + usage.cpu_seconds(fetch.popen.pid)
    return figures(size, seconds, cpu)


def swarm(client, processes, machine, other, file, size):
    """By BitTorrent, between two hosts."""
    torrents.tracker(processes, machine)
    meta = torrents.torrent(processes, machine, file, 1 << 20)
    seed = client.seed(processes, machine, meta, file)
    time.sleep(8 + size / 500e6)  # the seed checks its file and announces itself; no client says when it has
    make_ready(processes, size)
    before = usage.cpu_seconds(seed.popen.pid)
    begun = time.monotonic()
    mark, _ = client.leech(processes, other, meta, file)
    leech = processes.running[-1]
    seconds = torrents.gather([mark], begun, 120)[0]
    return figures(size, seconds, usage.cpu_seconds(seed.popen.pid) - before + usage.cpu_seconds(leech.popen.pid))
