//! The directions in which samples differ most.

use crate::features::check_samples;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use nonius_core::{Error, Result, check_shape};

/// What [`principal_components`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalComponents {
    /// Mean of every column of the features.
    pub mean: Array1<f64>,
    /// The components, one row of unit length each, that of the greatest variance first; zeros for one without any.
    pub components: Array2<f64>,
    /// Variance of the samples along every component, divisor N − 1.
    pub variances: Array1<f64>,
    /// Variance of all columns together.
    pub total_variance: f64,
    /// The samples along every component: one row per sample, features of their own.
    pub scores: Array2<f64>,
}

/// The `n_components` directions in which `features` (one row per sample) vary most.
///
/// For methods that want few columns, such as [`gaussian_mixture`](crate::gaussian_mixture): the scores keep as much of
/// the squared distances between samples as so many columns can. The share that they keep is
/// `variances.sum() / total_variance`.
///
/// From the eigenvectors of the covariance, or of the products of samples where those are fewer than the columns. A
/// variance below 1e-14 of the greatest is rounding: it is 0, its component a row of zeros. Of the two signs of a
/// component that is taken for which its greatest element is positive.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::principal_components;
///
/// // On the line y = 2 x, but for a little.
/// let features = array![[0.0, 0.1], [1.0, 1.9], [2.0, 4.1], [3.0, 5.9]];
/// let found = principal_components(features.view(), 1)?;
/// assert!((found.components[[0, 1]] / found.components[[0, 0]] - 2.0).abs() < 0.05);
/// assert!(found.variances[0] / found.total_variance > 0.99);
/// assert_eq!(found.scores.dim(), (4, 1));
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without samples or columns; [`Error::Parameter`] for features that are not finite or above 1e150, and unless `n_components` is
/// at least 1 and at most the number of columns and that of samples.
pub fn principal_components(
    features: ArrayView2<'_, f64>,
    n_components: usize,
) -> Result<PrincipalComponents> {
    check_samples(features)?;
    let (n, width) = features.dim();
    if n_components == 0 || n_components > n.min(width) {
        let got = format!("{n_components} for {n} samples of {width} columns");
        return Err(Error::parameter("n_components", "at least 1, at most samples and columns", got));
    }
    let mean = features.sum_axis(Axis(0)) / n as f64;
    let mut centred = &features - &mean;
    // At most 1, so that products of products are numbers.
    let size = centred.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    if size > 0.0 {
        centred /= size;
    }
    let divisor = n.max(2) as f64 - 1.0;
    let by_samples = n < width;
    let products = if by_samples { centred.dot(&centred.t()) } else { centred.t().dot(&centred) } / divisor;
    let total_variance = products.diag().sum() * size * size;
    let n_products = n.min(width);
    let eigen = SymmetricEigen::new(DMatrix::from_fn(n_products, n_products, |i, j| products[[i, j]]));
    let mut order: Vec<usize> = (0..n_products).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));
    let greatest = eigen.eigenvalues[order[0]];
    let mut components = Array2::zeros((n_components, width));
    let mut variances = Array1::zeros(n_components);
    for (k, &column) in order.iter().take(n_components).enumerate() {
        let variance = eigen.eigenvalues[column];
        if variance <= ROUNDING * greatest {
            continue;
        }
        let vector: Array1<f64> = eigen.eigenvectors.column(column).iter().copied().collect();
        let direction = if by_samples { vector.dot(&centred) } else { vector };
        let greatest = direction.iter().fold(0.0, |m: f64, v| if v.abs() > m.abs() { *v } else { m });
        let length = direction.dot(&direction).sqrt().copysign(greatest);
        components.row_mut(k).assign(&(direction / length));
        variances[k] = variance * size * size;
    }
    let scores = centred.dot(&components.t()) * size;
    Ok(PrincipalComponents { mean, components, variances, total_variance, scores })
}

/// Variances below this share of the greatest are none.
const ROUNDING: f64 = 1e-14;

impl PrincipalComponents {
    /// Other samples along the same components.
    ///
    /// # Errors
    /// [`Error::Shape`] for features of another number of columns.
    pub fn scores_of(&self, features: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        check_shape("features", &[features.nrows(), self.mean.len()], features.shape())?;
        Ok((&features - &self.mean).dot(&self.components.t()))
    }
}
