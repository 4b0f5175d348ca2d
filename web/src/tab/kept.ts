// What the browser keeps for a site from visit to visit.
//
// It lies in the Cache API: it takes entries whole or not at all, lists them in the order in which they were put, and
// copies nothing when one is added. A file of the origin's private file system is copied whole for each write; without
// copies it asks for a worker, which not every page has.

import type { Bytes } from './taking';

/** Most that is kept, and the share of what the browser grants all of this origin. */
const MOST_BYTES = 1024 * 1024 * 1024;
const SHARE = 0.25;
/** Keys look like requests; nothing of the site lies there. */
const FOLDER = 'nearcast-kept/';

const folderOf = (site: string): string => new URL(FOLDER, site).href;

/** What was kept before, in the order in which it was, and how much may be. */
export interface Stock {
  readonly keys: readonly string[];
  readonly budget: number;
}

export async function stockOf(site: string): Promise<Stock> {
  const folder = folderOf(site);
  const cache = await caches.open(folder);
  const [requests, { quota }] = await Promise.all([cache.keys(), navigator.storage.estimate()]);
  const urls = requests.map(({ url }) => url).filter((url) => url.startsWith(folder));
  return { keys: urls.map((url) => url.slice(folder.length)), budget: Math.min(MOST_BYTES, (quota ?? 0) * SHARE) };
}

export class Kept {
  /** What is written and forgotten is so in this order. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly cache: Cache,
    private readonly folder: string,
  ) {}

  static async open(site: string): Promise<Kept> {
    const folder = folderOf(site);
    return new Kept(await caches.open(folder), folder);
  }

  /** False when the browser refuses it. */
  keep(key: string, bytes: Bytes): Promise<boolean> {
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
