// A site's signed documents: where they lie, and how long they may be. Longer ones are not read, whoever sends them: these
// are the bounds of the formats (content/src/limits.rs), so the engine would take none of them either.

import { joined } from './early';
import type { Bytes } from './taking';

export const CATALOGUE = 'nearcast/catalogue.jws';
export const CATALOGUE_BYTES = 64 * 1024;
/** One page of the titles that a catalogue names. */
export const PAGE_BYTES = 256 * 1024;
export const MANIFEST_BYTES = 11 * 1024;

/** Where a site has the signed document of a title. */
export const manifestOf = (title: string): string => `nearcast/titles/${encodeURIComponent(title)}.jws`;

/** Reads an answer to its end; one of more than `most` bytes is broken off, and an error. */
export async function bounded(answer: Response, most: number): Promise<Bytes> {
  const pieces: Bytes[] = [];
  let length = 0;
  const reader = answer.body?.getReader();
  for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
    length += read.value.length;
    if (length > most) {
      await reader?.cancel().catch(() => {});
      throw new Error(`${answer.url} has more than ${most} bytes, which no such document has`);
    }
    pieces.push(read.value);
  }
  return joined(pieces, length);
}
