//! A periodic, band-limited field that moves exactly.

use ndarray::{Array2, ArrayViewMut2, s};
use nonius_core::{RealFft2, frequency};
use num_complex::Complex;
use rand::Rng;

use crate::spectrum::{coloured_noise, multiply};
use crate::{Result, check};

/// The spectrum of a real periodic image without Nyquist terms, and a window of it.
///
/// A displacement d multiplies term k by exp(−2πi k·d/n). That is the exact displacement of the one
/// trigonometric polynomial through the pixels, because the terms of frequency 1/2 (which even sides
/// have, and whose sign of k is not defined) are left empty.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    plan: RealFft2<f64>,
    spectrum: Vec<Complex<f64>>,
    /// Pixels of the field above and left of the window, shape of the window.
    margin: usize,
    window: [usize; 2],
}

impl Field {
    /// White noise of `shape` times `response(f_y, f_x)`, with zero mean and unit rms over the field,
    /// seen through the window at (`margin`, `margin`).
    pub(crate) fn noise(
        shape: [usize; 2],
        margin: usize,
        window: [usize; 2],
        rng: &mut impl Rng,
        response: impl Fn(f64, f64) -> f64,
    ) -> Result<Self> {
        // The mean is left out before anything is rounded: a field of nothing else must come out flat.
        let structure = |fy, fx| if fy == 0.0 && fx == 0.0 { 0.0 } else { response(fy, fx) };
        let image = coloured_noise(shape, rng, structure)?;
        let mut field = Field::through(&image, margin, window)?;
        field.spectrum[0] = Complex::ZERO;
        let rms = field.power().sqrt();
        field.normalise(rms)?;
        Ok(field)
    }

    /// The intensity |z|² of a complex field z = noise · `response`, with mean 1: nowhere negative, not
    /// even between pixels, and band-limited to twice the reach of `response`.
    pub(crate) fn intensity(
        shape: [usize; 2],
        margin: usize,
        window: [usize; 2],
        rng: &mut impl Rng,
        response: impl Fn(f64, f64) -> f64,
    ) -> Result<Self> {
        let mut image = coloured_noise(shape, rng, &response)?;
        let imaginary = coloured_noise(shape, rng, &response)?;
        image.zip_mut_with(&imaginary, |a, b| *a = *a * *a + b * b);
        let mut field = Field::through(&image, margin, window)?;
        let mean = field.spectrum[0].re / image.len() as f64;
        field.normalise(mean)?;
        Ok(field)
    }

    /// The field whose pixels are `image`, but for its Nyquist terms.
    fn through(image: &Array2<f64>, margin: usize, window: [usize; 2]) -> Result<Self> {
        let plan = RealFft2::new(image.dim())?;
        let mut spectrum = plan.spectrum();
        plan.forward(image.view(), &mut spectrum, &mut plan.scratch())?;
        multiply(&plan, &mut spectrum, |fy, fx| if fy == -0.5 || fx == 0.5 { 0.0 } else { 1.0 });
        Ok(Field { plan, spectrum, margin, window })
    }

    /// Mean square over the field, by Parseval's theorem.
    fn power(&self) -> f64 {
        let (h, w) = self.plan.shape();
        let columns = self.spectrum.chunks_exact(h).enumerate();
        let sum: f64 = columns
            .map(|(kx, c)| self.plan.multiplicity(kx) * c.iter().map(|v| v.norm_sqr()).sum::<f64>())
            .sum();
        sum / ((h * w) as f64).powi(2)
    }

    fn normalise(&mut self, size: f64) -> Result<()> {
        let (h, w) = self.plan.shape();
        check(
            size > 1e-100 && size.is_finite(),
            "content",
            "a field with structure (a larger frame, a smaller blur or a higher cutoff)",
            format!("a flat field of {h}×{w} px"),
        )?;
        self.spectrum.iter_mut().for_each(|v| *v /= size);
        Ok(())
    }

    /// Writes the window, with the content displaced by `shift`, into `out`.
    pub(crate) fn view_into(&self, shift: [f64; 2], mut out: ArrayViewMut2<'_, f64>) -> Result<()> {
        let (h, w) = self.plan.shape();
        let phase = |k: isize, d: f64, n: usize| {
            // Whole periods are taken out first: the phase of a long displacement keeps its digits.
            Complex::cis(-std::f64::consts::TAU * (k as f64 * (d % n as f64) / n as f64))
        };
        let along_y: Vec<_> = (0..h).map(|k| phase(frequency(k, h), shift[0], h)).collect();
        let mut spectrum = self.spectrum.clone();
        for (kx, column) in spectrum.chunks_exact_mut(h).enumerate() {
            let along_x = phase(kx as isize, shift[1], w) / (h * w) as f64;
            column.iter_mut().zip(&along_y).for_each(|(v, py)| *v *= py * along_x);
        }
        let [rows, columns] = self.window;
        let m = self.margin;
        self.plan.inverse_rows(&mut spectrum, &mut self.plan.scratch(), |y, row| {
            if (m..m + rows).contains(&y) {
                let kept = ndarray::aview1(&row[m..m + columns]);
                out.slice_mut(s![y - m, ..]).assign(&kept);
            }
        })
    }
}
