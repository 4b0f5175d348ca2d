"""Drawing kit for the cover and the film: a night valley, houses, light, letters.

Pictures are float arrays (height, width, 3) from 0 to 1. Shapes are drawn by Pillow
several times too large and reduced, which gives smooth edges; light is added on top
in numpy. The letters are our own strokes, so that no font is needed.
"""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WARM = np.array([1.0, 0.74, 0.38], np.float32)
COLD = np.array([0.62, 0.80, 1.0], np.float32)
ALARM = np.array([1.0, 0.36, 0.30], np.float32)


def rgb(code):
    """'#rrggbb' as three floats."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255.0


def smooth(x):
    """0 to 1 with no jerk at either end; clamps outside."""
    x = min(1.0, max(0.0, x))
    return x * x * x * (x * (6.0 * x - 15.0) + 10.0)


# ---------------------------------------------------------------------- light


def add(frame, picture, x, y, colour, gain):
    """Add a grey picture, tinted, with its top left corner at (x, y); clips."""
    h, w = picture.shape
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(frame.shape[1], x + w), min(frame.shape[0], y + h)
    if x0 >= x1 or y0 >= y1 or gain <= 0.002:
        return
    part = picture[y0 - y : y1 - y, x0 - x : x1 - x, None]
    frame[y0:y1, x0:x1] += part * (colour * np.float32(gain))


def halo(radius):
    """A round glow that reaches zero at its edge, so no square shows."""
    r = int(math.ceil(radius))
    d = np.hypot(*np.mgrid[-r : r + 1, -r : r + 1]) / radius
    fall = np.clip(1.0 - d, 0.0, 1.0) ** 2
    return (fall / (1.0 + 9.0 * d * d)).astype(np.float32)


def spark(frame, x, y, colour, gain, size=1.3):
    """A bright moving point. Computed in place for smooth sub-pixel motion."""
    r = int(size * 7) + 1
    xi, yi = int(round(x)), int(round(y))
    d2 = (np.arange(-r, r + 1) + (xi - x)) ** 2
    e2 = (np.arange(-r, r + 1) + (yi - y)) ** 2
    d = np.sqrt(e2[:, None] + d2[None, :]) / (size * 7)
    core = np.exp(-(d * 7) ** 2 / 2)
    soft = 0.34 * np.clip(1 - d, 0, 1) ** 2
    picture = (core + soft).astype(np.float32)
    # The core runs towards white, as an over-exposed light does.
    add(frame, picture, xi - r, yi - r, colour, gain)
    add(frame, core.astype(np.float32), xi - r, yi - r, np.ones(3, np.float32) * 0.5, gain)


def finish(frame):
    """Bend highlights softly instead of cutting them; 8-bit with a fixed dither.

    The same dither on every frame hides steps in the dark gradients, and being
    still it costs the video encoder next to nothing.
    """
    knee = 0.72
    high = knee + (1 - knee) * np.tanh((frame - knee) / (1 - knee))
    frame = np.where(frame > knee, high, frame)
    noise = np.random.default_rng(5).random(frame.shape[:2], np.float32)[..., None]
    return np.clip(frame * 255.0 + noise, 0, 255).astype(np.uint8)


# ------------------------------------------------------------------ landscape


def night_sky(width, height, stars, seed):
    """Gradient from deep blue to a last dusk at the bottom, and stars."""
    rng = np.random.default_rng(seed)
    stops = [(0.0, "#0a1030"), (0.45, "#131c48"), (0.78, "#26306a"), (1.0, "#5a4f8a")]
    y = np.linspace(0, 1, height)
    columns = np.stack([rgb(c) for _, c in stops])
    at = [s for s, _ in stops]
    sky = np.stack([np.interp(y, at, columns[:, k]) for k in range(3)], -1)
    frame = np.repeat(sky[:, None, :], width, 1).astype(np.float32)
    for _ in range(stars):
        x, up = rng.uniform(0, width), rng.uniform(0, 0.85) ** 1.15
        tint = COLD * 0.6 + np.float32(0.4)
        spark(frame, x, up * height, tint, rng.uniform(0.10, 0.5) * (1 - 0.7 * up), rng.uniform(0.45, 0.8))
    return frame


def ridge(width, base, swing, seed, slope=0.0):
    """Height of a hill line for every x: a few long waves."""
    rng = np.random.default_rng(seed)
    x = np.arange(width) / 640.0
    y = np.full(width, float(base)) + slope * (x - 0.5)
    for k in (1.1, 2.3, 4.1):
        y += swing / k * np.sin(2 * np.pi * k * x * 0.8 + rng.uniform(0, 6.28))
    return y


def paint_hill(colour, alpha, line, top, bottom, depth=130.0):
    """Cover everything below a line, shading from the crest downwards."""
    h, w = alpha.shape
    rows = np.arange(h)[:, None] + 0.5
    cover = np.clip(rows - line[None, :], 0, 1).astype(np.float32)[..., None]
    below = np.clip((rows - line[None, :]) / depth, 0, 1)[..., None]
    crest = np.exp(-np.abs(rows - line[None, :]) / 2.0)[..., None] * 0.05
    tone = rgb(top) * (1 - below) + rgb(bottom) * below + crest
    colour[:] = colour * (1 - cover) + tone * cover
    alpha[:] = np.maximum(alpha, cover[..., 0])


def reduce(image, size):
    """Shrink a large Pillow drawing and return it as floats."""
    return np.asarray(image.resize(size, Image.LANCZOS), np.float32) / 255.0


class House:
    """A house: where it stands, how it looks dark, and where its light comes from."""

    OVER = 8  # drawing scale

    def __init__(self, x, y, width, kind, panes=None):
        self.x, self.y, self.width = int(round(x)), int(round(y)), width
        self.kind = kind
        self.tall = {"cottage": 0.62, "tall": 1.15, "wide": 0.55}[kind]
        self.w = int(width * (0.72 if kind == "tall" else 1.25 if kind == "wide" else 1.0))
        self.roof = width * 0.46
        self.h = int(width * self.tall + self.roof) + 1
        self.body, self.alpha = self._shell()
        self.windows = self._windows(panes)
        self.halo = halo(width * 2.3)
        self.wash = np.clip(self.alpha, 0, 1) * 0.5
        self.mid = (self.x, self.y - width * self.tall * 0.5)
        self.top = (self.x, self.y - self.h + 1)

    def _canvas(self, mode="L"):
        size = ((self.w + 4) * self.OVER, self.h * self.OVER)
        return Image.new(mode, size, 0), (self.w + 4, self.h)

    def _shell(self):
        """Walls and roof; the roof hangs over by a little on both sides."""
        s = self.OVER
        image, size = self._canvas("RGBA")
        draw = ImageDraw.Draw(image)
        left, right = 2 * s, (self.w + 2) * s
        eaves, floor = self.roof * s, self.h * s
        hang = self.width * 0.09 * s
        chimney = right - self.w * 0.28 * s
        draw.rectangle([chimney, eaves * 0.15, chimney + self.width * 0.13 * s, eaves], fill=(20, 25, 56, 255))
        draw.rectangle([left, eaves - 1, right, floor], fill=(43, 52, 98, 255))
        mid = (left + right) / 2
        flat = self.w * 0.22 * s if self.kind == "wide" else 0
        roof = [(left - hang, eaves + s * 0.3), (mid - flat, 0), (mid + flat, 0), (right + hang, eaves + s * 0.3)]
        draw.polygon(roof, fill=(22, 27, 60, 255))
        picture = reduce(image, size)
        return picture[..., :3], picture[..., 3]

    def _boxes(self):
        """Window rectangles in pixels of the sprite."""
        u, left = self.width, 2.0
        top = self.roof
        if self.kind == "tall":
            return [(left + self.w * a - u * 0.11, top + u * b, u * 0.22, u * 0.26) for b in (0.12, 0.58) for a in (0.3, 0.7)]
        if self.kind == "wide":
            return [(left + self.w * a - u * 0.13, top + u * 0.13, u * 0.26, u * 0.26) for a in (0.22, 0.5, 0.78)]
        return [(left + self.w * 0.5 - u * 0.19, top + u * 0.11, u * 0.38, u * 0.36)]

    def _windows(self, panes):
        """One light mask per pane; a small house has a single mask for all."""
        s, masks = self.OVER, []
        boxes = [[b] for b in panes] if panes else [self._boxes()]
        for group in boxes:
            image, size = self._canvas()
            draw = ImageDraw.Draw(image)
            for x, y, w, h in group:
                draw.rounded_rectangle([x * s, y * s, (x + w) * s, (y + h) * s], s * 0.04 * self.width ** 0.8, fill=255)
            masks.append(reduce(image, size))
        return masks

    @property
    def corner(self):
        """Top left of the sprite on the picture."""
        return self.x - (self.w + 4) // 2, self.y - self.h + 1

    def paint(self, frame, alpha=None):
        """Draw the dark house; its windows are a shade darker than its walls."""
        x, y = self.corner
        h, w = self.alpha.shape
        x0, y0, x1, y1 = max(0, x), max(0, y), min(frame.shape[1], x + w), min(frame.shape[0], y + h)
        cut = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
        a = self.alpha[cut][..., None]
        dark = self.body[cut] - 0.09 * sum(self.windows)[cut][..., None]
        area = frame[y0:y1, x0:x1]
        area[:] = area * (1 - a) + np.clip(dark, 0, 1) * a
        if alpha is not None:
            alpha[y0:y1, x0:x1] = np.maximum(alpha[y0:y1, x0:x1], a[..., 0])

    def shine(self, frame, level, colour=WARM, dy=0):
        """Add the light of its windows, on its walls and in the air around."""
        x, y = self.corner
        r = self.halo.shape[0] // 2
        add(frame, self.halo, self.x - r, int(self.mid[1]) - r + dy, colour, 0.50 * level)
        add(frame, self.wash, x, y + dy, colour, 0.13 * level)
        for mask in self.windows:
            add(frame, mask, x, y + dy, colour * np.array([1, 0.96, 0.86], np.float32), 0.84 * level)


def draw_tower(frame, alpha, x, y, height):
    """A lattice mast with its foot at (x, y). Returns where its lamp is."""
    s, foot = 6, height * 0.17
    w, h = int(foot) + 8, int(height) + 4
    image = Image.new("L", (w * s, h * s), 0)
    draw = ImageDraw.Draw(image)
    mid, line = w * s / 2, max(3, int(s * height / 95))

    def side(k, part):
        return mid + k * (foot / 2 * (1 - part) + 1.0 * part) * s, (h - (h - 4) * part) * s

    parts = [0, 0.2, 0.38, 0.54, 0.68, 0.8, 0.9, 1.0]
    for k in (-1, 1):
        draw.line([side(k, 0), side(k, 1)], fill=255, width=line + 2)
        for low, high in zip(parts, parts[1:]):
            draw.line([side(k, low), side(-k, high)], fill=190, width=line - 1)
    for part in parts[1:-1]:
        draw.line([side(-1, part), side(1, part)], fill=190, width=line - 1)
    mask = reduce(image, (w, h))
    x0, y0 = int(x - w / 2), int(y - h)
    area, shown = frame[y0 : y0 + h, x0 : x0 + w], alpha[y0 : y0 + h, x0 : x0 + w]
    area[:] = area * (1 - mask[..., None]) + rgb("#55609f") * mask[..., None]
    shown[:] = np.maximum(shown, mask)
    return float(x), float(y0 + 3)


class Valley:
    """Hills with houses and one tower, for a picture of the given size."""

    def __init__(self, width, height, tower_x, tower_height, seed, rows):
        """`rows`: (crest, swing, house width, spacing, colours) from far to near."""
        rng = np.random.default_rng(seed)
        self.colour = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)
        self.houses, lines = [], []
        for i, (crest, swing, _, _, _) in enumerate(rows):
            lines.append(ridge(width, crest, swing, seed * 10 + i))
        for i, (_, _, size, spacing, (top, bottom)) in enumerate(rows):
            paint_hill(self.colour, self.alpha, lines[i], top, bottom, height * 0.36)
            if i == 0:
                foot = lines[0][int(tower_x)] + 5
                self.lamp = draw_tower(self.colour, self.alpha, tower_x, foot, tower_height)
            x = rng.uniform(0.4, 0.9) * spacing
            while x < width - size:
                y = lines[i][int(x)] + rng.uniform(0.15, 0.75) * size
                hidden = i + 1 < len(rows) and y > lines[i + 1][int(x)] - size * 0.1
                clear = i > 0 or abs(x - tower_x) > size * 2.2
                clear = clear and all(abs(x - o.x) > (size + o.width) * 0.75 or abs(y - o.y) > size * 1.7 for o in self.houses)
                if not hidden and clear and y < height - 3:
                    kind = rng.choice(["cottage", "cottage", "wide", "tall"])
                    house = House(x, y, size * rng.uniform(0.88, 1.12), kind)
                    house.paint(self.colour, self.alpha)
                    self.houses.append(house)
                x += spacing * rng.uniform(0.72, 1.3)


def path(a, b, lift=0.28, steps=48):
    """Points of an arc from a to b that rises in the middle."""
    t = np.linspace(0, 1, steps)[:, None]
    a, b = np.array(a, float), np.array(b, float)
    top = (a + b) / 2 - np.array([0, lift * np.hypot(*(b - a)) * 2])
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * top + t * t * b


def stroke(points, width):
    """A smooth line through points: (mask, x, y) of its bounding box."""
    s, margin = 4, int(width) + 2
    points = np.asarray(points, float)
    x0, y0 = (np.floor(points.min(0)) - margin).astype(int)
    x1, y1 = (np.ceil(points.max(0)) + margin).astype(int)
    image = Image.new("L", ((x1 - x0) * s, (y1 - y0) * s), 0)
    draw = ImageDraw.Draw(image)
    spots = [((x - x0) * s, (y - y0) * s) for x, y in points]
    r = width * s / 2
    draw.line(spots, fill=255, width=max(1, int(round(width * s))), joint="curve")
    for x, y in (spots[0], spots[-1]):
        draw.ellipse([x - r, y - r, x + r, y + r], fill=255)
    return reduce(image, (x1 - x0, y1 - y0)), int(x0), int(y0)


# -------------------------------------------------------------------- letters


def arc(cx, cy, rx, ry, start, end):
    """Points of an ellipse arc, angles in degrees, counter-clockwise from the right."""
    return [(cx + rx * math.cos(math.radians(a)), cy + ry * math.sin(math.radians(a))) for a in np.linspace(start, end, 40)]


ROUND = arc(0.5, 0.5, 0.5, 0.5, 0, 360)

# Strokes of each letter and its width. The height of an x is 1, upwards is positive.
LETTERS = {
    "N": ([[(0, 0), (0, 1.45), (0.98, 0), (0.98, 1.45)]], 0.98),
    "a": ([ROUND, [(1, 1), (1, 0)]], 1.0),
    "b": ([ROUND, [(0, 1.5), (0, 0)]], 1.0),
    "c": ([arc(0.5, 0.5, 0.5, 0.5, 48, 312)], 0.84),
    "e": ([[(0.02, 0.5), (1, 0.5)] + arc(0.5, 0.5, 0.5, 0.5, 0, 312)], 1.0),
    "f": ([[(0.22, 0), (0.22, 1.2)] + arc(0.5, 1.2, 0.28, 0.28, 180, 80), [(0, 1), (0.52, 1)]], 0.52),
    "n": ([[(0, 0), (0, 1)], [(0, 0.55)] + arc(0.43, 0.57, 0.43, 0.43, 180, 0) + [(0.86, 0)]], 0.86),
    "o": ([ROUND], 1.0),
    "r": ([[(0, 0), (0, 1)], [(0, 0.5)] + arc(0.5, 0.5, 0.5, 0.5, 180, 80)], 0.55),
    "s": ([arc(0.36, 0.755, 0.31, 0.245, 35, 270) + arc(0.36, 0.255, 0.34, 0.255, 90, -145)], 0.7),
    "t": ([[(0.24, 1.4), (0.24, 0.28)] + arc(0.52, 0.28, 0.28, 0.28, 180, 280), [(0, 1), (0.56, 1)]], 0.56),
}


def lettering(text, middle, baseline, size, weight):
    """One (mask, x, y, centre) per letter of a centred line of text."""
    gap, space = 0.36, 0.62
    advance = [space if c == " " else LETTERS[c][1] + gap for c in text]
    x = middle - (sum(advance) - gap) * size / 2
    placed = []
    for c, step in zip(text, advance):
        if c != " ":
            masks = [stroke([(x + px * size, baseline - py * size) for px, py in line], weight) for line in LETTERS[c][0]]
            placed.append(merge(masks) + ((x + LETTERS[c][1] * size / 2, baseline - size * 0.6),))
        x += step * size
    return placed


def merge(masks):
    """Union of several stroke masks, so that crossings are not twice as bright."""
    x0, y0 = min(m[1] for m in masks), min(m[2] for m in masks)
    x1 = max(m[1] + m[0].shape[1] for m in masks)
    y1 = max(m[2] + m[0].shape[0] for m in masks)
    out = np.zeros((y1 - y0, x1 - x0), np.float32)
    for mask, x, y in masks:
        area = out[y - y0 : y - y0 + mask.shape[0], x - x0 : x - x0 + mask.shape[1]]
        area[:] = np.maximum(area, mask)
    return out, x0, y0


def blur(mask, radius):
    """Soft copy of a mask with a margin, for the glow behind letters."""
    m = int(radius * 3)
    image = Image.fromarray((np.pad(mask, m) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255.0, m


# ---------------------------------------------------------------------- cover

HILLS = [("#323c7c", "#1c2455"), ("#27306a", "#171e4a"), ("#1d2556", "#11173b"), ("#141b45", "#0b102b")]


def neighbours(houses, count, reach):
    """Pairs (i, j) of houses near each other."""
    pairs = set()
    for i, a in enumerate(houses):
        far = sorted((math.hypot(a.x - b.x, (a.y - b.y) * 1.3), j) for j, b in enumerate(houses) if j != i)
        pairs.update((min(i, j), max(i, j)) for d, j in far[:count] if d < reach)
    return sorted(pairs)


def cover(size):
    """The album cover: a lit valley, light going from roof to roof."""
    frame = night_sky(size, size, 130, 3)
    s = size / 600
    rows = [(330, 26, 20, 62), (385, 24, 26, 74), (448, 22, 33, 92), (520, 18, 43, 118)]
    rows = [(a * s, b * s, c * s, d * s, HILLS[i]) for i, (a, b, c, d) in enumerate(rows)]
    valley = Valley(size, size, 508 * s, 120 * s, 8, rows)
    frame = frame * (1 - valley.alpha[..., None]) + valley.colour * valley.alpha[..., None]
    for i, j in neighbours(valley.houses, 2, 135 * s):
        a, b = valley.houses[i], valley.houses[j]
        mask, x, y = stroke(path(a.top, b.top, 0.22), 1.5 * s)
        add(frame, mask, x, y, WARM, 0.42)
        if (i + j) % 2:
            spark(frame, *path(a.top, b.top, 0.22)[15 + (i * 7) % 18], WARM, 0.9, 1.5 * s)
    for house in valley.houses:
        house.shine(frame, 1.0)
    spark(frame, *valley.lamp, COLD, 0.7, 2.0 * s)
    title(frame, lettering("Nearcast", size / 2, 150 * s, 46 * s, 6.4 * s), 1.0, 9 * s)
    title(frame, lettering("near before far", size / 2, 200 * s, 15.5 * s, 2.1 * s), 0.75, 4 * s)
    return Image.fromarray(finish(frame))


def title(frame, letters, level, glow):
    """Draw finished lettering with a warm glow."""
    for mask, x, y, _ in letters:
        soft, m = blur(mask, glow)
        add(frame, soft, x - m, y - m, WARM, 0.55 * level)
        add(frame, mask, x, y, np.array([1.0, 0.90, 0.74], np.float32), 0.95 * level)


def shrink(image, size):
    """A smaller square copy."""
    return image.resize((size, size), Image.LANCZOS)


def save_jpeg(image, path, limit):
    """Save with the best quality that stays within `limit` bytes."""
    for quality in range(92, 30, -2):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() <= limit:
            break
    path.write_bytes(buffer.getvalue())
