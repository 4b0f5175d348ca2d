// What of ours the player loads, compressed, and the bounds of it: what it takes to start, and all with the engine. What
// loads beside it on its own, hls.js, does not count, nor does the dashboard. And that what lies there compressed already
// is the file beside it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { brotliDecompressSync, gzipSync } from 'node:zlib';

const START = 150_000;
const ALL = 400_000;

const page = new URL('dist/page/', import.meta.url);
const dist = new URL('dist/', import.meta.url);
const squeezed = (folder, name) => gzipSync(readFileSync(new URL(name, folder)), { level: 9 }).length;
const sum = (sizes) => sizes.reduce((a, b) => a + b, 0);

const html = readFileSync(new URL('index.html', dist), 'utf8');
const named = new Set([...html.matchAll(/page\/([\w.-]+)/gu)].map(([, name]) => name));
const plain = readdirSync(page).filter((name) => !name.endsWith('.br'));
const others = plain.filter((name) => !named.has(name) && !/^(?:hls|dashboard)-/u.test(name));
const start = squeezed(dist, 'index.html') + sum([...named].map((name) => squeezed(page, name)));
const all = start + squeezed(dist, 'worker.js') + sum(others.map((name) => squeezed(page, name)));
console.log(`of ours, compressed: ${start} bytes to start, ${all} in all`);
if (start > START || all > ALL) {
  console.log(`the page has grown: at most ${START} bytes to start and ${ALL} in all`);
  process.exit(1);
}

const large = plain.filter((name) => readFileSync(new URL(name, page)).length >= 1024);
const same = (name) => brotliDecompressSync(readFileSync(new URL(`${name}.br`, page))).equals(readFileSync(new URL(name, page)));
const stale = large.filter((name) => !existsSync(new URL(`${name}.br`, page)) || !same(name));
if (stale.length > 0) {
  console.log(`web/dist/page: compressed otherwise than they are, or not at all: ${stale.join(' ')}; run npm run build in web/`);
  process.exit(1);
}
