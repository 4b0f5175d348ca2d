// A node's gateway: the whole cache, peers and the origin behind one address on this machine.

import type { Kind, Playable, Title, Words } from '../model/title';
import { child, escapePath, isObject, type Json, line, number, objects, text } from './parse';
import { getJson, type Library, type Sharing, type Source, SourceError } from './source';

const KINDS: readonly string[] = ['music', 'video', 'speech'];

export const kindOf = (value: unknown): Kind =>
  typeof value === 'string' && KINDS.includes(value) ? (value as Kind) : 'other';

const file = (title: string, path: unknown): string | null => {
  const name = text(path);
  return name === null ? null : `t/${encodeURIComponent(title)}/${escapePath(name)}`;
};

/** What both a gateway and a catalogue say of a title in the same words. */
export const described = (id: string, json: Json) => ({
  id,
  name: line(json['name']) ?? id,
  artist: line(json['artist']),
  album: line(json['album']),
  track: number(json['track']),
  disc: number(json['disc']),
  durationMs: number(json['duration_ms']) ?? 0,
});

function readTitle(json: Json): Title | null {
  const id = text(json['id']);
  if (id === null) return null;
  return {
    ...described(id, json),
    kind: kindOf(json['kind']),
    art: file(id, json['art']),
    cachedPermille: number(json['cached_permille']),
  };
}

function readPlayable(title: string, json: Json): Playable {
  const documents = objects(json['documents']);
  const words = (role: string): Words[] =>
    documents
      .filter((d) => d['role'] === role)
      .flatMap((d) => {
        const url = file(title, d['file']);
        const language = text(d['language']) ?? 'und';
        return url === null ? [] : [{ url, language, label: line(d['label']) ?? language }];
      });
  const first = text(json['file']);
  return {
    whole: file(title, json['whole']),
    stream: first?.endsWith('.m3u8') ? file(title, first) : null,
    subtitles: words('subtitles'),
    chapters: words('chapters')[0]?.url ?? null,
    year: number(json['year']),
  };
}

async function post(path: string, body: unknown): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new SourceError(`The node refused (${response.status}).`);
}

export class GatewaySource implements Source {
  readonly kind = 'gateway';
  readonly begun = Promise.resolve(true);

  async library(): Promise<Library> {
    const [titles, status] = await Promise.all([getJson('titles'), getJson('status')]);
    const provider = child(child(status)['provider']);
    return {
      provider: line(provider['name']) ?? 'Nearcast',
      titles: objects(titles).flatMap((t) => readTitle(t) ?? []),
    };
  }

  async open(title: string): Promise<Playable> {
    const json = await getJson(`titles/${encodeURIComponent(title)}`);
    if (!isObject(json)) throw new SourceError('The node answered with something else.');
    return readPlayable(title, json);
  }

  upcoming(titles: readonly string[]): void {
    // A node that is gone shows itself elsewhere; what would have been fetched ahead is then fetched late.
    void post('upcoming', { titles }).catch(() => {});
  }

  async sharing(): Promise<Sharing | null> {
    const status = child(await getJson('status'));
    const delivered = child(status['delivered_bytes']);
    const of = (value: unknown): number => number(value) ?? 0;
    const sharing = child(status['sharing']);
    const state = sharing['state'];
    return {
      cache: of(delivered['cache']),
      lan: of(status['delivered_lan_bytes']),
      peers: Math.max(0, of(delivered['peers']) - of(status['delivered_lan_bytes'])),
      origin: of(delivered['origin']),
      unverified: 0,
      sent: of(status['sent_bytes']),
      connected: of(status['peers']),
      supernode: status['supernode'] === 'connected',
      state: state === 'on' || state === 'near' || state === 'off' ? state : null,
      why: text(sharing['why']),
      kept: null,
    };
  }

  async share(enabled: boolean): Promise<void> {
    await post(enabled ? 'control/resume' : 'control/pause', {});
  }

  clear(): void {}
}
