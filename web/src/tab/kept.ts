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

/** How long a tab waits for others that look whether somebody leads. */
const HEIR_MS = 10_000;

/** A site's lead. */
export class Lead {
  private readonly name: string;

  constructor(
    private readonly site: string,
    /** It is this tab's turn. */
    private readonly later: (kept: Kept) => void,
    /** Another tab took the lead: this one was silent for too long. */
    private readonly lost: () => void,
  ) {
    this.name = `nearcast ${site}`;
  }

  /** Asks for it. Settles with what is kept when this tab leads, with null when another does; its turn comes later then. */
  ask(): Promise<Kept | null> {
    if (!canKeep()) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.hold({ ifAvailable: true }, (kept) => {
        resolve(kept);
        if (kept === null) this.wait();
      });
    });
  }

  /** One tab at a time looks whether it has to take the lead from one that is silent. Null when its turn does not come. */
  async alone<Found>(looks: (seize: () => Promise<Kept | null>) => Promise<Found>): Promise<Found | null> {
    const seize = (): Promise<Kept | null> => new Promise((resolve) => this.hold({ steal: true }, resolve));
    try {
      return await navigator.locks.request(`${this.name} heir`, { signal: AbortSignal.timeout(HEIR_MS) }, () => looks(seize));
    } catch {
      return null;
    }
  }

  private wait(): void {
    this.hold({}, (kept) => kept !== null && this.later(kept));
  }

  private hold(options: LockOptions, led: (kept: Kept | null) => void): void {
    let leads = false;
    const held = navigator.locks.request(this.name, options, async (lock) => {
      leads = lock !== null;
      led(leads ? await Kept.open(this.site).catch(() => null) : null);
      // Led for as long as the tab lives.
      if (leads) await new Promise<void>(() => {});
    });
    held.catch(() => {
      if (!leads) return led(null);
      // Who took it is waiting already.
      if (options.steal !== true) this.wait();
      this.lost();
    });
  }
}
