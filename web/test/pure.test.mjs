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
const { beginningOf } = await load('/src/tab/beginning.ts');
const { loaderOf } = await load('/src/tab/loader.ts');
const { Guest } = await load('/src/tab/desk.ts');
const { Channels } = await load('/src/tab/channels.ts');
const { Part } = await load('/src/tab/part.ts');
const { bounded } = await load('/src/tab/documents.ts');
const { Asker } = await load('/src/tab/asker.ts');
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
  assert.equal(await settled(line.free), false, 'the page shows it meanwhile');
  t.mock.timers.tick(150);
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

  const first = new Line('https://a.example/');
  assert.equal(first.isServers(1_000_000), false, 'it is slow, and others may have it');
  first.learns(Promise.resolve(false));
  await tick();
  assert.equal(first.isServers(1_000_000), true, 'nobody has it');
  first.learns(Promise.resolve(true));
  await tick();
  assert.equal(first.isServers(1_000_000), false);
  took(100);
  assert.equal(first.isServers(1_000_000), true, 'the server is quick');

  const other = new Line('https://a.example/');
  other.carries(Promise.resolve(true));
  await settled(other.free);
  assert.equal(await other.patience(1_000_000, 4), 0, 'only the server has it');
  assert.equal(other.isServers(1_000_000), false, 'what follows has time');
  other.learns(Promise.resolve(true));
  const patience = await other.patience(1_000_000, 4);
  assert.ok(patience > 500 && patience < 2000, String(patience));
});

/** A worker whose engine loads at once, and what it was asked to start with. */
function engines(t) {
  const setups = [];
  class Engine {
    constructor() {
      this.says({ hello: { channels: false } });
    }

    says(data) {
      queueMicrotask(() => this.onmessage({ data }));
    }

    postMessage({ load, ask, setup, call }) {
      if (load !== undefined) this.says({ loaded: null });
      if (ask === 'start') setups.push(structuredClone(setup));
      if (call !== undefined) this.says({ call, done: true });
    }

    terminate() {}
  }
  t.after(() => delete globalThis.Worker);
  globalThis.Worker = Engine;
  // Older versions of Node have none.
  globalThis.navigator ??= {};
  return setups;
}

test('the catalogue is read when the engine is, and the newest is what it starts with', async (t) => {
  const setups = engines(t);
  const part = new Part('https://a.example/', true);
  const shown = later();
  part.line.carries(shown.promise);
  let reads = 0;
  const first = Uint8Array.of(1);
  const started = part.catalogue(async () => ((reads += 1), first));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual([reads, setups.length], [0, 0], 'a player waits for something');
  part.catalogue(async () => Uint8Array.of(2));
  shown.settle(true);
  await started;
  assert.deepEqual([reads, setups.map(({ catalogue }) => [...catalogue])], [1, [[2]]]);
});

test('an engine starts with what came of the documents of what is opened, and waits for none', async (t) => {
  const setups = engines(t);
  const titles = 'https://a.example/nearcast/titles/';
  const answers = {
    'a%20b': () => new Response(Uint8Array.of(7)),
    long: () => new Response(new Uint8Array(12_000)),
    late: () => new Promise(() => {}),
    gone: () => Promise.reject(new TypeError('no such server')),
    old: () => new Response('', { status: 404 }),
  };
  t.mock.method(globalThis, 'fetch', async (address) => {
    const url = String(address);
    if (url.startsWith(titles)) return answers[url.slice(titles.length, -'.jws'.length)]();
    // The engine comes after what is there at once.
    await new Promise((resolve) => setImmediate(resolve));
    return new Response('', { status: 404 });
  });
  const part = new Part('https://a.example/', true);
  const started = part.catalogue(async () => Uint8Array.of(1));
  for (const title of ['a b', 'late', 'gone', 'old', 'long']) part.open(title);
  await started;
  assert.deepEqual([...setups[0].documents], [[`${titles}a%20b.jws`, Uint8Array.of(7)]]);
});

test('a document is read to its end, and one that is longer than any may be is broken off', async () => {
  let sent = 0;
  let left = false;
  const without = (end) =>
    new ReadableStream(
      {
        pull: (to) => (sent < end ? to.enqueue(new Uint8Array(1000).fill((sent += 1))) : to.close()),
        cancel: () => {
          left = true;
        },
      },
      { highWaterMark: 0 },
    );
  const bytes = await bounded(new Response(without(3)), 3000);
  assert.deepEqual([bytes.length, bytes[0], bytes[2999], left], [3000, 1, 3, false]);
  assert.equal((await bounded(new Response(null), 10)).length, 0);
  sent = 0;
  await assert.rejects(bounded(new Response(without(Number.MAX_SAFE_INTEGER)), 4500), /more than 4500 bytes/);
  assert.deepEqual([sent, left], [5, true]);
});

test('the engine is on its way as soon as a playlist tells how long a start takes', async (t) => {
  t.mock.method(performance, 'getEntriesByType', () => [
    { name: 'https://a.example/hls.js', responseStart: 0, responseEnd: 500, transferSize: 200_000 },
  ]);
  const line = new Line('https://a.example/');
  line.learns(Promise.resolve(true));
  assert.equal(await line.foresees(100_000), false, 'the server brings it in a quarter of a second');
  assert.equal(await settled(line.free), false);
  assert.equal(await line.foresees(1_000_000), true);
  assert.equal(await settled(line.free), true);
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
  const came = [];
  media.came = (bytes) => came.push(bytes);
  assert.equal(await init.done, 1000);
  assert.equal(await media.done, 39_000);
  await media.whole;
  assert.deepEqual(came, [15_384, 39_000], 'no more than was asked for');
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

/** A server whose answers come piece by piece, as a test lets them. */
function trickling(t, file) {
  const answers = [];
  t.mock.method(globalThis, 'fetch', async (_, { headers, signal }) => {
    signal.throwIfAborted();
    const [, from, to] = /^bytes=(\d+)-(\d+)$/u.exec(headers.Range);
    let [at, pipe] = [Number(from), null];
    const body = new ReadableStream({ start: (controller) => (pipe = controller) });
    const end = Math.min(Number(to) + 1, file.length);
    const answer = { range: headers.Range, stopped: false };
    answer.sends = (bytes) => {
      pipe.enqueue(file.slice(at, Math.min(end, at + bytes)));
      at = Math.min(end, at + bytes);
      if (at === end) pipe.close();
    };
    signal.addEventListener('abort', () => ((answer.stopped = true), pipe.error(signal.reason)));
    answers.push(answer);
    return new Response(body, { status: 206 });
  });
  return answers;
}

/** A film, and its init section asked for with the segment behind it, of which so many bytes have come. */
async function asksForBoth(t, bytes) {
  const file = Uint8Array.from({ length: 80_000 }, (_, n) => n % 251);
  const answers = trickling(t, file);
  const init = Early.ask('/film', 0, 1000, null, 40_000);
  await tick();
  answers[0].sends(bytes);
  await init.done;
  return { file, answers, init };
}

test('a segment that comes with its init section is handed over as it comes, and neither twice', async (t) => {
  const { file, answers, init } = await asksForBoth(t, 10_000);
  assert.deepEqual(answers.map(({ range }) => range), ['bytes=0-49151']);
  assert.equal(await init.done, 1000);
  assert.deepEqual(init.asked(), file.slice(0, 1000));
  const media = Early.ask('/film', 1000, 40_000, init);
  await tick();
  assert.deepEqual(media.bytes(), file.slice(0, 10_000), 'what is here, before the rest is');
  answers[0].sends(10_000);
  await init.whole;
  assert.deepEqual(init.bytes(), file.slice(0, 16_384), 'its own blocks');
  answers[0].sends(29_152);
  assert.equal(await media.done, 39_000);
  await media.whole;
  assert.deepEqual(media.asked(), file.slice(1000, 40_000));
  assert.deepEqual(media.bytes(), file.slice(0, 49_152));
  assert.equal(answers.length, 1);
});

test('a segment that came with its init section and is not the one that is asked for is broken off', async (t) => {
  const { file, answers, init } = await asksForBoth(t, 10_000);
  const other = Early.ask('/film', 60_000, 70_000, init);
  await tick();
  assert.equal(answers[0].stopped, false, 'the rest of the block of the init section is to be checked');
  answers[0].sends(10_000);
  await init.whole;
  await tick();
  assert.equal(answers[0].stopped, true);
  answers[1].sends(80_000);
  assert.equal(await other.done, 10_000);
  assert.deepEqual(init.bytes(), file.slice(0, 16_384));
  assert.deepEqual(answers.map(({ range }) => range), ['bytes=0-49151', 'bytes=49152-81919']);
});

test('a player that gives a segment up that came with its init section ends both', async (t) => {
  const { answers, init } = await asksForBoth(t, 20_000);
  await init.whole;
  const media = Early.ask('/film', 1000, 40_000, init);
  await tick();
  media.stop();
  await assert.rejects(media.done);
  assert.equal(answers[0].stopped, true);
});

test('a read of which no more comes is given up, and the server is asked', async (t) => {
  t.after(() => delete globalThis.document);
  globalThis.document = { baseURI: 'https://a.example/' };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const plain = [];
  class Plain {
    load({ url }) {
      plain.push(url);
    }
  }
  let comes;
  const part = {
    fileAt: () => ({ size: 300 }),
    lineOf: () => undefined,
    async *read(_play, _url, _start, _end, _whole, signal) {
      for (;;) {
        await new Promise((resolve, reject) => {
          comes = resolve;
          signal.addEventListener('abort', () => reject(signal.reason));
        });
        yield new Uint8Array(100);
      }
    },
  };
  const Loader = loaderOf({ DefaultConfig: { loader: Plain } }, part, () => ({ play: 1, rate: 1 }));
  const passes = (millis) => (t.mock.timers.tick(millis), tick());
  const gaveUp = async (duration) => {
    const url = `https://a.example/media/film/${duration}.m4s`;
    const context = { url, responseType: 'arraybuffer', rangeStart: 0, rangeEnd: 300, frag: { duration } };
    new Loader({}).load(context, { loadPolicy: { maxTimeToFirstByteMs: 8000 } }, {});
    await passes(7900);
    comes();
    await tick();
    await passes(9900);
    assert.ok(!plain.includes(url), 'it has begun');
    await passes(200);
    const soon = plain.includes(url);
    await passes(20_000);
    assert.ok(plain.includes(url));
    return soon;
  };
  assert.ok(await gaveUp(4));
  assert.ok(!(await gaveUp(30)), 'it may come at the pace at which it plays');
});

test('a read is told as one of a segment, and of a player that plays as fast as it does then', async (t) => {
  t.after(() => delete globalThis.document);
  globalThis.document = { baseURI: 'https://a.example/' };
  const told = [];
  const part = {
    fileAt: () => ({ size: 300 }),
    lineOf: () => undefined,
    async *read(play, _url, start, end, how) {
      told.push({ play, start, end, ...how });
      yield new Uint8Array(end - start);
    },
  };
  const player = { play: 7, rate: 1 };
  const Loader = loaderOf({ DefaultConfig: {} }, part, () => player);
  const loads = (rangeStart) =>
    new Promise((resolve, reject) => {
      const context = { url: 'https://a.example/media/film/film.m4s', responseType: 'arraybuffer', rangeStart, rangeEnd: rangeStart + 100 };
      new Loader({}).load(context, { loadPolicy: { maxTimeToFirstByteMs: 8000 } }, { onSuccess: resolve, onError: reject });
    });
  await loads(0);
  player.rate = 2;
  await loads(100);
  assert.deepEqual(told, [
    { play: 7, start: 0, end: 100, whole: true, rate: 1 },
    { play: 7, start: 100, end: 200, whole: true, rate: 2 },
  ]);
});

const SEGMENT = { url: 'https://a.example/media/film/film.m4s', responseType: 'arraybuffer', rangeStart: 0, rangeEnd: 300 };

/** A loader that reads from a part. */
function loads(t, read, line) {
  t.after(() => delete globalThis.document);
  globalThis.document = { baseURI: 'https://a.example/' };
  const part = { fileAt: () => ({ size: 300 }), lineOf: () => line, read };
  const Loader = loaderOf({ DefaultConfig: {} }, part, () => ({ play: 7, rate: 1 }));
  const loader = new Loader({});
  const load = () => new Promise((onSuccess, onError) => loader.load(SEGMENT, { loadPolicy: { maxTimeToFirstByteMs: 8000 } }, { onSuccess, onError }));
  return { loader, load };
}

async function* threeHundred() {
  for (let n = 0; n < 3; n++) yield new Uint8Array(100);
}

test('what was loaded counts for hls.js, which ends every loader, and what was broken off does not', async (t) => {
  const whole = loads(t, threeHundred);
  await whole.load();
  whole.loader.destroy();
  const { aborted, loaded, total } = whole.loader.stats;
  assert.deepEqual({ aborted, loaded, total }, { aborted: false, loaded: 300, total: 300 });
  const broken = loads(t, async function* () {
    await new Promise(() => {});
  });
  void broken.load();
  broken.loader.destroy();
  assert.ok(broken.loader.stats.aborted);
});

test('a player takes its line for what the engine says, and for what it measures where that says nothing', async (t) => {
  const told = loads(t, threeHundred, 1000);
  await told.load();
  const { start, first, end } = told.loader.stats.loading;
  assert.ok(Math.abs(end - start - 300) < 1e-6, '300 bytes of 1000 a second');
  assert.equal(first, start);
  const measures = loads(t, threeHundred);
  await measures.load();
  const { loading } = measures.loader.stats;
  assert.ok(loading.start <= loading.first && loading.first <= loading.end && loading.end - loading.start < 300);
});

test('what a node says of the line counts for what its gateway sent', async (t) => {
  t.after(() => delete globalThis.document);
  globalThis.document = { baseURI: 'https://a.example/' };
  const took = async (line) => {
    class Plain {
      load(context, _, { onSuccess }) {
        this.stats.loading.end = 5000;
        this.stats.loaded = 300;
        onSuccess({}, this.stats, context, null);
      }
      getResponseHeader(name) {
        return name === 'Nearcast-Line' ? line : null;
      }
    }
    const part = { fileAt: () => undefined, expects: () => false, unverified: 0 };
    const Loader = loaderOf({ DefaultConfig: { loader: Plain } }, part, () => ({ play: 1, rate: 1 }));
    const stats = await new Promise((resolve) => new Loader({}).load(SEGMENT, {}, { onSuccess: (_, stats) => resolve(stats) }));
    return stats.loading.end - stats.loading.start;
  };
  assert.equal(await took('1000'), 300);
  for (const nothing of [null, '', '0', '-5', 'fast']) assert.equal(await took(nothing), 5000, `${nothing}`);
});

test('how much of a segment is here is told as it comes, unless what its line brings is known', async (t) => {
  for (const [line, expected] of [[undefined, [0, 100, 200]], [1000, [0, 0, 0]]]) {
    const seen = [];
    const { loader, load } = loads(
      t,
      async function* () {
        for (let n = 0; n < 3; n++) {
          seen.push(loader.stats.loaded);
          yield new Uint8Array(100);
        }
      },
      line,
    );
    await load();
    assert.deepEqual([...seen, loader.stats.loaded], [...expected, 300]);
  }
});

const PLAYLIST = `#EXTM3U
#EXT-X-MAP:URI="film.m4s",BYTERANGE="1302@0"
#EXTINF:4.000000,
#EXT-X-BYTERANGE:50640@1302
film.m4s
#EXTINF:4.000000,
#EXT-X-BYTERANGE:43362@51942
film.m4s
#EXT-X-ENDLIST
`;

test('a playlist tells what is asked for behind the init section, where that is known', () => {
  const at = 'https://a.example/media/film/film.m3u8';
  const begins = { url: 'https://a.example/media/film/film.m4s', init: { start: 0, end: 1302 }, media: { start: 1302, end: 51_942 } };
  assert.deepEqual(beginningOf(PLAYLIST, at), begins);
  assert.deepEqual(beginningOf(PLAYLIST.replaceAll('\n', '\r\n'), at), begins);
  const others = [
    ['', 'no playlist'],
    [PLAYLIST.replace('#EXT-X-ENDLIST', ''), 'it may be live'],
    [PLAYLIST.replace('#EXTINF', '#EXT-X-START:TIME-OFFSET=8\n#EXTINF'), 'it begins elsewhere'],
    [PLAYLIST.replace('\nfilm.m4s', '\nother.m4s'), 'in two files'],
    [PLAYLIST.replace('50640@1302', '50640@2000'), 'with a gap'],
    [PLAYLIST.replace('50640@1302', '50640'), 'of no known place'],
    [PLAYLIST.replace(',BYTERANGE="1302@0"', ''), 'the whole file'],
  ];
  for (const [playlist, why] of others) assert.equal(beginningOf(playlist, at), null, why);
});

test('who plays alone asks for a segment with its init section, and nobody else does', async (t) => {
  t.after(() => delete globalThis.document);
  globalThis.document = { baseURI: 'https://a.example/' };
  const [playlist, film] = ['film.m3u8', 'film.m4s'].map((name) => `https://a.example/media/film/${name}`);
  const askedOf = async (startPosition, others) => {
    const asked = [];
    t.mock.method(globalThis, 'fetch', async (url, { headers }) => {
      if (url === playlist) return new Response(PLAYLIST);
      asked.push(headers.Range);
      return new Response(new Uint8Array(80_000), { status: 206 });
    });
    const line = new Line('https://a.example/');
    // A server that takes a second for a segment.
    t.mock.method(performance, 'getEntriesByType', () => [{ name: 'https://a.example/hls.js', responseStart: 1, responseEnd: 2001, transferSize: 100_000 }]);
    line.learns(Promise.resolve(others));
    const part = { fileAt: () => undefined, expects: () => true, expected: () => new Promise(() => {}), line, unverified: 0 };
    const Loader = loaderOf({ DefaultConfig: {} }, part, () => ({ play: 1, rate: 1 }));
    const load = (context) =>
      new Promise((onSuccess) => new Loader({ startPosition }).load(context, { loadPolicy: { maxTimeToFirstByteMs: 8000 } }, { onSuccess }));
    await load({ url: playlist, responseType: 'text' });
    assert.equal(await settled(line.free), others, 'the engine comes as soon as the playlist says how long the segment takes');
    await load({ url: film, responseType: 'arraybuffer', rangeStart: 0, rangeEnd: 1302, frag: { sn: 'initSegment', duration: 0 } });
    return asked;
  };
  assert.deepEqual(await askedOf(-1, false), ['bytes=0-65535'], 'both');
  assert.deepEqual(await askedOf(-1, true), ['bytes=0-16383'], 'others may bring the segment');
  assert.deepEqual(await askedOf(20, false), ['bytes=0-16383'], 'it begins elsewhere');
});

const KIB = 1024;
const tick = () => new Promise((resolve) => setImmediate(resolve));

test('a read sends what is there without being asked for each piece, and no more than a bound', async () => {
  const told = [];
  const guest = new Guest((answer, moved) => told.push([answer, moved]));
  const sent = () => told.reduce((sum, [{ bytes }]) => sum + (bytes?.length ?? 0), 0);
  async function* pieces(signal) {
    for (let n = 0; n < 40; n++) {
      signal.throwIfAborted();
      yield new Uint8Array(16 * KIB);
    }
  }
  const figures = { sent: 7 };
  const engine = { figures: () => figures, line: (play) => play * 1000 };
  const read = guest.read(5, 3, pieces, engine);
  await tick();
  assert.equal(sent(), 256 * KIB);
  guest.took(4, 64 * KIB);
  await tick();
  assert.equal(sent(), 256 * KIB, 'that was another read');
  guest.took(5, 64 * KIB);
  await tick();
  assert.equal(sent(), 320 * KIB);
  guest.took(5, 640 * KIB);
  await read;
  assert.equal(sent(), 640 * KIB);
  assert.ok(told.slice(0, -1).every(([{ call, bytes }, [moved]]) => call === 5 && moved === bytes.buffer), 'bytes are moved');
  assert.deepEqual(told.at(-1)[0], { call: 5, ended: figures, line: 3000 });

  const stopped = guest.read(6, 3, pieces, engine);
  await tick();
  guest.stop(6);
  await assert.rejects(stopped, /not wanted/u);
});

/** Channels whose page is this test: what was wanted of it, and what the engine was told. */
function channels() {
  const [acts, told] = [[], []];
  const tells = (what) => (...rest) => told.push([what, ...rest]);
  const heard = Object.fromEntries(['described', 'candidate', 'opened', 'closed', 'packet', 'waiting'].map((what) => [what, tells(what)]));
  return { acts, told, all: new Channels((act) => acts.push(act), heard) };
}

test('packets for a channel in the page go together, and count as waiting until it says that they do not', () => {
  const { acts, told, all } = channels();
  all.open(1, 'stun:a', null);
  all.send(1, new Uint8Array(100));
  all.send(1, new Uint8Array(50));
  assert.deepEqual(acts, [{ link: 1, act: 'open', stun: 'stun:a', offer: null }]);
  all.flush();
  assert.deepEqual(acts.pop().packets.map(({ length }) => length), [100, 50]);
  all.flush();
  assert.equal(acts.length, 1);
  all.send(1, new Uint8Array(1000));
  all.hear({ link: 1, news: 'waiting', bytes: 30, handed: 150 });
  all.hear({ link: 1, news: 'waiting', bytes: 5, handed: 0 });
  assert.deepEqual(told.map(([, , waits]) => waits), [100, 150, 1150, 1030, 1005]);
  all.hear({ link: 1, news: 'packets', packets: ['a', 'b'] });
  assert.deepEqual(told.slice(-2), [['packet', 1, 'a'], ['packet', 1, 'b']]);
});

test('what is told of a link that was closed comes too late, and what was said before it was closed does not', () => {
  const { acts, told, all } = channels();
  all.open(1, undefined, 'an offer');
  all.send(1, new Uint8Array(10));
  all.close(1);
  assert.deepEqual(acts.map(({ act }) => act), ['open', 'send', 'close']);
  told.length = 0;
  let closed = 0;
  all.hear({ link: 1, news: 'opened' });
  all.hear({ link: 1, news: 'channel', channel: { close: () => (closed += 1) } });
  all.close(1);
  assert.deepEqual([told, closed, acts.length], [[], 1, 3]);
});

/** One who asks this test. */
class Asks extends Asker {
  asked = [];
  gone = 0;
  post(question, call) {
    this.asked.push({ ...question, call });
  }
  async there() {
    return (await this.hello(3)) !== null;
  }
  silent() {
    this.gone += 1;
  }
}

test('a read goes on where it was with whoever comes next, and what was answered already is not lost', async () => {
  const asks = new Asks();
  const controller = new AbortController();
  const got = [];
  const reading = (async () => {
    for await (const bytes of asks.read(3, '/film', 100, 900, true, controller.signal)) got.push(bytes.length);
  })();
  const [{ call }] = asks.asked;
  asks.hear({ call, bytes: new Uint8Array(40) });
  asks.hear({ call, bytes: new Uint8Array(60) });
  const next = {
    open() {},
    async *read(...asked) {
      assert.deepEqual(asked.slice(0, 5), [3, '/film', 200, 900, true]);
      yield new Uint8Array(700);
    },
  };
  asks.passOn(next);
  await reading;
  assert.deepEqual(got, [40, 60, 700]);
});

test('what nobody goes on with fails, and so does what is asked later', async () => {
  const asks = new Asks();
  const { signal } = new AbortController();
  const reading = asks.read(1, '/film', 0, 9, true, signal).next();
  const opening = asks.open('film');
  asks.passOn(null);
  await assert.rejects(reading);
  await assert.rejects(opening);
  await assert.rejects(asks.open('film'));
  await assert.rejects(asks.read(1, '/film', 0, 9, true, signal).next());
  assert.equal(asks.alive, false);
});

test('a read that is not wanted ends at once, and is called off', async () => {
  const asks = new Asks();
  const controller = new AbortController();
  const reading = asks.read(1, '/film', 0, 9, true, controller.signal).next();
  controller.abort(new Error('not wanted'));
  await assert.rejects(reading, /not wanted/u);
  assert.deepEqual(asks.asked.map(({ ask }) => ask), ['read', 'stop']);
});

test('one that owes an answer is greeted, and is gone when it does not greet back; a page that slept waited for nobody', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const wait = async (millis) => {
    await tick();
    t.mock.timers.tick(millis);
    await tick();
  };
  const asks = new Asks();
  const hellos = () => asks.asked.filter(({ ask }) => ask === 'hello');
  void asks.open('film').catch(() => {});
  await wait(1000);
  assert.equal(hellos().length, 1);
  await wait(3_600_000);
  assert.equal(hellos().length, 2, 'it slept for an hour');
  asks.hear({ call: hellos()[1].call, leads: true, leader: '', speaks: 2 });
  await wait(1000);
  assert.equal(hellos().length, 3);
  assert.equal(asks.gone, 0);
  for (let n = 0; n < 3; n++) await wait(200);
  assert.equal(asks.gone, 1);
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
