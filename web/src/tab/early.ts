// Bytes that the page asks the server for by itself while the engine is still on its way. They are checked as soon as it
// is there: before they are played, if that is soon enough.

/** What is checked at once, and the least that can be. */
export const BLOCK = 16 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;

export class Early {
  /** Settles with how much that was when what was asked for is here; fails when it does not come. */
  readonly done: Promise<number>;
  /** Settles when the rest of the last block is here too. */
  readonly whole: Promise<void>;
  /** When its first bytes came. */
  first = 0;
  private readonly pieces: Bytes[] = [];
  private length = 0;
  private readonly controller = new AbortController();
  private enough: () => void = () => {};

  private constructor(
    readonly url: string,
    /** Where it begins: at a block. */
    readonly start: number,
    private readonly wanted: { readonly start: number; readonly end: number },
    /** Where it ends: at a block, or 0 for the file's end. */
    private readonly end: number,
    before: Early | null,
  ) {
    const enough = new Promise<void>((resolve) => (this.enough = resolve));
    this.whole = this.fetch(before);
    this.whole.catch(() => {});
    this.done = Promise.race([enough, this.whole]).then(() => this.checkLength());
    this.done.catch(() => {});
  }

  /**
   * Asks for `start..end` of a file, or for all of it where `end` is 0, and for the rest of the blocks at both ends.
   * Blocks that are asked for `before` are not asked for again: an init section and what follows it lie in one.
   */
  static ask(url: string, start: number, end: number, before: Early | null): Early {
    const from = end > 0 ? start - (start % BLOCK) : 0;
    const to = end > 0 ? Math.ceil(end / BLOCK) * BLOCK : 0;
    const shares = before !== null && before.url === url && before.start <= from && from < before.end && before.end <= to;
    return new Early(url, from, { start, end }, to, shares ? before : null);
  }

  private async fetch(before: Early | null): Promise<void> {
    const shared = before === null ? null : this.shared(before);
    shared?.catch(() => {});
    const rest = before?.end ?? this.start;
    if (this.end === 0 || rest < this.end) await this.range(rest, this.end, shared);
    else await shared;
  }

  /** What another request brings of this one. */
  private async shared(before: Early): Promise<void> {
    try {
      await before.whole;
    } catch {
      // It was not wanted any more, perhaps.
      await this.range(this.start, before.end, null);
      return;
    }
    this.take(before.bytes().slice(this.start - before.start));
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
    if (this.wanted.end > 0 && this.start + this.length >= this.wanted.end) this.enough();
  }

  private checkLength(): number {
    if (this.start + this.length < this.wanted.end) throw new Error('the server sent less than was asked for');
    return this.asked().length;
  }

  /** What came is enough. */
  stop(): void {
    this.controller.abort();
  }

  /** All that came, from the start of its first block on. */
  bytes(): Bytes {
    return joined(this.pieces, this.length);
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
