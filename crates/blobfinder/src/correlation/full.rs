//! The whole frame correlated at once.

use ndarray::Array2;
use nonius_core::{Real, RealFft2, RealFft2Scratch, Result};
use num_complex::Complex;

/// Circular correlation of frames with templates of the frames' shape.
///
/// ```text
/// c[p] = Σ_q m[q] f[p + q − h],   h = ⌊shape/2⌋, indices modulo the shape
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Full<F: Real> {
    fft: RealFft2<F>,
    /// Conjugate spectra of the templates over the number of pixels.
    kernels: Vec<Vec<Complex<F>>>,
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct FullScratch<F> {
    fft: RealFft2Scratch<F>,
    frame: Vec<Complex<F>>,
    /// The spectrum of the map, kept for upsampling.
    pub(crate) product: Vec<Complex<F>>,
    inverse: Vec<Complex<F>>,
    pub(crate) map: Vec<F>,
}

impl<F: Real> Full<F> {
    /// `masks` have the frames' shape, centres at `⌊shape/2⌋`.
    pub(crate) fn new(shape: (usize, usize), masks: &[Array2<f64>]) -> Result<Self> {
        let wide = RealFft2::<f64>::new(shape)?;
        let (h, w) = shape;
        let scale = 1.0 / (h * w) as f64;
        let kernels = masks.iter().map(|mask| {
            let mut spectrum = wide.spectrum();
            let rolled = Array2::from_shape_fn(shape, |(y, x)| mask[[(y + h / 2) % h, (x + w / 2) % w]]);
            wide.forward(rolled.view(), &mut spectrum, &mut wide.scratch())?;
            Ok(spectrum.iter().map(|m| Complex::new(F::of(m.re * scale), F::of(-m.im * scale))).collect())
        });
        Ok(Full { fft: RealFft2::new(shape)?, kernels: kernels.collect::<Result<_>>()? })
    }

    pub(crate) fn transform(&self) -> &RealFft2<F> {
        &self.fft
    }

    pub(crate) fn scratch(&self) -> FullScratch<F> {
        let (h, w) = self.fft.shape();
        FullScratch {
            fft: self.fft.scratch(),
            frame: self.fft.spectrum(),
            product: self.fft.spectrum(),
            inverse: self.fft.spectrum(),
            map: vec![F::zero(); h * w],
        }
    }

    /// Transforms the frame whose row `y` is written by `fill(y, row)`; maps of it follow from
    /// [`correlate`](Self::correlate).
    pub(crate) fn load(&self, fill: impl FnMut(usize, &mut [F]), scratch: &mut FullScratch<F>) -> Result<()> {
        self.fft.forward_rows(fill, &mut scratch.frame, &mut scratch.fft)
    }

    /// The map of template `k`, in `scratch.map`, as far as its rows are `wanted`; and its spectrum, in
    /// `scratch.product`, if that is to be kept.
    pub(crate) fn correlate(
        &self,
        k: usize,
        wanted: impl Fn(usize) -> bool,
        keep_spectrum: bool,
        scratch: &mut FullScratch<F>,
    ) -> Result<()> {
        for (p, (&f, &m)) in scratch.inverse.iter_mut().zip(scratch.frame.iter().zip(&self.kernels[k])) {
            *p = f * m;
        }
        if keep_spectrum {
            scratch.product.copy_from_slice(&scratch.inverse);
        }
        self.fft.inverse_wanted(&mut scratch.inverse, wanted, &mut scratch.map, &mut scratch.fft)
    }
}
