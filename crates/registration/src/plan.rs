//! Registration of pairs of one shape.

use ndarray::ArrayView2;
use nonius_core::{Frame, Real, Result, check_not_empty, check_shape};

use crate::overlap::{Overlap, OverlapFrameScratch};
use crate::params::RegistrationParams;
use crate::periodic::{Periodic, PeriodicScratch};
use crate::result::Registration;

/// All that can be made ready before the images are there: transforms, windows, tables.
///
/// A plan is immutable and may be shared between threads, each with a [`RegistrationScratch`] of its own.
///
/// ```
/// use nonius_registration::{RegistrationParams, RegistrationPlan};
/// use nonius_synthetic::ImagePairParams;
///
/// let pair = ImagePairParams::scene_c([1.37, -2.62], 0.1, 7).generate()?;
/// let plan = RegistrationPlan::new(pair.reference.dim(), RegistrationParams::default())?;
/// let found = plan.register(pair.reference.view(), pair.moving.view())?;
/// for axis in 0..2 {
///     let error = found.shift[axis] - pair.truth.shift[axis];
///     assert!(error.abs() < 4.0 * found.errors()[axis] && error.abs() < 0.02);
/// }
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RegistrationPlan<F: Real> {
    shape: (usize, usize),
    method: PlanOf<F>,
}

#[derive(Debug)]
enum PlanOf<F: Real> {
    Periodic(Box<Periodic<F>>),
    Overlap(Box<Overlap>),
}

/// Working memory of one thread; its content between calls means nothing.
#[derive(Debug)]
pub struct RegistrationScratch<F> {
    shape: (usize, usize),
    method: ScratchOf<F>,
}

#[derive(Debug)]
enum ScratchOf<F> {
    Periodic(Box<PeriodicScratch<F>>),
    Overlap(Box<OverlapFrameScratch<F>>),
}

impl<F: Real> RegistrationPlan<F> {
    /// Plans the registration of images of shape `(y, x)`.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for parameters that cannot be,
    /// [`Error::Empty`](nonius_core::Error::Empty) if a side is 0.
    pub fn new(shape: (usize, usize), params: RegistrationParams) -> Result<Self> {
        params.validate()?;
        check_not_empty("shape of the images", &[shape.0, shape.1])?;
        let method = match params.frame {
            Frame::Periodic => PlanOf::Periodic(Box::new(Periodic::new(shape, params)?)),
            Frame::Overlap => PlanOf::Overlap(Box::new(Overlap::new(shape, params)?)),
        };
        Ok(RegistrationPlan { shape, method })
    }

    /// Shape `(y, x)` of the images.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Working memory for one thread.
    pub fn scratch(&self) -> RegistrationScratch<F> {
        let method = match &self.method {
            PlanOf::Periodic(plan) => ScratchOf::Periodic(Box::new(plan.scratch())),
            PlanOf::Overlap(plan) => ScratchOf::Overlap(Box::new(plan.scratch())),
        };
        RegistrationScratch { shape: self.shape, method }
    }

    /// The displacement of `moving` against `reference`, both of the plan's shape `(y, x)`.
    ///
    /// # Errors
    /// [`Error::Shape`](nonius_core::Error::Shape), and
    /// [`Error::NotFinite`](nonius_core::Error::NotFinite) for NaN or infinity: use
    /// [`register_masked`](crate::register_masked) for missing pixels. Images that fix no displacement are
    /// no error but have the status [`Undetermined`](crate::Status::Undetermined).
    pub fn register(&self, reference: ArrayView2<'_, F>, moving: ArrayView2<'_, F>) -> Result<Registration> {
        self.register_with(reference, moving, &mut self.scratch())
    }

    /// [`register`](Self::register) with working memory that is used again.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub fn register_with(
        &self,
        reference: ArrayView2<'_, F>,
        moving: ArrayView2<'_, F>,
        scratch: &mut RegistrationScratch<F>,
    ) -> Result<Registration> {
        check_shape("reference", &[self.shape.0, self.shape.1], reference.shape())?;
        check_shape("moving", &[self.shape.0, self.shape.1], moving.shape())?;
        if scratch.shape != self.shape {
            *scratch = self.scratch();
        }
        match (&self.method, &mut scratch.method) {
            (PlanOf::Periodic(plan), ScratchOf::Periodic(scratch)) => {
                plan.register(reference.view(), moving.view(), scratch)
            }
            (PlanOf::Overlap(plan), ScratchOf::Overlap(scratch)) => {
                plan.register(reference.view(), moving.view(), scratch)
            }
            // Scratch of another plan: begin with our own.
            _ => {
                *scratch = self.scratch();
                self.register_with(reference, moving, scratch)
            }
        }
    }
}

/// Registers one pair: [`RegistrationPlan::new`] and [`register`](RegistrationPlan::register) in one call.
///
/// # Errors
/// As these.
pub fn register<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    params: &RegistrationParams,
) -> Result<Registration> {
    RegistrationPlan::new(reference.dim(), *params)?.register(reference, moving)
}
