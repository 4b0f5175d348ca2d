// Sliders: where playback is, and how loud.

import { useSignal } from '@preact/signals';
import { clock, spoken } from '../model/words';
import * as player from '../player/player';
import { preferences, prefer } from '../state/kept';
import { IconButton } from './icons';

export function SeekBar({ times = true }: { times?: boolean }) {
  // While it is dragged, the thumb shows where it would go; only letting go seeks.
  const dragged = useSignal<number | null>(null);
  const length = player.duration.value;
  const at = dragged.value ?? player.position.value;
  const share = (s: number): string => `${length > 0 ? Math.min(100, (s / length) * 100) : 0}%`;
  const value = (event: Event): number => Number((event.target as HTMLInputElement).value);
  return (
    <div class="seek">
      {times && <span class="time">{clock(at)}</span>}
      <input
        type="range"
        class="slider"
        aria-label="Position"
        aria-valuetext={`${spoken(at)} of ${spoken(length)}`}
        min={0}
        max={length || 1}
        step={0.1}
        value={at}
        disabled={length === 0}
        style={{ '--done': share(at), '--ahead': share(player.bufferedTo.value) }}
        onInput={(e) => (dragged.value = value(e))}
        onChange={(e) => {
          player.seek(value(e));
          dragged.value = null;
        }}
      />
      {times && <span class="time">{clock(length)}</span>}
    </div>
  );
}

export function Volume() {
  const { volume, muted } = preferences.value;
  const shown = muted ? 0 : volume;
  return (
    <div class="volume">
      <IconButton
        name={shown === 0 ? 'muted' : 'volume'}
        label={muted ? 'Unmute' : 'Mute'}
        onPress={() => prefer({ muted: !muted })}
      />
      <input
        type="range"
        class="slider"
        aria-label="Volume"
        aria-valuetext={`${Math.round(shown * 100)} percent`}
        min={0}
        max={1}
        step={0.01}
        value={shown}
        style={{ '--done': `${shown * 100}%`, '--ahead': '0%' }}
        onInput={(e) => prefer({ volume: Number((e.target as HTMLInputElement).value), muted: false })}
      />
    </div>
  );
}
