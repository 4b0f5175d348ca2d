#!/usr/bin/env python3
"""A client of libtorrent: fetches or seeds one torrent, marks when it is complete, and goes on."""

import sys
import time
from pathlib import Path

import libtorrent


def main():
    """Runs until it is killed: TORRENT FOLDER PORT ADDRESS any|tcp."""
    meta, folder, port, address, over = sys.argv[1:6]
    session = libtorrent.session({
        "listen_interfaces": f"{address}:{port}", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
        "enable_natpmp": False, "allow_multiple_connections_per_ip": False, "alert_mask": 0,
        "enable_outgoing_utp": over == "any", "enable_incoming_utp": over == "any",
    })
    torrent = session.add_torrent({"ti": libtorrent.torrent_info(meta), "save_path": folder})
    while not torrent.status().is_seeding:
        time.sleep(0.02)
    (Path(folder) / "done").touch()
    print("complete", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
