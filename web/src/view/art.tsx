// Covers and posters, and what stands for them where there are none.

import { useEffect, useState } from 'preact/hooks';
import { Icon } from './icons';

const hueOf = (text: string): number => [...text].reduce((h, c) => (h * 31 + (c.codePointAt(0) ?? 0)) % 360, 7);

interface CoverProps {
  art: string | null;
  name: string;
  icon?: string;
  class?: string;
  eager?: boolean;
}

/** A picture with an empty text: the name always stands beside it. */
export function Cover({ art, name, icon = 'song', class: extra = '', eager = false }: CoverProps) {
  const [broken, setBroken] = useState<string | null>(null);
  const hue = hueOf(name);
  const style = { '--hue-a': hue, '--hue-b': (hue + 50) % 360 };
  return (
    <span class={`cover ${extra}`} style={style}>
      {art === null || art === broken ? (
        <Icon name={icon} size={32} />
      ) : (
        <img src={art} alt="" loading={eager ? 'eager' : 'lazy'} decoding="async" onError={() => setBroken(art)} />
      )}
    </span>
  );
}

const tints = new Map<string, Promise<string | null>>();

/** The colour of a picture as `r g b`: its pixels' mean, the colourful ones counting most. */
async function readTint(url: string): Promise<string | null> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [16, 16];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) return null;
  context.drawImage(image, 0, 0, 16, 16);
  const { data } = context.getImageData(0, 0, 16, 16);
  const sum = [0, 0, 0, 0] as [number, number, number, number];
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = [data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0];
    const weight = 4 + Math.max(r, g, b) - Math.min(r, g, b);
    sum[0] += r * weight;
    sum[1] += g * weight;
    sum[2] += b * weight;
    sum[3] += weight;
  }
  return [0, 1, 2].map((i) => Math.round((sum[i] ?? 0) / sum[3])).join(' ');
}

export function useTint(url: string | null): string | null {
  const [tint, setTint] = useState<string | null>(null);
  useEffect(() => {
    setTint(null);
    if (url === null) return;
    let here = true;
    const known = tints.get(url) ?? readTint(url).catch(() => null);
    if (tints.size < 500) tints.set(url, known);
    void known.then((t) => here && setTint(t));
    return () => {
      here = false;
    };
  }, [url]);
  return tint;
}

/** A style that carries a tint, if there is one. */
export const tinted = (tint: string | null): Record<string, string> => (tint === null ? {} : { '--tint': tint });
