// What takes part for a page: its own engine, in a worker or in the page, or that of the tab that leads.

/** What was done so far, in bytes; and how it stands. */
export interface Figures {
  readonly cache: number;
  readonly lan: number;
  readonly peers: number;
  readonly origin: number;
  readonly sent: number;
  readonly connected: number;
  readonly held: number;
  readonly supernode: boolean;
  readonly sharing: 'off' | 'near' | 'on';
  /** Bytes that the browser keeps, and whether it keeps what plays. */
  readonly kept: number;
  readonly keeping: 'no' | 'browser' | 'full';
}

/** What became of bytes that were given: how many were checked, and whether all were what was published. */
export interface Given {
  readonly checked: number;
  readonly good: boolean;
}

export interface FileOf {
  readonly size: number;
  readonly type: string;
}

/** What a player shows that it had from a server before there was an engine. */
export interface Shown {
  readonly url: string;
  readonly start: number;
  readonly end: number;
  /** When it was asked for, and when it was there: milliseconds since the epoch, which all tabs have in common. */
  readonly asked: number;
  readonly there: number;
}

/** How a player takes bytes. */
export interface How {
  /** Nothing of them is shown before all are there. */
  readonly whole: boolean;
  /** How fast it plays, where that is known; 1 is as it was made. */
  readonly rate: number | undefined;
}

/** It takes no part any more, or nobody delivers the bytes. */
export class Unavailable extends Error {}

export interface Taking {
  readonly alive: boolean;
  /** How it was doing when it last said so. */
  readonly latest: Figures | undefined;
  /** Settles when a title's files can be read. */
  open(title: string): Promise<void>;
  /** What a file is; nothing when it is none of an open title. */
  fileAt(url: string): FileOf | undefined;
  /** Verified bytes of a file in order, as they come. */
  read(play: number, url: string, start: number, end: number, how: How, signal: AbortSignal): AsyncGenerator<Bytes>;
  /** Bytes a second for which the player of a play should take its line, as was said with its last read; nothing for what
   * it measures. */
  line(play: number): number | undefined;
  /** Has bytes of a file checked that the page fetched by itself, and has no more use for. Nothing when nothing can be said of them. */
  give(url: string, start: number, bytes: Bytes, played: boolean): Promise<Given | undefined>;
  showed(play: number, shown: Shown): void;
  stopped(play: number): void;
  upcoming(titles: readonly string[]): void;
  share(shares: boolean): void;
  /** Keeps nothing of what does not play. */
  clear(): void;
  catalogue(bytes: Uint8Array): void;
  /** Asks how it is doing. */
  figures(): Promise<Figures | undefined>;
}

export type Bytes = Uint8Array<ArrayBuffer>;
