// The figures of the dashboard, as the server counted them.

import { signal } from '@preact/signals';
import { child, counts, number, objects, text } from '../source/parse';
import { lookAtAudience } from './audience';
import { type Got, readGot } from './got';
import { keep, kept } from './keep';

export interface Sample {
  /** Seconds since 1970, by the server's clock. */
  readonly at: number;
  readonly media: number;
  readonly sent: number;
  readonly listeners: number;
  readonly connections: number;
  readonly requests: number;
  /** What players got since the start, by source. */
  readonly got: Got;
}

export interface AskedTitle {
  readonly title: string;
  readonly requests: number;
  readonly bytes: number;
}

export interface Figures {
  readonly now: number;
  readonly started: number;
  readonly total: Sample;
  readonly history: readonly Sample[];
  readonly titles: readonly AskedTitle[];
  /** The supernode's counters by name. */
  readonly supernode: Readonly<Record<string, number>>;
}

const KEY = 'nearcast.dashboard.token';
const EVERY_MS = 5000;

export const figures = signal<Figures | null>(null);
export const trouble = signal<string | null>(null);
export const locked = signal(false);

/** The token that came behind the number sign. It is kept for this tab and taken out of the address. */
function token(): string | null {
  const given = /^#token=([a-z0-9]+)$/u.exec(location.hash)?.[1];
  if (given !== undefined) {
    keep('session', KEY, given);
    history.replaceState(null, '', location.pathname + location.search);
  }
  return kept('session', KEY);
}

export function giveToken(given: string): void {
  keep('session', KEY, given.trim().toLowerCase().replace(/^.*token=/u, ''));
  locked.value = false;
  void look();
}

const of = (value: unknown): number => number(value) ?? 0;

function readSample(value: unknown): Sample {
  const json = child(value);
  const [media, sent, listeners] = [of(json['media']), of(json['sent']), of(json['listeners'])];
  return { at: of(json['at']), media, sent, listeners, connections: of(json['connections']), requests: of(json['requests']), got: readGot(child(json['got'])) };
}

function read(value: unknown): Figures {
  const json = child(value);
  return {
    now: of(json['now']),
    started: of(json['started']),
    total: readSample(json['total']),
    history: objects(json['history']).map(readSample),
    titles: objects(json['titles']).map((t) => ({ title: text(t['title']) ?? '', requests: of(t['requests']), bytes: of(t['bytes']) })),
    supernode: counts(child(json['supernode'])),
  };
}

async function look(): Promise<void> {
  const held = token();
  if (held === null) {
    locked.value = true;
    return;
  }
  try {
    const response = await fetch('dashboard/figures', { headers: { Authorization: `Bearer ${held}` } });
    if (response.status === 401) {
      keep('session', KEY, null);
      locked.value = true;
      return;
    }
    if (!response.ok) throw new Error(String(response.status));
    figures.value = read(await response.json());
    await lookAtAudience();
    trouble.value = null;
  } catch {
    trouble.value = 'The server cannot be reached. The figures below are the last that arrived.';
  }
}

export function follow(): void {
  void look();
  setInterval(() => document.visibilityState === 'visible' && !locked.peek() && void look(), EVERY_MS);
}

/** A rate between samples, in bytes a second. Where the server was started anew, it is nothing. */
export function rates(samples: readonly Sample[], of: (s: Sample) => number): (number | null)[] {
  return samples.map((sample, i) => {
    const before = samples[i - 1];
    if (before === undefined || sample.at <= before.at || of(sample) < of(before)) return null;
    return (of(sample) - of(before)) / (sample.at - before.at);
  });
}

export function toCsv(samples: readonly Sample[]): string {
  const rows = samples.map((s) => [new Date(s.at * 1000).toISOString(), s.media, s.sent, s.listeners, s.connections, s.requests, ...s.got].join(','));
  return ['time,media_bytes,sent_bytes,listeners,connections,requests,got_kept_bytes,got_own_network_bytes,got_peers_bytes,got_origin_bytes', ...rows, ''].join('\r\n');
}
