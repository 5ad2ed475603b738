//! Regions of interest.

use std::ops::Range;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::{Error, Result, check_shape};

/// Which positions of a scan are used.
///
/// Positions are numbered row-major over the scan axes, `p = y · n_x + x`. Used positions, in that order, are
/// the *samples*: row `i` of a result belongs to the position [`position(i)`](Roi::position).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roi {
    shape: Vec<usize>,
    /// None: every position.
    used: Option<Vec<usize>>,
}

impl Roi {
    /// Every position.
    pub fn all(shape: &[usize]) -> Self {
        Roi { shape: shape.to_vec(), used: None }
    }

    /// Where `mask`, of the shape of the scan, is true.
    pub fn from_mask(mask: ArrayViewD<'_, bool>) -> Self {
        let used = mask.iter().enumerate().filter(|(_, used)| **used).map(|(p, _)| p).collect();
        Roi { shape: mask.shape().to_vec(), used: Some(used) }
    }

    /// The positions given by their indices along the scan axes, in any order; twice is once.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an index outside the scan, or with another number of axes.
    pub fn from_positions<I: AsRef<[usize]>>(
        shape: &[usize],
        positions: impl IntoIterator<Item = I>,
    ) -> Result<Self> {
        let number = |index: &[usize]| {
            let inside = index.len() == shape.len() && index.iter().zip(shape).all(|(i, n)| i < n);
            inside.then(|| index.iter().zip(shape).fold(0, |p, (i, n)| p * n + i)).ok_or_else(|| {
                Error::parameter("position", "inside the scan", format!("{index:?} of {shape:?}"))
            })
        };
        let mut used = positions.into_iter().map(|p| number(p.as_ref())).collect::<Result<Vec<_>>>()?;
        used.sort_unstable();
        used.dedup();
        Ok(Roi { shape: shape.to_vec(), used: Some(used) })
    }

    /// A box: one range for each scan axis.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a range that reaches outside the scan or runs backwards, or if there is not
    /// one for each axis.
    pub fn rectangle(shape: &[usize], ranges: &[Range<usize>]) -> Result<Self> {
        let inside = |(r, n): (&Range<usize>, &usize)| r.start <= r.end && r.end <= *n;
        if ranges.len() != shape.len() || !ranges.iter().zip(shape).all(inside) {
            let got = format!("{ranges:?} of {shape:?}");
            return Err(Error::parameter("region of interest", "inside the scan, one range per axis", got));
        }
        let mut used = vec![0];
        for (range, n) in ranges.iter().zip(shape) {
            used = used.iter().flat_map(|p| range.clone().map(move |i| p * n + i)).collect();
        }
        Ok(Roi { shape: shape.to_vec(), used: Some(used) })
    }

    /// Shape of the scan.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.used.as_ref().map_or_else(|| self.shape.iter().product(), Vec::len)
    }

    /// True if no position is used.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of sample `sample`.
    ///
    /// # Panics
    /// If there are not so many samples.
    pub fn position(&self, sample: usize) -> usize {
        self.used.as_ref().map_or(sample, |used| used[sample])
    }

    /// Without the positions for which `keep` is false.
    pub(crate) fn retained(&self, keep: impl Fn(usize) -> bool) -> Roi {
        let used = (0..self.len()).map(|i| self.position(i)).filter(|&p| keep(p)).collect();
        Roi { shape: self.shape.clone(), used: Some(used) }
    }

    /// The positions of some of the samples, in any order; twice is once.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a number that is no sample.
    pub fn subset(&self, samples: impl IntoIterator<Item = usize>) -> Result<Roi> {
        let n = self.len();
        let position = |sample: usize| {
            let must_be = "below the number of samples";
            (sample < n)
                .then(|| self.position(sample))
                .ok_or_else(|| Error::parameter("sample", must_be, sample))
        };
        let mut used = samples.into_iter().map(position).collect::<Result<Vec<_>>>()?;
        if !used.is_sorted_by(|a, b| a < b) {
            used.sort_unstable();
            used.dedup();
        }
        Ok(Roi { shape: self.shape.clone(), used: Some(used) })
    }

    /// True where a position is used, in the shape of the scan.
    pub fn mask(&self) -> ArrayD<bool> {
        let mut mask = ArrayD::from_elem(IxDyn(&self.shape), self.used.is_none());
        if let (Some(used), Some(mask)) = (&self.used, mask.as_slice_mut()) {
            used.iter().for_each(|&p| mask[p] = true);
        }
        mask
    }

    /// The values at the used positions of a map over the scan, one per sample: what [`spread`](Roi::spread) takes.
    ///
    /// # Errors
    /// [`Error::Shape`] if the map has another shape than the scan.
    pub fn gather<T: Clone>(&self, map: ArrayViewD<'_, T>) -> Result<Vec<T>> {
        check_shape("map over the scan", &self.shape, map.shape())?;
        let map = map.as_standard_layout();
        let Some(map) = map.as_slice() else { return Ok(Vec::new()) };
        Ok((0..self.len()).map(|i| map[self.position(i)].clone()).collect())
    }

    /// One value per sample at its place in the scan, `fill` elsewhere.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one value per sample.
    pub fn spread<T: Clone>(&self, values: &[T], fill: T) -> Result<ArrayD<T>> {
        check_shape("values", &[self.len()], &[values.len()])?;
        let mut out = ArrayD::from_elem(IxDyn(&self.shape), fill);
        if let Some(out) = out.as_slice_mut() {
            values.iter().enumerate().for_each(|(i, v)| out[self.position(i)] = v.clone());
        }
        Ok(out)
    }
}
