// How hls.js gets its bytes: through this tab, verified; and straight from the server when that fails.

import type Hls from 'hls.js';
import type { HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from 'hls.js';
import { read, reads, unverified } from './part';

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

function joined(pieces: readonly Uint8Array<ArrayBuffer>[], length: number): ArrayBuffer {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole.buffer;
}

/** A loader for hls.js whose reads belong to `play`. */
export function loaderOf(Player: typeof Hls, play: number): { new (config: HlsConfig): Loader<LoaderContext> } {
  const Plain = Player.DefaultConfig.loader;

  return class TabLoader implements Loader<LoaderContext> {
    context: LoaderContext | null = null;
    readonly stats = fresh();
    private plain: Loader<LoaderContext> | null = null;
    private controller: AbortController | null = null;
    private callbacks: Callbacks | null = null;

    constructor(private readonly hls: HlsConfig) {}

    load(context: LoaderContext, config: LoaderConfiguration, callbacks: Callbacks): void {
      this.context = context;
      this.callbacks = callbacks;
      if (!reads(context.url)) {
        this.loadPlain(context, config, callbacks);
        return;
      }
      const controller = new AbortController();
      this.controller = controller;
      const patience = setTimeout(() => controller.abort(new Error('too slow')), config.loadPolicy.maxTimeToFirstByteMs);
      this.loadVerified(context, callbacks, controller.signal, () => clearTimeout(patience))
        .catch(() => {
          if (!this.stats.aborted) this.loadPlain(context, config, callbacks);
        })
        .finally(() => clearTimeout(patience));
    }

    private async loadVerified(context: LoaderContext, callbacks: Callbacks, signal: AbortSignal, began: () => void): Promise<void> {
      const { stats } = this;
      stats.loading.start = performance.now();
      const start = context.rangeStart ?? 0;
      const end = context.rangeEnd ?? 0;
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      for await (const piece of read(play, context.url, start, end > start ? end : Number.MAX_SAFE_INTEGER, signal)) {
        if (pieces.length === 0) {
          stats.loading.first = performance.now();
          began();
        }
        pieces.push(piece);
        stats.loaded += piece.length;
      }
      stats.loading.end = performance.now();
      stats.loading.first ||= stats.loading.end;
      stats.total = stats.loaded;
      const bytes = joined(pieces, stats.loaded);
      const data = context.responseType === 'arraybuffer' ? bytes : new TextDecoder().decode(bytes);
      callbacks.onSuccess({ url: context.url, data, code: 200 }, stats, context, null);
    }

    private loadPlain(context: LoaderContext, config: LoaderConfiguration, callbacks: Callbacks): void {
      Object.assign(this.stats, fresh());
      const plain = new Plain(this.hls);
      plain.stats = this.stats;
      this.plain = plain;
      plain.load(context, config, {
        ...callbacks,
        onSuccess: (response, stats, loaded, details) => {
          unverified.value += stats.loaded;
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
