//! Slopes of an image that another one is compared with, plain or filtered to what both images share.

use ndarray::{Array2, ArrayView2, s};
use nonius_core::{
    Border, Real, RealFft2, Result, SLOPE_NOISE, Window, fast_length, gaussian_filter, overlap_range,
    slopes_into,
};
use num_complex::Complex;

use crate::spectral::{CrossSpectrum, NoiseModel, Rings, omega};

/// Slopes of an image along y and x, and what noise does to them.
#[derive(Debug)]
pub(crate) struct Templates<F> {
    pub(crate) slopes: [Array2<F>; 2],
    /// Variance that white noise of variance 1 in the image has in the slopes along y and x.
    pub(crate) slope_noise: [f64; 2],
    /// Variance of the image's noise; None if nobody has looked.
    pub(crate) noise: Option<f64>,
}

/// By how much the variance must shrink for filtered slopes to be worth their making.
const WORTHWHILE: f64 = 1.03;

/// Fewest pixels along an axis of the overlap from which spectra are estimated.
const FEWEST: usize = 16;

/// Pixels of empty border that keep a filter from reaching round the frame.
const BORDER: usize = 24;

impl<F: Real> Templates<F> {
    /// Plain slopes of nothing yet.
    pub(crate) fn empty() -> Self {
        Templates { slopes: Default::default(), slope_noise: [SLOPE_NOISE; 2], noise: None }
    }

    /// Plain slopes: the best for an image without noise.
    pub(crate) fn plain(image: ArrayView2<'_, F>) -> Self {
        let mut templates = Self::empty();
        templates.set(image);
        templates
    }

    /// Makes these the plain slopes of another image.
    pub(crate) fn set(&mut self, image: ArrayView2<'_, F>) {
        slopes_into(image, &mut self.slopes);
    }

    /// Slopes of the image smoothed a little, for one with noise of this variance.
    pub(crate) fn smoothed(image: ArrayView2<'_, F>, noise: f64) -> Result<Self> {
        const SIGMA: f64 = 1.0;
        let mut templates = Self::plain(gaussian_filter(image, SIGMA, Border::Mirror)?.view());
        let mut impulse = Array2::<f64>::zeros((33, 33));
        impulse[[16, 16]] = 1.0;
        let response = Templates::plain(gaussian_filter(impulse.view(), SIGMA, Border::Mirror)?.view());
        templates.slope_noise = response.slopes.map(|slope| slope.iter().map(|v| v * v).sum());
        templates.noise = Some(noise);
        Ok(templates)
    }

    /// Slopes of `moving` filtered by the coherence weights that the overlap with `reference` at
    /// displacement `shift` shows, `γ²/(1−γ²)` over the scene's spectrum: the best that two noisy images of
    /// one scene allow.
    ///
    /// The filter takes the image as 0 beyond its border, which keeps a pixel's noise out of its own slope
    /// there, too. None if filtering would gain nothing or the overlap is too small to tell.
    pub(crate) fn coherent(
        reference: &Array2<F>,
        moving: &Array2<F>,
        shift: [f64; 2],
    ) -> Result<Option<Self>> {
        let whole = shift.map(f64::round);
        let rows = overlap_range(reference.nrows(), moving.nrows(), whole[0]);
        let columns = overlap_range(reference.ncols(), moving.ncols(), whole[1]);
        if rows.len() < FEWEST || columns.len() < FEWEST {
            return Ok(None);
        }
        let shape = (quick_length_within(rows.len()), quick_length_within(columns.len()));
        let fft = RealFft2::<F>::new(shape)?;
        let rings = Rings::new(shape);
        let (wy, wx): (Vec<F>, Vec<F>) = (Window::Hann.samples(shape.0), Window::Hann.samples(shape.1));
        let spectrum = |image: &Array2<F>, from: [f64; 2]| -> Result<_> {
            let (top, left) = (from[0] as usize, from[1] as usize);
            let crop = image.slice(s![top..top + shape.0, left..left + shape.1]);
            let mean = F::of(crop.mean().map_or(0.0, F::f64));
            let mut out = fft.spectrum();
            let fill = |y: usize, row: &mut [F]| {
                for x in 0..row.len() {
                    row[x] = (crop[[y, x]] - mean) * wy[y] * wx[x];
                }
            };
            fft.forward_rows(fill, &mut out, &mut fft.scratch())?;
            Ok(out)
        };
        let (top, left) = (rows.start as f64, columns.start as f64);
        let f = spectrum(reference, [top - whole[0], left - whole[1]])?;
        let g = spectrum(moving, [top, left])?;
        let cross = CrossSpectrum {
            fft: &fft,
            rings: &rings,
            reference: &f,
            moving: &g,
            cross: &mut fft.spectrum(),
            whitened: false,
        };
        let model = cross.model([shift[0] - whole[0], shift[1] - whole[1]], 1.0);
        if !model.has_coherence() || model.coherence_gain() < WORTHWHILE {
            return Ok(None);
        }
        let window_power: f64 =
            [wy, wx].iter().map(|w| w.iter().map(|v| v.f64().powi(2)).sum::<f64>()).product();
        let noise = model.noise()[1] / window_power;
        Self::filtered(moving, &model, &rings, noise).map(Some)
    }

    fn filtered(image: &Array2<F>, model: &NoiseModel, rings: &Rings, noise: f64) -> Result<Self> {
        let (h, w) = image.dim();
        let (hp, wp) = (fast_length(h + BORDER), fast_length(w + BORDER));
        let fft = RealFft2::<F>::new((hp, wp))?;
        let mut scratch = fft.scratch();
        let mut spectrum = fft.spectrum();
        let padded = |y: usize, row: &mut [F]| {
            row.fill(F::zero());
            if y < h {
                row[..w].iter_mut().zip(image.row(y)).for_each(|(r, &v)| *r = v);
            }
        };
        fft.forward_rows(padded, &mut spectrum, &mut scratch)?;
        let weight = model.weight_at(rings);
        let mut filtered = |axis: usize| -> Result<(Array2<F>, f64)> {
            let mut product = spectrum.clone();
            let mut power = 0.0;
            for (kx, column) in product.chunks_exact_mut(hp).enumerate() {
                let multiplicity = if kx == 0 || 2 * kx == wp { 1.0 } else { 2.0 };
                for (ky, v) in column.iter_mut().enumerate() {
                    let (wy, wx) = (omega(ky, hp), omega(kx, wp));
                    // The derivative has no Nyquist term.
                    let along = match axis {
                        0 if 2 * ky == hp => 0.0,
                        1 if 2 * kx == wp => 0.0,
                        0 => wy,
                        _ => wx,
                    };
                    let response = along * weight(wy.hypot(wx) / std::f64::consts::TAU);
                    power += multiplicity * response * response;
                    *v *= Complex::new(F::zero(), F::of(response / (hp * wp) as f64));
                }
            }
            let mut out = Array2::zeros((h, w));
            fft.inverse_rows(&mut product, &mut scratch, |y, row| {
                if y < h {
                    out.row_mut(y).iter_mut().zip(row).for_each(|(o, &v)| *o = v);
                }
            })?;
            Ok((out, power / (hp * wp) as f64))
        };
        let ((along_y, noise_y), (along_x, noise_x)) = (filtered(0)?, filtered(1)?);
        Ok(Templates { slopes: [along_y, along_x], slope_noise: [noise_y, noise_x], noise: Some(noise) })
    }
}

/// The largest quick transform length that is not above `n`.
fn quick_length_within(n: usize) -> usize {
    (1..=n).rev().find(|&m| fast_length(m) == m).unwrap_or(1)
}
