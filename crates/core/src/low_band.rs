//! The lower frequencies of a spectrum, where a search takes a quarter of the work.

use multiversion::multiversion;
use num_complex::Complex;

use crate::{Real, RealFft2, Result, fast_length};

/// The lower half of the frequencies along each axis, as the spectrum of an image of about half the size.
#[derive(Debug, Clone)]
pub struct LowBand<F: Real> {
    shape: (usize, usize),
    fft: RealFft2<F>,
}

impl<F: Real> LowBand<F> {
    /// Of spectra of images of shape `(y, x)`.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) if a side is 0.
    pub fn new(shape: (usize, usize)) -> Result<Self> {
        let half = |n: usize| fast_length(n.div_ceil(2)).min(n);
        Ok(LowBand { shape, fft: RealFft2::new((half(shape.0), half(shape.1)))? })
    }

    /// The transform of the smaller images.
    pub fn transform(&self) -> &RealFft2<F> {
        &self.fft
    }

    /// Pixels of the whole image per pixel of the smaller one, along y and x.
    pub fn scale(&self) -> [f64; 2] {
        let ((h, w), (low_h, low_w)) = (self.shape, self.fft.shape());
        [h as f64 / low_h as f64, w as f64 / low_w as f64]
    }

    /// How many frequencies, from 0 on, are low along y (and as many negative ones but for 0) and x; the
    /// smaller image's Nyquist frequency is not.
    fn low(&self) -> [usize; 2] {
        let (h, w) = self.fft.shape();
        [h.div_ceil(2), w.div_ceil(2)]
    }

    /// Copies the lower frequencies of `spectrum`, of the whole image, into `low`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if either has another length.
    pub fn take(&self, spectrum: &[Complex<F>], low: &mut [Complex<F>]) -> Result<()> {
        let ((h, w), (low_h, _)) = (self.shape, self.fft.shape());
        crate::check_shape("spectrum", &[h * (w / 2 + 1)], &[spectrum.len()])?;
        crate::check_shape("low frequencies", &[self.fft.spectrum_len()], &[low.len()])?;
        low.fill(Complex::new(F::zero(), F::zero()));
        let [n_ky, n_kx] = self.low();
        for kx in 0..n_kx {
            let (from, to) = (&spectrum[kx * h..(kx + 1) * h], &mut low[kx * low_h..(kx + 1) * low_h]);
            to[..n_ky].copy_from_slice(&from[..n_ky]);
            to[low_h + 1 - n_ky..].copy_from_slice(&from[h + 1 - n_ky..]);
        }
        Ok(())
    }
}

/// Cross-spectrum `conj(F)·G` into `product`. Returns by how much at most its higher frequencies, those that
/// are not in `low`, can change its inverse transform anywhere; 0 if there is no `low`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if a spectrum is not `fft`'s.
pub fn cross_spectrum<F: Real>(
    fft: &RealFft2<F>,
    f: &[Complex<F>],
    g: &[Complex<F>],
    product: &mut [Complex<F>],
    low: Option<&LowBand<F>>,
) -> Result<f64> {
    for spectrum in [f, g, &*product] {
        crate::check_shape("spectrum", &[fft.spectrum_len()], &[spectrum.len()])?;
    }
    let (h, w) = fft.shape();
    let [n_ky, n_kx] = low.map_or([h, w], LowBand::low);
    let mut high_moduli = 0.0;
    for kx in 0..fft.n_kx() {
        let column = kx * h..(kx + 1) * h;
        let (f, g, x) = (&f[column.clone()], &g[column.clone()], &mut product[column]);
        let high = match kx < n_kx {
            true => n_ky.min(h)..(h + 1).saturating_sub(n_ky).max(n_ky.min(h)),
            false => 0..h,
        };
        multiply(&f[..high.start], &g[..high.start], &mut x[..high.start]);
        let moduli = multiply(&f[high.clone()], &g[high.clone()], &mut x[high.clone()]);
        multiply(&f[high.end..], &g[high.end..], &mut x[high.end..]);
        high_moduli += fft.multiplicity(kx) * moduli;
    }
    Ok(high_moduli)
}

/// `conj(f)·g`; returns the sum of its moduli.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn multiply<F: Real>(f: &[Complex<F>], g: &[Complex<F>], product: &mut [Complex<F>]) -> f64 {
    const LANES: usize = 8;
    let n = product.len();
    let (f, g) = (&f[..n], &g[..n]);
    let mut moduli = [F::zero(); LANES];
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            let x = f[start + l].conj() * g[start + l];
            product[start + l] = x;
            moduli[l] += x.norm_sqr().sqrt();
        }
    }
    for i in whole..n {
        product[i] = f[i].conj() * g[i];
        moduli[0] += product[i].norm_sqr().sqrt();
    }
    moduli.iter().map(|v| v.f64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn low_waves_stay_and_high_ones_are_counted() {
        for (h, w) in [(16, 12), (15, 17), (4, 5), (1, 8)] {
            let fft = RealFft2::<f64>::new((h, w)).unwrap();
            let low = LowBand::new((h, w)).unwrap();
            let f = Array2::from_shape_fn((h, w), |(y, x)| ((y * 13 + x * 7 + x * y) % 11) as f64);
            let mut spectrum = fft.spectrum();
            fft.forward(f.view(), &mut spectrum, &mut fft.scratch()).unwrap();
            let mut one = fft.spectrum();
            one.fill(1.0.into());
            let mut product = fft.spectrum();
            let missing = cross_spectrum(&fft, &one, &spectrum, &mut product, Some(&low)).unwrap();
            assert_eq!(product, spectrum);
            assert_eq!(cross_spectrum(&fft, &one, &spectrum, &mut product, None).unwrap(), 0.0);
            let mut small = low.transform().spectrum();
            low.take(&spectrum, &mut small).unwrap();
            let total = |fft: &RealFft2<f64>, z: &[Complex<f64>]| -> f64 {
                let (h, _) = fft.shape();
                z.iter().enumerate().map(|(i, z)| fft.multiplicity(i / h) * z.norm()).sum()
            };
            // What is neither kept nor counted as missing: nothing.
            let lost = total(&fft, &spectrum) - total(low.transform(), &small) - missing;
            assert!(lost.abs() < 1e-9 * total(&fft, &spectrum), "{h}×{w}: {lost}");
            assert!(low.take(&spectrum[1..], &mut small).is_err());
        }
    }
}
