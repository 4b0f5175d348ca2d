// Connects a media element to a title's bytes: a file that it plays by itself, or a stream by HLS.

import type Hls from 'hls.js';
import type { Playable } from '../model/title';
import { SourceError } from '../source/source';
import { source } from '../state/library';
import { playsFile } from '../tab/elements';
import { loaderOf } from '../tab/loader';
import { part } from '../tab/page';

/** A sound or subtitles that a stream offers. */
export interface Choice {
  readonly label: string;
  readonly language: string;
}

/** What a stream offers beside playing. */
export interface Stream {
  readonly sounds: readonly Choice[];
  readonly subtitles: readonly Choice[];
  /** Place of the sound that plays. */
  sound(): number;
  chooseSound(place: number): void;
  /** Shows subtitles; none for -1. */
  chooseSubtitles(place: number): void;
  /** Heights of the picture, highest first. */
  readonly heights: readonly number[];
  /** Stays at a height; 0 chooses by itself. */
  choose(height: number): void;
  /** The height that plays; 0 when it is not known. */
  showing(): number;
}

export interface Attached {
  readonly stream: Stream | null;
  detach(): void;
}

export type Failed = (why: string) => void;

const HLS = 'application/vnd.apple.mpegurl';

const absolute = (url: string): string => new URL(url, document.baseURI).href;

function plain(element: HTMLMediaElement, url: string): Attached {
  const address = absolute(url);
  const ended = playsFile(part, element, address);
  element.src = address;
  return { stream: null, detach: () => (clear(element), ended()) };
}

export function clear(element: HTMLMediaElement): void {
  element.removeAttribute('src');
  element.load();
}

/** `wanted` is the height to stay at from the first segment on; 0 chooses. */
export async function attach(
  element: HTMLMediaElement,
  playable: Playable,
  wanted: number,
  failed: Failed,
): Promise<Attached> {
  const { whole, stream } = playable;
  // A bare segment file has a type that media elements refuse.
  const playsWhole = whole !== null && !whole.endsWith('.m4s');
  if (stream === null || (playsWhole && element instanceof HTMLAudioElement)) {
    if (whole === null) throw new SourceError('This title has nothing that can be played here.');
    return plain(element, whole);
  }
  const loading = import('hls.js');
  part.line.carries(loading.then(() => false));
  const { default: Player } = await loading;
  if (Player.isSupported()) {
    const play = part.nextPlay();
    const hls = new Player({ ...config(element), loader: loaderOf(Player, part, () => ({ play, rate: element.playbackRate })) });
    const attached = await attachStream(hls, element, stream, wanted, failed);
    return { ...attached, detach: () => (attached.detach(), part.stopped(play)) };
  }
  // Safari on phones plays HLS by itself and has no other way.
  if (element.canPlayType(HLS) !== '') return plain(element, stream);
  if (whole !== null) return plain(element, whole);
  throw new SourceError('This browser plays no streams.');
}

// A worker would be made of a blob, which the content policy does not allow; fragmented MP4 needs none.
const config = (element: HTMLMediaElement): Partial<Hls['config']> => ({
  enableWorker: false,
  backBufferLength: 60,
  maxBufferLength: 40,
  ...(source.kind === 'gateway' && { xhrSetup: (request, url) => tellsRate(request, url, element.playbackRate) }),
});

/** A node's gateway cannot see how fast a player plays. */
function tellsRate(request: XMLHttpRequest, url: string, rate: number): void {
  request.open('GET', url, true);
  request.setRequestHeader('Nearcast-Playback-Rate', String(rate));
}

async function attachStream(
  hls: Hls,
  element: HTMLMediaElement,
  url: string,
  wanted: number,
  failed: Failed,
): Promise<Attached> {
  const { default: Player } = await import('hls.js');
  const ready = new Promise<void>((resolve) => {
    hls.once(Player.Events.MANIFEST_PARSED, () => resolve());
    let mended = false;
    hls.on(Player.Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      if (error.type === Player.ErrorTypes.MEDIA_ERROR && !mended) {
        mended = true;
        hls.recoverMediaError();
        return;
      }
      failed(error.type === Player.ErrorTypes.NETWORK_ERROR ? 'The stream cannot be reached.' : 'The stream is damaged.');
      resolve();
    });
  });
  hls.loadSource(absolute(url));
  hls.attachMedia(element);
  await ready;
  const heights = [...new Set(hls.levels.map((l) => l.height).filter((h) => h > 0))].sort((a, b) => b - a);
  const choose = (height: number): void => {
    const fitting = hls.levels.map((l, i) => ({ i, height: l.height })).filter((l) => l.height <= height);
    const best = fitting.sort((a, b) => b.height - a.height)[0];
    hls.nextLevel = height === 0 ? -1 : (best?.i ?? 0);
  };
  if (wanted > 0) choose(wanted);
  hls.subtitleTrack = -1;
  const stream: Stream = {
    heights,
    choose,
    showing: () => hls.levels[hls.currentLevel]?.height ?? 0,
    sounds: hls.audioTracks.map(choiceOf),
    subtitles: hls.subtitleTracks.map(choiceOf),
    sound: () => hls.audioTrack,
    chooseSound: (place) => (hls.audioTrack = place),
    chooseSubtitles: (place) => {
      // What was read once is hidden: Chromium shows nothing of a track that is switched on again before its next words.
      hls.subtitleDisplay = place >= 0;
      if (place >= 0) hls.subtitleTrack = place;
    },
  };
  return { stream, detach: () => hls.destroy() };
}

const choiceOf = ({ name, lang }: { name: string; lang?: string | undefined }): Choice => ({
  label: name || lang || 'Unnamed',
  language: lang ?? 'und',
});
