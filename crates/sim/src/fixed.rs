//! Logarithms, powers and the distributions built on them, in whole numbers: the same on every machine.
//!
//! Numbers are Q32: 32 bits before the point, 32 behind it.

use nearcast_engine::Span;

use crate::random::Random;

/// One in Q32.
pub(crate) const ONE: u64 = 1 << 32;

/// ln 2 in Q32.
const LN_2: u64 = 2_977_044_472;

/// 2^(2^-1), 2^(2^-2), … in Q62, each the square root of the one before it.
const ROOTS: [u64; 32] = roots();

const fn roots() -> [u64; 32] {
    let mut table = [0; 32];
    let mut at: u128 = 2 << 62;
    let mut i = 0;
    while i < 32 {
        at = (at << 62).isqrt();
        table[i] = narrow(at);
        i += 1;
    }
    table
}

/// The low 64 bits of a number that has no others.
#[expect(clippy::cast_possible_truncation, reason = "every caller shifts or bounds the number below 2^64")]
const fn narrow(wide: u128) -> u64 {
    wide as u64
}

/// log2 of `x / 2^32`, which must not be zero, as a signed Q32.
pub(crate) fn log2(x: u64) -> i64 {
    debug_assert!(x > 0);
    let top = 63 - x.leading_zeros();
    let mut whole = (i64::from(top) - 32) << 32;
    // The mantissa in [1, 2) as Q62; squaring it shifts the next bit of the logarithm out.
    let mut m = if top > 62 { x >> (top - 62) } else { x << (62 - top) };
    let mut bit = 1_i64 << 31;
    while bit > 0 {
        let square = (u128::from(m) * u128::from(m)) >> 62;
        if square >= 2 << 62 {
            whole += bit;
            m = narrow(square >> 1);
        } else {
            m = narrow(square);
        }
        bit >>= 1;
    }
    whole
}

/// 2 to the power of a signed Q32, as Q32; zero and `u64::MAX` where it does not fit.
pub(crate) fn exp2(x: i64) -> u64 {
    let whole = x >> 32;
    let mut m: u64 = 1 << 62;
    for (i, root) in ROOTS.iter().enumerate() {
        if x >> (31 - i) & 1 == 1 {
            m = narrow((u128::from(m) * u128::from(*root)) >> 62);
        }
    }
    match whole {
        32.. => u64::MAX,
        31 => u64::try_from(u128::from(m) << 1).unwrap_or(u64::MAX),
        -32..=30 => m >> (30 - whole),
        i64::MIN..=-33 => 0,
    }
}

/// e to the power of −`x / 2^32`, as Q32.
pub(crate) fn exp_minus(x: u64) -> u64 {
    let by_ln_2 = (u128::from(x) << 32) / u128::from(LN_2);
    i64::try_from(by_ln_2).map_or(0, |power| exp2(-power))
}

/// `base / 2^32` to the power of `milli / 1000`, as Q32.
pub(crate) fn power(base: u64, milli: i64) -> u64 {
    let x = i128::from(log2(base)) * i128::from(milli) / 1000;
    exp2(i64::try_from(x).unwrap_or(if x < 0 { i64::MIN } else { i64::MAX }))
}

/// −ln of a uniform draw, as Q32: an exponential draw with mean one.
pub(crate) fn exponential(random: &mut Random) -> u64 {
    let uniform = (random.next_u64() >> 32) + 1;
    let log = u128::from(log2(uniform).unsigned_abs());
    narrow((log * u128::from(LN_2)) >> 32)
}

/// A Weibull draw: `scale · (−ln U)^(1/shape)`, with the shape in thousandths.
pub(crate) fn weibull(random: &mut Random, shape_milli: u64, scale: Span) -> Span {
    let draw = exponential(random).max(1);
    let inverse = i64::try_from(1_000_000 / shape_milli.max(1)).unwrap_or(i64::MAX);
    times(scale, power(draw, inverse))
}

/// `span` times a Q32.
pub(crate) fn times(span: Span, factor: u64) -> Span {
    let wide = (u128::from(span.micros()) * u128::from(factor)) >> 32;
    Span::from_micros(u64::try_from(wide).unwrap_or(u64::MAX))
}

/// `a · b / c`, or `u64::MAX` where that does not fit.
pub(crate) fn scale(a: u64, b: u64, c: u64) -> u64 {
    u64::try_from(u128::from(a) * u128::from(b) / u128::from(c.max(1))).unwrap_or(u64::MAX)
}

/// Cumulative weights of `count` ranks after Zipf–Mandelbrot: rank i weighs `1 / (i + shift)^s`.
pub(crate) fn zipf(count: u32, s_milli: u64, shift: u32) -> Vec<u64> {
    let exponent = -i64::try_from(s_milli).unwrap_or(i64::MAX);
    let mut sum = 0_u64;
    (1..=count)
        .map(|rank| {
            // A rank above 2^31 does not occur; its weight in Q32 stays above zero up to s = 1.5 and 10^6.
            let base = (u64::from(rank) + u64::from(shift)).saturating_mul(ONE);
            sum += power(base, exponent).max(1);
            sum
        })
        .collect()
}

/// An index of `cumulative`, drawn by its weights.
pub(crate) fn draw(random: &mut Random, cumulative: &[u64]) -> usize {
    let sum = cumulative.last().copied().unwrap_or(1).max(1);
    let at = random.below(sum);
    cumulative.partition_point(|c| *c <= at).min(cumulative.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(x: u64, whole: u64, thousandths: u64) -> bool {
        let want = whole * ONE + thousandths * ONE / 1000;
        x.abs_diff(want) < ONE / 500
    }

    #[test]
    fn powers_and_logarithms_agree_with_known_values() {
        assert_eq!(log2(ONE), 0);
        assert_eq!(log2(8 * ONE), 3 << 32);
        assert_eq!(log2(ONE / 2), -(1 << 32));
        assert_eq!(exp2(0), ONE);
        assert_eq!(exp2(5 << 32), 32 * ONE);
        assert_eq!(exp2(40 << 32), u64::MAX);
        assert_eq!(exp2(-(40 << 32)), 0);
        assert!(near(power(10 * ONE, 500), 3, 162), "√10");
        assert!(near(power(2 * ONE, 1_500), 2, 828), "2^1.5");
        assert!(near(power(3 * ONE, -1_000), 0, 333), "1/3");
        assert!(near(exp_minus(ONE), 0, 368) && near(exp_minus(0), 1, 0), "1/e");
        assert_eq!(exp_minus(u64::MAX), 0);
    }

    #[test]
    fn draws_have_their_means() {
        let mut random = Random::seeded(1);
        let n = 20_000;
        let mean = (0..n).map(|_| exponential(&mut random)).sum::<u64>() / n;
        assert!(mean.abs_diff(ONE) < ONE / 40, "{mean}");
        // Weibull with shape 0.5: the mean is twice the scale.
        let sum: u64 = (0..n).map(|_| weibull(&mut random, 500, Span::from_secs(10)).millis()).sum();
        assert!((sum / n).abs_diff(20_000) < 1_000, "{}", sum / n);
    }

    #[test]
    fn the_first_rank_of_a_zipf_law_is_twice_the_second() {
        let cumulative = zipf(1_000, 1_000, 0);
        let second = cumulative[1] - cumulative[0];
        assert!((cumulative[0] / 2).abs_diff(second) < ONE / 1000);
        let mut random = Random::seeded(2);
        let hits = (0..10_000).filter(|_| draw(&mut random, &cumulative) == 0).count();
        // 1 / H(1000) = 13.4 %.
        assert!((1_200..1_480).contains(&hits), "{hits}");
    }
}
