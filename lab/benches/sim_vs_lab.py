"""The same evenings on hosts of this machine and in the simulator: whether a forecast may be believed.

Three scenarios of `lab/scenarios`, each staged twice: in namespaces with the program itself, and by `nearcast sim` from
the same file. Compared are the time until everything is there (the mean of the viewers or nodes, and the last one)
and the verified bytes from peers and from the origin; what differs by more than 15 % is named under the table. Start-ups,
stalls and the shares of the origin are shown beside.
"""

import json
import statistics
import tomllib
from argparse import Namespace

from stage import media, nearcast
from stage.network import Network
from stage.processes import run as run_program
from stage.report import Report, percentile, plain_arguments

from . import film_night, flash_crowd

NEEDS = ["root", "ip", "tc", "curl", "nginx"]
SCENARIOS = nearcast.ROOT / "lab" / "scenarios"
COLUMNS = {
    "all_mean_s": "all there, mean s", "all_last_s": "last s", "peers_mb": "from peers MB", "origin_mb": "from origin MB",
    "first_frame_p50_ms": "first frame p50 ms", "stalls": "stalls", "stall_seconds": "stalled s",
}
COMPARED = ("all_mean_s", "all_last_s", "peers_mb", "origin_mb")
BOUND = 15
# Name: the file, how it is delivered, and what stands for that in the simulator.
EVENINGS = {
    "plain": ("film-night", "plain", "origin-only"),
    "film-night": ("film-night", "serve", "nearcast"),
    "flash-crowd": ("flash-crowd", "keep", "nearcast"),
}


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--runs", type=int, default=3, help="evenings in namespaces; their means are compared")
    parser.add_argument("--seeds", type=int, default=8, help="worlds of the simulator; their means are compared")
    parser.add_argument("--only", choices=[*EVENINGS], action="append", help="run only these")
    parser.add_argument("--only-sim", action="store_true", help="run the simulator alone")


def run(args, processes):
    """Stages each evening, simulates it, and compares."""
    report = Report(f"sim-vs-lab: {args.runs} runs, {args.seeds} seeds", COLUMNS, plain_arguments(args))
    worst = 0.0
    for name in args.only or EVENINGS:
        file, way, policy = EVENINGS[name]
        scenario = tomllib.loads((SCENARIOS / f"{file}.toml").read_text())
        simulated = simulate(args, SCENARIOS / f"{file}.toml", policy)
        report.row(f"{name}, simulated", simulated)
        if args.only_sim:
            continue
        evenings = []
        for number in range(args.runs):
            processes.say(f"{name}, run {number + 1}")
            evenings.append(stage(args, processes, scenario, way))
        staged = means(evenings)
        report.row(f"{name}, hosts", staged)
        off = {key: 100 * (simulated[key] / staged[key] - 1) for key in COMPARED if staged.get(key)}
        report.row(f"{name}, off by %", off)
        report.note(f"{name}: " + verdict(off))
        worst = max([worst, *(abs(percent) for percent in off.values())])
    report.ours(worst_percent=round(worst, 1))
    return report


def verdict(off):
    """What the comparison says."""
    apart = [f"{COLUMNS[key]} by {percent:+.0f} %" for key, percent in off.items() if abs(percent) > BOUND]
    return "differs in " + ", ".join(apart) if apart else f"within {BOUND} %"


def means(evenings):
    """The mean of each figure that all of them have."""
    keys = [key for key in evenings[0] if all(evening[key] is not None for evening in evenings)]
    return {key: round(statistics.mean(evening[key] for evening in evenings), 3) for key in keys}


def simulate(args, file, policy):
    """The evening in the simulator."""
    line = [args.binary, "sim", "--scenario", file, "--policy", policy, "--seeds", str(args.seeds), "--json"]
    return means([world_figures(world) for world in json.loads(run_program(line))["worlds"]])


def world_figures(world):
    """The figures of one world."""
    fetched, starts = world["fetched"], world["network_startup_ms"]["all"]
    return {
        "all_mean_s": world["all_taken_ms"]["mean"] / 1e3,
        "all_last_s": world["all_taken_ms"]["max"] / 1e3,
        "peers_mb": (fetched["lan"] + fetched["isp"] + fetched["other"]) / 1e6,
        "origin_mb": fetched["origin"] / 1e6,
        "first_frame_p50_ms": starts["p50"] if starts["count"] else None,
        "stalls": world["stalls"]["count"],
        "stall_seconds": world["stalls"]["total_ms"] / 1e3,
    }


def stage(args, processes, scenario, way):
    """The evening in namespaces."""
    link, title = scenario["links"][0], scenario["catalogue"]
    size = round(rate(title["rate"]) * seconds(title["length"]) / 8)
    network = Network(processes, 1e3 * seconds(link["queue"]))
    origin = network.host("origin", up=rate(scenario["origin"]["up"]) / 1e6)
    down, up = rate(link["down"]) / 1e6, rate(link["up"]) / 1e6
    homes = [network.host(f"home{n}", down, up) for n in range(1, scenario["listeners"]["count"] + 1)]
    try:
        if way == "keep":
            times, received = flash_crowd.ours(args, processes, size, origin, homes)
            processes.stop_all()
            return {"all_mean_s": statistics.mean(times), "all_last_s": max(times), **megabytes(received)}
        film = media.noise_film(size, mbit=rate(title["rate"]) / 1e6)
        within = seconds(scenario["listeners"]["arrive-over"])
        asked = Namespace(binary=args.binary, within=within, seconds=seconds(title["length"]))
        figures = film_night.evening(asked, processes, film, origin, homes, way)
    finally:
        network.remove()
    received = figures.get("received_bytes", {"peers": 0, "origin": size * len(homes)})
    return {
        "all_mean_s": statistics.mean(figures["read_s"]),
        "all_last_s": max(figures["read_s"]),
        **megabytes(received),
        "first_frame_p50_ms": percentile(figures["first_frames_ms"], 50),
        "stalls": figures["stalls"],
        "stall_seconds": figures["stall_seconds"],
    }


def megabytes(received):
    """Bytes by who sent them."""
    return {f"{source}_mb": count / 1e6 for source, count in received.items()}


def rate(text):
    """Bits a second of a scenario's rate."""
    for unit, bits in (("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * bits
    raise ValueError(f"{text} is no rate")


def seconds(text):
    """Seconds of a scenario's time."""
    for unit, length in (("us", 1e-6), ("ms", 1e-3), ("min", 60), ("s", 1)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * length
    raise ValueError(f"{text} is no time")
