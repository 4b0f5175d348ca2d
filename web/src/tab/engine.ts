// The engine, where it runs: a worker of its own, or the page where it can have none. The one file is both, and is loaded
// once.

import type { LinkNews } from './channels';
import { Desk, Guest, type Question } from './desk';
import { Kept, type Stock } from './kept';
import { Leading, SPEAKS } from './leading';
import { breath } from './line';
import { type Setup, Tab } from './tab';
import { Unavailable } from './taking';
import type { FromEngine, FromPage, Order, Wire } from './wire';

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class Served {
  private readonly page = new Guest((answer, transfer) => this.say(answer, transfer));
  /** Settles when it has started: what is asked before that waits, in its order. */
  private begun: Promise<{ readonly tab: Tab; readonly desk: Desk }> = Promise.reject(new Unavailable('it has not started'));
  private tab: Tab | null = null;
  private leading: Leading | null = null;

  constructor(private readonly wire: Wire) {
    this.begun.catch(() => {});
    wire.onmessage = ({ data }: MessageEvent<FromPage>) => {
      if ('load' in data) void this.load(data.load);
      else if ('news' in data) this.hear(data);
      else void this.answer(data, data.call);
    };
  }

  say(what: FromEngine, transfer: Transferable[] = []): void {
    this.wire.postMessage(what, transfer);
  }

  hear(news: LinkNews): void {
    this.tab?.linkNews(news);
  }

  private load(engine: WebAssembly.Module | string): Promise<void> {
    return Tab.load(engine).then(
      () => this.say({ loaded: null }),
      (error: unknown) => this.say({ loaded: words(error) }),
    );
  }

  private async answer(asked: Question | Order, call: number): Promise<void> {
    try {
      switch (asked.ask) {
        case 'hello':
          this.page.tell({ call, leads: this.leading !== null, leader: '', speaks: SPEAKS });
          return;
        case 'start':
          this.begun = this.start(asked.setup, asked.folder, asked.stock);
          await this.begun;
          break;
        case 'keep':
          await this.keep((await this.begun).tab, asked.folder, asked.stock);
          break;
        case 'lead':
          this.lead((await this.begun).desk, asked.folder, asked.leader);
          break;
        default:
          await (await this.begun).desk.hear(this.page, asked, call);
          return;
      }
      this.page.tell({ call, done: true });
    } catch (error) {
      this.page.tell({ call, trouble: words(error) });
    }
  }

  private async start(setup: Setup, folder: string, stock: Stock | null): Promise<{ tab: Tab; desk: Desk }> {
    // Each step is a task of its own: what runs for the first time is compiled then.
    await breath();
    const tab = Tab.start(setup, { links: (act, transfer) => this.say(act, transfer), ended: () => this.ended() });
    this.tab = tab;
    await breath();
    if (stock !== null) await this.keep(tab, folder, stock);
    await breath();
    return { tab, desk: new Desk(tab) };
  }

  private async keep(tab: Tab, folder: string, stock: Stock): Promise<void> {
    const kept = await Kept.open(folder).catch(() => null);
    // A browser that refuses it here keeps nothing, and memory does.
    if (kept !== null) tab.keeps(kept, stock);
  }

  private lead(desk: Desk, folder: string, leader: string): void {
    if (this.tab?.alive) this.leading = new Leading(folder, leader, desk);
  }

  /** Another tab may lead. */
  private ended(): void {
    this.leading?.close();
    this.leading = null;
    this.say({ over: true });
  }

  /** The page has no use for it. */
  end(): void {
    this.tab?.end();
  }
}

/** Serves a page at the other end of `wire`. */
export const serve = (wire: Wire): Served => new Served(wire);

/** A lock says that it lives: nothing else says that a worker was ended. */
function lives(served: Served): void {
  if (!('locks' in navigator)) return;
  const lock = crypto.randomUUID();
  const held = navigator.locks.request(lock, () => {
    served.say({ lives: lock });
    return new Promise<void>(() => {});
  });
  // Where a site's data are blocked, nothing says it.
  held.catch(() => {});
}

if (!('document' in globalThis)) {
  const served = serve(globalThis as unknown as Wire);
  served.say({ hello: { channels: 'RTCDataChannel' in globalThis } });
  lives(served);
}
