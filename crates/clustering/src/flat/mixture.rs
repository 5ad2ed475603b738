//! Mixtures of Gaussians: clusters that overlap, each with its own shape.

use std::f64::consts::PI;

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis};
use nonius_core::{Error, Progress, Result, check_not_negative, check_positive, check_rows, check_shape};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::seeding::check_n_clusters;
use super::{KMeansParams, k_means, number_by_first_sample};
use crate::features::check_samples;

/// What the covariance of a component may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covariances {
    /// Any: F (F + 1)/2 numbers for each component, which want several times as many samples.
    #[default]
    Full,
    /// Without correlations: F numbers for each component.
    Diagonal,
}

/// Parameters of [`gaussian_mixture`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MixtureParams {
    /// What covariances may be. Default: full.
    pub covariances: Covariances,
    /// Added to every variance, so that no component shrinks to a point or a plane, in squared units of the features.
    /// At least 0. Default: 1e-6.
    pub regularization: f64,
    /// Iterations end when the lower bound changes by less than this. Above 0. Default: 1e-10; labels near borders
    /// depend on it.
    pub tolerance: f64,
    /// Iterations at most. At least 1. Default: 1000.
    pub max_iterations: usize,
    /// Draws the starts of the k-means that the mixture starts from. Default: 0.
    pub seed: u64,
}

impl Default for MixtureParams {
    fn default() -> Self {
        MixtureParams {
            covariances: Covariances::Full,
            regularization: 1e-6,
            tolerance: 1e-10,
            max_iterations: 1000,
            seed: 0,
        }
    }
}

impl MixtureParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_not_negative("regularization", self.regularization)?;
        check_positive("tolerance", self.tolerance)?;
        if self.max_iterations < 1 {
            return Err(Error::parameter("max_iterations", "at least 1", self.max_iterations));
        }
        Ok(())
    }
}

/// What [`gaussian_mixture`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    /// The most probable component of every sample; never None.
    pub labels: Vec<Option<usize>>,
    /// Probability of every component (columns) for every sample (rows).
    pub probabilities: Array2<f64>,
    /// Share of every component; they add up to 1.
    pub weights: Array1<f64>,
    /// Mean of every component, one row each.
    pub means: Array2<f64>,
    /// Covariance of every component, `(component, column, column)`.
    pub covariances: Array3<f64>,
    /// Mean over samples of the logarithm of the mixture's density, before the last update of the components.
    pub lower_bound: f64,
    /// Updates of the components.
    pub n_iterations: usize,
    /// False if the lower bound still changed after `max_iterations`.
    pub converged: bool,
}

/// `n_components` Gaussians that together describe the density of `features` (one row per sample), by expectation
/// maximisation.
///
/// ```text
/// p(x) = Σ_k w_k N(x; μ_k, C_k)
/// r_ik = w_k N(x_i; μ_k, C_k) / p(x_i)                      expectation
/// w_k = Σ_i r_ik / N      μ_k = Σ_i r_ik x_i / Σ_i r_ik      maximisation
/// C_k = Σ_i r_ik (x_i − μ_k)(x_i − μ_k)ᵀ / Σ_i r_ik + regularization · 1
/// ```
///
/// It starts as [`gaussian_mixture_from`] does from the centres of [`k_means`]. Components are numbered by the first
/// sample for which each is the most probable; those that are so for none come last.
///
/// With more than some 20 columns a full covariance has more numbers than a cluster has samples: reduce the features by
/// [`principal_components`](crate::principal_components) first, or take diagonal ones. Time grows as N K F² for each
/// iteration. linfa's mixture is not used: the probability of a sample far from every component underflows there, and it
/// says neither its bound nor whether it converged.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{MixtureParams, gaussian_mixture};
/// use nonius_core::NoProgress;
///
/// let features = array![[-1.0], [1.0], [99.0], [101.0]];
/// let found = gaussian_mixture(features.view(), 2, &MixtureParams::default(), &NoProgress)?;
/// assert_eq!(found.labels, [Some(0), Some(0), Some(1), Some(1)]);
/// assert!((found.means[[1, 0]] - 100.0).abs() < 1e-9 && (found.covariances[[1, 0, 0]] - 1.0).abs() < 1e-5);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without samples or columns; [`Error::Parameter`] as [`MixtureParams::validate`], for features
/// that are not finite or above 1e150, unless `1 ≤ n_components ≤` the number of different rows, and if rounding leaves
/// a covariance singular in spite of the regularisation; [`Error::Cancelled`].
pub fn gaussian_mixture(
    features: ArrayView2<'_, f64>,
    n_components: usize,
    params: &MixtureParams,
    progress: &dyn Progress,
) -> Result<GaussianMixture> {
    params.validate()?;
    let start =
        k_means(features, n_components, &KMeansParams { seed: params.seed, ..Default::default() }, progress)?;
    let mut found = gaussian_mixture_from(features, start.centers.view(), params, progress)?;
    let mut order = number_by_first_sample(&mut found.labels);
    let without_a_sample: Vec<usize> = (0..n_components).filter(|k| !order.contains(k)).collect();
    order.extend(without_a_sample);
    found.probabilities = found.probabilities.select(Axis(1), &order);
    found.weights = found.weights.select(Axis(0), &order);
    found.means = found.means.select(Axis(0), &order);
    found.covariances = found.covariances.select(Axis(0), &order);
    Ok(found)
}

/// [`gaussian_mixture`] from given means, one row each, with equal weights and the covariance of all samples (divisor
/// N − 1) for every component: no chance. Components keep the numbers of their rows.
///
/// # Errors
/// As [`gaussian_mixture`]; [`Error::Shape`] for means with another number of columns, [`Error::NotFinite`].
pub fn gaussian_mixture_from(
    features: ArrayView2<'_, f64>,
    means: ArrayView2<'_, f64>,
    params: &MixtureParams,
    progress: &dyn Progress,
) -> Result<GaussianMixture> {
    params.validate()?;
    check_samples(features)?;
    check_rows("means", means)?;
    check_n_clusters(features, means.nrows())?;
    check_shape("means", &[means.nrows(), features.ncols()], means.shape())?;
    let samples = Samples { features: features.as_standard_layout().into_owned(), params };
    progress.start("mixture", params.max_iterations as u64);
    let found = samples.fit(means, progress);
    progress.finish();
    found
}

/// Index of the greatest; the first of several.
fn greatest(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (k, v) in values.enumerate() {
        if v > best.1 {
            best = (k, v);
        }
    }
    best.0
}

struct Components {
    weights: Array1<f64>,
    means: Array2<f64>,
    covariances: Array3<f64>,
}

struct Expectation {
    probabilities: Array2<f64>,
    lower_bound: f64,
}

struct Samples<'p> {
    features: Array2<f64>,
    params: &'p MixtureParams,
}

impl Samples<'_> {
    fn fit(&self, means: ArrayView2<'_, f64>, progress: &dyn Progress) -> Result<GaussianMixture> {
        let mut components = self.start(means);
        let mut expected = self.expectation(&components)?;
        let (mut n_iterations, mut converged) = (0, false);
        let mut lower_bound = f64::NEG_INFINITY;
        while n_iterations < self.params.max_iterations && !converged {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            components = self.maximisation(&expected);
            converged = (expected.lower_bound - lower_bound).abs() < self.params.tolerance;
            lower_bound = expected.lower_bound;
            expected = self.expectation(&components)?;
            n_iterations += 1;
            progress.advance(1);
        }
        let of_sample = |row: ArrayView1<'_, f64>| Some(greatest(row.iter().copied()));
        Ok(GaussianMixture {
            labels: expected.probabilities.outer_iter().map(of_sample).collect(),
            probabilities: expected.probabilities,
            weights: components.weights,
            means: components.means,
            covariances: components.covariances,
            lower_bound,
            n_iterations,
            converged,
        })
    }

    fn start(&self, means: ArrayView2<'_, f64>) -> Components {
        let ((n, width), n_components) = (self.features.dim(), means.nrows());
        let mean: Vec<f64> =
            self.features.columns().into_iter().map(|column| column.sum() / n as f64).collect();
        let all = self.covariance(&mean, (0..n).map(|_| 1.0), n.max(2) as f64 - 1.0);
        Components {
            weights: Array1::from_elem(n_components, 1.0 / n_components as f64),
            means: means.to_owned(),
            covariances: Array3::from_shape_fn((n_components, width, width), |(_, f, g)| all[[f, g]]),
        }
    }

    /// `Σ r (x − μ)(x − μ)ᵀ / total`, regularised.
    fn covariance(&self, mean: &[f64], weights: impl Iterator<Item = f64>, total: f64) -> Array2<f64> {
        let width = mean.len();
        let mut sum = Array2::zeros((width, width));
        let mut d = vec![0.0; width];
        for (x, r) in self.features.outer_iter().zip(weights) {
            // Most samples have nothing to do with most components.
            if r == 0.0 {
                continue;
            }
            d.iter_mut().zip(x).zip(mean).for_each(|((d, x), mean)| *d = x - mean);
            for (f, mut row) in sum.outer_iter_mut().enumerate() {
                let rd = r * d[f];
                match self.params.covariances {
                    Covariances::Full => row.iter_mut().zip(&d[..=f]).for_each(|(sum, d)| *sum += rd * d),
                    Covariances::Diagonal => row[f] += rd * d[f],
                }
            }
        }
        for f in 0..width {
            for g in 0..f {
                sum[[f, g]] /= total;
                sum[[g, f]] = sum[[f, g]];
            }
            sum[[f, f]] = sum[[f, f]] / total + self.params.regularization;
        }
        sum
    }

    fn maximisation(&self, expected: &Expectation) -> Components {
        let (width, n_components) = (self.features.ncols(), expected.probabilities.ncols());
        let parts: Vec<_> = (0..n_components)
            .into_par_iter()
            .map(|k| {
                let r = || expected.probabilities.column(k).into_iter().copied();
                // Not 0 where a component has no sample any more.
                let total = r().sum::<f64>().max(10.0 * f64::EPSILON);
                let mut mean = vec![0.0; width];
                for (x, r) in self.features.outer_iter().zip(r()) {
                    mean.iter_mut().zip(x).for_each(|(mean, x)| *mean += r * x);
                }
                mean.iter_mut().for_each(|mean| *mean /= total);
                let covariance = self.covariance(&mean, r(), total);
                (total, mean, covariance)
            })
            .collect();
        let all: f64 = parts.iter().map(|(total, ..)| total).sum();
        Components {
            weights: parts.iter().map(|(total, ..)| total / all).collect(),
            means: Array2::from_shape_fn((n_components, width), |(k, f)| parts[k].1[f]),
            covariances: Array3::from_shape_fn((n_components, width, width), |(k, f, g)| parts[k].2[[f, g]]),
        }
    }

    fn expectation(&self, components: &Components) -> Result<Expectation> {
        let ((n, width), n_components) = (self.features.dim(), components.means.nrows());
        let densities =
            (0..n_components).map(|k| LogDensity::new(components, k)).collect::<Result<Vec<_>>>()?;
        let mut probabilities = Array2::zeros((n, n_components));
        let mut log_density = vec![0.0; n];
        let features = self.features.as_slice().expect("features are in standard layout");
        let out = probabilities.as_slice_mut().expect("an array just made is in standard layout");
        let chunks = out.par_chunks_mut(LANES * n_components).zip(log_density.par_chunks_mut(LANES));
        chunks.zip(features.par_chunks(LANES * width)).for_each(|((out, log_density), x)| {
            let mut d = vec![[0.0; LANES]; width];
            for (k, density) in densities.iter().enumerate() {
                let logs = density.at(x, &mut d);
                out.chunks_exact_mut(n_components).zip(logs).for_each(|(out, log)| out[k] = log);
            }
            for (out, log_density) in out.chunks_exact_mut(n_components).zip(log_density) {
                let greatest = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                out.iter_mut().for_each(|v| *v = (*v - greatest).exp());
                let sum: f64 = out.iter().sum();
                out.iter_mut().for_each(|v| *v /= sum);
                *log_density = greatest + sum.ln();
            }
        });
        Ok(Expectation { probabilities, lower_bound: log_density.iter().sum::<f64>() / n as f64 })
    }
}

/// Samples that share an instruction.
const LANES: usize = 8;

/// `ln (w N(x; μ, C)) = constant − |P (x − μ)|²/2`, P the inverse of the Cholesky factor of C.
struct LogDensity {
    mean: Vec<f64>,
    /// Rows of P up to the diagonal, one after the other.
    inverse: Vec<f64>,
    constant: f64,
}

impl LogDensity {
    fn new(components: &Components, k: usize) -> Result<Self> {
        let mean = components.means.row(k).to_vec();
        let width = mean.len();
        let covariance = DMatrix::from_fn(width, width, |f, g| components.covariances[[k, f, g]]);
        let inverse = covariance
            .cholesky()
            .map(|c| c.l())
            .and_then(|l| l.solve_lower_triangular(&DMatrix::identity(width, width)));
        let inverse = inverse.filter(|p| p.iter().all(|v| v.is_finite())).ok_or_else(|| {
            let must_be = "greater, or columns fewer: the covariance of a component is singular";
            Error::parameter("regularization", must_be, format!("component {k}"))
        })?;
        let log_determinant: f64 = (0..width).map(|f| inverse[(f, f)].ln()).sum();
        let constant = components.weights[k].ln() + log_determinant - 0.5 * width as f64 * (2.0 * PI).ln();
        let inverse = (0..width).flat_map(|f| (0..=f).map(move |g| (f, g))).map(|at| inverse[at]).collect();
        Ok(LogDensity { mean, inverse, constant })
    }

    /// For at most `LANES` samples, the rows of `x`; `d` is room for them.
    fn at(&self, x: &[f64], d: &mut [[f64; LANES]]) -> [f64; LANES] {
        let width = self.mean.len();
        for (l, x) in x.chunks_exact(width).enumerate() {
            d.iter_mut().zip(x).zip(&self.mean).for_each(|((d, x), mean)| d[l] = x - mean);
        }
        let mut squares = [0.0; LANES];
        let mut row = self.inverse.as_slice();
        for f in 0..width {
            let (own, rest) = row.split_at(f + 1);
            row = rest;
            let mut sum = [0.0; LANES];
            for (p, d) in own.iter().zip(d.iter()) {
                (0..LANES).for_each(|l| sum[l] += p * d[l]);
            }
            (0..LANES).for_each(|l| squares[l] += sum[l] * sum[l]);
        }
        squares.map(|square| self.constant - 0.5 * square)
    }
}
