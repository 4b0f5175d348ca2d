// The player page's own part in sharing.

import { flag } from '../state/kept';
import { costly, Part } from './part';

/** What the listener chose; null as long as he did not. */
const chosen = flag('share');

export const part = new Part(new URL('.', document.baseURI).href, chosen.peek() ?? !costly());

/** The catalogue was read: the tab starts with the first one, which is told of, and hears of changes. */
export function catalogueRead(text: string, started: () => void): void {
  part.catalogue(async () => new TextEncoder().encode(text)).then(once(started), (error: unknown) => {
    // What was promised goes on without it.
    console.warn('nearcast: this page plays straight from its server:', error);
  });
}

let told = false;
const once = (started: () => void) => (): void => {
  if (!told) started();
  told = true;
};

export function share(on: boolean): void {
  chosen.value = on;
  part.share(on);
}
