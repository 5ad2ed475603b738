//! What keeps views from being where they should.

use nalgebra::{Matrix3, Vector3};
use nonius_core::tilt_series::{Geometry, rotation_by};
use rand::Rng;
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::random::{Purpose, stream};
use crate::{Result, check};

/// Waves that a drift is made of, with amplitudes 1, ½, ⅓.
const WAVES: usize = 3;

/// How far each image lies from where it should, independently of the others, `[j, k]` px.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Evenly between −limit and +limit.
    Uniform([f64; 2]),
    /// Normally with this standard deviation.
    Gaussian([f64; 2]),
}

/// How the true geometry of a series differs from the one that is written down.
///
/// ```text
/// offset_i   = jitter + drift_i
/// rotation_i = exp([ω_i]×) · nominal rotation_i,   ω_i = σ_p n p₀ + σ_j n' j₀ + σ_k n'' k₀
/// ```
///
/// with independent normal numbers n. The drift is smooth: a random sum of waves of one half, one, and one and a
/// half periods over the series. Nothing takes the mean off, nor what a mere translation of the sample would do
/// ([`Geometry::remove_translation`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MisalignmentParams {
    /// Independent displacement of each image; default uniform within 2 px along j, 1.5 px along k.
    pub jitter: Jitter,
    /// Size of the drift `[j, k]`, root-mean-square px over all drifts; default 0, none.
    pub drift: [f64; 2],
    /// Standard deviation, rad, of errors of the rotation about the laboratory's `[p, j, k]`; default 0, none.
    pub rotation_errors: [f64; 3],
}

impl Default for MisalignmentParams {
    fn default() -> Self {
        MisalignmentParams { jitter: Jitter::Uniform([2.0, 1.5]), drift: [0.0; 2], rotation_errors: [0.0; 3] }
    }
}

impl MisalignmentParams {
    /// No misalignment: the geometry that is written down is the true one.
    pub fn none() -> Self {
        MisalignmentParams { jitter: Jitter::Uniform([0.0; 2]), ..Default::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) if a displacement is not between 0 and 1e6 px, or an
    /// error of the rotation not between 0 and π.
    pub fn validate(&self) -> Result<()> {
        let (Jitter::Uniform(jitter) | Jitter::Gaussian(jitter)) = self.jitter;
        let small = |v: &[f64], most: f64| v.iter().all(|v| (0.0..=most).contains(v));
        check(small(&jitter, 1e6), "jitter", "between 0 and 1e6 px", format!("{jitter:?}"))?;
        check(small(&self.drift, 1e6), "drift", "between 0 and 1e6 px", format!("{:?}", self.drift))?;
        let errors = &self.rotation_errors;
        let limit = std::f64::consts::PI;
        check(small(errors, limit), "rotation_errors", "between 0 and pi", format!("{errors:?}"))
    }

    /// The true geometry, and ω of each view along the laboratory's `[p, j, k]`.
    pub(super) fn apply(&self, nominal: &Geometry, seed: u64) -> (Geometry, Vec<[f64; 3]>) {
        let drift = self.drift_of(nominal.len(), &mut stream(seed, Purpose::Drift, 0));
        let mut truth = nominal.clone();
        let lab = nominal.laboratory;
        let directions = Matrix3::from_columns(&[lab.p, lab.j, lab.k]);
        let mut errors = Vec::with_capacity(nominal.len());
        for (index, view) in truth.views.iter_mut().enumerate() {
            let mut rng = stream(seed, Purpose::View, index);
            let [j, k] = self.jitter_of(&mut rng);
            view.j_offset += j + drift[index][0];
            view.k_offset += k + drift[index][1];
            let error = self.rotation_errors.map(|sigma| sigma * rng.sample::<f64, _>(StandardNormal));
            errors.push(error);
            if error != [0.0; 3] {
                view.rotation = rotation_by(directions * Vector3::from(error)) * view.rotation;
                view.angles = None;
            }
        }
        (truth, errors)
    }

    fn jitter_of(&self, rng: &mut Xoshiro256PlusPlus) -> [f64; 2] {
        match self.jitter {
            Jitter::Uniform(limits) => limits.map(|limit| limit * (2.0 * rng.r#gen::<f64>() - 1.0)),
            Jitter::Gaussian(sigmas) => sigmas.map(|sigma| sigma * rng.sample::<f64, _>(StandardNormal)),
        }
    }

    fn drift_of(&self, n: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<[f64; 2]> {
        // Sine and cosine of each wave with normal amplitudes: the variance is that of the amplitudes.
        let waves: [[[f64; 2]; WAVES]; 2] = std::array::from_fn(|_| {
            std::array::from_fn(|_| [rng.sample(StandardNormal), rng.sample(StandardNormal)])
        });
        let power: f64 = (1..=WAVES).map(|m| (m as f64).powi(-2)).sum();
        let at = |axis: usize, i: usize| {
            let wave = |m: usize| {
                let phase = std::f64::consts::PI * (m * i) as f64 / n as f64;
                let [cosine, sine] = waves[axis][m - 1];
                (cosine * phase.cos() + sine * phase.sin()) / m as f64
            };
            self.drift[axis] * (1..=WAVES).map(wave).sum::<f64>() / power.sqrt()
        };
        (0..n).map(|i| [at(0, i), at(1, i)]).collect()
    }
}
