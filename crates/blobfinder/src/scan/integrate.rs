//! What the pixels under a template sum to, wherever it stands in each frame.

use ndarray::{Array2, Array3, ArrayView3};
use nonius_core::{Consumer, Result, Scope, Tile, check_shape};

use crate::Template;

/// Sums `pixel × template` around positions that may differ from frame to frame, pixels outside the frame left out: a
/// consumer for [`pass`](nonius_core::pass). Result: one row per sample, one column per position.
///
/// For positions that all frames share, feature vectors are quicker.
#[derive(Debug, Clone)]
pub struct DiskIntegrator {
    mask: Array2<f64>,
    half: usize,
    centers: Array3<i32>,
}

impl DiskIntegrator {
    /// `centers` are pixels `(y, x)`, shape (sample, position, 2), in the order of the region of interest.
    ///
    /// # Errors
    /// [`Error::Shape`](nonius_core::Error::Shape) unless the last axis is 2 long.
    pub fn new(template: &Template, centers: ArrayView3<'_, i32>) -> Result<Self> {
        let (samples, n, _) = centers.dim();
        check_shape("centers", &[samples, n, 2], centers.shape())?;
        let half = template.crop_size();
        let mask = template.mask((2 * half, 2 * half), [half as f64; 2]);
        Ok(DiskIntegrator { mask, half, centers: centers.to_owned() })
    }
}

/// Sums of some of the frames.
#[derive(Debug, Clone)]
pub struct DiskIntegrals {
    frame: Vec<f64>,
    sums: Vec<f64>,
}

impl Consumer for DiskIntegrator {
    type Partial = DiskIntegrals;
    type Output = Array2<f64>;

    fn start(&self, scope: &Scope) -> Result<DiskIntegrals> {
        check_shape("centers", &[scope.n_samples], &self.centers.shape()[..1])?;
        let (h, w) = scope.frame_shape;
        Ok(DiskIntegrals { frame: vec![0.0; h * w], sums: Vec::new() })
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut DiskIntegrals) -> Result<()> {
        let (h, w) = tile.frame_shape();
        for k in 0..tile.n_frames() {
            tile.frame(k, &mut partial.frame);
            for center in self.centers.index_axis(ndarray::Axis(0), tile.first_sample() + k).outer_iter() {
                let corner = [0, 1].map(|axis| i64::from(center[axis]) - self.half as i64);
                let mut sum = 0.0;
                for ((v, u), m) in self.mask.indexed_iter() {
                    let (y, x) = (corner[0] + v as i64, corner[1] + u as i64);
                    if (0..h as i64).contains(&y) && (0..w as i64).contains(&x) {
                        sum += m * partial.frame[y as usize * w + x as usize];
                    }
                }
                partial.sums.push(sum);
            }
        }
        Ok(())
    }

    fn merge(&self, mut earlier: DiskIntegrals, later: DiskIntegrals) -> DiskIntegrals {
        earlier.sums.extend(later.sums);
        earlier
    }

    fn finish(&self, whole: DiskIntegrals) -> Array2<f64> {
        let n = self.centers.dim().1;
        let samples = whole.sums.len().checked_div(n).unwrap_or(0);
        Array2::from_shape_vec((samples, n), whole.sums).expect("as many sums as samples and positions")
    }
}
