// How the tabs of a site find the one that leads, and ask it: over channels by name, which need no server. The one that
// leads listens to one, and each that follows to one of its own.

import { type Answer, type Desk, Guest, type Question } from './desk';

/** A question of one tab to the one that leads. Those about a read have its number; a `hello` is for whoever leads. */
export type Asking = Question & { readonly from: string; readonly to: string; readonly call: number };

/** How tabs speak. One that speaks otherwise, since its page is older or newer, is not asked. */
export const SPEAKS = 2;

export const deskOf = (site: string): string => `nearcast ${site}`;
export const seatOf = (site: string, tab: string): string => `nearcast ${site} ${tab}`;

/** Says to those who look for a tab that leads that this one is about to. Answers with how to end that. */
export function saysStarting(site: string, leader: string): () => void {
  const channel = new BroadcastChannel(deskOf(site));
  channel.onmessage = ({ data: { ask, from, call } }: MessageEvent<Asking>) => {
    if (ask !== 'hello') return;
    const seat = new BroadcastChannel(seatOf(site, from));
    seat.postMessage({ call, leads: false, leader, speaks: SPEAKS } satisfies Answer);
    seat.close();
  };
  return () => channel.close();
}

interface Follower {
  readonly guest: Guest;
  readonly seat: BroadcastChannel;
}

/** Answers the tabs that follow. */
export class Leading {
  private readonly channel: BroadcastChannel;
  private readonly followers = new Map<string, Follower>();

  constructor(
    private readonly site: string,
    /** What is asked of another leader is not answered here: that one may have been frozen, and hear it later. */
    private readonly leader: string,
    private readonly desk: Desk,
  ) {
    this.channel = new BroadcastChannel(deskOf(site));
    this.channel.onmessage = ({ data }: MessageEvent<Asking>) => this.hear(data);
  }

  close(): void {
    this.channel.close();
    for (const from of [...this.followers.keys()]) this.gone(from);
  }

  private hear(asking: Asking): void {
    const { ask, from, to, call } = asking;
    if (typeof from !== 'string' || typeof call !== 'number') return;
    if (ask !== 'hello' && to !== this.leader) return;
    const { guest } = this.follower(from);
    if (ask === 'hello') guest.tell({ call, leads: true, leader: this.leader, speaks: SPEAKS });
    else void this.desk.hear(guest, asking, call);
  }

  private follower(from: string): Follower {
    const known = this.followers.get(from);
    if (known !== undefined) return known;
    const seat = new BroadcastChannel(seatOf(this.site, from));
    // What an engine that ended still says is not for others: they ask whoever leads next.
    const guest = new Guest((answer) => this.followers.has(from) && seat.postMessage(answer));
    const follower = { seat, guest };
    this.followers.set(from, follower);
    // It holds this lock for as long as it lives.
    void navigator.locks.request(seatOf(this.site, from), () => this.gone(from));
    return follower;
  }

  private gone(from: string): void {
    const follower = this.followers.get(from);
    if (follower === undefined) return;
    this.followers.delete(from);
    this.desk.gone(follower.guest);
    follower.seat.close();
  }
}
