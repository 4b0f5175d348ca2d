// Who delivers to whom, as the audience reports it: bytes that players got, by what gave them and how near that was. The
// server knows no more than this, and nobody is named.

import { child, number, type Json } from '../source/parse';

export type Giver = 'pages' | 'programs' | 'origin';
export type Taker = 'pages' | 'programs';
export type Near = 'lan' | 'isp' | 'other' | 'origin';

export interface Flow {
  readonly from: Giver;
  readonly near: Near;
  readonly to: Taker;
  readonly bytes: number;
}

export const GIVERS = ['pages', 'programs', 'origin'] as const;
export const TAKERS = ['pages', 'programs'] as const;
const PEERS = ['pages', 'programs'] as const;
const NEAR = ['lan', 'isp', 'other'] as const;

const of = (value: unknown): number => number(value) ?? 0;

/** Every flow there can be, nearest first; most are of no bytes. What was kept from earlier is no delivery. */
export function readFlows(delivery: Json): Flow[] {
  return TAKERS.flatMap((to) => {
    const got = child(delivery[`to_${to}`]);
    const ofPeers = PEERS.flatMap((from) => NEAR.map((near): Flow => ({ from, near, to, bytes: of(child(got[`from_${from}`])[near]) })));
    return [...ofPeers, { from: 'origin', near: 'origin', to, bytes: of(got['from_origin']) } satisfies Flow];
  });
}

export const sum = (flows: readonly Flow[]): number => flows.reduce((all, flow) => all + flow.bytes, 0);

/** A part of a drawing's height, in percent from above. */
export interface Bar<Name> {
  readonly name: Name;
  readonly top: number;
  readonly height: number;
}

export interface Ribbon {
  readonly flow: Flow;
  readonly left: number;
  readonly right: number;
  readonly height: number;
}

export interface Drawing {
  readonly givers: readonly Bar<Giver>[];
  readonly takers: readonly Bar<Taker>[];
  readonly ribbons: readonly Ribbon[];
}

/** Between two bars, in percent of the height: room for what is written beside them. */
const GAP = 17;
const MOST_BARS = 3;

/** Bars to both sides and ribbons between them, whose heights are bytes to one scale. */
export function drawn(all: readonly Flow[]): Drawing {
  const flows = all.filter((flow) => flow.bytes > 0);
  const total = sum(flows);
  const scale = total > 0 ? (100 - (MOST_BARS - 1) * GAP) / total : 0;
  const bars = <Name extends Giver | Taker>(names: readonly Name[], side: 'from' | 'to'): Bar<Name>[] => {
    const tall = names.map((name) => [name, sum(flows.filter((flow) => flow[side] === name)) * scale] as const).filter(([, height]) => height > 0);
    // What is left above and below keeps both sides in the middle.
    let top = (100 - total * scale - (tall.length - 1) * GAP) / 2;
    return tall.map(([name, height]) => {
      const bar = { name, top, height };
      top += height + GAP;
      return bar;
    });
  };
  const [givers, takers] = [bars<Giver>(GIVERS, 'from'), bars<Taker>(TAKERS, 'to')];
  const tops = new Map<string, number>([...givers.map(({ name, top }) => [`from ${name}`, top] as const), ...takers.map(({ name, top }) => [`to ${name}`, top] as const)]);
  const next = (key: string, height: number): number => {
    const top = tops.get(key) ?? 0;
    tops.set(key, top + height);
    return top;
  };
  // In the order of the other side, so that ribbons of one bar do not cross each other.
  const inOrder = flows.toSorted((a, b) => GIVERS.indexOf(a.from) - GIVERS.indexOf(b.from) || TAKERS.indexOf(a.to) - TAKERS.indexOf(b.to));
  const ribbons = inOrder.map((flow) => {
    const height = flow.bytes * scale;
    return { flow, left: next(`from ${flow.from}`, height), right: next(`to ${flow.to}`, height), height };
  });
  return { givers, takers, ribbons };
}

export function flowsToCsv(flows: readonly Flow[]): string {
  return ['from,near,to,bytes', ...flows.map(({ from, near, to, bytes }) => [from, near, to, bytes].join(',')), ''].join('\r\n');
}
