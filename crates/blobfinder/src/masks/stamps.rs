//! Many copies of one small image.

use ndarray::{Array2, Array3, ArrayView2, s};
use nonius_core::{Error, Real, Result, check_finite, check_not_empty, check_shape};

use super::shapes::{Around, Edge, check_positive};

/// Elements that a stack may have: 2 GiB.
const MAX_ELEMENTS: usize = 1 << 28;

/// Masks of the shape of a frame, each of which holds copies of one small template: as many positions as there are, in
/// the memory of one.
///
/// What of a copy lies outside the frame is left out. No positions make an empty stack.
#[derive(Debug, Clone)]
pub struct Stamps {
    template: Array2<f64>,
    shape: (usize, usize),
    n_layers: usize,
    /// Corner `(y, x)` and layer of every copy.
    copies: Vec<([i64; 2], usize)>,
}

impl Stamps {
    /// One layer per element of `corners`: where pixel (0, 0) of the template goes in a frame of `shape`.
    ///
    /// # Errors
    /// [`Error::Empty`] or [`Error::NotFinite`] for such a template.
    pub fn new(template: Array2<f64>, shape: (usize, usize), corners: &[[i64; 2]]) -> Result<Self> {
        let layers: Vec<usize> = (0..corners.len()).collect();
        Stamps::in_layers(template, shape, corners, &layers)
    }

    /// The same with a layer for every corner; copies in one layer add up. There are as many layers as the greatest of
    /// them asks for.
    ///
    /// # Errors
    /// As [`new`](Stamps::new); [`Error::Shape`] if the lists differ in length; [`Error::Parameter`] for a layer of 2²⁸
    /// or more.
    pub fn in_layers(
        template: Array2<f64>,
        shape: (usize, usize),
        corners: &[[i64; 2]],
        layers: &[usize],
    ) -> Result<Self> {
        check_not_empty("template", template.shape())?;
        check_finite("template", template.view())?;
        check_shape("layers of stamps", &[corners.len()], &[layers.len()])?;
        let n_layers = layers.iter().max().map_or(0, |&layer| layer.saturating_add(1));
        if n_layers > MAX_ELEMENTS {
            return Err(Error::parameter("layers of stamps", "below 2^28", n_layers - 1));
        }
        let copies = corners.iter().copied().zip(layers.iter().copied()).collect();
        Ok(Stamps { template, shape, n_layers, copies })
    }

    /// Hard disks around whole positions `(y, x)`, one layer each.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a radius that is not above 0 and at most 4096.
    pub fn disks(shape: (usize, usize), centers: &[[i64; 2]], radius: f64) -> Result<Self> {
        check_positive("radius", radius)?;
        if radius > 4096.0 {
            return Err(Error::parameter("radius", "at most 4096", radius));
        }
        let reach = radius.ceil();
        let side = 2 * reach as usize + 1;
        let around = Around { center: [reach, reach], ellipse: None };
        let corners: Vec<_> = centers.iter().map(|c| c.map(|c| c.saturating_sub(reach as i64))).collect();
        Stamps::new(around.disk((side, side), radius, Edge::Hard), shape, &corners)
    }

    /// Number of masks.
    pub fn len(&self) -> usize {
        self.n_layers
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.n_layers == 0
    }

    /// Shape `(y, x)` of every mask.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Sum of mask × frame, one per mask.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another shape.
    pub fn sums<F: Real>(&self, frame: ArrayView2<'_, F>) -> Result<Vec<f64>> {
        check_shape("frame", &[self.shape.0, self.shape.1], frame.shape())?;
        let mut sums = vec![0.0; self.n_layers];
        for &(corner, layer) in &self.copies {
            let Some(([fy, fx], [ty, tx], [h, w])) = self.overlap(corner) else { continue };
            for y in 0..h {
                for x in 0..w {
                    sums[layer] += self.template[[ty + y, tx + x]] * frame[[fy + y, fx + x]].f64();
                }
            }
        }
        Ok(sums)
    }

    /// All masks `(layer, y, x)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if they would take more than 2 GiB.
    pub fn dense(&self) -> Result<Array3<f64>> {
        let (h, w) = self.shape;
        let elements = self.n_layers.saturating_mul(h).saturating_mul(w);
        if elements > MAX_ELEMENTS {
            return Err(Error::parameter("stack of masks", "at most 2 GiB", format!("{elements} elements")));
        }
        let mut stack = Array3::zeros((self.n_layers, h, w));
        for &(corner, layer) in &self.copies {
            let Some(([fy, fx], [ty, tx], [h, w])) = self.overlap(corner) else { continue };
            let mut place = stack.slice_mut(s![layer, fy..fy + h, fx..fx + w]);
            place += &self.template.slice(s![ty..ty + h, tx..tx + w]);
        }
        Ok(stack)
    }

    /// Where a copy lies in the frame: its first pixel there, the same in the template, and the shape that they share.
    fn overlap(&self, corner: [i64; 2]) -> Option<([usize; 2], [usize; 2], [usize; 2])> {
        let (shape, sides) = ([self.shape.0, self.shape.1], self.template.dim());
        let sides = [sides.0, sides.1];
        let (mut in_frame, mut in_template, mut shared) = ([0; 2], [0; 2], [0; 2]);
        for axis in 0..2 {
            let start = corner[axis].max(0);
            let end = corner[axis].saturating_add(sides[axis] as i64).min(shape[axis] as i64);
            if end <= start {
                return None;
            }
            in_frame[axis] = start as usize;
            in_template[axis] = (start - corner[axis]) as usize;
            shared[axis] = (end - start) as usize;
        }
        Some((in_frame, in_template, shared))
    }
}
