// What the listener's browser remembers: favourites, playlists, positions, preferences. Nothing of it leaves it.

import { type Signal, effect, signal } from '@preact/signals';
import { EMPTY, type Queue } from '../player/queue';

export interface Playlist {
  readonly id: string;
  readonly name: string;
  readonly titles: readonly string[];
}

export interface Preferences {
  readonly volume: number;
  readonly muted: boolean;
  readonly repeat: 'off' | 'all' | 'one';
  readonly shuffle: boolean;
  readonly evenLoudness: boolean;
  /** Height of the picture to stay at; 0 lets the player choose. */
  readonly quality: number;
  /** Language of subtitles; empty for none. */
  readonly subtitles: string;
}

export interface Position {
  readonly at: number;
  /** When it was left, in ms: the latest comes first. */
  readonly when: number;
}

/** Most that is kept of each, so that a browser's quota is never the page's to fill. */
const MOST = { favourites: 20_000, playlists: 500, playlist: 20_000, queue: 20_000, positions: 500, loudness: 20_000 };

const PREFIX = 'nearcast.';

function load<T>(name: string, otherwise: T, read: (value: unknown) => T | null): T {
  try {
    const raw = localStorage.getItem(PREFIX + name);
    return raw === null ? otherwise : (read(JSON.parse(raw)) ?? otherwise);
  } catch {
    // Refused storage or a damaged entry: the page works as on a first visit.
    return otherwise;
  }
}

/** Whether the browser refuses to keep things; said once, in a line. */
export const forgets = signal(false);

/** `tabs` says whether a change in one tab is one in all of them. */
function kept<T>(name: string, otherwise: T, read: (value: unknown) => T | null, tabs: 'all' | 'own' = 'all'): Signal<T> {
  const value = signal(load(name, otherwise, read));
  let first = true;
  effect(() => {
    const json = JSON.stringify(value.value);
    if (first) {
      first = false;
      return;
    }
    try {
      localStorage.setItem(PREFIX + name, json);
    } catch {
      forgets.value = true;
    }
  });
  if (tabs === 'own') return value;
  addEventListener('storage', (event) => {
    if (event.key === PREFIX + name) value.value = load(name, otherwise, read);
  });
  return value;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const strings = (value: unknown, most: number): string[] | null =>
  Array.isArray(value) ? value.filter((v) => typeof v === 'string').slice(0, most) : null;

function readPlaylist(value: unknown): Playlist | null {
  if (!isRecord(value) || typeof value['id'] !== 'string' || typeof value['name'] !== 'string') return null;
  return { id: value['id'], name: value['name'], titles: strings(value['titles'], MOST.playlist) ?? [] };
}

const DEFAULTS: Preferences = {
  volume: 1,
  muted: false,
  repeat: 'off',
  shuffle: false,
  evenLoudness: false,
  quality: 0,
  subtitles: '',
};

function readPreferences(value: unknown): Preferences | null {
  if (!isRecord(value)) return null;
  const same = Object.entries(DEFAULTS).filter(([k, v]) => typeof value[k] === typeof v);
  const read: Preferences = { ...DEFAULTS, ...Object.fromEntries(same.map(([k]) => [k, value[k]])) };
  const volume = Math.min(1, Math.max(0, read.volume));
  return { ...read, volume, repeat: ['off', 'all', 'one'].includes(read.repeat) ? read.repeat : 'off' };
}

function numbers<T>(value: unknown, most: number, read: (v: unknown) => T | null): Record<string, T> | null {
  if (!isRecord(value)) return null;
  const entries = Object.entries(value).slice(0, most);
  return Object.fromEntries(entries.flatMap(([k, v]) => ((r) => (r === null ? [] : [[k, r] as const]))(read(v))));
}

/** A queue whose places fit its list; otherwise none. */
function readQueue(value: unknown): Queue | null {
  if (!isRecord(value) || !Array.isArray(value['order']) || typeof value['at'] !== 'number') return null;
  const list = strings(value['list'], MOST.queue) ?? [];
  const order = value['order'].filter((p): p is number => Number.isInteger(p) && p >= 0 && p < list.length);
  const fits = order.length === list.length && new Set(order).size === list.length;
  return fits && order[value['at']] !== undefined ? { list, order, at: value['at'] } : null;
}

const readPosition = (v: unknown): Position | null =>
  isRecord(v) && typeof v['at'] === 'number' && typeof v['when'] === 'number' ? { at: v['at'], when: v['when'] } : null;

export const favourites = kept<readonly string[]>('favourites', [], (v) => strings(v, MOST.favourites));
export const playlists = kept<readonly Playlist[]>('playlists', [], (v) =>
  Array.isArray(v) ? v.flatMap((p) => readPlaylist(p) ?? []).slice(0, MOST.playlists) : null,
);
/** A choice that the listener made, or did not yet. */
export const flag = (name: string): Signal<boolean | null> =>
  kept<boolean | null>(name, null, (value) => (typeof value === 'boolean' ? value : null));

export const preferences = kept('preferences', DEFAULTS, readPreferences);
export const positions = kept<Record<string, Position>>('positions', {}, (v) => numbers(v, MOST.positions, readPosition));
/** The queue as it was left: the next visit can go on with it. */
export const leftQueue = kept<Queue>('queue', EMPTY, readQueue, 'own');
/** Loudness of titles in LUFS, as far as they were heard. */
export const loudness = kept<Record<string, number>>('loudness', {}, (v) =>
  numbers(v, MOST.loudness, (n) => (typeof n === 'number' && Number.isFinite(n) ? n : null)),
);

export const prefer = (change: Partial<Preferences>): void => {
  preferences.value = { ...preferences.peek(), ...change };
};

export function toggleFavourite(title: string): void {
  const old = favourites.peek();
  favourites.value = old.includes(title) ? old.filter((t) => t !== title) : [title, ...old].slice(0, MOST.favourites);
}

export function newPlaylist(name: string, titles: readonly string[] = []): string {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(6)), (b) => b.toString(16).padStart(2, '0')).join('');
  playlists.value = [...playlists.peek(), { id, name: name.slice(0, 200), titles }].slice(0, MOST.playlists);
  return id;
}

export function changePlaylist(id: string, change: (list: Playlist) => Playlist | null): void {
  playlists.value = playlists.peek().flatMap((p) => (p.id === id ? (change(p) ?? []) : p));
}

export const addToPlaylist = (id: string, titles: readonly string[]): void =>
  changePlaylist(id, (p) => ({ ...p, titles: [...p.titles, ...titles].slice(0, MOST.playlist) }));

/** Keeps where a film was left, or forgets it. */
export function leaveAt(title: string, at: number | null): void {
  const { [title]: _, ...others } = positions.peek();
  const newest = Object.entries(others).sort(([, a], [, b]) => b.when - a.when).slice(0, MOST.positions - 1);
  positions.value = { ...(at === null ? {} : { [title]: { at, when: Date.now() } }), ...Object.fromEntries(newest) };
}
