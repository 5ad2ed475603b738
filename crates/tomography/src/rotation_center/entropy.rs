use ndarray::Array2;
use nonius_core::{FftNd, Result, fast_length, frequency};
use num_complex::Complex;
use rayon::prelude::*;

use super::Scan;

/// Points along a side of the slice that is reconstructed, at most.
const MAX_SIDE: usize = 128;

/// Grey levels that are told apart.
const BINS: usize = 64;

/// The centre at which the middle row, reconstructed by filtered back-projection, has the histogram of least entropy.
/// Places in steps of a pixel within 4 px of the start, then of a quarter of one; the minimum is that of a parabola
/// through the finer ones, and its error what they scatter about it.
pub(super) fn estimate(scan: &Scan, start: f64) -> Result<Option<[f64; 2]>> {
    if scan.angles.len() < 8 || scan.width() < 8 {
        return Ok(None);
    }
    let slice = Slice::new(scan)?;
    let first = slice.values(start);
    let (low, high) =
        first.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if high <= low {
        return Ok(None);
    }
    // Twice the range of the first reconstruction: others have streaks beyond it.
    let (middle, half) = (0.5 * (low + high), high - low);
    let entropy = |center: f64| entropy(&slice.values(center), middle - half, middle + half);
    let coarse: Vec<f64> = (-4..=4).map(|i| entropy(start + f64::from(i))).collect();
    let best = (0..coarse.len()).fold(0, |best, i| if coarse[i] < coarse[best] { i } else { best });
    let near = start + best as f64 - 4.0;
    let places: Vec<f64> = (-6..=6).map(|i| 0.25 * f64::from(i)).collect();
    let values: Vec<f64> = places.iter().map(|d| entropy(near + d)).collect();
    Ok(parabola(&places, &values).map(|[at, error]| [near + at, error]))
}

/// The minimum of the parabola through values, at places symmetric about 0, and its standard error.
fn parabola(places: &[f64], values: &[f64]) -> Option<[f64; 2]> {
    let model = nalgebra::DMatrix::from_fn(places.len(), 3, |i, c| places[i].powi(c as i32));
    let values = nalgebra::DVector::from_column_slice(values);
    let inverse = (model.transpose() * &model).try_inverse()?;
    let fit = &inverse * model.transpose() * &values;
    let at = -0.5 * fit[1] / fit[2];
    if !(fit[2] > 0.0 && at.abs() <= places[places.len() - 1].abs()) {
        return None;
    }
    let variance = (&values - &model * &fit).norm_squared() / (places.len() as f64 - 3.0);
    let slopes = nalgebra::DVector::from_vec(vec![0.0, -0.5 / fit[2], 0.5 * fit[1] / (fit[2] * fit[2])]);
    let error = (variance * (slopes.transpose() * &inverse * &slopes)[0]).sqrt();
    Some([at, error])
}

/// `−Σ p ln p` over bins; a value is split between the two nearest, so that small changes change it little.
fn entropy(values: &[f64], low: f64, high: f64) -> f64 {
    let mut bins = [0.0; BINS];
    for v in values {
        let place = ((v - low) / (high - low) * (BINS - 1) as f64).clamp(0.0, (BINS - 1) as f64);
        let bin = (place as usize).min(BINS - 2);
        bins[bin] += 1.0 - (place - bin as f64);
        bins[bin + 1] += place - bin as f64;
    }
    let n = values.len() as f64;
    bins.iter().filter(|b| **b > 0.0).map(|b| -b / n * (b / n).ln()).sum()
}

/// The middle row, filtered.
struct Slice {
    filtered: Array2<f64>,
    /// cos, sin and weight of every angle.
    angles: Vec<[f64; 3]>,
    /// Largest distance from the centre that is reconstructed, px, and points along a side.
    radius: f64,
    side: usize,
}

impl Slice {
    fn new(scan: &Scan) -> Result<Self> {
        let row = &scan.rows[scan.rows.len() / 2];
        let (n, width) = row.dim();
        let length = fast_length(2 * width);
        let plan = FftNd::new(&[length])?;
        let mut filtered = Array2::zeros((n, width));
        for (from, mut to) in row.rows().into_iter().zip(filtered.rows_mut()) {
            let mut line = ndarray::Array1::from_elem(length, Complex::default());
            for (l, v) in line.iter_mut().zip(from) {
                *l = Complex::new(*v, 0.0);
            }
            plan.forward(line.view_mut())?;
            for (u, l) in line.iter_mut().enumerate() {
                *l *= frequency(u, length).unsigned_abs() as f64 / (length * length) as f64;
            }
            plan.inverse(line.view_mut())?;
            to.iter_mut().zip(&line).for_each(|(t, l)| *t = l.re);
        }
        // Half the distance to both neighbours; views that turn up twice share their weight so.
        let a = &scan.angles;
        let weight = |i: usize| 0.5 * (a[(i + 1).min(n - 1)] - a[i.saturating_sub(1)]);
        let angles = (0..n).map(|i| [a[i].cos(), a[i].sin(), weight(i)]).collect();
        let radius = 0.5 * (width as f64 - 1.0);
        Ok(Slice { filtered, angles, radius, side: width.min(MAX_SIDE) })
    }

    /// Values within the circle that all views see about a centre in the middle.
    fn values(&self, center: f64) -> Vec<f64> {
        let coordinate = |i: usize| self.radius * (2.0 * (i as f64 + 0.5) / self.side as f64 - 1.0);
        let last = self.filtered.ncols() - 1;
        let point = |x: f64, z: f64| {
            let mut sum = 0.0;
            for (line, [cos, sin, weight]) in self.filtered.rows().into_iter().zip(&self.angles) {
                let at = center + x * cos + z * sin;
                if at >= 0.0 && at < last as f64 {
                    let below = at as usize;
                    let part = at - below as f64;
                    sum += weight * ((1.0 - part) * line[below] + part * line[below + 1]);
                }
            }
            sum
        };
        let rows: Vec<Vec<f64>> = (0..self.side)
            .into_par_iter()
            .map(|i| {
                let x = coordinate(i);
                let inside = (0..self.side).map(coordinate).filter(|z| x.hypot(*z) <= self.radius);
                inside.map(|z| point(x, z)).collect()
            })
            .collect();
        rows.concat()
    }
}
