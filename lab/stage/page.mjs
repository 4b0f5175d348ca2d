// Viewers in browsers who watch a long film faster than it was meant, with our engine or without, each in a browser of
// its own. Takes one JSON object as its argument, prints one.
//
// Measured all the while: what the page's process holds (the kernel's count), what its script heap holds, and tasks that
// kept the page from everything else. A task is ours by the address of the script that it began in, but for the part of it
// that hls.js took for what it was handed in it.

import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { connect } from 'node:net';
import { extname, join } from 'node:path';
import { launch } from './devtools.mjs';

const { engine, viewers, apart, rate, seconds, site, playlist, web, directory, chromium, profiles } = JSON.parse(process.argv[2]);

const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm',
  '.m3u8': 'application/vnd.apple.mpegurl', '.m4s': 'video/iso.segment', '.json': 'application/json',
};
const LOOK_MS = 1000;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const LOADS = {
  plain: ['', 'const hls = new Hls(settings); const stats = () => null;'],
  nearcast: [
    `import { nearcast } from 'nearcast-hls';`,
    `const near = nearcast({ site: location.origin + '/' });
     const hls = new Hls({ ...settings, ...near, loader: handing(near.loader) });
     const stats = () => near.stats();`,
  ],
};

const page = `<!doctype html><meta charset="utf-8"><title>${engine}</title>
<script type="importmap">{ "imports": { "hls.js": "/lab/hls.js/dist/hls.min.mjs", "nearcast-hls": "/lab/nearcast-hls/nearcast-hls.js" } }</script>
<video muted playsinline></video>
<script type="module">
import Hls from 'hls.js';
${LOADS[engine][0]}
const measured = (window.measured = { tasks: [], ours: [], ended: false, errors: [] });
new PerformanceObserver((list) => measured.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask', buffered: true });
new PerformanceObserver((list) => {
  for (const { scripts } of list.getEntries()) {
    for (const { sourceURL, startTime, duration, invoker, sourceFunctionName } of scripts) {
      if (!sourceURL.includes('/nearcast-hls/')) continue;
      const within = ([from, to]) => Math.max(0, Math.min(to, startTime + duration) - Math.max(from, startTime));
      const handed = theirs.reduce((sum, one) => sum + within(one), 0);
      measured.ours.push([duration - handed, invoker + ' ' + sourceFunctionName, duration, startTime]);
    }
  }
}).observe({ type: 'long-animation-frame', buffered: true });
/** When hls.js was at what it had been handed. */
const theirs = [];
const handing = (Loader) => class extends Loader {
  load(context, config, callbacks) {
    const onSuccess = (...handed) => {
      const from = performance.now();
      callbacks.onSuccess(...handed);
      theirs.push([from, performance.now()]);
    };
    super.load(context, config, { ...callbacks, onSuccess });
  }
};
const video = document.querySelector('video');
const settings = { enableWorker: true };
${LOADS[engine][1]}
measured.stats = stats;
hls.on(Hls.Events.ERROR, (_, { fatal, details }) => fatal && measured.errors.push(details));
video.addEventListener('ended', () => (measured.ended = true));
hls.loadSource('/${playlist}');
hls.attachMedia(video);
hls.on(Hls.Events.MANIFEST_PARSED, () => video.play().then(() => (video.playbackRate = ${rate})));
</script>`;

function placed(path) {
  if (path.startsWith('/lab/nearcast-hls/')) return join(web, 'hls/dist', path.slice('/lab/nearcast-hls/'.length));
  if (path.startsWith('/lab/')) return join(web, 'node_modules', path.slice('/lab/'.length));
  return join(site, path);
}

let sent = 0;
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://lab');
  if (pathname === '/') return response.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
  if (pathname.startsWith('/nearcast/v1/')) {
    const asked = get(new URL(request.url, directory.replace('ws', 'http')), (there) => there.pipe(response.writeHead(there.statusCode, there.headers)));
    asked.on('error', () => response.writeHead(502).end());
    return;
  }
  const path = placed(decodeURIComponent(pathname));
  if (!existsSync(path) || !statSync(path).isFile()) return response.writeHead(404).end();
  const size = statSync(path).size;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/u.exec(request.headers.range ?? '') ?? [];
  const start = Number(from ?? 0);
  const end = Math.min(size, to === undefined || to === '' ? size : Number(to) + 1);
  const range = from === undefined ? {} : { 'Content-Range': `bytes ${start}-${end - 1}/${size}` };
  response.writeHead(from === undefined ? 200 : 206, {
    'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream', 'Accept-Ranges': 'bytes', 'Cache-Control': 'no-cache', 'Content-Length': end - start, ...range,
  });
  createReadStream(path, { start, end: end - 1 }).on('data', (piece) => (sent += piece.length)).pipe(response);
});
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
const address = `http://127.0.0.1:${server.address().port}/`;

const browsers = [];

/** MiB that a process holds. */
const held = (pid) => Number(/VmRSS:\s+(\d+) kB/u.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

/** One viewer, who has never been here. */
async function watches(number) {
  await wait(number * apart * 1000);
  const browser = launch(chromium, join(profiles, String(number)), [
    '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding',
    '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns', '--autoplay-policy=no-user-gesture-required',
  ]);
  browsers.push(browser);
  await browser.send('Browser.grantPermissions', { permissions: ['videoCapture', 'audioCapture'] });
  const wrong = [];
  const tab = await browser.open(address, (error) => wrong.push(error));
  await tab.send('Performance.enable');
  /** A browser keeps an empty page's process in reserve: the page's own is the one that works. */
  const busiest = async (type) => {
    const { processInfo } = await browser.send('SystemInfo.getProcessInfo');
    return processInfo.filter((p) => p.type === type).toSorted((a, b) => b.cpuTime - a.cpuTime)[0].id;
  };
  const samples = [];
  const end = Date.now() + (4 * seconds * 1000) / rate + 60_000;
  let measured = null;
  do {
    await wait(LOOK_MS);
    const { metrics } = await tab.send('Performance.getMetrics');
    const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize').value / (1 << 20);
    measured = await tab.evaluate(`(() => {
      const { ended, errors, tasks, ours, stats } = window.measured;
      return { ended, errors, tasks, ours, stats: stats(), at: document.querySelector('video').currentTime };
    })()`);
    samples.push({ at: measured.at, page: held(await busiest('renderer')), browser: held(await busiest('browser')), heap });
  } while (!measured.ended && Date.now() < end);
  return { ...measured, samples, wrong };
}

try {
  const found = await Promise.all(Array.from({ length: viewers }, (_, number) => watches(number)));
  console.log(JSON.stringify({ sent, viewers: found }));
} finally {
  await Promise.all(browsers.map((browser) => browser.close()));
  server.close();
  server.closeAllConnections();
}
