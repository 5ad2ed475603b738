//! Small errors of rotations, found together with those of offsets.

use nalgebra::{Matrix3, SMatrix, SVector, Vector3};
use ndarray::{Array2, Array3, Array4, ArrayView2, ArrayView3, Axis, Zip};
use nonius_core::tilt_series::{Geometry, Laboratory, rotation_by};
use nonius_core::{Error, Progress, Real, Result, Silent, check_not_negative, check_positive, slopes_into};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::iteration::check_images;
use super::optical_flow::{FlowPlan, FlowScratch, NormalEquations, inverse};
use super::report::StopReason;
use crate::projector::Projector;
use crate::reconstruction::{MitraParams, ReconstructionScratch, Reconstructor};

/// Numbers that an image may change: two offsets, rotations about p, j and k.
const N: usize = 5;

/// Parameters of [`refine_angles`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AngleParams {
    /// The reconstruction of each step, from the volume of the step before. Default: MITRA with 10 iterations.
    pub reconstruction: MitraParams,
    /// Standard deviation of the errors expected about the beam (in the image), rad; 0: none are. Default: 0.02.
    pub in_plane: f64,
    /// Standard deviation of the errors expected about the images' axes j and k, rad; 0: none are. Default: 0.02.
    pub out_of_plane: f64,
    /// Whether offsets change with the angles. Default: true.
    pub offsets: bool,
    /// Standard deviation px of the low-pass of images and re-projections. Default: 1.
    pub smoothing: f64,
    /// Part of each image's length over which it is tapered. Default: 0.2.
    pub taper: f64,
    /// Most steps. Default: 30.
    pub max_iterations: usize,
    /// Largest correction, px for offsets, px at the rim of the volume for angles, that counts as none.
    /// Default: 0.005.
    pub tolerance: f64,
}

impl Default for AngleParams {
    fn default() -> Self {
        AngleParams {
            reconstruction: MitraParams { iterations: 10, ..MitraParams::default() },
            in_plane: 0.02,
            out_of_plane: 0.02,
            offsets: true,
            smoothing: 1.0,
            taper: 0.2,
            max_iterations: 30,
            tolerance: 0.005,
        }
    }
}

impl AngleParams {
    /// Checks every parameter by itself.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        self.reconstruction.validate()?;
        check_not_negative("in_plane", self.in_plane)?;
        check_not_negative("out_of_plane", self.out_of_plane)?;
        check_positive("tolerance", self.tolerance)?;
        nonius_core::gaussian_kernel(self.smoothing)?;
        if !(0.0..=1.0).contains(&self.taper) {
            return Err(Error::parameter("taper", "between 0 and 1", self.taper));
        }
        if self.max_iterations == 0 {
            return Err(Error::parameter("max_iterations", "at least 1", 0));
        }
        if self.in_plane == 0.0 && self.out_of_plane == 0.0 {
            return Err(Error::parameter("in_plane or out_of_plane", "above 0", "0 for both"));
        }
        Ok(())
    }

    /// Prior standard deviations in the order of the parameters; 0 for those that do not change.
    fn priors(&self) -> [f64; N] {
        let offset = if self.offsets { f64::INFINITY } else { 0.0 };
        [offset, offset, self.in_plane, self.out_of_plane, self.out_of_plane]
    }
}

/// Rotations and offsets as found by [`refine_angles`].
#[derive(Debug, Clone, PartialEq)]
pub struct AngleRefinement<F> {
    /// The geometry with the rotations and offsets found; angles of changed views are forgotten.
    pub geometry: Geometry,
    /// What was found of each rotation: ω rad about the laboratory's `[p, j, k]`; the rotation is now `exp([ω]×)`
    /// times what it was. What a rotation or an affine deformation of the sample would do to all views is taken off:
    /// the first cannot be known, the second hardly.
    pub corrections: Vec<[f64; 3]>,
    /// 1σ of each, rad; NaN for those that were held.
    pub standard_errors: Vec<[f64; 3]>,
    /// Largest correction of each step, px.
    pub largest: Vec<f64>,
    /// Loss of each step's reconstruction.
    pub losses: Vec<f64>,
    /// Why it stopped.
    pub stop: StopReason,
    /// The last volume, `(X, Y, Z)`.
    pub volume: Array3<F>,
}

/// Finds small errors of the rotations, with those of the offsets, by Gauss–Newton steps between every image and its
/// re-projection; begin from offsets that are good to a pixel. Images and weights as of [`align`](super::align).
///
/// The re-projection's derivative for a rotation φ about the beam is `±(u ∂Q/∂v − v ∂Q/∂u)`, with u and v measured from
/// the sample's origin along j and k; for rotations about j and k it is the difference of two projections. A prior of
/// the standard deviations given holds what the images do not tell; no step moves the volume's rim by more than half
/// a pixel.
///
/// # Errors
/// As [`Alignment::new`](super::Alignment::new); [`Error::Cancelled`].
///
/// # Source
/// T. Ramos and others, *Automated angular and translational tomographic alignment*, Optica 6 (2019); M. Odstrčil and
/// others, Optics Express 27 (2019) 36637–36652.
pub fn refine_angles<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    params: &AngleParams,
    progress: &dyn Progress,
) -> Result<AngleRefinement<F>> {
    params.validate()?;
    check_images(geometry, images, weights)?;
    progress.start("refining angles", params.max_iterations as u64);
    let result = refine(geometry, images, weights, params, progress);
    progress.finish();
    result
}

fn refine<F: Real>(
    start: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    params: &AngleParams,
    progress: &dyn Progress,
) -> Result<AngleRefinement<F>> {
    let mut geometry = start.clone();
    let n = geometry.len();
    let [n_j, n_k] = geometry.projection_shape;
    let rim = 0.5 * geometry.volume_shape.into_iter().max().unwrap_or(1) as f64;
    let plan = FlowPlan::<F>::new([n_j, n_k], params.smoothing, 0.0, params.taper)?;
    let memory = || ([(); N].map(|()| plan.image()), plan.scratch());
    let mut scratch = ReconstructionScratch::default();
    let mut volume: Option<Array4<F>> = None;
    let mut total = vec![[0.0; 3]; n];
    let mut standard_errors = vec![[f64::NAN; 3]; n];
    let (mut largest, mut losses): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut stop = StopReason::MaxIterations;
    for _ in 0..params.max_iterations {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let projector = Projector::new(&geometry)?;
        // A volume that has not converged seems turned: the first one is given time.
        let iterations = params.reconstruction.iterations * if volume.is_none() { 6 } else { 1 };
        let method = MitraParams { iterations, ..params.reconstruction.clone() };
        let reconstruction = method.reconstruct_with(
            &projector,
            images.view().insert_axis(Axis(3)),
            weights.as_ref().map(|weights| weights.view().insert_axis(Axis(3))),
            volume.as_ref().map(|volume| volume.view()),
            &Silent(progress),
            &mut scratch,
        )?;
        losses.push(reconstruction.losses.last().copied().unwrap_or(0.0));
        let current = reconstruction.volume;
        let mut reprojections = Array4::zeros((n, n_j, n_k, 1));
        projector.forward(current.view(), None, reprojections.view_mut())?;
        let reprojections = reprojections.remove_axis(Axis(3));
        let turned = match params.out_of_plane > 0.0 {
            true => {
                Some([derivative(&geometry, &current, 1, rim)?, derivative(&geometry, &current, 2, rim)?])
            }
            false => None,
        };
        volume = Some(current);
        let steps: Vec<Option<Step>> = (0..n)
            .into_par_iter()
            .map_init(memory, |memory, i| {
                let view = View {
                    image: images.index_axis(Axis(0), i),
                    weights: weights.as_ref().map(|weights| weights.index_axis(Axis(0), i)),
                    reprojection: reprojections.index_axis(Axis(0), i),
                    turned: turned.as_ref().map(|turned| turned.each_ref().map(|t| t.index_axis(Axis(0), i))),
                };
                view.step(&geometry, i, &plan, params, &total[i], memory)
            })
            .collect();
        let mut angles: Vec<Vector3<f64>> = Vec::with_capacity(n);
        let mut offsets: Vec<[f64; 2]> = Vec::with_capacity(n);
        for (i, step) in steps.iter().enumerate() {
            let correction = step.as_ref().map_or(SVector::<f64, N>::zeros(), |step| step.correction);
            offsets.push([correction[0], correction[1]]);
            let angle = Vector3::new(correction[2], correction[3], correction[4]);
            let limit = (0.5 / (rim * angle.norm())).min(1.0);
            angles.push(if limit.is_finite() { angle * limit } else { angle });
            if let Some(step) = step {
                standard_errors[i] = step.standard_errors;
            }
        }
        remove_common(&geometry, &mut angles, params);
        let offsets = geometry.remove_translation(&offsets)?.residuals;
        let mut change: f64 = 0.0;
        for (i, view) in geometry.views.iter_mut().enumerate() {
            if steps[i].is_none() {
                continue;
            }
            let [j, k] = offsets[i].map(|offset| offset.clamp(-2.0, 2.0));
            view.j_offset += j;
            view.k_offset += k;
            change = change.max(j.hypot(k)).max(angles[i].norm() * rim);
            if angles[i] != Vector3::zeros() {
                let laboratory = start.laboratory;
                let about =
                    laboratory.p * angles[i][0] + laboratory.j * angles[i][1] + laboratory.k * angles[i][2];
                view.rotation = orthonormal(rotation_by(about) * view.rotation);
                view.angles = None;
            }
            for axis in 0..3 {
                total[i][axis] += angles[i][axis];
            }
        }
        largest.push(change);
        progress.advance(1);
        progress.message(&format!("largest correction {change:.4} px"));
        if change <= params.tolerance {
            stop = StopReason::Tolerance;
            break;
        }
        let earlier = largest.len().saturating_sub(7);
        if largest.len() > 7 && change > 0.9 * largest[earlier] {
            stop = StopReason::Stalled;
            break;
        }
    }
    Ok(AngleRefinement {
        geometry,
        corrections: total,
        standard_errors,
        largest,
        losses,
        stop,
        volume: volume.expect("one step at least").remove_axis(Axis(3)),
    })
}

/// ∂Q/∂φ for a rotation by φ about the laboratory's p, j or k (0, 1, 2), by a central difference that moves the rim
/// by half a voxel.
fn derivative<F: Real>(geometry: &Geometry, volume: &Array4<F>, axis: usize, rim: f64) -> Result<Array3<F>> {
    let laboratory = geometry.laboratory;
    let about = [laboratory.p, laboratory.j, laboratory.k][axis];
    let epsilon = 0.5 / rim;
    let projected = |epsilon: f64| -> Result<Array4<F>> {
        let mut turned = geometry.clone();
        for view in &mut turned.views {
            view.rotation = orthonormal(rotation_by(about * epsilon) * view.rotation);
        }
        let [n, j, k] = geometry.stack_shape();
        let mut out = Array4::zeros((n, j, k, 1));
        Projector::new(&turned)?.forward(volume.view(), None, out.view_mut())?;
        Ok(out)
    };
    let mut difference = projected(epsilon)?;
    let back = projected(-epsilon)?;
    let scale = F::of(0.5 / epsilon);
    Zip::from(&mut difference).and(&back).for_each(|forth, back| *forth = (*forth - *back) * scale);
    Ok(difference.remove_axis(Axis(3)))
}

/// What one image is compared with.
struct View<'a, F> {
    image: ArrayView2<'a, F>,
    weights: Option<ArrayView2<'a, F>>,
    reprojection: ArrayView2<'a, F>,
    turned: Option<[ArrayView2<'a, F>; 2]>,
}

struct Step {
    correction: SVector<f64, N>,
    standard_errors: [f64; 3],
}

impl<F: Real> View<'_, F> {
    /// The step of view `index`, whose angles have been changed by `total`; `None` if its image says nothing.
    fn step(
        &self,
        geometry: &Geometry,
        index: usize,
        plan: &FlowPlan<F>,
        params: &AngleParams,
        total: &[f64; 3],
        (derivatives, scratch): &mut ([Array2<F>; N], FlowScratch<F>),
    ) -> Option<Step> {
        self.derivatives_into(geometry, index, derivatives);
        let NormalEquations { mut normal, mut right, noise, variance } =
            plan.normal_equations(self.image, self.weights, self.reprojection, derivatives, scratch)?;
        let priors = params.priors();
        for (m, prior) in priors.into_iter().enumerate() {
            if prior == 0.0 {
                normal.row_mut(m).fill(0.0);
                normal.column_mut(m).fill(0.0);
                (normal[(m, m)], right[m]) = (1.0, 0.0);
            } else {
                let stiffness = variance / (prior * prior);
                normal[(m, m)] += stiffness;
                // The prior is on what the angle has been changed by in all.
                right[m] -= if m >= 2 { stiffness * total[m - 2] } else { 0.0 };
            }
        }
        let inverse = inverse(&normal).filter(|inverse| inverse.iter().all(|v| v.is_finite()))?;
        let covariance = inverse * noise * inverse.transpose() * variance;
        let error = |m: usize| if priors[m] == 0.0 { f64::NAN } else { covariance[(m, m)].sqrt() };
        Some(Step { correction: inverse * right, standard_errors: [2, 3, 4].map(error) })
    }

    /// Derivatives of the re-projection by what an image may change.
    fn derivatives_into(&self, geometry: &Geometry, index: usize, derivatives: &mut [Array2<F>; N]) {
        let Some((slopes, [in_plane, about_j, about_k])) = derivatives.split_first_chunk_mut::<2>() else {
            unreachable!("derivatives by {N} numbers");
        };
        slopes_into(self.reprojection, slopes);
        let [slope_j, slope_k] = slopes;
        let view = &geometry.views[index];
        let [middle_j, middle_k] = geometry.projection_shape.map(|n| 0.5 * n as f64);
        // +1 where p = k × j, as it is by default.
        let Laboratory { p, j, k } = geometry.laboratory;
        let handedness = k.cross(&j).dot(&p).signum();
        for ((a, b), in_plane) in in_plane.indexed_iter_mut() {
            let u = a as f64 + 0.5 - middle_j + view.j_offset;
            let v = b as f64 + 0.5 - middle_k + view.k_offset;
            *in_plane = F::of(handedness * (u * slope_k[[a, b]].f64() - v * slope_j[[a, b]].f64()));
        }
        match &self.turned {
            Some([by_j, by_k]) => {
                about_j.assign(by_j);
                about_k.assign(by_k);
            }
            None => [about_j, about_k].into_iter().for_each(|about| about.fill(F::zero())),
        }
    }
}

/// Takes off corrections, about the laboratory's `[p, j, k]`, what a rotation and an affine deformation `1 + E` of the
/// sample would do to all views: ω = c, and ω = p × E p, which turns the beam as the deformation does. The images
/// hardly tell the second from errors of angles: they show it only by magnification.
fn remove_common(geometry: &Geometry, angles: &mut [Vector3<f64>], params: &AngleParams) {
    let free = [params.in_plane > 0.0, params.out_of_plane > 0.0, params.out_of_plane > 0.0];
    let x: [Vector3<f64>; 3] = [Vector3::x(), Vector3::y(), Vector3::z()];
    // Symmetric E: its trace turns nothing, which the pseudo-inverse sees.
    let deformations: [Matrix3<f64>; 6] = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
        .map(|(a, b)| x[a] * x[b].transpose() + x[b] * x[a].transpose());
    let modes = |i: usize| {
        let directions = geometry.directions(i);
        let axes = [directions.p, directions.j, directions.k];
        SMatrix::<f64, 3, 9>::from_fn(|axis, mode| {
            let omega = if mode < 3 {
                x[mode]
            } else if axis == 0 {
                // Turns the image by the deformation of its own axes, which are not measured.
                return 0.0;
            } else {
                directions.p.cross(&(deformations[mode - 3] * directions.p))
            };
            if free[axis] { axes[axis].dot(&omega) } else { 0.0 }
        })
    };
    let mut normal = SMatrix::<f64, 9, 9>::zeros();
    let mut right = SVector::<f64, 9>::zeros();
    for (i, angle) in angles.iter().enumerate() {
        let modes = modes(i);
        normal += modes.transpose() * modes;
        right += modes.transpose() * angle;
    }
    let eigen = normal.symmetric_eigen();
    let largest = eigen.eigenvalues.amax();
    let mut common = SVector::<f64, 9>::zeros();
    for m in (0..9).filter(|m| eigen.eigenvalues[*m] > 1e-9 * largest) {
        let vector = eigen.eigenvectors.column(m);
        common += vector * (vector.dot(&right) / eigen.eigenvalues[m]);
    }
    for (i, angle) in angles.iter_mut().enumerate() {
        *angle -= modes(i) * common;
    }
}

/// The nearest rotation: products of many steps stay within rounding of one.
fn orthonormal(rotation: Matrix3<f64>) -> Matrix3<f64> {
    // One step of Newton's iteration for the polar factor, from far closer than it needs.
    rotation * (Matrix3::identity() * 1.5 - rotation.transpose() * rotation * 0.5)
}
