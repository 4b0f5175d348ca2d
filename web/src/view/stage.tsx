// The film: it fills the page, or plays small above the bar while the library is looked at.

import { computed, effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { isFilm, type Words } from '../model/title';
import type { Choice } from '../player/attach';
import { lent } from '../player/keys';
import * as player from '../player/player';
import { preferences, prefer } from '../state/kept';
import { PlayButton } from './bar';
import { chapters, chaptersMenu } from './chapters';
import { IconButton } from './icons';
import { openMenu } from './menu';
import { SeekBar, Volume } from './seek';

/** Controls hide this long after the last movement while the film plays. */
const HIDE_AFTER_MS = 2800;
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

const awake = signal(true);
const fullscreen = signal(false);
const inPip = signal(false);
/** Language of the subtitles that are shown; empty for none. */
const captionsOn = signal('');
let hiding: ReturnType<typeof setTimeout> | undefined;

function wake(): void {
  awake.value = true;
  clearTimeout(hiding);
  hiding = setTimeout(() => {
    if (player.playing.peek() && document.querySelector('.menu') === null) awake.value = false;
  }, HIDE_AFTER_MS);
}

function tapped(): void {
  if (awake.peek()) awake.value = false;
  else wake();
}

addEventListener('fullscreenchange', () => {
  fullscreen.value = document.fullscreenElement !== null;
});
player.video.addEventListener('enterpictureinpicture', () => (inPip.value = true));
player.video.addEventListener('leavepictureinpicture', () => (inPip.value = false));

/** Files beside the film go first; otherwise the stream's own. */
const words = computed<readonly Choice[]>(() => {
  const files = player.playable.value?.subtitles ?? [];
  return files.length > 0 ? files : (player.stream.value?.subtitles ?? []);
});

/** Subtitles that are files beside what plays. Those of a stream are hls.js's own, and beside these. */
let files: readonly HTMLTrackElement[] = [];

/** Puts the subtitles of what plays beside it, and shows those of the language that was chosen last. */
effect(() => {
  for (const file of files) file.remove();
  files = (player.playable.value?.subtitles ?? []).map(track);
  player.video.append(...files);
  void words.value;
  showSubtitles(preferences.peek().subtitles);
});

function track({ url, language, label }: Words): HTMLTrackElement {
  const element = document.createElement('track');
  element.kind = 'subtitles';
  element.src = url;
  element.srclang = language;
  element.label = label;
  return element;
}

function showSubtitles(language: string): void {
  const place = language === '' ? -1 : words.peek().findIndex((w) => w.language === language);
  files.forEach((file, i) => (file.track.mode = i === place ? 'showing' : 'disabled'));
  if (files.length === 0) player.stream.peek()?.chooseSubtitles(place);
  captionsOn.value = place < 0 ? '' : language;
}

function chooseSubtitles(language: string): void {
  prefer({ subtitles: language });
  showSubtitles(language);
}

function toggleCaptions(): void {
  const first = words.peek()[0]?.language ?? '';
  chooseSubtitles(captionsOn.peek() === '' ? preferences.peek().subtitles || first : '');
}

async function toggleFullscreen(stage: HTMLElement): Promise<void> {
  if (document.fullscreenElement !== null) await document.exitFullscreen();
  else await stage.requestFullscreen();
}

async function togglePip(): Promise<void> {
  if (document.pictureInPictureElement !== null) await document.exitPictureInPicture();
  else await player.video.requestPictureInPicture();
}

const refused = (): void => {
  // The browser says no to full screen or picture in picture, in a frame for one: the film plays on as it is.
};

function qualityMenu(event: MouseEvent): void {
  const stream = player.stream.peek();
  const { quality } = preferences.peek();
  const showing = stream?.showing() ?? 0;
  const auto = { label: showing > 0 && quality === 0 ? `Auto (${showing}p)` : 'Auto', chosen: quality === 0, act: () => player.setQuality(0) };
  const fixed = (stream?.heights ?? []).map((h) => ({ label: `${h}p`, chosen: quality === h, act: () => player.setQuality(h) }));
  openMenu(event, 'Quality', [auto, ...fixed]);
}

function captionsMenu(event: MouseEvent): void {
  const shown = captionsOn.peek();
  openMenu(event, 'Subtitles', [
    { label: 'Off', chosen: shown === '', act: () => chooseSubtitles('') },
    ...words.peek().map((w) => ({ label: w.label, chosen: shown === w.language, act: () => chooseSubtitles(w.language) })),
  ]);
}

function soundMenu(event: MouseEvent): void {
  const stream = player.stream.peek();
  const items = (stream?.sounds ?? []).map((s, i) => ({ label: s.label, chosen: stream?.sound() === i, act: () => stream?.chooseSound(i) }));
  openMenu(event, 'Sound', items);
}

const speedMenu = (event: MouseEvent): void =>
  openMenu(
    event,
    'Speed',
    SPEEDS.map((s) => ({ label: s === 1 ? 'Normal' : `${s}×`, chosen: player.speed.peek() === s, act: () => player.setSpeed(s) })),
  );

function Controls({ stage }: { stage: () => HTMLElement | null }) {
  const heights = player.stream.value?.heights.length ?? 0;
  const isFull = fullscreen.value;
  return (
    <div class="stage-controls">
      <SeekBar />
      <div class="stage-row">
        <PlayButton />
        <IconButton name="rewind" label="Back 10 seconds" onPress={() => player.seekBy(-10)} size={22} />
        <IconButton name="forward" label="Forward 10 seconds" onPress={() => player.seekBy(10)} size={22} />
        <Volume />
        <span class="stage-space" />
        {chapters.value.length > 1 && <IconButton name="playlist" label="Chapters" onPress={chaptersMenu} size={22} />}
        {(player.stream.value?.sounds.length ?? 0) > 1 && <IconButton name="song" label="Sound" onPress={soundMenu} size={22} />}
        {words.value.length > 0 && (
          <IconButton name="captions" label="Subtitles" pressed={captionsOn.value !== ''} onPress={captionsMenu} size={22} />
        )}
        <button type="button" class="speed-button" aria-label={`Speed ${player.speed.value}×`} title="Speed" onClick={speedMenu}>
          {`${player.speed.value}×`}
        </button>
        {heights > 0 && <IconButton name="tune" label="Quality" onPress={qualityMenu} size={22} />}
        {document.pictureInPictureEnabled && (
          <IconButton name="pip" label="Picture in picture" pressed={inPip.value} onPress={() => void togglePip().catch(refused)} size={22} />
        )}
        <IconButton
          name={isFull ? 'unfull' : 'full'}
          label={isFull ? 'Leave full screen' : 'Full screen'}
          onPress={() => {
            const element = stage();
            if (element) void toggleFullscreen(element).catch(refused);
          }}
          size={22}
        />
      </div>
    </div>
  );
}

export function Stage() {
  const title = player.current.value;
  const box = useRef<HTMLElement>(null);
  const screen = useRef<HTMLDivElement>(null);
  const film = title !== null && isFilm(title);
  const open = player.stageOpen.value;
  useEffect(() => {
    if (!film) return;
    screen.current?.append(player.video);
    wake();
    lent.captions = toggleCaptions;
    lent.fullscreen = () => {
      if (box.current) void toggleFullscreen(box.current).catch(refused);
    };
    return () => {
      delete lent.captions;
      delete lent.fullscreen;
    };
  }, [film]);
  useEffect(() => {
    if (film && title !== null && title.art !== null) player.video.poster = title.art;
  }, [film, title]);
  if (!film || title === null) return null;
  const hidden = open && !awake.value && player.playing.value;
  const onScreen = (event: MouseEvent): void => {
    if (!open) player.stageOpen.value = true;
    // A finger has no way to hover: it brings the controls, and sends them away.
    else if (event instanceof PointerEvent && event.pointerType === 'touch') tapped();
    else player.toggle();
  };
  return (
    <section
      ref={box}
      class={`stage${open ? ' is-open' : ' is-small'}${hidden ? ' is-asleep' : ''}`}
      aria-label={title.name}
      onPointerMove={(e) => e.pointerType !== 'touch' && wake()}
      onKeyDown={wake}
      onFocusIn={wake}
    >
      <div ref={screen} class="screen" onClick={onScreen} onDblClick={() => lent.fullscreen?.()} />
      {player.waiting.value && <div class="spinner" role="status" aria-label="Loading" />}
      {player.failure.value !== null && open && (
        <div class="stage-failure" role="alert">
          <p>{player.failure.value}</p>
          <button type="button" class="main-button" onClick={player.toggle}>
            Try again
          </button>
        </div>
      )}
      {open ? (
        <>
          <div class="stage-top">
            <IconButton name="down" label="Back to the library" onPress={() => (player.stageOpen.value = false)} size={26} />
            <h2>{title.name}</h2>
            <IconButton name="close" label="End the film" onPress={player.closeFilm} size={24} />
          </div>
          <Controls stage={() => box.current} />
        </>
      ) : (
        <IconButton name="close" label="End the film" onPress={player.closeFilm} size={18} class="small-close" />
      )}
    </section>
  );
}
