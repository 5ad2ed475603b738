//! An alignment at one binning: its images, and the volume that they make.

use ndarray::{Array3, Array4, ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Progress, Real, Result};

use super::binning::Binned;
use super::iteration::Comparison;
use crate::projector::Projector;
use crate::reconstruction::{MitraParams, ReconstructionScratch, Reconstructor};

/// Images `(N, J, K)` and their weights.
type Series<'a, F> = (ArrayView3<'a, F>, Option<ArrayView3<'a, F>>);

pub(super) struct Level<'a, F> {
    pub(super) binning: usize,
    pub(super) volume: Option<Array4<F>>,
    /// Whether the next reconstruction begins from the volume.
    pub(super) warm: bool,
    series: Series<'a, F>,
    binned: Option<Binned<F>>,
    projector: Projector<F>,
    /// Of the volume; `None` while it is being made, for stacks are large.
    reprojections: Option<Array4<F>>,
}

impl<'a, F: Real> Level<'a, F> {
    pub(super) fn new(binning: usize, geometry: &Geometry, series: Series<'a, F>) -> Result<Self> {
        let binned = match binning {
            1 => None,
            _ => Some(Binned::new(binning, geometry, series.0, series.1)?),
        };
        let projector = Projector::new(binned.as_ref().map_or(geometry, |binned| &binned.geometry))?;
        Ok(Level { binning, volume: None, warm: false, series, binned, projector, reprojections: None })
    }

    /// Images and weights at this binning.
    fn series(&self) -> Series<'_, F> {
        match &self.binned {
            Some(binned) => (binned.images.view(), binned.weights.as_ref().map(|w| w.view())),
            None => (self.series.0.view(), self.series.1.as_ref().map(|w| w.view())),
        }
    }

    /// What the images are compared with; the volume has been reconstructed.
    pub(super) fn comparison(&self) -> Comparison<'_, F> {
        let (images, weights) = self.series();
        let reprojections = self.reprojections.as_ref().expect("those of a volume").view();
        Comparison { images, weights, reprojections: reprojections.remove_axis(Axis(3)) }
    }

    /// Reconstructs with these offsets, px of the series, and projects; the loss. `images` take the place of the
    /// level's own, whose shape they have.
    pub(super) fn reconstruct(
        &mut self,
        method: &MitraParams,
        offsets: &[[f64; 2]],
        images: Option<Array3<F>>,
        progress: &dyn Progress,
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<f64> {
        match &self.binned {
            Some(binned) => self.projector.set_offsets(&binned.offsets(offsets))?,
            None => self.projector.set_offsets(offsets)?,
        }
        let warm = self.volume.take().filter(|_| self.warm);
        self.reprojections = None;
        let (own, weights) = self.series();
        let reconstruction = method.reconstruct_with(
            &self.projector,
            images.as_ref().map_or(own, |images| images.view()).insert_axis(Axis(3)),
            weights.map(|w| w.insert_axis(Axis(3))),
            warm.as_ref().map(|volume| volume.view()),
            progress,
            scratch,
        )?;
        // Freed first: another stack is about to be needed.
        drop((warm, images));
        self.project(reconstruction.volume)?;
        Ok(reconstruction.losses.last().copied().unwrap_or(0.0))
    }

    /// Takes a volume and projects it with the offsets of the last reconstruction.
    pub(super) fn project(&mut self, volume: Array4<F>) -> Result<()> {
        // Freed first, as above.
        (self.volume, self.reprojections) = (None, None);
        let [n, j, k] = self.projector.stack_shape();
        let reprojections = self.reprojections.insert(Array4::zeros((n, j, k, 1)));
        self.projector.forward(volume.view(), None, reprojections.view_mut())?;
        self.volume = Some(volume);
        Ok(())
    }

    /// The volume `(X, Y, Z)` and its images `(N, J, K)`; it has been reconstructed.
    pub(super) fn into_parts(self) -> (Array3<F>, Array3<F>) {
        let volume = self.volume.expect("a volume");
        let reprojections = self.reprojections.expect("those of a volume");
        (volume.remove_axis(Axis(3)), reprojections.remove_axis(Axis(3)))
    }
}
