"""Several of our nodes on one host: each with a gateway of its own, talking over the host's loopback."""

import json
import time
import urllib.parse

from .processes import Failed, run


class Together:
    """A node beside others on one host."""

    def __init__(self, service, host, name, extra=()):
        self.service, self.host, self.name = service, host, name
        self.state = service.processes.place(f"state-{name}")
        line = [service.binary, "node", service.link, "--state", self.state, "--gateway", "127.0.0.1:0", "--json", *extra]
        environment = dict(service.environment, HOME=str(self.state))
        self.process = service.processes.start(line, name=f"node-{name}", host=host, environment=environment)
        self.pid = self.process.popen.pid
        self.gateway = None

    def ready(self, seconds=30):
        """Waits until it serves players, knows its titles and has its supernode."""
        self.gateway = urllib.parse.urlsplit(json.loads(self.process.line(seconds))["gateway"]).netloc
        self.until("a supernode and titles", lambda: self.status()["supernode"] == "connected" and self.titles(), seconds)

    def until(self, what, holds, seconds):
        """Waits until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} had not {what} after {seconds:.0f} s; {self.process.tail()}")
            time.sleep(0.1)

    def get(self, path, *options):
        """What the gateway answers."""
        line = ["ip", "netns", "exec", self.host.namespace, "curl", "-sf", *options, f"http://{self.gateway}/{path}"]
        return run(line)

    def status(self):
        """How the node is doing."""
        return json.loads(self.get("status"))

    def titles(self):
        """The titles it knows."""
        return json.loads(self.get("titles"))

    def file(self, number=0):
        """Where the media of a noise film lies, at any gateway."""
        return f"t/{self.titles()[number]['id']}/film.m4s"


def read(host, url, *options):
    """Reads an address to its end as a player without a screen does: seconds, seconds to the first byte, bytes."""
    wanted = "%{time_total} %{time_starttransfer} %{size_download}"
    line = ["ip", "netns", "exec", host.namespace, "curl", "-sf", "-o", "/dev/null", "-w", wanted, *options, url]
    total, first, size = run(line).split()
    return {"seconds": float(total), "first": float(first), "bytes": int(size)}
