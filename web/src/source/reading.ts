// A site's static documents, read from the server that the page came from. What is shown of them is not checked here: a
// page that its server wrote cannot check that server. What is played is, by the tab's engine.

import type { Playable, Title, Words } from '../model/title';
import { bounded, CATALOGUE, CATALOGUE_BYTES, MANIFEST_BYTES, manifestOf, PAGE_BYTES } from '../tab/documents';
import { described, kindOf } from './gateway';
import { child, escapePath, type Json, line, number, objects, text } from './parse';
import { get, type Library, SourceError } from './source';

const ENDINGS: Record<string, string> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'text/vtt': 'vtt',
  'application/vnd.apple.mpegurl': 'm3u8',
};

const damaged = (path: string): SourceError => new SourceError(`${path} of this site is damaged.`);

async function document(path: string, most: number): Promise<string> {
  const answer = await get(path);
  const bytes = await bounded(answer, most).catch(() => Promise.reject(damaged(path)));
  return new TextDecoder().decode(bytes);
}

/** The claims of a compact JWS. */
function claims(path: string, jws: string): Json {
  try {
    const payload = jws.split('.')[1] ?? '';
    const raw = atob(payload.replace(/-/g, '+').replace(/_/g, '/'));
    const utf8 = Uint8Array.from(raw, (c) => c.charCodeAt(0));
    return child(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(utf8)));
  } catch {
    throw damaged(path);
  }
}

/** Where an object of a title lies; nothing for what is on another server, which this page does not ask. */
function place(title: string, object: Json): string | null {
  const source = text(object['source']);
  if (source !== null) {
    return /^https?:/u.test(source) ? null : `media/${encodeURIComponent(title)}/${escapePath(source)}`;
  }
  const id = text(object['object']);
  const ending = ENDINGS[text(object['type']) ?? ''];
  return id === null || ending === undefined ? null : `nearcast/objects/${id.slice(0, 2)}/${id}.${ending}`;
}

/** One page of the catalogue's titles. */
async function page(id: string): Promise<unknown> {
  const path = `nearcast/pages/${encodeURIComponent(id)}.json`;
  const json = await document(path, PAGE_BYTES);
  try {
    return JSON.parse(json);
  } catch {
    throw damaged(path);
  }
}

function readTitle(json: Json): Title | null {
  const id = text(json['title']);
  if (id === null) return null;
  return {
    ...described(id, json),
    kind: kindOf(json['kind_of_media']),
    art: place(id, child(json['art'])),
    cachedPermille: null,
  };
}

function readPlayable(title: string, manifest: Json): Playable {
  const documents = objects(manifest['documents']);
  const of = (role: string): Words[] =>
    documents
      .filter((d) => d['role'] === role)
      .flatMap((d) => {
        const url = place(title, d);
        const language = text(d['language']) ?? 'und';
        return url === null ? [] : [{ url, language, label: line(d['label']) ?? language }];
      });
  const layouts = objects(manifest['renditions']).map((r) => child(r['layout']));
  const singles = layouts.map((l) => child(l['single']));
  const playlists = layouts.map((l) => child(child(l['single'] ?? l['segments'])['playlist']));
  const whole = singles.map((s) => place(title, child(s['file']))).find((p) => p !== null);
  const playlist = playlists.map((p) => place(title, p)).find((p) => p !== null);
  return {
    whole: whole ?? null,
    stream: of('master')[0]?.url ?? playlist ?? null,
    subtitles: of('subtitles'),
    chapters: of('chapters')[0]?.url ?? null,
    year: number(manifest['year']),
  };
}

/** What the site has. `heard` is told the signed catalogue as soon as it is here. */
export async function readLibrary(heard: (catalogue: string) => void): Promise<Library> {
  const catalogue = await document(CATALOGUE, CATALOGUE_BYTES);
  const head = claims(CATALOGUE, catalogue);
  heard(catalogue);
  const pages = objects(head['pages']).flatMap((p) => text(p['object']) ?? []);
  const read = await Promise.all(pages.map(page));
  const withdrawn = new Set(Array.isArray(head['withdrawn']) ? head['withdrawn'] : []);
  const titles = read.flatMap((page) => objects(child(page)['titles'])).flatMap((t) => readTitle(t) ?? []);
  return {
    provider: line(head['provider']) ?? 'Nearcast',
    titles: titles.filter((t) => !withdrawn.has(t.id)),
  };
}

/** What plays of a title. */
export async function readDocument(title: string): Promise<Playable> {
  const path = manifestOf(title);
  return readPlayable(title, claims(path, await document(path, MANIFEST_BYTES)));
}
