// A WebTorrent tracker over WebSocket, of the package `bittorrent-tracker` in the folder given. Says where it listens.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// By its file: the package's front door loads data channels for programs, too.
const found = join(process.argv[2], 'node_modules/bittorrent-tracker/server.js');
const { default: Server } = await import(pathToFileURL(found).href);
const server = new Server({ http: false, udp: false, ws: true, stats: false });
server.on('error', (error) => console.error(error));
server.listen(0, '127.0.0.1', () => console.log(`ws://127.0.0.1:${server.ws.address().port}`));
