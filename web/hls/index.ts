// The package: settings for hls.js with which a page's tabs deliver to each other.

import Hls from 'hls.js';
import { Nearcast, type NearcastOptions } from '../src/embed/nearcast';

export type { NearcastEvents, NearcastOptions, NearcastState, NearcastStats } from '../src/embed/nearcast';
export { Nearcast } from '../src/embed/nearcast';

/** Settings for hls.js, and a way to watch and steer: `new Hls({ ...nearcast({ site }) })`. */
export const nearcast = (options: NearcastOptions): Nearcast => new Nearcast({ Hls, ...options });
