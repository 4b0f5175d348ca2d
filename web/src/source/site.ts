// A site that plays here: its library as its server tells it, and the tab's part in sharing.

import type { Playable } from '../model/title';
import { serveElements } from '../tab/elements';
import { catalogueRead, part, share } from '../tab/page';
import { readDocument, readLibrary } from './reading';
import type { Library, Sharing, Source } from './source';

export class SiteSource implements Source {
  readonly kind = 'site';
  readonly begun = part.begun;

  library(): Promise<Library> {
    return readLibrary((catalogue) => catalogueRead(catalogue, () => serveElements(part)));
  }

  async open(title: string): Promise<Playable> {
    const [playable] = await Promise.all([readDocument(title), part.openSoon(title)]);
    return playable;
  }

  upcoming(titles: readonly string[]): void {
    // Titles that were never opened are left out there: the first in the queue is opened here.
    const [next] = titles;
    if (next !== undefined) void part.openSoon(next).then(() => part.upcoming(titles));
  }

  async sharing(): Promise<Sharing | null> {
    const now = await part.doing();
    if (now === null) return null;
    const { sharing, kept, keeps, ...counted } = now;
    const why = sharing === 'off' ? 'paused' : null;
    return { ...counted, state: sharing, why, unverified: part.unverified, kept: { bytes: kept, where: keeps } };
  }

  async share(enabled: boolean): Promise<void> {
    share(enabled);
  }

  clear(): void {
    part.clear();
  }
}
