//! Drawings: scales, axes, areas, lines and bars as SVG, coloured by the page's style.

use std::fmt::Write as _;

use crate::show::words::digits;

/// A drawing's measures: 720 wide so that letters stay readable on a phone, where it is scaled down.
pub(super) const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;

/// A drawing under way.
pub(super) struct Drawing {
    body: String,
    height: f64,
    title: String,
}

/// A line or an area: its class in the style, and its points.
pub(super) struct Curve {
    pub(super) class: &'static str,
    pub(super) points: Vec<f64>,
}

impl Drawing {
    /// An empty drawing; `title` is what is read out.
    pub(super) fn new(height: f64, title: &str) -> Self {
        Self { body: String::new(), height, title: escape(title) }
    }

    /// The SVG.
    pub(super) fn finish(self) -> String {
        let Self { body, height, title } = self;
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>{body}</svg>"
        )
    }

    fn put(&mut self, shape: std::fmt::Arguments) {
        // Writing to a String does not fail.
        let _ = self.body.write_fmt(shape);
    }

    fn floor(&self) -> f64 {
        self.height - BOTTOM
    }

    fn y(&self, share: f64) -> f64 {
        self.floor() - share * (self.floor() - TOP)
    }

    fn x(share: f64) -> f64 {
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// Letters.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: &str, class: &str, words: &str) {
        let words = escape(words);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{words}</text>"
        ));
    }

    /// Lines across with their values, up to `top` in units of `unit`.
    pub(super) fn values(&mut self, top: f64, unit: &str) {
        for tick in 0..=4 {
            let share = f64::from(tick) / 4.0;
            let y = self.y(share);
            self.put(format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            ));
            let value = digits(top * share);
            let value =
                if value.contains('.') { value.trim_end_matches('0').trim_end_matches('.') } else { &value };
            self.text((LEFT - 8.0, y + 4.0), "end", "tick", value);
        }
        self.text((LEFT - 8.0, 12.0), "end", "tick", unit);
    }

    /// Moments along the floor, given as (share of the width, words).
    pub(super) fn moments(&mut self, moments: &[(f64, String)]) {
        for (share, words) in moments {
            let (x, floor) = (Self::x(*share), self.floor());
            self.put(format_args!(
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{floor:.1}\" y2=\"{:.1}\"/>",
                floor + 5.0
            ));
            self.text((x, floor + 18.0), "middle", "tick", words);
        }
    }

    /// Areas on top of each other, over their sum's scale `top`.
    pub(super) fn stack(&mut self, curves: &[Curve], top: f64) {
        let count = curves.first().map_or(0, |curve| curve.points.len());
        let mut floor = vec![0.0; count];
        for curve in curves {
            let roof: Vec<f64> = floor.iter().zip(&curve.points).map(|(low, point)| low + point).collect();
            let there = self.path(&roof, top, "M");
            let back: Vec<f64> = floor.iter().rev().copied().collect();
            let back = self.path_back(&back, top);
            self.put(format_args!("<path class=\"area {}\" d=\"{there}{back}Z\"/>", curve.class));
            floor = roof;
        }
    }

    /// A line over the scale `top`.
    pub(super) fn line(&mut self, curve: &Curve, top: f64) {
        let path = self.path(&curve.points, top, "M");
        self.put(format_args!("<path class=\"line {}\" d=\"{path}\"/>", curve.class));
    }

    fn path(&self, points: &[f64], top: f64, start: &str) -> String {
        let last = last_of(points.len());
        let mut path = String::new();
        for (at, point) in (0_u32..).zip(points) {
            let (x, y) = (Self::x(f64::from(at) / last), self.y(part(*point, top)));
            let letter = if at == 0 { start } else { "L" };
            let _ = write!(path, "{letter}{x:.1} {y:.1}");
        }
        path
    }

    fn path_back(&self, points: &[f64], top: f64) -> String {
        let last = last_of(points.len());
        let mut path = String::new();
        for (at, point) in (0_u32..).zip(points) {
            let (x, y) = (Self::x(1.0 - f64::from(at) / last), self.y(part(*point, top)));
            let _ = write!(path, "L{x:.1} {y:.1}");
        }
        path
    }

    /// An upright bar of pieces (class, share of the height), the `index`th of `count`, with words under it.
    pub(super) fn upright(&mut self, (index, count): (u32, u32), pieces: &[(&str, f64)], words: [&str; 2]) {
        let slot = (WIDTH - LEFT - RIGHT) / f64::from(count.max(1));
        let (x, width) = (LEFT + slot * (f64::from(index) + 0.12), slot * 0.76);
        let mut floor = 0.0;
        for (class, share) in pieces {
            let (top, bottom) = (self.y(floor + share), self.y(floor));
            self.put(format_args!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.2}\"/>",
                bottom - top
            ));
            floor += share;
        }
        let middle = x + width / 2.0;
        self.text((middle, self.floor() + 15.0), "middle", "tick", words[0]);
        self.text((middle, self.floor() + 30.0), "middle", "tick", words[1]);
    }

    /// A row with a bar from `from` to `to` and marks on it, all as shares of the width; `y` is its middle.
    pub(super) fn row(&mut self, y: f64, class: &str, words: &str, marks: &[(f64, &str)]) {
        let at = |share: f64| ROW_LEFT + share * (WIDTH - ROW_LEFT - RIGHT - 24.0);
        self.text((ROW_LEFT - 10.0, y + 4.0), "end", "label", words);
        let low = marks.first().map_or(0.0, |mark| mark.0);
        let high = marks.last().map_or(0.0, |mark| mark.0);
        self.put(format_args!(
            "<line class=\"range {class}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            at(low),
            at(high)
        ));
        for (size, (share, _)) in [7.0, 4.5, 4.5, 4.5].into_iter().zip(marks) {
            self.put(format_args!(
                "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"{size}\"/>",
                at(*share)
            ));
        }
        if let Some((share, value)) = marks.first() {
            self.text((at(*share), y - 11.0), "middle", "tick", value);
        }
        if let Some((share, value)) = marks.last().filter(|(share, _)| *share > low + 0.12) {
            self.text((at(*share), y - 11.0), "middle", "tick", value);
        }
    }

    /// Upright lines behind rows, as (share of the width, words).
    pub(super) fn rules(&mut self, rules: &[(f64, String)]) {
        for (share, words) in rules {
            let x = ROW_LEFT + share * (WIDTH - ROW_LEFT - RIGHT - 24.0);
            let floor = self.height - 22.0;
            self.put(format_args!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"4\" y2=\"{floor:.1}\"/>"
            ));
            self.text((x, self.height - 6.0), "middle", "tick", words);
        }
    }
}

/// Where rows begin, right of their names.
const ROW_LEFT: f64 = 190.0;

fn part(value: f64, of: f64) -> f64 {
    if of > 0.0 { value / of } else { 0.0 }
}

fn last_of(points: usize) -> f64 {
    f64::from(u32::try_from(points).unwrap_or(u32::MAX).saturating_sub(1).max(1))
}

/// A round number that is not below `value`, so that a quarter of it is round too.
pub(super) fn ceiling(value: f64) -> f64 {
    let mut step = 1e-6;
    while step < 1e18 {
        for factor in [1.0, 2.0, 4.0, 6.0, 8.0] {
            if step * factor >= value {
                return step * factor;
            }
        }
        step *= 10.0;
    }
    value
}

/// Text inside markup.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_reach_over_the_value() {
        assert_eq!([ceiling(3.1), ceiling(40.0), ceiling(0.07), ceiling(81.0)], [4.0, 40.0, 0.08, 100.0]);
    }

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
