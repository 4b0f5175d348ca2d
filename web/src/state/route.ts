// Which view is shown. It lives behind the number sign, so that back and forward work and no server is asked.

import { signal } from '@preact/signals';

export type View =
  | 'home'
  | 'albums'
  | 'album'
  | 'artists'
  | 'artist'
  | 'songs'
  | 'films'
  | 'favourites'
  | 'playlist'
  | 'search'
  | 'library';

export interface Route {
  readonly view: View;
  readonly key: string;
}

const VIEWS: readonly string[] = [
  'home',
  'albums',
  'album',
  'artists',
  'artist',
  'songs',
  'films',
  'favourites',
  'playlist',
  'search',
  'library',
];

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

function read(hash: string): Route {
  const [, view = '', key = ''] = /^#\/([a-z]+)(?:\/(.*))?$/u.exec(hash) ?? [];
  return VIEWS.includes(view) ? { view: view as View, key: decode(key) } : { view: 'home', key: '' };
}

export const href = (view: View, key = ''): string => `#/${view}${key === '' ? '' : `/${encodeURIComponent(key)}`}`;

/** The title that a provider's link names: `#nearcast=KEY/TITLE`. */
export function linkedTitle(): string | null {
  return /^#nearcast=[A-Z0-9]+\/([a-z0-9-]+)$/iu.exec(location.hash)?.[1] ?? null;
}

export const route = signal<Route>(read(location.hash));

addEventListener('hashchange', () => {
  route.value = read(location.hash);
});

export function go(view: View, key = ''): void {
  location.hash = href(view, key);
}
