//! Where the turned and scaled reference lies in the moving image: normalised correlation over what
//! both show.

use ndarray::{Array2, ArrayView2};
use nonius_core::{RealFft2, RealFft2Scratch, Result, fast_length, wrapped_lag};
use num_complex::Complex;

use super::pose::{Linear, center};
use super::surface::Surface;

/// A moving image, usually a reduced one, transformed.
pub(super) struct Placement {
    shape: (usize, usize),
    min_overlap: f64,
    fft: RealFft2<f64>,
    /// Spectra of ones, of the moving image and of its square.
    moving: [Vec<Complex<f64>>; 3],
}

/// The best place for one angle and scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placed {
    pub(super) pose: Linear,
    /// Correlation coefficient.
    pub(super) score: f64,
    /// Twice the log likelihood against chance, −N ln(1 − score²).
    pub(super) evidence: f64,
}

/// Buffers for the candidates.
pub(super) struct PlacementScratch {
    images: [Array2<f64>; 3],
    spectra: [Vec<Complex<f64>>; 3],
    product: Vec<Complex<f64>>,
    maps: [Array2<f64>; 6],
    fft: RealFft2Scratch<f64>,
}

impl Placement {
    /// For `moving` of about unit variance.
    pub(super) fn new(moving: ArrayView2<'_, f64>, min_overlap: f64) -> Result<Self> {
        let shape = moving.dim();
        let fft = RealFft2::new((fast_length(2 * shape.0), fast_length(2 * shape.1)))?;
        let mut placement = Placement { shape, min_overlap, fft, moving: Default::default() };
        let mut scratch = placement.scratch();
        placement.transform(|y, x| Some(moving[[y, x]]), &mut scratch)?;
        placement.moving = scratch.spectra;
        Ok(placement)
    }

    pub(super) fn scratch(&self) -> PlacementScratch {
        let map = || Array2::zeros(self.fft.shape());
        PlacementScratch {
            images: std::array::from_fn(|_| map()),
            spectra: std::array::from_fn(|_| self.fft.spectrum()),
            product: self.fft.spectrum(),
            maps: std::array::from_fn(|_| map()),
            fft: self.fft.scratch(),
        }
    }

    /// Transforms mask, image and square.
    fn transform(
        &self,
        image: impl Fn(usize, usize) -> Option<f64>,
        scratch: &mut PlacementScratch,
    ) -> Result<()> {
        for y in 0..self.shape.0 {
            for x in 0..self.shape.1 {
                let value = image(y, x);
                let v = value.unwrap_or(0.0);
                scratch.images[0][[y, x]] = f64::from(value.is_some());
                scratch.images[1][[y, x]] = v;
                scratch.images[2][[y, x]] = v * v;
            }
        }
        for (image, spectrum) in scratch.images.iter().zip(&mut scratch.spectra) {
            self.fft.forward(image.view(), spectrum, &mut scratch.fft)?;
        }
        Ok(())
    }

    /// The displacement that fits best after the reference was turned and scaled by `turn`, whose own
    /// displacement is not looked at. None if no displacement correlates.
    pub(super) fn place(
        &self,
        reference: &Surface,
        turn: &Linear,
        scratch: &mut PlacementScratch,
    ) -> Result<Option<Placed>> {
        let still = Linear { t: [0.0; 2], ..*turn };
        let (back, c) = (still.inverse(), center(self.shape));
        self.transform(|y, x| reference.value(back.apply([y as f64, x as f64], c)), scratch)?;
        // Sums over the common pixels, lag by lag: count, f, f², m, m², f·m.
        const PAIRS: [(usize, usize); 6] = [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2), (1, 1)];
        for ((f, m), map) in PAIRS.into_iter().zip(&mut scratch.maps) {
            for ((p, a), b) in scratch.product.iter_mut().zip(&scratch.spectra[f]).zip(&self.moving[m]) {
                *p = a.conj() * b;
            }
            self.fft.inverse(&mut scratch.product, map.view_mut(), &mut scratch.fft)?;
        }
        let cells = scratch.maps[0].len() as f64;
        let scale = still.scale().min(1.0);
        let least = self.min_overlap * scale * scale * (self.shape.0 * self.shape.1) as f64;
        let (h, w) = self.fft.shape();
        let mut best: Option<Placed> = None;
        for y in 0..h {
            for x in 0..w {
                let sums: [f64; 6] = std::array::from_fn(|i| scratch.maps[i][[y, x]] / cells);
                let Some((score, count)) = coefficient(sums, least) else { continue };
                let evidence = -count * (1.0 - score * score).max(1e-12).ln();
                if score > 0.0 && best.is_none_or(|b| evidence > b.evidence) {
                    let t = [wrapped_lag(y, h) as f64, wrapped_lag(x, w) as f64];
                    best = Some(Placed { pose: Linear { t, ..*turn }, score, evidence });
                }
            }
        }
        Ok(best)
    }
}

/// Correlation coefficient and count from the sums over the common pixels; None where there are fewer
/// than `least`, or no structure.
fn coefficient([n, f, ff, m, mm, fm]: [f64; 6], least: f64) -> Option<(f64, f64)> {
    if n < least.max(8.0) {
        return None;
    }
    let (var_f, var_m) = (ff / n - (f / n).powi(2), mm / n - (m / n).powi(2));
    // Images have unit variance: a thousandth of it is nearly flat ground, where anything may correlate.
    if var_f < 1e-3 || var_m < 1e-3 {
        return None;
    }
    Some((((fm / n - f * m / (n * n)) / (var_f * var_m).sqrt()).clamp(-1.0, 1.0), n.round()))
}
