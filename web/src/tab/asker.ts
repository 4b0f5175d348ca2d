// Asks an engine that is elsewhere: in a worker beside the page, or behind another tab.

import type { Answer, Question } from './desk';
import type { Order } from './wire';
import { type Bytes, type FileOf, type Figures, type Given, type How, type Shown, type Taking, Unavailable } from './taking';

/** Between two looks at one that owes an answer. */
const CHECK_MS = 1000;
/** Between two hellos. */
export const HELLO_MS = 200;

export const pause = (millis: number): Promise<null> => new Promise((resolve) => setTimeout(() => resolve(null), millis));

/** What has come for one question; null when nothing will come any more. */
class Inbox {
  private readonly all: (Answer | Taking | null)[] = [];
  private wake: () => void = () => {};

  put(what: Answer | Taking | null): void {
    this.all.push(what);
    this.wake();
  }

  async take(signal?: AbortSignal): Promise<Answer | Taking | null> {
    for (;;) {
      signal?.throwIfAborted();
      const first = this.all.shift();
      if (first !== undefined) return first;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** Whoever waits looks at its signal. */
  readonly stir = (): void => this.wake();
}

const isNext = (what: Answer | Taking): what is Taking => 'open' in what;

export abstract class Asker implements Taking {
  latest: Figures | undefined;
  private readonly inboxes = new Map<number, Inbox>();
  private readonly files = new Map<string, FileOf>();
  private readonly lines = new Map<number, number | undefined>();
  private lastCall = 0;
  /** Questions that are not answered yet. */
  private owed = 0;
  private watching = false;
  /** Who goes on with what was asked once this is over; null when nobody does. */
  private next: Taking | null | undefined;

  protected abstract post(question: Question | Order, call: number, transfer: Transferable[]): void;
  /** Looks whether it is there at all. */
  protected abstract there(): Promise<boolean>;
  /** It is not. */
  protected abstract silent(): void;

  get alive(): boolean {
    return this.next === undefined;
  }

  protected hear(answer: Answer): void {
    if ('figures' in answer) this.latest = answer.figures ?? undefined;
    if ('ended' in answer) this.latest = answer.ended ?? undefined;
    this.inboxes.get(answer.call)?.put(answer);
  }

  /** It is over. What is being asked goes on with `next`, or fails. */
  protected passOn(next: Taking | null): void {
    if (!this.alive) return;
    this.next = next;
    this.files.clear();
    for (const inbox of this.inboxes.values()) inbox.put(next);
  }

  protected tell(question: Question | Order, call = 0, transfer: Transferable[] = []): void {
    if (this.alive) this.post(question, call, transfer);
  }

  private inbox(call: number): Inbox {
    const inbox = new Inbox();
    if (this.next !== undefined) inbox.put(this.next);
    this.inboxes.set(call, inbox);
    return inbox;
  }

  /** An answer, or who comes next. */
  private async answer(inbox: Inbox, signal?: AbortSignal): Promise<Answer | Taking> {
    this.owed += 1;
    void this.watch();
    try {
      const came = await inbox.take(signal);
      if (came === null) throw new Unavailable();
      return came;
    } finally {
      this.owed -= 1;
    }
  }

  protected async ask(question: Question | Order, transfer: Transferable[] = []): Promise<Answer | Taking> {
    const call = ++this.lastCall;
    const inbox = this.inbox(call);
    this.tell(question, call, transfer);
    try {
      return await this.answer(inbox);
    } finally {
      this.inboxes.delete(call);
    }
  }

  /** Says hello until it is answered, so many times at most: by count, for a page that slept has waited for nobody. */
  protected async hello(times: number): Promise<Extract<Answer, { leads: boolean }> | null> {
    for (let n = 0; n < times && this.alive; n++) {
      const call = ++this.lastCall;
      const inbox = this.inbox(call);
      this.tell({ ask: 'hello' }, call);
      const answer = await Promise.race([inbox.take(), pause(HELLO_MS)]);
      this.inboxes.delete(call);
      if (answer !== null && 'leads' in answer) return answer;
    }
    return null;
  }

  /** Looks whether it lives, as long as it owes an answer. */
  private async watch(): Promise<void> {
    if (this.watching) return;
    this.watching = true;
    while (this.alive && this.owed > 0) {
      await pause(CHECK_MS);
      if (!this.alive || this.owed === 0) break;
      if (!(await this.there()) && this.alive) {
        this.silent();
        return;
      }
    }
    this.watching = false;
  }

  async open(title: string): Promise<void> {
    const answer = await this.ask({ ask: 'open', title });
    if (isNext(answer)) return answer.open(title);
    if ('trouble' in answer) throw new Unavailable(answer.trouble);
    if ('files' in answer && this.alive) for (const [url, file] of answer.files) this.files.set(url, file);
  }

  fileAt(url: string): FileOf | undefined {
    return this.files.get(url);
  }

  async *read(play: number, url: string, start: number, end: number, how: How, signal: AbortSignal): AsyncGenerator<Bytes> {
    const call = ++this.lastCall;
    const inbox = this.inbox(call);
    signal.addEventListener('abort', inbox.stir);
    this.tell({ ask: 'read', play, url, start, end, ...how }, call);
    let at = start;
    try {
      while (true) {
        const answer = await this.answer(inbox, signal);
        if (isNext(answer)) {
          yield* answer.read(play, url, at, end, how, signal);
          return;
        }
        if ('ended' in answer) {
          this.lines.set(play, answer.line);
          return;
        }
        if (!('bytes' in answer)) throw new Unavailable('trouble' in answer ? answer.trouble : undefined);
        const { length } = answer.bytes;
        at += length;
        yield answer.bytes;
        this.tell({ ask: 'took', bytes: length }, call);
      }
    } finally {
      signal.removeEventListener('abort', inbox.stir);
      this.inboxes.delete(call);
      this.tell({ ask: 'stop' }, call);
    }
  }

  line(play: number): number | undefined {
    return this.lines.get(play);
  }

  async give(url: string, start: number, bytes: Bytes, played: boolean): Promise<Given | undefined> {
    const answer = await this.ask({ ask: 'give', url, start, bytes, played }, [bytes.buffer]);
    // What was moved there is lost with it.
    if (isNext(answer)) return bytes.length > 0 ? answer.give(url, start, bytes, played) : undefined;
    return 'given' in answer ? (answer.given ?? undefined) : undefined;
  }

  showed(play: number, shown: Shown): void {
    this.tell({ ask: 'showed', play, shown });
  }

  stopped(play: number): void {
    this.lines.delete(play);
    this.tell({ ask: 'stopped', play });
  }

  upcoming(titles: readonly string[]): void {
    this.tell({ ask: 'upcoming', titles });
  }

  share(on: boolean): void {
    this.tell({ ask: 'share', on });
  }

  clear(): void {
    this.tell({ ask: 'clear' });
  }

  catalogue(bytes: Uint8Array): void {
    this.tell({ ask: 'catalogue', bytes });
  }

  async figures(): Promise<Figures | undefined> {
    const answer = await this.ask({ ask: 'figures' });
    return isNext(answer) ? answer.figures() : this.latest;
  }
}
