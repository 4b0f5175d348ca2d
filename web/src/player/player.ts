// The player: one queue, two audio elements that take turns so that the next title starts at once, and one video
// element. Views read its signals and call its commands.

import { batch, computed, effect, signal } from '@preact/signals';
import { isFilm, type Playable, type Title } from '../model/title';
import { leaveAt, leftQueue, positions, preferences, prefer } from '../state/kept';
import { byId, open, source, words } from '../state/library';
import { type Attached, attach, clear, type Stream } from './attach';
import { Loudness } from './loudness';
import * as Q from './queue';

/** The next title is loaded this long before the end. */
const AHEAD_S = 20;
/** Titles told to the node as likely next. */
const TOLD = 5;
/** Going back later than this starts the title again. */
const RESTART_S = 3;
/** A tab that is lost loses no more of a film's position than this. */
const REMEMBER_MS = 10_000;
/** Films shorter than this start from the beginning each time. */
const RESUME_FROM_S = 120;

interface Prepared {
  readonly title: string;
  readonly element: HTMLAudioElement;
  readonly attached: Promise<Attached>;
}

export const queue = leftQueue;
export const playing = signal(false);
export const waiting = signal(false);
export const position = signal(0);
export const duration = signal(0);
export const bufferedTo = signal(0);
export const failure = signal<string | null>(null);
export const speed = signal(1);
export const playable = signal<Playable | null>(null);
export const stream = signal<Stream | null>(null);
/** Whether the film fills the page; otherwise it plays small beside the controls. */
export const stageOpen = signal(false);

export const current = computed<Title | null>(() => {
  const id = Q.playing(queue.value);
  return id === null ? null : (byId.value.get(id) ?? null);
});
export const upNext = computed<readonly Title[]>(() => Q.ahead(queue.value).flatMap((id) => byId.value.get(id) ?? []));

export const video = document.createElement('video');
video.playsInline = true;
video.preload = 'auto';
const audios = [new Audio(), new Audio()] as const;
for (const audio of audios) audio.preload = 'auto';

let active: HTMLMediaElement = audios[0];
let attached: Attached | null = null;
let prepared: Prepared | null = null;
let turn = 0;
const even = new Loudness();

const isActive = (event: Event): boolean => event.target === active;

function listen(element: HTMLMediaElement): void {
  const on = (names: string, react: () => void): void => {
    for (const name of names.split(' ')) element.addEventListener(name, (e) => isActive(e) && react());
  };
  on('play pause', () => (playing.value = !element.paused));
  on('pause', remember);
  on('waiting seeking', () => (waiting.value = !element.paused));
  on('playing seeked canplay', () => (waiting.value = false));
  on('timeupdate seeking', moved);
  on('durationchange', () => (duration.value = Number.isFinite(element.duration) ? element.duration : 0));
  on('progress timeupdate', () => (bufferedTo.value = bufferEnd(element)));
  on('ratechange', () => (speed.value = element.playbackRate));
  on('ended', ended);
  on('error', () => element.error && element.getAttribute('src') && fail('This title cannot be played.'));
}

for (const element of [video, ...audios]) listen(element);

function bufferEnd(element: HTMLMediaElement): number {
  const { buffered, currentTime } = element;
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime + 0.25 && currentTime <= buffered.end(i)) return buffered.end(i);
  }
  return currentTime;
}

function moved(): void {
  position.value = active.currentTime;
  if (performance.now() - remembered > REMEMBER_MS) remember();
  const left = active.duration - active.currentTime;
  if (left < AHEAD_S && active instanceof HTMLAudioElement) prepareNext();
}

function ended(): void {
  const title = current.peek();
  if (title !== null && isFilm(title)) leaveAt(title.id, null);
  if (preferences.peek().repeat === 'one') {
    seek(0);
    void active.play();
    return;
  }
  const after = Q.next(queue.peek(), preferences.peek().repeat);
  if (after === null) {
    seek(0);
    return;
  }
  queue.value = after;
  void startCurrent(true);
}

function fail(why: string): void {
  batch(() => {
    failure.value = why;
    waiting.value = false;
    playing.value = false;
  });
}

let remembered = 0;

/** Remembers where a film is left. */
function remember(): void {
  remembered = performance.now();
  const title = current.peek();
  if (title === null || !isFilm(title) || active !== video || video.duration < RESUME_FROM_S) return;
  const over = video.currentTime > video.duration * 0.97;
  if (video.currentTime > 5) leaveAt(title.id, over ? null : video.currentTime);
}

addEventListener('pagehide', remember);

/** Takes the next element of the title's kind, so that the old one can be let go without a gap. */
function elementFor(title: Title): HTMLMediaElement {
  if (isFilm(title)) return video;
  return active === audios[0] ? audios[1] : audios[0];
}

function prepareNext(): void {
  const after = Q.next(queue.peek(), preferences.peek().repeat);
  const id = after === null ? null : Q.playing(after);
  const title = id === null ? undefined : byId.peek().get(id);
  if (!title || isFilm(title) || prepared?.title === title.id || title.id === current.peek()?.id) return;
  forgetPrepared();
  const element = elementFor(title) as HTMLAudioElement;
  const opening = open(title.id).then((found) => attach(element, found, 0, () => {}));
  prepared = { title: title.id, element, attached: opening };
  // It is tried again, and told of, when its turn comes.
  opening.catch(() => forgetPrepared());
}

function forgetPrepared(): void {
  if (prepared === null) return;
  const { element, attached: opening } = prepared;
  prepared = null;
  opening.then((a) => a.detach()).catch(() => clear(element));
}

/** Nothing is attached for a turn that is over: its element may play something else by then. */
class Superseded extends Error {}

async function attachTitle(title: Title, element: HTMLMediaElement, mine: number): Promise<Attached> {
  const found = await open(title.id);
  if (mine !== turn) throw new Superseded();
  playable.value = found;
  return attach(element, found, isFilm(title) ? preferences.peek().quality : 0, fail);
}

/** Plays what the queue is at. */
async function startCurrent(play: boolean): Promise<void> {
  const title = current.peek();
  if (title === null) return;
  const mine = ++turn;
  remember();
  const ready = prepared?.title === title.id ? prepared : null;
  const [old, oldElement] = [attached, active];
  attached = null;
  oldElement.pause();
  old?.detach();
  if (ready === null) forgetPrepared();
  prepared = null;
  const element = ready?.element ?? elementFor(title);
  active = element;
  batch(() => {
    failure.value = null;
    position.value = 0;
    bufferedTo.value = 0;
    duration.value = title.durationMs / 1000;
    waiting.value = play;
    playable.value = null;
    stream.value = null;
    stageOpen.value = isFilm(title) && play;
  });
  tellNext();
  try {
    const got = await (ready?.attached ?? attachTitle(title, element, mine));
    if (mine !== turn) {
      got.detach();
      return;
    }
    attached = got;
    stream.value = got.stream;
    if (ready !== null) playable.value = await open(title.id);
    prepareElement(title, element);
    if (play) await begin(element);
    else waiting.value = false;
  } catch (error) {
    if (mine === turn) fail(error instanceof Error && error.name === 'AbortError' ? 'Playing was interrupted.' : words(error));
  }
}

function prepareElement(title: Title, element: HTMLMediaElement): void {
  applyVolume();
  element.playbackRate = isFilm(title) ? speed.peek() : 1;
  if (preferences.peek().evenLoudness) even.use(element, title.id);
  const left = isFilm(title) ? positions.peek()[title.id]?.at : undefined;
  if (left !== undefined) element.currentTime = left;
}

async function begin(element: HTMLMediaElement): Promise<void> {
  try {
    await element.play();
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') throw error;
    // The browser wants a click first: everything is ready, and the play button waits.
    batch(() => {
      playing.value = false;
      waiting.value = false;
    });
  }
}

function tellNext(): void {
  const { repeat } = preferences.peek();
  const following = Q.ahead(queue.peek());
  const round = repeat === 'all' ? [...following, ...queue.peek().list] : following;
  source.upcoming([...new Set(round)].slice(0, TOLD));
}

function applyVolume(): void {
  const { volume, muted } = preferences.peek();
  for (const element of [video, ...audios]) {
    // What is heard grows roughly with the square of the amplitude.
    element.volume = volume * volume;
    element.muted = muted;
  }
}

effect(() => {
  void preferences.value;
  applyVolume();
});

/** Shows the queue of the last visit, silent until play is pressed. A film is resumed from its own card instead. */
export function restore(): void {
  const title = current.peek();
  if (title === null || isFilm(title)) queue.value = Q.EMPTY;
  else duration.value = title.durationMs / 1000;
}

/** Plays `list` from `first` on; from anywhere when `first` is null and shuffle is on. */
export function playList(list: readonly string[], first: number | null): void {
  queue.value = Q.start(list, first, preferences.peek().shuffle);
  void startCurrent(true);
}

export function playShuffled(list: readonly string[]): void {
  prefer({ shuffle: true });
  playList(list, null);
}

export function toggle(): void {
  if (current.peek() === null) return;
  if (failure.peek() !== null || attached === null) void startCurrent(true);
  else if (active.paused) void begin(active);
  else active.pause();
}

export function pause(): void {
  active.pause();
  remember();
}

export function next(): void {
  const after = Q.next(queue.peek(), preferences.peek().repeat);
  if (after === null) return;
  queue.value = after;
  void startCurrent(true);
}

export function previous(): void {
  const before = Q.previous(queue.peek(), preferences.peek().repeat);
  if (active.currentTime > RESTART_S || before === null) {
    seek(0);
    return;
  }
  queue.value = before;
  void startCurrent(true);
}

export function seek(to: number): void {
  const end = active.duration || duration.peek();
  active.currentTime = Math.min(Math.max(0, to), end || 0);
  position.value = active.currentTime;
}

export const seekBy = (seconds: number): void => seek(active.currentTime + seconds);

export function jumpTo(steps: number): void {
  queue.value = Q.jump(queue.peek(), steps);
  void startCurrent(true);
}

export function enqueue(titles: readonly string[], where: 'next' | 'end'): void {
  const idle = current.peek() === null;
  queue.value = Q.add(queue.peek(), titles, where);
  if (idle) void startCurrent(false);
  else changed();
}

export function dequeue(steps: number): void {
  queue.value = Q.remove(queue.peek(), steps);
  changed();
}

/** What comes next is another: what was loaded ahead for it is let go. */
function changed(): void {
  const after = Q.next(queue.peek(), preferences.peek().repeat);
  if (prepared !== null && (after === null || Q.playing(after) !== prepared.title)) forgetPrepared();
  tellNext();
}

export function setShuffle(on: boolean): void {
  prefer({ shuffle: on });
  queue.value = Q.shuffle(queue.peek(), on);
  changed();
}

export function cycleRepeat(): void {
  const { repeat } = preferences.peek();
  prefer({ repeat: repeat === 'off' ? 'all' : repeat === 'all' ? 'one' : 'off' });
  changed();
}

export function setSpeed(rate: number): void {
  speed.value = rate;
  video.playbackRate = rate;
}

export function setQuality(height: number): void {
  prefer({ quality: height });
  stream.peek()?.choose(height);
}

export function setEvenLoudness(on: boolean): void {
  prefer({ evenLoudness: on });
  const title = current.peek();
  if (!on) even.rest();
  else if (title !== null && attached !== null) even.use(active, title.id);
}

/** Ends a film and closes its stage. */
export function closeFilm(): void {
  remember();
  turn++;
  active.pause();
  attached?.detach();
  attached = null;
  batch(() => {
    queue.value = Q.EMPTY;
    stageOpen.value = false;
    playing.value = false;
    waiting.value = false;
    failure.value = null;
  });
}

// Read by the end-to-end tests: what an ear or eye would notice.
export const activeElement = (): HTMLMediaElement => active;
