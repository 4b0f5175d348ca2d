// One line in somebody else's page: its audio and video elements that play from this site do so through the tab's engine.
//
//     <script type="module" src="https://media.example/nearcast.js"></script>
//     <video controls crossorigin preload="none" src="https://media.example/media/a-film/master.m3u8"></video>
//
// Streams (.m3u8) play with hls.js from this site. Whole files are the element's own to fetch: through the page's service
// worker where the page has ours (`data-worker`), otherwise straight from the server, as without this script.

import type Hls from 'hls.js';
import { playsFile, serveElements } from '../tab/elements';
import { Nearcast, type NearcastEvents, type NearcastOptions, startSite } from './nearcast';

/** This script lies in the site's folder. */
const SITE = new URL('.', import.meta.url).href;
const MEDIA = new URL('media/', SITE).href;
const NO_WORKER = 'a file is fetched by the element itself; with data-worker it comes through the page’s service worker';

const script = [...document.scripts].find(({ src }) => src === import.meta.url);
const link = script?.dataset['link'] ?? SITE;
const site = startSite(link, script?.dataset['share']);

/** Settings for an hls.js that the page has itself. */
export const nearcast = (options: Partial<NearcastOptions> & { readonly Hls: typeof Hls }): Nearcast =>
  new Nearcast({ site: link, ...options });

const adopted = new WeakSet<HTMLMediaElement>();

const addressOf = (element: HTMLMediaElement): string => element.currentSrc || element.src || (element.querySelector('source')?.src ?? '');

/** What happens is told to the page as events named `nearcast` of the element. */
function tell<K extends keyof NearcastEvents>(element: HTMLMediaElement, event: K, what: NearcastEvents[K]): void {
  element.dispatchEvent(new CustomEvent('nearcast', { detail: { event, ...what } }));
}

async function adopt(element: HTMLMediaElement): Promise<void> {
  const url = addressOf(element);
  if (!url.startsWith(MEDIA) || adopted.has(element)) return;
  adopted.add(element);
  if (new URL(url).pathname.endsWith('.m3u8')) await playsStream(element, url);
  else await playsWhole(element, url);
}

async function playsStream(element: HTMLMediaElement, url: string): Promise<void> {
  const loading = import('hls.js');
  site.part.line.carries(loading.then(() => false));
  const { default: Player } = await loading.catch((error: unknown) => {
    // A browser that plays streams by itself takes none of another server without this.
    if (element.crossOrigin === null) element.crossOrigin = 'anonymous';
    throw error;
  });
  // Where there are no media sources, the element plays streams by itself or not at all.
  if (!Player.isSupported()) return;
  const near = nearcast({ Hls: Player });
  for (const event of ['state', 'loaded', 'direct', 'corrupt', 'stats'] as const) near.on(event, (what) => tell(element, event, what));
  const [at, plays] = [element.currentTime, !element.paused];
  const asked = element.preload !== 'none' || plays;
  for (const source of element.querySelectorAll('source')) source.remove();
  const hls = new Player({ ...near, autoStartLoad: asked, startPosition: at > 0 ? at : -1 });
  hls.loadSource(url);
  hls.attachMedia(element);
  if (!asked) element.addEventListener('play', () => hls.startLoad(), { once: true });
  if (plays) await element.play();
}

/** The page's service worker, once it serves; null where the page has none. */
const serving: Promise<boolean> = (async () => {
  const worker = script?.dataset['worker'];
  if (worker === undefined || !('serviceWorker' in navigator) || !(await site.started)) return false;
  serveElements(site.part, worker);
  await navigator.serviceWorker.ready;
  if (navigator.serviceWorker.controller !== null) return true;
  return new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', () => resolve(true), { once: true }));
})();

async function playsWhole(element: HTMLMediaElement, url: string): Promise<void> {
  const [, title = ''] = /^([^/]+)\//u.exec(url.slice(MEDIA.length)) ?? [];
  const why = (await serving) ? await site.part.open(decodeURIComponent(title)) : (site.why ?? NO_WORKER);
  if (why !== null) {
    console.info(`nearcast: ${url} plays straight from the server: ${why}`);
    tell(element, 'direct', { title, why });
    return;
  }
  playsFile(site.part, element, url);
  tell(element, 'state', { state: 'sharing', why: null });
  // What has not begun begins again, through the worker.
  if (element.paused && element.played.length === 0) element.load();
}

function adoptAll(): void {
  for (const element of document.querySelectorAll<HTMLMediaElement>('audio, video')) {
    adopt(element).catch((error: unknown) => console.warn('nearcast: plays straight from the server:', error));
  }
}

adoptAll();
new MutationObserver(adoptAll).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ['src'] });
