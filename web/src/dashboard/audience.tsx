// What the audience reports of its plays: with peers, and held out to compare with. The server sums, and says whether
// anybody is worse off; nothing is worked out here but what was saved at the provider's price.

import { signal } from '@preact/signals';
import { child, counts, number, type Json, text } from '../source/parse';
import { bytes } from '../model/words';
import { type Flow, readFlows } from './flows';

interface Group {
  readonly plays: number;
  /** Within how many milliseconds 50, 75, 95 and 99 of 100 plays started. */
  readonly startup: readonly [number | null, number | null, number | null, number | null];
  readonly stutter: number | null;
  readonly stalled: number;
  readonly rate: number | null;
  /** Bytes that players got: kept, from the own network, from others, from the origin. */
  readonly from: readonly [number, number, number, number];
  readonly offload: number | null;
}

interface Audience {
  readonly shared: Group;
  readonly heldOut: Group;
  readonly copies: number | null;
  readonly flows: readonly Flow[];
  /** Peers that nodes refused, by why. */
  readonly refused: Readonly<Record<string, number>>;
  readonly verdict: string | null;
  readonly why: string | null;
}

export const audience = signal<Audience | null>(null);

const of = (value: unknown): number => number(value) ?? 0;

function readGroup(json: Json): Group {
  const startup = child(json['startup_ms']);
  const from = child(json['bytes']);
  return {
    plays: of(json['plays']),
    startup: [
      number(startup['p50_at_most']),
      number(startup['p75_at_most']),
      number(startup['p95_at_most']),
      number(startup['p99_at_most']),
    ],
    stutter: number(json['stutter_share']),
    stalled: of(json['stalled_ms']),
    rate: number(json['played_bits_per_second']),
    from: [of(from['cache']), of(from['lan']), of(from['isp']) + of(from['other']), of(from['origin'])],
    offload: number(json['offload']),
  };
}

export function readAudience(value: unknown): Audience {
  const json = child(value);
  const comparison = child(json['comparison']);
  return {
    shared: readGroup(child(json['shared'])),
    heldOut: readGroup(child(json['held_out'])),
    copies: number(child(json['origin'])['copies']),
    flows: readFlows(child(json['delivery'])),
    refused: counts(child(json['peers_refused'])),
    verdict: text(comparison['verdict']),
    why: text(comparison['why']),
  };
}

/** Asks the server again. What it said last stays while it cannot be asked. */
export async function lookAtAudience(): Promise<void> {
  const response = await fetch('status');
  if (response.ok) audience.value = readAudience(await response.json());
}

export const percent = (share: number | null): string => (share === null ? '–' : `${(share * 100).toFixed(1)} %`);
const upTo = (ms: number | null, plays: number): string => (ms !== null ? `≤ ${ms.toLocaleString()} ms` : plays > 0 ? 'longer' : '–');

const ROWS: readonly (readonly [string, (g: Group) => string])[] = [
  ['Plays that ended', (g) => g.plays.toLocaleString()],
  ['Start-up, half of them', (g) => upTo(g.startup[0], g.plays)],
  ['Start-up, 75 %', (g) => upTo(g.startup[1], g.plays)],
  ['Start-up, 95 %', (g) => upTo(g.startup[2], g.plays)],
  ['Start-up, 99 %', (g) => upTo(g.startup[3], g.plays)],
  ['Plays with a stall', (g) => percent(g.stutter)],
  ['Stood still in all', (g) => `${(g.stalled / 1000).toFixed(1)} s`],
  ['Played at', (g) => (g.rate === null ? '–' : `${(g.rate / 1e6).toPrecision(3)} Mbit/s`)],
  ['Kept from earlier', (g) => bytes(g.from[0])],
  ['From the own network', (g) => bytes(g.from[1])],
  ['From other listeners', (g) => bytes(g.from[2])],
  ['From the origin', (g) => bytes(g.from[3])],
  ['Not from the origin', (g) => percent(g.offload)],
];

/** Bytes that did not come from the origin. */
export const elsewhere = ({ shared }: Audience): number => shared.from[0] + shared.from[1] + shared.from[2];

/** What bytes cost at the provider's price; nothing where that is not known. */
export const cost = (bytes: number, price: number): string => (price > 0 ? `${((bytes / 1e9) * price).toFixed(2)} at your price` : '');

function saved(all: Audience, price: number): string {
  const money = cost(elsewhere(all), price);
  return `${bytes(elsewhere(all))} did not come from the origin${money === '' ? '' : `: ${money}`}.`;
}

export function AudienceBox({ price }: { price: number }) {
  const all = audience.value;
  if (all === null) return <p class="quiet">Nothing was reported yet.</p>;
  const { verdict, why, copies, shared, heldOut } = all;
  return (
    <>
      <table class="compared">
        <thead>
          <tr>
            <th scope="col">What they got</th>
            <th scope="col" class="number">
              With peers
            </th>
            <th scope="col" class="number">
              Held out
            </th>
          </tr>
        </thead>
        <tbody>
          {ROWS.map(([name, show]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{show(shared)}</td>
              <td class="number">{show(heldOut)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="quiet">
        {verdict === null ? `No verdict: ${why ?? 'nothing was reported'}.` : `Plays with peers are ${verdict} than held-out ones.`} {saved(all, price)}
        {copies === null ? '' : ` The origin sent ${copies.toFixed(2)} copies of what is published.`}
      </p>
    </>
  );
}
