// The queue as values: what plays, what comes next. Pure, so that every rule can be tested by itself.

export type Repeat = 'off' | 'all' | 'one';

export interface Queue {
  /** As it was put together. */
  readonly list: readonly string[];
  /** As it plays: places in `list`. */
  readonly order: readonly number[];
  /** Place in `order` of what plays; -1 when the queue is empty. */
  readonly at: number;
}

export const EMPTY: Queue = { list: [], order: [], at: -1 };

/** A number from 0 to below `n`. */
export type Draw = (n: number) => number;

export const draw: Draw = (n) => Math.floor(Math.random() * n);

const inOrder = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** All places in chance order (Fisher and Yates), `first` in front where it is given. */
function mixed(n: number, first: number | null, choose: Draw): number[] {
  const order = inOrder(n).filter((i) => i !== first);
  for (let i = order.length - 1; i > 0; i--) {
    const j = choose(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return first === null ? order : [first, ...order];
}

/** A queue of `list` that begins with its place `first`, or anywhere when shuffled and null. */
export function start(list: readonly string[], first: number | null, shuffled: boolean, choose = draw): Queue {
  if (list.length === 0) return EMPTY;
  if (shuffled) return { list, order: mixed(list.length, first, choose), at: 0 };
  return { list, order: inOrder(list.length), at: Math.min(Math.max(0, first ?? 0), list.length - 1) };
}

export const playing = (queue: Queue): string | null => queue.list[queue.order[queue.at] ?? -1] ?? null;

/** What comes after what plays. */
export const ahead = (queue: Queue): string[] =>
  queue.order.slice(queue.at + 1).flatMap((place) => queue.list[place] ?? []);

/** The queue moved on by one; null at its end. */
export function next(queue: Queue, repeat: Repeat): Queue | null {
  if (queue.at < 0) return null;
  if (queue.at + 1 < queue.order.length) return { ...queue, at: queue.at + 1 };
  return repeat === 'all' ? { ...queue, at: 0 } : null;
}

export function previous(queue: Queue, repeat: Repeat): Queue | null {
  if (queue.at > 0) return { ...queue, at: queue.at - 1 };
  return repeat === 'all' && queue.order.length > 1 ? { ...queue, at: queue.order.length - 1 } : null;
}

/** Mixes what comes next, or puts it back as it was put together; what plays goes on. */
export function shuffle(queue: Queue, on: boolean, choose = draw): Queue {
  const place = queue.order[queue.at];
  if (place === undefined) return queue;
  if (on) return { ...queue, order: mixed(queue.list.length, place, choose), at: 0 };
  return { ...queue, order: inOrder(queue.list.length), at: place };
}

/** Adds titles right behind what plays, or at the end. */
export function add(queue: Queue, titles: readonly string[], where: 'next' | 'end'): Queue {
  if (queue.at < 0) return start(titles, 0, false);
  const places = titles.map((_, i) => queue.list.length + i);
  const cut = where === 'next' ? queue.at + 1 : queue.order.length;
  const order = [...queue.order.slice(0, cut), ...places, ...queue.order.slice(cut)];
  return { ...queue, list: [...queue.list, ...titles], order };
}

/** Takes out what is `steps` behind what plays. */
export function remove(queue: Queue, steps: number): Queue {
  const gone = queue.at + steps;
  const place = queue.order[gone];
  if (place === undefined || steps <= 0) return queue;
  const order = queue.order.filter((_, i) => i !== gone).map((p) => (p > place ? p - 1 : p));
  return { list: queue.list.filter((_, i) => i !== place), order, at: queue.at };
}

/** Jumps to what is `steps` behind what plays. */
export const jump = (queue: Queue, steps: number): Queue =>
  queue.order[queue.at + steps] === undefined ? queue : { ...queue, at: queue.at + steps };
