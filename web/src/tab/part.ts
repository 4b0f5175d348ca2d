// This page's part in sharing: starts the tab's engine beside the page, and says what can be read through it.
//
// Where something of it is missing (WebAssembly, memory, a good catalogue), the page plays straight from its server:
// these bytes are counted as unverified, neither kept nor handed on.

import { signal } from '@preact/signals';
import { flag } from '../state/kept';
import type { Figures, Tab } from './tab';

/** Media held in memory: an album, or some minutes of film. */
const BUDGET = 96 * 1024 * 1024;
const SECRET = 'nearcast.secret';

interface Line {
  readonly saveData?: boolean;
  readonly type?: string;
}

/** On a line that costs by the byte nothing is handed on unless the listener says so. */
function costly(): boolean {
  const line = (navigator as Navigator & { connection?: Line }).connection;
  return line?.saveData === true || line?.type === 'cellular';
}

/** What the listener chose; null as long as he did not. */
const chosen = flag('share');

const shares = (): boolean => chosen.peek() ?? !costly();

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

/** The secret that this browser keeps. Refused storage makes a new one each time. */
function keptSecret(fresh: Uint8Array): Uint8Array {
  try {
    const kept = localStorage.getItem(SECRET);
    if (kept !== null && /^[0-9a-f]{64}$/u.test(kept)) {
      return Uint8Array.from(kept.match(/../gu) ?? [], (pair) => Number.parseInt(pair, 16));
    }
    localStorage.setItem(SECRET, hex(fresh));
  } catch {
    // Refused storage.
  }
  return fresh;
}

/** One tab at a time goes by the kept secret: a key stands for one node. Others have one for as long as they live. */
async function secret(): Promise<Uint8Array> {
  const fresh = crypto.getRandomValues(new Uint8Array(32));
  if (!('locks' in navigator)) return fresh;
  return new Promise((resolve) => {
    const held = navigator.locks.request('nearcast.secret', { ifAvailable: true }, (lock) => {
      resolve(lock === null ? fresh : keptSecret(fresh));
      // Held for as long as the tab lives.
      return lock === null ? undefined : new Promise<void>(() => {});
    });
    held.catch(() => resolve(fresh));
  });
}

let starting: Promise<void> | null = null;
let tab: Tab | null = null;
let plays = 0;

/** Bytes that were played without being checked. */
export const unverified = signal(0);

const base = (): string => new URL('.', document.baseURI).href;

async function begin(catalogue: Uint8Array): Promise<void> {
  const { Tab: Started } = await import('./tab');
  const supernode = new URL('nearcast/v1/directory', base());
  supernode.protocol = supernode.protocol === 'https:' ? 'wss:' : 'ws:';
  tab = await Started.start({
    site: base(),
    supernode: supernode.href,
    secret: await secret(),
    shares: shares(),
    budget: BUDGET,
    catalogue,
  });
  // What plays already is checked and shared from its next segment on.
  for (const title of early) void openTitle(title);
  early.clear();
}

/** The catalogue was read: the tab starts with the first one, which is told of, and hears of changes. */
export function catalogueRead(text: string, started: () => void): void {
  const bytes = new TextEncoder().encode(text);
  if (starting !== null) {
    tab?.catalogue(bytes);
    return;
  }
  starting = begin(bytes).then(started).catch((error: unknown) => {
    // What was promised goes on without it.
    console.warn('nearcast: this page plays straight from its server:', error);
  });
}

/** Titles that were opened before the tab had started. */
const early = new Set<string>();

/** Opens a title's files. Settles in any case; at once as long as the tab has not started, which opens it then. */
export async function openTitle(title: string): Promise<void> {
  if (tab === null) early.add(title);
  await tab?.open(title).catch((error: unknown) => console.warn('nearcast: not checked:', title, error));
}

/** Whether a file can be read through the tab. */
export const reads = (url: string): boolean => fileAt(url) !== undefined;

/** What a file is; nothing when it is none of an open title. */
export const fileAt = (url: string): { size: number; type: string } | undefined => tab?.fileAt(url);

export const nextPlay = (): number => ++plays;

/** Verified bytes of a file, in order. */
export function read(play: number, url: string, start: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (tab === null) throw new Error('the tab takes no part');
  return tab.read(play, url, start, end, signal);
}

export const stopped = (play: number): void => tab?.stopped(play);

export const upcoming = (titles: readonly string[]): void => tab?.upcoming(titles);

/** How the tab is doing; nothing when it takes no part. */
export const figures = (): Figures | null => (tab?.alive ? (tab.figures() ?? null) : null);

export function share(on: boolean): void {
  chosen.value = on;
  tab?.share(on);
}
