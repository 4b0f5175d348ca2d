// The bar below: what plays, and the controls.

import { signal } from '@preact/signals';
import { isFilm, type Title } from '../model/title';
import * as player from '../player/player';
import { favourites, preferences, toggleFavourite } from '../state/kept';
import { href } from '../state/route';
import { Cover } from './art';
import { Icon, IconButton } from './icons';
import { SeekBar, Volume } from './seek';

/** The sheet with the queue and, on a phone, the controls. */
export const sheetOpen = signal(false);

const REPEAT = { off: 'Repeat: off', all: 'Repeat: all', one: 'Repeat: this title' };

export function PlayButton({ big = false }: { big?: boolean }) {
  const isPlaying = player.playing.value;
  const label = isPlaying ? 'Pause' : 'Play';
  return (
    <button
      type="button"
      class={`play-button${big ? ' is-big' : ''}${player.waiting.value ? ' is-waiting' : ''}`}
      aria-label={label}
      title={label}
      onClick={player.toggle}
      disabled={player.current.value === null}
    >
      <Icon name={isPlaying ? 'pause' : 'play'} size={big ? 34 : 24} />
    </button>
  );
}

export function Transport({ big = false }: { big?: boolean }) {
  const { shuffle, repeat } = preferences.value;
  const none = player.current.value === null;
  const size = big ? 28 : 22;
  return (
    <div class="transport" role="group" aria-label="Playback">
      <IconButton name="shuffle" label="Shuffle" pressed={shuffle} onPress={() => player.setShuffle(!shuffle)} size={18} />
      <IconButton name="previous" label="Previous" onPress={player.previous} disabled={none} size={size} />
      <PlayButton big={big} />
      <IconButton name="next" label="Next" onPress={player.next} disabled={player.upNext.value.length === 0 && repeat !== 'all'} size={size} />
      <IconButton
        name={repeat === 'one' ? 'repeat-one' : 'repeat'}
        label={REPEAT[repeat]}
        pressed={repeat !== 'off'}
        onPress={player.cycleRepeat}
        size={18}
      />
    </div>
  );
}

export function LikeButton({ title, size = 19 }: { title: Title; size?: number }) {
  const liked = favourites.value.includes(title.id);
  return (
    <IconButton
      name={liked ? 'hearted' : 'heart'}
      label={liked ? 'Remove from favourites' : 'Add to favourites'}
      pressed={liked}
      onPress={() => toggleFavourite(title.id)}
      size={size}
    />
  );
}

function NowShown({ title }: { title: Title }) {
  const film = isFilm(title);
  const openUp = (): void => {
    if (film) player.stageOpen.value = true;
    else sheetOpen.value = !sheetOpen.peek();
  };
  return (
    <div class="bar-now">
      <button type="button" class="bar-art" onClick={openUp} aria-label={film ? 'Back to the film' : 'Now playing'}>
        {!film && <Cover art={title.art} name={title.album ?? title.name} eager />}
      </button>
      <div class="bar-text" onClick={openUp}>
        <span class="bar-name">{title.name}</span>
        <span class="bar-artist">
          {player.failure.value ?? (title.artist !== null && !film ? <a href={href('artist', title.artist)}>{title.artist}</a> : title.artist)}
        </span>
      </div>
      <LikeButton title={title} />
    </div>
  );
}

export function Bar() {
  const title = player.current.value;
  const { evenLoudness } = preferences.value;
  if (title === null) return null;
  return (
    <section class={`bar${player.failure.value === null ? '' : ' has-failed'}`} aria-label="Player">
      <div class="bar-thin" aria-hidden="true">
        <i style={{ width: `${player.duration.value > 0 ? (player.position.value / player.duration.value) * 100 : 0}%` }} />
      </div>
      <NowShown title={title} />
      <div class="bar-middle">
        <Transport />
        <SeekBar />
      </div>
      <div class="bar-end">
        <IconButton
          name="even"
          label={`Even loudness: ${evenLoudness ? 'on' : 'off'}`}
          pressed={evenLoudness}
          onPress={() => player.setEvenLoudness(!evenLoudness)}
        />
        <IconButton
          name="queue"
          label="Queue"
          expanded={sheetOpen.value}
          pressed={sheetOpen.value}
          onPress={() => (sheetOpen.value = !sheetOpen.peek())}
        />
        <Volume />
      </div>
      <div class="bar-phone">
        <PlayButton />
        <IconButton name="next" label="Next" onPress={player.next} disabled={player.upNext.value.length === 0} size={24} />
      </div>
      <p class="sr-only" role="status">
        {player.failure.value ?? ''}
      </p>
    </section>
  );
}
