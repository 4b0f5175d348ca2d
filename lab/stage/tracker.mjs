// A WebTorrent tracker over WebSocket, of the package `bittorrent-tracker` in the folder given. Says where it listens.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const found = createRequire(join(process.argv[2], 'package.json')).resolve('bittorrent-tracker/server');
const { default: Server } = await import(pathToFileURL(found).href);
const server = new Server({ http: false, udp: false, ws: true, stats: false });
server.on('error', (error) => console.error(error));
server.listen(0, '127.0.0.1', () => console.log(`ws://127.0.0.1:${server.ws.address().port}`));
