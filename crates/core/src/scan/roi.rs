//! Regions of interest.

use std::ops::Range;

use ndarray::{ArrayD, ArrayViewD, CowArray, Dimension, IxDyn};

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

    /// Rows of `values`, one per sample, at their places in the scan, `fill` elsewhere: axes of the scan, then those of
    /// a row. Nothing is copied if every position is used; `values` may be lent or given.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one row per sample.
    pub fn spread<'a, T: Clone, D: Dimension>(
        &self,
        values: impl Into<CowArray<'a, T, D>>,
        fill: T,
    ) -> Result<CowArray<'a, T, IxDyn>> {
        let values = values.into().into_dyn();
        let row = values.shape().get(1..).unwrap_or_default();
        check_shape("rows", &[&[self.len()], row].concat(), values.shape())?;
        let shape = IxDyn(&[&self.shape[..], row].concat());
        if self.used.is_none() && values.is_standard_layout() {
            return Ok(values.into_shape_with_order(shape).expect("as many rows as positions"));
        }
        let n: usize = row.iter().product();
        let mut out = ArrayD::from_elem(shape, fill);
        if let Some(out) = out.as_slice_mut().filter(|_| n > 0) {
            let mut values = values.iter();
            for sample in 0..self.len() {
                let place = &mut out[self.position(sample) * n..][..n];
                place.iter_mut().zip(&mut values).for_each(|(out, v)| *out = v.clone());
            }
        }
        Ok(out.into())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayD, CowArray, IxDyn, array};

    use super::Roi;

    #[test]
    fn rows_go_to_their_places() {
        let rows: Array2<f64> = array![[1.0, 2.0], [3.0, 4.0]];
        let some = Roi::from_positions(&[2, 2], [[0, 1], [1, 0]]).unwrap();
        let spread = some.spread(&rows, 0.0).unwrap();
        assert_eq!(spread, array![[[0.0, 0.0], [1.0, 2.0]], [[3.0, 4.0], [0.0, 0.0]]].into_dyn());
        let all = Roi::all(&[1, 2]);
        let lent: CowArray<'_, f64, IxDyn> = all.spread(&rows, 0.0).unwrap();
        assert!(lent.is_view() && lent == array![[[1.0, 2.0], [3.0, 4.0]]].into_dyn());
        // Columns of another order in memory.
        assert_eq!(all.spread(rows.t(), 0.0).unwrap(), array![[[1.0, 3.0], [2.0, 4.0]]].into_dyn());
        assert!(all.spread(&[1.0, 2.0, 3.0], 0.0).is_err());
        assert!(all.spread(ArrayD::<f64>::zeros(IxDyn(&[])), 0.0).is_err());
        assert_eq!(all.spread(Array2::<f64>::zeros((2, 0)), 0.0).unwrap().shape(), [1, 2, 0]);
    }
}
