// Even loudness: measures titles as they play (ITU-R BS.1770, K-weighted, gated) and plays the loud ones quieter.
//
// Only ever quieter, never louder, so that nothing clips. A title that was not heard yet starts with the loudness
// that is usual for released music.

import { loudness } from '../state/kept';

/** What everything is brought down to, in LUFS. */
const TARGET = -16;
const USUAL = -11;
/** Quieter blocks are pauses and do not count, in LUFS. */
const GATE = -70;
const EVERY_MS = 400;
/** Seconds after which a measurement is worth keeping. */
const ENOUGH = 15;

export const gainFor = (lufs: number): number => Math.min(1, 10 ** ((TARGET - lufs) / 20));

interface Chain {
  readonly gain: GainNode;
  readonly meter: AnalyserNode;
}

export class Loudness {
  #context: AudioContext | null = null;
  readonly #chains = new Map<HTMLMediaElement, Chain>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #energies: number[] = [];
  #title: string | null = null;

  /** Routes an element through the gain. Must be called by a gesture: browsers keep sound back until then. */
  use(element: HTMLMediaElement, title: string): void {
    const context = (this.#context ??= new AudioContext());
    void context.resume();
    const chain = this.#chains.get(element) ?? this.#build(context, element);
    this.#measure(chain, title);
  }

  /** Plays everything as it is again. An element that was routed stays routed, with a gain of 1. */
  rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const { gain } of this.#chains.values()) gain.gain.value = 1;
  }

  #build(context: AudioContext, element: HTMLMediaElement): Chain {
    const input = context.createMediaElementSource(element);
    const gain = context.createGain();
    // The two filters of the K weighting: a shelf for the head, and a high pass.
    const shelf = new BiquadFilterNode(context, { type: 'highshelf', frequency: 1682, gain: 4 });
    const pass = new BiquadFilterNode(context, { type: 'highpass', frequency: 38, Q: 0.5 });
    const meter = new AnalyserNode(context, { fftSize: 16_384 });
    input.connect(gain).connect(context.destination);
    input.connect(shelf).connect(pass).connect(meter);
    const chain = { gain, meter };
    this.#chains.set(element, chain);
    return chain;
  }

  #measure(chain: Chain, title: string): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#title = title;
    this.#energies = [];
    chain.gain.gain.value = gainFor(loudness.peek()[title] ?? USUAL);
    const samples = new Float32Array(chain.meter.fftSize);
    this.#timer = setInterval(() => {
      chain.meter.getFloatTimeDomainData(samples);
      const energy = samples.reduce((sum, s) => sum + s * s, 0) / samples.length;
      if (lufs(energy) > GATE) this.#energies.push(energy);
      this.#settle(chain);
    }, EVERY_MS);
  }

  #settle(chain: Chain): void {
    const heard = (this.#energies.length * EVERY_MS) / 1000;
    if (heard < ENOUGH || this.#title === null) return;
    const measured = gated(this.#energies);
    const known = loudness.peek()[this.#title];
    if (known !== undefined && Math.abs(known - measured) < 0.5) return;
    loudness.value = { ...loudness.peek(), [this.#title]: Math.round(measured * 10) / 10 };
    // Slow enough not to be heard as a change.
    chain.gain.gain.setTargetAtTime(gainFor(measured), chain.gain.context.currentTime, 3);
  }
}

// The analyser mixes channels to one: +3 dB for two channels that are alike, as most of music is.
const lufs = (energy: number): number => -0.691 + 3 + 10 * Math.log10(energy);

/** The mean without what is 10 LU below the mean of all. */
function gated(energies: readonly number[]): number {
  const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0) / of.length;
  const floor = mean(energies) / 10;
  return lufs(mean(energies.filter((e) => e >= floor)));
}
