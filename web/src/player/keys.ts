// The keyboard: the keys that people know from other players.

import { signal } from '@preact/signals';
import { preferences, prefer, toggleFavourite } from '../state/kept';
import * as player from './player';

export const KEYS: readonly (readonly [string, string])[] = [
  ['Space or K', 'Play or pause'],
  ['← →', 'Back or forward 5 seconds'],
  ['J L', 'Back or forward 10 seconds'],
  ['N P', 'Next or previous title'],
  ['⇧ ↑ ↓', 'Louder or quieter; without ⇧ in a film'],
  ['M', 'Mute'],
  ['S', 'Shuffle'],
  ['R', 'Repeat'],
  ['H', 'Favourite'],
  ['F', 'Full screen, for films'],
  ['C', 'Subtitles on or off'],
  ['/', 'Search'],
  ['?', 'These keys'],
];

export const keysShown = signal(false);

/** What views lend to the keyboard while they are there. */
export const lent: { fullscreen?: () => void; captions?: () => void; search?: () => void } = {};

const louder = (by: number): void => {
  const volume = Math.min(1, Math.max(0, preferences.peek().volume + by));
  prefer({ volume, muted: false });
};

const ACTIONS: Record<string, () => void> = {
  ' ': player.toggle,
  k: player.toggle,
  ArrowLeft: () => player.seekBy(-5),
  ArrowRight: () => player.seekBy(5),
  j: () => player.seekBy(-10),
  l: () => player.seekBy(10),
  n: player.next,
  p: player.previous,
  ArrowUp: () => louder(0.05),
  ArrowDown: () => louder(-0.05),
  m: () => prefer({ muted: !preferences.peek().muted }),
  s: () => player.setShuffle(!preferences.peek().shuffle),
  r: player.cycleRepeat,
  h: () => {
    const title = player.current.peek();
    if (title !== null) toggleFavourite(title.id);
  },
  f: () => lent.fullscreen?.(),
  c: () => lent.captions?.(),
  '/': () => lent.search?.(),
  '?': () => (keysShown.value = !keysShown.peek()),
};

/** Leaves the film, unless the key is for a menu above it or for full screen: the browser closes those. */
function escape(): void {
  const above = document.fullscreenElement !== null || document.querySelector(':popover-open, dialog[open]') !== null;
  if (!above && player.stageOpen.peek()) player.stageOpen.value = false;
}

/** Controls that use a key themselves keep it. */
function belongsTo(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('dialog')) return true;
  if (target instanceof HTMLInputElement) return target.type !== 'range' || key.startsWith('Arrow');
  if (target.closest('textarea, select')) return true;
  const pressed = target.closest('button, a, summary') !== null;
  return pressed && (key === ' ' || key === 'Enter');
}

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === 'Escape') escape();
    const act = ACTIONS[key];
    const scrolls = key.startsWith('Arrow') && player.current.peek() === null;
    if (act === undefined || scrolls || belongsTo(event.target, key)) return;
    // Up and down scroll the page unless a film fills it.
    if ((key === 'ArrowUp' || key === 'ArrowDown') && !player.stageOpen.peek() && !event.shiftKey) return;
    event.preventDefault();
    act();
  });
}
