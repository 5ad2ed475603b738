//! The whole-pixel displacement of frames that do not wrap.

use ndarray::Array2;
use nonius_core::{Real, Result, WeightedImage, WeightedSums};

use crate::image::{Prepared, Variance};
use crate::params::Chi2Params;

/// Blocks a side from which blocks are searched instead of pixels.
const COARSEST: usize = 48;

/// Blocks that are searched at most: each takes some 250 bytes.
const LARGE: usize = 2048 * 2048;

/// Minima that are refined, at most.
const CANDIDATES: usize = 4;

/// Displacements `(y, x)` px where the model explains most of the moving image, best first.
pub(crate) fn coarse_minima<F: Real>(
    reference: &Prepared<F>,
    moving: &Prepared<F>,
    params: &Chi2Params,
) -> Result<Vec<[f64; 2]>> {
    let [mean, own] = [mean_and_deviation(reference), mean_and_deviation(moving)];
    let (shift_by, scale) = (if params.offset { own[0] } else { mean[0] }, own[1]);
    if !(scale > 0.0 && mean[1] > 0.0) {
        return Ok(Vec::new());
    }
    // Enough digits for sums of either pixels or blocks.
    let value =
        |part: &Prepared<F>, at: [usize; 2], mean: f64| ((part.pixels[at].f64() - mean) / scale) as f32;
    let valid = |at: [usize; 2]| f32::from(u8::from(reference.variance(at).is_finite()));
    let heaviest = weight_of_the_heaviest(moving);
    let (h, w) = moving.pixels.dim();
    let block = block_of([reference.pixels.dim(), (h, w)]);
    let pixels = [
        WeightedImage::of_blocks(reference.pixels.dim(), block, |at| {
            (value(reference, at, mean[0]), valid(at))
        }),
        WeightedImage::of_blocks((h, w), block, |at| {
            (value(moving, at, shift_by), (1.0 / moving.variance(at) / heaviest) as f32)
        }),
    ];
    let reach = params.max_shift.unwrap_or(f64::INFINITY);
    let ([fixed, other], side) = WeightedImage::smooth_blocks(pixels, COARSEST, reach / (4 * block) as f64);
    let sums = WeightedSums::of(&fixed, &other)?;
    let explained = explained(&sums, params);
    let side = side * block;
    let found = stand_out(&explained, fixed.shape(), side as f64, reach);
    // Blocks that need not be smooth may lie further from the minimum than its valley is wide.
    Ok(match side == block && block > 1 {
        true => found.into_iter().map(|near| best_near(reference, moving, params, near, block)).collect(),
        false => found,
    })
}

/// Side of the blocks that stand for the pixels of large frames from the beginning.
fn block_of(shapes: [(usize, usize); 2]) -> usize {
    let largest = shapes.iter().map(|&(h, w)| h.saturating_mul(w)).fold(0, usize::max);
    let shortest = shapes.iter().map(|&(h, w)| h.min(w)).fold(usize::MAX, usize::min);
    let mut side = 1;
    while largest / (side * side) > LARGE && shortest / (2 * side) >= COARSEST {
        side *= 2;
    }
    side
}

/// The whole displacement about `near`, within `reach` px, where the model explains most of some rows.
fn best_near<F: Real>(
    reference: &Prepared<F>,
    moving: &Prepared<F>,
    params: &Chi2Params,
    near: [f64; 2],
    reach: usize,
) -> [f64; 2] {
    /// Pixels that are looked at, about.
    const ENOUGH: usize = 1 << 20;
    let (rows, columns) = moving.pixels.dim();
    let every = (rows * columns).div_ceil(ENOUGH);
    let reach = reach as isize;
    let mut best = (f64::NEG_INFINITY, near);
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let lag = [near[0] + dy as f64, near[1] + dx as f64];
            let mut sums = [0.0; 6];
            for y in (0..rows).step_by(every) {
                let row = row_sums(reference, moving, y, lag.map(|d| d as isize));
                sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
            }
            let value = explained_by(sums, params);
            if value > best.0 {
                best = (value, lag);
            }
        }
    }
    best.1
}

/// `Σ w`, `Σ w f`, `Σ w m`, `Σ w f²`, `Σ w m²` and `Σ w f m` over one row of the moving image.
fn row_sums<F: Real>(reference: &Prepared<F>, moving: &Prepared<F>, y: usize, lag: [isize; 2]) -> [f64; 6] {
    let (h, w) = reference.pixels.dim();
    let mut sums = [0.0; 6];
    let behind = y as isize - lag[0];
    if !(0..h as isize).contains(&behind) {
        return sums;
    }
    let first = lag[1].max(0) as usize;
    let end = (w as isize + lag[1]).clamp(0, moving.pixels.ncols() as isize) as usize;
    for x in first..end {
        let (at, there) = ([y, x], [behind as usize, (x as isize - lag[1]) as usize]);
        if !reference.variance(there).is_finite() {
            continue;
        }
        let weight = 1.0 / moving.variance(at);
        let (f, m) = (reference.pixels[there].f64(), moving.pixels[at].f64());
        let terms = [1.0, f, m, f * f, m * m, f * m];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
    }
    sums
}

fn weight_of_the_heaviest<F: Real>(part: &Prepared<F>) -> f64 {
    match &part.variance {
        Variance::Uniform(variance) => 1.0 / variance,
        Variance::PerPixel(variances) => variances.iter().map(|v| 1.0 / v.f64()).fold(0.0, f64::max),
    }
}

/// Weighted mean and standard deviation of the valid pixels; NaN if there is none.
fn mean_and_deviation<F: Real>(part: &Prepared<F>) -> [f64; 2] {
    let sum = |of: &dyn Fn(f64) -> f64| -> [f64; 2] {
        let rows = part.pixels.rows().into_iter().enumerate().map(|(y, row)| {
            row.iter().enumerate().fold([0.0; 2], |[weights, sum], (x, v)| {
                let weight = 1.0 / part.variance([y, x]);
                [weights + weight, sum + weight * of(v.f64())]
            })
        });
        rows.fold([0.0; 2], |total, row| [total[0] + row[0], total[1] + row[1]])
    };
    let [weight, total] = sum(&|v| v);
    let mean = total / weight;
    let [_, squares] = sum(&|v| (v - mean).powi(2));
    [mean, (squares / weight).sqrt()]
}

/// By how much the model lowers χ² against none, gain and offset at their best, at every displacement.
fn explained(sums: &WeightedSums<f32>, params: &Chi2Params) -> Array2<f64> {
    let most = sums.weight.iter().copied().fold(0.0_f32, f32::max) as f64;
    Array2::from_shape_fn(sums.weight.dim(), |at| {
        if (sums.weight[at] as f64) < params.min_overlap * most {
            return f64::NEG_INFINITY;
        }
        let maps =
            [&sums.weight, &sums.reference, &sums.moving, &sums.reference2, &sums.moving2, &sums.product];
        explained_by(maps.map(|map| map[at] as f64), params)
    })
}

/// The same for `Σ w`, `Σ w f`, `Σ w m`, `Σ w f²`, `Σ w m²` and `Σ w f m`.
fn explained_by([n, f, m, f2, _, product]: [f64; 6], params: &Chi2Params) -> f64 {
    let centre = |xy: f64, x: f64, y: f64| xy - if params.offset { x * y / n } else { 0.0 };
    let (ff, fm) = (centre(f2, f, f), centre(product, f, m));
    match params.gain {
        _ if ff <= 1e-5 * f2 => 0.0,
        true if fm > 0.0 => fm * fm / ff,
        true => 0.0,
        false => 2.0 * fm - ff,
    }
}

/// The largest local maxima, as displacements.
fn stand_out(map: &Array2<f64>, reference_shape: (usize, usize), side: f64, reach: f64) -> Vec<[f64; 2]> {
    let (h, w) = map.dim();
    let best = map.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lag = |y: usize, x: usize| {
        [
            side * (y as f64 + 1.0 - reference_shape.0 as f64),
            side * (x as f64 + 1.0 - reference_shape.1 as f64),
        ]
    };
    let mut found: Vec<(f64, [f64; 2])> = Vec::new();
    // Nothing need be explained by any displacement, if gain is not fitted.
    let enough = if best > 0.0 { 0.25 * best } else { best };
    for ((y, x), &v) in map.indexed_iter().filter(|(_, v)| **v >= enough && v.is_finite()) {
        let (rows, columns) = (y.saturating_sub(1)..(y + 2).min(h), x.saturating_sub(1)..(x + 2).min(w));
        let place = lag(y, x);
        if place.iter().all(|d| d.abs() <= reach + side)
            && map.slice(ndarray::s![rows, columns]).iter().all(|&other| other <= v)
        {
            let at = found.iter().position(|p| v > p.0).unwrap_or(found.len());
            found.insert(at, (v, place));
            found.truncate(CANDIDATES);
        }
    }
    found.into_iter().map(|(_, place)| place).collect()
}
