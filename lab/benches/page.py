"""What a page costs: memory over an hour of film, and tasks that keep it from everything else; beside plain hls.js.

The hour is compressed: it plays many times as fast as it was meant. Each viewer has a browser of its own; the later ones
get the film from the first. Memory is that of the page's process, by the kernel's count; what the browser keeps on the disk
goes through its other processes, whose memory is shown beside.
"""

import json
import shutil

from stage import media, nearcast
from stage.processes import Failed, run as run_to_end
from stage.report import Report, median, percentile, plain_arguments

NEEDS = ["ffmpeg", "chromium", "node", "npm"]
COLUMNS = {
    "page_p50": "page MiB p50", "page_max": "max", "page_end": "at the end", "heap_max": "script heap max", "browser_max": "browser MiB max",
    "long_tasks": "tasks > 50 ms", "longest_ms": "longest ms", "ours": "of them ours", "ours_ms": "ours longest ms", "peer_mb": "from peers MB",
}
ENGINES = ["plain", "nearcast"]
STAGE = nearcast.ROOT / "lab" / "stage"
# Above the bare player's, and in one task: what the page may take.
ABOVE_MIB, TASK_MS = 150, 50


def arguments(parser):
    """What may be varied."""
    parser.add_argument("--viewers", type=int, default=2)
    parser.add_argument("--apart", type=float, default=10.0, help="seconds between two viewers")
    parser.add_argument("--mbit", type=float, default=2.15, help="rate of the film")
    parser.add_argument("--seconds", type=int, default=3600, help="length of the film")
    parser.add_argument("--rate", type=float, default=16.0, help="how many times as fast it plays, 16 at most")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", choices=ENGINES, action="append", help="run only these")


def run(args, processes):
    """Runs with and without the engine by turns."""
    report = Report(
        f"page: {args.viewers} viewers, film of {args.mbit:g} Mbit/s and {args.seconds} s at {args.rate:g} times its pace, "
        f"{args.repeats} times", COLUMNS, plain_arguments(args),
    )
    web = nearcast.ROOT / "web"
    if not (web / "node_modules").exists():
        run_to_end(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=web)
    run_to_end(["npm", "run", "--silent", "build:hls"], cwd=web)
    service = nearcast.Service(args, processes, [media.long_film(args.mbit, args.seconds)])
    serve = processes.start(
        [args.binary, "serve", service.site, "--listen", "127.0.0.1:0", "--relay", "off", "--json"],
        name="serve", environment=service.environment,
    )
    playlists = sorted(p.relative_to(service.site) for p in (service.site / "media").rglob("*.m3u8"))
    master = [p for p in playlists if p.name == "master.m3u8"] or playlists
    shared = {
        "viewers": args.viewers, "apart": args.apart, "rate": args.rate, "seconds": args.seconds, "site": str(service.site),
        "playlist": str(master[0]), "web": str(web), "directory": json.loads(serve.line())["url"], "chromium": shutil.which("chromium"),
    }
    engines = args.only or ENGINES
    found = {engine: [] for engine in engines}
    for repeat in range(args.repeats):
        for engine in engines:
            processes.say(f"{engine}, {repeat + 1} of {args.repeats}")
            wanted = json.dumps(dict(shared, engine=engine, profiles=str(processes.place("profiles"))))
            process = processes.start(["node", STAGE / "page.mjs", wanted], name=engine)
            seen = json.loads(process.end(4 * args.seconds / args.rate + 180 + args.apart * args.viewers))
            found[engine] += [watched(engine, viewer) for viewer in seen["viewers"]]
    runs = {engine: summary(viewers) for engine, viewers in found.items()}
    for engine, figures in runs.items():
        report.row(engine, figures)
    report.ours(runs=found)
    if len(runs) == len(ENGINES):
        above = {at: round(runs["nearcast"][f"page_{at}"] - runs["plain"][f"page_{at}"], 1) for at in ["p50", "max", "end"]}
        report.ours(above_mib=above, above_target_mib=ABOVE_MIB, task_target_ms=TASK_MS, ours_longest_ms=runs["nearcast"]["ours_ms"])
        report.note(f"Above the bare player: {above['p50']} MiB in the middle, {above['max']} at most, {above['end']} at the end; {ABOVE_MIB} is the target.")
    report.note("A task is ours by the script that it began in, without what hls.js does in it with what it is handed. Times are by the wall: what else the machine does is in them.")
    return report


def watched(engine, viewer):
    """One viewer's figures."""
    if viewer["errors"] or viewer["wrong"] or not viewer["ended"]:
        raise Failed(f"{engine}: a viewer did not see the end: {viewer['errors']} {viewer['wrong']} at {viewer['at']:.0f} s")
    page = [sample["page"] for sample in viewer["samples"]]
    ours = [ms for ms, *_ in viewer["ours"]]
    stats = viewer["stats"] or {}
    return {
        "page_p50": round(median(page), 1), "page_max": round(max(page), 1), "page_end": round(median(page[-10:]), 1),
        "heap_max": round(max(sample["heap"] for sample in viewer["samples"]), 1),
        "browser_max": round(max(sample["browser"] for sample in viewer["samples"]), 1),
        "long_tasks": len(viewer["tasks"]), "longest_ms": round(max(viewer["tasks"], default=0)),
        "ours": sum(ms > TASK_MS for ms in ours), "ours_ms": round(max(ours, default=0)),
        "ours_by": sorted(viewer["ours"], reverse=True)[:5],
        "peer_mb": round((stats.get("lan", 0) + stats.get("peers", 0)) / 1e6, 1),
        "page_by_minute": [round(page[len(page) * n // 20], 1) for n in range(20)] if len(page) >= 20 else page,
    }


def summary(viewers):
    """The worst of all viewers, but for what is usual."""
    worst = {key: max(viewer[key] for viewer in viewers) for key in COLUMNS}
    return dict(worst, page_p50=round(percentile([viewer["page_p50"] for viewer in viewers], 50), 1))
