// The frame around everything: side bar, search, tabs of a phone, player.

import { useEffect, useRef } from 'preact/hooks';
import { lent } from '../player/keys';
import { current } from '../player/player';
import { forgets, playlists } from '../state/kept';
import { albums, artists, films, provider, songs } from '../state/library';
import { href, route, type View } from '../state/route';
import { makePlaylist } from './actions';
import { Bar, sheetOpen } from './bar';
import { AskDialog, KeysDialog } from './dialogs';
import { Icon } from './icons';
import { Menu } from './menu';
import { Page } from './pages';
import { SharingControl } from './sharing';
import { Sheet } from './sheet';
import { Stage } from './stage';

function NavLink({ view, icon, name, keyed = '' }: { view: View; icon: string; name: string; keyed?: string }) {
  const here = route.value.view === view && route.value.key === keyed;
  return (
    <li>
      <a href={href(view, keyed)} class={here ? 'is-here' : ''} aria-current={here ? 'page' : undefined}>
        <Icon name={icon} size={20} /> <span>{name}</span>
      </a>
    </li>
  );
}

const Mark = () => (
  <svg class="mark" width="30" height="30" viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="9" class="mark-ground" />
    <path d="M9.5 22.5a9.2 9.2 0 0 1 0-13M22.5 9.5a9.2 9.2 0 0 1 0 13" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" />
    <circle cx="16" cy="16" r="3.6" fill="#fff" />
  </svg>
);

function SideBar() {
  return (
    <nav class="side" aria-label="Library">
      <a class="brand" href={href('home')}>
        <Mark /> <span>{provider.value || 'Nearcast'}</span>
      </a>
      <ul>
        <NavLink view="home" icon="home" name="Home" />
        {albums.value.length > 0 && <NavLink view="albums" icon="album" name="Albums" />}
        {artists.value.length > 0 && <NavLink view="artists" icon="artist" name="Artists" />}
        {songs.value.length > 0 && <NavLink view="songs" icon="song" name="Songs" />}
        {films.value.length > 0 && <NavLink view="films" icon="film" name="Films" />}
        <NavLink view="favourites" icon="heart" name="Favourites" />
      </ul>
      <div class="side-head">
        <h2>Playlists</h2>
        <button type="button" class="icon-button" aria-label="New playlist" title="New playlist" onClick={() => makePlaylist([])}>
          <Icon name="plus" size={18} />
        </button>
      </div>
      <ul class="side-playlists">
        {playlists.value.map((p) => (
          <NavLink view="playlist" icon="playlist" name={p.name} keyed={p.id} key={p.id} />
        ))}
        {playlists.value.length === 0 && <li class="side-hint">Make one with the plus.</li>}
      </ul>
      {forgets.value && <p class="side-hint">This browser refuses to keep favourites and playlists.</p>}
    </nav>
  );
}

function SearchField() {
  const input = useRef<HTMLInputElement>(null);
  const { view, key } = route.value;
  useEffect(() => {
    lent.search = () => input.current?.focus();
    return () => delete lent.search;
  }, []);
  const type = (event: Event): void => {
    const text = (event.target as HTMLInputElement).value;
    const to = text === '' ? href('home') : href('search', text);
    // One entry in the history for a search, however many letters it took.
    if (view === 'search') {
      history.replaceState(null, '', to);
      dispatchEvent(new HashChangeEvent('hashchange'));
    } else location.hash = to;
  };
  return (
    <form class="search" role="search" onSubmit={(e) => e.preventDefault()}>
      <Icon name="search" size={18} />
      <input
        ref={input}
        type="search"
        placeholder="Search"
        aria-label="Search titles, artists, albums"
        autocomplete="off"
        spellcheck={false}
        value={view === 'search' ? key : ''}
        onInput={type}
        onKeyDown={(e) => e.key === 'Escape' && input.current?.blur()}
      />
    </form>
  );
}

const Tabs = () => (
  <nav class="tabs" aria-label="Pages">
    <ul>
      <NavLink view="home" icon="home" name="Home" />
      <NavLink view="search" icon="search" name="Search" />
      <NavLink view="library" icon="library" name="Library" />
      <NavLink view="favourites" icon="heart" name="Favourites" />
    </ul>
  </nav>
);

/** Views that stay as they are while their key changes: the page does not jump to its top. */
const scrollKey = (view: View, key: string): string => (view === 'search' ? view : `${view}/${key}`);

export function Shell() {
  const main = useRef<HTMLElement>(null);
  const { view, key } = route.value;
  useEffect(() => {
    main.current?.scrollTo(0, 0);
    sheetOpen.value = false;
  }, [scrollKey(view, key)]);
  const title = current.value;
  useEffect(() => {
    document.title = title === null ? provider.value || 'Nearcast' : `${title.name}${title.artist ? ` · ${title.artist}` : ''}`;
  }, [title, provider.value]);
  return (
    <div class={`app${title === null ? '' : ' has-bar'}`}>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
        To the content
      </a>
      <SideBar />
      <main class="main" id="main" ref={main} tabIndex={-1} onScroll={(e) => e.currentTarget.classList.toggle('is-scrolled', e.currentTarget.scrollTop > 12)}>
        <div class="top">
          <a class="top-brand" href={href('home')} aria-label="Home">
            <Mark />
          </a>
          <SearchField />
          <SharingControl />
        </div>
        <div class="page">
          <Page />
        </div>
      </main>
      <Sheet />
      <Stage />
      <Bar />
      <Tabs />
      <Menu />
      <AskDialog />
      <KeysDialog />
    </div>
  );
}
