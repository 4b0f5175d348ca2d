// What a player asks for first of a playlist whose media lie in one file (RFC 8216, 4.3.2): the init section, and when that
// is there the segment behind it.

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Beginning {
  readonly url: string;
  readonly init: Span;
  readonly media: Span;
}

/** How a playlist begins, if its media follow the init section and a player begins there by itself. */
export function beginningOf(playlist: string, address: string): Beginning | null {
  const lines = playlist.split(/\r?\n/u);
  if (!lines.includes('#EXT-X-ENDLIST') || lines.some((line) => line.startsWith('#EXT-X-START:'))) return null;
  const map = lines.find((line) => line.startsWith('#EXT-X-MAP:')) ?? '';
  const range = lines.find((line) => line.startsWith('#EXT-X-BYTERANGE:')) ?? '';
  const init = spanOf(/[:,]BYTERANGE="(\d+)@(\d+)"/u.exec(map));
  const media = spanOf(/^#EXT-X-BYTERANGE:(\d+)@(\d+)$/u.exec(range));
  const [, holds] = /[:,]URI="([^"]+)"/u.exec(map) ?? [];
  const follows = lines.find((line) => line !== '' && !line.startsWith('#'));
  if (init === null || media === null || holds === undefined || follows !== holds || media.start !== init.end) return null;
  return { url: new URL(holds, address).href, init, media };
}

function spanOf(found: RegExpExecArray | null): Span | null {
  if (found === null) return null;
  const [length, start] = [Number(found[1]), Number(found[2])];
  return { start, end: start + length };
}
