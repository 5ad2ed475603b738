//! Features made comparable with one another.

use ndarray::{Array2, ArrayView2, Axis};
use nonius_core::{Error, NoProgress, Result, check_shape};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::check_features;

/// Rows whose sums are taken before they are added to the others: keeps sums over many rows exact.
const ROWS: usize = 256;

/// By what features are divided.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Nothing.
    None,
    /// Each column by the mean of its absolute values.
    #[default]
    MeanAbsolute,
    /// Each column by its standard deviation (divisor n), its mean taken off before.
    StandardDeviation,
    /// Each column by the distance of its quartiles, its median taken off before. Quantiles are interpolated linearly.
    Robust,
    /// Each row by the sum of its absolute values: takes out how bright a frame is as a whole.
    PerFrame,
    /// Each column by a number of its own, at least 0.
    By(Vec<f64>),
}

/// What was done to features, to be done to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scales {
    /// Taken off each column.
    pub offsets: Vec<f64>,
    /// By what each column is then divided; 0: it becomes 0.
    pub scales: Vec<f64>,
    /// Whether each row is also divided by the sum of its absolute values.
    pub per_frame: bool,
}

/// What [`scale`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledFeatures {
    /// The features, scaled.
    pub features: Array2<f64>,
    /// How, to scale others alike.
    pub scales: Scales,
    /// Columns whose scale is 0. They are 0 everywhere.
    pub dead_columns: Vec<usize>,
    /// Under [`Scaling::PerFrame`], rows that are 0 everywhere.
    pub dead_rows: Vec<usize>,
}

/// Scales `features` `(sample, feature)` in their own memory.
///
/// ```
/// use nonius_clustering::{Scaling, scale};
///
/// let scaled = scale(ndarray::array![[1.0, 0.0], [-3.0, 0.0]], &Scaling::MeanAbsolute)?;
/// assert_eq!(scaled.features, ndarray::array![[0.5, 0.0], [-1.5, 0.0]]);
/// assert_eq!((scaled.scales.scales.as_slice(), scaled.dead_columns.as_slice()), (&[2.0, 0.0][..], &[1][..]));
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without features; [`Error::Parameter`] unless they are finite, if they are so large that a scale is
/// not, and for scales of one's own that are negative or not finite; [`Error::Shape`] unless there is one of these per
/// column.
pub fn scale(features: Array2<f64>, scaling: &Scaling) -> Result<ScaledFeatures> {
    check_features(features.view(), features.nrows(), &NoProgress)?;
    let scales = Scales::of(features.view(), scaling)?;
    let features = scales.apply(features)?;
    let is_dead = |row: ndarray::ArrayView1<'_, f64>| row.iter().all(|v| *v == 0.0);
    let rows = features.outer_iter().enumerate().filter(|(_, row)| scales.per_frame && is_dead(row.view()));
    let dead_rows = rows.map(|(i, _)| i).collect();
    Ok(ScaledFeatures { dead_rows, dead_columns: scales.dead_columns(), scales, features })
}

impl Scales {
    fn of(features: ArrayView2<'_, f64>, scaling: &Scaling) -> Result<Scales> {
        let columns = features.ncols();
        let (zeros, ones) = (vec![0.0; columns], vec![1.0; columns]);
        let (offsets, scales) = match scaling {
            Scaling::None | Scaling::PerFrame => (zeros, ones),
            Scaling::MeanAbsolute => (zeros, means(features, |_, v| v.abs())),
            Scaling::StandardDeviation => {
                let mean = means(features, |_, v| v);
                let variance = means(features, |column, v| (v - mean[column]).powi(2));
                (mean, variance.into_iter().map(f64::sqrt).collect())
            }
            Scaling::Robust => quartiles(features).into_iter().map(|[q1, q2, q3]| (q2, q3 - q1)).unzip(),
            Scaling::By(scales) => {
                check_shape("scales", &[columns], &[scales.len()])?;
                (zeros, scales.clone())
            }
        };
        if let Some(k) =
            (0..columns).find(|&k| !(scales[k].is_finite() && scales[k] >= 0.0 && offsets[k].is_finite()))
        {
            let got = format!("{} in column {k}", scales[k]);
            return Err(Error::parameter("scale", "finite and at least 0", got));
        }
        Ok(Scales { offsets, scales, per_frame: *scaling == Scaling::PerFrame })
    }

    /// Columns of scale 0.
    pub fn dead_columns(&self) -> Vec<usize> {
        (0..self.scales.len()).filter(|&k| self.scales[k] == 0.0).collect()
    }

    /// Does the same to other features, in their own memory.
    ///
    /// # Errors
    /// [`Error::Shape`] unless they have as many columns.
    pub fn apply(&self, mut features: Array2<f64>) -> Result<Array2<f64>> {
        check_shape("columns of features", &[self.scales.len()], &[features.ncols()])?;
        check_shape("offsets", &[self.scales.len()], &[self.offsets.len()])?;
        features.axis_chunks_iter_mut(Axis(0), ROWS).into_par_iter().for_each(|mut rows| {
            for mut row in rows.outer_iter_mut() {
                for ((v, offset), scale) in row.iter_mut().zip(&self.offsets).zip(&self.scales) {
                    *v = if *scale == 0.0 { 0.0 } else { (*v - offset) / scale };
                }
                if self.per_frame {
                    let norm: f64 = row.iter().map(|v| v.abs()).sum();
                    row.iter_mut().filter(|_| norm > 0.0).for_each(|v| *v /= norm);
                }
            }
        });
        Ok(features)
    }
}

/// The mean of `of(column, value)` over each column.
fn means(features: ArrayView2<'_, f64>, of: impl Fn(usize, f64) -> f64 + Sync) -> Vec<f64> {
    let sums_of = |rows: ArrayView2<'_, f64>| {
        let mut sums = vec![0.0; rows.ncols()];
        for row in rows.outer_iter() {
            sums.iter_mut().zip(row).enumerate().for_each(|(column, (sum, v))| *sum += of(column, *v));
        }
        sums
    };
    let blocks: Vec<Vec<f64>> =
        features.axis_chunks_iter(Axis(0), ROWS).into_par_iter().map(sums_of).collect();
    let mut sums = vec![0.0; features.ncols()];
    blocks.iter().for_each(|block| sums.iter_mut().zip(block).for_each(|(s, b)| *s += b));
    sums.into_iter().map(|sum| sum / features.nrows() as f64).collect()
}

/// The three quartiles of each column.
fn quartiles(features: ArrayView2<'_, f64>) -> Vec<[f64; 3]> {
    let of_column = |column: ndarray::ArrayView1<'_, f64>| {
        let mut values = column.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        [0.25, 0.5, 0.75].map(|q| {
            let at = q * (values.len() - 1) as f64;
            let (low, part) = (at.floor() as usize, at.fract());
            let high = (low + 1).min(values.len() - 1);
            values[low] + part * (values[high] - values[low])
        })
    };
    features.axis_iter(Axis(1)).into_par_iter().map(of_column).collect()
}
