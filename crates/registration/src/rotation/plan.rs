//! Registration of pairs that differ by rotation, scale and displacement.

use nalgebra::SMatrix;
use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Moments, Real, Result, check_shape};
use serde::{Deserialize, Serialize};

use super::SimilarityParams;
use super::level::Level;
use super::placement::{Placed, Placement};
use super::pose::{Linear, Pose};
use super::refine::{Fit, Problem};
use super::spectra::Spectra;
use crate::Status;

/// A pose that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Angle, scale and displacement.
    pub pose: Pose,
    /// Correlation coefficient of the images under this pose, at the resolution of the last step that it
    /// took part in.
    pub score: f64,
}

/// Rotation, scale and displacement between two images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// Rotation of the moving image's content about the centre of the frame, degrees within ±180;
    /// positive turns +y towards +x. NaN if undetermined.
    pub angle: f64,
    /// Magnification of the content. NaN if undetermined.
    pub scale: f64,
    /// Displacement `(y, x)` px that follows rotation and scale, see [`Pose`]. NaN if undetermined.
    pub shift: [f64; 2],
    /// Covariance in the order angle (degrees), scale, y, x (px), from the residuals of the fit; that
    /// neighbouring residuals are alike (smoothing, detail that only one image resolves) is allowed for.
    /// NaN if undetermined or not refined.
    pub covariance: [[f64; 4]; 4],
    /// Correlation coefficient of both images over what both show, 0 to 1. NaN if undetermined.
    pub score: f64,
    /// Pixels compared.
    pub overlap: usize,
    /// How far to believe it. [`Status::Ambiguous`] if another pose correlates nearly as well;
    /// [`Status::AtSearchLimit`] if the scale lies at the border of those allowed.
    pub status: Status,
    /// Distinct poses that were compared at the end, best first; the first is the result. Poses that fell
    /// far behind at reduced resolution are not among them.
    pub candidates: Vec<Candidate>,
}

impl Similarity {
    /// Angle, scale and shift, to move images with.
    pub fn pose(&self) -> Pose {
        Pose { angle: self.angle, scale: self.scale, shift: self.shift }
    }

    /// Standard errors of angle (degrees), scale, y and x (px): roots of the diagonal of the covariance.
    pub fn errors(&self) -> [f64; 4] {
        std::array::from_fn(|i| self.covariance[i][i].sqrt())
    }

    fn undetermined() -> Self {
        Similarity {
            angle: f64::NAN,
            scale: f64::NAN,
            shift: [f64::NAN; 2],
            covariance: [[f64::NAN; 4]; 4],
            score: f64::NAN,
            overlap: 0,
            status: Status::Undetermined,
            candidates: Vec::new(),
        }
    }
}

/// Shortest side of a frame, px.
const SHORTEST: usize = 16;

/// Samples along the longer side at which candidates are placed.
const PLACING: f64 = 64.0;

/// Candidates that are refined beyond the lowest resolution.
const REFINED: usize = 2;

/// All that can be made ready before the images are there: windows, transforms, rays.
///
/// The spectra propose angles and scales; each, and half a turn more, is placed on the moving image by
/// normalised correlation at reduced resolution; the best are refined by least squares on the pixels, from coarse
/// to fine. A plan is immutable and may be shared between threads.
///
/// Measured on 144 windows of 18 photographs, micrographs and sky images, 61 to 256 px, any angle, scale
/// 0.7 to 1.4, shift up to 8 % of the side, noise 2 % of the contrast in both: median error 0.0007° and
/// 2e-5 in scale, worst 0.013° and 0.003, none missed. The spectra alone: median 0.02° and 8e-4.
///
/// ```
/// use nonius_registration::rotation::{SimilarityParams, SimilarityPlan};
/// use nonius_synthetic::{Boundary, Content, ImagePairParams, Motion, SceneParams};
///
/// let pair = ImagePairParams {
///     scene: SceneParams {
///         shape: [96, 96],
///         content: Content::SourceField { density: 0.01, sigma: [1.5, 4.0] },
///         boundary: Boundary::Open { margin: 80 },
///         ..Default::default()
///     },
///     motion: Motion { angle: 123.4, scale: 1.1, shift: [3.5, -2.0] },
///     seed: 1,
///     ..Default::default()
/// }
/// .generate()?;
/// let plan = SimilarityPlan::new((96, 96), SimilarityParams::default())?;
/// let found = plan.register(pair.reference.view(), pair.moving.view())?;
/// assert!((found.angle - 123.4).abs() < 0.02 && (found.scale - 1.1).abs() < 2e-4);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug)]
pub struct SimilarityPlan {
    shape: (usize, usize),
    params: SimilarityParams,
    spectra: Spectra,
    /// Px between the samples of the coarse grid.
    step: f64,
}

impl SimilarityPlan {
    /// Plans the registration of images of shape `(y, x)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for parameters that cannot be, or a side shorter than 16 px.
    pub fn new(shape: (usize, usize), params: SimilarityParams) -> Result<Self> {
        params.validate()?;
        if shape.0.min(shape.1) < SHORTEST {
            return Err(Error::parameter(
                "image shape",
                "at least 16 by 16 px for rotation and scale",
                format!("[{}, {}]", shape.0, shape.1),
            ));
        }
        if params.max_frequency * (shape.0.min(shape.1) as f64) < 1.5 * params.min_cycles {
            return Err(Error::parameter(
                "min_cycles",
                "at most two thirds of max_frequency times the shorter side",
                params.min_cycles,
            ));
        }
        let step = (shape.0.max(shape.1) as f64 / PLACING).max(1.0);
        Ok(SimilarityPlan { shape, params, spectra: Spectra::new(shape, &params)?, step })
    }

    /// Rotation, scale and displacement of the content of `moving` against `reference`, both of the
    /// plan's shape `(y, x)`.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::NotFinite`] for NaN or infinity. Images that fix no pose are no error
    /// but have the status [`Undetermined`](Status::Undetermined).
    pub fn register<F: Real>(
        &self,
        reference: ArrayView2<'_, F>,
        moving: ArrayView2<'_, F>,
    ) -> Result<Similarity> {
        check_shape("reference", &[self.shape.0, self.shape.1], reference.shape())?;
        check_shape("moving", &[self.shape.0, self.shape.1], moving.shape())?;
        let moments = [Moments::of("reference", reference)?, Moments::of("moving", moving)?];
        if moments.iter().any(Moments::is_constant) {
            return Ok(Similarity::undetermined());
        }
        let (reference, moving) = (normalised(reference, &moments[0]), normalised(moving, &moments[1]));
        let images = [reference, moving];
        let degree = self.params.degree;
        let coarse = Level::reduced(&images, self.step, degree)?;
        let placed = self.place(&images, &coarse)?;
        if !self.params.refine {
            return Ok(self.unrefined(&coarse, &placed));
        }
        let mut tried = Vec::new();
        for placed in placed.iter().take(PLACED) {
            add(&mut tried, self.try_pose(&coarse, coarse.leave(placed.pose)));
        }
        let mut step = self.step / 2.0;
        while step > 1.4 {
            tried = self.again(&Level::reduced(&images, step, degree)?, &tried);
            step /= 2.0;
        }
        let fine = Level::full(&images, self.params.smoothing, degree)?;
        let tried = self.again(&fine, &tried);
        Ok(tried.first().map_or_else(Similarity::undetermined, |best| self.result(best, &fine, &tried)))
    }

    /// What the spectra propose, each with the displacement that fits best, best first.
    fn place(&self, images: &[Array2<f64>; 2], coarse: &Level) -> Result<Vec<Placed>> {
        let [reference, moving] = images;
        let proposals = self
            .spectra
            .propose(&self.spectra.log_polar(reference.view())?, &self.spectra.log_polar(moving.view())?)?;
        let placement = Placement::new(coarse.images[1].view(), self.params.min_overlap)?;
        let mut scratch = placement.scratch();
        let mut placed = Vec::new();
        for proposal in proposals {
            // Spectra are the same after half a turn; the images tell.
            for angle in [proposal.angle, proposal.angle + 180.0] {
                let turn = Linear::of(&Pose { angle, scale: proposal.scale, shift: [0.0; 2] });
                placed.extend(placement.place(&coarse.surfaces[0], &turn, &mut scratch)?);
            }
        }
        placed.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
        Ok(placed)
    }

    /// Refines one pose on images of one resolution.
    ///
    /// The image that shows the scene more coarsely is interpolated: sampling the finer one as coarsely
    /// would alias. Swapping the images then inverts the result.
    fn try_pose(&self, level: &Level, start: Linear) -> Option<Tried> {
        let magnified = start.scale() > 1.0;
        let start = level.enter(start);
        let fit = self.problem(level, magnified).fit(if magnified { start.inverse() } else { start })?;
        let pose = level.leave(if magnified { fit.map.inverse() } else { fit.map });
        Some(Tried { pose, fit, magnified })
    }

    fn problem<'a>(&self, level: &'a Level, magnified: bool) -> Problem<'a> {
        let (model, data) = if magnified { (0, 1) } else { (1, 0) };
        let (h, w) = level.shape();
        Problem {
            model: &level.surfaces[model],
            data: level.images[data].view(),
            margin: level.margin,
            least: (self.params.min_overlap * (h * w) as f64) as usize,
        }
    }

    /// Refines the best of those that were tried at another resolution, and its rivals.
    fn again(&self, level: &Level, tried: &[Tried]) -> Vec<Tried> {
        let Some(best) = tried.first() else { return Vec::new() };
        let least = RIVAL * fisher_z(best.fit.correlation);
        let mut list = Vec::new();
        for t in tried.iter().take(REFINED).filter(|t| fisher_z(t.fit.correlation) >= least) {
            add(&mut list, self.try_pose(level, t.pose));
        }
        list
    }

    fn unrefined(&self, coarse: &Level, placed: &[Placed]) -> Similarity {
        let candidate = |p: &Placed| Candidate { pose: coarse.leave(p.pose).pose(), score: p.score };
        let candidates: Vec<_> = placed.iter().take(PLACED).map(candidate).collect();
        let Some(&Candidate { pose, score }) = candidates.first() else { return Similarity::undetermined() };
        let Pose { angle, scale, shift } = pose;
        let rival = candidates.iter().find(|c| !c.pose.is_near(&pose)).map_or(0.0, |c| c.score);
        let status = self.status(scale, score, rival);
        Similarity { angle, scale, shift, score, status, candidates, ..Similarity::undetermined() }
    }

    fn status(&self, scale: f64, score: f64, rival: f64) -> Status {
        if scale < self.params.min_scale || scale > self.params.max_scale {
            Status::AtSearchLimit
        } else if fisher_z(rival) > CLEARLY * fisher_z(score) {
            Status::Ambiguous
        } else {
            Status::Converged
        }
    }

    fn result(&self, best: &Tried, level: &Level, all: &[Tried]) -> Similarity {
        let Pose { angle, scale, shift } = best.pose.pose();
        let candidates: Vec<_> =
            all.iter().map(|t| Candidate { pose: t.pose.pose(), score: t.fit.correlation }).collect();
        let rival = all.get(1).map_or(0.0, |t| t.fit.correlation);
        let status = match self.status(scale, best.fit.correlation, rival) {
            Status::Converged if !best.fit.converged => Status::Ambiguous,
            status => status,
        };
        Similarity {
            angle,
            scale,
            shift,
            covariance: best.covariance(&self.problem(level, best.magnified)),
            score: best.fit.correlation,
            overlap: best.fit.count,
            status,
            candidates,
        }
    }
}

/// Fisher's z of a correlation coefficient, finite for perfect copies, too.
fn fisher_z(correlation: f64) -> f64 {
    correlation.min(0.999).atanh()
}

/// A pose that reaches this part of the best one's correlation (by Fisher's z) is refined further.
const RIVAL: f64 = 0.5;

/// A pose whose rival reaches this part of its correlation (by Fisher's z) is ambiguous.
const CLEARLY: f64 = 0.8;

/// Placed candidates that are refined at reduced resolution.
const PLACED: usize = 6;

/// A refined pose.
#[derive(Debug, Clone, Copy)]
struct Tried {
    pose: Linear,
    fit: Fit,
    /// The reference is the model, and the fitted map leads from the moving image to it.
    magnified: bool,
}

impl Tried {
    fn evidence(&self) -> f64 {
        -(self.fit.count as f64) * (1.0 - self.fit.correlation.powi(2)).max(1e-12).ln()
    }

    /// Covariance of angle (degrees), scale, y, x, from that of the fitted map.
    fn covariance(&self, problem: &Problem<'_>) -> [[f64; 4]; 4] {
        let j = self.jacobian();
        let c = j * problem.covariance(&self.fit) * j.transpose();
        std::array::from_fn(|i| std::array::from_fn(|k| c[(i, k)]))
    }

    /// Derivatives of (angle, scale, y, x) by `(a, b, t_y, t_x)` of the fitted map.
    fn jacobian(&self) -> SMatrix<f64, 4, 4> {
        let Linear { a, b, .. } = self.fit.map;
        let norm = a * a + b * b;
        let degrees = 1.0_f64.to_degrees();
        let mut j = SMatrix::<f64, 4, 4>::identity();
        let angle = [-b / norm * degrees, a / norm * degrees];
        let scale = [a / norm.sqrt(), b / norm.sqrt()];
        for i in 0..2 {
            // The inverse map turns the other way and has the inverse scale.
            (j[(0, i)], j[(1, i)]) =
                if self.magnified { (-angle[i], -scale[i] / norm) } else { (angle[i], scale[i]) };
        }
        if self.magnified {
            // shift = −A⁻¹ t: ∂shift/∂t = −A⁻¹, ∂shift/∂a = −A⁻¹ shift, ∂shift/∂b = −A⁻¹ J shift.
            let back = Linear { t: [0.0; 2], ..self.pose };
            let [dy, dx] = self.pose.t;
            for (column, v) in [[dy, dx], [-dx, dy], [1.0, 0.0], [0.0, 1.0]].into_iter().enumerate() {
                let [y, x] = back.turn(v);
                (j[(2, column)], j[(3, column)]) = (-y, -x);
            }
        }
        j
    }
}

/// Keeps the list sorted by evidence, each pose once.
fn add(list: &mut Vec<Tried>, new: Option<Tried>) {
    let Some(new) = new.filter(|n| n.fit.correlation > 0.0) else { return };
    let pose = new.pose.pose();
    let same = |t: &Tried| t.pose.pose().is_near(&pose);
    if let Some(i) = list.iter().position(same) {
        if list[i].evidence() >= new.evidence() {
            return;
        }
        list.remove(i);
    }
    let at = list.iter().position(|t| new.evidence() > t.evidence()).unwrap_or(list.len());
    list.insert(at, new);
}

/// The image less its mean, over its deviation.
fn normalised<F: Real>(image: ArrayView2<'_, F>, moments: &Moments) -> Array2<f64> {
    image.mapv(|v| (v.f64() - moments.mean) / moments.deviation)
}

/// Rotation, scale and displacement of one pair: [`SimilarityPlan::new`] and
/// [`register`](SimilarityPlan::register) in one call.
///
/// # Errors
/// As these.
pub fn register_similarity<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    params: &SimilarityParams,
) -> Result<Similarity> {
    SimilarityPlan::new(reference.dim(), *params)?.register(reference, moving)
}
