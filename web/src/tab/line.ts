// Who has the line at a start. The engine is as long as a second of film: it comes behind what the player waits for. Where
// that comes slowly and others have the title, it comes first, and the media from them.

/** A player that asks for something asks for what follows within this, unless it has what it needs. */
const QUIET_MS = 200;
/** What a player waited for is shown within this: meanwhile nothing else is begun in its page. */
const SHOWS_MS = 100;
/** A start that takes longer than this from the server is worth waiting for the engine, if others have the title: it is
 * there by then, and asks them. */
const SLOW_MS = 600;
/** The supernode was asked two answers of the server ago: it is late, or silent. */
const LEARN_MS = 100;
/** The longest wait for an engine. */
const ENGINE_MS = 5000;
/** Shorter answers say little of how fast a server is. */
const TELLING_BYTES = 64 * 1024;
/** A segment of which nothing is known. */
const SEGMENT_BYTES = 1024 * 1024;

/** What is promised, or false when it takes longer. */
export const within = (promised: Promise<boolean>, millis: number): Promise<boolean> =>
  Promise.race([promised, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), millis))]);

/** Lets whatever else waits in this page go first. A timer would take a second where nobody looks at the page. */
export const breath = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (port1.close(), resolve());
    port2.postMessage(null);
  });

export class Line {
  /** Settles when the engine is in nobody's way. */
  readonly free: Promise<void>;
  private release: () => void = () => {};
  /** What is under way for players, in the order in which it was asked for. */
  private readonly under = new Set<Promise<void>>();
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private held: Promise<boolean> = Promise.resolve(false);
  /** Nobody else has the title, as far as is known. */
  private alone = false;
  private shown = false;

  constructor(private readonly server: string) {
    this.free = new Promise((resolve) => (this.release = resolve));
    this.rest();
  }

  /** It becomes known whether others have the title. */
  learns(held: Promise<boolean>): void {
    this.held = held;
    this.alone = false;
    void held.then((others) => (this.alone = !others), () => {});
  }

  /** Whether others have the title, so that the engine has whom to ask beside the server. */
  others(): Promise<boolean> {
    return within(this.held, LEARN_MS);
  }

  /**
   * How long media wait for the engine before the server is asked without it, in milliseconds. Of `bytes` nothing may be
   * known (0); `lasting` is how long they play.
   */
  async patience(bytes: number, lasting: number): Promise<number> {
    if (!(await this.foresees(bytes))) return 0;
    // There is as much to play meanwhile, and the most of it is left for the server to take.
    return this.shown ? Math.min(lasting * 1000, ENGINE_MS) / 3 : ENGINE_MS;
  }

  /** Media are about to be asked for. Whether they are to wait for the engine, which comes first then. */
  async foresees(bytes: number): Promise<boolean> {
    if (this.isQuick(bytes) || !(await this.others())) return false;
    if (!this.shown) {
      clearTimeout(this.quiet);
      this.release();
    }
    return true;
  }

  /** Whether it is known already that a start of so many bytes comes from the server, as nothing was shown yet. */
  isServers(bytes: number): boolean {
    return this.isQuick(bytes) || (!this.shown && this.alone);
  }

  private isQuick(bytes: number): boolean {
    return !this.shown && this.takes(bytes > 0 ? bytes : SEGMENT_BYTES) < SLOW_MS;
  }

  /** How long the server takes for so many bytes, by the longest of what it sent so far. */
  private takes(bytes: number): number {
    const came = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    const telling = came.filter(({ name, transferSize }) => name.startsWith(this.server) && transferSize > TELLING_BYTES);
    const longest = telling.reduce<PerformanceResourceTiming | null>((a, b) => (a !== null && a.transferSize > b.transferSize ? a : b), null);
    if (longest === null) return 0;
    return ((longest.responseEnd - longest.responseStart) * bytes) / longest.transferSize;
  }

  /** A player waits for this: it settles when it has come, with whether something can be shown of it. */
  carries(coming: Promise<boolean>): void {
    clearTimeout(this.quiet);
    const beside = [...this.under];
    const over = coming.then(
      async (shown) => {
        if (!shown) return;
        // Picture and sound may be two streams: both are needed for a start, and what follows either is not.
        await Promise.all(beside);
        this.shown = true;
        setTimeout(this.release, SHOWS_MS);
      },
      () => {},
    );
    this.under.add(over);
    void over.then(() => {
      this.under.delete(over);
      if (this.under.size === 0) this.rest();
    });
  }

  private rest(): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(this.release, QUIET_MS);
  }
}
