// One evening in browsers: viewers open a page one after the other and watch a film to its end. Takes one JSON object as
// its argument, prints one.
//
// Everything but signalling comes from one web server here, whose answers share one bucket fairly: pages, scripts, engine,
// playlists and media. It answers 20 ms late, as from a town away. Signalling is small and is not what is compared.
// Every request, and each viewer's first steps, go to stderr, which `--keep-logs` keeps: one JSON array a line.

import { spawn } from 'node:child_process';
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { dirname, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';

const wanted = JSON.parse(process.argv[2]);
const { engine, mbit, delayMs, viewers, apart, seconds, site, playlist, web, packages, directory, tracker, chromium, program } = wanted;
/** Every other viewer has the program instead of a page, from the second on. */
const natives = new Set(Array.from({ length: wanted.natives }, (_, n) => 2 * n + 1));

const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm',
  '.m3u8': 'application/vnd.apple.mpegurl', '.m4s': 'video/iso.segment', '.json': 'application/json',
};
const SQUEEZED = new Set(['.html', '.js', '.mjs', '.wasm', '.m3u8']);
const PIECE = 1460;
const TICK_MS = 4;
/** What may go out at once after a silence. */
const BURST_MS = 20;

/** Answers share a rate: each gets a packet in turn. */
class Bucket {
  sent = 0;
  /** What of it was the film's media and their outboards. */
  media = 0;
  #jobs = [];
  #rate = (mbit * 1e6) / 8;
  #tokens = 0;
  #at = performance.now();
  #timer = setInterval(() => this.#tick(), TICK_MS);

  send(response, body, seen, media) {
    const job = { response, body, at: 0, seen, media };
    response.on('close', () => {
      this.#jobs = this.#jobs.filter((other) => other !== job);
      seen(job.at);
    });
    this.#jobs.push(job);
  }

  #tick() {
    const now = performance.now();
    this.#tokens = Math.min(this.#tokens + ((now - this.#at) / 1000) * this.#rate, (this.#rate * Math.max(BURST_MS, now - this.#at)) / 1000 + PIECE);
    this.#at = now;
    while (this.#tokens >= PIECE && this.#jobs.length > 0) {
      const job = this.#jobs.shift();
      const piece = job.body.subarray(job.at, job.at + PIECE);
      if (job.at === 0) job.seen(0);
      job.at += piece.length;
      this.#tokens -= piece.length;
      this.sent += piece.length;
      if (job.media) this.media += piece.length;
      if (job.at < job.body.length) {
        job.response.write(piece);
        this.#jobs.push(job);
      } else {
        job.response.end(piece);
      }
    }
  }

  stop() {
    clearInterval(this.#timer);
  }
}

const squeezed = new Map();
function squeeze(path) {
  if (!squeezed.has(path)) squeezed.set(path, brotliCompressSync(readFileSync(path)));
  return squeezed.get(path);
}

const HLS = 'hls.js/dist/hls.min.mjs';
const P2P = 'p2p-media-loader-hlsjs/dist/p2p-media-loader-hlsjs.es.min.js';
const P2P_CORE = 'p2p-media-loader-core/dist/p2p-media-loader-core.es.min.js';
const LOADS = {
  plain: ['', `const hls = new Hls(settings);`],
  'p2p-media-loader': [
    `import { HlsJsP2PEngine } from 'p2p-media-loader-hlsjs';`,
    `const Player = HlsJsP2PEngine.injectMixin(Hls);
     const hls = new Player({ ...settings, p2p: {
       core: { swarmId: 'lab', announceTrackers: ['${tracker}'], rtcConfig: { iceServers: [] } },
       onHlsJsCreated: (made) => made.p2pEngine.addEventListener('onChunkDownloaded', (bytes, from) => {
         if (from === 'p2p') measured.peers += bytes;
       }),
     } });`,
  ],
  nearcast: [
    `import { nearcast } from 'nearcast-hls';`,
    `const near = nearcast({ site: location.origin + '/' });
     const hls = new Hls({ ...settings, ...near });
     measured.more = () => { const { lan, peers, ...all } = near.stats(); return { peers: lan + peers, unverified: all.unverified, stats: near.stats() }; };`,
  ],
};

const page = () => `<!doctype html><meta charset="utf-8"><title>${engine}</title>
<script type="importmap">{ "imports": {
  "hls.js": "/lab/${HLS}",
  "nearcast-hls": "/lab/nearcast-hls/nearcast-hls.js",
  "p2p-media-loader-core": "/lab/${P2P_CORE}",
  "p2p-media-loader-hlsjs": "/lab/${P2P}"
} }</script>
<video muted playsinline></video>
<script type="module">
import Hls from 'hls.js';
${LOADS[engine][0]}
const measured = (window.measured = { first: null, stalled: 0, ended: false, peers: 0, given: 0, played: [], errors: [], steps: [], stalls: [], more: () => ({}) });
const video = document.querySelector('video');
video.requestVideoFrameCallback(() => (measured.first = performance.now()));
let [last, moved] = [0, null];
const look = () => {
  const now = performance.now();
  if (video.currentTime !== last || moved === null) {
    if (moved !== null && now - moved > 250) {
      measured.stalled += now - moved;
      measured.stalls.push([Math.round(moved), Math.round(now - moved)]);
    }
    [last, moved] = [video.currentTime, measured.first === null ? null : now];
  }
  measured.still = moved === null ? 0 : now - moved;
};
const timer = setInterval(look, 50);
video.addEventListener('ended', () => { look(); clearInterval(timer); measured.still = 0; measured.ended = true; });
const settings = { enableWorker: false };
${LOADS[engine][1]}
const step = (...words) => measured.steps.push([Math.round(performance.now()), words.filter((word) => word !== undefined).join(' ')]);
for (const what of ['MANIFEST_PARSED', 'LEVEL_LOADED', 'FRAG_LOADING', 'FRAG_LOADED', 'BUFFER_APPENDED']) {
  hls.on(Hls.Events[what], (_, { frag, type }) => step(what, frag?.sn, type));
}
hls.on(Hls.Events.FRAG_BUFFERED, (_, { frag }) => step('FRAG_BUFFERED', frag.sn, 'of level', frag.level, 'estimate', Math.round(hls.bandwidthEstimate)));
hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => (measured.given += frag.stats.loaded));
// Seconds that each rendition was shown, the lowest first.
hls.on(Hls.Events.FRAG_CHANGED, (_, { frag }) => (measured.played[frag.level] = (measured.played[frag.level] ?? 0) + frag.duration));
hls.on(Hls.Events.ERROR, (_, { fatal, details }) => fatal && measured.errors.push(details));
hls.loadSource('/${playlist}');
hls.attachMedia(video);
hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
</script>`;

/** Where an address lies on the disk. */
function placed(path) {
  if (path.startsWith('/lab/nearcast-hls/')) return join(web, 'hls/dist', path.slice('/lab/nearcast-hls/'.length));
  if (path.startsWith('/lab/hls.js/')) return join(web, 'node_modules', path.slice('/lab/'.length));
  if (path.startsWith('/lab/')) return join(packages, 'node_modules', path.slice('/lab/'.length));
  return join(site, path);
}

const OURS = readdirSync(join(web, 'hls/dist')).filter((name) => /\.(?:js|wasm)$/u.test(name));
const SCRIPTS = { plain: [], 'p2p-media-loader': [P2P, P2P_CORE], nearcast: OURS.map((name) => `nearcast-hls/${name}`) };
// As a web server has them: compressed before anybody comes.
for (const name of [HLS, ...SCRIPTS[engine]]) squeeze(placed(`/lab/${name}`));

const bucket = new Bucket();

/** A line about a viewer: his number, and what happened. Milliseconds are those since the page was opened. */
const note = (viewer, ...what) => process.stderr.write(`${JSON.stringify([viewer, ...what])}\n`);
/** When each viewer opened the page. */
const opened = new Map();

/** Tells of a request: when it was made, when its first and last bytes went out, and how many. */
function watched(request) {
  const viewer = Number(request.headers['x-viewer'] ?? -1);
  const began = performance.now();
  if (!opened.has(viewer)) opened.set(viewer, began);
  const since = (at) => Math.round(at - opened.get(viewer));
  let first = began;
  return (sent) => {
    if (sent === 0) first = performance.now();
    else note(viewer, 'request', request.url, request.headers.range ?? '', since(began), since(first), since(performance.now()), sent);
  };
}

function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://lab');
  response.seen = watched(request);
  response.media = /\.(?:m4s|obo)$/u.test(pathname);
  if (pathname === '/') return reply(response, 200, { 'Content-Type': 'text/html', 'Content-Encoding': 'br' }, brotliCompressSync(page()));
  if (pathname.startsWith('/nearcast/v1/')) return asksSupernode(request, response);
  const path = placed(decodeURIComponent(pathname));
  if (!existsSync(path) || !statSync(path).isFile()) return reply(response, 404, {}, Buffer.from('-'));
  const headers = { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream', 'Accept-Ranges': 'bytes' };
  const takes = /\bbr\b/u.test(request.headers['accept-encoding'] ?? '');
  if (takes && SQUEEZED.has(extname(path))) return reply(response, 200, { ...headers, 'Content-Encoding': 'br' }, squeeze(path));
  const size = statSync(path).size;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/u.exec(request.headers.range ?? '') ?? [];
  const start = Number(from ?? 0);
  const end = Math.min(size, to === undefined || to === '' ? size : Number(to) + 1);
  const pieces = [];
  createReadStream(path, { start, end: end - 1 })
    .on('data', (piece) => pieces.push(piece))
    .on('end', () => {
      const range = from === undefined ? {} : { 'Content-Range': `bytes ${start}-${end - 1}/${size}` };
      reply(response, from === undefined ? 200 : 206, { ...headers, ...range }, Buffer.concat(pieces));
    });
}

function reply(response, status, headers, body) {
  setTimeout(() => {
    response.writeHead(status, { ...headers, 'Content-Length': body.length, 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    bucket.send(response, body, response.seen, response.media);
  }, delayMs);
}

/** What the supernode answers comes through the same server, as late and at the same rate. */
function asksSupernode(request, response) {
  const asked = get(new URL(request.url, directory.replace('ws', 'http')), async (there) => {
    const pieces = await there.toArray();
    reply(response, there.statusCode, { 'Content-Type': there.headers['content-type'] ?? 'text/plain' }, Buffer.concat(pieces));
  });
  asked.on('error', () => reply(response, 502, {}, Buffer.from('-')));
}

// As a proxy has it: connected to the supernode before anybody comes.
await new Promise((resolve) => get(new URL('/nearcast/v1/held/-', directory.replace('ws', 'http')), (there) => there.resume().on('end', resolve)).on('error', resolve));

const server = createServer(answer);
// The supernode, as a proxy in front of it has it.
server.on('upgrade', (request, socket, head) => {
  const { hostname, port } = new URL(directory);
  const there = connect(Number(port), hostname, () => {
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
    there.write([`GET ${request.url} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    there.write(head);
    socket.pipe(there).pipe(socket);
  });
  for (const end of [socket, there]) end.on('error', () => (socket.destroy(), there.destroy()));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const { chromium: driver } = createRequire(join(web, 'package.json'))('playwright-core');
const browser = await driver.launch({
  executablePath: chromium,
  args: [
    '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns', '--autoplay-policy=no-user-gesture-required',
    '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
  ],
});

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One viewer, who has never been here. */
async function watches(number) {
  await wait(number * apart * 1000);
  const context = await browser.newContext({ permissions: ['camera', 'microphone'], extraHTTPHeaders: { 'x-viewer': String(number) } });
  const page = await context.newPage();
  page.on('console', (line) => note(number, 'console', Math.round(performance.now() - (opened.get(number) ?? 0)), line.text()));
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`, { waitUntil: 'commit' });
  const patience = (3 * seconds + 60) * 1000;
  const ended = await page.waitForFunction(() => window.measured?.ended, null, { timeout: patience, polling: 500 }).then(() => true, () => false);
  const found = await page.evaluate(() => {
    const { first, stalled, still, peers, given, played, errors, steps, stalls, more } = window.measured;
    return { first, stalled: stalled + (still > 250 ? still : 0), peers, given, played: Array.from(played, (shown) => shown ?? 0), errors, steps, stalls, ...more() };
  });
  const { steps, stalls, ...told } = found;
  for (const [at, what] of steps) note(number, 'step', at, what);
  for (const [at, took] of stalls) note(number, 'stall', at, took);
  return { ended, wrong, ...told };
}

/** Programs of this evening. They end with it, however it ends. */
const running = [];

/** Starts a program; answers its lines, and what it printed in all once it has ended. */
function starts(command, ...words) {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...words.map(String)], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...program.environment } });
  running.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const end = async () => {
    const printed = [];
    for await (const line of { [Symbol.asyncIterator]: () => lines }) printed.push(line);
    return printed.join('\n');
  };
  return { line: async () => (await lines.next()).value, end };
}

/** A node that has been running, as a program on a desktop does. */
async function installed(number) {
  const link = `http://127.0.0.1:${server.address().port}/#${program.key}`;
  const words = ['node', link, '--supernode', `${directory.replace('http', 'ws')}nearcast/v1/directory`, '--gateway', '127.0.0.1:0'];
  const node = starts(program.binary, ...words, '--state', join(program.place, `${engine}-${mbit}-${number}-${Date.now()}`), '--json');
  const gateway = new URL(JSON.parse(await node.line()).gateway).host;
  const asks = async (...words) => JSON.parse(await starts(program.binary, ...words, '--gateway', gateway, '--json').end());
  while ((await asks('status')).supernode !== 'connected') await wait(100);
  return { gateway, asks };
}

/** One viewer with the program and a player beside it. */
async function plays(number, { gateway, asks }) {
  await wait(number * apart * 1000);
  const [title] = await asks('titles');
  const player = join(dirname(fileURLToPath(import.meta.url)), 'player.py');
  const address = `http://${gateway}/t/${title.id}/${title.file}`;
  const { first_frame_ms: first, stall_seconds: stalled } = JSON.parse(await starts('python3', player, 'play', address, '--at', 0, '--stay').end());
  const { delivered_bytes: came } = await asks('status');
  return { native: true, first, stalled: stalled * 1000, ended: true, peers: came.peers, errors: [], wrong: [] };
}

try {
  // Programs run before anybody comes.
  const nodes = new Map(await Promise.all([...natives].map(async (number) => [number, await installed(number)])));
  const found = await Promise.all(Array.from({ length: viewers }, (_, number) => (nodes.has(number) ? plays(number, nodes.get(number)) : watches(number))));
  console.log(JSON.stringify({ sent: bucket.sent, media: bucket.media, viewers: found }));
} finally {
  for (const child of running) child.kill();
  bucket.stop();
  await browser.close();
  server.close();
  server.closeAllConnections();
}
