// What is asked of an engine, and who answers it: pages ask over messages, the own page and those of other tabs alike.

import type { Bytes, FileOf, Figures, Given, How, Shown } from './taking';
import type { Tab } from './tab';

export type Question =
  | { readonly ask: 'hello' }
  | { readonly ask: 'open'; readonly title: string }
  | { readonly ask: 'showed'; readonly play: number; readonly shown: Shown }
  | ({ readonly ask: 'read'; readonly play: number; readonly url: string; readonly start: number; readonly end: number } & How)
  /** So many more bytes of a read may be sent. */
  | { readonly ask: 'took'; readonly bytes: number }
  | { readonly ask: 'stop' }
  | { readonly ask: 'give'; readonly url: string; readonly start: number; readonly bytes: Bytes; readonly played: boolean }
  | { readonly ask: 'stopped'; readonly play: number }
  | { readonly ask: 'upcoming'; readonly titles: readonly string[] }
  | { readonly ask: 'share'; readonly on: boolean }
  | { readonly ask: 'clear' }
  | { readonly ask: 'catalogue'; readonly bytes: Uint8Array }
  | { readonly ask: 'figures' };

/** What is answered to the question of a number; a read's bytes to that of the read, as they come. */
export type Answer = { readonly call: number } & (
  | { readonly done: true }
  | { readonly files: readonly (readonly [string, FileOf])[] }
  | { readonly bytes: Bytes }
  /** With what the player of the read should take its line for. */
  | { readonly ended: Figures | null; readonly line?: number | undefined }
  | { readonly given: Given | null }
  | { readonly figures: Figures | null }
  | { readonly trouble: string }
  | { readonly leads: boolean; readonly leader: string; readonly speaks: number }
);

/** Bytes of a read that are sent before any of them was taken, and one piece more: what lies in messages at most. */
const WINDOW_BYTES = 256 * 1024;

/** A read that is under way. */
class Reading {
  private readonly controller = new AbortController();
  private room = WINDOW_BYTES;
  private more: () => void = () => {};

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  took(bytes: number): void {
    this.room += bytes;
    this.more();
  }

  /** So many are sent. Settles when there is room for more. */
  async sent(bytes: number): Promise<void> {
    this.room -= bytes;
    while (this.room <= 0 && !this.signal.aborted) await new Promise<void>((resolve) => (this.more = resolve));
  }

  stop(): void {
    this.controller.abort(new Error('not wanted'));
    this.more();
  }
}

/** Somebody who asks. */
export class Guest {
  /** The guest's numbers of plays, and the engine's. */
  readonly plays = new Map<number, number>();
  private readonly reads = new Map<number, Reading>();

  constructor(private readonly answer: (answer: Answer, transfer: Transferable[]) => void) {}

  tell(answer: Answer, transfer: Transferable[] = []): void {
    this.answer(answer, transfer);
  }

  /** Sends a read's bytes as they come, and says when it is over. */
  async read(call: number, play: number, read: (signal: AbortSignal) => AsyncGenerator<Bytes>, tab: Tab): Promise<void> {
    const reading = new Reading();
    this.reads.set(call, reading);
    try {
      for await (const bytes of read(reading.signal)) {
        const sent = reading.sent(bytes.length);
        this.tell({ call, bytes }, [bytes.buffer]);
        await sent;
      }
      this.tell({ call, ended: tab.figures() ?? null, line: tab.line(play) });
    } finally {
      this.reads.delete(call);
    }
  }

  took(call: number, bytes: number): void {
    this.reads.get(call)?.took(bytes);
  }

  stop(call: number): void {
    this.reads.get(call)?.stop();
  }

  gone(): void {
    for (const reading of this.reads.values()) reading.stop();
  }
}

/** Answers for an engine. */
export class Desk {
  private plays = 0;

  constructor(private readonly tab: Tab) {}

  /** Answers, and never fails. */
  async hear(guest: Guest, question: Question, call: number): Promise<void> {
    try {
      const answer = await this.answer(guest, question, call);
      if (answer !== undefined) guest.tell({ call, ...answer } as Answer);
    } catch (error) {
      guest.tell({ call, trouble: error instanceof Error ? error.message : String(error) });
    }
  }

  gone(guest: Guest): void {
    guest.gone();
    for (const play of guest.plays.values()) this.tab.stopped(play);
  }

  private play(guest: Guest, number: number): number {
    const known = guest.plays.get(number) ?? ++this.plays;
    guest.plays.set(number, known);
    return known;
  }

  private async answer(guest: Guest, question: Question, call: number): Promise<object | undefined> {
    const { tab } = this;
    switch (question.ask) {
      case 'hello':
        return undefined;
      case 'open':
        await tab.open(question.title);
        return { files: tab.filesOf(question.title) };
      case 'read': {
        const { url, start, end, whole, rate } = question;
        const play = this.play(guest, question.play);
        await guest.read(call, play, (signal) => tab.read(play, url, start, end, { whole, rate }, signal), tab);
        return undefined;
      }
      case 'took':
        guest.took(call, question.bytes);
        return undefined;
      case 'stop':
        guest.stop(call);
        return undefined;
      case 'give':
        return { given: (await tab.give(question.url, question.start, question.bytes, question.played)) ?? null };
      case 'figures':
        return { figures: tab.figures() ?? null };
      case 'showed':
        tab.showed(this.play(guest, question.play), question.shown);
        return undefined;
      case 'stopped':
        tab.stopped(this.play(guest, question.play));
        guest.plays.delete(question.play);
        return undefined;
      case 'upcoming':
        tab.upcoming(question.titles);
        return undefined;
      case 'share':
        tab.share(question.on);
        return undefined;
      case 'clear':
        tab.clear();
        return undefined;
      case 'catalogue':
        tab.catalogue(question.bytes);
        return undefined;
    }
  }
}
