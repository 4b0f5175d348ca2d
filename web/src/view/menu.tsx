// One menu at a time, for the dots beside titles and the choices of a film.

import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './icons';

export interface MenuItem {
  readonly label: string;
  readonly icon?: string;
  /** Whether it is the choice that holds. */
  readonly chosen?: boolean;
  /** Draws a line above it. */
  readonly apart?: boolean;
  readonly act: () => void;
}

interface Open {
  readonly items: readonly MenuItem[];
  readonly label: string;
  readonly at: DOMRect;
  readonly from: HTMLElement;
}

const open = signal<Open | null>(null);

export function openMenu(event: MouseEvent, label: string, items: readonly MenuItem[]): void {
  const from = event.currentTarget as HTMLElement;
  open.value = open.peek()?.from === from ? null : { items, label, at: from.getBoundingClientRect(), from };
}


export function Menu() {
  const shown = open.value;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (shown === null || box.current === null) return;
    const menu = box.current;
    menu.showPopover();
    placeMenu(menu, shown.at);
    menu.querySelector<HTMLElement>('[role^="menuitem"]')?.focus();
  }, [shown]);
  if (shown === null) return null;
  const choose = (item: MenuItem): void => {
    open.value = null;
    shown.from.focus();
    item.act();
  };
  const onKey = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      open.value = null;
      shown.from.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined || box.current === null) return;
    event.preventDefault();
    const items = [...box.current.querySelectorAll<HTMLElement>('[role^="menuitem"]')];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items[(at + step + items.length) % items.length]?.focus();
  };
  const onToggle = (event: Event): void => {
    if ((event as ToggleEvent).newState === 'closed' && open.peek() === shown) open.value = null;
  };
  return (
    <div ref={box} class={`menu${shown.from.closest('.stage') ? ' is-dark' : ''}`} popover="auto" role="menu" aria-label={shown.label} onKeyDown={onKey} onToggle={onToggle}>
      {shown.items.map((item) => (
        <button
          type="button"
          role={item.chosen === undefined ? 'menuitem' : 'menuitemradio'}
          aria-checked={item.chosen}
          class={item.apart ? 'is-apart' : ''}
          onClick={() => choose(item)}
        >
          <Icon name={item.chosen === undefined ? (item.icon ?? '') : item.chosen ? 'check' : ''} size={18} />
          <span>{item.label}</span>
        </button>
      ))}
    </div>
  );
}

function placeMenu(menu: HTMLElement, at: DOMRect): void {
  const { width, height } = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.right - width, innerWidth - width - 8));
  const below = at.bottom + 6;
  const top = below + height > innerHeight - 8 ? Math.max(8, at.top - height - 6) : below;
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
}

