// Lists of titles, albums, films, artists.

import { useEffect, useRef, useState } from 'preact/hooks';
import { type Album, type Artist, isFilm, type Title } from '../model/title';
import { clock, count } from '../model/words';
import * as player from '../player/player';
import { favourites, positions, toggleFavourite } from '../state/kept';
import { open, source } from '../state/library';
import { href } from '../state/route';
import { titleMenu } from './actions';
import { Cover } from './art';
import { Icon, IconButton } from './icons';
import type { MenuItem } from './menu';

/** Rows that are made at once; more come as the list is scrolled. */
const STEP = 60;

/** The first items of a long list, and the mark whose coming into sight shows more. */
export function useGrowing<T>(items: readonly T[]) {
  const [shown, setShown] = useState(STEP);
  const mark = useRef<HTMLDivElement>(null);
  useEffect(() => setShown(STEP), [items.length]);
  useEffect(() => {
    const end = mark.current;
    if (end === null || shown >= items.length) return;
    const watch = new IntersectionObserver(
      (seen) => seen.some((s) => s.isIntersecting) && setShown((n) => n + STEP),
      { rootMargin: '800px' },
    );
    watch.observe(end);
    return () => watch.disconnect();
  }, [shown, items.length]);
  return { some: items.slice(0, shown), mark: <div ref={mark} class="list-end" /> };
}

const warm = (title: Title): void => {
  // Asked for a moment before the click, so that play has nothing to wait for.
  open(title.id).catch(() => {});
};

interface TrackRowProps {
  title: Title;
  number: string;
  list: readonly string[];
  at: number;
  showArt: boolean;
  showAlbum: boolean;
  extra: readonly MenuItem[];
}

function TrackRow({ title, number, list, at, showArt, showAlbum, extra }: TrackRowProps) {
  const isCurrent = player.current.value?.id === title.id;
  const isPlaying = isCurrent && player.playing.value;
  const liked = favourites.value.includes(title.id);
  const play = (): void => (isCurrent ? player.toggle() : player.playList(list, at));
  const here = source.kind === 'gateway' && (title.cachedPermille ?? 0) >= 1000;
  return (
    <li class={`track${isCurrent ? ' is-current' : ''}`}>
      <button
        type="button"
        class="track-play"
        aria-label={`${isPlaying ? 'Pause' : 'Play'} ${title.name}${title.artist ? ` by ${title.artist}` : ''}`}
        onClick={play}
        onPointerEnter={() => warm(title)}
      />
      <span class="track-number" aria-hidden="true">
        {isPlaying ? <Bars /> : <span>{number}</span>}
        <Icon name={isPlaying ? 'pause' : 'play'} size={18} />
      </span>
      {showArt && <Cover art={title.art} name={title.album ?? title.name} class="cover-small" icon={isFilm(title) ? 'film' : 'song'} />}
      <span class="track-text">
        <span class="track-name">{title.name}</span>
        {title.artist !== null && <span class="track-artist">{title.artist}</span>}
      </span>
      {showAlbum && <span class="track-album">{title.album ?? ''}</span>}
      <span class="track-end">
        {here && (
          <span class="here" title="On this machine">
            <Icon name="here" size={15} />
          </span>
        )}
        <IconButton
          name={liked ? 'hearted' : 'heart'}
          label={liked ? 'Remove from favourites' : 'Add to favourites'}
          pressed={liked}
          size={17}
          class="track-like"
          onPress={() => toggleFavourite(title.id)}
        />
        <span class="track-length">{clock(title.durationMs / 1000)}</span>
        <IconButton name="more" label={`More for ${title.name}`} size={18} onPress={(e) => titleMenu(e, title, extra)} />
      </span>
    </li>
  );
}

const Bars = () => (
  <span class="bars">
    <i />
    <i />
    <i />
  </span>
);

interface TrackListProps {
  titles: readonly Title[];
  label: string;
  /** Numbers of an album rather than of the list. */
  numbered?: boolean;
  art?: boolean;
  album?: boolean;
  extra?: (title: Title, at: number) => readonly MenuItem[];
}

export function TrackList({ titles, label, numbered = false, art = false, album = false, extra }: TrackListProps) {
  const { some, mark } = useGrowing(titles);
  const list = titles.map((t) => t.id);
  return (
    <>
      <ol class={`tracks${art ? ' has-art' : ''}${album ? ' has-album' : ''}`} aria-label={label}>
        {some.map((title, at) => (
          <TrackRow
            key={`${title.id} ${at}`}
            title={title}
            number={String(numbered ? (title.track ?? at + 1) : at + 1)}
            list={list}
            at={at}
            showArt={art}
            showAlbum={album}
            extra={extra?.(title, at) ?? []}
          />
        ))}
      </ol>
      {mark}
    </>
  );
}

export function AlbumCard({ album }: { album: Album }) {
  const list = album.titles.map((t) => t.id);
  return (
    <li class="card">
      <a class="card-link" href={href('album', album.key)}>
        <Cover art={album.art} name={album.name} icon="album" />
        <span class="card-name">{album.name}</span>
        <span class="card-under">{album.artist || count(album.titles.length, 'title')}</span>
      </a>
      <button type="button" class="card-play" aria-label={`Play ${album.name}`} onClick={() => player.playList(list, 0)}>
        <Icon name="play" size={22} />
      </button>
    </li>
  );
}

export function AlbumGrid({ albums, label }: { albums: readonly Album[]; label: string }) {
  const { some, mark } = useGrowing(albums);
  return (
    <>
      <ul class="grid" aria-label={label}>
        {some.map((album) => (
          <AlbumCard key={album.key} album={album} />
        ))}
      </ul>
      {mark}
    </>
  );
}

export function ArtistGrid({ artists }: { artists: readonly Artist[] }) {
  const { some, mark } = useGrowing(artists);
  return (
    <>
      <ul class="grid grid-artists" aria-label="Artists">
        {some.map((artist) => (
          <li class="card" key={artist.name}>
            <a class="card-link" href={href('artist', artist.name)}>
              <Cover art={artist.art} name={artist.name} icon="artist" class="cover-round" />
              <span class="card-name">{artist.name}</span>
              <span class="card-under">{count(artist.titles.length, 'song')}</span>
            </a>
          </li>
        ))}
      </ul>
      {mark}
    </>
  );
}

function FilmCard({ film, list, at }: { film: Title; list: readonly string[]; at: number }) {
  const left = positions.value[film.id]?.at;
  const share = left === undefined ? 0 : Math.min(100, (left * 100_000) / Math.max(1, film.durationMs));
  return (
    <li class="card card-film">
      <button
        type="button"
        class="card-link"
        onClick={() => player.playList(list, at)}
        onPointerEnter={() => warm(film)}
      >
        <span class="sr-only">{left === undefined ? 'Play ' : 'Resume '}</span>
        <span class="poster" aria-hidden="true">
          <Cover art={film.art} name={film.name} icon="film" class="cover-film" />
          <span class="poster-play">
            <Icon name="play" size={30} />
          </span>
          <span class="poster-length">{clock(film.durationMs / 1000)}</span>
          {share > 0 && (
            <span class="poster-progress">
              <i style={{ width: `${share}%` }} />
            </span>
          )}
        </span>
        <span class="card-name">{film.name}</span>
        <span class="card-under">{left === undefined ? (film.artist ?? '') : `${clock(film.durationMs / 1000 - left)} left`}</span>
      </button>
    </li>
  );
}

export function FilmGrid({ films, label }: { films: readonly Title[]; label: string }) {
  const { some, mark } = useGrowing(films);
  return (
    <>
      <ul class="grid grid-films" aria-label={label}>
        {some.map((film) => (
          <FilmCard key={film.id} film={film} list={[film.id]} at={0} />
        ))}
      </ul>
      {mark}
    </>
  );
}
