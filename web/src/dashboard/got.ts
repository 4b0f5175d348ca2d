// What players got over time, by source, as they reported it.

import { number, type Json } from '../source/parse';

/** Bytes: kept from earlier, from the own network, from other listeners, from the origin. */
export type Got = readonly [number, number, number, number];

export interface Bins {
  /** The middle of each, in seconds since 1970. */
  readonly times: readonly number[];
  /** Of each source in the order of `Got`, the bytes of each bin. */
  readonly bytes: readonly [readonly number[], readonly number[], readonly number[], readonly number[]];
}

const of = (value: unknown): number => number(value) ?? 0;

export const readGot = (json: Json): Got => [of(json['cache']), of(json['lan']), of(json['isp']) + of(json['other']), of(json['origin'])];

const SOURCES = [0, 1, 2, 3] as const;

/** What was reported in each of `count` bins of equal length that end at `end`. Sums that fell were a server's that was started anew. */
export function bins(samples: readonly { readonly at: number; readonly got: Got }[], end: number, seconds: number, count: number): Bins {
  const length = seconds / count;
  const times = Array.from({ length: count }, (_, n) => end - seconds + (n + 0.5) * length);
  const bytes = [0, 1, 2, 3].map(() => new Array<number>(count).fill(0)) as unknown as [number[], number[], number[], number[]];
  samples.forEach(({ at, got }, i) => {
    const before = samples[i - 1];
    const bin = Math.min(count - 1, Math.floor((at - (end - seconds)) / length));
    if (before === undefined || bin < 0) return;
    for (const source of SOURCES) bytes[source][bin] = (bytes[source][bin] ?? 0) + Math.max(0, got[source] - before.got[source]);
  });
  return { times, bytes };
}
