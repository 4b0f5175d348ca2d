// Pages of somebody else that play from a site: the examples of the package, served from another origin than the site.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { askedFor, engineOf, folder, mediaSent, NO_SUPERNODE, PATIENCE, PEER, peering, publish, root, start, tabIn, until } from './world.mjs';

const web = join(root, 'web');
const hlsJs = dirname(createRequire(import.meta.url).resolve('hls.js'));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.m3u8': 'application/vnd.apple.mpegurl' };

let place;
let chrome;
let serve;
let elsewhere;
let film;
let song;
/** What their server has run before the engine, where that runs. Playwright's own answers count as coming from the Internet,
 * from where a worker may not ask this machine. */
let prelude = '';

/** The web server of somebody else: the examples with the site's true address in them, the package, a plain film. */
async function theirs() {
  const placed = (path) => {
    if (path === '/hls.mjs') return join(hlsJs, 'hls.mjs');
    if (path === '/worker.js') return join(web, 'hls/dist/worker.js');
    if (path.startsWith('/nearcast-hls/')) return join(web, 'hls/dist', path.slice('/nearcast-hls/'.length));
    if (path.startsWith('/media/film/')) return join(root, 'samples/film', path.slice('/media/film/'.length));
    return join(web, 'hls/examples', path);
  };
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    if (pathname === '/favicon.ico') {
      response.writeHead(204).end();
      return;
    }
    try {
      let body = await readFile(placed(pathname));
      const type = TYPES[extname(pathname)] ?? 'application/octet-stream';
      if (type === 'text/html') {
        const site = searchParams.get('site') ?? serve.ready.url;
        // A player that knows nothing of its line yet, and takes it for a slow one.
        const slow = 'const hls = window.hls = new Hls({ ...near, startLevel: 0, abrEwmaDefaultEstimate: 100_000 });';
        if (searchParams.has('slow')) body = body.toString().replace('const hls = new Hls({ ...near });', slow);
        body = body.toString().replaceAll('http://127.0.0.1:8400/', site).replaceAll('media/film/master.m3u8', `media/${film}/master.m3u8`).replaceAll('media/SONG', song);
      }
      if (pathname.includes('/engine-')) body = Buffer.from(`${prelude}\n${body}`);
      const [, from, to] = /^bytes=(\d+)-(\d*)$/u.exec(request.headers.range ?? '') ?? [];
      const all = body.length;
      if (from !== undefined) body = body.subarray(Number(from), to === '' ? all : Number(to) + 1);
      const range = from === undefined ? {} : { 'Content-Range': `bytes ${from}-${Number(from) + body.length - 1}/${all}` };
      const policy = searchParams.has('policy') ? { 'Content-Security-Policy': searchParams.get('policy') } : {};
      response.writeHead(from === undefined ? 200 : 206, { 'Content-Type': type, ...range, ...policy }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

before(async () => {
  await promisify(execFile)('npm', ['run', '--silent', 'build:hls'], { cwd: web });
  place = await folder();
  const site = join(place.path, 'site');
  await publish(place.path, site, join(root, 'samples/film'), join(root, 'samples/music'));
  serve = await start(place.path, 'serve', site, '--listen', '127.0.0.1:0', '--relay', 'off');
  const titles = await titlesOf(site);
  film = titles.find(({ kind }) => kind === 'video').id;
  const one = titles.find(({ kind }) => kind === 'music');
  song = `media/${one.id}/${one.file}`;
  elsewhere = await theirs();
  chrome = await peering('--autoplay-policy=no-user-gesture-required');
});

after(async () => {
  await chrome?.close();
  elsewhere?.close();
  await serve?.stop();
  await place?.remove();
});

/** What the site's manifests say. */
async function titlesOf(site) {
  const { readdir } = await import('node:fs/promises');
  const names = await readdir(join(site, 'nearcast/titles'));
  return Promise.all(
    names.map(async (name) => {
      const [, payload] = (await readFile(join(site, 'nearcast/titles', name), 'utf8')).split('.');
      const manifest = JSON.parse(Buffer.from(payload, 'base64url').toString());
      return { id: manifest.title, kind: manifest.kind_of_media, file: manifest.renditions[0].layout.single?.file?.source };
    }),
  );
}

/** Somebody opens a page of the other server. */
async function visit(t, page, prepare) {
  const context = await chrome.newContext(PEER);
  t.after(() => context.close());
  t.after(() => (prelude = ''));
  const one = await tabIn(context, new URL(page, elsewhere.url).href, prepare);
  // Asking the site is what these pages are for.
  return { ...one, wrong: () => one.wrong.filter((line) => !line.startsWith('asked ')) };
}

const moves = ({ page }, element = 'video') =>
  page.waitForFunction((name) => document.querySelector(name).currentTime > 1, element, { timeout: PATIENCE });

const whole = ({ page }) =>
  page.waitForFunction(
    () => {
      const { buffered, duration } = document.querySelector('video');
      return buffered.length > 0 && buffered.end(buffered.length - 1) > duration - 1;
    },
    null,
    { timeout: PATIENCE },
  );

/** Where what the browser keeps lies. */
const kept = (page) =>
  page.evaluate(async () => {
    const caches = await Promise.all((await window.caches.keys()).map(async (name) => (await window.caches.open(name)).keys()));
    return caches.flat().map(({ url }) => url);
  });

const says = ({ page }, text) => page.locator('#state', { hasText: text }).waitFor();
/** What the page was last told, which is of a moment ago. */
const stats = ({ page }) => page.evaluate(() => window.near.stats());
/** What a page is told once it was told of bytes by `field`. */
async function toldOf(who, field) {
  await who.page.waitForFunction((field) => window.near.stats()[field] > 0, field);
  return stats(who);
}

/** Has every player play twice as fast, and tells what engines are asked to read. */
const TWICE = () => {
  window.reads = [];
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...more) {
    if (message.ask === 'read') window.reads.push(message);
    return postMessage.call(this, message, ...more);
  };
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    this.defaultPlaybackRate = this.playbackRate = 2;
    return play.call(this);
  };
};

test('a film that plays twice as fast is read as one that does', async (t) => {
  const one = await visit(t, 'hls.html', (page) => page.addInitScript(TWICE));
  await one.page.waitForFunction(() => window.reads.some(({ rate, whole }) => rate === 2 && whole), null, { timeout: PATIENCE });
  await moves(one);
  assert.deepEqual(one.wrong(), []);
});

/** Hears for what rate of its line the engine tells a player to take what it read. */
const HEARS = () => {
  window.lines = [];
  window.Worker = class extends Worker {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => 'ended' in data && data.line > 0 && window.lines.push(data.line));
    }
  };
};

/** At least three segments of either rendition begin before this. */
const BEGINNING = 200_000;

/** What a player has chosen, and by what. */
const CHOSEN = () => {
  const { hls, near, lines } = window;
  const { currentTime, buffered, readyState } = document.querySelector('video');
  const ends = Array.from({ length: buffered.length }, (_, n) => buffered.end(n));
  const { levels, currentLevel, loadLevel, bandwidthEstimate } = hls ?? {};
  return JSON.stringify({ levels: levels?.length, currentLevel, loadLevel, bandwidthEstimate, lines, currentTime, ends, readyState, near: near?.stats() });
};

test('a player that chooses its quality goes by what comes, and by what the engine says', async (t) => {
  let runs;
  const engine = new Promise((resolve) => (runs = resolve));
  const one = await visit(t, 'hls.html?slow', async (page) => {
    await page.addInitScript(HEARS);
    // A server so close brings all of a film so short before the engine is there, which then is never asked.
    await page.route('**/*.m4s', async (route) => {
      const [, from] = /^bytes=(\d+)/u.exec(route.request().headers().range ?? '') ?? [];
      if (Number(from) > BEGINNING) await engine;
      await route.continue();
    });
  });
  const sees = (what) =>
    one.page.waitForFunction(what, null, { timeout: PATIENCE }).catch(async ({ message }) => {
      assert.fail(`${message} ${await one.page.evaluate(CHOSEN)}`);
    });
  await says(one, 'sharing');
  runs();
  await sees(() => window.hls?.levels.length === 2 && window.hls.currentLevel === 1);
  assert.ok(await one.page.evaluate(() => window.hls.bandwidthEstimate > 200_000));
  await sees(() => window.lines.length > 0);
  assert.deepEqual(one.wrong(), []);
});

test('hls.js with the package: every byte is checked, and the next viewer gets it from the first', async (t) => {
  const one = await visit(t, 'hls.html');
  await says(one, 'sharing');
  await moves(one);
  await whole(one);
  await one.page.waitForFunction(() => window.near.stats().unverified === 0);
  const first = await stats(one);
  assert.ok(first.origin > 0, JSON.stringify(first));
  const before = await mediaSent(serve);
  const two = await visit(t, 'hls.html');
  await whole(two);
  await two.page.waitForFunction(() => window.near.stats().peers + window.near.stats().lan > window.near.stats().origin);
  assert.ok((await mediaSent(serve)) - before < first.origin / 2);
  assert.deepEqual([...one.wrong(), ...two.wrong()], []);
});

test('with the package the engine runs in a worker of the page’s own server', async (t) => {
  const one = await visit(t, 'hls.html');
  await says(one, 'sharing');
  assert.ok(engineOf(one.page).url().startsWith(elsewhere.url));
  assert.deepEqual(one.wrong(), []);
});

for (const [what, page, wrong] of [
  ['where the page’s content policy lets no worker in', `hls.html?policy=${encodeURIComponent("worker-src 'none'")}`, /Content Security Policy/u],
  ['from the script of another server', 'video.html', /^$/u],
]) {
  test(`${what} the engine runs in the page`, async (t) => {
    const one = await visit(t, page);
    await says(one, 'sharing');
    assert.deepEqual(one.page.workers().filter((worker) => /engine/u.test(worker.url())), []);
    await one.page.waitForFunction(askedFor('policy.jws'));
    assert.deepEqual(one.wrong().filter((line) => !wrong.test(line)), []);
  });
}

test('a document that came while the engine loaded is not asked for again', async (t) => {
  let asked = 0;
  const one = await visit(t, 'hls.html', async (page) => {
    page.on('request', (request) => (asked += /\/titles\/[^/]*\.jws$/u.test(request.url())));
    const document = page.waitForResponse('**/titles/*.jws', { timeout: PATIENCE });
    await page.route(/\.wasm$/u, async (route) => {
      await (await document).finished();
      await route.continue();
    });
  });
  await says(one, 'sharing');
  await moves(one);
  await one.page.waitForFunction(() => window.near.stats().origin > 0 && window.near.stats().unverified === 0);
  assert.equal(asked, 1);
  assert.deepEqual(one.wrong(), []);
});

test('where the page may not compile the engine its worker does', async (t) => {
  const one = await visit(t, `hls.html?policy=${encodeURIComponent("script-src 'self' 'unsafe-inline'")}`);
  await says(one, 'sharing');
  assert.equal(await engineOf(one.page).evaluate(askedFor('policy.jws')), true);
  assert.deepEqual(one.wrong().filter((line) => !/Content Security Policy/u.test(line)), []);
});

test('who stops handing on while the engine starts hands on nothing', async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  let policy;
  const one = await visit(t, 'hls.html', (page) => {
    policy = page.waitForResponse('**/policy.jws', { timeout: PATIENCE });
    return page.route('**/titles/*.jws', async (route) => {
      await held;
      await route.continue();
    });
  });
  // The engine runs, and opens the title.
  await policy;
  const nothing = await mediaSent(serve);
  await one.page.evaluate(() => window.near.share(false));
  release();
  await says(one, 'sharing');
  await whole(one);
  const before = await mediaSent(serve);
  const two = await visit(t, 'hls.html');
  await whole(two);
  const { peers, lan } = await toldOf(two, 'origin');
  assert.deepEqual([(await stats(one)).sent, peers, lan], [0, 0, 0]);
  assert.ok((await mediaSent(serve)) - before > (before - nothing) / 2, 'it came from the provider');
});

test('an address that the page writes short is the same file: its playlists are checked too', async (t) => {
  const one = await visit(t, `hls.html?site=${encodeURIComponent(serve.ready.url.replace(/^http:/u, ''))}`);
  await says(one, 'sharing');
  await moves(one);
  await one.page.waitForFunction(() => window.near.stats().origin > 0 && window.near.stats().unverified === 0);
});

test('at the next visit the engine does not wait for media', async (t) => {
  const { page, wrong } = await visit(t, 'hls.html');
  await until('the browser keeps some of the film', async () => (await kept(page)).some((url) => !url.endsWith('/played')));
  // Elsewhere on the same server, until the tab's part has ended.
  const back = page.url();
  await page.goto(new URL('hls.mjs', back).href);
  await until('nobody leads', () => page.evaluate(async () => (await navigator.locks.query()).held.length === 0));
  const engine = page.waitForRequest(/\.wasm$/u, { timeout: PATIENCE });
  engine.catch(() => {});
  await page.route('**/media/**', async (route) => {
    await engine;
    await route.continue();
  });
  await page.goto(back);
  await moves({ page });
  assert.deepEqual(wrong(), []);
});

test('the switch of the page ends sharing', async (t) => {
  const one = await visit(t, 'hls.html');
  await says(one, 'sharing');
  await one.page.locator('#share').uncheck();
  await moves(one);
  await whole(one);
  const two = await visit(t, 'hls.html');
  await whole(two);
  assert.equal((await stats(one)).sent, 0);
});

test('one line for a video element', async (t) => {
  const one = await visit(t, 'video.html');
  await says(one, 'sharing');
  await one.page.evaluate(() => void document.querySelector('video').play());
  await moves(one);
  await one.page.waitForFunction(() => window.stats?.origin > 0 && window.stats.unverified === 0);
  assert.deepEqual(one.wrong(), []);
});

test('one line for an audio element, with the page’s own worker', async (t) => {
  const before = await mediaSent(serve);
  const one = await visit(t, 'audio.html');
  await says(one, 'sharing');
  await one.page.evaluate(() => void document.querySelector('audio').play());
  await moves(one, 'audio');
  assert.ok((await mediaSent(serve)) > before);
  await until('the engine has noted that it was played', async () => (await kept(one.page)).some((url) => url.endsWith('/played')));
  assert.deepEqual(one.wrong(), []);
});

test('content without a signed catalogue passes through, and that is said', async (t) => {
  const one = await visit(t, `hls.html?site=${elsewhere.url}`);
  await says(one, 'direct: ');
  await moves(one);
  const { origin, sent } = await toldOf(one, 'unverified');
  assert.deepEqual([origin, sent], [0, 0]);
});

for (const [what, prepare] of [
  ['the engine', (page) => page.route(/\.wasm$/u, (route) => route.abort())],
  ['half of our scripts', (page) => page.route(/\/engine-[^/]*\.js$/u, (route) => route.abort())],
  ['WebAssembly', () => (prelude = 'delete self.WebAssembly;')],
  ['the catalogue', (page) => page.route('**/catalogue.jws', (route) => route.abort())],
]) {
  test(`without ${what} the film plays straight from the server`, async (t) => {
    const one = await visit(t, 'hls.html', prepare);
    await moves(one);
    await says(one, 'direct: ');
    await toldOf(one, 'unverified');
  });
}

for (const [what, prepare] of [
  ['data channels', (page) => page.addInitScript(() => delete window.RTCPeerConnection)],
  ['a supernode', () => (prelude = NO_SUPERNODE)],
]) {
  test(`without ${what} the film plays, and every byte is checked`, async (t) => {
    const one = await visit(t, 'hls.html', prepare);
    await says(one, 'sharing');
    await moves(one);
    await one.page.waitForFunction(() => window.near.stats().origin > 0 && window.near.stats().unverified === 0);
    assert.equal((await stats(one)).supernode, what !== 'a supernode');
  });
}

for (const [what, path] of [
  ['our script', /\/nearcast\.js$/u],
  ['half of it', /\/page\/(?!hls-)[^/]*\.js$/u],
  ['hls.js', /\/page\/hls-[^/]*\.js$/u],
]) {
  test(`without ${what} the film of the element plays as the browser plays it`, async (t) => {
    let blocked = 0;
    const one = await visit(t, 'video.html', (page) =>
      page.route(path, (route) => {
        blocked += 1;
        return route.abort();
      }),
    );
    await one.page.evaluate(() => void document.querySelector('video').play());
    await moves(one);
    assert.ok(blocked > 0, 'it was asked for');
  });
}

test('without our script the song plays', async (t) => {
  const one = await visit(t, 'audio.html', (page) => page.route('**/nearcast.js', (route) => route.abort()));
  await one.page.evaluate(() => void document.querySelector('audio').play());
  await moves(one, 'audio');
});

test('what the server sends before the engine is there is checked afterwards, and a change is told', async (t) => {
  let release;
  const played = new Promise((resolve) => {
    release = resolve;
  });
  const one = await visit(t, 'hls.html', async (page) => {
    await page.route(/\.wasm$/u, async (route) => {
      await played;
      await route.continue();
    });
    await page.addInitScript(() => {
      const told = [];
      window.told = told;
      Object.defineProperty(window, 'near', {
        set(near) {
          near.on('corrupt', ({ url }) => told.push(url));
          Object.defineProperty(window, 'near', { value: near });
        },
        configurable: true,
      });
    });
    // The last byte of a segment's answer is another; the picture hardly minds.
    await page.route(/\.m4s$/u, async (route) => {
      const answer = await route.fetch();
      const body = Buffer.from(await answer.body());
      if (body.length > 100_000) body[body.length - 20_000] ^= 1;
      await route.fulfill({ response: answer, body });
    });
  });
  await moves(one);
  release();
  await one.page.waitForFunction(() => window.told.length > 0);
  // An answer that is read while its page is closed is an error of nobody's.
  await one.page.unrouteAll({ behavior: 'wait' });
});
