// What the browser keeps for a site from visit to visit, and which of the site's tabs keeps it: one at a time leads.
//
// It lies in the Cache API: from a page that takes entries whole or not at all, lists them in the order in which they
// were put, and copies nothing when one is added. A file of the origin's private file system is copied whole for each
// write from a page; without copies it asks for a worker, which a page on another server cannot load from the site.

/** Most that is kept, and the share of what the browser grants all of this origin. */
const MOST_BYTES = 1024 * 1024 * 1024;
const SHARE = 0.25;
/** Keys look like requests; nothing of the site lies there. */
const FOLDER = 'nearcast-kept/';

export class Kept {
  /** What is written and forgotten is so in this order. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly cache: Cache,
    private readonly folder: string,
    /** What was kept before, in the order in which it was. */
    readonly keys: readonly string[],
    readonly budget: number,
  ) {}

  static async open(site: string): Promise<Kept> {
    const folder = new URL(FOLDER, site).href;
    const cache = await caches.open(folder);
    const [requests, { quota }] = await Promise.all([cache.keys(), navigator.storage.estimate()]);
    const keys = requests.map(({ url }) => url).filter((url) => url.startsWith(folder));
    const budget = Math.min(MOST_BYTES, (quota ?? 0) * SHARE);
    return new Kept(cache, folder, keys.map((url) => url.slice(folder.length)), budget);
  }

  /** False when the browser refuses it. */
  keep(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const put = this.last.then(() => this.cache.put(this.folder + key, new Response(bytes)));
    const kept = put.then(
      () => true,
      () => false,
    );
    this.last = kept;
    return kept;
  }

  forget(key: string): void {
    this.last = this.last.then(() => this.cache.delete(this.folder + key)).catch(() => {});
  }

  /** Nothing when it is gone. */
  async load(key: string): Promise<Uint8Array | undefined> {
    const found = await this.cache.match(this.folder + key).catch(() => undefined);
    const bytes = await found?.arrayBuffer().catch(() => undefined);
    return bytes === undefined ? undefined : new Uint8Array(bytes);
  }
}

/** Whether this browser can keep anything for a page: only in a secure context. */
export const canKeep = (): boolean => 'locks' in navigator && 'caches' in globalThis;

/**
 * Asks to lead the tabs of a site. Settles with what is kept when this tab leads, with null when another does; then
 * `later` is called once its turn has come.
 */
export function lead(site: string, later: (kept: Kept) => void): Promise<Kept | null> {
  if (!canKeep()) return Promise.resolve(null);
  const name = `nearcast ${site}`;
  const asks = (options: LockOptions, led: (kept: Kept | null) => void): void => {
    const held = navigator.locks.request(name, options, async (lock) => {
      if (lock === null) {
        led(null);
        return;
      }
      led(await Kept.open(site).catch(() => null));
      // Led for as long as the tab lives.
      await new Promise<void>(() => {});
    });
    held.catch(() => led(null));
  };
  return new Promise((resolve) => {
    asks({ ifAvailable: true }, (kept) => {
      resolve(kept);
      if (kept === null) asks({}, (late) => late !== null && later(late));
    });
  });
}
