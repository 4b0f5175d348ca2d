// What the main part of the page shows for each route.

import type { ComponentChildren } from 'preact';
import { fitsName } from '../model/search';
import type { Album, Title } from '../model/title';
import { count, span } from '../model/words';
import * as player from '../player/player';
import { changePlaylist, favourites, playlists, positions } from '../state/kept';
import { albums, artists, byId, films, loading, loadLibrary, provider, searchIndex, songs, titles, trouble } from '../state/library';
import { go, href, route } from '../state/route';
import { groupMenu, makePlaylist } from './actions';
import { Cover, tinted, useTint } from './art';
import { ask } from './dialogs';
import { Icon, IconButton } from './icons';
import { AlbumGrid, ArtistGrid, FilmGrid, TrackList } from './lists';
import { openMenu } from './menu';

const ids = (list: readonly Title[]): string[] => list.map((t) => t.id);
const lengthOf = (list: readonly Title[]): number => list.reduce((sum, t) => sum + t.durationMs, 0);

interface SectionProps {
  title: string;
  more?: string | undefined;
  children: ComponentChildren;
}

function Section({ title, more, children }: SectionProps) {
  return (
    <section class="section">
      <div class="section-head">
        <h2>{title}</h2>
        {more !== undefined && (
          <a href={more} aria-label={`All: ${title}`}>
            Show all
          </a>
        )}
      </div>
      {children}
    </section>
  );
}

const Nothing = ({ icon, title, children }: { icon: string; title: string; children: ComponentChildren }) => (
  <div class="nothing">
    <Icon name={icon} size={40} />
    <h2>{title}</h2>
    <p>{children}</p>
  </div>
);

const HOME_ALBUMS = 12;
const HOME_FILMS = 6;
const HOME_SONGS = 10;

function Home() {
  const begun = Object.entries(positions.value)
    .sort(([, a], [, b]) => b.when - a.when)
    .flatMap(([id]) => films.value.find((f) => f.id === id) ?? []);
  const loose = songs.value.filter((t) => t.album === null);
  return (
    <>
      <h1 class="page-title">{provider.value}</h1>
      {begun.length > 0 && (
        <Section title="Continue watching">
          <FilmGrid films={begun.slice(0, HOME_FILMS)} label="Continue watching" />
        </Section>
      )}
      {albums.value.length > 0 && (
        <Section title="Albums" more={albums.value.length > HOME_ALBUMS ? href('albums') : undefined}>
          <AlbumGrid albums={albums.value.slice(0, HOME_ALBUMS)} label="Albums" />
        </Section>
      )}
      {films.value.length > 0 && (
        <Section title="Films" more={films.value.length > HOME_FILMS ? href('films') : undefined}>
          <FilmGrid films={films.value.slice(0, HOME_FILMS)} label="Films" />
        </Section>
      )}
      {loose.length > 0 && (
        <Section title="Songs" more={loose.length > HOME_SONGS ? href('songs') : undefined}>
          <TrackList titles={loose.slice(0, HOME_SONGS)} label="Songs" art />
        </Section>
      )}
    </>
  );
}

interface HeroProps {
  what: string;
  name: string;
  art: string | null;
  icon: string;
  round?: boolean;
  under: ComponentChildren;
  list: readonly Title[];
  menu: (event: MouseEvent) => void;
}

/** The head of an album, artist or playlist: its picture and what to press. */
function Hero({ what, name, art, icon, round = false, under, list, menu }: HeroProps) {
  const tint = useTint(art);
  return (
    <header class="hero" style={tinted(tint)}>
      <Cover art={art} name={name} icon={icon} class={round ? 'cover-round' : ''} eager />
      <div class="hero-text">
        <p class="hero-what">{what}</p>
        <h1>{name}</h1>
        <p class="hero-under">{under}</p>
        <div class="hero-actions">
          <button type="button" class="main-button" disabled={list.length === 0} onClick={() => player.playList(ids(list), null)}>
            <Icon name="play" size={20} /> Play
          </button>
          <button type="button" class="second-button" disabled={list.length === 0} onClick={() => player.playShuffled(ids(list))}>
            <Icon name="shuffle" size={18} /> Shuffle
          </button>
          <IconButton name="more" label={`More for ${name}`} onPress={menu} />
        </div>
      </div>
    </header>
  );
}

function AlbumPage({ album }: { album: Album }) {
  const under = (
    <>
      {album.artist !== '' && (album.artist === 'Various artists' ? album.artist : <a href={href('artist', album.artist)}>{album.artist}</a>)}
      <span class="dots">{`${count(album.titles.length, 'song')}, ${span(lengthOf(album.titles))}`}</span>
    </>
  );
  return (
    <>
      <Hero
        what="Album"
        name={album.name}
        art={album.art}
        icon="album"
        under={under}
        list={album.titles}
        menu={(e) => groupMenu(e, album.name, album.titles)}
      />
      <TrackList titles={album.titles} label={album.name} numbered />
    </>
  );
}

function ArtistPage({ name }: { name: string }) {
  const artist = artists.value.find((a) => a.name === name);
  if (!artist) return <Gone />;
  return (
    <>
      <Hero
        what="Artist"
        name={name}
        art={artist.art}
        icon="artist"
        round
        under={`${count(artist.albums.length, 'album')}, ${count(artist.titles.length, 'song')}`}
        list={artist.titles}
        menu={(e) => groupMenu(e, name, artist.titles)}
      />
      {artist.albums.length > 0 && (
        <Section title="Albums">
          <AlbumGrid albums={artist.albums} label={`Albums of ${name}`} />
        </Section>
      )}
      <Section title="Songs">
        <TrackList titles={artist.titles} label={`Songs of ${name}`} art album />
      </Section>
    </>
  );
}

function ListHead({ title, list }: { title: string; list: readonly Title[] }) {
  return (
    <div class="list-head">
      <h1 class="page-title">{title}</h1>
      {list.length > 0 && (
        <div class="hero-actions">
          <button type="button" class="main-button" onClick={() => player.playList(ids(list), null)}>
            <Icon name="play" size={20} /> Play
          </button>
          <button type="button" class="second-button" onClick={() => player.playShuffled(ids(list))}>
            <Icon name="shuffle" size={18} /> Shuffle
          </button>
        </div>
      )}
    </div>
  );
}

function Favourites() {
  const list = favourites.value.flatMap((id) => byId.value.get(id) ?? []);
  return (
    <>
      <ListHead title="Favourites" list={list} />
      {list.length === 0 ? (
        <Nothing icon="heart" title="Nothing here yet">
          Press the heart beside a title, or H while it plays. Favourites stay in this browser.
        </Nothing>
      ) : (
        <TrackList titles={list} label="Favourites" art album />
      )}
    </>
  );
}

function PlaylistPage({ id }: { id: string }) {
  const playlist = playlists.value.find((p) => p.id === id);
  if (!playlist) return <Gone />;
  const { name } = playlist;
  const list = playlist.titles.flatMap((t) => byId.value.get(t) ?? []);
  const move = (at: number, by: number): void =>
    changePlaylist(id, (p) => {
      const moved = [...p.titles];
      moved.splice(at + by, 0, ...moved.splice(at, 1));
      return { ...p, titles: moved };
    });
  const extra = (_: Title, at: number) => [
    {
      label: 'Remove from this playlist',
      icon: 'trash',
      apart: true,
      act: () => changePlaylist(id, (p) => ({ ...p, titles: p.titles.filter((_t, i) => i !== at) })),
    },
    ...(at > 0 ? [{ label: 'Move up', icon: '', act: () => move(at, -1) }] : []),
    ...(at + 1 < list.length ? [{ label: 'Move down', icon: '', act: () => move(at, 1) }] : []),
  ];
  const menu = (event: MouseEvent): void =>
    openMenu(event, name, [
      { label: 'Rename…', icon: 'pen', act: () => ask('Rename playlist', name, 'Rename', (n) => changePlaylist(id, (p) => ({ ...p, name: n }))) },
      { label: 'Add to queue', icon: 'queue', act: () => player.enqueue(ids(list), 'end') },
      {
        label: 'Delete playlist',
        icon: 'trash',
        apart: true,
        act: () => {
          changePlaylist(id, () => null);
          go('home');
        },
      },
    ]);
  const under = list.length === 0 ? 'Empty' : `${count(list.length, 'title')}, ${span(lengthOf(list))}`;
  return (
    <>
      <Hero what="Playlist" name={name} art={list[0]?.art ?? null} icon="playlist" under={under} list={list} menu={menu} />
      {list.length === 0 ? (
        <Nothing icon="playlist" title="An empty playlist">
          Open the menu beside any title and choose “Add to {name}”.
        </Nothing>
      ) : (
        <TrackList titles={list} label={name} art album extra={extra} />
      )}
    </>
  );
}

const MOST_FOUND = 200;

function Search({ query }: { query: string }) {
  const found = searchIndex.value.find(query, MOST_FOUND);
  const foundAlbums = albums.value.filter((a) => fitsName(`${a.name} ${a.artist}`, query)).slice(0, 6);
  const foundArtists = artists.value.filter((a) => fitsName(a.name, query)).slice(0, 6);
  const foundFilms = found.filter((t) => t.kind === 'video').slice(0, 6);
  const foundSongs = found.filter((t) => t.kind !== 'video');
  if (query.trim() === '') {
    return (
      <Nothing icon="search" title="Find something to play">
        Type a title, an artist or an album.
      </Nothing>
    );
  }
  if (found.length + foundAlbums.length + foundArtists.length === 0) {
    return (
      <Nothing icon="search" title={`Nothing found for “${query}”`}>
        Each word must begin a word of the title, artist or album.
      </Nothing>
    );
  }
  return (
    <>
      <h1 class="sr-only">{`Found for ${query}`}</h1>
      {foundSongs.length > 0 && (
        <Section title="Songs">
          <TrackList titles={foundSongs} label="Songs found" art album />
        </Section>
      )}
      {foundFilms.length > 0 && (
        <Section title="Films">
          <FilmGrid films={foundFilms} label="Films found" />
        </Section>
      )}
      {foundAlbums.length > 0 && (
        <Section title="Albums">
          <AlbumGrid albums={foundAlbums} label="Albums found" />
        </Section>
      )}
      {foundArtists.length > 0 && (
        <Section title="Artists">
          <ArtistGrid artists={foundArtists} />
        </Section>
      )}
    </>
  );
}

/** On a phone: what the side bar holds on a desktop. */
function LibraryPage() {
  const entries = [
    ['albums', 'album', 'Albums', albums.value.length],
    ['artists', 'artist', 'Artists', artists.value.length],
    ['songs', 'song', 'Songs', songs.value.length],
    ['films', 'film', 'Films', films.value.length],
    ['favourites', 'heart', 'Favourites', favourites.value.length],
  ] as const;
  return (
    <>
      <h1 class="page-title">Library</h1>
      <ul class="rows">
        {entries.map(([view, icon, name, n]) => (
          <li key={view}>
            <a href={href(view)}>
              <Icon name={icon} /> <span>{name}</span> <small>{n.toLocaleString()}</small>
            </a>
          </li>
        ))}
      </ul>
      <Section title="Playlists">
        <ul class="rows">
          {playlists.value.map((p) => (
            <li key={p.id}>
              <a href={href('playlist', p.id)}>
                <Icon name="playlist" /> <span>{p.name}</span> <small>{p.titles.length}</small>
              </a>
            </li>
          ))}
          <li>
            <button type="button" onClick={() => makePlaylist([])}>
              <Icon name="plus" /> <span>New playlist</span>
            </button>
          </li>
        </ul>
      </Section>
    </>
  );
}

const Gone = () => (
  <Nothing icon="search" title="This is not here">
    It may have been withdrawn, or the link is old. <a href={href('home')}>Go home</a>
  </Nothing>
);

function Trouble({ why }: { why: string }) {
  return (
    <div class="nothing" role="alert">
      <Icon name="near" size={40} />
      <h2>The library could not be loaded</h2>
      <p>{why}</p>
      <button type="button" class="main-button" onClick={() => void loadLibrary()}>
        Try again
      </button>
    </div>
  );
}

const Skeleton = () => (
  <ul class="grid" aria-label="Loading">
    {Array.from({ length: 12 }, (_, i) => (
      <li class="card is-loading" key={i}>
        <span class="cover" />
        <span class="line" />
        <span class="line is-short" />
      </li>
    ))}
  </ul>
);

export function Page() {
  const { view, key } = route.value;
  if (trouble.value !== null && titles.value.length === 0) return <Trouble why={trouble.value} />;
  if (loading.value && titles.value.length === 0) return <Skeleton />;
  if (titles.value.length === 0) {
    return (
      <Nothing icon="song" title="Nothing published yet">
        As soon as the provider publishes something, it shows here.
      </Nothing>
    );
  }
  switch (view) {
    case 'home':
      return <Home />;
    case 'albums':
      return (
        <>
          <h1 class="page-title">Albums</h1>
          <AlbumGrid albums={albums.value} label="Albums" />
        </>
      );
    case 'album': {
      const album = albums.value.find((a) => a.key === key);
      return album ? <AlbumPage album={album} /> : <Gone />;
    }
    case 'artists':
      return (
        <>
          <h1 class="page-title">Artists</h1>
          <ArtistGrid artists={artists.value} />
        </>
      );
    case 'artist':
      return <ArtistPage name={key} />;
    case 'songs':
      return (
        <>
          <ListHead title="Songs" list={songs.value} />
          <TrackList titles={songs.value} label="Songs" art album />
        </>
      );
    case 'films':
      return (
        <>
          <h1 class="page-title">Films</h1>
          <FilmGrid films={films.value} label="Films" />
        </>
      );
    case 'favourites':
      return <Favourites />;
    case 'playlist':
      return <PlaylistPage id={key} />;
    case 'search':
      return <Search query={key} />;
    case 'library':
      return <LibraryPage />;
  }
}
