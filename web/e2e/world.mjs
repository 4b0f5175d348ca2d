// A provider, a node and a browser on this machine, for one test file. Everything started here is ended here.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const program = process.env.NEARCAST ?? join(target, 'debug', 'nearcast');

/** How long anything may take on a busy machine. A test that waits, waits for a condition; this only ends it. */
export const PATIENCE = 60_000;

/** Runs the program to its end. */
export function run(folder, ...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: env(folder), stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`nearcast ${args[0]} ended with ${code}`))));
  });
}

/** Publishes into a site of which no play is held out for comparison: one of a hundred would be, and get nothing of others. */
export async function publish(folder, site, ...media) {
  await run(folder, 'publish', ...media, '--site', site);
  await run(folder, 'policy', site, '--hold-out', '0');
}

/** Nothing of the user's own settings, keys or caches is read or written. */
const env = (folder) => ({ ...process.env, HOME: folder, XDG_CONFIG_HOME: '', XDG_DATA_HOME: '', XDG_STATE_HOME: '', XDG_CACHE_HOME: '' });

/** A running `serve` or `node`: what it said when it was ready, and how to end it. */
export async function start(folder, ...args) {
  const child = spawn(program, [...args, '--json'], { env: env(folder), stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const lines = createInterface({ input: child.stdout });
  const ready = await Promise.race([
    new Promise((resolve) => lines.once('line', resolve)),
    gone.then((code) => Promise.reject(new Error(`nearcast ${args[0]} ended with ${code}`))),
  ]);
  const stop = async () => {
    child.kill('SIGTERM');
    await gone;
  };
  return { ready: JSON.parse(ready), stop };
}

/** The server anew, at the same address, with nothing of what it had in memory. */
export async function restarted(place, serve) {
  await serve.stop();
  return start(place.path, 'serve', join(place.path, 'site'), '--listen', new URL(serve.ready.url).host, '--relay', 'off');
}

export async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'nearcast-page-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A provider that serves some of the samples, before a browser that `launch` starts; and how to end both. What had begun is
 * ended when the rest fails. */
export async function stage(launch, ...samples) {
  const place = await folder();
  let [serve, chrome] = [null, null];
  const end = async () => {
    await chrome?.close();
    await serve?.stop();
    await place.remove();
  };
  try {
    const site = join(place.path, 'site');
    await publish(place.path, site, ...samples.map((name) => join(root, 'samples', name)));
    serve = await start(place.path, 'serve', site, '--listen', '127.0.0.1:0', '--relay', 'off');
    chrome = await launch();
    return { place, serve, chrome, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** How long the sample film is in one of its qualities, in bytes. */
export const filmLength = async (quality) => (await stat(join(root, 'samples/film', `${quality}p.m4s`))).size;

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Without it data channels find no way where there is nothing but loopback. */
const LOOPBACK = '--allow-loopback-in-peer-connection';
/** Without it tabs do not find each other here: nobody resolves the names behind which they hide their addresses. */
const SHOWN = '--disable-features=WebRtcHideLocalIpsWithMdns';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const browser = (...more) => chromium.launch({ executablePath, args: [...FLAGS, ...more] });

/** A browser whose tabs can be peers on this machine. */
export const peering = (...more) => browser(LOOPBACK, SHOWN, ...more);
/** A browser whose tabs hide their addresses. */
export const hiding = () => browser(LOOPBACK);
/** A browser that is set to let no site store anything, whose tabs can be peers. */
export async function storingNothing(profile) {
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
  await mkdir(join(profile, 'Default'), { recursive: true });
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(blocked));
  return chromium.launchPersistentContext(profile, { executablePath, args: [...FLAGS, LOOPBACK, SHOWN], ...PEER });
}

/** What a tab was granted that shows its addresses. */
export const PEER = { permissions: ['camera', 'microphone'] };

/** A tab that remembers what must not happen: errors, and requests to anybody but `origin`. */
export async function tab(browser, url, options = {}, prepare = async () => {}) {
  const context = await browser.newContext(options);
  return { ...(await tabIn(context, url, prepare)), close: () => context.close() };
}

/** A tab of a browser that has others. */
export async function tabIn(context, url, prepare = async () => {}) {
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const wrong = [];
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(String(error.stack)));
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.protocol.startsWith('http') && asked.origin !== new URL(url).origin) wrong.push(`asked ${asked.origin}`);
  });
  await prepare(page);
  await page.goto(url);
  return { page, wrong };
}

/** Where a page's engine runs, in a worker. */
export const engineOf = (page) => page.workers().find((worker) => ENGINE.test(worker.url()));
const ENGINE = /\/engine-[^/]*\.js$/u;

/** Has a script run where the engine does, before it: what a page's own scripts do is not seen in a worker. */
export const beforeEngine = (page, script) =>
  page.route(ENGINE, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${script}\n${await response.text()}` });
  });

/** For a page or a worker: whether it asked for what ends with that. The engine asks where it runs. */
export const askedFor = (end) => `performance.getEntriesByType('resource').some(({ name }) => name.endsWith('${end}'))`;

/** For `beforeEngine`: nobody answers where the supernode is. */
export const NO_SUPERNODE = `self.WebSocket = class extends EventTarget {
  constructor() { super(); setTimeout(() => this.onclose?.()); }
  close() {}
};`;

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core'), 'utf8');

/** What a screen reader, or eyes that need contrast, would trip over: each as `rule: where`. */
export async function barriers(page) {
  // Evaluated, not added as a script: the page's own policy lets in no script of others.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} ${n.any[0]?.message ?? v.help}`));
}

/** Waits until the position that a listener is shown has moved past `seconds`. */
export const playsPast = (page, seconds) =>
  page.waitForFunction(
    (least) => {
      const slider = document.querySelector('.bar [aria-label="Position"], .stage [aria-label="Position"]');
      const playing = document.querySelector('.bar .play-button[aria-label="Pause"], .stage .play-button[aria-label="Pause"]');
      return slider !== null && playing !== null && Number(slider.value) > least;
    },
    seconds,
    { timeout: PATIENCE },
  );

/** Until the chip in the page says that the tab takes part. */
export const takesPart = ({ page }) => page.locator('.chip.is-live').waitFor();

/** In a page: whether the film has been fetched to its end. */
export const wholeFilm = () => {
  const { buffered, duration } = document.querySelector('video');
  return buffered.length > 0 && buffered.end(buffered.length - 1) > duration - 1;
};

/** Until the film has been fetched to its end. */
export const fetchedWhole = ({ page }) => page.waitForFunction(wholeFilm, null, { timeout: PATIENCE });

/** Waits until `condition` holds: for what happens outside of a page, and for what a page has to wait for itself, since
 * Playwright takes any promise for a yes. */
export async function until(what, condition) {
  const begun = Date.now();
  while (!(await condition())) {
    if (Date.now() - begun > PATIENCE) throw new Error(`${what}: not within ${PATIENCE / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The value of a counter that a server or a gateway shows; nothing counted yet is 0. */
export async function counted(url, counter) {
  const text = await (await fetch(new URL('metrics', url))).text();
  const line = text.split('\n').find((each) => each.startsWith(`${counter} `));
  return Number(line?.slice(counter.length) ?? 0);
}

/** Bytes of media that a server sent so far. */
export const mediaSent = (serve) => counted(serve.ready.url, 'nearcast_serve_body_bytes_total{kind="media"}');

/** Waits until the supernode lists so many titles of which somebody holds something. */
export const listed = (serve, titles) =>
  until(`the supernode lists ${titles} titles`, async () => {
    const status = await (await fetch(new URL('nearcast/v1/supernode', serve.ready.url))).json();
    return status.titles === titles;
  });

/** In a page: whether a film's picture has moved: frames were shown, not only time counted. */
export const filmMoved = () => {
  const video = document.querySelector('video');
  return video !== null && video.currentTime > 1 && video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 5;
};

/** Waits until a film's picture has moved. */
export const filmMoves = (page) => page.waitForFunction(filmMoved, null, { timeout: PATIENCE });

/** A native node with nothing in its cache: told to keep titles, and asked what peers gave it and got of it. */
export async function keeper(folder, serve, name) {
  const { ready, stop } = await start(folder, 'node', serve.ready.link, '--gateway', '127.0.0.1:0', '--listen', '127.0.0.1:0', '--state', join(folder, name));
  const { gateway } = ready;
  const titles = async () => (await fetch(new URL('titles', gateway))).json();
  await until('the node knows its titles', async () => (await titles()).length > 0);
  return {
    stop,
    keep: (title) => run(folder, 'keep', title, '--wait', '--gateway', new URL(gateway).host),
    received: () => counted(gateway, 'nearcast_received_bytes_total{source="peer"}'),
    sent: () => counted(gateway, 'nearcast_sent_bytes_total'),
  };
}
