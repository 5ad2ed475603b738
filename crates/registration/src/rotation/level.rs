//! A pair of images at one resolution.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Border, Result, SplineDegree, gaussian_filter, high_pass};

use super::polar::bilinear;
use super::pose::{Linear, center};
use super::surface::Surface;

/// Both images on a grid about their centres, `step` px apart, and as surfaces.
pub(super) struct Level {
    pub(super) step: f64,
    pub(super) images: [Array2<f64>; 2],
    pub(super) surfaces: [Surface; 2],
    /// Pixels at the border that smoothing has mixed with what lies beyond.
    pub(super) margin: usize,
}

/// Width of the Gaussian before sampling, in steps.
const SMOOTHING: f64 = 0.5;

/// What varies over more steps than this says little about the pose and correlates anywhere.
const SLOW: f64 = 6.0;

impl Level {
    /// Reduced, without what varies slowly.
    pub(super) fn reduced(images: &[Array2<f64>; 2], step: f64, degree: SplineDegree) -> Result<Self> {
        let small = |image: &Array2<f64>| {
            high_pass(reduce(image.view(), step)?.view(), SLOW, Border::Mirror).map(unit_variance)
        };
        Level::of([small(&images[0])?, small(&images[1])?], step, 0, degree)
    }

    /// At full resolution, smoothed by a Gaussian of width `sigma` px.
    pub(super) fn full(images: &[Array2<f64>; 2], sigma: f64, degree: SplineDegree) -> Result<Self> {
        let smooth = |image: &Array2<f64>| gaussian_filter(image.view(), sigma, Border::Mirror);
        let margin = (2.0 * sigma).ceil() as usize;
        Level::of([smooth(&images[0])?, smooth(&images[1])?], 1.0, margin, degree)
    }

    fn of(images: [Array2<f64>; 2], step: f64, margin: usize, degree: SplineDegree) -> Result<Self> {
        let surfaces = [Surface::new(images[0].view(), degree)?, Surface::new(images[1].view(), degree)?];
        Ok(Level { step, images, surfaces, margin })
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        self.images[0].dim()
    }

    /// A pose in px as one in steps.
    pub(super) fn enter(&self, pose: Linear) -> Linear {
        Linear { t: pose.t.map(|d| d / self.step), ..pose }
    }

    /// A pose in steps as one in px.
    pub(super) fn leave(&self, pose: Linear) -> Linear {
        Linear { t: pose.t.map(|d| d * self.step), ..pose }
    }
}

/// The image on a grid about its centre, `step` px apart.
fn reduce(image: ArrayView2<'_, f64>, step: f64) -> Result<Array2<f64>> {
    let smooth = gaussian_filter(image, SMOOTHING * step, Border::Mirror)?;
    let n = [image.nrows(), image.ncols()].map(|n| ((n - 1) as f64 / step).floor() as usize + 1);
    let (c, middle) = (center(image.dim()), center((n[0], n[1])));
    Ok(Array2::from_shape_fn((n[0], n[1]), |(y, x)| {
        bilinear(&smooth.view(), [c[0] + step * (y as f64 - middle[0]), c[1] + step * (x as f64 - middle[1])])
    }))
}

fn unit_variance(mut image: Array2<f64>) -> Array2<f64> {
    let deviation = image.std(0.0);
    if deviation > 0.0 {
        image.mapv_inplace(|v| v / deviation);
    }
    image
}
