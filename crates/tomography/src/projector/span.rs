use std::ops::Range;

/// Samples whose positions are computed side by side.
pub(super) const LANES: usize = 16;

/// The nearest whole number, modulo 2³², and what is left: for |q| < 2³¹. A sum does it for several at once; casts
/// do not, as they mind infinities.
#[inline(always)]
pub(super) fn split(q: f64) -> (u32, f64) {
    // Its last bit counts ones.
    const SHIFT: f64 = 1.5 * (1_u64 << 52) as f64;
    let shifted = q + SHIFT;
    (shifted.to_bits() as u32, q - (shifted - SHIFT))
}

/// The integers t of `0..count` with `from ≤ q + t·dq ≤ to`, as the sum is rounded.
///
/// The rounded sum never falls as t grows (or never rises), so that what holds at both ends holds between.
pub(super) fn span(q: f64, dq: f64, from: f64, to: f64, count: usize) -> Range<usize> {
    let inside = |t: usize| {
        let at = q + t as f64 * dq;
        from <= at && at <= to
    };
    let (mut first, mut end) = (0, count);
    if dq != 0.0 {
        let (t0, t1) = ((from - q) / dq, (to - q) / dq);
        // Casts saturate; NaN becomes 0, and the test of the ends empties the range.
        first = (t0.min(t1).ceil().max(0.0) as usize).saturating_sub(1).min(count);
        end = ((t0.max(t1).floor().max(-2.0) + 2.0) as usize).min(count);
    }
    // One step past the estimate at either end, then back to where the test holds.
    while first < end && !inside(first) {
        first += 1;
        if dq == 0.0 {
            return first..first;
        }
    }
    while end > first && !inside(end - 1) {
        end -= 1;
    }
    first..end
}

/// What two ranges share.
pub(super) fn shared(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_search_finds() {
        for q in [-7.3, -1.0, 0.0, 0.2, 3.0, 9.9, 40.0] {
            for dq in [-1.4, -1.0, -1e-3, 0.0, 1e-17, 0.3, 1.0, 2.5] {
                for (from, to) in [(0.0, 5.0), (-1.0, 6.0), (2.0, 2.0)] {
                    let plain = (0..12).filter(|t| (from..=to).contains(&(q + f64::from(*t) * dq)));
                    let found = span(q, dq, from, to, 12);
                    assert_eq!(found.map(|t| t as i32).collect::<Vec<_>>(), plain.collect::<Vec<_>>());
                }
            }
        }
        for hostile in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
            assert!(span(hostile, 1.0, 0.0, 5.0, 12).is_empty());
            let _ = span(0.0, hostile, 0.0, 5.0, 12);
        }
    }

    #[test]
    fn splits_as_rounding_does() {
        for q in [0.0, -0.5, 0.25, 0.75, 1.5, 2.5, 1e6 + 0.3, -3.2, -3.9] {
            let (whole, rest) = split(q);
            assert_eq!(f64::from(whole as i32), q.round_ties_even());
            assert_eq!(rest, q - q.round_ties_even());
        }
    }

    #[test]
    fn ranges_share_their_middle() {
        assert_eq!(shared(0..5, 3..9), 3..5);
        assert!(shared(0..2, 3..9).is_empty());
    }
}
