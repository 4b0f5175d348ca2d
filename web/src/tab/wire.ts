// What a page and its engine say to each other, over whatever is between them.

import type { LinkAct, LinkNews } from './channels';
import type { Answer, Question } from './desk';
import type { Stock } from './kept';
import type { Setup } from './tab';

/** One end of what is between a page and its engine: a worker, the scope within it, a port. */
export interface Wire {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** How the engine is started. */
export type Order =
  /** Starts, and keeps what plays where there is a stock. */
  | { readonly ask: 'start'; readonly setup: Setup; readonly folder: string; readonly stock: Stock | null }
  /** Keeps what plays from here on. */
  | { readonly ask: 'keep'; readonly folder: string; readonly stock: Stock }
  /** Answers the tabs that follow, under this name. */
  | { readonly ask: 'lead'; readonly folder: string; readonly leader: string };

export type FromPage =
  /** Here is the engine; or it lies at this address. */
  | { readonly load: WebAssembly.Module | string }
  | ((Question | Order) & { readonly call: number })
  | LinkNews;

export type FromEngine =
  | Answer
  | LinkAct
  /** It runs, in a worker that can take channels, or cannot. */
  | { readonly hello: { readonly channels: boolean } }
  /** It is compiled, or cannot be and why. */
  | { readonly loaded: string | null }
  /** It holds this lock for as long as it lives. */
  | { readonly lives: string }
  /** It takes no part any more. */
  | { readonly over: true };
