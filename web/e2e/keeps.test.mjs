// What a browser keeps from visit to visit, in Chromium, before a real `serve`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { engineOf, fetchedWhole, filmLength, filmMoves, folder, listed, mediaSent, PEER, peering, stage, storingNothing, tabIn, takesPart, until } from './world.mjs';

/** A name that is this machine, and that browsers do not trust as they trust its own address. */
const STRANGE = 'strange.test';

let chrome;
let end;
let serve;
let length;

before(async () => {
  ({ serve, chrome, end } = await stage(() => peering(`--host-resolver-rules=MAP ${STRANGE} 127.0.0.1`), 'film'));
  length = await filmLength(240);
});

after(() => end?.());

/** A browser with its own storage, closed when the test ends, and tabs in it. */
async function visitor(t) {
  const context = await chrome.newContext(PEER);
  t.after(() => context.close());
  const enter = async (url = serve.ready.url, prepare = () => {}) => {
    const one = await tabIn(context, url, async (page) => {
      await prepare(page);
      await page.addInitScript(() => localStorage.setItem('nearcast.preferences', '{"volume":0,"muted":true,"quality":240}'));
    });
    await takesPart(one);
    return one;
  };
  return { context, enter };
}

async function playWhole({ page }) {
  await page.locator('.card-film .card-link').first().click();
  await filmMoves(page);
  await fetchedWhole({ page });
  await page.keyboard.press('Escape');
}

/** Opens the panel, and waits until it says this. */
async function panelSays({ page }, text) {
  if (!(await page.locator('#sharing-panel').isVisible())) await page.locator('.chip').click();
  await page.locator('#sharing-panel', { hasText: text }).waitFor();
}

/** Until the browser keeps the film. */
async function keepsFilm(one) {
  await panelSays(one, 'Kept in this browser');
  await one.page.waitForFunction((least) => Number(document.querySelector('.panel-kept').dataset.kept) >= least, length);
  await one.page.keyboard.press('Escape');
}

async function reload(one) {
  await one.page.reload();
  await takesPart(one);
}

test('a reload plays what is kept', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  await playWhole(one);
  await keepsFilm(one);
  const before = await mediaSent(serve);
  await reload(one);
  await playWhole(one);
  assert.equal((await mediaSent(serve)) - before, 0);
  await panelSays(one, 'kept from earlier');
  assert.deepEqual(one.wrong, []);
});

test('what is kept is handed on at the next visit, before it is played', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  await playWhole(one);
  await keepsFilm(one);
  // Its title is opened again a few seconds after the start.
  const opened = one.page.waitForResponse(/\/nearcast\/titles\/.*\.jws$/u);
  await reload(one);
  await opened;
  const before = await mediaSent(serve);
  const other = await (await visitor(t)).enter();
  await playWhole(other);
  const more = (await mediaSent(serve)) - before;
  assert.ok(more < length / 2, `the server sent ${more} of ${length}`);
  assert.deepEqual([...one.wrong, ...other.wrong], []);
});

test('a second tab plays through the first, and takes over when that is closed', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  await playWhole(one);
  await keepsFilm(one);
  const before = await mediaSent(serve);
  const engines = [];
  const two = await enter(serve.ready.url, (page) => page.on('request', (request) => request.url().endsWith('.wasm') && engines.push(request.url())));
  await playWhole(two);
  assert.deepEqual(engines, [], 'the first has the engine');
  await panelSays(two, 'Kept in this browser');
  await two.page.keyboard.press('Escape');
  const engine = two.page.waitForResponse(/\.wasm$/u);
  await one.page.close();
  await engine;
  await two.page.reload();
  await takesPart(two);
  await playWhole(two);
  assert.equal((await mediaSent(serve)) - before, 0);
  // A third one finds the second.
  const three = await enter();
  await playWhole(three);
  assert.equal((await mediaSent(serve)) - before, 0);
  assert.deepEqual([...one.wrong, ...two.wrong, ...three.wrong], []);
});

test('a tab is closed while another plays through it', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  let more;
  const held = new Promise((resolve) => (more = resolve));
  const two = await enter();
  // What is not there yet has to wait until the first tab is gone.
  await one.page.context().route(/\.m4s$/u, async (route) => {
    const first = Number(/^bytes=(\d+)/u.exec(route.request().headers().range ?? '')?.[1] ?? 0);
    if (first > length / 4) await held;
    await route.continue().catch(() => {});
  });
  await two.page.locator('.card-film .card-link').first().click();
  await filmMoves(two.page);
  await one.page.close();
  more();
  await fetchedWhole(two);
  await two.page.keyboard.press('Escape');
  await panelSays(two, 'Kept in this browser');
  assert.deepEqual(two.wrong, []);
});

test('what was damaged is fetched again', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  await playWhole(one);
  await keepsFilm(one);
  await one.page.evaluate(async () => {
    const [name] = await caches.keys();
    const cache = await caches.open(name);
    const entries = (await cache.keys()).filter(({ url }) => !url.endsWith('/played'));
    const bytes = new Uint8Array(await (await cache.match(entries[0])).arrayBuffer());
    bytes[bytes.length >> 1] ^= 1;
    await cache.put(entries[0], new Response(bytes));
  });
  const before = await mediaSent(serve);
  await reload(one);
  await playWhole(one);
  const more = (await mediaSent(serve)) - before;
  assert.ok(more > 0 && more < length, `the server sent ${more} of ${length} again`);
  assert.deepEqual(one.wrong, []);
});

test('without room the page plays on, and says so', async (t) => {
  const { context, enter } = await visitor(t);
  const one = await enter();
  const devtools = await context.newCDPSession(one.page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(serve.ready.url).origin, quotaSize: 100_000 });
  await playWhole(one);
  await panelSays(one, 'This browser has no room for more');
  assert.deepEqual(one.wrong, []);
});

test('the listener has it forgotten', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  await playWhole(one);
  await keepsFilm(one);
  await panelSays(one, 'Kept in this browser');
  await one.page.getByRole('button', { name: 'Forget it' }).click();
  await one.page.locator('.panel-kept', { hasText: /: 0 B\./u }).waitFor();
  assert.deepEqual(one.wrong, []);
});

test('a page that browsers do not trust says that nothing is kept', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter(serve.ready.url.replace('127.0.0.1', STRANGE));
  await playWhole(one);
  await panelSays(one, 'Held until this tab is closed');
});

test('a browser that lets sites store nothing holds what plays in memory, and hands it on', async (t) => {
  const place = await folder();
  const context = await storingNothing(join(place.path, 'profile'));
  t.after(async () => {
    await context.close();
    await place.remove();
  });
  const one = await tabIn(context, serve.ready.url);
  await takesPart(one);
  await assert.rejects(one.page.evaluate(() => navigator.locks.request('any', () => {})), /denied/u, 'it is refused');
  await playWhole(one);
  await panelSays(one, 'Held until this tab is closed: browsers keep it only');
  await listed(serve, 1);
  const before = await mediaSent(serve);
  const { context: other } = await visitor(t);
  // Which quality is to play cannot be kept for the first: both see what their players choose.
  const two = await tabIn(other, serve.ready.url);
  await takesPart(two);
  await playWhole(two);
  const [more, all] = [(await mediaSent(serve)) - before, await filmLength(360)];
  assert.ok(more < all / 2, `the server sent ${more} of ${all} again`);
  const board = await tabIn(context, serve.ready.dashboard);
  await board.page.locator('.tile dd').first().waitFor();
  assert.deepEqual([...one.wrong, ...two.wrong, ...board.wrong], []);
});

/** Freezes a tab, as browsers do with those that nobody looks at: no script of it runs until it is woken, and none of its
 * worker. Chromium's own command for it does nothing to the tabs of a test, which all count as looked at: here each waits
 * for an answer without letting anything else run. Answers with how to wake it. */
async function freeze({ page }) {
  const wakes = [];
  for (const target of [engineOf(page), page]) {
    const url = new URL(`frozen-${wakes.length}`, serve.ready.url).href;
    await new Promise((frozen) => {
      void page.context().route(url, async (route) => {
        await new Promise((wake) => {
          wakes.push(wake);
          frozen();
        });
        await route.fulfill({ body: '' });
      });
      const waits = target.evaluate((at) => {
        const request = new XMLHttpRequest();
        request.open('GET', at, false);
        request.send();
      }, url);
      // The test may be over before it is woken.
      waits.catch(() => {});
    });
  }
  return () => wakes.forEach((wake) => wake());
}

/** How many tabs say that they lead. */
const leaders = ({ page }) =>
  page.evaluate(async (site) => {
    const seat = new BroadcastChannel(`nearcast ${site} asks`);
    const heard = new Set();
    seat.onmessage = ({ data }) => data.leads && heard.add(data.leader);
    const held = new Promise((resolve) => {
      void navigator.locks.request(`nearcast ${site} asks`, () => new Promise((done) => resolve(done)));
    });
    const done = await held;
    const desk = new BroadcastChannel(`nearcast ${site}`);
    for (let n = 0; n < 10; n++) {
      desk.postMessage({ ask: 'hello', from: 'asks', to: '', call: n });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    desk.close();
    seat.close();
    done();
    return heard.size;
  }, new URL('.', page.url().split('#')[0]).href);

test('a tab that is frozen while it leads is relieved, and follows when it wakes', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  await playWhole(one);
  await keepsFilm(one);
  const two = await enter();
  assert.equal(await leaders(two), 1);
  const before = await mediaSent(serve);
  const wake = await freeze(one);
  assert.equal(await leaders(two), 0, 'it says nothing');
  await until('another leads', async () => (await leaders(two)) === 1);
  await playWhole(two);
  await panelSays(two, 'Kept in this browser');
  const three = await enter();
  await playWhole(three);
  wake();
  await until('one leads', async () => (await leaders(three)) === 1);
  await playWhole(one);
  await panelSays(one, 'Kept in this browser');
  assert.equal(await leaders(three), 1);
  assert.equal((await mediaSent(serve)) - before, 0, 'what is kept is played');
  assert.deepEqual([...one.wrong, ...two.wrong, ...three.wrong], []);
});

test('a film goes on when the tab that it plays through is frozen', async (t) => {
  const { enter } = await visitor(t);
  const one = await enter();
  const two = await enter();
  let more;
  const held = new Promise((resolve) => (more = resolve));
  await one.page.context().route(/\.m4s$/u, async (route) => {
    const first = Number(/^bytes=(\d+)/u.exec(route.request().headers().range ?? '')?.[1] ?? 0);
    if (first > length / 4) await held;
    await route.continue().catch(() => {});
  });
  await two.page.locator('.card-film .card-link').first().click();
  await filmMoves(two.page);
  await freeze(one);
  more();
  await fetchedWhole(two);
  await two.page.keyboard.press('Escape');
  await panelSays(two, 'Kept in this browser');
  await two.page.locator('.by-source > div', { hasText: 'Unchecked' }).waitFor({ state: 'detached' });
  assert.deepEqual(two.wrong, []);
});
