"""Ours, through the binary a user runs: a published site, `serve`, and a node on every viewer's host."""

import json
import os
import subprocess
import time
from pathlib import Path

from .processes import Failed, run

ROOT = Path(__file__).resolve().parents[2]
PORT = 8400
GATEWAY = "127.0.0.1:8420"


def binary(named=None):
    """The program to run: what was named, `NEARCAST_BIN`, or a release build of this repository."""
    named = named or os.environ.get("NEARCAST_BIN")
    if named:
        if not os.access(named, os.X_OK):
            raise Failed(f"{named} is no program")
        return Path(named).resolve()
    return build(["-p", "nearcast-cli"], "nearcast")


def build(what, name):
    """A program of this repository, built for release."""
    line = ["cargo", "build", "--release", "--locked", *what, "--message-format=json"]
    built = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        raise Failed(f"{name} does not build")
    for message in map(json.loads, built.stdout.splitlines()):
        executable = message.get("executable")
        if executable and Path(executable).name == name:
            return Path(executable)
    raise Failed(f"cargo built no {name}")


class Service:
    """A published site with its origin and supernode on one host."""

    def __init__(self, args, processes, media):
        self.binary, self.processes = args.binary, processes
        self.home = processes.place("home")
        self.site = processes.place("site")
        self.environment = {"HOME": str(self.home), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "XDG_STATE_HOME": ""}
        run([self.binary, "publish", *media, "--site", self.site, "--json"], env=dict(os.environ, **self.environment))
        # A node held out for comparison would look like one that does not help.
        run([self.binary, "policy", self.site, "--hold-out", "0"], env=dict(os.environ, **self.environment))
        self.link = self.url = None

    def serve(self, host):
        """Starts `nearcast serve` on a host."""
        line = [self.binary, "serve", self.site, "--listen", f"0.0.0.0:{PORT}", "--relay", "off",
                "--url", f"http://{host.address}:{PORT}/", "--json"]
        process = self.processes.start(line, name="serve", host=host, environment=self.environment)
        ready = json.loads(process.line())
        self.link, self.url = ready["link"], ready["url"]
        self.supernode = f"ws://{host.address}:{PORT}/nearcast/v1/directory"
        return process

    def elsewhere(self, url):
        """The link with another web server as the origin of the same site."""
        return url + self.link[self.link.index("#"):]

    def node(self, host, link=None, supernode=None, extra=()):
        """Starts a node on a host; [`Node.ready`] waits for it."""
        state = self.processes.place(f"state-{host.name}")
        line = [self.binary, "node", link or self.link, "--state", state, "--gateway", GATEWAY, "--json", *extra]
        line += ["--supernode", supernode] if supernode else []
        environment = dict(self.environment, HOME=str(state))
        return Node(self, host, self.processes.start(line, name=f"node-{host.name}", host=host, environment=environment))


class Node:
    """A node on a viewer's host."""

    def __init__(self, service, host, process):
        self.service, self.host, self.process = service, host, process

    def ready(self, seconds=30):
        """Waits until it serves players and its supernode answers."""
        self.process.line(seconds)
        deadline = time.monotonic() + seconds
        while self.status()["supernode"] != "connected":
            if time.monotonic() > deadline:
                raise Failed(f"the node on {self.host.name} finds no supernode; {self.process.tail()}")
            time.sleep(0.1)

    def ask(self, *words):
        """What `nearcast WORDS --json` answers about this node."""
        line = ["ip", "netns", "exec", self.host.namespace, self.service.binary, *words]
        return json.loads(run([*line, "--gateway", GATEWAY, "--json"], env=dict(os.environ, **self.service.environment)))

    def status(self):
        """How the node is doing."""
        return self.ask("status")

    def metrics(self):
        """What its gateway counts, by name and labels."""
        text = run(["ip", "netns", "exec", self.host.namespace, "curl", "-sf", f"http://{GATEWAY}/metrics"])
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def file(self, number=0, name=None):
        """Address of a file of the title with this number: the one that players open, unless another is named."""
        title = self.ask("titles")[number]
        return f"http://{GATEWAY}/t/{title['id']}/{name or title['file']}"

    def keep(self, title):
        """Starts to keep a title whole. The program ends when all of it is held."""
        line = [self.service.binary, "keep", title, "--wait", "--gateway", GATEWAY]
        return self.service.processes.start(line, name="keep", host=self.host, environment=self.service.environment)


def sources(nodes):
    """Bytes handed to players over all nodes, by where they came from."""
    total = {"cache": 0, "peers": 0, "origin": 0}
    for node in nodes:
        for source, count in node.status()["delivered_bytes"].items():
            total[source] += count
    return total


def received(nodes):
    """Verified bytes that came to all nodes, by who sent them."""
    total = {"peers": 0, "origin": 0}
    for counts in (node.metrics() for node in nodes):
        for source, label in (("peers", "peer"), ("origin", "origin")):
            total[source] += int(counts.get(f'nearcast_received_bytes_total{{source="{label}"}}', 0))
    return total
