// Which time a chart shows.

/** Seconds that a chart shows at least. For one sample alone the chart would make up years. */
const LEAST = 300;

/** From the first of these times to the last, in seconds; nothing when there is none. */
export function shownSpan(times: readonly number[]): [number, number] | [null, null] {
  const [first, last] = [times[0], times.at(-1)];
  return first === undefined || last === undefined ? [null, null] : [Math.min(first, last - LEAST), last];
}
