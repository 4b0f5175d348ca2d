// Bytes that the page asks the server for by itself while the engine is still on its way. They are checked as soon as it
// is there: before they are played, if that is soon enough.

/** What is checked at once, and the least that can be. */
const BLOCK = 16 * 1024;

export class Early {
  /** Settles when all of it came; fails when it does not. */
  readonly done: Promise<void>;
  /** When its first bytes came. */
  first = 0;
  private readonly pieces: Uint8Array<ArrayBuffer>[] = [];
  private length = 0;
  private readonly controller = new AbortController();

  private constructor(
    readonly url: string,
    /** Where it begins: at a block. */
    readonly start: number,
    private readonly wanted: { readonly start: number; readonly end: number },
    end: number,
  ) {
    this.done = this.fetch(end);
    this.done.catch(() => {});
  }

  /** Asks for `start..end` of a file, or for all of it where `end` is 0, and for the rest of the blocks at both ends. */
  static ask(url: string, start: number, end: number): Early {
    const from = end > 0 ? start - (start % BLOCK) : 0;
    return new Early(url, from, { start, end }, end > 0 ? Math.ceil(end / BLOCK) * BLOCK : 0);
  }

  private async fetch(end: number): Promise<void> {
    const headers: HeadersInit = end > 0 ? { Range: `bytes=${this.start}-${end - 1}` } : {};
    const { status, body } = await fetch(this.url, { headers, signal: this.controller.signal, credentials: 'same-origin' });
    if (status !== (end > 0 ? 206 : 200) || body === null) throw new Error(`the server answers ${status}`);
    const reader = body.getReader();
    for (let piece = await reader.read(); piece.value !== undefined; piece = await reader.read()) {
      this.first ||= performance.now();
      this.pieces.push(piece.value);
      this.length += piece.value.length;
    }
    if (this.length < this.wanted.end - this.start) throw new Error('the server sent less than was asked for');
  }

  /** What came is enough. */
  stop(): void {
    this.controller.abort();
  }

  /** All that came, from the start of its first block on. */
  bytes(): Uint8Array<ArrayBuffer> {
    return joined(this.pieces, this.length);
  }

  /** What was asked for. */
  asked(): Uint8Array<ArrayBuffer> {
    const { start, end } = this.wanted;
    return end > 0 ? this.bytes().slice(start - this.start, end - this.start) : this.bytes();
  }
}

export function joined(pieces: readonly Uint8Array<ArrayBuffer>[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
