// How hls.js gets its bytes: through this tab, verified; and straight from the server when that fails.

import type Hls from 'hls.js';
import type { FragmentLoaderContext, HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from 'hls.js';
import { type Beginning, beginningOf } from './beginning';
import { BLOCK, Early, joined } from './early';
import { within } from './line';
import type { Part } from './part';
import type { Shown } from './taking';

/** Media that came while the engine was opening its title waits for that this long: no start is later than from the
 * server alone by more than nobody sees. Then it is played, and checked afterwards. */
const GRACE_MS = 150;
/** The most that bytes are waited for, before the server is asked without us; where a segment lasts longer, they may be
 * handed over at the pace at which it plays. */
const LONGEST_MS = 10_000;

const fresh = (): LoaderStats => ({
  aborted: false,
  loaded: 0,
  retry: 0,
  total: 0,
  chunkCount: 0,
  bwEstimate: 0,
  loading: { start: 0, first: 0, end: 0 },
  parsing: { start: 0, end: 0 },
  buffering: { start: 0, first: 0, end: 0 },
});

type Callbacks = LoaderCallbacks<LoaderContext>;
export type LoaderClass = { new (config: HlsConfig): Loader<LoaderContext> };

/** What is told of each answer that a player got. */
export type Told = (url: string, bytes: number, checked: boolean) => void;

/** A player: its play, and how fast it plays, where that is known. */
export interface Playing {
  readonly play: number;
  readonly rate: number | undefined;
}

/** A loader for hls.js whose reads belong to the player that `playing` names for its settings. */
export function loaderOf(Player: typeof Hls, part: Part, playing: (config: HlsConfig) => Playing, told: Told = () => {}): LoaderClass {
  /** What was asked for last of each file before the engine was there. */
  const before = new Map<string, Early>();
  /** How what plays begins, by the file that holds it. */
  const beginnings = new Map<string, Beginning>();
  /** What each play was given before it read anything here, if its player can show something of it. */
  const shown = new Map<number, Shown>();
  return class TabLoader implements Loader<LoaderContext> {
    context: LoaderContext | null = null;
    stats = fresh();
    private plain: Loader<LoaderContext> | null = null;
    private controller: AbortController | null = null;
    private callbacks: Callbacks | null = null;
    private url = '';

    constructor(private readonly hls: HlsConfig) {}

    load(context: LoaderContext, config: LoaderConfiguration, callbacks: Callbacks): void {
      this.context = context;
      this.callbacks = callbacks;
      // hls.js hands over a first playlist's address as the page wrote it.
      this.url = new URL(context.url, document.baseURI).href;
      const reads = part.fileAt(this.url) !== undefined;
      if (reads) before.clear();
      if (!reads && !part.expects(this.url)) {
        this.loadPlain(context, config, callbacks);
        return;
      }
      const controller = new AbortController();
      this.controller = controller;
      this.stats.loading.start = performance.now();
      const how = reads ? this.loadPatiently(context, config, controller) : this.loadEarly(context, config, controller);
      how.catch(() => {
        if (!this.stats.aborted) this.loadPlain(context, config, callbacks);
      });
    }

    private async loadPatiently(context: LoaderContext, config: LoaderConfiguration, controller: AbortController): Promise<void> {
      let patience: ReturnType<typeof setTimeout> | undefined;
      const waits = (millis: number): void => {
        clearTimeout(patience);
        patience = setTimeout(() => controller.abort(new Error('too slow')), millis);
      };
      // For a first playlist hls.js is infinitely patient, which a timer takes for no time at all.
      waits(Math.min(config.loadPolicy.maxTimeToFirstByteMs, LONGEST_MS));
      try {
        await this.loadVerified(context, controller.signal, () => waits(Math.max(LONGEST_MS, lasts(context) * 1000)));
      } finally {
        clearTimeout(patience);
      }
    }

    private async loadVerified(context: LoaderContext, signal: AbortSignal, came: () => void): Promise<void> {
      const start = context.rangeStart ?? 0;
      const end = context.rangeEnd ?? 0;
      const { play, rate } = playing(this.hls);
      const earlier = shown.get(play);
      if (earlier !== undefined) part.showed(play, earlier);
      shown.delete(play);
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      let length = 0;
      for await (const piece of part.read(play, this.url, start, end > start ? end : Number.MAX_SAFE_INTEGER, { whole: true, rate }, signal)) {
        came();
        pieces.push(piece);
        length += piece.length;
        // What is left of a segment comes at the line's rate, and not at that of what came: most is not due yet.
        if (part.lineOf(play) === undefined) this.comes(performance.now(), length);
      }
      this.succeed(context, joined(pieces, length), true, part.lineOf(play));
    }

    /** So much is here. A player that is not told takes a segment that is nearly here for one that does not come. */
    private comes(first: number, bytes: number): void {
      this.stats.loading.first ||= first;
      this.stats.loaded = bytes;
    }

    private succeed(context: LoaderContext, bytes: Uint8Array<ArrayBuffer>, checked: boolean, line?: number): void {
      const { stats } = this;
      if (stats.aborted) return;
      stats.loading.end = performance.now();
      stats.loading.first ||= stats.loading.end;
      stats.loaded = stats.total = bytes.length;
      believe(stats, line);
      const data = context.responseType === 'arraybuffer' ? bytes.buffer : new TextDecoder().decode(bytes);
      told(this.url, bytes.length, checked);
      this.callbacks?.onSuccess({ url: this.url, data, code: 200 }, stats, context, null);
    }

    /** The engine is not there yet: the server is asked at once, and what it sends is checked when the engine is. */
    private async loadEarly(context: LoaderContext, config: LoaderConfiguration, controller: AbortController): Promise<void> {
      const { url } = this;
      const [start, end] = [context.rangeStart ?? 0, context.rangeEnd ?? 0];
      // Less than a block has nothing that could be checked, and is not waited for.
      const media = context.responseType === 'arraybuffer' && (end === 0 || end - start >= BLOCK);
      const there = part.expected(url);
      const patience = media ? await part.line.patience(end - start, lasts(context)) : 0;
      if (patience > 0 && (await within(there, patience))) {
        // What the player takes for the rate of its line must not suffer from it.
        this.stats.loading.start = performance.now();
        await this.loadPatiently(context, config, controller);
        return;
      }
      controller.signal.throwIfAborted();
      const early = Early.ask(url, start, end, before.get(url) ?? null, this.until(context));
      early.came = (bytes) => this.comes(early.first, bytes);
      before.set(url, early);
      part.line.carries(early.done.then((bytes) => media && bytes >= BLOCK));
      let handed = false;
      // A player that has what it asked for hangs up too: the rest of the last block is on its way by then.
      controller.signal.addEventListener('abort', () => handed || early.stop());
      if (media && (await soon(there, early.done, part))) {
        // Where only the server has it, it goes on sending: nothing is asked for twice.
        if (await part.line.others()) early.stop();
        await early.whole.catch(() => {});
        await part.give(early, false);
        await this.loadPatiently(context, config, controller);
        return;
      }
      await early.done;
      handed = true;
      const bytes = early.asked();
      part.unverified += bytes.length;
      const begins = context.responseType === 'arraybuffer' ? null : beginningOf(new TextDecoder().decode(bytes), url);
      if (begins !== null) {
        beginnings.set(begins.url, begins);
        void part.line.foresees(begins.media.end - begins.media.start);
      }
      this.succeed(context, bytes, false);
      if (media) this.shows({ url, start, end: start + bytes.length, asked: asked(this.stats.loading.start), there: Date.now() });
      if (!(await there)) return;
      await early.whole.catch(() => {});
      await part.give(early, true);
    }

    /** Where a request ends that brings a segment with its init section: the player asks for it as soon as it has that. */
    private until(context: LoaderContext): number {
      const end = context.rangeEnd ?? 0;
      const begins = beginnings.get(this.url);
      const asksInit = (context as Partial<FragmentLoaderContext>).frag?.sn === 'initSegment';
      if (!asksInit || begins === undefined || begins.init.start !== context.rangeStart || begins.init.end !== end) return end;
      const { media } = begins;
      return this.hls.startPosition <= 0 && part.line.isServers(media.end - media.start) ? media.end : end;
    }

    /** The player has a segment, or one more behind another. */
    private shows(more: Shown): void {
      const { play } = playing(this.hls);
      const earlier = shown.get(play);
      if (earlier === undefined) shown.set(play, more);
      else if (earlier.url === more.url && earlier.end === more.start) shown.set(play, { ...earlier, end: more.end });
    }

    private loadPlain(context: LoaderContext, config: LoaderConfiguration, callbacks: Callbacks): void {
      Object.assign(this.stats, fresh());
      const plain = new Player.DefaultConfig.loader(this.hls);
      plain.stats = this.stats;
      this.plain = plain;
      plain.load(context, config, {
        ...callbacks,
        onSuccess: (response, stats, loaded, details) => {
          believe(stats, Number(plain.getResponseHeader?.('Nearcast-Line')));
          part.unverified += stats.loaded;
          told(new URL(loaded.url, document.baseURI).href, stats.loaded, false);
          callbacks.onSuccess(response, stats, loaded, details);
        },
      });
    }

    abort(): void {
      this.plain?.abort();
      if (this.plain !== null || this.stats.aborted || this.controller === null) return;
      this.stats.aborted = true;
      this.controller.abort(new Error('not wanted'));
      if (this.context !== null) this.callbacks?.onAbort?.(this.stats, this.context, null);
    }

    destroy(): void {
      this.callbacks = null;
      // hls.js measures nothing by what was broken off, and ends each of its loaders, when that is done as well.
      this.stats.aborted ||= this.plain === null && this.stats.loading.end === 0;
      this.controller?.abort(new Error('not wanted'));
      this.plain?.destroy();
      this.plain = null;
      this.context = null;
    }

    getCacheAge(): number | null {
      return this.plain?.getCacheAge?.() ?? null;
    }

    getResponseHeader(name: string): string | null {
      return this.plain?.getResponseHeader?.(name) ?? null;
    }
  };
}

/** Has hls.js take what it loaded as having come over a line of so many bytes a second: it chooses by that. What it would
 * measure is how much was here already, and how patient the engine is with what is not due yet. */
function believe({ loading, loaded }: LoaderStats, line = 0): void {
  if (line > 0) loading.first = loading.start = loading.end - (loaded / line) * 1000;
}

/** How many seconds a segment plays; none of what is no segment. */
const lasts = (context: LoaderContext): number => (context as Partial<FragmentLoaderContext>).frag?.duration ?? 0;

/** A moment of `performance.now()`, by the clock that all tabs have in common. */
const asked = (then: number): number => Date.now() - (performance.now() - then);

/** Whether the engine is there before the bytes are, or soon after where it is close by then. */
async function soon(there: Promise<boolean>, bytes: Promise<unknown>, part: Part): Promise<boolean> {
  const late = bytes.then(() => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), part.close ? GRACE_MS : 0)));
  return Promise.race([there, late]);
}
