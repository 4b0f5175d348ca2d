// Tabs that deliver to each other, in Chromium, before a real `serve`. What the provider's server sent is its own count.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { barriers, beforeEngine, fetchedWhole, filmLength, filmMoves, mediaSent, NO_SUPERNODE, PEER, peering, playsPast, stage, tab, takesPart } from './world.mjs';

let chrome;
let end;
let serve;
let length;

before(async () => {
  ({ serve, chrome, end } = await stage(peering, 'film', 'music'));
  length = await filmLength(240);
});

after(() => end?.());

const sent = () => mediaSent(serve);

/** A tab that is closed when the test ends, however it ends: whoever stays would deliver to the next. */
async function enter(t, prepare) {
  const one = await tab(chrome, serve.ready.url, PEER, async (page) => {
    // Everybody watches the same quality: what is compared is who delivers.
    await page.addInitScript(() => localStorage.setItem('nearcast.preferences', '{"volume":1,"quality":240}'));
    await prepare?.(page);
  });
  t.after(one.close);
  return one;
}

async function playFilm({ page }) {
  await page.locator('.card-film .card-link').first().click();
  await filmMoves(page);
}

/** A tab that has all of the film. */
async function watched(t) {
  const one = await enter(t);
  await takesPart(one);
  await playFilm(one);
  await fetchedWhole(one);
  return one;
}

test('the page says that it takes part as soon as its engine is there', async (t) => {
  const one = await enter(t);
  await takesPart(one);
  const late = await one.page.evaluate(() => {
    const engine = performance.getEntriesByType('resource').find(({ name }) => name.endsWith('.wasm'));
    return performance.now() - engine.responseEnd;
  });
  assert.ok(late < 5000, `${late} ms after its engine came`);
  assert.deepEqual(one.wrong, []);
});

test('the second tab gets the film from the first', async (t) => {
  const one = await watched(t);
  const before = await sent();
  const two = await watched(t);
  const more = (await sent()) - before;
  assert.ok(more < length / 2, `the server sent ${more} of ${length} again`);
  assert.deepEqual([...one.wrong, ...two.wrong], []);
});

test('the dashboard shows that tabs deliver to tabs', async (t) => {
  const one = await watched(t);
  const two = await watched(t);
  // A play is reported when it has ended: another one begins.
  await two.page.keyboard.press('Escape');
  await two.page.locator('.card-link[href*="album"]').first().click();
  await two.page.locator('.hero .main-button').click();
  const board = await tab(chrome, serve.ready.dashboard);
  t.after(board.close);
  const row = board.page.locator('.delivery tbody tr', { hasText: 'Browser tabs, in the same network' });
  await row.locator('td').first().filter({ hasText: /[1-9]/u }).waitFor();
  assert.match(await row.locator('td').nth(1).textContent(), /^0 B$/u, 'no program is here');
  assert.ok((await board.page.locator('.flow path').count()) > 0);
  await board.page.getByRole('img', { name: /What players got: .*own network [1-9].*from the origin [1-9]/u }).waitFor();
  const saved = board.page.waitForEvent('download');
  await board.page.getByRole('button', { name: 'Export CSV of who delivers to whom' }).click();
  const table = await readFile(await (await saved).path(), 'utf8');
  assert.match(table, /^pages,lan,pages,[1-9]/mu);
  assert.deepEqual(await barriers(board.page), []);
  assert.deepEqual([...one.wrong, ...two.wrong, ...board.wrong], []);
});

test('three more tabs, one after the other, cost the server less than one', async (t) => {
  const one = await watched(t);
  const before = await sent();
  const tabs = [one];
  for (let n = 0; n < 3; n++) {
    const next = await enter(t);
    await takesPart(next);
    await playFilm(next);
    tabs.push(next);
  }
  for (const next of tabs) await fetchedWhole(next);
  const more = (await sent()) - before;
  assert.ok(more < length, `the server sent ${more}, the film has ${length}`);
  for (const next of tabs) assert.deepEqual(next.wrong, []);
});

test('a tab that goes in the middle of it is made up for', async (t) => {
  const one = await watched(t);
  const two = await enter(t);
  await takesPart(two);
  await two.page.locator('.card-film .card-link').first().click();
  await two.page.locator('.chip-text', { hasText: 'shared' }).waitFor();
  await one.close();
  await filmMoves(two.page);
  await fetchedWhole(two);
  assert.deepEqual(two.wrong, []);
});

test('a film that plays before the engine is there goes through it from then on', async (t) => {
  let release;
  const played = new Promise((resolve) => {
    release = resolve;
  });
  const one = await enter(t, async (page) => {
    await page.route('**/*.wasm', async (route) => {
      await played;
      await route.continue();
    });
    // A quick machine would have the whole film before the engine is let in.
    await page.route(/\.m4s$/u, async (route) => {
      const first = Number(/^bytes=(\d+)/u.exec(route.request().headers().range ?? '')?.[1] ?? 0);
      if (first > length / 4) await played;
      await route.continue();
    });
  });
  await playFilm(one);
  release();
  await takesPart(one);
  await fetchedWhole(one);
  await one.page.keyboard.press('Escape');
  await one.page.locator('.chip').click();
  await one.page.locator('.by-source > div', { hasText: 'The provider' }).locator('dd', { hasText: /[1-9]/u }).waitFor();
  // What was played before has been checked by then.
  await one.page.locator('.by-source > div', { hasText: 'Unchecked' }).waitFor({ state: 'detached' });
  assert.deepEqual(one.wrong, []);
});

test('a song goes from tab to tab', async (t) => {
  const one = await enter(t);
  const two = await enter(t);
  for (const { page } of [one, two]) {
    await takesPart({ page });
    // What an audio element asks for passes through here.
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  }
  for (const { page } of [one, two]) {
    await page.locator('.card-link[href*="album"]').first().click();
    await page.locator('.hero .main-button').click();
    await playsPast(page, 2);
  }
  await one.page.locator('.chip-text', { hasText: /[1-9]\S* .B shared/u }).waitFor();
  assert.deepEqual([...one.wrong, ...two.wrong], []);
});

test('without WebAssembly the page plays straight from its server', async (t) => {
  const one = await enter(t, (page) => page.route('**/*.wasm', (route) => route.abort()));
  await one.page.locator('.card-film .card-link').first().click();
  await filmMoves(one.page);
  assert.equal(await one.page.locator('.chip.is-live').count(), 0);
  assert.ok(one.wrong.every((line) => line.startsWith('Failed to load resource')), String(one.wrong));
});

test('where no engine comes the page does not go on looking for it', async (t) => {
  let direct;
  const one = await enter(t, async (page) => {
    await page.clock.install();
    await page.route('**/*.wasm', (route) => route.abort());
    direct = page.waitForEvent('console', (message) => message.text().includes('this page plays straight from its server'));
  });
  await direct;
  await one.page.evaluate(() => {
    const plain = window.setTimeout;
    window.timers = 0;
    window.setTimeout = (...what) => {
      window.timers += 1;
      return plain(...what);
    };
  });
  await one.page.clock.runFor(60_000);
  assert.ok((await one.page.evaluate(() => window.timers)) < 5);
});

test('without a supernode the page plays, and every byte is checked', async (t) => {
  const one = await enter(t, (page) => beforeEngine(page, NO_SUPERNODE));
  await takesPart(one);
  await playFilm(one);
  await one.page.keyboard.press('Escape');
  await one.page.locator('.chip').click();
  await one.page.locator('.by-source > div', { hasText: 'The provider' }).locator('dd', { hasText: /[1-9]/u }).waitFor();
  assert.equal(await one.page.locator('.by-source > div', { hasText: 'Unchecked' }).count(), 0, 'playlists, too');
  await one.page.locator('#sharing-panel', { hasText: 'Nobody can be found right now' }).waitFor();
  assert.deepEqual(one.wrong, []);
});

for (const [what, line] of [
  ['where data is to be saved', { saveData: true }],
  ['on cellular lines', { saveData: false, type: 'cellular' }],
]) {
  test(`${what} nothing is handed on unless the listener says so`, async (t) => {
    const one = await enter(t, (page) =>
      page.addInitScript((has) => Object.defineProperty(Navigator.prototype, 'connection', { get: () => has }), line),
    );
    await one.page.locator('.chip-text', { hasText: 'Sharing off' }).waitFor();
    await one.page.locator('.chip').click();
    await one.page.getByRole('switch').click();
    await takesPart(one);
    await one.page.reload();
    await takesPart(one);
    assert.deepEqual(one.wrong, []);
  });
}

test('switched off nothing goes up, and that is remembered', async (t) => {
  const one = await enter(t);
  await takesPart(one);
  await one.page.locator('.chip').click();
  await one.page.getByRole('switch').click();
  await one.page.locator('.chip-text', { hasText: 'Sharing off' }).waitFor();
  await one.page.reload();
  await one.page.locator('.chip-text', { hasText: 'Sharing off' }).waitFor();
  await playFilm(one);
  await fetchedWhole(one);
  const before = await sent();
  const two = await watched(t);
  const more = (await sent()) - before;
  assert.ok(more >= length, `the server sent ${more} of ${length}`);
  assert.deepEqual([...one.wrong, ...two.wrong], []);
});
