// Bytes that the page asks the server for by itself while the engine is still on its way. They are checked as soon as it
// is there: before they are played, if that is soon enough.

/** What is checked at once, and the least that can be. */
export const BLOCK = 16 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;

/** Something that happens once. */
class Signal {
  settle: () => void = () => {};
  readonly settled = new Promise<void>((resolve) => (this.settle = resolve));
}

export class Early {
  /** Settles with how much that was when what was asked for is here; fails when it does not come. */
  readonly done: Promise<number>;
  /** Settles when the rest of the last block is here too. */
  readonly whole: Promise<void>;
  /** When its first bytes came. */
  first = 0;
  /** Is told how much of what was asked for is here, whenever there is more. */
  came: (bytes: number) => void = () => {};
  private readonly pieces: Bytes[] = [];
  private length = 0;
  private readonly controller = new AbortController();
  /** What was asked for is here. */
  private readonly enough = new Signal();
  /** The rest of its last block is, too. */
  private readonly checkable = new Signal();
  /** Another piece is. */
  private more = new Signal();
  private over = false;

  private constructor(
    readonly url: string,
    /** Where it begins: at a block. */
    readonly start: number,
    private readonly wanted: { readonly start: number; readonly end: number },
    /** Where it ends: at a block, or 0 for the file's end. */
    private readonly end: number,
    /** Where the request ends: there, or at a later block of what is about to be asked for. */
    private readonly until: number,
    /** What brings the first of it, until it has. */
    private before: Early | null,
  ) {
    const request = this.fetch(before);
    this.whole = Promise.race([this.checkable.settled, request]);
    this.whole.catch(() => {});
    this.done = Promise.race([this.enough.settled, request]).then(() => this.checkLength());
    this.done.catch(() => {});
  }

  /**
   * Asks for `start..end` of a file, or for all of it where `end` is 0, and for the rest of the blocks at both ends; in the
   * same request for all up to `until`, which is about to be asked for. Blocks that are asked for `before` are not asked for
   * again: an init section and what follows it lie in one.
   */
  static ask(url: string, start: number, end: number, before: Early | null, until = end): Early {
    const from = end > 0 ? start - (start % BLOCK) : 0;
    const to = Math.ceil(end / BLOCK) * BLOCK;
    const shares = before !== null && before.start <= from && from < before.until && before.until <= to;
    if (!shares) before?.endsThere();
    return new Early(url, from, { start, end }, to, Math.ceil(until / BLOCK) * BLOCK, shares ? before : null);
  }

  /** Settles when nothing more comes of it. */
  private async fetch(before: Early | null): Promise<void> {
    try {
      const shared = before === null ? null : this.shared(before);
      shared?.catch(() => {});
      const rest = before?.until ?? this.start;
      if (this.until === 0 || rest < this.until) await this.range(rest, this.until, shared);
      else await shared;
    } finally {
      this.over = true;
      this.more.settle();
    }
  }

  /** What another request brings of this one. */
  private async shared(before: Early): Promise<void> {
    let skipped = this.start - before.start;
    for await (const piece of before.coming()) {
      if (piece.length > skipped) this.take(piece.subarray(skipped));
      skipped = Math.max(0, skipped - piece.length);
    }
    // Its bytes are not held in memory for this one.
    this.before = null;
    // It was not wanted any more, perhaps.
    const here = this.start + this.length;
    if (here < before.until) await this.range(here, before.until, null);
  }

  /** Each piece, as it comes, until no more do. */
  private async *coming(): AsyncGenerator<Bytes> {
    for (let n = 0; ; ) {
      const piece = this.pieces[n];
      if (piece !== undefined) {
        n += 1;
        yield piece;
      } else if (this.over) return;
      else await this.more.settled;
    }
  }

  /** Fetches `start..end` of the file. What comes before that comes by `shared`. */
  private async range(start: number, end: number, shared: Promise<void> | null): Promise<void> {
    const headers: HeadersInit = end > 0 ? { Range: `bytes=${start}-${end - 1}` } : {};
    const { status, body } = await fetch(this.url, { headers, signal: this.controller.signal, credentials: 'same-origin' });
    if (status !== (end > 0 ? 206 : 200) || body === null) throw new Error(`the server answers ${status}`);
    const reader = body.getReader();
    // What another request brings was asked for earlier, and is less than this one's first bytes.
    await shared;
    for (let piece = await reader.read(); piece.value !== undefined; piece = await reader.read()) {
      this.take(piece.value);
    }
  }

  private take(piece: Bytes): void {
    this.first ||= performance.now();
    this.pieces.push(piece);
    this.length += piece.length;
    const here = this.start + this.length;
    const asked = Math.min(here, this.wanted.end || here) - this.wanted.start;
    if (asked > 0) this.came(asked);
    if (this.wanted.end > 0 && here >= this.wanted.end) this.enough.settle();
    if (this.end > 0 && here >= this.end) this.checkable.settle();
    this.more.settle();
    this.more = new Signal();
  }

  private checkLength(): number {
    if (this.start + this.length < this.wanted.end) throw new Error('the server sent less than was asked for');
    return this.asked().length;
  }

  /** What came is enough. */
  stop(): void {
    this.controller.abort();
    this.before?.endsThere();
  }

  /** What it brings beyond what was asked for is not wanted. */
  private endsThere(): void {
    if (this.until > this.end) void this.whole.then(() => this.controller.abort(), () => {});
  }

  /** All that came of the blocks that were asked for, from the start of the first on. */
  bytes(): Bytes {
    const all = joined(this.pieces, this.length);
    const end = this.end > 0 ? this.end - this.start : this.length;
    return end < this.length ? all.slice(0, end) : all;
  }

  /** What was asked for. */
  asked(): Bytes {
    const { start, end } = this.wanted;
    return end > 0 ? this.bytes().slice(start - this.start, end - this.start) : this.bytes();
  }
}

export function joined(pieces: readonly Bytes[], length: number): Bytes {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
