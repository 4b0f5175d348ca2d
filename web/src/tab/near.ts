// The page's own engine: in a worker, so that nothing of it keeps the page from playing; in the page where a worker cannot
// be had, as for a script of another server. The same code either way, and never both.

import engine from './engine?worker&url';
import wasm from '../../wasm/tab.wasm?url';
import { Asker } from './asker';
import type { Question } from './desk';
import type { serve } from './engine';
import type { Stock } from './kept';
import { Links } from './links';
import type { Setup } from './tab';
import { Unavailable } from './taking';
import type { FromEngine, FromPage, Order, Wire } from './wire';

/** How often it is greeted without an answer before it counts as gone: 5 s, since a busy machine may be that slow. */
const HELLOS = 25;

/** Where an engine runs, and loads. */
interface Place {
  readonly wire: Wire;
  /** Hands a channel to it; false when that cannot be. */
  hands(link: number, channel: RTCDataChannel): boolean;
  end(): void;
}

/** Compiles the engine beside whatever is to run it, which is on its way itself. Where that cannot be, what runs it fetches it
 * and says why. */
async function compiled(): Promise<WebAssembly.Module | string> {
  try {
    return await WebAssembly.compileStreaming(fetch(wasm, { credentials: 'same-origin' }));
  } catch {
    return wasm;
  }
}

/** A worker that runs; null where there can be none. `failed` is called when it fails later, and why. */
function inWorker(failed: (why: string) => void): Promise<Place | null> {
  let worker: Worker;
  try {
    worker = new Worker(engine, { type: 'module', name: 'nearcast' });
  } catch {
    return Promise.resolve(null);
  }
  return new Promise((resolve) => {
    let runs = false;
    worker.onerror = (event) => {
      // Otherwise it counts as an error of the page's, which it is not.
      event.preventDefault();
      worker.terminate();
      if (runs) failed(event.message);
      else resolve(null);
    };
    worker.onmessage = ({ data }: MessageEvent<FromEngine>) => {
      if (!('hello' in data)) return;
      runs = true;
      const { channels } = data.hello;
      const hands = (link: number, channel: RTCDataChannel): boolean => channels && handed(worker, link, channel);
      resolve({ wire: worker, hands, end: () => worker.terminate() });
    };
  });
}

function handed(worker: Worker, link: number, channel: RTCDataChannel): boolean {
  const news: FromPage = { link, news: 'channel', channel };
  try {
    worker.postMessage(news, [channel as unknown as Transferable]);
    return true;
  } catch {
    return false;
  }
}

async function inPage(): Promise<Place> {
  const loaded = (await import(/* webpackIgnore: true */ /* @vite-ignore */ engine)) as { serve: typeof serve };
  const { port1, port2 } = new MessageChannel();
  const served = loaded.serve(port2);
  const hands = (link: number, channel: RTCDataChannel): boolean => (served.hear({ link, news: 'channel', channel }), true);
  return { wire: port1, hands, end: () => (served.end(), port1.close()) };
}

export class Near extends Asker {
  private place: Place | null = null;
  private settle: (trouble: string | null) => void = () => {};
  private readonly links = new Links(
    (news, transfer) => this.say(news, transfer),
    (link, channel) => this.place?.hands(link, channel) ?? false,
  );

  private constructor(private readonly ended: () => void) {
    super();
  }

  /** Loads the engine; it is started then. `ended` is called when it ends by itself. */
  static async load(ended: () => void): Promise<Near> {
    const near = new Near(ended);
    const loaded = new Promise<string | null>((resolve) => (near.settle = resolve));
    const compiling = compiled();
    near.place = (await inWorker((why) => near.fails(why))) ?? (await inPage());
    near.place.wire.onmessage = ({ data }: MessageEvent<FromEngine>) => near.heard(data);
    near.say({ load: await compiling }, []);
    const trouble = await loaded;
    if (trouble === null) return near;
    near.end();
    throw new Unavailable(trouble);
  }

  private heard(data: FromEngine): void {
    if ('act' in data) this.links.carry(data);
    else if ('loaded' in data) this.settle(data.loaded);
    else if ('lives' in data) void navigator.locks.request(data.lives, () => this.fails('its worker was ended'));
    else if ('over' in data) this.over();
    else if ('call' in data) this.hear(data);
  }

  private say(what: FromPage, transfer: Transferable[]): void {
    if (this.alive) this.place?.wire.postMessage(what, transfer);
  }

  protected post(question: Question | Order, call: number, transfer: Transferable[]): void {
    this.say({ ...question, call }, transfer);
  }

  private async order(order: Order): Promise<void> {
    const answer = await this.ask(order);
    if ('trouble' in answer) throw new Unavailable(answer.trouble);
  }

  /** Starts it, and has it keep what plays where there is a stock. Fails when it refuses the catalogue. */
  start(setup: Setup, folder: string, stock: Stock | null): Promise<void> {
    return this.order({ ask: 'start', setup, folder, stock });
  }

  keep(folder: string, stock: Stock): Promise<void> {
    return this.order({ ask: 'keep', folder, stock });
  }

  /** Answers the tabs that follow, from here on. */
  lead(folder: string, leader: string): Promise<void> {
    return this.order({ ask: 'lead', folder, leader });
  }

  protected async there(): Promise<boolean> {
    return (await this.hello(HELLOS)) !== null;
  }

  protected silent(): void {
    this.fails('it does not answer');
  }

  private fails(why: string): void {
    if (!this.alive) return;
    console.warn('nearcast: this tab goes on without sharing:', why);
    this.over();
  }

  private over(): void {
    if (!this.alive) return;
    this.end();
    this.ended();
  }

  /** It takes no part any more: what is being read fails, and players go on from the server. */
  end(): void {
    if (!this.alive) return;
    this.passOn(null);
    this.settle('it has ended');
    this.links.closeAll();
    this.place?.end();
  }
}
