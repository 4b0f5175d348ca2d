// What there is to play, as the page sees it. Every text in here is a stranger's: it is shown as text only.

export type Kind = 'music' | 'video' | 'speech' | 'other';

/** A title as lists show it. */
export interface Title {
  readonly id: string;
  readonly name: string;
  readonly artist: string | null;
  readonly album: string | null;
  readonly track: number | null;
  readonly disc: number | null;
  readonly durationMs: number;
  readonly kind: Kind;
  /** Address of its picture. */
  readonly art: string | null;
  /** Thousandths that this machine holds; null where nobody knows. */
  readonly cachedPermille: number | null;
}

/** A file of words beside a title. */
export interface Words {
  readonly url: string;
  readonly language: string;
  readonly label: string;
}

/** What is needed to play a title. */
export interface Playable {
  /** One file that media elements play by themselves. */
  readonly whole: string | null;
  /** An HLS playlist. */
  readonly stream: string | null;
  readonly subtitles: readonly Words[];
  readonly chapters: string | null;
  readonly year: number | null;
}

export const isFilm = (title: Title): boolean => title.kind === 'video';

export interface Album {
  readonly key: string;
  readonly name: string;
  readonly artist: string;
  readonly art: string | null;
  readonly titles: readonly Title[];
}

export interface Artist {
  readonly name: string;
  readonly albums: readonly Album[];
  readonly titles: readonly Title[];
  readonly art: string | null;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

export const byName = (a: { name: string }, b: { name: string }): number => collator.compare(a.name, b.name);

const byPlace = (a: Title, b: Title): number =>
  (a.disc ?? 1) - (b.disc ?? 1) || (a.track ?? 1e9) - (b.track ?? 1e9) || byName(a, b);

function group<T>(items: Iterable<T>, keyOf: (item: T) => string | null): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === null) continue;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Names an album: two of the same name are told apart by their cover. */
export const albumKey = (title: Title): string | null =>
  title.album === null || isFilm(title) ? null : `${title.album}\u0000${title.art?.split('/').pop() ?? ''}`;

export function albumsOf(titles: readonly Title[]): Album[] {
  const albums = [...group(titles, albumKey)].map(([key, members]): Album => {
    const tracks = members.sort(byPlace);
    const artists = new Set(tracks.map((t) => t.artist).filter((a) => a !== null));
    const [only] = artists;
    return {
      key,
      name: tracks[0]?.album ?? '',
      artist: artists.size > 1 ? 'Various artists' : (only ?? ''),
      art: tracks.find((t) => t.art !== null)?.art ?? null,
      titles: tracks,
    };
  });
  return albums.sort(byName);
}

export function artistsOf(titles: readonly Title[], albums: readonly Album[]): Artist[] {
  const music = titles.filter((t) => !isFilm(t));
  const artists = [...group(music, (t) => t.artist)].map(([name, own]): Artist => {
    const theirs = albums.filter((a) => a.titles.some((t) => t.artist === name));
    const art = own.find((t) => t.art !== null)?.art ?? null;
    return { name, albums: theirs, titles: own.sort(byName), art };
  });
  return artists.sort(byName);
}
