// What the tabs of a site say to each other: those that follow ask, the one that leads answers. Over channels by name,
// which need neither a worker nor a server: one that the leader listens to, and one for each that follows.

import type { FileOf, Figures, Given, Shown } from './taking';
import type { Tab } from './tab';

export type Question =
  | { readonly ask: 'hello' }
  | { readonly ask: 'open'; readonly title: string }
  | { readonly ask: 'showed'; readonly play: number; readonly shown: Shown }
  | { readonly ask: 'read'; readonly play: number; readonly url: string; readonly start: number; readonly end: number; readonly whole: boolean }
  | { readonly ask: 'pull' }
  | { readonly ask: 'stop' }
  | { readonly ask: 'give'; readonly url: string; readonly start: number; readonly bytes: Uint8Array; readonly played: boolean }
  | { readonly ask: 'stopped'; readonly play: number }
  | { readonly ask: 'upcoming'; readonly titles: readonly string[] }
  | { readonly ask: 'share'; readonly on: boolean }
  | { readonly ask: 'clear' }
  | { readonly ask: 'catalogue'; readonly bytes: Uint8Array }
  | { readonly ask: 'figures' };

/** A question of one tab to the one that leads. Those about a read have its number; a `hello` is for whoever leads. */
export type Asking = Question & { readonly from: string; readonly to: string; readonly call: number };

export type Answer = { readonly call: number } & (
  | { readonly files: readonly (readonly [string, FileOf])[] }
  | { readonly bytes: Uint8Array<ArrayBuffer> | null }
  | { readonly given: Given | null }
  | { readonly figures: Figures | null }
  | { readonly trouble: string }
  | { readonly leads: boolean; readonly leader: string }
);

export const deskOf = (site: string): string => `nearcast ${site}`;
export const seatOf = (site: string, tab: string): string => `nearcast ${site} ${tab}`;

interface Reading {
  readonly pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>;
  readonly controller: AbortController;
}

/** A tab that follows. */
class Guest {
  readonly plays = new Map<number, number>();
  readonly reads = new Map<number, Reading>();
  private readonly seat: BroadcastChannel;

  constructor(site: string, tab: string) {
    this.seat = new BroadcastChannel(seatOf(site, tab));
  }

  tell(answer: Answer): void {
    this.seat.postMessage(answer);
  }

  async stop(call: number): Promise<void> {
    const reading = this.reads.get(call);
    this.reads.delete(call);
    reading?.controller.abort(new Error('not wanted'));
    await reading?.pieces.return(undefined).catch(() => {});
  }

  close(): void {
    for (const call of [...this.reads.keys()]) void this.stop(call);
    this.seat.close();
  }
}

/** Answers the tabs that follow, from here on: that it starts, and once it leads, all else. */
export class Desk {
  private readonly channel: BroadcastChannel;
  private readonly guests = new Map<string, Guest>();
  /** What is asked of another leader is not answered here: that one may have been frozen, and hear it later. */
  private readonly id = crypto.randomUUID();
  private tab: Tab | null = null;

  constructor(
    private readonly site: string,
    /** Numbers plays, the own ones and those of others. */
    private readonly nextPlay: () => number,
  ) {
    this.channel = new BroadcastChannel(deskOf(site));
    this.channel.onmessage = ({ data }: MessageEvent<Asking>) => void this.hear(data);
  }

  leads(tab: Tab): void {
    this.tab = tab;
  }

  /** Another tab leads. */
  close(): void {
    this.channel.close();
    for (const guest of this.guests.values()) guest.close();
    this.guests.clear();
  }

  private guest(from: string): Guest {
    const known = this.guests.get(from);
    if (known !== undefined) return known;
    const guest = new Guest(this.site, from);
    this.guests.set(from, guest);
    // It holds this lock for as long as it lives.
    void navigator.locks.request(seatOf(this.site, from), () => this.gone(from));
    return guest;
  }

  private gone(from: string): void {
    const guest = this.guests.get(from);
    this.guests.delete(from);
    guest?.close();
    for (const play of guest?.plays.values() ?? []) this.tab?.stopped(play);
  }

  private play(guest: Guest, number: number): number {
    const known = guest.plays.get(number) ?? this.nextPlay();
    guest.plays.set(number, known);
    return known;
  }

  private async hear(asking: Asking): Promise<void> {
    const { from, call } = asking;
    if (typeof from !== 'string' || typeof call !== 'number') return;
    const { tab } = this;
    if (asking.ask !== 'hello' && (asking.to !== this.id || tab === null)) return;
    const guest = this.guest(from);
    try {
      const answer = asking.ask === 'hello' || tab === null ? { leads: tab?.alive === true, leader: this.id } : await this.answer(tab, guest, asking);
      if (answer !== undefined) guest.tell({ call, ...answer } as Answer);
    } catch (error) {
      guest.tell({ call, trouble: error instanceof Error ? error.message : String(error) });
    }
  }

  private async answer(tab: Tab, guest: Guest, asking: Exclude<Asking, { ask: 'hello' }>): Promise<object | undefined> {
    switch (asking.ask) {
      case 'open':
        await tab.open(asking.title);
        return { files: tab.filesOf(asking.title) };
      case 'read': {
        const controller = new AbortController();
        const { url, start, end, whole } = asking;
        const pieces = tab.read(this.play(guest, asking.play), url, start, end, whole, controller.signal);
        guest.reads.set(asking.call, { pieces, controller });
        return undefined;
      }
      case 'pull': {
        const piece = await guest.reads.get(asking.call)?.pieces.next();
        return { bytes: piece?.value ?? null };
      }
      case 'stop':
        await guest.stop(asking.call);
        return undefined;
      case 'give':
        return { given: (await tab.give(asking.url, asking.start, asking.bytes, asking.played)) ?? null };
      case 'figures':
        return { figures: tab.figures() ?? null };
      case 'showed':
        tab.showed(this.play(guest, asking.play), asking.shown);
        return undefined;
      case 'stopped':
        tab.stopped(this.play(guest, asking.play));
        guest.plays.delete(asking.play);
        return undefined;
      case 'upcoming':
        tab.upcoming(asking.titles);
        return undefined;
      case 'share':
        tab.share(asking.on);
        return undefined;
      case 'clear':
        tab.clear();
        return undefined;
      case 'catalogue':
        tab.catalogue(asking.bytes);
        return undefined;
    }
  }
}
