// Tabs that deliver to each other while something fails that they depend on, in Chromium, before a real `serve`: the
// provider's line, the supernode, each other.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { lineTo } from './line.mjs';
import { counted, engineOf, fetchedWhole, filmLength, filmMoves, listed, mediaSent, PEER, peering, restarted, root, stage, tab, takesPart, until, wholeFilm } from './world.mjs';

let place;
let chrome;
let end;
let serve;
let length;

before(async () => {
  ({ place, serve, chrome, end } = await stage(peering, 'film'));
  length = await filmLength(240);
});

after(async () => {
  // It may be another than the one that was staged.
  await serve?.stop();
  await end?.();
});

async function enter(t, { url = serve.ready.url, prepare } = {}) {
  const one = await tab(chrome, url, PEER, async (page) => {
    await page.addInitScript(() => localStorage.setItem('nearcast.preferences', '{"volume":1,"quality":240}'));
    await prepare?.(page);
  });
  t.after(one.close);
  await takesPart(one);
  return one;
}

async function play({ page }) {
  await page.locator('.card-film .card-link').first().click();
  await filmMoves(page);
}

async function watched(t, options) {
  const one = await enter(t, options);
  await play(one);
  await fetchedWhole(one);
  return one;
}

/** Turns the switch of a tab that plays nothing, until the chip says this. */
async function share({ page }, chip) {
  if (!(await page.locator('#sharing-panel').isVisible())) await page.locator('.chip').click();
  await page.getByRole('switch').click();
  await page.locator(chip).waitFor();
}

/** What must not be said, but for what the browser itself says of a server that is not there. */
const wrongOf = ({ wrong }) => wrong.filter((line) => !/^Failed to load resource|^WebSocket connection to/u.test(line));

test('a provider that becomes slow and then stops: a tab finishes its film from another', async (t) => {
  await listed(serve, 0);
  const line = await lineTo(serve.ready.url);
  t.after(line.close);
  const one = await watched(t, { url: line.url });
  await one.page.keyboard.press('Escape');
  await share(one, '.chip:not(.is-live)');
  await listed(serve, 0);
  const two = await enter(t, { url: line.url });
  line.slow(length / 60);
  await play(two);
  assert.equal(await two.page.evaluate(wholeFilm), false, 'the line is slow');
  line.cut();
  await share(one, '.chip.is-live');
  await fetchedWhole(two);
  const at = await two.page.evaluate(() => document.querySelector('video').currentTime);
  await two.page.waitForFunction((then) => document.querySelector('video').currentTime > then + 1, at);
  assert.ok(line.passed() < length * 1.5, `the provider brought ${line.passed()} of ${length}, which the first had already`);
  assert.deepEqual([...wrongOf(one), ...wrongOf(two)], []);
});

test('a supernode that is restarted hears of everybody again', async (t) => {
  await listed(serve, 0);
  const one = await watched(t);
  await listed(serve, 1);
  serve = await restarted(place, serve);
  await listed(serve, 1);
  const two = await watched(t);
  const sent = await mediaSent(serve);
  assert.ok(sent < length / 2, `the server sent ${sent} of ${length} again`);
  assert.deepEqual([...wrongOf(one), ...two.wrong], []);
});

/** Where an engine runs: has a bit of everything long that it sends changed. */
function lie() {
  self.lies = 0;
  const send = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function (data) {
    const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength).slice();
    if (bytes.length > 4096) {
      bytes[bytes.length - 1000] ^= 1;
      self.lies += 1;
    }
    send.call(this, bytes);
  };
}

/** Notes what a page hands to its player. */
const notesMedia = (page) =>
  page.addInitScript(() => {
    window.media = [];
    const append = SourceBuffer.prototype.appendBuffer;
    SourceBuffer.prototype.appendBuffer = function (data) {
      const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
      window.media.push(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
      return append.call(this, data);
    };
  });

test('a tab that lies is found out: nothing of it is played', async (t) => {
  await listed(serve, 0);
  const liar = await watched(t);
  await engineOf(liar.page).evaluate(lie);
  await listed(serve, 1);
  const before = await mediaSent(serve);
  const two = await watched(t, { prepare: notesMedia });
  assert.ok((await engineOf(liar.page).evaluate(() => self.lies)) > 0, 'it was asked, and lied');
  const sent = (await mediaSent(serve)) - before;
  assert.ok(sent > length / 2, `the server sent ${sent} of ${length}`);
  const film = await readFile(join(root, 'samples/film/240p.m4s'));
  const played = (await two.page.evaluate(() => window.media)).map((bytes) => Buffer.from(bytes, 'latin1'));
  assert.ok(played.length > 1 && played.every((bytes) => film.includes(bytes)), 'the film as it was published, and nothing else');
  const refused = 'nearcast_audience_peers_refused_total{why="corrupt"}';
  await until('the provider hears of it', async () => (await counted(serve.ready.url, refused)) > 0);
  assert.deepEqual([...liar.wrong, ...two.wrong], []);
});
