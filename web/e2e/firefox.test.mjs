// The page in Firefox, and a native node: two makers of data channels that are not Chromium's.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { firefox } from './firefox.mjs';
import { askedFor, counted, filmMoved, folder, keeper, mediaSent, publish, root, start, wholeFilm } from './world.mjs';

let place;
let serve;
let holder;
let page;

before(async () => {
  place = await folder();
  const site = join(place.path, 'site');
  await publish(place.path, site, join(root, 'samples/film'));
  serve = await start(place.path, 'serve', site, '--listen', '127.0.0.1:0', '--relay', 'off');
  holder = await keeper(place.path, serve, 'node');
  page = await firefox(place.path);
});

after(async () => {
  await page?.close();
  await holder?.stop();
  await serve?.stop();
  await place?.remove();
});

test('Firefox plays a film, and gets it from a native node', async () => {
  await holder.keep('film');
  const before = await mediaSent(serve);
  await page.go(serve.ready.url);
  await page.holds('the tab takes part', `document.querySelector('.chip.is-live') !== null`);
  await page.click('.card-film .card-link');
  await page.holds('the picture moves', `(${filmMoved})()`);
  await page.holds('the film is there', `(${wholeFilm})()`);
  await page.holds('the engine runs in a worker', `!${askedFor('policy.jws')}`);

  const length = (await stat(join(root, 'samples/film/360p.m4s'))).size;
  const [more, given] = [(await mediaSent(serve)) - before, await holder.sent()];
  assert.ok(more < length / 2, `the server sent ${more} of ${length} again`);
  assert.ok(given > length / 4, `the node gave ${given}`);
});
