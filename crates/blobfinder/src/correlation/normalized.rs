//! Correlation coefficients of pixels and template, missing pixels left out.

use ndarray::Array2;
use nonius_core::{Real, RealFft2, RealFft2Scratch, Result, fast_length};
use num_complex::Complex;

/// Less of the template's own scatter than this part tells too little of a disk.
const LEAST_PART: f64 = 0.25;

/// Pixels whose mean square deviation is less than this part of the greatest of all are constant but for rounding.
const ROUNDING: f64 = 1e-12;

/// Coefficients up to this are none but for rounding.
pub(crate) const LEAST: f64 = 1e-6;

/// Correlation coefficients of windows or frames of one shape with templates.
///
/// ```text
/// c[p] = Σ v (f − f̄)(m − m̄) / √(Σ v (f − f̄)² · Σ v (m − m̄)²)
/// ```
///
/// where m runs over the template's domain around p, f over the pixels beneath, v is 1 for a pixel and 0 where there is
/// none, and the means are of the pixels that there are. By Fourier transform, zeros around the pixels so that nothing
/// wraps, always in double precision: sums of squares of bright pixels stand beside those of dark ones.
#[derive(Debug, Clone)]
pub(crate) struct Normalized {
    fft: RealFft2<f64>,
    shape: (usize, usize),
    kernels: Vec<Kernel>,
}

/// A template m less its mean, on its domain D.
#[derive(Debug, Clone)]
struct Kernel {
    /// Conjugate spectra, over the number of pixels, of m, m² and D.
    template: Vec<Complex<f64>>,
    square: Vec<Complex<f64>>,
    domain: Vec<Complex<f64>>,
    /// Number of pixels of D, Σ m².
    pixels: f64,
    scatter: f64,
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct NormalizedScratch {
    fft: RealFft2Scratch<f64>,
    /// Spectra of v f, v f² and v, f less its mean.
    value: Vec<Complex<f64>>,
    square: Vec<Complex<f64>>,
    live: Vec<Complex<f64>>,
    /// Whether all v are 1; their spectrum is then not needed inside.
    complete: bool,
    /// Mean square deviation of what is constant but for rounding.
    constant: f64,
    product: Vec<Complex<f64>>,
    maps: [Vec<f64>; 6],
    /// Whether each pixel of what is loaded next is missing.
    pub(crate) missing: Vec<bool>,
}

impl Normalized {
    /// For windows or frames of `shape`, `margin` zeros beside them: as many as templates reach beyond. `masks` and
    /// their domains are `(2 reach + 1)²`, centres in the middle.
    pub(crate) fn new(
        shape: (usize, usize),
        margin: usize,
        reach: usize,
        masks: &[(Array2<f64>, Array2<bool>)],
    ) -> Result<Self> {
        let length = |n: usize| fast_length((n + margin).max(2 * reach + 1));
        let fft = RealFft2::new((length(shape.0), length(shape.1)))?;
        let mut normalized = Normalized { fft, shape, kernels: Vec::new() };
        let kernels = masks.iter().map(|(mask, domain)| normalized.kernel(reach, mask, domain));
        normalized.kernels = kernels.collect::<Result<_>>()?;
        Ok(normalized)
    }

    fn kernel(&self, reach: usize, mask: &Array2<f64>, domain: &Array2<bool>) -> Result<Kernel> {
        let (h, w) = self.fft.shape();
        let mut scratch = self.fft.scratch();
        let pixels = domain.iter().filter(|inside| **inside).count() as f64;
        let inside = |(m, inside): (&f64, &bool)| if *inside { *m } else { 0.0 };
        let mean = mask.iter().zip(domain).map(inside).sum::<f64>() / pixels.max(1.0);
        let centered = |at: [usize; 2]| if domain[at] { mask[at] - mean } else { 0.0 };
        let mut spectrum_of = |of: &dyn Fn([usize; 2]) -> f64| -> Result<Vec<Complex<f64>>> {
            // The template's centre at element (0, 0).
            let place = |i: usize, n: usize| (i + reach) % n;
            let image = Array2::from_shape_fn((h, w), |(y, x)| {
                let at = [place(y, h), place(x, w)];
                if at.iter().all(|i| *i <= 2 * reach) { of(at) } else { 0.0 }
            });
            let mut spectrum = self.fft.spectrum();
            self.fft.forward(image.view(), &mut spectrum, &mut scratch)?;
            let scale = 1.0 / (h * w) as f64;
            Ok(spectrum.iter().map(|m| m.conj() * scale).collect())
        };
        Ok(Kernel {
            template: spectrum_of(&centered)?,
            square: spectrum_of(&|at| centered(at).powi(2))?,
            domain: spectrum_of(&|at| f64::from(u8::from(domain[at])))?,
            pixels,
            scatter: domain.indexed_iter().map(|((y, x), _)| centered([y, x]).powi(2)).sum(),
        })
    }

    pub(crate) fn scratch(&self) -> NormalizedScratch {
        let (h, w) = self.fft.shape();
        NormalizedScratch {
            fft: self.fft.scratch(),
            value: self.fft.spectrum(),
            square: self.fft.spectrum(),
            live: self.fft.spectrum(),
            complete: true,
            constant: 0.0,
            product: self.fft.spectrum(),
            maps: std::array::from_fn(|_| vec![0.0; h * w]),
            missing: Vec::new(),
        }
    }

    /// Transforms a window or frame, but for those pixels that are `missing`; maps of it follow from
    /// [`correlate`](Self::correlate).
    pub(crate) fn load<F: Real>(&self, pixels: &[F], scratch: &mut NormalizedScratch) -> Result<()> {
        let NormalizedScratch { fft, value, square, live, complete, constant, missing, .. } = scratch;
        let ((h, w), missing) = (self.shape, &missing[..]);
        let seen = || pixels.iter().zip(missing).filter(|(_, missing)| !**missing).map(|(v, _)| v.f64());
        let n = seen().count();
        let mean = seen().sum::<f64>() / (n.max(1)) as f64;
        *complete = n == pixels.len();
        let greatest = seen().map(|v| (v - mean).powi(2)).fold(0.0, f64::max);
        let of_numbers = 4.0 * F::epsilon().f64() * seen().map(f64::abs).fold(0.0, f64::max);
        *constant = (ROUNDING * greatest).max(of_numbers * of_numbers);
        let mut transform = |of: &dyn Fn(f64) -> f64, spectrum: &mut [Complex<f64>]| {
            let fill = |y: usize, row: &mut [f64]| {
                row.fill(0.0);
                if y < h {
                    for (x, out) in row[..w].iter_mut().enumerate().filter(|(x, _)| !missing[y * w + x]) {
                        *out = of(pixels[y * w + x].f64() - mean);
                    }
                }
            };
            self.fft.forward_rows(fill, spectrum, fft)
        };
        transform(&|f| f, value)?;
        transform(&|f| f * f, square)?;
        transform(&|_| 1.0, live)
    }

    /// Coefficients of template `k` for its centre on the `rows × columns` pixels from `corner` on. If `inside`, the
    /// template's domain lies within the window for all of them. 0 where the pixels do not scatter, or too few are there.
    pub(crate) fn correlate<F: Real>(
        &self,
        k: usize,
        corner: [usize; 2],
        (rows, columns): (usize, usize),
        inside: bool,
        scratch: &mut NormalizedScratch,
        out: &mut [F],
    ) -> Result<()> {
        let NormalizedScratch { fft, value, square, live, complete, constant, product, maps, .. } = scratch;
        let kernel = &self.kernels[k];
        let mut correlation = |of: &[Complex<f64>], with: &[Complex<f64>], map: &mut [f64]| {
            for (p, (f, m)) in product.iter_mut().zip(of.iter().zip(with)) {
                *p = f * m;
            }
            let w = self.fft.shape().1;
            let each = |y: usize, row: &[f64]| map[y * w..][..w].copy_from_slice(row);
            self.fft.inverse_rows(product, fft, each)
        };
        let [fm, f, ff, n, m, mm] = maps;
        correlation(value, &kernel.template, fm)?;
        correlation(value, &kernel.domain, f)?;
        correlation(square, &kernel.domain, ff)?;
        if *complete && inside {
            n.fill(kernel.pixels);
            m.fill(0.0);
            mm.fill(kernel.scatter);
        } else {
            correlation(live, &kernel.domain, n)?;
            correlation(live, &kernel.template, m)?;
            correlation(live, &kernel.square, mm)?;
        }
        let least_scatter = kernel.pixels * *constant;
        let stride = self.fft.shape().1;
        for (y, row) in out.chunks_exact_mut(columns).take(rows).enumerate() {
            for (x, out) in row.iter_mut().enumerate() {
                let i = (corner[0] + y) * stride + corner[1] + x;
                let n = n[i].max(1.0);
                let of_template = mm[i] - m[i] * m[i] / n;
                let of_pixels = ff[i] - f[i] * f[i] / n;
                let told = of_template >= LEAST_PART * kernel.scatter && kernel.scatter > 0.0;
                let c = (fm[i] - f[i] * m[i] / n) / (of_template * of_pixels).sqrt();
                *out = if told && of_pixels > least_scatter { F::of(c.clamp(-1.0, 1.0)) } else { F::zero() };
            }
        }
        Ok(())
    }
}
