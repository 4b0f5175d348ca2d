// The parts of the pages that know no browser: the queue, search, grouping, what is read from the network.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, load } from './load.mjs';

const Q = await load('/src/player/queue.ts');
const { SearchIndex, fitsName } = await load('/src/model/search.ts');
const { albumsOf, artistsOf } = await load('/src/model/title.ts');
const words = await load('/src/model/words.ts');
const parse = await load('/src/source/parse.ts');
const { rates } = await load('/src/dashboard/figures.ts');
const { Line } = await load('/src/tab/line.ts');
const { Early } = await load('/src/tab/early.ts');
const { drawn, flowsToCsv, readFlows } = await load('/src/dashboard/flows.ts');
const { shownSpan } = await load('/src/dashboard/span.ts');
const { bins, readGot } = await load('/src/dashboard/got.ts');

after(close);

const LIST = ['a', 'b', 'c', 'd', 'e'];
/** Always the first of what can be chosen. */
const first = () => 0;

const title = (id, more = {}) => ({
  id,
  name: id,
  artist: null,
  album: null,
  track: null,
  disc: null,
  durationMs: 1000,
  kind: 'music',
  art: null,
  cachedPermille: null,
  ...more,
});

/** Plays through to the end, at most `most` steps. */
function played(queue, repeat, most = 20) {
  const heard = [Q.playing(queue)];
  for (let at = Q.next(queue, repeat); at !== null && heard.length < most; at = Q.next(at, repeat)) heard.push(Q.playing(at));
  return heard;
}

test('a queue plays in order from where it is begun', () => {
  assert.deepEqual(played(Q.start(LIST, 2, false), 'off'), ['c', 'd', 'e']);
  assert.deepEqual(played(Q.start(LIST, 3, false), 'all', 5), ['d', 'e', 'a', 'b', 'c']);
  assert.equal(Q.playing(Q.start([], 0, false)), null);
  assert.equal(Q.next(Q.EMPTY, 'all'), null);
});

test('shuffled, every title plays once, the chosen one first', () => {
  for (let n = 0; n < 50; n++) {
    const heard = played(Q.start(LIST, 3, true), 'off');
    assert.equal(heard[0], 'd');
    assert.deepEqual(heard.toSorted(), LIST);
  }
});

test('shuffle switched on and off again loses nothing and does not stop what plays', () => {
  const begun = Q.start(LIST, 1, false);
  const mixed = Q.shuffle(begun, true, first);
  assert.equal(Q.playing(mixed), 'b');
  assert.deepEqual(played(mixed, 'off').toSorted(), LIST);
  const back = Q.shuffle(mixed, false);
  assert.deepEqual(played(back, 'off'), ['b', 'c', 'd', 'e']);
});

test('titles are added behind what plays or at the end, and taken out', () => {
  const queue = Q.add(Q.add(Q.start(LIST, 1, false), ['x'], 'next'), ['y'], 'end');
  assert.deepEqual(Q.ahead(queue), ['x', 'c', 'd', 'e', 'y']);
  const less = Q.remove(Q.remove(queue, 1), 2);
  assert.deepEqual(Q.ahead(less), ['c', 'e', 'y']);
  assert.deepEqual(Q.remove(less, 0), less, 'what plays stays');
  assert.deepEqual(Q.remove(less, 99), less);
  assert.equal(Q.playing(Q.jump(less, 2)), 'e');
  assert.deepEqual(played(Q.add(Q.EMPTY, ['z'], 'next'), 'off'), ['z']);
});

test('back goes back, and around when all repeats', () => {
  const queue = Q.start(LIST, 1, false);
  assert.equal(Q.playing(Q.previous(queue, 'off')), 'a');
  const begun = Q.start(LIST, 0, false);
  assert.equal(Q.previous(begun, 'off'), null);
  assert.equal(Q.playing(Q.previous(begun, 'all')), 'e');
});

test('search takes beginnings of words, without accents, names first', () => {
  const index = new SearchIndex([
    title('1', { name: 'Lamps', artist: 'Für Elise' }),
    title('2', { name: 'Elise am Fluß' }),
    title('3', { name: 'Дорога домой' }),
  ]);
  const find = (query) => index.find(query, 10).map((t) => t.id);
  assert.deepEqual(find('eli'), ['2', '1']);
  assert.deepEqual(find('fur ELISE'), ['1']);
  assert.deepEqual(find('дом'), ['3']);
  assert.deepEqual(find('lise'), []);
  assert.deepEqual(find('  '), []);
  assert.deepEqual(index.find('e', 1).map((t) => t.id), ['2']);
  assert.ok(fitsName('Heroes’ Rite', 'rit her'));
});

test('albums are put together from their tracks, films are none', () => {
  const titles = [
    title('c', { album: 'One', track: 1, disc: 2, artist: 'A' }),
    title('b', { album: 'One', track: 2, disc: 1, artist: 'A' }),
    title('a', { album: 'One', track: 10, artist: 'B' }),
    title('f', { album: 'One', kind: 'video' }),
    title('s', { artist: 'A' }),
  ];
  const albums = albumsOf(titles);
  assert.deepEqual(albums.map((a) => [a.name, a.artist]), [['One', 'Various artists']]);
  assert.deepEqual(albums[0].titles.map((t) => t.id), ['b', 'a', 'c']);
  const artists = artistsOf(titles, albums);
  assert.deepEqual(artists.map((a) => [a.name, a.titles.length, a.albums.length]), [['A', 3, 1], ['B', 1, 1]]);
});

test('two albums of one name are told apart, one with two covers is not', () => {
  const titles = [
    title('a1', { album: 'Best of', artist: 'A', art: 't/a1/x.jpg' }),
    title('b1', { album: 'Best of', artist: 'B', art: 't/b1/y.jpg' }),
    title('a2', { album: 'Best of', artist: 'A', art: 't/a2/z.jpg' }),
    title('c', { album: 'Best of', artist: 'C feat. A', art: 't/c/z.jpg' }),
  ];
  const albums = albumsOf(titles);
  assert.deepEqual(albums.map((a) => a.titles.map((t) => t.id).join()).toSorted(), ['a1,a2,c', 'b1']);
  assert.equal(new Set(albums.map((a) => a.key)).size, 2);
});

test('numbers read as people write them', () => {
  assert.deepEqual([61, 3600, 0.9, NaN].map(words.clock), ['1:01', '1:00:00', '0:00', '–:––']);
  assert.deepEqual([0, 999, 1500, 99_999_999].map(words.bytes), ['0 B', '999 B', '1.5 kB', '100 MB']);
  assert.equal(words.span(125 * 60_000), '2 h 5 min');
});

test('what the network says is taken only where it fits', () => {
  assert.equal(parse.text(''), null);
  assert.equal(parse.number(Infinity), null);
  assert.equal(parse.line('a\u202ecba'), 'acba');
  assert.deepEqual(parse.objects([1, null, [], { a: 1 }]), [{ a: 1 }]);
  assert.equal(parse.escapePath('a b/c?#'), 'a%20b/c%3F%23');
});

test('a rate is told only between two samples of one run of the server', () => {
  const at = (s, sent) => ({ at: s, sent });
  assert.deepEqual(rates([at(0, 0), at(5, 50), at(5, 60), at(10, 10), at(20, 30)], (s) => s.sent), [null, 10, null, null, 2]);
});

test('a chart shows five minutes at least, up to its last sample', () => {
  assert.deepEqual(shownSpan([]), [null, null]);
  assert.deepEqual(shownSpan([1000]), [700, 1000]);
  assert.deepEqual(shownSpan([0, 500, 1000]), [0, 1000]);
});

test('what players got is put in bins of equal length, and a server that was started anew takes nothing away', () => {
  assert.deepEqual(readGot({ cache: 1, lan: 2, isp: 3, other: 4, origin: 5 }), [1, 2, 7, 5]);
  assert.deepEqual(readGot({}), [0, 0, 0, 0]);
  const at = (at, ...got) => ({ at, got });
  const samples = [at(900, 9, 9, 9, 9), at(909, 10, 9, 9, 9), at(914, 10, 12, 9, 9), at(1000, 10, 12, 49, 10), at(1000.5, 0, 0, 0, 1), at(1000.9, 0, 0, 0, 6)];
  const { times, bytes } = bins(samples, 1001, 100, 10);
  assert.deepEqual([times[0], times[9]], [906, 996]);
  assert.deepEqual(bytes.map((of) => of.slice(0, 3)), [[1, 0, 0], [0, 3, 0], [0, 0, 0], [0, 0, 0]]);
  assert.deepEqual(bytes.map((of) => of[9]), [0, 0, 40, 6]);
});

/** Whether a promise has settled by the time that everything else that can happen at once has. */
async function settled(promise) {
  let done = false;
  promise.then(() => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

/** A promise and what settles it. */
function later() {
  let settle;
  const promise = new Promise((resolve) => (settle = resolve));
  return { promise, settle };
}

test('the engine waits for the first media of picture and of sound, and not for what follows them', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const line = new Line('https://a.example/');
  const [list, picture, sound, more] = [later(), later(), later(), later()];
  line.carries(list.promise);
  list.settle(false);
  await settled(list.promise);
  t.mock.timers.tick(150);
  line.carries(picture.promise);
  line.carries(sound.promise);
  t.mock.timers.tick(60_000);
  assert.equal(await settled(line.free), false, 'both are on their way');
  sound.settle(true);
  assert.equal(await settled(line.free), false, 'the picture is on its way');
  line.carries(more.promise);
  picture.settle(true);
  assert.equal(await settled(line.free), true);
});

test('the engine does not wait where nobody plays', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const line = new Line('https://a.example/');
  assert.equal(await settled(line.free), false);
  t.mock.timers.tick(1000);
  assert.equal(await settled(line.free), true);
});

test('media wait for the engine where others have the title and the server is slow, and later while there is something to play', async (t) => {
  const took = (millis) =>
    t.mock.method(performance, 'getEntriesByType', () => [
      { name: 'https://a.example/small', responseStart: 0, responseEnd: 9000, transferSize: 1000 },
      { name: 'https://another.example/hls.js', responseStart: 0, responseEnd: 9000, transferSize: 900_000 },
      { name: 'https://a.example/hls.js', responseStart: 10, responseEnd: 10 + millis, transferSize: 200_000 },
    ]);
  const line = new Line('https://a.example/');
  took(500);
  assert.equal(await line.patience(1_000_000, 4), 0, 'nobody has it');
  await line.learns(Promise.resolve(true));
  took(100);
  assert.equal(await line.patience(1_000_000, 4), 0, 'the server takes half a second');
  assert.equal(await settled(line.free), false);
  took(500);
  assert.ok((await line.patience(1_000_000, 4)) > 0);
  assert.equal(await settled(line.free), true, 'the engine comes first');

  const other = new Line('https://a.example/');
  other.carries(Promise.resolve(true));
  await settled(other.free);
  assert.equal(await other.patience(1_000_000, 4), 0, 'only the server has it');
  other.learns(Promise.resolve(true));
  const patience = await other.patience(1_000_000, 4);
  assert.ok(patience > 500 && patience < 2000, String(patience));
});

/** A server with a file: what was asked of it. */
function serving(t, file) {
  const asked = [];
  t.mock.method(globalThis, 'fetch', async (_, { headers, signal }) => {
    asked.push(headers.Range);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/u.exec(headers.Range);
    const body = new ReadableStream({
      start(controller) {
        signal.addEventListener('abort', () => controller.error(signal.reason));
        if (Number(from) === 0 && Number(to) > 50_000) return;
        controller.enqueue(file.slice(Number(from), Number(to) + 1));
        controller.close();
      },
    });
    return new Response(body, { status: 206 });
  });
  return asked;
}

test('media that begin in the block of the init section are asked for from the next block on', async (t) => {
  const file = Uint8Array.from({ length: 80_000 }, (_, n) => n % 251);
  const asked = serving(t, file);
  const init = Early.ask('/film', 0, 1000, null);
  const media = Early.ask('/film', 1000, 40_000, init);
  assert.equal(await init.done, 1000);
  assert.equal(await media.done, 39_000);
  await media.whole;
  assert.deepEqual(media.asked(), file.slice(1000, 40_000));
  assert.deepEqual(media.bytes(), file.slice(0, 49_152), 'whole blocks, to be checked');
  assert.deepEqual(asked, ['bytes=0-16383', 'bytes=16384-49151']);
});

test('media do without what was asked for before and then not wanted', async (t) => {
  const file = Uint8Array.from({ length: 80_000 }, (_, n) => n % 251);
  const asked = serving(t, file);
  const before = Early.ask('/film', 0, 60_000, null);
  const media = Early.ask('/film', 60_000, 70_000, before);
  before.stop();
  assert.equal(await media.done, 10_000);
  assert.deepEqual(media.asked(), file.slice(60_000, 70_000));
  assert.deepEqual(asked, ['bytes=0-65535', 'bytes=65536-81919', 'bytes=49152-65535']);
});

const DELIVERY = {
  to_pages: { from_pages: { lan: 30, isp: 0, other: 10 }, from_programs: { lan: 0, isp: 5, other: 0 }, from_origin: 50, from_cache: 999 },
  to_programs: { from_pages: { lan: 0, isp: 0, other: 5 }, from_programs: {}, from_origin: 'none' },
};

test('who delivers to whom is drawn to one scale, and nothing twice', () => {
  const { givers, takers, ribbons } = drawn(readFlows(DELIVERY));
  assert.deepEqual(givers.map((bar) => bar.name), ['pages', 'programs', 'origin']);
  assert.deepEqual(takers.map((bar) => bar.name), ['pages', 'programs']);
  const heights = (bars) => bars.reduce((sum, bar) => sum + bar.height, 0);
  for (const bars of [givers, takers, ribbons]) assert.ok(Math.abs(heights(bars) - heights(givers)) < 1e-9);
  assert.equal(ribbons.length, 5);
  for (const side of [givers, takers]) {
    for (const [i, { top, height }] of side.entries()) assert.ok(top >= -1e-9 && top + height < (side[i + 1]?.top ?? 100 + 1e-9));
  }
  // Ribbons lie beside each other at both ends.
  for (const end of ['left', 'right']) {
    const by = ribbons.toSorted((a, b) => a[end] - b[end]);
    for (const [i, ribbon] of by.entries()) assert.ok(i === 0 || by[i - 1][end] + by[i - 1].height < ribbon[end] + 1e-9);
  }
  const [first] = ribbons;
  assert.ok(Math.abs(first.height / givers[0].height - 30 / 45) < 1e-9);
});

test('no delivery is no drawing, and a table of zeros', () => {
  assert.deepEqual(drawn(readFlows({})), { givers: [], takers: [], ribbons: [] });
  const lines = flowsToCsv(readFlows(DELIVERY)).split('\r\n');
  assert.equal(lines.length, 1 + 14 + 1);
  assert.equal(lines[0], 'from,near,to,bytes');
  assert.ok(lines.includes('pages,lan,pages,30') && lines.includes('origin,origin,programs,0'));
});
