//! In which sizes a film is published, and how many bits each may take.

use std::str::FromStr;

/// In which sizes films are published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ladder {
    /// As each film is: copied without loss where browsers play it.
    #[default]
    Source,
    /// As it is, and in the sizes below that a viewer with a slower line or a smaller screen needs.
    Auto,
    /// In these classes of size, as in `1080p`; those that a film does not reach are left out.
    Classes(Vec<u32>),
}

/// Why a text names no ladder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// Not a class of size.
    #[error("{0:?} is no size: write source, auto, or sizes such as 1080p,720p,360p")]
    NoSize(String),
    /// More rungs than are of use.
    #[error("{0} sizes are more than {MAX_RUNGS}")]
    TooMany(usize),
}

/// Most sizes of one film: beyond that they differ by less than a viewer sees.
const MAX_RUNGS: usize = 8;

impl FromStr for Ladder {
    type Err = LadderError;

    fn from_str(text: &str) -> Result<Self, LadderError> {
        match text {
            "source" => return Ok(Self::Source),
            "auto" => return Ok(Self::Auto),
            _ => {}
        }
        let mut classes = Vec::new();
        for word in text.split(',') {
            let number = word.trim().strip_suffix(['p', 'P']).unwrap_or(word.trim());
            let class = number.parse().ok().filter(|n: &u32| (64..=8_640).contains(n));
            classes.push(class.ok_or_else(|| LadderError::NoSize(word.to_owned()))?);
        }
        classes.sort_by(|a, b| b.cmp(a));
        classes.dedup();
        let count = classes.len();
        if count > MAX_RUNGS { Err(LadderError::TooMany(count)) } else { Ok(Self::Classes(classes)) }
    }
}

impl std::fmt::Display for Ladder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Auto => f.write_str("auto"),
            Self::Classes(classes) => {
                let words: Vec<String> = classes.iter().map(|c| format!("{c}p")).collect();
                f.write_str(&words.join(","))
            }
        }
    }
}

/// One size of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    /// As in `720p`: the picture fits into 16:9 of that height, turned with the picture.
    pub(super) class: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether it is the film's own size.
    pub(super) own: bool,
}

/// Classes of size with the most bits a second that H.264 needs for one at 30 frames a second. After the sizes
/// and rates in Apple's authoring specification for HLS devices, with those above and below continued.
const CLASSES: [(u32, u64); 10] = [
    (144, 160_000),
    (240, 350_000),
    (360, 800_000),
    (480, 1_300_000),
    (540, 2_000_000),
    (720, 3_200_000),
    (1080, 5_800_000),
    (1440, 10_000_000),
    (2160, 18_000_000),
    LARGEST,
];
const LARGEST: (u32, u64) = (4320, 50_000_000);

/// Sizes below a film's own that `auto` adds, where they are clearly smaller: each halves the bits or so.
const AUTO: [u32; 5] = [2160, 1080, 720, 480, 240];

impl Ladder {
    /// The sizes of a film whose picture has this size, the largest first. Never empty, none larger than the film.
    pub(super) fn rungs(&self, width: u32, height: u32) -> Vec<Rung> {
        let own = class_of(width, height);
        let source = Rung { class: own, width: even(width), height: even(height), own: true };
        let fit = |class: &u32| match fit(width, height, *class) {
            Some(_) if *class == own => Some(source),
            Some((width, height)) => Some(Rung { class: *class, width, height, own: false }),
            None => None,
        };
        let mut rungs: Vec<Rung> = match self {
            Self::Source => vec![source],
            Self::Auto => {
                let smaller = AUTO.iter().filter(|c| **c * 10 <= own * 8).filter_map(fit);
                std::iter::once(source).chain(smaller).collect()
            }
            Self::Classes(classes) => classes.iter().filter_map(fit).collect(),
        };
        if rungs.is_empty() {
            rungs.push(source);
        }
        rungs.dedup_by_key(|r| (r.width, r.height));
        rungs
    }
}

/// The smallest class that holds the picture.
fn class_of(width: u32, height: u32) -> u32 {
    let holds = |(class, _): &&(u32, u64)| fits(width, height, *class);
    CLASSES.iter().find(holds).map_or(LARGEST.0, |(class, _)| *class)
}

/// The long and the short side of a class's frame.
fn frame(class: u32) -> (u64, u64) {
    (u64::from(class).saturating_mul(16).div_ceil(9), u64::from(class))
}

fn fits(width: u32, height: u32, class: u32) -> bool {
    let (long, short) = frame(class);
    u64::from(width.max(height)) <= long && u64::from(width.min(height)) <= short
}

/// The picture's size in a class; nothing for one that would make it larger than it is. A picture's own class
/// is one that it need not fill.
fn fit(width: u32, height: u32, class: u32) -> Option<(u32, u32)> {
    if fits(width, height, class) {
        return (class == class_of(width, height)).then_some((width, height));
    }
    let (long, short) = frame(class);
    let (wide, high) = (u64::from(width.max(height)), u64::from(width.min(height)));
    // The side that reaches its limit first.
    let (wide, high) =
        if wide * short >= high * long { (long, high * long / wide) } else { (wide * short / high, short) };
    let (wide, high) = (u32::try_from(wide).ok()?, u32::try_from(high).ok()?);
    let (wide, high) = (even(wide), even(high));
    Some(if width >= height { (wide, high) } else { (high, wide) })
}

/// Colour is stored for squares of two by two.
fn even(side: u32) -> u32 {
    (side & !1).max(2)
}

/// Most bits a second that a picture of `class` needs at this frame rate.
pub(super) fn most_bits(class: u32, frame_rate_milli: Option<u32>) -> u64 {
    let above = CLASSES.iter().find(|(c, _)| *c >= class).map_or(LARGEST.1, |(_, bits)| *bits);
    // Twice the frames need half as many bits again, since they resemble each other more.
    if frame_rate_milli.is_some_and(|r| r > 35_000) { above / 2 * 3 } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(ladder: &str, width: u32, height: u32) -> Vec<(u32, u32, u32)> {
        let rungs = ladder.parse::<Ladder>().expect(ladder).rungs(width, height);
        rungs.iter().map(|r| (r.class, r.width, r.height)).collect()
    }

    #[test]
    fn a_ladder_never_makes_a_picture_larger() {
        let asked = "1080p,720p,360p";
        let full = [(1080, 1920, 1080), (720, 1280, 720), (360, 640, 360)];
        assert_eq!(sizes(asked, 1920, 1080), full);
        assert_eq!(sizes(asked, 3840, 2160), full);
        assert_eq!(sizes(asked, 1280, 720), full[1..]);
        // Wide screen is of the class that its width reaches; upright pictures are turned.
        assert_eq!(sizes(asked, 1920, 800), [(1080, 1920, 800), (720, 1280, 532), (360, 640, 266)]);
        assert_eq!(sizes(asked, 1080, 1920), [(1080, 1080, 1920), (720, 720, 1280), (360, 360, 640)]);
        // What reaches none is published as it is.
        assert_eq!(sizes("1080p,720p", 640, 360), [(360, 640, 360)]);
        assert_eq!(sizes("720", 1000, 700), [(720, 1000, 700)]);
        assert_eq!(sizes("source", 641, 361), [(480, 640, 360)]);
        assert_eq!(
            sizes("auto", 1920, 1080),
            [(1080, 1920, 1080), (720, 1280, 720), (480, 852, 480), (240, 426, 240)]
        );
        assert_eq!(sizes("auto", 320, 240), [(240, 320, 240)]);
    }

    #[test]
    fn ladders_are_read_and_written() {
        for text in ["source", "auto", "1080p,720p,360p", "480p"] {
            assert_eq!(text.parse::<Ladder>().expect(text).to_string(), text);
        }
        assert_eq!("360, 720p,720p".parse::<Ladder>(), Ok(Ladder::Classes(vec![720, 360])));
        for bad in ["", "big", "720p,", "-1p", "10p", "99999p"] {
            assert!(matches!(bad.parse::<Ladder>(), Err(LadderError::NoSize(_))), "{bad}");
        }
        let many: Vec<String> = (100..109).map(|n| format!("{n}p")).collect();
        assert_eq!(many.join(",").parse::<Ladder>(), Err(LadderError::TooMany(9)));
    }

    proptest::proptest! {
        /// Whatever the picture, every rung is even, no larger than the picture, and smaller than the one before.
        #[test]
        fn rungs_step_down(width in 2u32..9000, height in 2u32..9000) {
            for ladder in [Ladder::Source, Ladder::Auto, Ladder::Classes(vec![2160, 1080, 720, 540, 360, 144])] {
                let rungs = ladder.rungs(width, height);
                proptest::prop_assert!(!rungs.is_empty());
                for r in &rungs {
                    proptest::prop_assert!(r.width % 2 == 0 && r.height % 2 == 0 && r.width > 0 && r.height > 0);
                    proptest::prop_assert!(r.width <= width && r.height <= height, "{:?}", r);
                }
                for pair in rungs.windows(2) {
                    proptest::prop_assert!(pair[1].class < pair[0].class, "{:?}", pair);
                }
            }
        }
    }
}
