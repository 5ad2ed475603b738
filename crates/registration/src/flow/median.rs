//! The 3×3 median of each component of a flow.

use multiversion::multiversion;
use ndarray::Array3;
use nonius_core::Real;
use rayon::prelude::*;

use super::warp::{elements, elements_mut};

/// The 3×3 median of each component of a flow `(y, 2, x)`; beyond the border the edge pixel repeats.
pub(super) fn median_3x3<F: Real>(flow: &Array3<F>) -> Array3<F> {
    let (ny, _, nx) = flow.dim();
    let mut filtered = Array3::zeros(flow.dim());
    let source = elements(flow);
    elements_mut(&mut filtered).par_chunks_exact_mut(2 * nx).enumerate().for_each(|(y, out)| {
        let row = |y: usize| &source[2 * nx * y..][..2 * nx];
        let (above, this, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(ny - 1)));
        for (component, out) in out.chunks_exact_mut(nx).enumerate() {
            let part = component * nx..(component + 1) * nx;
            median_row([&above[part.clone()], &this[part.clone()], &below[part]], out);
        }
    });
    filtered
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn median_row<F: Real>(rows: [&[F]; 3], out: &mut [F]) {
    let [a, b, c] = rows;
    let last = out.len() - 1;
    let median = |l: usize, x: usize, r: usize| {
        median_of_triples([a[l], a[x], a[r]], [b[l], b[x], b[r]], [c[l], c[x], c[r]])
    };
    out[0] = median(0, 0, 1.min(last));
    out[last] = median(last.saturating_sub(1), last, last);
    let triples = a.windows(3).zip(b.windows(3)).zip(c.windows(3));
    for (o, ((a, b), c)) in out[1..].iter_mut().zip(triples) {
        *o = median_of_triples([a[0], a[1], a[2]], [b[0], b[1], b[2]], [c[0], c[1], c[2]]);
    }
}

/// The median of nine: each triple is sorted, then it is the middle one of the largest minimum, the middle
/// median and the smallest maximum.
#[inline(always)]
fn median_of_triples<F: Real>(a: [F; 3], b: [F; 3], c: [F; 3]) -> F {
    let (a, b, c) = (sorted(a), sorted(b), sorted(c));
    let low = sorted([a[0], b[0], c[0]])[2];
    let middle = sorted([a[1], b[1], c[1]])[1];
    let high = sorted([a[2], b[2], c[2]])[0];
    sorted([low, middle, high])[1]
}

#[inline(always)]
fn sorted<F: Real>([a, b, c]: [F; 3]) -> [F; 3] {
    let (a, b) = ordered(a, b);
    let (b, c) = ordered(b, c);
    let (a, b) = ordered(a, b);
    [a, b, c]
}

#[inline(always)]
fn ordered<F: Real>(a: F, b: F) -> (F, F) {
    if b < a { (b, a) } else { (a, b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_middle_of_the_sorted_neighbourhood() {
        let flow =
            Array3::from_shape_fn((5, 2, 4), |(y, c, x)| ((7 * y + 3 * c + 5 * x * x) * 37 % 101) as f64);
        let filtered = median_3x3(&flow);
        for ((y, c, x), &got) in filtered.indexed_iter() {
            let clamped = |i: usize, d: usize, n: usize| (i + d).saturating_sub(1).min(n - 1);
            let mut nine: Vec<f64> =
                (0..9).map(|k| flow[[clamped(y, k / 3, 5), c, clamped(x, k % 3, 4)]]).collect();
            nine.sort_by(f64::total_cmp);
            assert_eq!(got, nine[4], "component {c} at ({y}, {x})");
        }
    }
}
