// What the service worker and the page say to each other.

/** The worker asks for a file that an element wants. */
export interface Asked {
  readonly url: string;
  readonly range: string | null;
}

/** What of it the page reads; null when it has no part in it. */
export type Answer = { readonly start: number; readonly end: number; readonly size: number; readonly type: string } | null;

/** The next bytes; null when nobody delivers them. */
export type Pulled = Uint8Array<ArrayBuffer> | null;
