// How hls.js gets its bytes: through this tab, verified; and straight from the server when that fails.

import type Hls from 'hls.js';
import type { HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from 'hls.js';
import { Early, joined } from './early';
import type { Part } from './part';

/** Media that came before the engine was there waits for it this long: no start is later than from the server alone by
 * more than nobody sees. Then it is played, and checked afterwards. */
const GRACE_MS = 150;
/** The most that a first byte is waited for, before the server is asked without us. */
const LONGEST_MS = 10_000;
/** Less than a block has nothing that could be checked, and is not waited for. */
const BLOCK = 16 * 1024;

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

/** A loader for hls.js whose reads belong to the play that `play` names for a player's settings. */
export function loaderOf(Player: typeof Hls, part: Part, play: (config: HlsConfig) => number, told: Told = () => {}): LoaderClass {
  return class TabLoader implements Loader<LoaderContext> {
    context: LoaderContext | null = null;
    stats = fresh();
    private plain: Loader<LoaderContext> | null = null;
    private controller: AbortController | null = null;
    private callbacks: Callbacks | null = null;

    constructor(private readonly hls: HlsConfig) {}

    load(context: LoaderContext, config: LoaderConfiguration, callbacks: Callbacks): void {
      this.context = context;
      this.callbacks = callbacks;
      const reads = part.fileAt(context.url) !== undefined;
      if (!reads && !part.expects(context.url)) {
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
      // For a first playlist hls.js is infinitely patient, which a timer takes for no time at all.
      const patience = setTimeout(
        () => controller.abort(new Error('too slow')),
        Math.min(config.loadPolicy.maxTimeToFirstByteMs, LONGEST_MS),
      );
      try {
        await this.loadVerified(context, controller.signal, () => clearTimeout(patience));
      } finally {
        clearTimeout(patience);
      }
    }

    private async loadVerified(context: LoaderContext, signal: AbortSignal, began: () => void): Promise<void> {
      const { stats } = this;
      const start = context.rangeStart ?? 0;
      const end = context.rangeEnd ?? 0;
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      let length = 0;
      for await (const piece of part.read(play(this.hls), context.url, start, end > start ? end : Number.MAX_SAFE_INTEGER, signal)) {
        if (pieces.length === 0) {
          stats.loading.first ||= performance.now();
          began();
        }
        pieces.push(piece);
        length += piece.length;
        stats.loaded = length;
      }
      this.succeed(context, joined(pieces, length), true);
    }

    private succeed(context: LoaderContext, bytes: Uint8Array<ArrayBuffer>, checked: boolean): void {
      const { stats } = this;
      if (stats.aborted) return;
      stats.loading.end = performance.now();
      stats.loading.first ||= stats.loading.end;
      stats.loaded = stats.total = bytes.length;
      const data = context.responseType === 'arraybuffer' ? bytes.buffer : new TextDecoder().decode(bytes);
      told(context.url, bytes.length, checked);
      this.callbacks?.onSuccess({ url: context.url, data, code: 200 }, stats, context, null);
    }

    /** The engine is not there yet: the server is asked at once, and what it sends is checked when the engine is. */
    private async loadEarly(context: LoaderContext, config: LoaderConfiguration, controller: AbortController): Promise<void> {
      const { url } = context;
      const early = Early.ask(url, context.rangeStart ?? 0, context.rangeEnd ?? 0);
      controller.signal.addEventListener('abort', () => early.stop());
      const there = part.expected(url);
      const media = context.responseType === 'arraybuffer' && (context.rangeEnd ?? BLOCK) - (context.rangeStart ?? 0) >= BLOCK;
      if (media && (await soon(there, early.done))) {
        early.stop();
        await part.give(early, false);
        this.stats.loading.first = early.first;
        await this.loadPatiently(context, config, controller);
        return;
      }
      await early.done;
      const bytes = early.asked();
      part.unverified += bytes.length;
      this.stats.loading.first = early.first;
      this.succeed(context, bytes, false);
      if (await there) await part.give(early, true);
    }

    private loadPlain(context: LoaderContext, config: LoaderConfiguration, callbacks: Callbacks): void {
      Object.assign(this.stats, fresh());
      const plain = new Player.DefaultConfig.loader(this.hls);
      plain.stats = this.stats;
      this.plain = plain;
      plain.load(context, config, {
        ...callbacks,
        onSuccess: (response, stats, loaded, details) => {
          part.unverified += stats.loaded;
          told(loaded.url, stats.loaded, false);
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
      this.stats.aborted ||= this.plain === null;
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

/** Whether the engine is there before, or soon after, the bytes are. */
async function soon(there: Promise<boolean>, bytes: Promise<void>): Promise<boolean> {
  const late = bytes.then(() => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), GRACE_MS)));
  return Promise.race([there, late]);
}
