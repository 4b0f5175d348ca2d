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

/** What two tracks of one album share, when albums of the same name have to be told apart. */
const traits = ({ artist, art }: Title): string[] => [
  `artist ${artist ?? ''}`,
  // The file's name: covers that are one object have one name, whichever title they are asked of.
  `art ${art?.split('/').pop() ?? ''}`,
];

/** Parts tracks whose album has the same name: those that share an artist or a cover belong together. */
function apart(tracks: readonly Title[]): Title[][] {
  let parts: { titles: Title[]; traits: Set<string> }[] = [];
  for (const track of tracks) {
    const own = traits(track);
    const joined = parts.filter((p) => own.some((t) => p.traits.has(t)));
    const titles = [...joined.flatMap((p) => p.titles), track];
    const all = new Set([...joined.flatMap((p) => [...p.traits]), ...own]);
    parts = [...parts.filter((p) => !joined.includes(p)), { titles, traits: all }];
  }
  return parts.map((p) => p.titles);
}

function albumOf(name: string, nth: number, members: Title[]): Album {
  const tracks = members.sort(byPlace);
  const artists = new Set(tracks.map((t) => t.artist).filter((a) => a !== null));
  const [only] = artists;
  return {
    key: nth === 0 ? name : `${name}\u0000${only ?? nth}`,
    name,
    artist: artists.size > 1 ? 'Various artists' : (only ?? ''),
    art: tracks.find((t) => t.art !== null)?.art ?? null,
    titles: tracks,
  };
}

export function albumsOf(titles: readonly Title[]): Album[] {
  const named = group(titles, (t) => (isFilm(t) ? null : t.album));
  const albums = [...named].flatMap(([name, tracks]) => apart(tracks).map((part, nth) => albumOf(name, nth, part)));
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
