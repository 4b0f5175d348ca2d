// Nearcast in somebody else's page: what hls.js loads comes through the tab's engine, checked, from peers and the origin.
//
// Nothing is scheduled here. Where something is missing (the signed catalogue, WebAssembly, a supernode), the player gets
// its bytes straight from the server, and that is told.

import type Hls from 'hls.js';
import type { HlsConfig } from 'hls.js';
import { bounded, CATALOGUE, CATALOGUE_BYTES } from '../tab/documents';
import { type LoaderClass, loaderOf, type Playing } from '../tab/loader';
import { costly, type Keeping, Part, titleAt } from '../tab/part';

export interface NearcastOptions {
  /** Address of the site's folder, or the link that `nearcast serve` prints: with its key no other provider is taken. */
  readonly site: string;
  /** The title that plays, where its media lie on another server than the site. Otherwise the address tells. */
  readonly title?: string;
  /** Whether what is played is handed on. Unless it is said, it is, but on cellular lines and where data is to be saved. */
  readonly share?: boolean;
  /** The hls.js that is used, where it is not the one of this package. */
  readonly Hls?: typeof Hls;
}

/** `sharing`: bytes are checked, kept and handed on. `direct`: they come straight from the server. */
export type NearcastState = 'starting' | 'sharing' | 'direct';

/** Bytes so far, of all players of this page that are on the same site. */
export interface NearcastStats {
  readonly state: NearcastState;
  /** Played, by where they came from. */
  readonly cache: number;
  readonly lan: number;
  readonly peers: number;
  readonly origin: number;
  /** Played straight from the server, without being checked: neither kept nor handed on. */
  readonly unverified: number;
  /** Handed on. */
  readonly sent: number;
  /** Other listeners that are connected. */
  readonly connected: number;
  /** Whether listeners can be found at present. */
  readonly supernode: boolean;
  /** Kept for the next visit, and where what plays is kept. */
  readonly kept: number;
  readonly keeps: Keeping;
}

export interface NearcastEvents {
  /** It takes part, or it does not and why. */
  state: { readonly state: NearcastState; readonly why: string | null };
  /** A player got a playlist or segment. */
  loaded: { readonly url: string; readonly bytes: number; readonly checked: boolean };
  /** A title is played straight from the server, and why. */
  direct: { readonly title: string; readonly why: string };
  /** The server sent other bytes than were published. */
  corrupt: { readonly url: string };
  /** Every other second while something plays. */
  stats: NearcastStats;
}

type Listener<K extends keyof NearcastEvents> = (what: NearcastEvents[K]) => void;

/** How soon a withdrawn title or another policy is heard of. */
const AGAIN_MS = 60_000;
const STATS_MS = 2000;
/** A player that asked for nothing this long has ended. */
const IDLE_MS = 60_000;
const NOTHING = { cache: 0, lan: 0, peers: 0, origin: 0, sent: 0, connected: 0, supernode: false, kept: 0, keeps: 'memory' } as const;

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A site that this page plays from. */
export class Site {
  private static readonly all = new Map<string, Site>();

  readonly part: Part;
  readonly folder: string;
  state: NearcastState = 'starting';
  why: string | null = null;
  readonly listeners = new Set<Nearcast>();
  /** Settles once it is known whether it takes part. */
  readonly started: Promise<boolean>;

  static of(site: string, shares: boolean): Site {
    const address = new URL(site, document.baseURI).href;
    const known = Site.all.get(address) ?? new Site(address, shares);
    Site.all.set(address, known);
    return known;
  }

  private constructor(address: string, shares: boolean) {
    this.folder = new URL('.', address).href;
    this.part = new Part(address, shares);
    this.part.onCorrupt = (url) => this.tell('corrupt', { url });
    this.started = this.part.catalogue(() => this.catalogue()).then(
      () => this.is('sharing', null),
      (error: unknown) => this.is('direct', words(error)),
    );
    setInterval(() => this.state === 'sharing' && void this.part.catalogue(() => this.catalogue()).catch(() => {}), AGAIN_MS);
  }

  private async catalogue(): Promise<Uint8Array> {
    const answer = await fetch(new URL(CATALOGUE, this.folder), { credentials: 'same-origin' });
    if (!answer.ok) throw new Error(`${this.folder} has no signed catalogue (${answer.status})`);
    return bounded(answer, CATALOGUE_BYTES);
  }

  private is(state: NearcastState, why: string | null): boolean {
    this.state = state;
    this.why = why;
    if (why !== null) console.info(`nearcast: plays straight from the server: ${why}`);
    this.tell('state', { state, why });
    return state === 'sharing';
  }

  tell<K extends keyof NearcastEvents>(event: K, what: NearcastEvents[K]): void {
    for (const listener of this.listeners) listener.hear(event, what);
  }
}

/** Starts a site's part before there is a player. `share` is "off", or nothing said. */
export const startSite = (site: string, share: string | undefined): Site => Site.of(site, share === undefined ? !costly() : share !== 'off');

/**
 * Settings for hls.js, and a way to watch and steer:
 *
 *     const near = nearcast({ site: 'https://media.example/' });
 *     const hls = new Hls({ ...near });
 *     near.on('stats', ({ peers, origin }) => …);
 */
export class Nearcast {
  /** What hls.js loads with. */
  readonly loader: LoaderClass;
  /** hls.js's own, which tells of whom it was made: how fast that player plays is learned from it. */
  readonly fpsController?: NonNullable<HlsConfig['fpsController']>;
  readonly #site: Site;
  readonly #heard: { [K in keyof NearcastEvents]: Set<Listener<K>> } = {
    state: new Set(),
    loaded: new Set(),
    direct: new Set(),
    corrupt: new Set(),
    stats: new Set(),
  };
  readonly #plays = new Map<HlsConfig, { readonly play: number; last: number }>();
  readonly #players = new WeakMap<HlsConfig, Hls>();
  readonly #direct = new Set<string>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: NearcastOptions & { readonly Hls: typeof Hls }) {
    const site = Site.of(options.site, options.share ?? !costly());
    this.#site = site;
    if (options.share !== undefined) site.part.share(options.share);
    site.listeners.add(this);
    if (options.title !== undefined) this.#open(options.title);
    this.loader = loaderOf(options.Hls, site.part, (config) => this.#playing(config), (url, bytes, checked) => {
      const title = titleAt(site.folder, url);
      if (!checked && title !== null) this.#open(title);
      this.hear('loaded', { url, bytes, checked });
    });
    const [Controller, players] = [options.Hls.DefaultConfig.fpsController, this.#players];
    if (Controller) {
      this.fpsController = class extends Controller {
        constructor(hls: Hls) {
          super(hls);
          players.set(hls.config, hls);
        }
      };
    }
    this.#timer = setInterval(() => this.#tick(), STATS_MS);
  }

  /** Calls back whenever it happens; at once with the state that it is in. Answers with how to end that. */
  on<K extends keyof NearcastEvents>(event: K, listener: Listener<K>): () => void {
    this.#heard[event].add(listener);
    if (event === 'state') (listener as Listener<'state'>)({ state: this.#site.state, why: this.#site.why });
    return () => void this.#heard[event].delete(listener);
  }

  /** As it was a moment ago: being asked, the engine tells how it is. */
  stats(): NearcastStats {
    const { part } = this.#site;
    void part.doing();
    return this.#stats();
  }

  #stats(): NearcastStats {
    const { part, state } = this.#site;
    const { cache, lan, peers, origin, sent, connected, supernode, kept, keeps } = part.lately() ?? NOTHING;
    return { state, cache, lan, peers, origin, unverified: part.unverified, sent, connected, supernode, kept, keeps };
  }

  /** Whether what is played is handed on, from here on. */
  share(on: boolean): void {
    this.#site.part.share(on);
  }

  /** Forgets what the browser keeps of the site, but what plays. */
  forget(): void {
    this.#site.part.clear();
  }

  /** Ends what belongs to this player. */
  destroy(): void {
    clearInterval(this.#timer);
    this.#site.listeners.delete(this);
    for (const { play } of this.#plays.values()) this.#site.part.stopped(play);
    this.#plays.clear();
  }

  /** @internal */
  hear<K extends keyof NearcastEvents>(event: K, what: NearcastEvents[K]): void {
    for (const listener of this.#heard[event]) listener(what);
  }

  #open(title: string): void {
    if (this.#direct.has(title)) return;
    void this.#site.part.open(title).then((why) => {
      if (why === null || this.#direct.has(title)) return;
      this.#direct.add(title);
      this.hear('direct', { title, why });
    });
  }

  /** Each player is a play. */
  #playing(config: HlsConfig): Playing {
    const known = this.#plays.get(config) ?? { play: this.#site.part.nextPlay(), last: 0 };
    known.last = performance.now();
    this.#plays.set(config, known);
    return { play: known.play, rate: this.#players.get(config)?.media?.playbackRate };
  }

  #tick(): void {
    for (const [config, { play, last }] of this.#plays) {
      if (performance.now() - last < IDLE_MS) continue;
      this.#site.part.stopped(play);
      this.#plays.delete(config);
    }
    if (this.#heard.stats.size === 0 || this.#plays.size === 0) return;
    void this.#site.part.doing().then(() => this.hear('stats', this.#stats()));
  }
}
