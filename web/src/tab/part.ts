// A page's part in sharing: starts its engine, or finds the tab that has one, and says what can be read through it.
//
// Where something of it is missing (WebAssembly, memory, a good catalogue), the page plays straight from the server:
// these bytes are counted as unverified, neither kept nor handed on.

import { bounded, MANIFEST_BYTES, manifestOf } from './documents';
import type { Early } from './early';
import { Far, NOBODY, SILENT_MS } from './far';
import type { Stock } from './kept';
import { Lead } from './lead';
import { saysStarting } from './leading';
import { breath, Line, within } from './line';
import { Near } from './near';
import type { Bytes, FileOf, Figures, How, Shown, Taking } from './taking';

/** Media held in memory: an album, or some minutes of film. */
const BUDGET = 96 * 1024 * 1024;
/** What a tab that is there says, it says within this. */
const SOON_MS = 1000;
const SECRET = 'nearcast.secret';

interface Connection {
  readonly saveData?: boolean;
  readonly type?: string;
}

/** Whether the line costs by the byte: nothing is handed on there unless the listener says so. */
export function costly(): boolean {
  const line = (navigator as Navigator & { connection?: Connection }).connection;
  return line?.saveData === true || line?.type === 'cellular';
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

/** The secret that this browser keeps. Refused storage makes a new one each time. */
function keptSecret(fresh: Uint8Array): Uint8Array {
  try {
    const kept = localStorage.getItem(SECRET);
    if (kept !== null && /^[0-9a-f]{64}$/u.test(kept)) {
      return Uint8Array.from(kept.match(/../gu) ?? [], (pair) => Number.parseInt(pair, 16));
    }
    localStorage.setItem(SECRET, hex(fresh));
  } catch {
    // Refused storage.
  }
  return fresh;
}

/** One tab at a time goes by the kept secret: a key stands for one node. Others have one for as long as they live. */
async function secret(): Promise<Uint8Array> {
  const fresh = crypto.getRandomValues(new Uint8Array(32));
  if (!('locks' in navigator)) return fresh;
  return new Promise((resolve) => {
    const held = navigator.locks.request('nearcast.secret', { ifAvailable: true }, (lock) => {
      resolve(lock === null ? fresh : keptSecret(fresh));
      // Held for as long as the tab lives.
      return lock === null ? undefined : new Promise<void>(() => {});
    });
    held.catch(() => resolve(fresh));
  });
}

/** Where what plays is kept: in the browser for the next visit, there and it is full, in memory because another tab of
 * the site keeps, or in memory because the browser keeps nothing for this page. */
export type Keeping = 'browser' | 'full' | 'tab' | 'memory';

export interface Doing extends Figures {
  readonly keeps: Keeping;
}

/** Reads the signed catalogue. */
type Reading = () => Promise<Uint8Array>;

const nothing = async (): Promise<void> => {};

/** The title whose media lie at an address of a site. */
export function titleAt(site: string, url: string): string | null {
  const media = new URL('media/', site).href;
  if (!url.startsWith(media)) return null;
  const [title] = url.slice(media.length).split('/');
  return title === undefined || title === '' ? null : decodeURIComponent(title);
}

export class Part {
  /** Bytes that were played without being checked. */
  unverified = 0;
  /** Bytes that a server sent and that are not what was published. */
  onCorrupt: (url: string) => void = (url) => console.warn('nearcast: the server sent other bytes than were published:', url);
  /** What players fetch before the engine is there. */
  readonly line: Line;
  /** The own engine is here, or another tab's: all that is missing are documents of the title. */
  close = false;
  /** The own engine, or another tab's. */
  private tab: Taking | null = null;
  /** The own engine, and the latest catalogue, which it starts with. */
  private own: Near | null = null;
  /** This one leads, or is about to: other tabs are answered. */
  private leads = false;
  private readonly lead: Lead;
  /** Changes of who leads come one after the other. */
  private turn: Promise<void> = Promise.resolve();
  private latest: Uint8Array = new Uint8Array();
  private starting: Promise<void> | null = null;
  private failed = false;
  /** Settles once it is known whether anything takes part for this page. */
  readonly begun: Promise<boolean>;
  private isBegun: (takesPart: boolean) => void = () => {};
  private plays = 0;
  /** Titles that were asked for, and what is wrong with them. */
  private readonly opened = new Map<string, Promise<string | null>>();
  private readonly folder: string;

  constructor(
    /** Folder of the site, perhaps with the provider's key behind `#nearcast=`. */
    private readonly site: string,
    private shares: boolean,
  ) {
    this.folder = new URL('.', site).href;
    this.line = new Line(new URL('/', site).href);
    this.begun = new Promise((resolve) => (this.isBegun = resolve));
    const lost = (): void => this.takesTurn(() => this.stepDown());
    this.lead = new Lead(this.folder, (stock) => this.takesTurn(() => this.takeOver(stock)), lost);
  }

  /** Starts with the signed catalogue, which is read when the engine is, and takes later ones. Settles when the tab has
   * started; fails when it does not. */
  catalogue(read: Reading): Promise<void> {
    if (this.starting === null) {
      this.starting = this.begin(read);
      this.starting.then(
        () => this.isBegun(true),
        () => (this.end(), this.isBegun(false)),
      );
    } else {
      void read().then((catalogue) => this.hears(catalogue), () => {});
    }
    return this.starting;
  }

  private hears(catalogue: Uint8Array): void {
    this.latest = catalogue;
    this.started?.catalogue(catalogue);
  }

  /** What takes part, even while it opens what is to be read: what is said meanwhile is said to it. */
  private get started(): Taking | null {
    return this.tab ?? this.own;
  }

  private async begin(read: Reading): Promise<void> {
    const found = (await this.lead.ask()) ?? (await this.find());
    if (found instanceof Far) this.tab = found;
    this.close = this.tab !== null;
    const reads = async (): Promise<void> => {
      const first = await read();
      // What was heard meanwhile is newer.
      if (this.latest.length === 0) this.latest = first;
    };
    await (found instanceof Far ? reads() : this.startOwn(found, reads));
  }

  /** Finds the tab that leads, or takes the lead where that one is silent. Null when neither can be. */
  private async find(): Promise<Far | Stock | null> {
    if (!this.lead.possible) return null;
    const met = await this.meet(SILENT_MS);
    return met === NOBODY ? this.findAgain() : met;
  }

  /** The same, where the tab that led was silent for long already. */
  private findAgain(): Promise<Far | Stock | null> {
    return this.lead.alone(async (seize) => {
      const met = await this.meet(SOON_MS);
      return met === NOBODY ? seize() : met;
    });
  }

  private meet(millis: number): Promise<Far | typeof NOBODY | null> {
    return Far.meet(this.folder, millis, (far) => this.takesTurn(() => this.goOn(far)));
  }

  /** Starts the own engine, which keeps, and answers the other tabs, if this tab leads. */
  private async startOwn(stock: Stock | null, read: () => Promise<void> = nothing): Promise<void> {
    if (stock === null) await this.startNear(null, read);
    else await this.answersOthers(() => this.startNear(stock, read));
  }

  /** Has an engine answer other tabs. Until it is there, they are told that it is about to. */
  private async answersOthers(engine: () => Promise<Near>): Promise<void> {
    const leader = crypto.randomUUID();
    const end = saysStarting(this.folder, leader);
    this.leads = true;
    try {
      await (await engine()).lead(this.folder, leader);
    } finally {
      end();
    }
  }

  private async startNear(stock: Stock | null, read: () => Promise<void>): Promise<Near> {
    // Who has been here before has the engine in the browser's cache, and perhaps what plays.
    if (stock === null || stock.keys.length === 0) await this.line.free;
    // A tab whose engine ended leads nobody.
    const loading = Near.load(() => this.lead.leave());
    loading.then(() => (this.close = true), () => {});
    try {
      const documents = this.documents();
      const [near, own] = await Promise.all([loading, secret(), read()]);
      await this.begins(near, own, documents, stock);
      return near;
    } catch (error) {
      loading.then((near) => near.end(), () => {});
      throw error;
    }
  }

  /** The signed documents of what is to be opened, as they come: the engine asks for what did not by the time it starts, and
   * says what is wrong with it. */
  private documents(): Map<string, Bytes> {
    const here = new Map<string, Bytes>();
    const fetched = async (url: string): Promise<void> => {
      const answer = await fetch(url, { credentials: 'same-origin' });
      if (answer.ok) here.set(url, await bounded(answer, MANIFEST_BYTES));
    };
    for (const title of this.opened.keys()) {
      fetched(new URL(manifestOf(title), this.folder).href).catch(() => {});
    }
    return here;
  }

  private async begins(near: Near, own: Uint8Array, documents: Map<string, Bytes>, stock: Stock | null): Promise<void> {
    const { site, folder } = this;
    const supernode = new URL('nearcast/v1/directory', folder);
    supernode.protocol = supernode.protocol === 'https:' ? 'wss:' : 'ws:';
    // What was chosen until this moment; what is chosen later is said to the engine.
    const setup = { site, supernode: supernode.href, secret: own, shares: this.shares, budget: BUDGET, catalogue: this.latest, documents };
    const started = near.start(setup, folder, stock);
    this.own = near;
    await Promise.all([started, ...[...this.opened.keys()].map((title) => near.open(title).catch(() => {}))]);
    this.tab = near;
  }

  private takesTurn(what: () => Promise<void>): void {
    this.turn = this.turn
      .then(() => this.starting)
      .then(what)
      .catch(() => this.end());
  }

  /** The tab that led is closed: this one leads. Its turn may come while it takes the lead from one that is silent. */
  private async takeOver(stock: Stock): Promise<void> {
    if (this.leads && this.own?.alive === true) return;
    const before = this.tab;
    const { own, folder } = this;
    if (own === null) await this.startOwn(stock);
    else await this.answersOthers(() => own.keep(folder, stock).then(() => own));
    if (before instanceof Far && this.own !== null) before.handOver(this.own);
  }

  /** The tab that leads is silent: what plays here goes on with whoever leads then, perhaps this tab. */
  private async goOn(before: Far): Promise<void> {
    if (this.tab !== before) return;
    await this.join(await this.findAgain());
    if (this.tab !== null) before.handOver(this.tab);
  }

  /** Another tab took the lead, since this one was silent: it follows. */
  private async stepDown(): Promise<void> {
    // An engine that ended comes back with the page.
    if (!this.leads || this.own?.alive === false) return;
    this.leads = false;
    this.own?.end();
    [this.own, this.tab] = [null, null];
    await this.join(await this.find());
  }

  private async join(found: Far | Stock | null): Promise<void> {
    if (found instanceof Far) {
      this.tab = found;
      // Not awaited: it may be silent, too.
      for (const title of this.opened.keys()) found.open(title).catch(() => {});
    } else await this.startOwn(found);
  }

  /** Nobody takes part for this page any more: it plays straight from the server. */
  private end(): void {
    this.failed = true;
    this.tab = null;
    this.lead.leave();
  }

  /** Opens a title's files, now or as soon as the tab has started. Settles with what is wrong with it. */
  open(title: string): Promise<string | null> {
    const known = this.opened.get(title);
    if (known !== undefined && this.tab === null) return known;
    // Behind what the player asks for: a connection that is there already is worth a round trip to its start.
    if (this.tab === null) this.line.learns(breath().then(() => this.held(title)));
    const opening = (this.starting ?? Promise.reject(new Error('it has not started')))
      .then(() => this.tab?.open(title))
      .then(
        () => null,
        (error: unknown) => {
          console.warn('nearcast: not checked:', title, error);
          return error instanceof Error ? error.message : String(error);
        },
      );
    this.opened.set(title, opening);
    return opening;
  }

  /** Whether the supernode beside the site knows of others that have a title. */
  private async held(title: string): Promise<boolean> {
    try {
      const answer = await fetch(new URL(`nearcast/v1/held/${encodeURIComponent(title)}`, this.folder), { credentials: 'same-origin' });
      return answer.ok && (await answer.json()) === true;
    } catch {
      return false;
    }
  }

  /** Opens a title. Settles at once as long as the tab has not started, which opens it then; and soon where another tab
   * is asked, which may be silent. */
  async openSoon(title: string): Promise<void> {
    const opening = this.open(title);
    if (this.tab instanceof Far) await within(opening.then(() => true), SOON_MS);
    else if (this.tab !== null) await opening;
  }

  /** Whether a file is likely to be read through the tab in a moment. */
  expects(url: string): boolean {
    const title = titleAt(this.folder, url);
    return title !== null && this.tab === null && this.starting !== null && !this.failed;
  }

  /** Settles when a file that is expected can be read, or with false. */
  async expected(url: string): Promise<boolean> {
    const title = titleAt(this.folder, url);
    return title !== null && (await this.open(title)) === null && this.fileAt(url) !== undefined;
  }

  /** Has bytes checked that the page fetched; settles when that is done. Those that are `played` count as checked then. */
  async give(early: Early, played: boolean): Promise<void> {
    const { checked, good } = (await this.tab?.give(early.url, early.start, early.bytes(), played)) ?? { checked: 0, good: true };
    if (played) this.unverified -= Math.min(checked, early.asked().length);
    if (!good) this.onCorrupt(early.url);
  }

  /** What a file is; nothing when it is none of an open title. */
  fileAt(url: string): FileOf | undefined {
    return this.tab?.fileAt(url);
  }

  nextPlay(): number {
    return ++this.plays;
  }

  /** Verified bytes of a file, in order. */
  read(play: number, url: string, start: number, end: number, how: How, signal: AbortSignal): AsyncGenerator<Bytes> {
    if (this.tab === null) throw new Error('the tab takes no part');
    return this.tab.read(play, url, start, end, how, signal);
  }

  /** Bytes a second for which the player of a play should take its line; nothing for what it measures. */
  lineOf(play: number): number | undefined {
    return this.tab?.line(play);
  }

  /** A player has bytes that it did not read here. */
  showed(play: number, shown: Shown): void {
    this.tab?.showed(play, shown);
  }

  stopped(play: number): void {
    this.tab?.stopped(play);
  }

  upcoming(titles: readonly string[]): void {
    this.started?.upcoming(titles);
  }

  share(on: boolean): void {
    this.shares = on;
    this.started?.share(on);
  }

  /** Keeps nothing of what does not play. */
  clear(): void {
    this.started?.clear();
  }

  /** How the tab is doing, as it said last; nothing when it takes no part. */
  lately(): Doing | null {
    const figures = this.tab?.alive ? this.tab.latest : undefined;
    if (figures === undefined) return null;
    const elsewhere = this.lead.possible ? 'tab' : 'memory';
    return { ...figures, keeps: figures.keeping === 'no' ? elsewhere : figures.keeping };
  }

  /** How the tab is doing, if it says so soon. */
  async doing(): Promise<Doing | null> {
    const asked = this.tab?.alive ? this.tab.figures().then(() => true, () => false) : Promise.resolve(false);
    await within(asked, SOON_MS);
    return this.lately();
  }
}
