// Elements that play a file by themselves: the service worker asks here for what they ask of the server.

import type { Answer, Asked, Pulled } from './asked';
import type { Part } from './part';

/** What plays a file at present. */
interface Playing {
  readonly play: number;
  readonly element: HTMLMediaElement;
}

const playing = new Map<string, Playing>();

/** From here on, reads of `url` belong to a new play of an element. Answers with how to end it. */
export function playsFile(part: Part, element: HTMLMediaElement, url: string): () => void {
  const begins = { play: part.nextPlay(), element };
  playing.set(url, begins);
  return () => {
    if (playing.get(url) === begins) playing.delete(url);
    part.stopped(begins.play);
  };
}

/** The range that a header asks for; the whole file without one. */
function rangeOf(header: string | null, size: number): { start: number; end: number } {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/u.exec(header ?? '') ?? [];
  if (from === undefined || (from === '' && to === '')) return { start: 0, end: size };
  if (from === '') return { start: Math.max(0, size - Number(to)), end: size };
  return { start: Number(from), end: to === '' ? size : Math.min(size, Number(to) + 1) };
}

function asked(part: Part, { data, ports }: MessageEvent<Asked>): void {
  const [port] = ports;
  if (port === undefined || typeof data?.url !== 'string') return;
  const { url, range } = data;
  const file = part.fileAt(url);
  const { start, end } = rangeOf(range, file?.size ?? 0);
  const plays = playing.get(url);
  if (file === undefined || plays === undefined || start >= end) {
    port.postMessage(null satisfies Answer);
    return;
  }
  const controller = new AbortController();
  const how = { whole: false, rate: plays.element.playbackRate };
  const bytes = part.read(plays.play, url, start, end, how, controller.signal);
  port.postMessage({ start, end, size: file.size, type: file.type } satisfies Answer);
  let at = start;
  port.onmessage = async ({ data: what }: MessageEvent<'pull' | 'stop'>) => {
    if (what === 'stop') {
      controller.abort(new Error('not wanted'));
      port.close();
      // Ends the read with the engine.
      await bytes.return(undefined).catch(() => {});
      return;
    }
    const piece = await bytes.next().catch(() => ({ value: undefined }));
    const value: Pulled = piece.value ?? null;
    if (value === null) part.unverified += end - at;
    else at += value.length;
    port.postMessage(value, value === null ? [] : [value.buffer]);
  };
}

/** Lets elements play through this tab, where the browser has service workers: in a secure context. */
export function serveElements(part: Part, worker = 'worker.js'): void {
  if (!('serviceWorker' in navigator)) return;
  navigator.serviceWorker.addEventListener('message', (event: MessageEvent<Asked>) => asked(part, event));
  navigator.serviceWorker.startMessages();
  navigator.serviceWorker.register(worker).catch((error: unknown) => {
    console.warn('nearcast: sound plays straight from the server:', error);
  });
}
