// Where the page gets its titles from: a node's gateway, or the static documents of a site.

import type { Playable, Title } from '../model/title';
import type { Keeping } from '../tab/part';

export interface Library {
  readonly provider: string;
  readonly titles: readonly Title[];
}

/** Bytes that were played, by where they came from, and what was handed on. Counted since the node started. */
export interface Sharing {
  readonly cache: number;
  readonly lan: number;
  readonly peers: number;
  readonly origin: number;
  /** Played straight from the server, without being checked: neither kept nor handed on. */
  readonly unverified: number;
  readonly sent: number;
  readonly connected: number;
  readonly supernode: boolean;
  /** Whether it hands on what was played: to anybody, in its own network, or not; null where it does not say. */
  readonly state: 'on' | 'near' | 'off' | null;
  /** Why it does not, as the node says. */
  readonly why: string | null;
  /** What the browser keeps; null where it is not the browser's to keep. */
  readonly kept: { readonly bytes: number; readonly where: Keeping } | null;
}

export interface Source {
  /** What plays here: words and controls differ. */
  readonly kind: 'gateway' | 'site';
  /** Settles once it is known whether anything takes part in sharing. */
  readonly begun: Promise<boolean>;
  library(): Promise<Library>;
  open(title: string): Promise<Playable>;
  /** What is likely to play next, likeliest first. */
  upcoming(titles: readonly string[]): void;
  /** Nothing where the page has no part in sharing. */
  sharing(): Promise<Sharing | null>;
  share(enabled: boolean): Promise<void>;
  /** Forgets what the browser keeps, but what plays. */
  clear(): void;
}

/** What went wrong, in words for the listener. */
export class SourceError extends Error {}

/** Fetches, and turns every failure into a line that says what happened. */
export async function get(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin' });
  } catch {
    throw new SourceError('It cannot be reached. Check that you are online and that Nearcast runs.');
  }
  if (response.ok) return response;
  const said = (await response.text().catch(() => '')).split('\n')[0] ?? '';
  throw new SourceError(said !== '' && said.length < 200 ? said : `It answered with an error (${response.status}).`);
}

export async function getJson(url: string): Promise<unknown> {
  const response = await get(url);
  try {
    return await response.json();
  } catch {
    throw new SourceError('Its answer was damaged. Try again.');
  }
}
