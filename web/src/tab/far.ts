// A tab that follows: another tab of the site leads, has the peers and the cache, and is asked for everything. When that
// one is closed, what is being read goes on with whoever comes next.

import { Asker, HELLO_MS, pause } from './asker';
import type { Answer, Question } from './desk';
import { type Asking, deskOf, seatOf, SPEAKS } from './leading';
import type { Taking } from './taking';
import type { Order } from './wire';

/** How long the leader may take to start. */
const PATIENCE_MS = 3000;
/** How long it may take to say that it is there. One that the browser froze says nothing; one in the background does. */
export const SILENT_MS = 2000;

/** Nobody answers, though somebody leads. */
export const NOBODY = 'nobody';

export class Far extends Asker {
  private readonly id = crypto.randomUUID();
  private readonly desk: BroadcastChannel;
  private readonly seat: BroadcastChannel;
  private leader = '';
  /** Ends what the leader learns from that this tab is gone. */
  private leave: () => void = () => {};
  private readonly held: Promise<void>;

  private constructor(
    site: string,
    private readonly isSilent: (far: Far) => void,
  ) {
    super();
    this.desk = new BroadcastChannel(deskOf(site));
    this.seat = new BroadcastChannel(seatOf(site, this.id));
    this.seat.onmessage = ({ data }: MessageEvent<Answer>) => this.hear(data);
    // The leader must not get it before.
    this.held = new Promise((resolve) => {
      void navigator.locks.request(seatOf(site, this.id), () => {
        resolve();
        return new Promise<void>((left) => (this.leave = left));
      });
    });
  }

  /** Finds the tab that leads, if one answers within `millis`; null when it takes long to start, or speaks otherwise.
   * `silent` is called when it answers no more. */
  static async meet(site: string, millis: number, silent: (far: Far) => void): Promise<Far | typeof NOBODY | null> {
    const far = new Far(site, silent);
    await far.held;
    let met = await far.meets(millis);
    for (const end = performance.now() + PATIENCE_MS; met === 'starting' && performance.now() < end; ) {
      await pause(HELLO_MS);
      met = await far.meets(millis);
    }
    if (met === 'leads') return far;
    far.end(null);
    return met === null ? NOBODY : null;
  }

  private async meets(millis: number): Promise<'leads' | 'starting' | 'strange' | null> {
    const answer = await this.hello(millis / HELLO_MS);
    if (answer === null) return null;
    if (answer.speaks !== SPEAKS) return 'strange';
    if (answer.leads) this.leader = answer.leader;
    return answer.leads ? 'leads' : 'starting';
  }

  /** Another one that leads by now knows nothing of what was asked. */
  protected async there(): Promise<boolean> {
    return (await this.hello(SILENT_MS / HELLO_MS))?.leader === this.leader;
  }

  protected silent(): void {
    this.isSilent(this);
  }

  /** The leader is gone, and `next` takes its place: what is being read goes on there. */
  handOver(next: Taking): void {
    this.end(next);
  }

  private end(next: Taking | null): void {
    this.passOn(next);
    this.leave();
    this.desk.close();
    this.seat.close();
  }

  protected post(question: Question | Order, call: number): void {
    this.desk.postMessage({ ...question, from: this.id, to: this.leader, call } as Asking);
  }
}
