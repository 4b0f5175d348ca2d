// The player page starts here.

import { render } from 'preact';
import { startKeys } from './player/keys';
import { playList, restore } from './player/player';
import { startMediaSession } from './player/session';
import { byId, followLibrary, loadLibrary } from './state/library';
import { linkedTitle } from './state/route';
import { Shell } from './view/shell';

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no place for the player');

const linked = linkedTitle();
startKeys();
startMediaSession();
render(<Shell />, root);

await loadLibrary();
followLibrary();
restore();
if (linked !== null && byId.peek().has(linked)) playList([linked], 0);
