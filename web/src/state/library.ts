// The titles, and what is made of them: albums, artists, the index for search.

import { computed, signal } from '@preact/signals';
import { SearchIndex } from '../model/search';
import { albumsOf, artistsOf, isFilm, type Playable, type Title } from '../model/title';
import { GatewaySource } from '../source/gateway';
import { SiteSource } from '../source/site';
import { type Source, SourceError } from '../source/source';

const told = document.querySelector<HTMLMetaElement>('meta[name="nearcast-source"]')?.content;

export const source: Source = told === 'gateway' ? new GatewaySource() : new SiteSource();

export const provider = signal('');
export const titles = signal<readonly Title[]>([]);
export const loading = signal(true);
export const trouble = signal<string | null>(null);

export const byId = computed(() => new Map(titles.value.map((t) => [t.id, t])));
export const films = computed(() => titles.value.filter(isFilm));
export const songs = computed(() => titles.value.filter((t) => !isFilm(t)));
export const albums = computed(() => albumsOf(titles.value));
/** Key of each title's album. */
export const albumKeys = computed(() => new Map(albums.value.flatMap((a) => a.titles.map((t) => [t.id, a.key] as const))));
export const artists = computed(() => artistsOf(titles.value, albums.value));
export const searchIndex = computed(() => new SearchIndex(titles.value));

export const words = (error: unknown): string =>
  error instanceof SourceError ? error.message : 'Something went wrong. Reload the page to try again.';

/** What was shown last, to see whether anything changed. */
let shown = '';

async function read(): Promise<void> {
  const library = await source.library();
  const read = JSON.stringify(library);
  if (read === shown) return;
  shown = read;
  provider.value = library.provider;
  titles.value = library.titles;
}

export async function loadLibrary(): Promise<void> {
  loading.value = true;
  try {
    await read();
    trouble.value = null;
  } catch (error) {
    trouble.value = words(error);
  } finally {
    loading.value = false;
  }
}

/** How soon what was published, withdrawn or cached meanwhile is shown. */
const AGAIN_MS = 30_000;

/** Keeps the library up to date. What is shown stays while it cannot be asked. */
export function followLibrary(): void {
  setInterval(() => document.visibilityState === 'visible' && void read().catch(() => {}), AGAIN_MS);
}

const opened = new Map<string, Promise<Playable>>();
/** Titles whose files are remembered: what is played and what is near it. */
const MOST_OPENED = 64;

/** What is needed to play a title; asked for once, and again after a failure. */
export function open(title: string): Promise<Playable> {
  const known = opened.get(title);
  if (known) return known;
  const asked = source.open(title);
  opened.set(title, asked);
  asked.catch(() => opened.delete(title));
  const [oldest] = opened.keys();
  if (opened.size > MOST_OPENED && oldest !== undefined) opened.delete(oldest);
  return asked;
}
