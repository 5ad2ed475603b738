//! χ² shifts of pairs of one shape.

use nonius_core::{Frame, Real, Result, check_not_empty, check_shape};

use crate::image::Chi2Image;
use crate::params::Chi2Params;
use crate::shift::Chi2Shift;
use crate::uniform::{Uniform, UniformNoise, UniformScratch};
use crate::whiten::{Pair, Treatment};
use crate::{overlap, periodic};

/// All of [`chi2_shift`](crate::chi2_shift) that can be made ready before the images are there.
///
/// Pixels are computed with in their own type, sums over them in double precision: with `f32` the shift is
/// that of `f64` to 10⁻⁵ px or a hundredth of its standard error, whichever is larger. Double precision
/// throughout have periodic frames with masks or noise that varies, and overlap frames without an offset; filters
/// that whiten overlap frames are applied in it.
///
/// A plan is immutable and may be shared between threads, each with a [`Chi2Scratch`] of its own.
///
/// ```
/// use nonius_chi2::{Chi2Image, Chi2Params, Chi2Plan};
/// use nonius_synthetic::ImagePairParams;
///
/// let pair = ImagePairParams::scene_a([1.37, -2.62], 0.1, 7).generate()?;
/// let plan = Chi2Plan::new(pair.reference.dim(), Chi2Params::periodic())?;
/// let mut scratch = plan.scratch();
/// let moving = Chi2Image::new(pair.moving.view()).with_sigma(0.1);
/// let found = plan.shift_with(&Chi2Image::new(pair.reference.view()), &moving, &mut scratch)?;
/// assert!((found.shift[0] - 1.37).abs() < 4.0 * found.standard_errors()[0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Chi2Plan<F: Real> {
    shape: (usize, usize),
    params: Chi2Params,
    /// For periodic frames.
    uniform: Option<Uniform<F>>,
}

/// Working memory of one thread; its content between calls means nothing.
#[derive(Debug)]
pub struct Chi2Scratch<F> {
    shape: (usize, usize),
    uniform: Option<UniformScratch<F>>,
}

impl<F: Real> Chi2Plan<F> {
    /// Plans shifts of images of shape `(y, x)`. In frames that do not wrap the moving image may have another.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for parameters that cannot be,
    /// [`Error::Empty`](nonius_core::Error::Empty) if a side is 0.
    pub fn new(shape: (usize, usize), params: Chi2Params) -> Result<Self> {
        params.validate()?;
        check_not_empty("shape of the images", &[shape.0, shape.1])?;
        let periodic = params.frame == Frame::Periodic;
        let uniform = periodic.then(|| Uniform::new(shape, params)).transpose()?;
        Ok(Chi2Plan { shape, params, uniform })
    }

    /// Shape `(y, x)` of the images.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Working memory for one thread.
    pub fn scratch(&self) -> Chi2Scratch<F> {
        Chi2Scratch { shape: self.shape, uniform: None }
    }

    /// The displacement of `moving` against `reference` as [`chi2_shift`](crate::chi2_shift) finds it.
    ///
    /// # Errors
    /// As there, and [`Error::Shape`](nonius_core::Error::Shape) for images of another shape than the plan's.
    pub fn shift(&self, reference: &Chi2Image<'_, F>, moving: &Chi2Image<'_, F>) -> Result<Chi2Shift> {
        self.shift_with(reference, moving, &mut self.scratch())
    }

    /// [`shift`](Self::shift) with working memory that is used again.
    ///
    /// # Errors
    /// As [`shift`](Self::shift).
    pub fn shift_with(
        &self,
        reference: &Chi2Image<'_, F>,
        moving: &Chi2Image<'_, F>,
        scratch: &mut Chi2Scratch<F>,
    ) -> Result<Chi2Shift> {
        check_shape("reference", &[self.shape.0, self.shape.1], reference.image.shape())?;
        let params = &self.params;
        let Some(uniform) = &self.uniform else {
            // Without an offset the means belong to χ².
            return if params.offset {
                overlap::shift(&Pair::centred(reference, moving, params)?.cropped(), params)
            } else {
                overlap::shift(&Pair::prepared(reference, moving, params)?.cropped(), params)
            };
        };
        check_shape("moving", &[self.shape.0, self.shape.1], moving.image.shape())?;
        let variances = [reference.uniform_variance("reference")?, moving.uniform_variance("moving")?];
        let [Some(behind), Some(own)] = variances else {
            return periodic::shift(&Pair::prepared(reference, moving, params)?, params);
        };
        if scratch.shape != self.shape {
            *scratch = self.scratch();
        }
        let scratch = match &mut scratch.uniform {
            Some(scratch) if uniform.fits(scratch) => scratch,
            other => other.insert(uniform.scratch()),
        };
        let treatment = Treatment::of(reference, moving, [behind, own], params)?;
        let behind = if reference.is_noise_known() { behind } else { 0.0 };
        let noise = UniformNoise { own, behind, known: moving.is_noise_known(), treatment };
        uniform.shift(reference.image, moving.image, &noise, scratch)
    }
}
