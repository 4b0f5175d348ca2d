"""Plain web servers: nginx with one folder."""

import subprocess
import time

from .processes import Failed

CONFIG = """
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  types {{ application/vnd.apple.mpegurl m3u8; video/mp4 mp4 m4s; application/json json; }}
  default_type application/octet-stream;
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  server {{ listen {port}; root {folder}; }}
}}
"""


def nginx(processes, host, folder, port=80):
    """Serves a folder on a host. Answers the address of its root."""
    place = processes.place("nginx")
    place.chmod(0o755)
    config = place / "nginx.conf"
    # Workers drop to another user, who may not enter the lab's folder: the whole server stays root's.
    config.write_text("user root;" + CONFIG.format(place=place, folder=folder, port=port))
    process = processes.start(["nginx", "-c", config, "-e", "stderr"], name="nginx", host=host)
    await_port(host, port, process)
    return f"http://{host.address}:{port}/"


def await_port(host, port, process, seconds=10):
    """Waits until somebody listens on a port of a host."""
    deadline = time.monotonic() + seconds
    while True:
        listening = subprocess.run(
            ["ip", "netns", "exec", host.namespace, "cat", "/proc/net/tcp"], capture_output=True, text=True
        ).stdout
        if f":{port:04X} 00000000:0000 0A" in listening:
            return
        if not process.alive() or time.monotonic() > deadline:
            raise Failed(f"nobody listens on port {port} of {host.name}; {process.tail()}")
        time.sleep(0.05)
