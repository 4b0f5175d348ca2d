// A tab that follows: another tab of the site leads, has the peers and the cache, and is asked for everything. When that
// one is closed, what is being read goes on with whoever comes next.

import { type Answer, type Asking, deskOf, type Question, seatOf } from './desk';
import { aborted, type FileOf, type Figures, type Given, type Shown, type Taking, Unavailable } from './taking';

/** How long the leader may take to start. */
const PATIENCE_MS = 3000;
/** How long it may take to say that it is there. One that the browser froze says nothing; one in the background does. */
export const SILENT_MS = 2000;
const HELLO_MS = 200;
/** Between two looks at a leader that owes an answer. */
const CHECK_MS = 1000;

/** Nobody answers, though somebody leads. */
export const NOBODY = 'nobody';

const pause = (millis: number): Promise<null> => new Promise((resolve) => setTimeout(() => resolve(null), millis));

export class Far implements Taking {
  private readonly id = crypto.randomUUID();
  private readonly desk: BroadcastChannel;
  private readonly seat: BroadcastChannel;
  private readonly calls = new Map<number, (answer: Answer) => void>();
  private readonly files = new Map<string, FileOf>();
  private last = 0;
  private leader = '';
  private watching = false;
  private latest: Figures | undefined;
  /** Who comes next. */
  private follow: (next: Taking) => void = () => {};
  private readonly next = new Promise<Taking>((resolve) => (this.follow = resolve));
  private over = false;
  private readonly held: Promise<void>;

  private constructor(
    site: string,
    private readonly silent: (far: Far) => void,
  ) {
    this.desk = new BroadcastChannel(deskOf(site));
    this.seat = new BroadcastChannel(seatOf(site, this.id));
    this.seat.onmessage = ({ data }: MessageEvent<Answer>) => {
      const settle = this.calls.get(data.call);
      this.calls.delete(data.call);
      settle?.(data);
    };
    // The leader learns from it when this tab is gone, and so must not get it before.
    this.held = new Promise((resolve) => {
      void navigator.locks.request(seatOf(site, this.id), () => {
        resolve();
        return this.next;
      });
    });
  }

  /** Finds the tab that leads, if one answers within `millis`; null when it takes long to start. `silent` is called when it answers no more. */
  static async meet(site: string, millis: number, silent: (far: Far) => void): Promise<Far | typeof NOBODY | null> {
    const far = new Far(site, silent);
    await far.held;
    let met = await far.hello(millis);
    for (const end = performance.now() + PATIENCE_MS; met === 'starting' && performance.now() < end; ) {
      await pause(HELLO_MS);
      met = await far.hello(millis);
    }
    if (met === 'leads') return far;
    far.end();
    return met === 'starting' ? null : NOBODY;
  }

  /** Asks whether anybody leads, until somebody answers. */
  private async hello(millis: number): Promise<'leads' | 'starting' | null> {
    for (const end = performance.now() + millis; performance.now() < end; ) {
      const call = ++this.last;
      const answer = await Promise.race([this.call({ ask: 'hello' }, call), pause(HELLO_MS)]);
      this.calls.delete(call);
      if (answer === null || !('leads' in answer)) continue;
      // Another one leads by now, who knows nothing of what was asked.
      if (this.leader !== '' && answer.leader !== this.leader) return null;
      if (answer.leads) this.leader = answer.leader;
      return answer.leads ? 'leads' : 'starting';
    }
    return null;
  }

  /** Looks whether the leader lives, as long as it owes an answer. */
  private async watch(): Promise<void> {
    if (this.watching) return;
    this.watching = true;
    while (!this.over && this.calls.size > 0) {
      await pause(CHECK_MS);
      if (this.over || this.calls.size === 0) break;
      if ((await this.hello(SILENT_MS)) === null && !this.over) {
        this.silent(this);
        return;
      }
    }
    this.watching = false;
  }

  get alive(): boolean {
    return !this.over;
  }

  /** The leader is gone, and `next` takes its place: what is being read goes on there. */
  handOver(next: Taking): void {
    this.over = true;
    this.follow(next);
    this.close();
  }

  /** It was met in vain. */
  private end(): void {
    this.over = true;
    this.follow(this);
    this.close();
  }

  private close(): void {
    this.desk.close();
    this.seat.close();
  }

  private tell(question: Question, call = 0): void {
    if (!this.over) this.desk.postMessage({ ...question, from: this.id, to: this.leader, call } satisfies Asking);
  }

  /** Never settles when the leader goes before it answers. */
  private call(question: Question, call = ++this.last): Promise<Answer> {
    const answered = new Promise<Answer>((resolve) => this.calls.set(call, resolve));
    this.tell(question, call);
    return answered;
  }

  /** What the leader answers, or who comes next when it went. */
  private ask(question: Question, call?: number): Promise<Answer | Taking> {
    queueMicrotask(() => void this.watch());
    return Promise.race([this.call(question, call), this.next]);
  }

  async open(title: string): Promise<void> {
    const answer = await this.ask({ ask: 'open', title });
    if ('open' in answer) return answer.open(title);
    if ('trouble' in answer) throw new Unavailable(answer.trouble);
    if ('files' in answer) for (const [url, file] of answer.files) this.files.set(url, file);
  }

  fileAt(url: string): FileOf | undefined {
    return this.files.get(url);
  }

  async *read(play: number, url: string, start: number, end: number, whole: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const call = ++this.last;
    this.tell({ ask: 'read', play, url, start, end, whole }, call);
    let at = start;
    try {
      while (true) {
        signal.throwIfAborted();
        const answer = await Promise.race([this.ask({ ask: 'pull' }, call), aborted(signal)]);
        if ('open' in answer) {
          yield* answer.read(play, url, at, end, whole, signal);
          return;
        }
        if (!('bytes' in answer)) throw new Unavailable();
        if (answer.bytes === null) return;
        at += answer.bytes.length;
        yield answer.bytes;
      }
    } finally {
      this.calls.delete(call);
      this.tell({ ask: 'stop' }, call);
    }
  }

  async give(url: string, start: number, bytes: Uint8Array, played: boolean): Promise<Given | undefined> {
    const answer = await this.ask({ ask: 'give', url, start, bytes, played });
    if ('open' in answer) return answer.give(url, start, bytes, played);
    return 'given' in answer ? (answer.given ?? undefined) : undefined;
  }

  showed(play: number, shown: Shown): void {
    this.tell({ ask: 'showed', play, shown });
  }

  stopped(play: number): void {
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

  /** As the leader told last: asking is what brings the next ones. */
  figures(): Figures | undefined {
    void this.ask({ ask: 'figures' }).then((answer) => {
      if (!('open' in answer) && 'figures' in answer) this.latest = answer.figures ?? undefined;
    });
    return this.latest;
  }
}
