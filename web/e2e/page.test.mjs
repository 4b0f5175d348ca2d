// The pages as listeners and providers use them, in Chromium. Clicks are real ones: the page itself calls play.

import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { barriers, browser, filmMoves, folder, PATIENCE, playsPast, publish, root, start, tab, until } from './world.mjs';

const HOSTILE = '<img src=x onerror=document.title=1>';

/** Half a second of silence. */
function wav() {
  const samples = 4000;
  const bytes = Buffer.alloc(44 + samples * 2);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(36 + samples * 2, 4);
  bytes.write('WAVEfmt ', 8);
  [16, 1 | (1 << 16), 8000, 16_000, 2 | (16 << 16)].forEach((n, i) => bytes.writeUInt32LE(n, 16 + i * 4));
  bytes.write('data', 36);
  bytes.writeUInt32LE(samples * 2, 40);
  return bytes;
}

/** Gives the film in a folder words to read. */
async function subtitled(film) {
  const master = join(film, 'master.m3u8');
  const words = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="words",NAME="English",LANGUAGE="en",URI="words.m3u8"';
  const text = (await readFile(master, 'utf8')).replaceAll('#EXT-X-STREAM-INF:', '#EXT-X-STREAM-INF:SUBTITLES="words",');
  await writeFile(master, text.replace('#EXTM3U', `#EXTM3U\n${words}`));
  const list = ['#EXTM3U', '#EXT-X-TARGETDURATION:44', '#EXT-X-PLAYLIST-TYPE:VOD', '#EXTINF:44,', 'words.vtt', '#EXT-X-ENDLIST', ''];
  await writeFile(join(film, 'words.m3u8'), list.join('\n'));
  await writeFile(join(film, 'words.vtt'), 'WEBVTT\n\n00:00.000 --> 00:44.000\nwhat is said\n');
}

let place;
let chrome;
let serve;
let node;

before(async () => {
  place = await folder();
  const media = join(place.path, 'media');
  await mkdir(media);
  await cp(join(root, 'samples/music'), join(media, 'music'), { recursive: true });
  await cp(join(root, 'samples/film'), join(media, 'film'), { recursive: true });
  await subtitled(join(media, 'film'));
  await writeFile(join(media, `${HOSTILE}.wav`), wav());
  const site = join(place.path, 'site');
  await publish(place.path, site, media);
  serve = await start(place.path, 'serve', site, '--listen', '127.0.0.1:0', '--relay', 'off');
  node = await start(place.path, 'node', serve.ready.link, '--gateway', '127.0.0.1:0', '--listen', '127.0.0.1:0', '--state', join(place.path, 'state'));
  chrome = await browser();
});

after(async () => {
  await chrome?.close();
  await node?.stop();
  await serve?.stop();
  await place?.remove();
});

async function playAlbum(page) {
  await page.locator('.card-link[href*="album"]').first().click();
  await page.locator('.hero .main-button').click();
}

for (const [what, url] of [
  ['a gateway', () => node.ready.gateway],
  ['a site', () => serve.ready.url],
]) {
  test(`${what}'s page plays music, and the next title`, async () => {
    const { page, wrong, close } = await tab(chrome, url());
    await playAlbum(page);
    await playsPast(page, 1);
    const first = await page.locator('.bar-name').textContent();
    await page.locator('.bar').getByRole('button', { name: 'Next' }).first().click();
    await page.waitForFunction((was) => document.querySelector('.bar-name')?.textContent !== was, first);
    await playsPast(page, 0.5);
    await page.keyboard.press('k');
    await page.locator('.bar-middle .play-button[aria-label="Play"]').waitFor();
    assert.deepEqual(wrong, []);
    await close();
  });

  test(`${what}'s page shows what is said in a film to who wants to read it`, async () => {
    const { page, wrong, close } = await tab(chrome, url());
    const shown = (text) =>
      page.waitForFunction(
        (wanted) => {
          const tracks = [...(document.querySelector('video')?.textTracks ?? [])].filter(({ mode }) => mode === 'showing');
          return (tracks[0]?.activeCues?.[0]?.text ?? '') === wanted;
        },
        text,
        { timeout: PATIENCE },
      );
    await page.locator('.card-film .card-link').first().click();
    await filmMoves(page);
    await shown('');
    for (const [choice, text] of [['English', 'what is said'], ['Off', ''], ['English', 'what is said']]) {
      await page.mouse.move(100, 100);
      await page.getByRole('button', { name: 'Subtitles' }).click();
      await page.getByRole('menuitemradio', { name: choice }).click();
      await shown(text);
    }
    assert.deepEqual(wrong, []);
    await close();
  });

  test(`${what}'s page plays a film with a picture`, async () => {
    const { page, wrong, close } = await tab(chrome, url());
    await page.locator('.card-film .card-link').first().click();
    await filmMoves(page);
    await page.mouse.move(100, 100);
    await page.getByRole('button', { name: 'Quality' }).click();
    await page.getByRole('menuitemradio').first().waitFor();
    assert.deepEqual(await page.getByRole('menuitemradio').allTextContents(), [await autoName(page), '360p', '240p']);
    await page.getByRole('menuitemradio', { name: '240p' }).click();
    await page.waitForFunction(() => document.querySelector('video')?.videoHeight === 240);
    assert.deepEqual(wrong, []);
    await close();
  });
}

test('a film that plays twice as fast is asked of the gateway as one that does', async () => {
  const { page, wrong, close } = await tab(chrome, node.ready.gateway);
  await page.evaluate(() => {
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function () {
      this.defaultPlaybackRate = this.playbackRate = 2;
      return play.call(this);
    };
  });
  const told = page.waitForRequest((request) => request.url().endsWith('.m4s') && request.headers()['nearcast-playback-rate'] === '2');
  await page.locator('.card-film .card-link').first().click();
  await told;
  await filmMoves(page);
  assert.deepEqual(wrong, []);
  await close();
});

test('a film whose quality the player chooses comes from the gateway with what its line brings', async () => {
  const { page, wrong, close } = await tab(chrome, node.ready.gateway);
  const told = page.waitForResponse((response) => response.url().endsWith('.m4s') && Number(response.headers()['nearcast-line']) > 0);
  await page.locator('.card-film .card-link').first().click();
  await told;
  await filmMoves(page);
  assert.deepEqual(wrong, []);
  await close();
});

const autoName = (page) => page.getByRole('menuitemradio').first().textContent();

test('the queue stays, silent until play is pressed', async () => {
  const { page, wrong, close } = await tab(chrome, node.ready.gateway);
  await playAlbum(page);
  await playsPast(page, 0.2);
  await page.locator('.bar').getByRole('button', { name: 'Next' }).first().click();
  await playsPast(page, 0.2);
  const name = await page.locator('.bar-name').textContent();
  await page.goto(`${node.ready.gateway}#/songs`);
  await page.reload();
  await page.locator('.bar-name', { hasText: name }).waitFor();
  await page.locator('.bar-middle .play-button[aria-label="Play"]').click();
  await playsPast(page, 0.2);
  assert.equal(await page.locator('.bar-name').textContent(), name);
  assert.deepEqual(wrong, []);
  await close();
});

test('favourites and playlists stay', async () => {
  const { page, wrong, close } = await tab(chrome, node.ready.gateway);
  await page.locator('.card-link[href*="album"]').first().click();
  // The page that is left has songs, too.
  await page.locator('.hero .main-button').waitFor();
  const row = page.locator('.track').first();
  const name = await row.locator('.track-name').textContent();
  await row.hover();
  await row.getByRole('button', { name: 'Add to favourites' }).click();
  await row.getByRole('button', { name: /^More for/u }).click();
  await page.getByRole('menuitem', { name: 'New playlist…' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('For the road');
  await page.keyboard.press('Enter');
  await page.locator('.hero h1', { hasText: 'For the road' }).waitFor();
  await page.reload();
  await page.locator('.track-name', { hasText: name }).waitFor();
  await page.getByRole('link', { name: 'Favourites' }).first().click();
  await page.locator('.track-name', { hasText: name }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test('search finds as it is typed, and hostile names stay text', async () => {
  const { page, wrong, close } = await tab(chrome, node.ready.gateway);
  await page.locator('.card').first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('onerror');
  await page.locator('.track-name', { hasText: 'onerror' }).waitFor();
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  assert.notEqual(await page.title(), '1');
  assert.deepEqual(wrong, []);
  await close();
});

test('on a phone the sheet is the player', async () => {
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
  const { page, wrong, close } = await tab(chrome, node.ready.gateway, phone);
  await playAlbum(page);
  await page.locator('.bar-art').click();
  await page.locator('.sheet .transport').waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(wide, 390, 'nothing is wider than the screen');
  assert.deepEqual(wrong, []);
  await close();
});

test('the dashboard needs its token, and shows what was counted', async () => {
  const { page, wrong, close } = await tab(chrome, serve.ready.dashboard);
  await page.locator('.tile dd').first().waitFor();
  assert.equal(new URL(page.url()).hash, '', 'the token stands in the address no longer');
  await page.waitForFunction(() => document.querySelector('.tile dd')?.textContent === '1');
  assert.ok((await page.locator('tbody tr').count()) > 0, 'the titles that were played above');
  await page.locator('.compared tbody tr', { hasText: 'Start-up, 99 %' }).waitFor();
  await page.locator('.tile', { hasText: 'Not from the origin' }).locator('dd', { hasText: /^\d+\.\d %$/u }).waitFor();
  await page.locator('.box', { hasText: 'No verdict' }).waitFor();
  const engine = await page.evaluate(() => performance.getEntriesByType('resource').some(({ name }) => /engine-|\.wasm$/u.test(name)));
  assert.ok(!engine, 'who looks at it is no listener');
  await close();
  assert.deepEqual(wrong, []);
  const locked = await tab(chrome, serve.ready.dashboard.split('#')[0]);
  await locked.page.getByRole('heading', { name: 'The dashboard is locked' }).waitFor();
  await locked.close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`nobody is kept out, ${colorScheme}`, async () => {
    const { page, close } = await tab(chrome, node.ready.gateway, { colorScheme, reducedMotion: 'reduce' });
    await page.locator('.card').first().waitFor();
    // The heading is the provider's name, which comes by itself.
    await page.locator('h1', { hasText: /\S/ }).first().waitFor();
    const found = { home: await barriers(page) };
    await playAlbum(page);
    await playsPast(page, 0.2);
    found.album = await barriers(page);
    await page.getByRole('button', { name: 'Queue' }).click();
    await page.locator('.sheet').waitFor();
    found.sheet = await barriers(page);
    await page.goto(`${node.ready.gateway}#/films`);
    await page.locator('.card-film .card-link').first().click();
    await filmMoves(page);
    found.film = await barriers(page);
    await page.goto(serve.ready.dashboard);
    await page.locator('.tile dd').first().waitFor();
    await page.locator('h1', { hasText: /\S/ }).first().waitFor();
    found.dashboard = await barriers(page);
    assert.deepEqual(found, { home: [], album: [], sheet: [], film: [], dashboard: [] });
    await close();
  });
}

// Last: the provider goes away.
test('what was played plays again without the provider', async () => {
  const { page, wrong, close } = await tab(chrome, node.ready.gateway);
  await playAlbum(page);
  await playsPast(page, 1);
  await until('the node has all of the first track', () =>
    page.evaluate(async () => (await (await fetch('titles')).json()).some((t) => t.cached_permille === 1000 && t.track === 1)),
  );
  await serve.stop();
  await page.reload();
  await page.locator('.hero .main-button').click();
  await playsPast(page, 2);
  assert.deepEqual(wrong, []);
  await close();
});
