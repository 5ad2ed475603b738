//! The position of a disk from its pixels, at least χ².

use nalgebra::{SMatrix, SVector};
use nonius_core::{Error, Real, Result};
use serde::{Deserialize, Serialize};

use crate::{Ellipse, Template, TemplateParams};

/// How a disk is fitted to pixels.
///
/// The model is a uniform disk on a uniform background,
///
/// ```text
/// I(r) = B + A · d(R − |r − q|)
/// ```
///
/// where d goes from 0 to 1 within a pixel as [`DiskEdge`] says, in the pixels up to R + `margin` from the disk's
/// centre, those of other disks that are looked for left out. A template that is an image is fitted as it is, without an
/// edge and a radius. A, B, q
/// and, within bounds, R are free. As χ² is rough at the scale of a hundredth of a pixel, for pixels enter and leave
/// the edge, `q` is the mean over the likelihood around the minimum rather than the minimum itself. The covariance is
/// the likelihood's, scaled so that χ² per degree of freedom is 1: the scale of the counts need not be known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FitParams {
    /// Width of the ring of background around the disk, px. Default: 2.
    pub margin: f64,
    /// By which part of itself the template's radius may be wrong. Default: 0.15.
    pub radius_tolerance: f64,
    /// Noise of the pixels. Default: whichever suits a frame.
    pub noise: PixelNoise,
    /// Edge of the disks. Default: whichever suits a frame.
    pub edge: DiskEdge,
}

/// How much of a pixel at distance `e` inside of a disk's edge belongs to the disk.
///
/// For a disk of 5 px and 1500 electrons the wrong one of the two makes errors greater by a quarter, and error bars too
/// short by a third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DiskEdge {
    /// The one at which the disks of a frame are likelier; the clearest eight are asked.
    #[default]
    Auto,
    /// `clip(e + ½, 0, 1)`, the edge of templates and of frames made from them.
    Ramp,
    /// The part of the pixel's square that is beyond the edge: what a detector sees that counts whatever falls on its
    /// pixels.
    Area,
}

/// How the variance of pixels depends on what is expected of them; by which factor does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PixelNoise {
    /// The one at which the pixels of a frame's disks are likelier; the clearest eight are asked.
    #[default]
    Auto,
    /// In proportion, as counts of electrons do.
    Counting,
    /// Not at all: noise of the read-out.
    Uniform,
}

impl Default for FitParams {
    fn default() -> Self {
        FitParams { margin: 2.0, radius_tolerance: 0.15, noise: PixelNoise::Auto, edge: DiskEdge::Auto }
    }
}

impl FitParams {
    /// Checks each field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        if !(0.5..=100.0).contains(&self.margin) {
            return Err(Error::parameter("margin", "0.5 to 100 px", self.margin));
        }
        if !(0.0..=0.5).contains(&self.radius_tolerance) {
            return Err(Error::parameter("radius_tolerance", "0 to 0.5", self.radius_tolerance));
        }
        Ok(())
    }
}

/// Outline of a disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DiskShape {
    radius: f64,
    ellipse: Ellipse,
}

impl DiskShape {
    pub(crate) fn new(params: &TemplateParams) -> Self {
        DiskShape { radius: params.radius, ellipse: params.ellipse.unwrap_or_default() }
    }

    /// Greatest distance of the outline from the centre.
    fn extent(&self) -> f64 {
        self.radius * self.ellipse.stretch.max(1.0)
    }

    /// Greatest change of ρ per px.
    fn greatest_slope(&self) -> f64 {
        1.0 / self.ellipse.stretch.min(1.0)
    }

    /// Length of the gradient of ρ, `normal`.
    fn steepness(&self, normal: [f64; 2]) -> f64 {
        if self.ellipse.stretch == 1.0 {
            1.0
        } else {
            (normal[0].powi(2) + normal[1].powi(2)).sqrt().max(1e-9)
        }
    }

    /// ρ² at `(dy, dx)` from the centre, ρ the radius before stretching, and its slopes along y and x.
    fn radius_squared(&self, dy: f64, dx: f64) -> (f64, [f64; 2]) {
        let Ellipse { stretch, angle } = self.ellipse;
        if stretch == 1.0 {
            return (dy * dy + dx * dx, [2.0 * dy, 2.0 * dx]);
        }
        let (sin, cos) = angle.sin_cos();
        let (v, u) = ((dy * cos - dx * sin) / stretch, dx * cos + dy * sin);
        let slopes = [2.0 * (v * cos / stretch + u * sin), 2.0 * (u * cos - v * sin / stretch)];
        (v * v + u * u, slopes)
    }
}

/// Position and its covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fitted {
    pub(crate) position: [f64; 2],
    pub(crate) covariance: [[f64; 2]; 2],
    /// −2 ln L for normal noise of unknown size, up to a constant.
    pub(crate) unlikeliness: f64,
    /// The same of the same disk if the noise were the same for all pixels.
    pub(crate) if_uniform: f64,
}

/// Models that a disk is fitted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Models {
    /// Whether with a ramp for its edge, whether with pixels that count what falls on their area.
    pub(crate) edges: [bool; 2],
    /// Noise is that of counts; else the same for all pixels.
    pub(crate) counting: bool,
}

/// What a template is to a fit.
#[derive(Debug, Clone)]
pub(crate) enum Outline {
    /// A disk, whatever the template makes of it.
    Disk(DiskShape),
    /// The image itself.
    Image(Template),
}

impl Outline {
    pub(crate) fn of(template: &Template) -> Self {
        match template.params() {
            Some(params) => Outline::Disk(DiskShape::new(params)),
            None => Outline::Image(template.clone()),
        }
    }

    /// Greatest distance from the centre that belongs to it.
    pub(crate) fn extent(&self) -> f64 {
        match self {
            Outline::Disk(disk) => disk.extent(),
            Outline::Image(template) => template.extent(),
        }
    }

    /// Radius of what is bright.
    fn radius(&self) -> f64 {
        match self {
            Outline::Disk(disk) => disk.radius,
            Outline::Image(template) => template.radius().unwrap_or(0.5 * template.extent()),
        }
    }

    /// Pixels nearer than this to a neighbour are its own: up to its edge, and somewhat more as its place is not known
    /// well.
    fn keep_off(&self) -> f64 {
        KEEP_OFF
            + match self {
                Outline::Disk(disk) => disk.extent(),
                Outline::Image(_) => self.radius(),
            }
    }

    /// Distance from which on a neighbour shares no pixel with a fit.
    pub(crate) fn reach(&self, margin: f64) -> f64 {
        2.0 * self.extent() + margin + 2.5
    }

    /// Greatest change of ρ per px; 0 if there is no ρ.
    fn greatest_slope(&self) -> f64 {
        match self {
            Outline::Disk(disk) => disk.greatest_slope(),
            Outline::Image(_) => 0.0,
        }
    }

    /// ρ² of a disk.
    fn radius_squared(&self, dy: f64, dx: f64) -> f64 {
        match self {
            Outline::Disk(disk) => disk.radius_squared(dy, dx).0,
            Outline::Image(_) => 0.0,
        }
    }
}

/// An outline and, if it is a disk's, its edge.
#[derive(Debug, Clone, Copy)]
struct Model<'a> {
    outline: &'a Outline,
    area: bool,
}

/// What a pixel is to a disk.
enum Part {
    Outside,
    Inside,
    /// The part of it that belongs, and its slopes in q_y, q_x and R.
    Edge(f64, [f64; 3]),
}

impl Part {
    fn share(&self) -> f64 {
        match self {
            Part::Outside => 0.0,
            Part::Inside => 1.0,
            Part::Edge(d, _) => *d,
        }
    }
}

impl<'a> Model<'a> {
    fn edge(&self, radius: f64, softness: f64) -> Edge<'a> {
        let reach = self.half_width(softness);
        Edge {
            outline: self.outline,
            area: self.area,
            radius,
            softness,
            inside: if radius > reach { (radius - reach).powi(2) } else { 0.0 },
            outside: (radius + reach).powi(2),
        }
    }

    /// How far from radius R a pixel may be for an edge of `softness` to cross it, in units of ρ; infinite if there is
    /// no edge.
    fn half_width(&self, softness: f64) -> f64 {
        match self.outline {
            // From corner to corner.
            Outline::Disk(disk) if self.area => {
                std::f64::consts::FRAC_1_SQRT_2 * softness * disk.greatest_slope()
            }
            Outline::Disk(_) => 0.5 * softness,
            Outline::Image(_) => f64::INFINITY,
        }
    }
}

/// The edge of a disk of some radius.
struct Edge<'a> {
    outline: &'a Outline,
    area: bool,
    radius: f64,
    softness: f64,
    /// ρ² up to which all pixels are inside, and from which on all are outside.
    inside: f64,
    outside: f64,
}

impl Edge<'_> {
    /// What the pixel `(dy, dx)` from the centre is.
    #[inline]
    fn part(&self, dy: f64, dx: f64) -> Part {
        let disk = match self.outline {
            Outline::Disk(disk) => disk,
            Outline::Image(template) => {
                let (value, slopes) = template.value_and_slopes([dy, dx]);
                // The centre moves against the pixel.
                return Part::Edge(value, [-slopes[0], -slopes[1], 0.0]);
            }
        };
        let (rho2, slope) = disk.radius_squared(dy, dx);
        if rho2 >= self.outside {
            return Part::Outside;
        }
        if rho2 <= self.inside {
            return Part::Inside;
        }
        let rho = rho2.sqrt().max(1e-9);
        let normal = slope.map(|s| 0.5 * s / rho);
        let (d, by) = if self.area {
            let steepness = disk.steepness(normal);
            let (d, by) =
                half_plane((self.radius - rho) / (steepness * self.softness), normal.map(|n| n / steepness));
            (d, by / (steepness * self.softness))
        } else {
            ((self.radius - rho) / self.softness + 0.5, 1.0 / self.softness)
        };
        match d {
            ..=0.0 => Part::Outside,
            1.0.. => Part::Inside,
            d => Part::Edge(d, [normal[0] * by, normal[1] * by, by]),
        }
    }

    /// The part of the pixel alone.
    #[inline]
    fn share(&self, dy: f64, dx: f64) -> f64 {
        let disk = match self.outline {
            Outline::Disk(disk) => disk,
            Outline::Image(template) => return template.value_and_slopes([dy, dx]).0,
        };
        let (rho2, slope) = disk.radius_squared(dy, dx);
        if rho2 >= self.outside {
            return 0.0;
        }
        if rho2 <= self.inside {
            return 1.0;
        }
        let rho = rho2.sqrt().max(1e-9);
        if !self.area {
            return ((self.radius - rho) / self.softness + 0.5).clamp(0.0, 1.0);
        }
        let normal = slope.map(|s| 0.5 * s / rho);
        let steepness = disk.steepness(normal);
        half_plane((self.radius - rho) / (steepness * self.softness), normal.map(|n| n / steepness)).0
    }
}

/// The part of a unit square that lies in a half-plane whose edge, of unit normal `n`, is at distance `e` beyond the
/// square's centre, and its derivative in `e`: the integral of two boxes of widths |n_y| and |n_x|, one folded with the
/// other.
fn half_plane(e: f64, n: [f64; 2]) -> (f64, f64) {
    let (long, short) = (n[0].abs().max(n[1].abs()), n[0].abs().min(n[1].abs()));
    let (outer, inner) = (0.5 * (long + short), 0.5 * (long - short));
    let from_corner = outer - e.abs();
    if e.abs() <= inner {
        (0.5 + e / long, 1.0 / long)
    } else if from_corner <= 0.0 {
        (if e > 0.0 { 1.0 } else { 0.0 }, 0.0)
    } else {
        let corner = from_corner * from_corner / (2.0 * long * short);
        (if e > 0.0 { 1.0 - corner } else { corner }, from_corner / (long * short))
    }
}

/// Width of the edge while the disk is approached, px: the basin of the minimum grows with it.
const SOFT: f64 = 2.5;
/// Width of the edge of the model, px.
const SHARP: f64 = 1.0;
/// The least variance, as a part of the greatest: pixels of which nothing is expected are no certainty.
const LEAST_VARIANCE: f64 = 0.02;
/// How far centre and radius may move before the rim is looked for anew, px.
const SLACK: f64 = 0.4;
/// How far around other disks pixels are left out, px.
const KEEP_OFF: f64 = 1.0;
/// Unknowns A, B, q_y, q_x, R.
const N: usize = 5;

/// Pixels of a window; working memory of one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    pixels: Vec<Pixel>,
    rim: Rim,
    /// What Σ w r² is expected to be, in units of a pixel's variance over what is expected of it.
    expected_chi2: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pixel {
    y: f64,
    x: f64,
    value: f64,
    weight: f64,
}

/// The pixels that an edge near some place and radius may cross come first; of the others sums are kept, as all that
/// matters of them is whether they are inside.
#[derive(Debug, Clone, Copy, Default)]
struct Rim {
    n: usize,
    q: [f64; 2],
    radius: f64,
    softness: f64,
    /// Of all pixels, as far as they do not depend on the edge, and of those that are inside for certain.
    levels: Levels,
}

/// Sums over pixels from which A and B follow: weights w, values v, shares d of the disk.
#[derive(Debug, Clone, Copy, Default)]
struct Levels {
    w: f64,
    wv: f64,
    wvv: f64,
    wd: f64,
    wdd: f64,
    wdv: f64,
}

impl Levels {
    fn add(&mut self, &Pixel { value, weight, .. }: &Pixel, d: f64) {
        let wd = weight * d;
        self.wd += wd;
        self.wdd += wd * d;
        self.wdv += wd * value;
    }

    /// A and B at least χ², and χ² there; None where no pixel or all of them belong to the disk.
    fn fit(&self) -> Option<([f64; 2], f64)> {
        let &Levels { w, wv, wvv, wd, wdd, wdv } = self;
        let determinant = wdd * w - wd * wd;
        if determinant.is_nan() || determinant <= 1e-12 * wdd * w {
            return None;
        }
        let [a, b] = [(wdv * w - wd * wv) / determinant, (wdd * wv - wd * wdv) / determinant];
        Some(([a, b], (wvv - a * wdv - b * wv).max(0.0)))
    }
}

/// Sums over a window for one place and radius.
struct Sums {
    /// `Σ w φ φᵀ` for φ = (d, 1, ∂d/∂q_y, ∂d/∂q_x, ∂d/∂R).
    gram: SMatrix<f64, N, N>,
    /// `Σ w φ v`.
    moments: SVector<f64, N>,
    /// A and B at least χ².
    linear: [f64; 2],
    chi2: f64,
}

impl Window {
    /// Takes the live pixels up to `reach` from `center` that are `keep_off` or more from all `others`.
    fn gather<F: Real>(&mut self, place: &Place<'_, F>, center: [f64; 2], reach: f64, keep_off: f64) {
        let &Place { frame, shape: (h, w), live, others, .. } = place;
        self.pixels.clear();
        let range = |c: f64, n: usize| {
            let low = (c - reach).ceil().clamp(0.0, n as f64) as usize;
            low..((c + reach).floor() + 1.0).clamp(low as f64, n as f64) as usize
        };
        let distance_squared = |y: f64, x: f64, o: [f64; 2]| (y - o[0]).powi(2) + (x - o[1]).powi(2);
        for row in range(center[0], h) {
            for column in range(center[1], w) {
                let (y, x, i) = (row as f64, column as f64, row * w + column);
                let value = frame[i].f64();
                if distance_squared(y, x, center) <= reach * reach
                    && value.is_finite()
                    && live.is_none_or(|live| live[i])
                    && others.iter().all(|&o| distance_squared(y, x, o) >= keep_off * keep_off)
                {
                    self.pixels.push(Pixel { y, x, value, weight: 1.0 });
                }
            }
        }
        self.expected_chi2 = self.pixels.len() as f64;
    }

    /// Variance over what is expected, or variance if that is the same for all pixels.
    fn scale(&self, chi2: f64, n_unknowns: usize) -> Option<f64> {
        let freedom = self.expected_chi2 - n_unknowns as f64;
        (freedom > 0.0).then(|| chi2 / freedom)
    }

    /// Brings the pixels of the rim to the front: those that an edge of width `softness` crosses if centre and radius
    /// change by no more than [`SLACK`] together.
    fn find_rim(&mut self, model: &Model<'_>, q: [f64; 2], radius: f64, softness: f64) {
        let reach = model.half_width(softness) + SLACK;
        let low = if radius > reach { (radius - reach).powi(2) } else { 0.0 };
        let high = (radius + reach).powi(2);
        let mut rim = Rim { n: 0, q, radius, softness, levels: Levels::default() };
        for i in 0..self.pixels.len() {
            let pixel = self.pixels[i];
            let Pixel { y, x, value, weight } = pixel;
            rim.levels.w += weight;
            rim.levels.wv += weight * value;
            rim.levels.wvv += weight * value * value;
            let rho2 = model.outline.radius_squared(y - q[0], x - q[1]);
            if (low..=high).contains(&rho2) {
                self.pixels.swap(rim.n, i);
                rim.n += 1;
            } else if rho2 < low {
                rim.levels.add(&pixel, 1.0);
            }
        }
        self.rim = rim;
    }

    /// The pixels that the edge may cross, and the sums of all others.
    fn rim(&mut self, model: &Model<'_>, q: [f64; 2], radius: f64, softness: f64) -> (&[Pixel], Levels) {
        let moved = model.outline.greatest_slope() * (q[0] - self.rim.q[0]).hypot(q[1] - self.rim.q[1]);
        if moved + (radius - self.rim.radius).abs() > SLACK || softness != self.rim.softness {
            self.find_rim(model, q, radius, softness);
        }
        (&self.pixels[..self.rim.n], self.rim.levels)
    }

    /// χ² alone.
    fn chi2(&mut self, model: &Model<'_>, q: [f64; 2], radius: f64, softness: f64) -> Option<f64> {
        let (pixels, mut levels) = self.rim(model, q, radius, softness);
        let edge = model.edge(radius, softness);
        for pixel in pixels {
            levels.add(pixel, edge.share(pixel.y - q[0], pixel.x - q[1]));
        }
        Some(levels.fit()?.1)
    }

    /// One pass: what χ² and its step need.
    fn sums(&mut self, model: &Model<'_>, q: [f64; 2], radius: f64, softness: f64) -> Option<Sums> {
        let (pixels, mut levels) = self.rim(model, q, radius, softness);
        // Rows ∂d/∂q_y, ∂d/∂q_x, ∂d/∂R of the products with φ: only pixels on the edge have them.
        let mut slopes = [[0.0; N]; 3];
        let mut slopes_v = [0.0; 3];
        let edge = model.edge(radius, softness);
        for pixel in pixels {
            let &Pixel { y, x, value: v, weight: w } = pixel;
            let part = edge.part(y - q[0], x - q[1]);
            levels.add(pixel, part.share());
            let Part::Edge(d, g) = part else { continue };
            let phi = [d, 1.0, g[0], g[1], g[2]];
            for (i, &gi) in g.iter().enumerate() {
                for (sum, &p) in slopes[i].iter_mut().zip(&phi) {
                    *sum += w * gi * p;
                }
                slopes_v[i] += w * gi * v;
            }
        }
        let (linear, chi2) = levels.fit()?;
        let Levels { w, wv, wd, wdd, wdv, .. } = levels;
        let mut gram = SMatrix::<f64, N, N>::zeros();
        gram.fixed_view_mut::<2, 2>(0, 0).copy_from_slice(&[wdd, wd, wd, w]);
        for i in 0..3 {
            for j in 0..N {
                gram[(2 + i, j)] = slopes[i][j];
                gram[(j, 2 + i)] = slopes[i][j];
            }
        }
        let moments = SVector::from([wdv, wv, slopes_v[0], slopes_v[1], slopes_v[2]]);
        Some(Sums { gram, moments, linear, chi2 })
    }

    /// `n ln χ² − Σ ln w`.
    fn unlikeliness(&self, chi2: f64) -> f64 {
        let n = self.pixels.len() as f64;
        n * chi2.max(f64::MIN_POSITIVE).ln() - self.pixels.iter().map(|p| p.weight.ln()).sum::<f64>()
    }

    /// Unlikeliness at uniform noise, A and B at their best.
    fn unlikeliness_if_uniform(&self, model: &Model<'_>, q: [f64; 2], radius: f64) -> Option<f64> {
        let edge = model.edge(radius, SHARP);
        let mut levels = Levels::default();
        for &Pixel { y, x, value, .. } in &self.pixels {
            levels.w += 1.0;
            levels.wv += value;
            levels.wvv += value * value;
            levels.add(&Pixel { y, x, value, weight: 1.0 }, edge.share(y - q[0], x - q[1]));
        }
        let chi2 = levels.fit()?.1.max(f64::MIN_POSITIVE);
        Some(self.pixels.len() as f64 * chi2.ln())
    }

    /// Weights 1/variance, the variance as the model expects it.
    fn weigh(&mut self, model: &Model<'_>, q: [f64; 2], radius: f64, softness: f64, [a, b]: [f64; 2]) {
        let edge = model.edge(radius, softness);
        let expected = |pixel: &Pixel| b + a * edge.share(pixel.y - q[0], pixel.x - q[1]);
        let greatest = self.pixels.iter().map(expected).fold(0.0, f64::max);
        if greatest <= 0.0 {
            return;
        }
        self.expected_chi2 = 0.0;
        for pixel in &mut self.pixels {
            let variance = expected(pixel).max(0.0);
            pixel.weight = 1.0 / variance.max(LEAST_VARIANCE * greatest);
            // Less than 1 of dark pixels: where nothing is expected nothing scatters.
            self.expected_chi2 += variance * pixel.weight;
        }
    }
}

impl Sums {
    /// Normal matrix and right-hand side of Gauss–Newton's step in (A, B, q_y, q_x, R).
    fn normal(&self) -> (SMatrix<f64, N, N>, SVector<f64, N>) {
        let [a, b] = self.linear;
        let scale = SVector::from([1.0, 1.0, a, a, a]);
        let residual = self.moments - self.gram * SVector::from([a, b, 0.0, 0.0, 0.0]);
        (self.gram.component_mul(&(scale * scale.transpose())), residual.component_mul(&scale))
    }
}

/// Levenberg's and Marquardt's descent from `q`, `radius`; the sums at the end.
fn descend(
    window: &mut Window,
    model: &Model<'_>,
    q: &mut [f64; 2],
    radius: &mut f64,
    softness: f64,
    radii: Option<[f64; 2]>,
) -> Option<Sums> {
    const STEPS: usize = 15;
    window.find_rim(model, *q, *radius, softness);
    let mut here = window.sums(model, *q, *radius, softness)?;
    let mut damping = 1e-3;
    for _ in 0..STEPS {
        let (normal, right) = here.normal();
        let mut next = None;
        for _ in 0..6 {
            let mut damped = normal;
            for i in 0..N {
                damped[(i, i)] *= 1.0 + damping;
            }
            let Some(step) = solve(damped, right, radii.is_some()) else { break };
            let there = [q[0] + step[2].clamp(-1.0, 1.0), q[1] + step[3].clamp(-1.0, 1.0)];
            let r = radii.map_or(*radius, |[low, high]| (*radius + step[4]).clamp(low, high));
            match window.sums(model, there, r, softness) {
                Some(sums) if sums.chi2 < here.chi2 => {
                    next = Some((there, r, sums));
                    break;
                }
                _ => damping *= 8.0,
            }
        }
        let Some((there, r, sums)) = next else { break };
        damping *= 0.2;
        let gain = here.chi2 - sums.chi2;
        (*q, *radius, here) = (there, r, sums);
        if gain <= 1e-6 * here.chi2 {
            break;
        }
    }
    Some(here)
}

/// The step, that of the radius 0 if it is held.
fn solve(
    normal: SMatrix<f64, N, N>,
    right: SVector<f64, N>,
    radius_is_free: bool,
) -> Option<SVector<f64, N>> {
    if radius_is_free && let Some(all) = normal.cholesky() {
        return Some(all.solve(&right));
    }
    let four = normal.fixed_view::<4, 4>(0, 0).into_owned().cholesky()?;
    let step = four.solve(&right.fixed_rows::<4>(0).into_owned());
    Some(SVector::from([step[0], step[1], step[2], step[3], 0.0]))
}

/// Where a disk is fitted.
pub(crate) struct Place<'a, F> {
    pub(crate) frame: &'a [F],
    pub(crate) shape: (usize, usize),
    pub(crate) live: Option<&'a [bool]>,
    pub(crate) start: [f64; 2],
    /// Other disks that may share pixels with this one.
    pub(crate) others: &'a [[f64; 2]],
}

/// Fits the disk that stands near a place, once for each kind of edge that the models have. None where the fit finds no
/// disk brighter than its surroundings near the start.
pub(crate) fn fit_disk<F: Real>(
    place: &Place<'_, F>,
    outline: &Outline,
    models: Models,
    params: &FitParams,
    window: &mut Window,
) -> [Option<Fitted>; 2] {
    // A wide edge has no shape of its own.
    let soft = Model { outline, area: false };
    let mut q = place.start;
    let mut radius = outline.radius();
    let reach = outline.extent() + params.margin;
    window.gather(place, place.start, reach + 1.0, outline.keep_off());
    let Some(approached) = descend(window, &soft, &mut q, &mut radius, SOFT, None) else {
        return [None; 2];
    };
    [false, true].map(|area| {
        if !models.edges[usize::from(area)] {
            return None;
        }
        window.gather(place, q, reach, outline.keep_off());
        if models.counting {
            window.weigh(&soft, q, radius, SOFT, approached.linear);
        }
        from_approach(place.start, &Model { outline, area }, models.counting, q, params, window)
    })
}

/// The fit of the pixels of a window whose disk was approached to `q`.
fn from_approach(
    start: [f64; 2],
    model: &Model<'_>,
    counting: bool,
    mut q: [f64; 2],
    params: &FitParams,
    window: &mut Window,
) -> Option<Fitted> {
    let size = model.outline.radius();
    let mut radius = size;
    let t = params.radius_tolerance;
    let free = t > 0.0 && matches!(model.outline, Outline::Disk(_));
    let radii = free.then_some([(1.0 - t) * size, (1.0 + t) * size]);
    let mut least = descend(window, model, &mut q, &mut radius, SHARP, radii)?;
    if counting {
        window.weigh(model, q, radius, SHARP, least.linear);
        least = descend(window, model, &mut q, &mut radius, SHARP, radii)?;
    }
    let away = (q[0] - start[0]).hypot(q[1] - start[1]);
    if least.linear[0] <= 0.0 || away > 0.5 * size + 1.0 {
        return None;
    }
    average(window, model, q, radius, &least, radii.is_some())
}

/// Mean and covariance of the likelihood `exp(−χ²/2s²)`, s² = χ² per degree of freedom, over a grid of ±2.5 standard
/// deviations, A and B at their best at each place.
fn average(
    window: &mut Window,
    model: &Model<'_>,
    q: [f64; 2],
    radius: f64,
    least: &Sums,
    radius_is_free: bool,
) -> Option<Fitted> {
    const SIDE: i32 = 2;
    const SPACING: f64 = 1.25;
    let s2 = window.scale(least.chi2, if radius_is_free { N } else { N - 1 })?;
    let unlikeliness = window.unlikeliness(least.chi2);
    let if_uniform = window.unlikeliness_if_uniform(model, q, radius).unwrap_or(f64::INFINITY);
    let inverse = covariance(least.normal().0, radius_is_free)?;
    let covariance = inverse.map(|row| row.map(|c| s2 * c));
    let sigma = [covariance[0][0].sqrt(), covariance[1][1].sqrt()];
    // Noiseless pixels; or an edge that no grid of this kind describes.
    if s2 <= 0.0 || sigma.iter().any(|s| !(1e-7..0.5).contains(s)) {
        return Some(Fitted { position: q, covariance, unlikeliness, if_uniform });
    }
    let (mut mass, mut first, mut second) = (0.0, [0.0; 2], [[0.0; 2]; 2]);
    for i in -SIDE..=SIDE {
        for j in -SIDE..=SIDE {
            let d = [SPACING * f64::from(i) * sigma[0], SPACING * f64::from(j) * sigma[1]];
            let Some(chi2) = window.chi2(model, [q[0] + d[0], q[1] + d[1]], radius, SHARP) else { continue };
            let p = (-0.5 * (chi2 - least.chi2) / s2).min(700.0).exp();
            mass += p;
            for a in 0..2 {
                first[a] += p * d[a];
                for b in 0..2 {
                    second[a][b] += p * d[a] * d[b];
                }
            }
        }
    }
    let mean = first.map(|m| m / mass);
    let spread = [0, 1].map(|a| [0, 1].map(|b| second[a][b] / mass - mean[a] * mean[b]));
    let trusted = spread[0][0] > 0.0 && spread[1][1] > 0.0 && mean.iter().all(|m| m.is_finite());
    Some(if trusted {
        Fitted { position: [q[0] + mean[0], q[1] + mean[1]], covariance: spread, unlikeliness, if_uniform }
    } else {
        Fitted { position: q, covariance, unlikeliness, if_uniform }
    })
}

/// The position's block of the inverse.
fn covariance(normal: SMatrix<f64, N, N>, radius_is_free: bool) -> Option<[[f64; 2]; 2]> {
    let inverse = if radius_is_free && let Some(all) = normal.cholesky() {
        all.inverse().fixed_view::<4, 4>(0, 0).into_owned()
    } else {
        normal.fixed_view::<4, 4>(0, 0).into_owned().cholesky()?.inverse()
    };
    Some([[inverse[(2, 2)], inverse[(2, 3)]], [inverse[(3, 2)], inverse[(3, 3)]]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted on a fine raster.
    #[test]
    fn half_planes_cover_what_they_cover() {
        const FINE: i32 = 400;
        for angle in [0.0, 0.3, std::f64::consts::FRAC_PI_4, 1.2, 2.5] {
            let (sin, cos) = f64::sin_cos(angle);
            for e in [-0.8, -0.55, -0.3, 0.0, 0.1, 0.45, 0.6, 0.75] {
                let place = |i: i32| (f64::from(i) + 0.5) / f64::from(FINE) - 0.5;
                let covered =
                    (0..FINE * FINE).filter(|i| place(i / FINE) * sin + place(i % FINE) * cos <= e).count();
                let expected = covered as f64 / f64::from(FINE * FINE);
                let (part, slope) = half_plane(e, [sin, cos]);
                assert!((part - expected).abs() < 3e-3, "{angle} {e}: {part}, counted {expected}");
                let step = 1e-6;
                let difference = half_plane(e + step, [sin, cos]).0 - half_plane(e - step, [sin, cos]).0;
                assert!((difference / (2.0 * step) - slope).abs() < 1e-4, "{angle} {e}");
            }
        }
    }
}
