// Which of a site's tabs leads: one at a time has the engine that keeps, and answers the others. The page holds the lead,
// and so gives it up when it is closed, whatever its engine does.

import { type Stock, stockOf } from './kept';

/** How long a tab waits for others that look whether somebody leads. */
const HEIR_MS = 10_000;

/** A site's lead. */
export class Lead {
  /** Whether this browser lets the site's tabs find each other and keep what plays: only in a secure context, and not where
   * its data are blocked, which is known once the lead was asked for. */
  possible = 'locks' in navigator && 'caches' in globalThis;
  private readonly name: string;
  /** Gives it up. */
  private give: () => void = () => {};
  private over = false;
  /** This tab takes the lead, or took it, from whoever has it: that may be itself, whose turn has just come. */
  private seizes = false;

  constructor(
    private readonly site: string,
    /** It is this tab's turn. */
    private readonly later: (stock: Stock) => void,
    /** Another tab took the lead: this one was silent for too long. */
    private readonly lost: () => void,
  ) {
    this.name = `nearcast ${site}`;
  }

  /** Asks for it. Settles with what is kept when this tab leads, with null when another does; its turn comes later then. */
  ask(): Promise<Stock | null> {
    if (!this.possible) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.hold({ ifAvailable: true }, (stock) => {
        resolve(stock);
        if (stock === null && this.possible) this.wait();
      });
    });
  }

  /** One tab at a time looks whether it has to take the lead from one that is silent. Null when its turn does not come. */
  async alone<Found>(looks: (seize: () => Promise<Stock | null>) => Promise<Found>): Promise<Found | null> {
    const seize = (): Promise<Stock | null> => {
      this.seizes = true;
      return new Promise((resolve) => this.hold({ steal: true }, resolve));
    };
    try {
      return await navigator.locks.request(`${this.name} heir`, { signal: AbortSignal.timeout(HEIR_MS) }, () => looks(seize));
    } catch {
      return null;
    }
  }

  /** Leads no more, and never again: another tab may. */
  leave(): void {
    this.over = true;
    this.give();
  }

  private wait(): void {
    if (this.over) return;
    this.hold({}, (stock) => stock !== null && !this.over && this.later(stock));
  }

  private hold(options: LockOptions, led: (stock: Stock | null) => void): void {
    let leads = false;
    const held = navigator.locks.request(this.name, options, async (lock) => {
      leads = lock !== null;
      const stock = leads ? await stockOf(this.site).catch(() => null) : null;
      if (leads && stock === null) this.possible = false;
      led(stock);
      // Led for as long as the tab lives, or can.
      if (stock !== null && !this.over) await new Promise<void>((resolve) => (this.give = resolve));
    });
    held.catch(() => {
      const seized = options.steal === true;
      if (seized) this.seizes = false;
      if (!leads) {
        // Nobody has it, and it cannot be had.
        if (!seized) this.possible = false;
        return led(null);
      }
      // Who took it is waiting already.
      if (!seized) this.wait();
      if (!this.seizes) this.lost();
    });
  }
}
