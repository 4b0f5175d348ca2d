// This tab as a peer: drives the engine in WebAssembly and carries out what it wants. Nothing is decided here. It runs in a
// worker or in the page, and does what it does in the same way.
//
// Whatever goes wrong in here ends the tab's part for good: reads fail, and players go on from the server.

import init, { type Act, Tab as Engine } from '../../wasm/tab.js';
import { Kind } from './acts';
import { Channels, type LinkAct, type LinkNews } from './channels';
import type { Kept, Stock } from './kept';
import { type Bytes, type FileOf, type Figures, type Given, type How, type Shown, Unavailable } from './taking';

export interface Setup {
  /** Folder of the site. */
  readonly site: string;
  readonly supernode: string;
  /** The device's secret, 32 bytes. */
  readonly secret: Uint8Array;
  readonly shares: boolean;
  /** Bytes of media held in memory. */
  readonly budget: number;
  readonly catalogue: Uint8Array;
  /** What it will ask for first, by address: fetched while it loaded. */
  readonly documents: ReadonlyMap<string, Bytes>;
}

const STATES = ['off', 'near', 'on'] as const;
const KEEPING = ['no', 'browser', 'full'] as const;
/** A timer's range ends before that of the engine's times. */
const LONGEST_MS = 3_600_000;

/** Where it is. */
export interface Around {
  /** Carries out what is wanted of connections. */
  links(act: LinkAct, transfer: Transferable[]): void;
  /** It takes no part any more. */
  ended(): void;
}

export class Tab {
  private readonly fetches = new Map<number, AbortController>();
  private readonly opening = new Map<string, { resolve(): void; reject(why: Error): void }[]>();
  private readonly waiting = new Map<number, () => void>();
  private readonly given = new Map<number, (what: Given) => void>();
  private readonly links: Channels;
  /** Each is for one request. */
  private readonly documents: Map<string, Bytes>;
  private kept: Kept | null = null;
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pumping = false;
  private dead = false;

  private constructor(
    private readonly engine: Engine,
    private readonly around: Around,
    documents: ReadonlyMap<string, Bytes>,
  ) {
    this.documents = new Map(documents);
    this.links = new Channels((act, transfer) => around.links(act, transfer), {
      described: (link, text) => this.tell((e, now) => e.described(now, link, text)),
      candidate: (link, text, section) => this.tell((e, now) => e.candidate(now, link, text, section)),
      opened: (link) => this.tell((e, now) => e.channel_opened(now, link)),
      closed: (link) => this.tell((e, now) => e.channel_closed(now, link)),
      packet: (link, bytes) => this.tell((e, now) => e.packet(now, link, bytes)),
      waiting: (link, bytes) => this.tell((e, now) => e.waiting(now, link, bytes)),
    });
    this.pump();
  }

  /** Makes the engine ready; one that lies at an address is fetched first. */
  static async load(engine: WebAssembly.Module | string): Promise<void> {
    await init({ module_or_path: typeof engine === 'string' ? fetch(engine, { credentials: 'same-origin' }) : engine });
  }

  /** Starts, once it is loaded. */
  static start(setup: Setup, around: Around): Tab {
    const entropy = new Uint8Array(64);
    entropy.set(setup.secret);
    crypto.getRandomValues(entropy.subarray(32));
    const { site, supernode, budget, shares, catalogue, documents } = setup;
    const engine = new Engine(performance.now(), Date.now() / 1000, site, supernode, entropy, budget, shares, catalogue);
    return new Tab(engine, around, documents);
  }

  /** From here on what plays is kept. */
  keeps(kept: Kept, { keys, budget }: Stock): void {
    this.kept = kept;
    this.tell((e, now) => e.keeps(now, [...keys], budget));
  }

  /** Something happened to a connection. */
  linkNews(news: LinkNews): void {
    this.links.hear(news);
  }

  /** Has bytes of a file checked that the page fetched by itself. Nothing when nothing can be said of them. */
  async give(url: string, start: number, bytes: Uint8Array, played: boolean): Promise<Given | undefined> {
    const id = this.ask((e, now) => e.give(now, url, start, bytes, played));
    if (id === undefined) return undefined;
    const settled = new Promise<Given>((resolve) => this.given.set(id, resolve));
    this.pump();
    return settled;
  }

  clear(): void {
    this.tell((e, now) => e.clear(now));
  }

  get alive(): boolean {
    return !this.dead;
  }

  /** Settles when a title's files can be read. */
  open(title: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = this.opening.get(title) ?? [];
      this.opening.set(title, [...waiting, { resolve, reject }]);
      this.tell((e, now) => e.open_title(now, title));
      if (this.dead) reject(new Unavailable());
    });
  }

  /** What a file is; nothing when it is none of an open title. */
  fileAt(url: string): FileOf | undefined {
    const size = this.ask((e) => e.size_of(url));
    const type = this.ask((e) => e.type_of(url));
    return size === undefined || type === undefined ? undefined : { size, type };
  }

  /** The files of an open title. */
  filesOf(title: string): (readonly [string, FileOf])[] {
    const urls = this.ask((e) => e.files_of(title)) ?? [];
    return urls.flatMap((url) => {
      const file = this.fileAt(url);
      return file === undefined ? [] : [[url, file] as const];
    });
  }

  showed(play: number, { url, start, end, asked, there }: Shown): void {
    this.tell((e, now) => e.showed(now, play, url, start, end, there - asked, Math.max(0, Date.now() - there)));
  }

  /** Verified bytes of a file in order, as they come. */
  async *read(play: number, url: string, start: number, end: number, { whole, rate }: How, signal: AbortSignal): AsyncGenerator<Bytes> {
    const read = this.ask((e, now) => e.read(now, play, url, start, end, whole, rate));
    this.pump();
    if (read === undefined) throw new Unavailable();
    const stir = (): void => this.waiting.get(read)?.();
    signal.addEventListener('abort', stir);
    try {
      while (true) {
        signal.throwIfAborted();
        // Listening starts before looking, so that no call is missed in between.
        const ready = new Promise<void>((resolve) => this.waiting.set(read, resolve));
        const bytes = this.take(read);
        if (bytes === undefined) await ready;
        else if (bytes.length === 0) return;
        else yield bytes;
      }
    } finally {
      signal.removeEventListener('abort', stir);
      this.waiting.delete(read);
      this.tell((e, now) => e.close(now, read));
    }
  }

  private take(read: number): Bytes | undefined {
    if (this.dead) throw new Unavailable();
    try {
      return this.engine.take(performance.now(), read) as Bytes | undefined;
    } catch (error) {
      // What the engine says is an Error of its own; anything else is its end.
      if (error instanceof WebAssembly.RuntimeError) this.die(error);
      throw new Unavailable();
    } finally {
      this.pump();
    }
  }

  /** Bytes a second for which a play's player should take its line; nothing for what it measures. */
  line(play: number): number | undefined {
    return this.ask((e) => e.line(play));
  }

  stopped(play: number): void {
    this.tell((e, now) => e.stopped(now, play));
  }

  upcoming(titles: readonly string[]): void {
    this.tell((e, now) => e.upcoming(now, [...titles]));
  }

  share(shares: boolean): void {
    this.tell((e, now) => e.share(now, shares));
  }

  catalogue(bytes: Uint8Array): void {
    this.tell((e, now) => e.catalogue(now, bytes));
  }

  figures(): Figures | undefined {
    const f = this.ask((e) => e.figures());
    if (f === undefined) return undefined;
    const at = (n: number): number => f[n] ?? 0;
    return {
      cache: at(0),
      lan: at(1),
      peers: at(2),
      origin: at(3),
      sent: at(4),
      connected: at(5),
      held: at(6),
      supernode: at(7) === 1,
      sharing: STATES[at(8)] ?? 'off',
      kept: at(9),
      keeping: KEEPING[at(10)] ?? 'no',
    };
  }

  /** Asks the engine; nothing from one that has ended. */
  private ask<T>(question: (engine: Engine, now: number) => T): T | undefined {
    if (this.dead) return undefined;
    try {
      return question(this.engine, performance.now());
    } catch (error) {
      this.die(error);
      return undefined;
    }
  }

  private tell(what: (engine: Engine, now: number) => void): void {
    this.ask(what);
    this.pump();
  }

  /** Does what the engine wants, and sets the timer. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    for (let act = this.ask((e) => e.poll()); act !== undefined; act = this.ask((e) => e.poll())) {
      try {
        this.carry(act);
      } finally {
        act.free();
      }
    }
    this.links.flush();
    this.pumping = false;
    const wake = this.ask((e) => e.wake());
    clearTimeout(this.timer);
    if (wake === undefined) return;
    const wait = Math.min(Math.max(0, Math.ceil(wake - performance.now())), LONGEST_MS);
    this.timer = setTimeout(() => this.tell((e, now) => e.timeout(now)), wait);
  }

  private carry(act: Act): void {
    const { id } = act;
    switch (act.kind as Kind) {
      case Kind.Fetch:
        void this.fetch(id, act.text, act.start, act.end);
        break;
      case Kind.StopFetch:
        this.fetches.get(id)?.abort();
        this.fetches.delete(id);
        break;
      case Kind.Socket:
        this.connect(act.text);
        break;
      case Kind.Tell:
        if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(act.bytes as Uint8Array<ArrayBuffer>);
        break;
      case Kind.EndSocket:
        this.endSocket();
        break;
      case Kind.Call:
        this.links.open(id, this.ask((e) => e.stun()), null);
        break;
      case Kind.AnswerCall:
        this.links.open(id, this.ask((e) => e.stun()), act.text);
        break;
      case Kind.Accepted:
        this.links.accept(id, act.text);
        break;
      case Kind.Candidate:
        this.links.candidate(id, act.text, act.more);
        break;
      case Kind.Packet:
        this.links.send(id, act.bytes as Uint8Array<ArrayBuffer>);
        break;
      case Kind.HangUp:
        this.links.close(id);
        break;
      case Kind.Title:
        this.titleIs(act.text, act.more);
        break;
      case Kind.Ready:
        this.waiting.get(id)?.();
        break;
      case Kind.Note:
        console.debug('nearcast:', act.text);
        break;
      case Kind.Keep:
        void this.keep(id, act.text, act.bytes as Uint8Array<ArrayBuffer>);
        break;
      case Kind.Load:
        void this.load(id, act.text);
        break;
      case Kind.Forget:
        this.kept?.forget(act.text);
        break;
      case Kind.Given:
        this.given.get(id)?.({ checked: act.start, good: act.end === 1 });
        this.given.delete(id);
        break;
    }
  }

  private async fetch(id: number, url: string, start: number, end: number): Promise<void> {
    const controller = new AbortController();
    this.fetches.set(id, controller);
    const { signal } = controller;
    try {
      const headers: HeadersInit = end > 0 ? { Range: `bytes=${start}-${end - 1}` } : {};
      // What is kept is kept by the engine: the browser's own cache would have it twice, and hands out ranges of one
      // file one after the other.
      const cache = end > 0 ? 'no-store' : 'default';
      const known = this.documents.get(url);
      this.documents.delete(url);
      const { status, body } = known === undefined ? await fetch(url, { signal, headers, cache, credentials: 'same-origin' }) : new Response(known);
      this.tell((e, now) => e.answered(now, id, status));
      const reader = body?.getReader();
      for (let piece = await reader?.read(); piece?.value !== undefined; piece = await reader?.read()) {
        const { value } = piece;
        this.tell((e, now) => e.chunk(now, id, value));
      }
      this.tell((e, now) => e.ended(now, id));
    } catch {
      if (!signal.aborted) this.tell((e, now) => e.failed(now, id));
    } finally {
      this.fetches.delete(id);
    }
  }

  private async keep(id: number, key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const done = (await this.kept?.keep(key, bytes)) ?? false;
    this.tell((e, now) => e.kept(now, id, done));
  }

  private async load(id: number, key: string): Promise<void> {
    const bytes = await this.kept?.load(key);
    this.tell((e, now) => e.loaded(now, id, bytes));
  }

  private connect(url: string): void {
    this.endSocket();
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.tell((e, now) => e.socket_opened(now));
    socket.onmessage = ({ data }) => data instanceof ArrayBuffer && this.tell((e, now) => e.told(now, new Uint8Array(data)));
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.tell((e, now) => e.socket_lost(now));
    };
  }

  private endSocket(): void {
    const { socket } = this;
    if (socket === null) return;
    this.socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private titleIs(title: string, trouble: string): void {
    const waiting = this.opening.get(title) ?? [];
    this.opening.delete(title);
    for (const { resolve, reject } of waiting) trouble === '' ? resolve() : reject(new Unavailable(trouble));
  }

  private die(error: unknown): void {
    if (this.dead) return;
    console.warn('nearcast: this tab goes on without sharing:', error);
    this.end();
  }

  /** Ends its part: what is being read fails. */
  end(): void {
    if (this.dead) return;
    this.dead = true;
    clearTimeout(this.timer);
    this.endSocket();
    this.links.closeAll();
    for (const controller of this.fetches.values()) controller.abort();
    for (const title of [...this.opening.keys()]) this.titleIs(title, 'ended');
    for (const ready of this.waiting.values()) ready();
    for (const settle of this.given.values()) settle({ checked: 0, good: true });
    this.around.ended();
  }
}
