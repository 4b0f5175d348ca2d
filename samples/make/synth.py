"""A small synthesizer in numpy: instruments, percussion, a mixing desk, a room.

Every instrument is a function that returns one mono note as an array at
``RATE``. A ``Desk`` places notes in time and in stereo and sends part of each
to a shared reverb. All randomness comes from the desk's seed, so the same score
gives the same samples on every run.
"""

import subprocess

import numpy as np

RATE = 48_000


def hz(midi):
    """Frequency of a MIDI note number (69 is A at 440 Hz)."""
    return 440.0 * 2.0 ** ((midi - 69) / 12.0)


def seconds(length):
    """Sample times of a note that lasts `length` seconds."""
    return np.arange(int(length * RATE)) / RATE


def envelope(t, attack, hold, release):
    """Rise over `attack`, stay, and after `hold` fall over `release`.

    Cosine ramps: a straight ramp has corners, and corners are heard as clicks.
    """
    up = np.clip(t / max(attack, 1e-4), 0.0, 1.0)
    down = np.clip(1.0 - (t - hold) / max(release, 1e-4), 0.0, 1.0)
    return (0.5 - 0.5 * np.cos(np.pi * up)) * (0.5 - 0.5 * np.cos(np.pi * down))


def band(signal, low, high):
    """Keep roughly `low`..`high` Hz, with soft edges, by weighting the spectrum."""
    spectrum = np.fft.rfft(signal)
    f = np.fft.rfftfreq(len(signal), 1.0 / RATE)
    gain = 1.0 / (1.0 + (low / np.maximum(f, 1e-3)) ** 4) / (1.0 + (f / high) ** 4)
    return np.fft.irfft(spectrum * gain, len(signal))


# ---------------------------------------------------------------- instruments


def pad(note, length, bright=1.7, detune=0.0, phase=0.0):
    """A slow, warm chord tone: harmonics that fall off, swelling in and out."""
    release = 1.4
    t = seconds(length + release)
    f = hz(note) * 2.0 ** (detune / 1200.0)
    drift = 0.05 * np.sin(2 * np.pi * 0.31 * t + phase * 2.1)
    turn = np.exp(1j * (2 * np.pi * f * t + drift + phase))
    out, partial = np.zeros_like(t), np.ones_like(turn)
    for k in range(1, 13):
        if f * k > 5200:
            break
        partial = partial * turn
        out += partial.imag / k**bright
    swell = 0.85 + 0.15 * np.sin(2 * np.pi * 0.18 * t + phase)
    return out * swell * envelope(t, min(1.1, length * 0.4), length, release)


def keys(note, length, hard=1.0):
    """An electric piano: one modulated sine, brighter at the strike."""
    t = seconds(length + 0.5)
    f = hz(note)
    index = hard * (0.35 + 1.5 * np.exp(-t * 7.0))
    body = np.sin(2 * np.pi * f * t + index * np.sin(2 * np.pi * f * t))
    tine = 0.10 * hard * np.exp(-t * 26.0) * np.sin(2 * np.pi * f * 7.0 * t)
    tremolo = 1.0 + 0.08 * np.sin(2 * np.pi * 4.6 * t)
    return (body * tremolo + tine) * np.exp(-t * 1.5) * envelope(t, 0.004, length, 0.5)


def mallet(note, length=0.9):
    """A wooden bar struck with felt: a pure tone and two short overtones."""
    t = seconds(length)
    f = hz(note)
    out = np.exp(-t * 5.5) * np.sin(2 * np.pi * f * t)
    out += 0.28 * np.exp(-t * 15.0) * np.sin(2 * np.pi * f * 3.93 * t)
    out += 0.10 * np.exp(-t * 38.0) * np.sin(2 * np.pi * f * 9.2 * t)
    return out * envelope(t, 0.003, length - 0.1, 0.1)


def bell(note, length=2.6):
    """A small music-box bell: slightly inharmonic, long, soft."""
    t = seconds(length)
    f = hz(note)
    out = np.zeros_like(t)
    for ratio, level, decay in ((1, 1, 1.8), (2.003, 0.35, 2.8), (3.01, 0.16, 4.5), (5.42, 0.07, 9)):
        out += level * np.exp(-t * decay) * np.sin(2 * np.pi * f * ratio * t)
    return out * envelope(t, 0.003, length - 0.6, 0.6)


def flute(note, length, rng):
    """A breathy pipe: few harmonics, vibrato that arrives late."""
    release = 0.22
    t = seconds(length + release)
    f = hz(note)
    late = np.clip((t - 0.25) / 0.5, 0.0, 1.0)
    wave = 2 * np.pi * f * t + late * 0.0055 * f / 5.1 * np.sin(2 * np.pi * 5.1 * t)
    out = np.sin(wave) + 0.30 * np.sin(2 * wave) + 0.10 * np.sin(3 * wave)
    breath = band(rng.standard_normal(len(t)), f * 0.8, f * 2.5)
    return (out + 0.08 * breath) * envelope(t, 0.07, length, release)


def bass(note, length):
    """A round plucked bass; the octave above makes it audible on small speakers."""
    t = seconds(length + 0.12)
    f = hz(note)
    out = np.sin(2 * np.pi * f * t) + 0.38 * np.exp(-t * 3) * np.sin(4 * np.pi * f * t)
    out += 0.14 * np.exp(-t * 9) * np.sin(6 * np.pi * f * t)
    return np.tanh(1.2 * out * np.exp(-t * 1.3)) * envelope(t, 0.008, length, 0.12)


def kick():
    """A soft drum: a sine that drops in pitch."""
    t = seconds(0.32)
    sweep = 2 * np.pi * (48 * t + 75 / 34.0 * (1 - np.exp(-t * 34.0)))
    return np.sin(sweep) * np.exp(-t * 11.0) * envelope(t, 0.002, 0.26, 0.06)


def brush(rng):
    """A brush on a snare drum."""
    t = seconds(0.28)
    noise = band(rng.standard_normal(len(t)), 900, 6500)
    return noise * np.exp(-t * 17.0) * envelope(t, 0.006, 0.2, 0.08)


def shaker(rng):
    """One short shake."""
    t = seconds(0.11)
    noise = band(rng.standard_normal(len(t)), 5200, 11_000)
    return noise * envelope(t, 0.018, 0.03, 0.07)


# ----------------------------------------------------------------------- desk


def room(length, rng):
    """Impulse response of an invented room, one channel.

    Three bands of fading noise: high sound dies sooner, as it does between walls.
    """
    t = seconds(length)
    out = np.zeros_like(t)
    for low, high, rate in ((120, 700, 2.4), (700, 2600, 3.2), (2600, 7000, 5.5)):
        out += band(rng.standard_normal(len(t)), low, high) * np.exp(-t * rate)
    out *= np.clip(t / 0.02, 0.0, 1.0)
    return out / np.sqrt(np.sum(out**2))


def convolve(signal, response):
    """Fast convolution, cut to the length of the signal."""
    size = 1 << int(np.ceil(np.log2(len(signal) + len(response))))
    both = np.fft.rfft(signal, size) * np.fft.rfft(response, size)
    return np.fft.irfft(both, size)[: len(signal)]


class Desk:
    """Stereo mix with one reverb send."""

    def __init__(self, length, seed):
        self.rng = np.random.default_rng(seed)
        self.dry = np.zeros((2, int(length * RATE)))
        self.wet = np.zeros_like(self.dry)

    def place(self, note, at, gain=1.0, pan=0.0, send=0.25):
        """Mix a mono note in at a time in seconds; pan is -1 (left) to 1."""
        start = max(0, int(at * RATE))
        note = note[: max(0, self.dry.shape[1] - start)]
        angle = (pan + 1.0) * np.pi / 4.0
        for side, weight in enumerate((np.cos(angle), np.sin(angle))):
            part = note * (gain * weight)
            self.dry[side, start : start + len(note)] += part
            self.wet[side, start : start + len(note)] += part * send

    def chord(self, notes, at, length, gain=0.05, bright=1.7, send=0.5):
        """A wide pad: each tone twice, a little apart in pitch and in stereo."""
        for i, note in enumerate(notes):
            for side in (-1, 1):
                phase = self.rng.uniform(0, 2 * np.pi)
                tone = pad(note, length, bright, side * (3.0 + i), phase)
                self.place(tone, at, gain, side * 0.7, send)

    def master(self, fade_in=0.02, fade_out=3.0, loudness=0.145):
        """Room, gentle saturation, level and fades; returns (2, n) floats."""
        mix = self.dry.copy()
        for side in (0, 1):
            mix[side] += 0.9 * convolve(self.wet[side], room(2.8, self.rng))
            mix[side] = band(mix[side], 28, 17_000)
        # Set the level by what is heard most of the time, not by one peak.
        mix *= loudness / np.sqrt(np.mean(mix**2))
        mix = np.tanh(mix * 1.15) / 1.15
        mix *= min(1.0, 0.84 / np.max(np.abs(mix)))
        t = np.arange(mix.shape[1]) / RATE
        end = mix.shape[1] / RATE
        return mix * envelope(t, fade_in, end - fade_out, fade_out)


def write_wav(path, mix):
    """Write 16-bit stereo, dithered so that long fades stay smooth."""
    noise = np.random.default_rng(1).triangular(-1, 0, 1, mix.shape)
    data = np.clip(np.round(mix * 32767 + noise), -32768, 32767).astype("<i2")
    command = ["ffmpeg", "-v", "error", "-y", "-f", "s16le", "-ar", str(RATE), "-ac", "2"]
    command += ["-i", "-", "-c:a", "pcm_s16le", "-bitexact", str(path)]
    subprocess.run(command, input=data.T.tobytes(), check=True)
