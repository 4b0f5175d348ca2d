// What plays, large, and what comes next. On a phone it is the player.

import { useEffect, useRef } from 'preact/hooks';
import * as player from '../player/player';
import { preferences } from '../state/kept';
import { albumKeys } from '../state/library';
import { href } from '../state/route';
import { titleMenu } from './actions';
import { Cover, tinted, useTint } from './art';
import { LikeButton, sheetOpen, Transport } from './bar';
import { Icon, IconButton } from './icons';
import { SeekBar } from './seek';

/** Rows of the queue that are shown: as many as anybody looks ahead. */
const QUEUE_SHOWN = 100;

function UpNext() {
  const list = player.upNext.value;
  if (list.length === 0) return <p class="queue-empty">Nothing comes next.</p>;
  return (
    <ol class="queue" aria-label="Up next">
      {list.slice(0, QUEUE_SHOWN).map((title, at) => (
        <li key={`${title.id} ${at}`}>
          <button type="button" class="queue-title" onClick={() => player.jumpTo(at + 1)}>
            <Cover art={title.art} name={title.album ?? title.name} class="cover-small" />
            <span class="track-text">
              <span class="track-name">{title.name}</span>
              <span class="track-artist">{title.artist ?? ''}</span>
            </span>
          </button>
          <IconButton name="close" label={`Remove ${title.name} from the queue`} size={16} onPress={() => player.dequeue(at + 1)} />
        </li>
      ))}
      {list.length > QUEUE_SHOWN && <li class="queue-empty">{`and ${list.length - QUEUE_SHOWN} more`}</li>}
    </ol>
  );
}

export function Sheet() {
  const title = player.current.value;
  const tint = useTint(title?.art ?? null);
  const close = useRef<HTMLDivElement>(null);
  const open = sheetOpen.value && title !== null;
  useEffect(() => {
    if (open) close.current?.querySelector('button')?.focus();
  }, [open]);
  if (!open || title === null) return null;
  const key = albumKeys.value.get(title.id);
  const { evenLoudness } = preferences.value;
  const shut = (): void => {
    sheetOpen.value = false;
  };
  return (
    <section class="sheet" style={tinted(tint)} aria-label="Now playing" onKeyDown={(e) => e.key === 'Escape' && shut()}>
      <div class="sheet-top" ref={close}>
        <IconButton name="down" label="Close" onPress={shut} />
        <span class="sheet-from">{title.album ?? ''}</span>
        <IconButton name="more" label={`More for ${title.name}`} onPress={(e) => titleMenu(e, title)} />
      </div>
      <div class="sheet-now">
        <Cover art={title.art} name={title.album ?? title.name} eager />
        <div class="sheet-title">
          <div class="track-text">
            <h2>{key === undefined ? title.name : <a href={href('album', key)} onClick={shut}>{title.name}</a>}</h2>
            <p>{title.artist === null ? '' : <a href={href('artist', title.artist)} onClick={shut}>{title.artist}</a>}</p>
          </div>
          <LikeButton title={title} size={24} />
        </div>
        <div class="sheet-controls">
          <SeekBar />
          <Transport big />
          <button
            type="button"
            class={`chip${evenLoudness ? ' is-on' : ''}`}
            aria-pressed={evenLoudness}
            onClick={() => player.setEvenLoudness(!evenLoudness)}
          >
            <Icon name="even" size={16} /> Even loudness
          </button>
        </div>
        {player.failure.value !== null && <p class="failure">{player.failure.value}</p>}
      </div>
      <div class="sheet-next">
        <h3>Up next</h3>
        <UpNext />
      </div>
    </section>
  );
}
