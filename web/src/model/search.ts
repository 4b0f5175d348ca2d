// Search as you type: every word must begin a word of the title, its artist or its album.

import type { Title } from './title';

const fold = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

const wordsOf = (text: string): string[] => fold(text).split(/[^\p{L}\p{N}]+/u).filter((w) => w !== '');

interface Indexed {
  readonly title: Title;
  readonly name: readonly string[];
  readonly all: readonly string[];
}

export class SearchIndex {
  readonly #entries: Indexed[];

  constructor(titles: readonly Title[]) {
    this.#entries = titles.map((title) => {
      const name = wordsOf(title.name);
      return { title, name, all: [...name, ...wordsOf(title.artist ?? ''), ...wordsOf(title.album ?? '')] };
    });
  }

  /** The titles that fit, those whose own name fits first. */
  find(query: string, limit: number): Title[] {
    const words = wordsOf(query);
    if (words.length === 0) return [];
    const fits = (own: readonly string[]): boolean => words.every((w) => own.some((o) => o.startsWith(w)));
    const named: Title[] = [];
    const others: Title[] = [];
    for (const entry of this.#entries) {
      if (!fits(entry.all)) continue;
      (fits(entry.name) ? named : others).push(entry.title);
      if (named.length >= limit) break;
    }
    return [...named, ...others].slice(0, limit);
  }
}

/** Whether a name fits a query, for lists of albums and artists. */
export function fitsName(name: string, query: string): boolean {
  const own = wordsOf(name);
  const words = wordsOf(query);
  return words.length > 0 && words.every((w) => own.some((o) => o.startsWith(w)));
}
