use std::f64::consts::{PI, TAU};
use std::ops::Range;

use ndarray::{Array1, Array2, s};
use nonius_core::{FftNd, Result, fast_length, frequency};
use num_complex::Complex;

use super::{Scan, weighted_mean};
use crate::alignment::Footprint;

/// Harmonics of the angle beyond the wedge that a sharp sample still reaches.
const MARGIN: f64 = 4.0;

/// A full turn is made of half a turn and of its mirror image, displaced by δ = 2c − (W − 1). Its spectrum, over
/// harmonics q of the angle and frequencies f of the columns, is empty where `|q| > 2π r |f|` for a sample within r of
/// the axis, unless there is a seam. With A and B the spectra of both halves,
///
/// ```text
/// E(δ) = Σ |A + B exp(−2πi f δ)|² = const + 2 Re Σ_f exp(2πi f δ) Σ_q A B*
/// ```
///
/// over what should be empty. Vo's method sums |·| on a grid of δ with images shifted by interpolation; squares are the
/// likelihood of white noise, and a sum over f alone, whose minimum is found to any fraction of a pixel.
pub(super) fn estimate(scan: &Scan) -> Result<Option<[f64; 2]>> {
    let halves = scan.half_turns();
    scan.over_rows(|row| {
        let Some(footprint) = scan.in_view(row)? else { return Ok(None) };
        let found =
            halves.iter().map(|half| of_half_turn(scan, &footprint, half)).collect::<Result<Vec<_>>>()?;
        let found: Vec<[f64; 2]> = found.into_iter().flatten().collect();
        Ok(weighted_mean(&found).map(|[mean, error, chi2]| [mean, error * chi2.max(1.0).sqrt()]))
    })
}

fn of_half_turn(scan: &Scan, footprint: &Footprint, half: &Range<usize>) -> Result<Option<[f64; 2]>> {
    let image = footprint.image.slice(s![half.clone(), ..]);
    let inside = footprint.inside.slice(s![half.clone(), ..]);
    let (n, width) = image.dim();
    let length = fast_length(2 * width);
    let plan = FftNd::new(&[2 * n, length])?;
    let (mut a, mut b) = (Array2::zeros((2 * n, length)), Array2::zeros((2 * n, length)));
    for ((i, x), value) in image.indexed_iter() {
        a[[i, x]] = Complex::new(*value, 0.0);
        b[[n + i, width - 1 - x]] = Complex::new(*value, 0.0);
    }
    plan.forward(a.view_mut())?;
    plan.forward(b.view_mut())?;

    // The sample reaches over all columns that it covers at some angle: half of them is a radius.
    let covered: Vec<usize> = (0..width).filter(|x| inside.column(*x).iter().any(|v| *v)).collect();
    let (Some(first), Some(last)) = (covered.first(), covered.last()) else { return Ok(None) };
    let radius = 0.5 * (last - first + 1) as f64;
    let empty = |q: usize, f: f64| frequency(q, 2 * n).unsigned_abs() as f64 > TAU * radius * f + MARGIN;
    let mut products = vec![Complex::default(); length.div_ceil(2)];
    let (mut power, mut slope_power, mut count) = (0.0, 0.0, 0.0);
    for (u, product) in products.iter_mut().enumerate().skip(1) {
        let f = u as f64 / length as f64;
        for q in (0..2 * n).filter(|q| empty(*q, f)) {
            let (a, b) = (a[[q, u]], b[[q, u]]);
            *product += a * b.conj();
            power += a.norm_sqr() + b.norm_sqr();
            slope_power += (TAU * f).powi(2) * b.norm_sqr();
            count += 1.0;
        }
    }
    let Some(shift) = minimum(&products, length, 2.0 * scan.max_distance)? else { return Ok(None) };
    let wave = |u: usize| TAU * u as f64 / length as f64;
    let cross: f64 = products.iter().enumerate().map(|(u, p)| (p * Complex::cis(wave(u) * shift)).re).sum();
    // Each complex residual has two parts; zero padding makes their number larger than they are independent.
    let independent = count * width as f64 / length as f64;
    let variance = (power + 2.0 * cross).max(0.0) / (2.0 * independent).max(1.0);
    let error = (variance / slope_power * length as f64 / width as f64).sqrt();
    Ok(Some([scan.middle() + 0.5 * shift, 0.5 * error]))
}

/// The δ within ± the limit that minimises `Re Σ_u P_u exp(2πi u δ/length)`: on a grid of a quarter of a pixel, then by
/// Newton's method.
fn minimum(products: &[Complex<f64>], length: usize, limit: f64) -> Result<Option<f64>> {
    let fine = 4 * length;
    let mut curve = Array1::zeros(fine);
    for (value, p) in curve.iter_mut().zip(products) {
        *value = *p;
    }
    FftNd::new(&[fine])?.inverse(curve.view_mut())?;
    let place = |i: usize| if 2 * i > fine { i as f64 - fine as f64 } else { i as f64 } / 4.0;
    let allowed = (0..fine).filter(|i| place(*i).abs() <= limit);
    let Some(best) = allowed.min_by(|a, b| curve[*a].re.total_cmp(&curve[*b].re)) else { return Ok(None) };
    let mut shift = place(best);
    for _ in 0..10 {
        let (mut slope, mut curvature) = (0.0, 0.0);
        for (u, p) in products.iter().enumerate() {
            let wave = 2.0 * PI * u as f64 / length as f64;
            let value = p * Complex::cis(wave * shift);
            slope -= wave * value.im;
            curvature -= wave * wave * value.re;
        }
        if curvature.is_nan() || curvature <= 0.0 {
            return Ok(None);
        }
        let step = (-slope / curvature).clamp(-0.25, 0.25);
        shift += step;
        if step.abs() < 1e-10 {
            break;
        }
    }
    Ok(Some(shift))
}
