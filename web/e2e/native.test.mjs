// A native node and tabs, in Chromium, before a real `serve`: each gets a film from the other. The tabs hide their
// addresses behind names, as all do that were granted no camera. What the provider's server sent is its own count, what
// the node got and gave is the node's.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fetchedWhole, filmLength, filmMoves, hiding, keeper, listed, mediaSent, stage, tab, takesPart } from './world.mjs';

const FILM = 'film';

let place;
let chrome;
let end;
let serve;
let length;
let nodes = 0;

before(async () => {
  ({ place, serve, chrome, end } = await stage(hiding, 'film'));
  // What is kept of a film is its best quality.
  length = await filmLength(360);
});

after(() => end?.());

async function node(t) {
  nodes += 1;
  const one = await keeper(place.path, serve, `node-${nodes}`);
  t.after(one.stop);
  return one;
}

async function watcher(t) {
  const one = await tab(chrome, serve.ready.url, {}, (page) =>
    page.addInitScript(() => localStorage.setItem('nearcast.preferences', '{"volume":1,"quality":360}')),
  );
  t.after(one.close);
  await takesPart(one);
  return one;
}

async function watch(one) {
  await one.page.locator('.card-film .card-link').first().click();
  await filmMoves(one.page);
  await fetchedWhole(one);
}

test('a tab gets the film from a native node', async (t) => {
  const holder = await node(t);
  await holder.keep(FILM);
  const before = await mediaSent(serve);
  const one = await watcher(t);
  await watch(one);
  const [more, given] = [(await mediaSent(serve)) - before, await holder.sent()];
  assert.ok(more < length / 2, `the server sent ${more} of ${length} again`);
  assert.ok(given > length / 2, `the node gave ${given} of ${length}`);
  assert.deepEqual(one.wrong, []);
});

test('a native node gets the film from a tab', async (t) => {
  await listed(serve, 0);
  const one = await watcher(t);
  await watch(one);
  await listed(serve, 1);
  const before = await mediaSent(serve);
  const asker = await node(t);
  await asker.keep(FILM);
  const [more, got] = [(await mediaSent(serve)) - before, await asker.received()];
  assert.ok(more < length / 2, `the server sent ${more} of ${length} again`);
  assert.ok(got > length / 2, `the node got ${got} of ${length} from the tab`);
  assert.deepEqual(one.wrong, []);
});
