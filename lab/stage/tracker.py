#!/usr/bin/env python3
"""A BitTorrent tracker (BEP 3, BEP 23): tells whoever announces who else did, compactly, every ten seconds."""

import socket
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PEERS = {}
INTERVAL = 10


class Announce(BaseHTTPRequestHandler):
    """Answers announces."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Takes an announce and answers the others."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query, encoding="latin-1")
        swarm = PEERS.setdefault(query["info_hash"][0], {})
        address = (self.client_address[0], int(query["port"][0]))
        swarm[address] = True
        others = [a for a in swarm if a != address]
        compact = b"".join(socket.inet_aton(ip) + port.to_bytes(2, "big") for ip, port in others)
        body = b"d8:intervali%de12:min intervali%de5:peers%d:%be" % (INTERVAL, INTERVAL, len(compact), compact)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


def main():
    """Serves on the port named."""
    server = ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Announce)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
