"""A foreground flow over TCP, and a probe of how long packets wait, run as programs on hosts.

`flow sink PORT` takes what comes and prints bytes and seconds of each connection; `flow source PORT` sends to whoever
connects; `flow push|pull ADDRESS PORT SECONDS` sends to a sink or takes from a source for so long and prints Mbit/s;
`flow echo PORT` answers datagrams; `flow probe ADDRESS PORT SECONDS` prints round trips in milliseconds.
"""

import json
import socket
import sys
import threading
import time

CHUNK = bytes(64 * 1024)
PROBES_A_SECOND = 50


def listener(port):
    """A TCP socket that waits for callers."""
    server = socket.create_server(("0.0.0.0", port), reuse_port=True)
    print("ready", flush=True)
    return server


def sink(port):
    """Takes what comes."""
    server = listener(port)
    while True:
        caller, _ = server.accept()
        threading.Thread(target=drain, args=(caller,), daemon=True).start()


def drain(caller):
    """Reads to the end, then says how much that was."""
    total = 0
    while piece := caller.recv(1 << 16):
        total += len(piece)
    caller.sendall(json.dumps(total).encode())
    caller.close()


def source(port):
    """Sends to whoever connects, until he hangs up."""
    server = listener(port)
    while True:
        caller, _ = server.accept()
        threading.Thread(target=pour, args=(caller,), daemon=True).start()


def pour(caller):
    """Sends until nobody takes it."""
    try:
        while True:
            caller.sendall(CHUNK)
    except OSError:
        caller.close()


def push(address, port, seconds):
    """Sends for a while; what arrived counts, not what was sent."""
    connection = socket.create_connection((address, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        connection.sendall(CHUNK)
    connection.shutdown(socket.SHUT_WR)
    arrived = json.loads(connection.recv(64))
    print(json.dumps(arrived * 8 / 1e6 / (time.monotonic() - begun)), flush=True)


def pull(address, port, seconds):
    """Takes for a while."""
    connection = socket.create_connection((address, port))
    begun, total = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        total += len(connection.recv(1 << 16))
    print(json.dumps(total * 8 / 1e6 / (time.monotonic() - begun)), flush=True)


def echo(port):
    """Answers datagrams."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", port))
    print("ready", flush=True)
    while True:
        data, sender = server.recvfrom(2048)
        server.sendto(data, sender)


def probe(address, port, seconds):
    """Sends datagrams at a steady pace and prints how long each took to come back."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((address, port))
    client.settimeout(1.5)
    trips = []

    def listen():
        while True:
            try:
                sent = float(client.recv(64))
            except TimeoutError:
                return
            except OSError:
                return
            trips.append((time.monotonic() - sent) * 1000)

    listening = threading.Thread(target=listen)
    listening.start()
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        client.send(repr(time.monotonic()).encode())
        time.sleep(1 / PROBES_A_SECOND)
    listening.join()
    print(json.dumps(trips), flush=True)


def main(what, *words):
    """Runs one of them."""
    if what in ("sink", "source", "echo"):
        globals()[what](int(words[0]))
    else:
        globals()[what](words[0], int(words[1]), float(words[2]))


if __name__ == "__main__":
    main(*sys.argv[1:])
