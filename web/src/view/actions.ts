// What can be done with a title, from wherever it is shown.

import { isFilm, type Title } from '../model/title';
import * as player from '../player/player';
import { addToPlaylist, favourites, newPlaylist, playlists, toggleFavourite } from '../state/kept';
import { albumKeys } from '../state/library';
import { go } from '../state/route';
import { ask } from './dialogs';
import { type MenuItem, openMenu } from './menu';

const ids = (titles: readonly Title[]): string[] => titles.map((t) => t.id);

export const makePlaylist = (titles: readonly Title[]): void =>
  ask('New playlist', '', 'Create', (name) => go('playlist', newPlaylist(name, ids(titles))));

function playlistItems(titles: readonly Title[]): MenuItem[] {
  const known = playlists.peek().map((p) => ({
    label: `Add to “${p.name}”`,
    icon: 'playlist',
    act: () => addToPlaylist(p.id, ids(titles)),
  }));
  return [{ label: 'New playlist…', icon: 'plus', apart: true, act: () => makePlaylist(titles) }, ...known];
}

function goItems(title: Title): MenuItem[] {
  const key = albumKeys.peek().get(title.id);
  const album = key === undefined ? [] : [{ label: 'Go to album', icon: 'album', apart: true, act: () => go('album', key) }];
  const { artist } = title;
  const maker =
    artist === null || isFilm(title) ? [] : [{ label: 'Go to artist', icon: 'artist', act: () => go('artist', artist) }];
  return [...album, ...maker];
}

/** The menu of one title; `extra` are a list's own choices. */
export function titleMenu(event: MouseEvent, title: Title, extra: readonly MenuItem[] = []): void {
  event.stopPropagation();
  const liked = favourites.peek().includes(title.id);
  openMenu(event, title.name, [
    { label: 'Play next', icon: 'queue', act: () => player.enqueue([title.id], 'next') },
    { label: 'Add to queue', icon: 'playlist', act: () => player.enqueue([title.id], 'end') },
    {
      label: liked ? 'Remove from favourites' : 'Add to favourites',
      icon: liked ? 'hearted' : 'heart',
      act: () => toggleFavourite(title.id),
    },
    ...extra,
    ...playlistItems([title]),
    ...goItems(title),
  ]);
}

/** The menu of several titles: an album, a playlist. */
export function groupMenu(event: MouseEvent, name: string, titles: readonly Title[], extra: readonly MenuItem[] = []): void {
  openMenu(event, name, [
    { label: 'Play next', icon: 'queue', act: () => player.enqueue(ids(titles), 'next') },
    { label: 'Add to queue', icon: 'playlist', act: () => player.enqueue(ids(titles), 'end') },
    ...extra,
    ...playlistItems(titles),
  ]);
}
