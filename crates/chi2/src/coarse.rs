//! The whole-pixel displacement of frames that do not wrap.

use ndarray::Array2;
use nonius_core::{Result, WeightedImage, WeightedSums};

use crate::image::Prepared;
use crate::params::Chi2Params;

/// Blocks a side from which blocks are searched instead of pixels.
const COARSEST: usize = 48;

/// Minima that are refined, at most.
const CANDIDATES: usize = 4;

/// Displacements `(y, x)` px where the model explains most of the moving image, best first.
pub(crate) fn coarse_minima(
    reference: &Prepared,
    moving: &Prepared,
    params: &Chi2Params,
) -> Result<Vec<[f64; 2]>> {
    let [mean, own] = [reference, moving].map(mean_and_deviation);
    let (shift_by, scale) = (if params.offset { own[0] } else { mean[0] }, own[1]);
    if !(scale > 0.0 && mean[1] > 0.0) {
        return Ok(Vec::new());
    }
    let weighted = |part: &Prepared, mean: f64, weight: Array2<f64>| {
        WeightedImage::new(part.pixels.mapv(|v| ((v - mean) / scale) as f32), weight.mapv(|w| w as f32))
    };
    let valid = reference.valid().mapv(|ok| f64::from(u8::from(ok)));
    let heaviest = moving.weights().iter().copied().fold(0.0, f64::max);
    let pixels = [
        weighted(reference, mean[0], valid),
        weighted(moving, shift_by, moving.weights().mapv(|w| w / heaviest)),
    ];
    let reach = params.max_shift.unwrap_or(f64::INFINITY);
    let ([fixed, other], side) = WeightedImage::smooth_blocks(pixels, COARSEST, reach / 4.0);
    let sums = WeightedSums::of(&fixed, &other)?;
    let explained = explained(&sums, params);
    Ok(stand_out(&explained, fixed.shape(), side as f64, reach))
}

/// Weighted mean and standard deviation of the valid pixels; NaN if there is none.
fn mean_and_deviation(part: &Prepared) -> [f64; 2] {
    let (mut weight, mut sum) = (0.0, 0.0);
    for (v, variance) in part.pixels.iter().zip(&part.variance) {
        weight += 1.0 / variance;
        sum += v / variance;
    }
    let mean = sum / weight;
    let squares = part.pixels.iter().zip(&part.variance).map(|(v, variance)| (v - mean).powi(2) / variance);
    [mean, (squares.sum::<f64>() / weight).sqrt()]
}

/// By how much the model lowers χ² against none, gain and offset at their best.
fn explained(sums: &WeightedSums<f32>, params: &Chi2Params) -> Array2<f64> {
    let most = sums.weight.iter().copied().fold(0.0_f32, f32::max) as f64;
    Array2::from_shape_fn(sums.weight.dim(), |at| {
        let n = sums.weight[at] as f64;
        if n < params.min_overlap * most {
            return f64::NEG_INFINITY;
        }
        let (f, m) = (sums.reference[at] as f64, sums.moving[at] as f64);
        let centre = |xy: f32, x: f64, y: f64| xy as f64 - if params.offset { x * y / n } else { 0.0 };
        let (ff, fm) = (centre(sums.reference2[at], f, f), centre(sums.product[at], f, m));
        let flat = ff <= 1e-5 * sums.reference2[at] as f64;
        match params.gain {
            _ if flat => 0.0,
            true if fm > 0.0 => fm * fm / ff,
            true => 0.0,
            false => 2.0 * fm - ff,
        }
    })
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
