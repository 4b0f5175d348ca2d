// Where the engine runs, in Chromium, before a real `serve`: in a worker; in the page where there can be none; and what
// becomes of what plays when it ends.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { askedFor, beforeEngine, engineOf, fetchedWhole, filmLength, filmMoves, mediaSent, PEER, peering, stage, tab, tabIn, takesPart } from './world.mjs';

let chrome;
let end;
let serve;
let length;

before(async () => {
  ({ serve, chrome, end } = await stage(peering, 'film'));
  length = await filmLength(240);
});

after(() => end?.());

const PREFERENCES = () => localStorage.setItem('nearcast.preferences', '{"volume":1,"quality":240}');

/** The page's ends of the channels that it made, its workers, and errors that a page of somebody else would hear of. */
const NOTED = () => {
  window.mistakes = [];
  window.addEventListener('error', ({ message }) => window.mistakes.push(message));
  window.channels = [];
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...what) {
    const channel = create.apply(this, what);
    window.channels.push(channel);
    return channel;
  };
  window.workers = [];
  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(...what) {
      super(...what);
      window.workers.push(this);
    }
  };
};

async function enter(t, prepare) {
  const one = await tab(chrome, serve.ready.url, PEER, async (page) => {
    await page.addInitScript(PREFERENCES);
    await page.addInitScript(NOTED);
    await prepare?.(page);
  });
  t.after(one.close);
  await takesPart(one);
  return one;
}

async function watch(one) {
  await one.page.locator('.card-film .card-link').first().click();
  await filmMoves(one.page);
  await fetchedWhole(one);
}

/** Two tabs of two people watch: the second gets most of the film from the first. */
async function oneFromTheOther(t, prepare) {
  const one = await enter(t, prepare);
  await watch(one);
  const before = await mediaSent(serve);
  const two = await enter(t, prepare);
  await watch(two);
  const more = (await mediaSent(serve)) - before;
  assert.ok(more < length / 2, `the server sent ${more} of ${length} again`);
  return [one, two];
}

const runsEngine = askedFor('policy.jws');
/** The states of the ends of its channels that a page has: what was moved elsewhere is closed to it. */
const states = ({ page }) => page.evaluate(() => [...new Set(window.channels.map(({ readyState }) => readyState))]);

test('the engine runs in a worker, and what peers send does not touch the page', async (t) => {
  for (const one of await oneFromTheOther(t)) {
    assert.equal(one.page.workers().length, 1);
    assert.equal(await engineOf(one.page).evaluate(runsEngine), true);
    assert.equal(await one.page.evaluate(runsEngine), false);
    assert.deepEqual(await states(one), ['closed']);
    assert.deepEqual(one.wrong, []);
  }
});

test('channels that cannot be moved stay in the page, and packets reach the engine', async (t) => {
  const stay = (page) =>
    page.addInitScript(() => {
      const post = Worker.prototype.postMessage;
      Worker.prototype.postMessage = function (message, moved) {
        if (message.channel !== undefined) throw new DOMException('it cannot be moved', 'DataCloneError');
        return post.call(this, message, moved);
      };
    });
  for (const one of await oneFromTheOther(t, stay)) {
    assert.equal(await engineOf(one.page).evaluate(runsEngine), true);
    assert.deepEqual(await states(one), ['open']);
    assert.deepEqual(one.wrong, []);
  }
});

for (const [what, prepare] of [
  ['in a browser without workers', (page) => page.addInitScript(() => delete window.Worker)],
  ['where a worker fails before it says anything', (page) => beforeEngine(page, `if (!('document' in self)) throw new Error('no');`)],
]) {
  test(`${what} the engine runs in the page`, async (t) => {
    for (const one of await oneFromTheOther(t, prepare)) {
      assert.equal(engineOf(one.page), undefined);
      assert.equal(await one.page.evaluate(runsEngine), true);
      assert.deepEqual(await one.page.evaluate(() => window.mistakes), []);
      assert.deepEqual(one.wrong, []);
    }
  });
}

/** The engine traps as soon as `trap` is set. */
const TRAPS = `
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (module, ...what) => {
  const instance = await instantiate.call(WebAssembly, module, ...what);
  const exports = {};
  for (const [name, value] of Object.entries(instance.exports)) {
    exports[name] = typeof value !== 'function' || name.startsWith('__') ? value : (...given) => {
      if (self.trap) throw new WebAssembly.RuntimeError('unreachable');
      return value(...given);
    };
  }
  return { instance: { exports }, module };
};`;

/** The worker waits for an answer that never comes, and lets nothing else run. */
const hang = ({ page }) =>
  new Promise((hangs) => {
    void page.route('**/never', () => hangs());
    const waits = engineOf(page).evaluate((url) => {
      const request = new XMLHttpRequest();
      request.open('GET', url, false);
      request.send();
    }, new URL('never', serve.ready.url).href);
    waits.catch(() => {});
  });

const ENDS = [
  ['a worker that is ended', undefined, ({ page }) => page.evaluate(() => window.workers.forEach((worker) => worker.terminate()))],
  ['a worker that fails', undefined, ({ page }) => engineOf(page).evaluate(() => void setTimeout(() => { throw new Error('a mistake'); }))],
  ['a worker that hangs', undefined, hang],
  ['an engine that traps', (page) => beforeEngine(page, TRAPS), ({ page }) => engineOf(page).evaluate(() => void (self.trap = true))],
];

for (const [what, prepare, end] of ENDS) {
  test(`${what} in the middle of a film: it goes on from the server`, async (t) => {
    let release;
    const ended = new Promise((resolve) => (release = resolve));
    const one = await enter(t, async (page) => {
      await prepare?.(page);
      // What follows is not there yet.
      await page.route(/\.m4s$/u, async (route) => {
        const first = Number(/^bytes=(\d+)/u.exec(route.request().headers().range ?? '')?.[1] ?? 0);
        if (first > length / 4) await ended;
        await route.continue().catch(() => {});
      });
    });
    await one.page.locator('.card-film .card-link').first().click();
    await filmMoves(one.page);
    await end(one);
    release();
    await fetchedWhole(one);
    const at = await one.page.evaluate(() => document.querySelector('video').currentTime);
    await one.page.waitForFunction((then) => document.querySelector('video').currentTime > then + 1, at);
    await one.page.keyboard.press('Escape');
    await one.page.locator('.chip').click();
    await one.page.locator('.chip:not(.is-live)').waitFor();
    assert.equal(one.page.workers().length, 0);
    assert.deepEqual(await one.page.evaluate(() => window.mistakes), []);
    assert.deepEqual(one.wrong, []);
  });

  test(`${what} while it leads: the tab that follows takes over`, async (t) => {
    const context = await chrome.newContext(PEER);
    t.after(() => context.close());
    const visit = async () => {
      const one = await tabIn(context, serve.ready.url, async (page) => {
        await page.addInitScript(PREFERENCES);
        await page.addInitScript(NOTED);
        await prepare?.(page);
      });
      await takesPart(one);
      return one;
    };
    const one = await visit();
    await watch(one);
    const two = await visit();
    assert.equal(engineOf(two.page), undefined);
    const engine = two.page.waitForEvent('worker');
    await end(one);
    await engine;
    await watch(two);
    await two.page.keyboard.press('Escape');
    await two.page.locator('.chip').click();
    await two.page.locator('#sharing-panel', { hasText: 'Kept in this browser' }).waitFor();
    await two.page.locator('.by-source > div', { hasText: 'Unchecked' }).waitFor({ state: 'detached' });
    assert.deepEqual([...one.wrong, ...two.wrong], []);
  });
}
