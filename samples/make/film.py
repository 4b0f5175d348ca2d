"""The short film "Nearcast": drawn, scored, encoded and packaged as HLS here.

Usage: python3 film.py [output folder]
       python3 film.py --still SECONDS FILE.png     (one frame, to look at)

The story, without words. One tower sends to every house itself, tires, and the
valley goes dark. Then it sends four pieces only once; the neighbours hand them on
until all windows are whole, and in the wide view the light runs from roof to roof
while the tower rests. A house that loses its light gets it back from next door.
"""

import math
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

import art
import synth
from art import ALARM, COLD, WARM, House, add, path, rgb, smooth, spark
from synth import Desk

WIDTH, HEIGHT, RATE = 640, 360, 24
LENGTH = 88  # seconds: a multiple of the segment length, so the last one is whole
SEGMENT = 4

# How far the layers move when the camera looks from the valley up into the sky.
SKY_PAN, GROUND_PAN = 120, 330
PIECES = [rgb("#ffc25e"), rgb("#ff7d6b"), rgb("#5fd6c4"), rgb("#b29bff")]


def fade(t, start, end, length=1.0):
    """1 between start and end, with soft ramps outside of it."""
    return smooth((t - start) / length + 1) * (1 - smooth((t - end) / length))


def flicker(t, seed):
    """Slow irregular trembling, 0 to 1."""
    return 0.5 + 0.25 * math.sin(9.1 * t + seed * 2.3) + 0.25 * math.sin(14.7 * t + seed * 5.1)


class Flight:
    """A light on its way along an arc: when, from where to where, in what colour."""

    def __init__(self, start, length, points, colour, size=1.3):
        self.start, self.length, self.points = start, length, points
        self.colour, self.size = colour, size
        self.mask = art.stroke(points, 1.1)

    @property
    def end(self):
        return self.start + self.length

    def at(self, part):
        """Position after a share of the way, at an even curve between the points."""
        i = min(max(part, 0.0), 1.0) * (len(self.points) - 1)
        low = min(int(i), len(self.points) - 2)
        return self.points[low] + (self.points[low + 1] - self.points[low]) * (i - low)

    def draw(self, frame, t, gain=1.0, dy=0):
        """The moving light with a short tail."""
        if not self.start <= t <= self.end:
            return
        part = (t - self.start) / self.length
        ends = min(1.0, part * 8, (1 - part) * 8 + 0.3)
        for back in range(7, -1, -1):
            x, y = self.at(smooth(part - back * 0.014 / max(self.length, 0.5)))
            level = gain * ends * (1.0 if back == 0 else 0.30 * (1 - back / 8))
            spark(frame, x, y + dy, self.colour, level, self.size * (1 - back * 0.07))

    def trace(self, frame, gain, dy=0):
        """The way itself, as a thin line."""
        mask, x, y = self.mask
        add(frame, mask, x, y + dy, self.colour, gain)


# ---------------------------------------------------------------------- scenes


class Sky:
    """The night above: stars, the two title cards, and at the end constellations."""

    def __init__(self):
        self.picture = art.night_sky(WIDTH, HEIGHT + SKY_PAN, 150, 4)
        rng = np.random.default_rng(9)
        self.twinkle = [(rng.uniform(10, 630), rng.uniform(8, 300), rng.uniform(0, 6.3)) for _ in range(16)]
        self.words = art.lettering("Nearcast", WIDTH / 2, 190, 47, 6.0)
        self.glow = [art.blur(mask, 9) for mask, _, _, _ in self.words]
        self.motto = art.lettering("near before far", WIDTH / 2, 240, 15, 2.1)
        self.motto_glow = [art.blur(mask, 4) for mask, _, _, _ in self.motto]
        self.points = self._scatter(rng)
        self.links = self._link()

    def _scatter(self, rng):
        """Places of the constellation: spread out, but not behind the title."""
        points = []
        for _ in range(4000):
            x, y = rng.uniform(28, 612), rng.uniform(24, 336)
            if 74 < x < 566 and 88 < y < 270:
                continue
            if all(math.hypot(x - a, y - b) > 56 for a, b in points):
                points.append((x, y))
        return points

    def _link(self):
        pairs = set()
        for i, a in enumerate(self.points):
            near = sorted((math.dist(a, b), j) for j, b in enumerate(self.points) if j != i)
            pairs.update((min(i, j), max(i, j)) for d, j in near[:2] if d < 120)
        return [(i, j, art.stroke([self.points[i], self.points[j]], 1.0)) for i, j in sorted(pairs)]

    def draw(self, t, up):
        """The sky seen with the camera down by `up` pixels."""
        low = int(math.floor(up))
        frame = self.picture[low : low + HEIGHT].copy()
        if up > low:  # between two rows while the camera moves
            frame += (self.picture[low + 1 : low + 1 + HEIGHT] - frame) * np.float32(up - low)
        for x, y, phase in self.twinkle:
            spark(frame, x, y - up, COLD, 0.16 + 0.16 * math.sin(0.9 * t + phase), 0.8)
        return frame

    def letters(self, frame, t, first, step, until, dy):
        """Letters light up one after the other, the light jumping between them."""
        gone = 1 - smooth((t - until) / 1.4)
        if gone <= 0 or t < first - 2:
            return
        for i, ((mask, x, y, middle), (soft, m)) in enumerate(zip(self.words, self.glow)):
            lit = first + i * step
            level = smooth((t - lit) / 0.9) * gone
            flash = math.exp(-max(0.0, t - lit) * 2.2) * (t > lit)
            add(frame, mask, x, y + dy, rgb("#39457f"), 0.5 * gone * smooth((t - first + 1.6) / 1.2))
            add(frame, soft, x - m, y - m + dy, WARM, (0.55 + 0.5 * flash) * level)
            add(frame, mask, x, y + dy, np.array([1.0, 0.88, 0.68], np.float32), 0.74 * level)
        # The jumping light comes in from the left and leaves to the right.
        stops = [(-12.0, 120.0)] + [w[3] for w in self.words] + [(WIDTH + 12.0, 110.0)]
        for i, (a, b) in enumerate(zip(stops, stops[1:])):
            edge = i in (0, len(stops) - 2)
            length = step * (3.0 if edge else 1.0)
            start = first + (i - 1) * step if i else first - length
            if start <= t < start + length:
                x, y = path(a, b, 0.20 if edge else 0.42, 200)[int(199 * (t - start) / length)]
                spark(frame, x, y + dy, WARM, gone * 1.1, 2.2)

    def subtitle(self, frame, level):
        """The motto, all at once."""
        for (mask, x, y, _), (soft, m) in zip(self.motto, self.motto_glow):
            add(frame, soft, x - m, y - m, WARM, 0.4 * level)
            add(frame, mask, x, y, np.array([1.0, 0.9, 0.78], np.float32), 0.8 * level)


class WideView:
    """The valley: first the tower alone, later neighbour to neighbour."""

    def __init__(self):
        rows = [(196, 15, 13, 42), (229, 14, 16, 50), (268, 13, 20, 60), (315, 11, 26, 74)]
        rows = [row + (art.HILLS[i],) for i, row in enumerate(rows)]
        self.valley = art.Valley(WIDTH, HEIGHT, 566, 112, 21, rows)
        self.houses, self.lamp = self.valley.houses, self.valley.lamp
        self.light = art.halo(46)
        self.alone = self._tower_alone()
        self.hops = self._handing_on(first=53.6)
        self.pulses = self._pulses()
        # One of the early houses loses its light and is helped by a neighbour.
        self.lost, self.lost_at, self.back = self._mishap()

    def _tower_alone(self):
        """Straight beams to more and more houses, each slower than the one before."""
        order = sorted(range(len(self.houses)), key=lambda i: math.dist(self.houses[i].mid, self.lamp))
        beams, t = [], 14.2
        for n, i in enumerate(order):
            length = 0.9 + n * 0.035
            points = path(self.lamp, self.houses[i].mid, 0.02)
            beams.append((i, Flight(t, length, points, COLD, 1.2)))
            t += 0.40 if n > 4 else 0.62
            if t > 25.2:
                break
        return beams

    def _handing_on(self, first):
        """Who lights whom and when: each lit house serves dark neighbours in turn.

        A plain event loop: the house that is free earliest picks its nearest
        neighbour nobody is on the way to. If nobody can reach a dark house, all
        reach a little further.
        """
        start = min(range(len(self.houses)), key=lambda i: math.dist(self.houses[i].mid, (385, 262)))
        hops = [(None, start, Flight(first, 1.9, path(self.lamp, self.houses[start].mid, 0.10), WARM, 1.9))]
        self.lit, free, reach = {start: first + 1.9}, {start: first + 2.9}, 118.0
        while len(self.lit) < len(self.houses):
            for giver in sorted(free, key=lambda i: (free[i], i)):
                d, taker = self._nearest_dark(giver)
                if d < reach:
                    break
            else:
                reach *= 1.2
                continue
            length = 0.75 + d / 150
            points = path(self.houses[giver].top, self.houses[taker].top, 0.24)
            hops.append((giver, taker, Flight(free[giver], length, points, WARM, 1.4)))
            self.lit[taker] = free[giver] + length
            free[giver] += 0.85
            free[taker] = self.lit[taker] + 0.55
        return hops

    def _nearest_dark(self, giver):
        """(distance, house) of the nearest house without light; rows count as further."""
        a = self.houses[giver]
        dark = [(j, b) for j, b in enumerate(self.houses) if j not in self.lit]
        return min((math.hypot(a.x - b.x, 1.4 * (a.y - b.y)), j) for j, b in dark)

    def _pulses(self):
        """Later traffic: now and then a light runs along a way that exists."""
        rng = np.random.default_rng(14)
        pulses, t = [], 63.0
        while t < 74:
            _, _, hop = self.hops[rng.integers(1, len(self.hops))]
            points = hop.points if rng.random() < 0.5 else hop.points[::-1]
            pulses.append(Flight(t, hop.length, points, WARM, 1.1))
            t += 0.24
        return pulses

    def _mishap(self):
        givers = [g for g, _, _ in self.hops if g is not None]
        lost = max(set(givers), key=lambda g: (givers.count(g), self.houses[g].width, g))
        a = self.houses[lost]
        helper = min((i for i in range(len(self.houses)) if i != lost), key=lambda i: math.dist(self.houses[i].mid, a.mid))
        points = path(self.houses[helper].top, a.top, 0.30)
        return lost, 67.0, Flight(69.0, 1.2, points, WARM, 1.6)

    def draw(self, frame, t, dy):
        """Composite ground and lights over the sky, `dy` pixels lower."""
        low = int(math.floor(dy))
        if low >= HEIGHT:
            return
        for part, shift in ((low + 1 - dy, low), (dy - low, low + 1)):
            if part > 0 and shift < HEIGHT:
                h = HEIGHT - shift
                a = self.valley.alpha[:h, :, None] * np.float32(part)
                frame[shift:] = frame[shift:] * (1 - a) + self.valley.colour[:h] * a
        dy = int(round(dy))
        if t < 40:
            self._draw_alone(frame, t, dy)
        else:
            self._draw_handing(frame, t, dy)

    def _lamp(self, frame, colour, level, dy):
        r = self.light.shape[0] // 2
        x, y = self.lamp
        add(frame, self.light, int(x) - r, int(y) - r + dy, colour, 0.8 * level)
        spark(frame, x, y + dy, colour, 1.2 * level, 1.7)

    def _draw_alone(self, frame, t, dy):
        strain = smooth((t - 17) / 8.5)
        colour = COLD * (1 - strain) + ALARM * strain
        on = fade(t, 13.6, 27.0, 0.7)
        tremble = 1 - strain * 0.55 * flicker(t, 1)
        self._lamp(frame, colour, max(0.10, on * tremble), dy)
        for n, (i, beam) in enumerate(self.alone):
            gone = 1 - smooth((t - 26.8 - (n % 7) * 0.28) / 0.8)
            if t < beam.start or gone <= 0:
                continue
            share = (1 - 0.55 * strain) * gone
            beam.colour = colour
            beam.trace(frame, (0.26 - 0.10 * strain) * tremble * smooth((t - beam.start) / beam.length) * gone, dy)
            beam.draw(frame, t, 0.9 * share, dy)
            arrived = smooth((t - beam.end) / 0.5)
            shaky = 1 - 0.75 * strain * flicker(t * 0.8, i)
            self.houses[i].shine(frame, 0.72 * arrived * share * shaky, COLD * 0.7 + WARM * 0.3, dy)

    def _level(self, i, t):
        """How bright a house is, with a short flare as it lights up."""
        since = t - self.lit[i]
        level = smooth(since / 0.6) * (1 + 0.45 * math.exp(-max(0, since) * 1.8))
        if i == self.lost and t > self.lost_at:
            out = 1 - smooth((t - self.lost_at) / 0.5)
            again = smooth((t - self.back.end) / 0.6) * (1 + 0.6 * math.exp(-max(0, t - self.back.end)))
            level *= max(out, again)
        return level * (0.94 + 0.06 * math.sin(0.8 * t + i))

    def _draw_handing(self, frame, t, dy):
        # The tower shines once, then keeps only a small calm light.
        self._lamp(frame, WARM, 0.10 + 0.9 * fade(t, 53.2, 54.6, 0.8), dy)
        for giver, taker, hop in self.hops:
            if t < hop.start:
                continue
            cut = 1.0
            if self.lost in (giver, taker):
                cut = 1 - fade(t, self.lost_at + 0.3, self.back.end, 0.6)
            age = t - hop.end
            rest = 0.26 if giver is not None else 0.0
            line = smooth((t - hop.start) / hop.length) * (rest + (0.45 - rest) * math.exp(-max(0, age) * 0.8))
            hop.trace(frame, line * cut, dy)
            hop.draw(frame, t, 1.0, dy)
        for pulse in self.pulses:
            pulse.draw(frame, t, 0.65, dy)
        if t > self.back.start:
            self.back.trace(frame, 0.4 * smooth(t - self.back.start), dy)
            self.back.draw(frame, t, 1.2, dy)
        for i, house in enumerate(self.houses):
            house.shine(frame, self._level(i, t), WARM, dy)


class CloseView:
    """Three houses and four pieces: the exchange seen from near."""

    # (start, giver, taker, piece); giver None is the tower.
    PLAN = [
        (34.0, None, 0, 0), (35.1, None, 1, 1), (36.2, None, 2, 2), (37.3, None, 1, 3),
        (40.2, 0, 1, 0), (40.7, 1, 2, 1), (41.6, 1, 0, 3), (42.0, 2, 1, 2),
        (43.0, 1, 0, 1), (43.4, 1, 2, 3), (44.5, 1, 0, 2), (44.9, 1, 2, 0),
    ]  # fmt: skip

    def __init__(self, sky):
        self.base = sky.picture[SKY_PAN : SKY_PAN + HEIGHT].copy()
        alpha = np.zeros((HEIGHT, WIDTH), np.float32)
        art.paint_hill(self.base, alpha, art.ridge(WIDTH, 215, 14, 71), *art.HILLS[0])
        self.lamp = art.draw_tower(self.base, alpha, 592, 224, 96)
        art.paint_hill(self.base, alpha, art.ridge(WIDTH, 252, 12, 73), *art.HILLS[1])
        art.paint_hill(self.base, alpha, art.ridge(WIDTH, 292, 6, 75), *art.HILLS[2])
        size, pane = 112, 27
        u = size * 0.46
        spots = [(x, u + 9 + y) for y in (0, pane + 4) for x in (size / 2 + 2 - pane - 2, size / 2 + 2 + 2)]
        panes = [(x, y, pane, pane) for x, y in spots]
        self.houses = [House(x, y, size, "cottage", panes) for x, y in ((122, 316), (318, 322), (510, 316))]
        for house in self.houses:
            house.paint(self.base)
            house.tint = art.halo(34)
        self.light = art.halo(46)
        self.middle = {(h, p): self._pane(h, p) for h in range(3) for p in range(4)}
        self.have = {}
        self.flights = []
        for start, giver, taker, piece in self.PLAN:
            to = self.middle[taker, piece]
            source = self.lamp if giver is None else self.middle[giver, piece]
            lift = 0.10 if giver is None else 0.34
            length = 1.7 if giver is None else 1.25
            self.flights.append((Flight(start, length, path(source, to, lift, 90), PIECES[piece], 3.0), taker, piece))
            self.have[taker, piece] = start + length
        self.whole = max(self.have.values())
        self.outward = self._outward()

    def _pane(self, house, piece):
        """Middle of a window pane on the picture."""
        h = self.houses[house]
        mask = h.windows[piece]
        rows, columns = np.nonzero(mask > 0.5)
        return h.corner[0] + columns.mean(), h.corner[1] + rows.mean()

    def _outward(self):
        """At the end the outer houses hand everything on, beyond the picture."""
        flights = []
        for piece in range(4):
            for house, x in ((0, -40), (2, WIDTH + 40)):
                start = 48.6 + piece * 0.5
                flights.append(Flight(start, 1.3, path(self.middle[house, piece], (x, 262), 0.35, 90), PIECES[piece], 3.0))
        return flights

    def draw(self, t):
        """The whole picture at time t."""
        frame = self.base.copy()
        on = fade(t, 33.8, 37.8, 0.8)
        r = self.light.shape[0] // 2
        add(frame, self.light, int(self.lamp[0]) - r, int(self.lamp[1]) - r, WARM, 0.1 + 0.8 * on)
        spark(frame, *self.lamp, WARM, 0.2 + 0.9 * on, 1.8)
        for h, house in enumerate(self.houses):
            blend = smooth((t - self.whole - 0.5 - 0.25 * h) / 1.6)
            count = 0.0
            for piece in range(4):
                since = t - self.have[h, piece]
                level = smooth(since / 0.5) * (1 + 0.5 * math.exp(-max(0, since) * 2.5))
                count += smooth(since / 0.5)
                # Four colours first; once whole, they become one warm light.
                colour = PIECES[piece] * (1 - blend) + rgb("#ffc36b") * blend
                x, y = (int(v) for v in self.middle[h, piece])
                m = house.tint.shape[0] // 2
                add(frame, house.tint, x - m, y - m, colour, 0.42 * level)
                add(frame, house.windows[piece], *house.corner, colour, 0.78 * level)
            r = house.halo.shape[0] // 2
            x, y = house.mid
            add(frame, house.halo, x - r, int(y) - r, WARM, (0.05 * count + 0.22 * blend))
            add(frame, house.wash, *house.corner, WARM, 0.10 * blend + 0.015 * count)
        for flight, _, _ in self.flights:
            if t > flight.start:
                late = math.exp(-max(0, t - flight.end) * 0.9)
                flight.trace(frame, 0.34 * late * smooth((t - flight.start) / flight.length))
            flight.draw(frame, t, 0.95)
        for flight in self.outward:
            flight.draw(frame, t, 0.95)
        return frame


class Film:
    """All scenes in order."""

    def __init__(self):
        self.sky = Sky()
        self.wide = WideView()
        self.close = CloseView(self.sky)
        self.risers = self._risers()

    def _risers(self):
        """Which house rises to which star, and when."""
        rng = np.random.default_rng(30)
        homes = rng.permutation(len(self.wide.houses))
        points = self.sky.points
        return [(int(homes[n % len(homes)]), n, 71.2 + 4.2 * k / len(points)) for k, n in enumerate(rng.permutation(len(points)))]

    @staticmethod
    def camera(t):
        """0 looks into the sky, 1 into the valley."""
        return smooth((t - 8.0) / 5.2) * (1 - smooth((t - 72.0) / 6.0))

    def frame(self, t):
        """The picture at time t, as bytes."""
        near = smooth((t - 31.4) / 1.6) * (1 - smooth((t - 51.2) / 1.6))
        if near < 1:
            picture = self._outside(t)
            if near > 0:
                picture += (self.close.draw(t) - picture) * np.float32(near)
        else:
            picture = self.close.draw(t)
        ends = smooth(t / 1.4) * (1 - smooth((t - 85.6) / 2.2))
        return art.finish(picture * np.float32(ends))

    def _outside(self, t):
        c = self.camera(t)
        frame = self.sky.draw(t, SKY_PAN * c)
        lift = int(round(-SKY_PAN * c))
        if t < 12:
            self.sky.letters(frame, t, 1.9, 0.44, 6.9, lift)
        if t > 70:
            self._constellation(frame, t, c)
        self.wide.draw(frame, t, GROUND_PAN * (1 - c))
        if t > 70:
            self._rise(frame, t, c)
            self.sky.letters(frame, t, 78.4, 0.26, 99, lift)
            self.sky.subtitle(frame, smooth((t - 81.6) / 1.6))
        return frame

    def _constellation(self, frame, t, c):
        lift = SKY_PAN * c
        arrived = {n: start + 3.2 for _, n, start in self.risers}
        for i, j, (mask, x, y) in self.sky.links:
            since = t - max(arrived[i], arrived[j])
            add(frame, mask, x, int(round(y - lift)), WARM, 0.30 * smooth(since / 1.2))
        for n, (x, y) in enumerate(self.sky.points):
            since = t - arrived[n]
            if since > 0:
                glow = 0.75 + 0.5 * math.exp(-since * 1.5) + 0.08 * math.sin(t * 1.3 + n)
                spark(frame, x, y - lift, WARM, glow * smooth(since / 0.3 + 0.4), 1.7)

    def _rise(self, frame, t, c):
        """Lights leave the roofs and become the stars of the end card."""
        for home, n, start in self.risers:
            part = (t - start) / 3.2
            if not 0 < part < 1:
                continue
            house = self.wide.houses[home]
            x0, y0 = house.top[0], house.top[1] + GROUND_PAN * (1 - c)
            x1, y1 = self.sky.points[n][0], self.sky.points[n][1] - SKY_PAN * c
            p = smooth(part)
            sway = 9 * math.sin(part * math.pi * 2 + n) * math.sin(part * math.pi)
            spark(frame, x0 + (x1 - x0) * p + sway, y0 + (y1 - y0) * p, WARM, 0.9 * min(1, part * 6), 1.6)


# ------------------------------------------------------------------ soundtrack

# One chord for each four seconds: root of the bass, then the pad.
CHORDS = [
    (38, [57, 61, 64, 66]), (43, [57, 59, 62, 66]), (35, [57, 61, 62, 66]),  # title, pan
    (40, [55, 59, 62, 66]), (40, [55, 59, 62, 64]), (36, [55, 59, 60, 64]), (33, [52, 57, 60, 64]),  # alone
    (33, [52, 55, 60, 64]),  # dark
    (43, [57, 59, 62, 66]), (38, [57, 61, 64, 66]), (43, [55, 59, 62, 66]), (33, [55, 59, 62, 64]), (35, [57, 61, 62, 66]),
    (43, [57, 59, 62, 66]), (38, [57, 61, 64, 66]), (33, [57, 59, 64, 67]), (35, [57, 61, 62, 66]), (43, [57, 59, 62, 66]),
    (38, [57, 62, 64, 66]), (43, [55, 59, 62, 66]), (38, [57, 61, 64, 66]), (38, [57, 62, 64, 69]),
]  # fmt: skip


def soundtrack(film):
    """Pads below, and for each light that arrives a note of the chord of the moment."""
    desk = Desk(LENGTH, seed=51)
    rng = desk.rng
    for bar, (root, voicing) in enumerate(CHORDS):
        at = bar * 4.0
        dark = 12 <= at < 32
        desk.chord([root + 12] + voicing, at, 5.0 if at > 80 else 4.0, 0.017 if dark else 0.022, 2.1 if dark else 1.7, 0.6)
        if at >= 4 and not 28 <= at < 34:
            desk.place(synth.bass(root, 3.4), at, 0.20, 0, 0.08)
        if 36 <= at < 76:  # the flow of the middle part: broken chords in eighths
            for step, pick in enumerate((0, 2, 1, 3, 2, 3, 1, 2)):
                note = voicing[pick] + (12 if step in (3, 5) else 0)
                desk.place(synth.keys(note, 0.9, 0.7), at + step * 0.5, 0.075, -0.3 + 0.08 * step, 0.4)
        if 56 <= at < 76:  # and a pulse once the light runs
            for b in (0, 2.5):
                desk.place(synth.kick(), at + b, 0.20, 0, 0.1)
            for b in range(8):
                desk.place(synth.shaker(rng), at + b * 0.5, 0.06 + 0.05 * (b % 2), 0.3, 0.15)
            for b in (1, 3):
                desk.place(synth.brush(rng), at + b, 0.09, 0.1, 0.3)
    for at, x, low, gain in chimes(film):
        voicing = CHORDS[min(int(at // 4), len(CHORDS) - 1)][1]
        note = voicing[int(rng.integers(0, 4))] + (12 if low else 24)
        desk.place(synth.bell(note, 2.4), at, gain, (x / WIDTH - 0.5) * 1.5, 0.7)
    # Bars from 56 s on: D, A, B minor, G, D, G, D. One beat is one second.
    tune = [
        (2, 78), (1, 76), (1, 74), (2, 76), (1, 73), (1, 69), (2, 74), (1, 78), (1, 81),
        (2, 83), (1, 81), (1, 79), (2, 81), (1, 78), (1, 76), (3, 74), (1, 76), (6, 78),
    ]  # fmt: skip
    at = 56.0
    for length, note in tune:
        desk.place(synth.flute(note, length * 0.95, rng), at, 0.085, 0.0, 0.7)
        at += length
    return desk.master(fade_in=0.8, fade_out=3.5, loudness=0.125)


def chimes(film):
    """(time, x, low, loudness) of every light that arrives."""
    wide, close = film.wide, film.close
    for i in range(8):
        yield 1.9 + i * 0.44, film.sky.words[i][3][0], False, 0.07
        yield 78.4 + i * 0.26, film.sky.words[i][3][0], False, 0.05
    for n, (i, beam) in enumerate(wide.alone):
        yield beam.end, wide.houses[i].x, True, 0.055 * (1 - 0.6 * n / len(wide.alone))
    for flight, taker, _ in close.flights:
        yield flight.end, close.houses[taker].x, False, 0.085
    for i, at in wide.lit.items():
        yield at, wide.houses[i].x, False, 0.06
    yield wide.back.end, wide.houses[wide.lost].x, False, 0.10
    for _, n, start in film.risers[::3]:
        yield start + 3.2, film.sky.points[n][0], False, 0.035


# ------------------------------------------------------------------- packaging

# Reordered pictures make the video's first frame appear two frames after the start of
# its decoding; the sound has one packet of encoder delay. If the sound is this much
# later in its own file and its clock this much earlier, both start decoding at zero:
# then the stream needs no edit lists, which players in browsers read differently.
LEAD = 2 / RATE - 1024 / synth.RATE

# name, size, video and audio kbit/s. All sizes have nearly the shape of 16:9.
RENDITIONS = [("360p", 640, 360, 160, 56), ("240p", 426, 240, 57, 40)]


def render(film, target):
    """Draw every frame once into a lossless file; both renditions start from it."""
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"]
    command += ["-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as pipe:
        for n in range(LENGTH * RATE):
            pipe.stdin.write(film.frame(n / RATE).tobytes())
            if n % (RATE * 8) == 0:
                print(f"drawn {n // RATE} s of {LENGTH}", flush=True)
        pipe.stdin.close()
    if pipe.returncode:
        raise SystemExit("ffmpeg could not take the frames")


def package(master, wav, out, work, name, width, height, video, audio):
    """Encode one rendition in two passes, straight into a single-file HLS stream."""
    gop = RATE * SEGMENT
    common = ["ffmpeg", "-v", "error", "-y", "-i", str(master)]
    common += ["-itsoffset", f"{-LEAD:.6f}", "-i", str(wav)]
    picture = ["-map", "0:v", "-vf", f"scale={width}:{height}:flags=lanczos+accurate_rnd:out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar=1"]
    picture += ["-c:v", "libx264", "-profile:v", "high", "-preset", "slower", "-b:v", f"{video}k"]
    picture += ["-maxrate", f"{int(video * 1.7)}k", "-bufsize", f"{video * 4}k"]
    picture += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    # Every segment starts with a key frame of a closed group, at the same times in
    # all renditions; aq-mode 3 spends more on dark areas, where steps would show.
    picture += ["-x264-params", f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:aq-mode=3:aq-strength=0.9:deblock=1,1:rc-lookahead={gop}"]
    log = ["-passlogfile", str(work / name)]
    subprocess.run(common + picture + log + ["-pass", "1", "-an", "-f", "null", "-"], check=True)
    sound = ["-map", "1:a", "-c:a", "aac", "-b:a", f"{audio}k", "-ac", "2"]
    hls = ["-f", "hls", "-hls_time", str(SEGMENT), "-hls_playlist_type", "vod"]
    hls += ["-hls_segment_type", "fmp4", "-hls_flags", "single_file+independent_segments"]
    hls += ["-hls_segment_options", "use_editlist=0"]
    hls += ["-hls_segment_filename", f"{name}.m4s", f"{name}.m3u8"]
    # In the folder itself, so that the playlist holds plain names.
    subprocess.run(common + picture + log + ["-pass", "2"] + sound + ["-fflags", "+bitexact", "-flags:a", "+bitexact"] + hls, check=True, cwd=out)


def rates(playlist):
    """(peak, average) bit rate of a stream, from its byte ranges."""
    text = playlist.read_text()
    lengths = [float(v) for v in re.findall(r"#EXTINF:([\d.]+)", text)]
    sizes = [int(v) for v in re.findall(r"#EXT-X-BYTERANGE:(\d+)@", text)]
    peak = max(size * 8 / length for size, length in zip(sizes, lengths))
    return math.ceil(peak), math.ceil(sum(sizes) * 8 / sum(lengths))


def codecs(media):
    """CODECS attribute, read from the stream's own avcC box."""
    data = media.read_bytes()
    at = data.index(b"avcC") + 5
    return f"avc1.{data[at:at + 3].hex()},mp4a.40.2"


def master_playlist(out):
    """The list of renditions, the better one first."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for name, width, height, _, _ in RENDITIONS:
        peak, average = rates(out / f"{name}.m3u8")
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},RESOLUTION={width}x{height},"
            f'CODECS="{codecs(out / f"{name}.m4s")}",FRAME-RATE={RATE}.000'
        )
        lines.append(f"{name}.m3u8")
    (out / "master.m3u8").write_text("\n".join(lines) + "\n")


def main():
    """Render, encode and package everything, or write one still."""
    film = Film()
    if len(sys.argv) > 3 and sys.argv[1] == "--still":
        Image.fromarray(film.frame(float(sys.argv[2]))).save(sys.argv[3])
        return
    default = pathlib.Path(__file__).resolve().parent.parent / "film"
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else default).resolve()
    out.mkdir(parents=True, exist_ok=True)
    art.save_jpeg(Image.fromarray(film.frame(66.7)), out / "poster.jpg", 40_000)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        silence = np.zeros((2, round(LEAD * synth.RATE)))
        synth.write_wav(work / "film.wav", np.hstack([silence, soundtrack(film)]))
        render(film, work / "film.mkv")
        for rendition in RENDITIONS:
            package(work / "film.mkv", work / "film.wav", out, work, *rendition)
    master_playlist(out)
    for file in sorted(out.iterdir()):
        print(f"{file.name}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
