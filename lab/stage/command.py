"""The command line: finds the benchmarks, checks what they need, runs one, prints its report."""

import argparse
import importlib
import json
import pkgutil
import signal
import sys

import benches

from . import needs, nearcast
from .processes import Failed, Processes


def benchmarks():
    """Name and module of every benchmark."""
    for module in sorted(pkgutil.iter_modules(benches.__path__), key=lambda m: m.name):
        yield module.name.replace("_", "-"), importlib.import_module(f"benches.{module.name}")


def summary(module):
    """The first line of a benchmark's description."""
    return module.__doc__.strip().splitlines()[0]


def parser(found):
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="lab/run", description="Benchmarks of Nearcast beside what people would pick instead."
    )
    top.add_argument("--list", action="store_true", help="name the benchmarks")
    names = top.add_subparsers(dest="name", metavar="NAME")
    for name, module in found.items():
        sub = names.add_parser(
            name,
            help=summary(module),
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--binary", metavar="FILE", help="nearcast to run; otherwise a release build is made")
        sub.add_argument("--keep-logs", metavar="DIR", help="folder that keeps what every program wrote")
        sub.add_argument("--verbose", action="store_true", help="say on stderr what happens")
        module.arguments(sub)
    return top


def interrupted(signum, _frame):
    """Ends the run as Ctrl-C does, so that hosts and processes are cleaned up."""
    raise KeyboardInterrupt(signal.Signals(signum).name)


def main(arguments):
    """Runs the command line. Answers the exit code: 0 ran, 1 a claim does not hold, 2 it could not run."""
    found = dict(benchmarks())
    top = parser(found)
    args = top.parse_args(arguments)
    if args.list:
        width = max(len(name) for name in found)
        for name, module in found.items():
            print(f"{name:<{width}}  {summary(module)}")
        return 0
    if args.name is None:
        top.print_usage(sys.stderr)
        return 2
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupted)
    module = found[args.name]
    try:
        needs.meet(module.NEEDS)
        args.binary = nearcast.binary(args.binary)
        with Processes(args.keep_logs, args.verbose) as processes:
            report = module.run(args, processes)
    except (Failed, needs.Missing) as why:
        print(f"lab: {why}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lab: interrupted; everything it made is gone", file=sys.stderr)
        return 130
    print(json.dumps(report.json(), indent=1) if args.json else report.text())
    return 0
