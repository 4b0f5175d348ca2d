// Media Session: the keys of keyboards and headphones, the lock screen, and what they show.

import { effect } from '@preact/signals';
import * as player from './player';

export function startMediaSession(): void {
  if (!('mediaSession' in navigator)) return;
  const session = navigator.mediaSession;
  const handle = (action: MediaSessionAction, react: MediaSessionActionHandler): void => {
    try {
      session.setActionHandler(action, react);
    } catch {
      // A browser that does not know an action goes without.
    }
  };
  handle('play', () => player.toggle());
  handle('pause', () => player.pause());
  handle('nexttrack', () => player.next());
  handle('previoustrack', () => player.previous());
  handle('seekbackward', (d) => player.seekBy(-(d.seekOffset ?? 10)));
  handle('seekforward', (d) => player.seekBy(d.seekOffset ?? 10));
  handle('seekto', (d) => d.seekTime !== undefined && player.seek(d.seekTime));
  effect(() => {
    const title = player.current.value;
    session.metadata =
      title === null
        ? null
        : new MediaMetadata({
            title: title.name,
            artist: title.artist ?? '',
            album: title.album ?? '',
            artwork: title.art === null ? [] : [{ src: new URL(title.art, document.baseURI).href }],
          });
  });
  effect(() => {
    session.playbackState = player.current.value === null ? 'none' : player.playing.value ? 'playing' : 'paused';
  });
  effect(() => {
    const [duration, position] = [player.duration.value, player.position.value];
    if (duration > 0 && position <= duration) session.setPositionState({ duration, position });
  });
}
