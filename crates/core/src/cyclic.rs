//! Maxima of maps that wrap.

use multiversion::multiversion;
use ndarray::Array2;

use crate::{Real, paraboloid_peak, wrapped_lag};

/// A local maximum of a cyclic map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CyclicMaximum {
    /// Displacement `(y, x)` px that the element stands for, see [`wrapped_lag`].
    pub lag: [f64; 2],
    /// The map there, times its sign.
    pub value: f64,
    /// Top of a paraboloid through the element and its neighbours, at most 0.6 px away along each axis.
    pub start: [f64; 2],
    /// Height that the paraboloid promises there, not below `value`.
    pub promise: f64,
}

/// How many times as many maxima are looked at as are asked for: content that nearly repeats has many that the map
/// samples about as high, and the highest between elements need not be among the highest of those.
const LOOKED_AT: usize = 16;

/// The `most` local maxima of `sign · map` of the highest `rank`, which is to be [`CyclicMaximum::promise`] or
/// [`CyclicMaximum::value`], highest first. They are not below `least`, at displacements that are `allowed` along
/// both axes, and among the 16 · `most` largest; on ties the larger come first, then those in reading order.
pub fn cyclic_maxima<F: Real>(
    map: &Array2<F>,
    sign: F,
    least: F,
    allowed: impl Fn(isize) -> bool,
    most: usize,
    rank: impl Fn(&CyclicMaximum) -> f64,
) -> Vec<CyclicMaximum> {
    let (h, w) = map.dim();
    let looked_at = most.saturating_mul(LOOKED_AT);
    let map = map.as_standard_layout();
    let columns: Vec<usize> = (0..w).filter(|&x| allowed(wrapped_lag(x, w))).collect();
    let mut found: Vec<CyclicMaximum> = Vec::new();
    for y in (0..h).filter(|&y| allowed(wrapped_lag(y, h))) {
        let row = map.row(y);
        let row = row.to_slice().expect("a map in C order");
        let (high, low) = extremes(row);
        let top = if sign < F::zero() { -low } else { high };
        let worse = |v: F, found: &[CyclicMaximum]| {
            v < least || (found.len() == looked_at && found.last().is_none_or(|f| v.f64() <= f.value))
        };
        if worse(top, &found) {
            continue;
        }
        for &x in &columns {
            if worse(sign * row[x], &found) {
                continue;
            }
            let patch: [[F; 3]; 3] = std::array::from_fn(|i| {
                std::array::from_fn(|j| sign * map[[(y + h + i - 1) % h, (x + w + j - 1) % w]])
            });
            if patch.iter().flatten().all(|&v| v <= patch[1][1]) {
                let new = maximum([wrapped_lag(y, h), wrapped_lag(x, w)], &patch, [h, w]);
                let at = found.iter().position(|f| new.value > f.value).unwrap_or(found.len());
                found.insert(at, new);
                found.truncate(looked_at);
            }
        }
    }
    found.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    found.truncate(most);
    found
}

fn maximum<F: Real>(lag: [isize; 2], patch: &[[F; 3]; 3], shape: [usize; 2]) -> CyclicMaximum {
    let lag = lag.map(|d| d as f64);
    let value = patch[1][1].f64();
    let mut offset = paraboloid_peak(patch).unwrap_or([0.0; 2]).map(|o| o.clamp(-0.6, 0.6));
    for axis in 0..2 {
        if shape[axis] == 1 {
            offset[axis] = 0.0;
        }
    }
    let slope = [0.5 * (patch[2][1] - patch[0][1]).f64(), 0.5 * (patch[1][2] - patch[1][0]).f64()];
    // Height of a paraboloid: value at the centre plus half of gradient times offset.
    let promise = value + 0.5 * (slope[0] * offset[0] + slope[1] * offset[1]).max(0.0);
    CyclicMaximum { lag, value, start: [lag[0] + offset[0], lag[1] + offset[1]], promise }
}

/// Largest and least value; −∞ and ∞ of none.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn extremes<F: Real>(values: &[F]) -> (F, F) {
    const LANES: usize = 16;
    let (mut high, mut low) = ([F::neg_infinity(); LANES], [F::infinity(); LANES]);
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for l in 0..LANES {
            high[l] = if block[l] > high[l] { block[l] } else { high[l] };
            low[l] = if block[l] < low[l] { block[l] } else { low[l] };
        }
    }
    for (l, &v) in rest.iter().enumerate() {
        high[l] = if v > high[l] { v } else { high[l] };
        low[l] = if v < low[l] { v } else { low[l] };
    }
    let highest = high.into_iter().fold(F::neg_infinity(), |m, v| if v > m { v } else { m });
    (highest, low.into_iter().fold(F::infinity(), |m, v| if v < m { v } else { m }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_few_in_order_across_the_border() {
        let mut map = Array2::<f64>::zeros((9, 8));
        (map[[0, 0]], map[[8, 0]], map[[4, 4]], map[[2, 5]]) = (5.0, 2.0, -7.0, 3.0);
        let found = cyclic_maxima(&map, 1.0, 0.5, |_| true, 2, |m| m.value);
        assert_eq!(found.iter().map(|f| f.lag).collect::<Vec<_>>(), [[0.0, 0.0], [2.0, -3.0]]);
        assert!(found[0].start[0] < 0.0 && found[0].promise > 5.0);
        let found = cyclic_maxima(&map, 1.0, 0.5, |d| d.abs() <= 2, 2, |m| m.value);
        assert_eq!(found.len(), 1);
        assert_eq!(cyclic_maxima(&map, -1.0, 0.5, |_| true, 2, |m| m.value)[0].lag, [4.0, 4.0]);
        assert_eq!(extremes(&[2.0, -1.0, 3.0]), (3.0, -1.0));
    }
}
