// The chapters of a film. The browser reads their file: a track of which nothing is shown.

import { effect, signal } from '@preact/signals';
import { clock } from '../model/words';
import * as player from '../player/player';
import { openMenu } from './menu';

interface Chapter {
  /** Seconds from the beginning of the film. */
  readonly at: number;
  readonly name: string;
}

export const chapters = signal<readonly Chapter[]>([]);
let file: HTMLTrackElement | null = null;

effect(() => {
  const url = player.playable.value?.chapters ?? null;
  chapters.value = [];
  file?.remove();
  file = null;
  if (url === null) return;
  const track = document.createElement('track');
  track.kind = 'chapters';
  track.src = url;
  track.addEventListener('load', () => {
    if (track !== file) return;
    chapters.value = Array.from(track.track.cues ?? [], (cue) => ({ at: cue.startTime, name: (cue as VTTCue).text }));
  });
  player.video.append(track);
  track.track.mode = 'hidden';
  file = track;
});

export function chaptersMenu(event: MouseEvent): void {
  const all = chapters.peek();
  const now = all.findLastIndex(({ at }) => at <= player.position.peek());
  openMenu(
    event,
    'Chapters',
    all.map(({ at, name }, i) => ({ label: `${clock(at)} · ${name}`, chosen: i === now, act: () => player.seek(at) })),
  );
}
