//! Results of single clusters, put together.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use nonius_core::{Error, Result, Roi, check_shape};
use serde::{Deserialize, Serialize};

/// What becomes of a position that belongs to several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is an error.
    #[default]
    Error,
    /// The first part that has it counts.
    FirstWins,
    /// The last part that has it counts.
    LastWins,
    /// The mean of all parts that have it.
    Mean,
}

/// What [`merge_rows`] put together.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedRows {
    /// A row for every position of the scan: axes of the scan, then those of a row. NaN where no part has one.
    pub values: ArrayD<f64>,
    /// Number of positions without a row.
    pub n_missing: usize,
    /// Number of positions with several rows.
    pub n_overlapping: usize,
}

/// Puts results of parts of a scan in their places, for example those of each cluster of a
/// [`LabelMap`](crate::LabelMap).
///
/// Each part has one row per sample of its region: a number, a vector or an array, of one shape in all parts.
///
/// ```
/// use ndarray::{Array, array};
/// use nonius_clustering::{LabelMap, Overlap, merge_rows};
/// use nonius_core::Roi;
///
/// let map = LabelMap::from_numbers(Roi::all(&[2, 2]), &[0, 1, 1, -1])?;
/// // A number for every position, computed cluster by cluster.
/// let parts: Vec<_> = map.iter().map(|(k, roi, size)| (roi, Array::from_elem(size, k as f64).into_dyn())).collect();
/// let merged = merge_rows(&[2, 2], parts.iter().map(|(roi, rows)| (roi, rows.view())), Overlap::Error)?;
/// assert_eq!(merged.n_missing, 1);
/// assert_eq!(merged.values.as_slice().unwrap()[..3], [0.0, 1.0, 1.0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without parts; [`Error::Shape`] for a region of a scan of another shape, for a number of rows that is
/// not that of samples, for rows of different shapes; [`Error::Parameter`] for a position in several parts under
/// [`Overlap::Error`], and for a scan and rows that are too large together.
pub fn merge_rows<'a>(
    scan_shape: &[usize],
    parts: impl IntoIterator<Item = (&'a Roi, ArrayViewD<'a, f64>)>,
    overlap: Overlap,
) -> Result<MergedRows> {
    let parts: Vec<_> = parts.into_iter().collect();
    let Some((_, first)) = parts.first() else { return Err(Error::Empty { what: "parts", got: vec![0] }) };
    let row_shape = first.shape().get(1..).unwrap_or_default();
    for (roi, rows) in &parts {
        check_shape("scan of a part", scan_shape, roi.shape())?;
        check_shape("rows of a part", &[&[roi.len()], row_shape].concat(), rows.shape())?;
    }
    let shape = [scan_shape, row_shape].concat();
    let size =
        shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).filter(|n| *n <= isize::MAX as usize / 8);
    let Some(size) = size else {
        return Err(Error::parameter(
            "shape of merged rows",
            "such that memory holds it",
            format!("{shape:?}"),
        ));
    };
    let n_positions: usize = scan_shape.iter().product();
    let row_len: usize = row_shape.iter().product();

    let mut values = vec![f64::NAN; size];
    let mut n_rows = vec![0u32; n_positions];
    for (roi, rows) in &parts {
        for (sample, row) in rows.axis_iter(Axis(0)).enumerate() {
            let position = roi.position(sample);
            let place = &mut values[position * row_len..][..row_len];
            n_rows[position] += 1;
            match (n_rows[position], overlap) {
                (1, _) | (_, Overlap::LastWins) => place.iter_mut().zip(row).for_each(|(p, v)| *p = *v),
                (_, Overlap::FirstWins) => {}
                (_, Overlap::Mean) => place.iter_mut().zip(row).for_each(|(p, v)| *p += v),
                (_, Overlap::Error) => {
                    let index = index_of(scan_shape, position);
                    return Err(Error::parameter(
                        "parts",
                        "of different positions",
                        format!("{index:?} twice"),
                    ));
                }
            }
        }
    }
    if overlap == Overlap::Mean && row_len > 0 {
        for (place, &n) in values.chunks_exact_mut(row_len).zip(&n_rows).filter(|(_, n)| **n > 1) {
            place.iter_mut().for_each(|v| *v /= f64::from(n));
        }
    }
    Ok(MergedRows {
        values: ArrayD::from_shape_vec(IxDyn(&shape), values).expect("as many values as the shape has"),
        n_missing: n_rows.iter().filter(|n| **n == 0).count(),
        n_overlapping: n_rows.iter().filter(|n| **n > 1).count(),
    })
}

/// Indices along the axes of the scan.
fn index_of(shape: &[usize], mut position: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, n) in index.iter_mut().zip(shape).rev() {
        *i = position % n;
        position /= n;
    }
    index
}
