//! The displacement of a frame that does not wrap, by least squares over what both frames saw.

use multiversion::multiversion;
use ndarray::{Array2, ArrayView2};

use crate::error::check_shape;
use crate::information::invert_free;
use crate::spline::{ShiftedRow, SplineImage, overlap_range};
use crate::{Error, Real, Result};

/// Which of gain and offset between the images are fitted with the displacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nuisance {
    /// Fit a factor on the reference; else it is 1.
    pub gain: bool,
    /// Fit a constant added to the reference; else it is 0.
    pub offset: bool,
}

/// Two frames of one scene, and what is known of their pixels.
///
/// The model is `moving[r] = gain · reference(r − d) + offset + noise` for every pixel `r` whose place
/// `r − d` lies in the reference frame; other pixels say nothing. The reference is interpolated.
///
/// Without [`slopes`](Self::slopes), the displacement minimises χ²: the maximum-likelihood estimate for a
/// reference without noise. If it has noise, interpolation weakens that between pixels, which χ² takes for
/// agreement; displacements are drawn towards half pixels.
///
/// With slopes `t` of the moving image the displacement solves
///
/// ```text
/// Σ_r w (t − (t·m/m·m) m) · reference(r − d) = 0,   t = ∂moving/∂(y, x), m = moving less its mean
/// ```
///
/// the condition for a maximum of the correlation coefficient with the roles of the images exchanged (the
/// inverse compositional step of S. Baker and I. Matthews, Int. J. Comput. Vis. 56, 221 (2004)). For slopes
/// that leave out the pixel itself, as those from [`slopes`](crate::slopes) do, neither image's noise draws
/// the result anywhere, white or not. Let the moving image then be the quieter one.
#[derive(Debug, Clone)]
pub struct OverlapProblem<'a, F> {
    /// The reference, as splines.
    pub reference: &'a SplineImage<F>,
    /// The moving image.
    pub moving: ArrayView2<'a, F>,
    /// Slopes of the moving image along y and x, or smoothed ones; None for the interpolated reference's.
    pub slopes: Option<[ArrayView2<'a, F>; 2]>,
    /// Weights `1/σ²` of the moving image's pixels, 0 for a missing one; None for 1 everywhere.
    pub weights: Option<ArrayView2<'a, F>>,
    /// Places of the reference that can be trusted, from [`trusted_places`]; None for all.
    pub trusted: Option<ArrayView2<'a, bool>>,
    /// What is fitted beside the displacement.
    pub nuisance: Nuisance,
    /// Variance of the moving image's noise, as far as it is known, else 0: kept out of `m·m` where slopes
    /// are given.
    pub moving_noise: f64,
}

/// What [`OverlapProblem::fit`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverlapFit {
    /// Displacement `(y, x)` px: `moving[r] = reference[r − shift]`.
    pub shift: [f64; 2],
    /// Factor on the reference.
    pub gain: f64,
    /// Constant added to it.
    pub offset: f64,
    /// Weighted sum of squared residuals `Σ w (moving − model)²`.
    pub chi2: f64,
    /// Weighted correlation coefficient of moving image and shifted reference.
    pub correlation: f64,
    /// Pixels with a weight above 0 in the overlap.
    pub count: usize,
    /// `Σ w t tᵀ` with gain and offset profiled out, t the slopes that were given or `∇model`: half the
    /// Hessian of χ² where residuals and slopes are as they should be.
    pub curvature: [[f64; 2]; 2],
    /// Steps became small.
    pub converged: bool,
    /// Passes over the pixels.
    pub passes: usize,
}

impl OverlapFit {
    /// Number of fitted parameters.
    fn parameters(nuisance: Nuisance) -> usize {
        2 + usize::from(nuisance.gain) + usize::from(nuisance.offset)
    }

    /// χ² per degree of freedom; NaN if there is none.
    pub fn reduced_chi2(&self, nuisance: Nuisance) -> f64 {
        let freedom = self.count as f64 - Self::parameters(nuisance) as f64;
        if freedom > 0.0 { self.chi2 / freedom } else { f64::NAN }
    }
}

/// How the residuals of a fit scatter, for a covariance that does not believe in white noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverlapScatter {
    /// `Σ_blocks s sᵀ` with `s = Σ_block w e t`: the variance of `Σ w e t`, whatever the correlation of the
    /// noise within a block.
    pub gradient: [[f64; 2]; 2],
    /// The number of independent blocks that this rests on.
    pub effective_blocks: f64,
    /// `Σ w t ∇modelᵀ`, symmetric part, with gain and offset profiled out: the part of
    /// [`OverlapFit::curvature`] that both images share, noise of the slopes left out.
    pub shared_curvature: [[f64; 2]; 2],
    /// The part of the overlap that was looked at, 1 unless it is large.
    pub part: f64,
}

/// See [`OverlapProblem::residuals`]; of the shape of the moving image.
#[derive(Debug, Clone)]
pub struct OverlapResiduals {
    /// `√w (moving − model)`.
    pub residual: Array2<f64>,
    /// `√w` times the slopes of the model along y and x.
    pub slopes: [Array2<f64>; 2],
}

/// Weighted sums over the overlap, with `f` the shifted reference, `p`, `q` the slopes along y and x and
/// `e` the residual for some gain and offset.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: usize,
    terms: [f64; TERMS],
}

/// The order of [`Sums::terms`].
const TERMS: usize = 15;
const W: usize = 0;
const F1: usize = 1;
const FF: usize = 2;
const E1: usize = 3;
const EF: usize = 4;
const EE: usize = 5;
const P1: usize = 6;
const Q1: usize = 7;
const PF: usize = 8;
const QF: usize = 9;
const PE: usize = 10;
const QE: usize = 11;
const PP: usize = 12;
const PQ: usize = 13;
const QQ: usize = 14;

/// Steps below this leave the pixels that take part as they are, px.
const NEAR: f64 = 0.05;

/// Rows and columns of the moving image that take part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Region {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

/// Row buffers of one fit.
#[derive(Debug, Clone, Default)]
pub struct OverlapScratch<F> {
    row: ShiftedRow<F>,
    weights: Vec<F>,
}

impl<F: Real> OverlapProblem<'_, F> {
    /// Gauss–Newton from `start`, gain and offset eliminated in every step.
    ///
    /// None if fewer than 16 pixels overlap at the start or on the way, or if the reference has no
    /// structure there that could fix the displacement.
    ///
    /// # Errors
    /// [`Error::Shape`] if weights or trusted places have another shape than the image they belong to,
    /// [`Error::Parameter`] if the moving image is not in C order or the start is not finite.
    pub fn fit(&self, start: [f64; 2], scratch: &mut OverlapScratch<F>) -> Result<Option<OverlapFit>> {
        if let Some(weights) = &self.weights {
            check_shape("weights", self.moving.shape(), weights.shape())?;
        }
        let (h, w) = self.reference.shape();
        if let Some(trusted) = &self.trusted {
            check_shape("trusted places", &[h, w], trusted.shape())?;
        }
        let slopes = self.slopes.iter().flatten();
        for (what, image) in std::iter::once(("moving", &self.moving)).chain(slopes.map(|s| ("slopes", s))) {
            check_shape(what, self.moving.shape(), image.shape())?;
            if !image.is_standard_layout() {
                return Err(Error::parameter(what, "in C order (rows contiguous)", "another layout"));
            }
        }
        if start.iter().any(|d| !d.is_finite()) {
            return Err(Error::parameter("start", "finite", format!("{start:?}")));
        }
        Ok(self.descend(start, scratch))
    }

    fn descend(&self, start: [f64; 2], scratch: &mut OverlapScratch<F>) -> Option<OverlapFit> {
        const PASSES: usize = 40;
        const FEWEST: usize = 16;
        let finest = F::epsilon().f64().sqrt().max(1e-7);
        let mut region_shift = start;
        let mut region = self.region(start);
        let mut settled = false;
        let mut state = State { shift: start, gain: 1.0, offset: 0.0 };
        // The first pass only fixes gain and offset.
        let mut best: Option<(State, Profile)> = None;
        let mut last = None;
        let mut step_scale = 1.0;
        let mut converged = false;
        let mut passes = 0;
        while passes < PASSES {
            let sums = self.sums(&region, &state, scratch);
            passes += 1;
            if sums.count < FEWEST {
                return None;
            }
            let profile = Profile::of(&sums, &state, self)?;
            // With given slopes χ² is not what is minimised: it need not fall with every step.
            if let Some((before, last)) = best.filter(|(_, last)| {
                self.slopes.is_none() && profile.mean > (1.0 + 1e-9) * last.mean && passes > 2
            }) {
                // Uphill: go back half the way.
                step_scale *= 0.5;
                if step_scale < 1e-3 {
                    converged = last.newton[0].hypot(last.newton[1]) < 1e-2;
                    state = before;
                    break;
                }
                state = State { shift: moved(before.shift, last.newton, step_scale), ..before };
                continue;
            }
            let here = State { shift: state.shift, gain: profile.gain, offset: profile.offset };
            step_scale = best.map_or(1.0, |(_, before)| self.step_scale(&before.newton, &profile.newton));
            best = Some((here, profile));
            last = best;
            let length = profile.newton[0].hypot(profile.newton[1]);
            state = State { shift: moved(here.shift, profile.newton, step_scale), ..here };
            step_scale = 1.0;
            // A thousandth of the standard error is near enough: what remains shrinks with every pass.
            let small = (1e-3 * profile.standard_error()).clamp(finest, 1e-2);
            if length <= small && settled {
                converged = true;
                break;
            }
            let strayed = (0..2).any(|a| (state.shift[a] - region_shift[a]).abs() > 0.5);
            if strayed || (length <= NEAR && !settled) {
                settled = length <= NEAR;
                (region, region_shift, best) = (self.region(state.shift), state.shift, None);
            }
        }
        let (_, profile) = best.or(last)?;
        Some(OverlapFit {
            shift: state.shift,
            gain: profile.gain,
            offset: profile.offset,
            chi2: profile.chi2,
            correlation: profile.correlation,
            count: profile.count,
            curvature: profile.curvature,
            converged,
            passes,
        })
    }

    /// Noise in given slopes makes every step too short by the same factor, which the last two show
    /// (Aitken); 1 otherwise.
    fn step_scale(&self, before: &[f64; 2], now: &[f64; 2]) -> f64 {
        let dot = |a: &[f64; 2], b: &[f64; 2]| a[0] * b[0] + a[1] * b[1];
        let ratio = dot(now, before) / dot(before, before);
        if self.slopes.is_some() && ratio > 0.0 && ratio < 0.9 { 1.0 / (1.0 - ratio) } else { 1.0 }
    }

    /// Axes along which there is room to move: a single row has a displacement along x only.
    fn free(&self) -> [bool; 2] {
        let (h, w) = self.reference.shape();
        [h > 1 || self.moving.nrows() > 1, w > 1 || self.moving.ncols() > 1]
    }

    /// One more pass at a fit's optimum: how its residuals scatter in blocks of `block` × `block` px.
    pub fn scatter(&self, fit: &OverlapFit, block: usize, scratch: &mut OverlapScratch<F>) -> OverlapScatter {
        let region = self.region(fit.shift);
        let split = self.reference.shift(fit.shift);
        let (gain, offset) = (F::of(fit.gain), F::of(fit.offset));
        let columns = region.columns.clone();
        let per_row = columns.len().div_ceil(block.max(1));
        let mut blocks = vec![[0.0; 4]; per_row];
        let mut totals = Scatter::default();
        // Enough blocks are enough: of a large frame every so many rows of blocks are looked at.
        let block_rows = region.rows.len().div_ceil(block);
        let every = (per_row * block_rows).div_ceil(BLOCKS).min(block_rows.div_ceil(8)).max(1);
        for (i, y) in region.rows.clone().enumerate() {
            if !(i / block).is_multiple_of(every) {
                continue;
            }
            self.reference.shifted_row(&split, y, columns.clone(), &mut scratch.row);
            let moving = self.moving.row(y);
            self.weigh(y, columns.clone(), fit.shift, &mut scratch.weights);
            let row = &scratch.row;
            let [along_y, along_x] = self.slopes_of_row(y, &columns, row);
            for (x, &w) in scratch.weights.iter().enumerate().filter(|(_, w)| **w > F::zero()) {
                let m = moving[columns.start + x];
                let e = (w * (m - gain * row.value[x] - offset)).f64();
                let (p, q, w) = (along_y[x].f64(), along_x[x].f64(), w.f64());
                let sums = &mut blocks[x / block];
                sums[0] += e * p;
                sums[1] += e * q;
                sums[2] += w * p * p;
                sums[3] += w * q * q;
                let model_slopes = [row.slope_y[x].f64(), row.slope_x[x].f64()];
                totals.products.push(w, [m.f64(), p, q, model_slopes[0], model_slopes[1]]);
            }
            if (i + 1).is_multiple_of(block) || i + 1 == region.rows.len() {
                totals.take(&mut blocks);
            }
        }
        totals.finish(fit, block_rows.div_ceil(every) as f64 / block_rows as f64, self)
    }

    /// χ² at the displacement `at`, least over gain and offset, over the pixels that overlap at `about`, which
    /// must be within half a pixel; None as in [`fit`](Self::fit).
    pub fn chi2(&self, at: [f64; 2], about: [f64; 2], scratch: &mut OverlapScratch<F>) -> Option<f64> {
        let state = State { shift: at, gain: 1.0, offset: 0.0 };
        let sums = self.sums(&self.region(about), &state, scratch);
        Profile::of(&sums, &state, self).map(|profile| profile.chi2)
    }

    /// Residuals of a fit and slopes, both times the root of the weight; 0 where nothing overlaps.
    pub fn residuals(&self, fit: &OverlapFit, scratch: &mut OverlapScratch<F>) -> OverlapResiduals {
        let region = self.region(fit.shift);
        let split = self.reference.shift(fit.shift);
        let zeros = || Array2::zeros(self.moving.dim());
        let mut out = OverlapResiduals { residual: zeros(), slopes: [zeros(), zeros()] };
        let columns = region.columns.clone();
        let slope_gain = if self.slopes.is_some() { 1.0 } else { fit.gain };
        for y in region.rows.clone().filter(|_| !columns.is_empty()) {
            self.reference.shifted_row(&split, y, columns.clone(), &mut scratch.row);
            self.weigh(y, columns.clone(), fit.shift, &mut scratch.weights);
            let slopes = self.slopes_of_row(y, &columns, &scratch.row);
            for (x, w) in scratch.weights.iter().enumerate() {
                let (root, at) = (w.f64().sqrt(), [y, columns.start + x]);
                let model = fit.gain * scratch.row.value[x].f64() + fit.offset;
                out.residual[at] = root * (self.moving[at].f64() - model);
                for (out, slope) in out.slopes.iter_mut().zip(slopes) {
                    out[at] = root * slope_gain * slope[x].f64();
                }
            }
        }
        out
    }

    /// The given slopes of one row, or else those that the row was sampled with.
    fn slopes_of_row<'b>(
        &'b self,
        y: usize,
        columns: &std::ops::Range<usize>,
        row: &'b ShiftedRow<F>,
    ) -> [&'b [F]; 2] {
        match &self.slopes {
            None => [&row.slope_y, &row.slope_x],
            Some(given) => given.each_ref().map(|image| columns_of_row(image, y, columns)),
        }
    }

    fn region(&self, shift: [f64; 2]) -> Region {
        let (h, w) = self.reference.shape();
        let range = |n, n_moving, d: f64| {
            // A hair outside the frame its continuation is as good as inside; a displacement that is
            // whole but for rounding keeps its pixels.
            let first = overlap_range(n, n_moving, d - NEAR).start;
            let end = overlap_range(n, n_moving, d + NEAR).end;
            first.min(end)..end
        };
        Region {
            rows: range(h, self.moving.nrows(), shift[0]),
            columns: range(w, self.moving.ncols(), shift[1]),
        }
    }

    /// One pass over the overlap.
    fn sums(&self, region: &Region, state: &State, scratch: &mut OverlapScratch<F>) -> Sums {
        let mut sums = Sums::default();
        if region.columns.is_empty() {
            return sums;
        }
        let split = self.reference.shift(state.shift);
        let (gain, offset) = (F::of(state.gain), F::of(state.offset));
        let columns = region.columns.clone();
        let plain = self.weights.is_none() && self.trusted.is_none();
        for y in region.rows.clone() {
            match self.slopes {
                None => self.reference.shifted_row(&split, y, columns.clone(), &mut scratch.row),
                Some(_) => self.reference.shifted_values(&split, y, columns.clone(), &mut scratch.row),
            }
            let moving = columns_of_row(&self.moving, y, &columns);
            let weights = if plain {
                sums.count += columns.len();
                None
            } else {
                sums.count += self.weigh(y, columns.clone(), state.shift, &mut scratch.weights);
                Some(scratch.weights.as_slice())
            };
            let row = &scratch.row;
            let slopes = self.slopes_of_row(y, &columns, row);
            let terms = terms_of_row(&row.value, slopes, moving, weights, gain, offset);
            for (sum, term) in sums.terms.iter_mut().zip(terms) {
                *sum += term;
            }
        }
        sums
    }

    /// Weights of one row, 0 where the reference cannot be trusted; returns how many are above 0.
    fn weigh(&self, y: usize, columns: std::ops::Range<usize>, shift: [f64; 2], out: &mut Vec<F>) -> usize {
        out.clear();
        out.extend(columns.clone().map(|x| self.weights.map_or(F::one(), |w| w[[y, x]])));
        if let Some(trusted) = self.trusted {
            let (h, w) = trusted.dim();
            let whole = shift.map(|d| (-d).floor() as isize);
            let place =
                |at: usize, whole: isize, n: usize| (at as isize + whole).clamp(0, n as isize - 1) as usize;
            let trusted = trusted.row(place(y, whole[0], h));
            for (weight, x) in out.iter_mut().zip(columns) {
                if !trusted[place(x, whole[1], w)] {
                    *weight = F::zero();
                }
            }
        }
        out.iter().filter(|&&w| w > F::zero()).count()
    }
}

/// Places of a reference whose interpolation needs no missing pixel: `valid` shrunk by the reach of the
/// interpolation. The missing pixels must have been filled with something sensible before.
pub fn trusted_places(valid: ArrayView2<'_, bool>, reach: usize) -> Array2<bool> {
    let (h, w) = valid.dim();
    // A place p is interpolated from pixels p − reach to p + 1 + reach, those beyond the frame aside.
    let window = |i: usize, n: usize| i.saturating_sub(reach)..(i + reach + 2).min(n);
    let mut out = Array2::from_elem((h, w), true);
    let mut missing = vec![0_usize; w + 1];
    // For every column, missing places in the rows of the window.
    let mut column = vec![0_usize; w];
    let mut along_x = Array2::from_elem((h, w), true);
    for (row, mut out) in valid.rows().into_iter().zip(along_x.rows_mut()) {
        for (x, &ok) in row.iter().enumerate() {
            missing[x + 1] = missing[x] + usize::from(!ok);
        }
        for (x, out) in out.iter_mut().enumerate() {
            let window = window(x, w);
            *out = missing[window.end] == missing[window.start];
        }
    }
    let mut counted = 0..0;
    for y in 0..h {
        let window = window(y, h);
        for enters in counted.end..window.end {
            column.iter_mut().zip(along_x.row(enters)).for_each(|(n, ok)| *n += usize::from(!ok));
        }
        for leaves in counted.start..window.start {
            column.iter_mut().zip(along_x.row(leaves)).for_each(|(n, ok)| *n -= usize::from(!ok));
        }
        out.row_mut(y).iter_mut().zip(&column).for_each(|(out, n)| *out = *n == 0);
        counted = window;
    }
    out
}

/// Some columns of a row.
fn columns_of_row<'a, F: Real>(
    image: &'a ArrayView2<'_, F>,
    y: usize,
    columns: &std::ops::Range<usize>,
) -> &'a [F] {
    let width = image.ncols();
    let all = image.as_slice().expect("an image in C order");
    &all[y * width + columns.start..y * width + columns.end]
}

/// Running totals of [`OverlapProblem::scatter`].
#[derive(Debug, Default)]
struct Scatter {
    gradient: [f64; 3],
    /// Sums of the blocks' expected scatter along y and x, and of its square.
    expected: [f64; 2],
    squares: [f64; 2],
    products: Products,
}

/// Weighted sums and sums of products of the moving image m, the slopes t (along y, x) and the slopes a of
/// the interpolated reference.
#[derive(Debug, Default)]
struct Products {
    weight: f64,
    sums: [f64; 5],
    m: [f64; 5],
    /// Of t with t and a.
    slopes: [[f64; 4]; 2],
}

impl Products {
    fn push(&mut self, w: f64, v: [f64; 5]) {
        self.weight += w;
        let [m, p, q, a, b] = v;
        for (sum, v) in self.sums.iter_mut().zip(v) {
            *sum += w * v;
        }
        for (sum, v) in self.m.iter_mut().zip(v) {
            *sum += w * m * v;
        }
        for (sums, t) in self.slopes.iter_mut().zip([p, q]) {
            for (sum, v) in sums.iter_mut().zip([p, q, a, b]) {
                *sum += w * t * v;
            }
        }
    }

    /// `Σ w t tᵀ` and `Σ w t aᵀ` with what m and a constant explain taken out.
    fn curvatures<F: Real>(&self, problem: &OverlapProblem<'_, F>) -> [[[f64; 2]; 2]; 2] {
        let centre = |sum: f64, i: usize, j: usize| {
            if problem.nuisance.offset { sum - self.sums[i] * self.sums[j] / self.weight } else { sum }
        };
        let signal = centre(self.m[0], 0, 0) - problem.moving_noise * self.weight;
        let with_m = |i: usize| centre(self.m[i], 0, i);
        let product = |i: usize, j: usize| {
            let plain = centre(self.slopes[i][j], 1 + i, 1 + j);
            let explained = with_m(1 + i) * with_m(1 + j) / signal;
            if problem.nuisance.gain && explained.is_finite() { plain - explained } else { plain }
        };
        let matrix = |first: usize| std::array::from_fn(|i| std::array::from_fn(|j| product(i, first + j)));
        [matrix(0), matrix(2)]
    }
}

impl Scatter {
    fn take(&mut self, blocks: &mut [[f64; 4]]) {
        for [p, q, pp, qq] in blocks.iter_mut().map(std::mem::take) {
            self.gradient[0] += p * p;
            self.gradient[1] += p * q;
            self.gradient[2] += q * q;
            for (axis, v) in [pp, qq].into_iter().enumerate() {
                self.expected[axis] += v;
                self.squares[axis] += v * v;
            }
        }
    }

    /// With `part` the part of the rows of blocks that was looked at.
    fn finish<F: Real>(self, fit: &OverlapFit, part: f64, problem: &OverlapProblem<'_, F>) -> OverlapScatter {
        let effective = |axis: usize| self.expected[axis].powi(2) / self.squares[axis].max(f64::MIN_POSITIVE);
        let effective_blocks = [0, 1]
            .into_iter()
            .filter(|&a| self.expected[a] > 0.0)
            .map(effective)
            .fold(f64::INFINITY, f64::min);
        // What was looked at stands for all; slopes of the moving image include the gain, those of the
        // reference do not.
        let [curvature, shared] = self.products.curvatures(problem);
        let gain = if problem.slopes.is_some() { 1.0 } else { fit.gain };
        let trace = |m: &[[f64; 2]; 2]| m[0][0] + m[1][1];
        let scale = trace(&fit.curvature) / (gain * gain * trace(&curvature));
        let [yy, yx, xx] = self.gradient.map(|v| gain * gain * scale * v);
        let mixed = 0.5 * (shared[0][1] + shared[1][0]);
        OverlapScatter {
            gradient: [[yy, yx], [yx, xx]],
            effective_blocks,
            shared_curvature: [[shared[0][0], mixed], [mixed, shared[1][1]]]
                .map(|row| row.map(|v| gain * fit.gain * scale * v)),
            part,
        }
    }
}

/// Blocks that [`OverlapProblem::scatter`] looks at, about.
const BLOCKS: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct State {
    shift: [f64; 2],
    gain: f64,
    offset: f64,
}

/// A displacement's best gain and offset, and Newton's step from there.
#[derive(Debug, Clone, Copy)]
struct Profile {
    gain: f64,
    offset: f64,
    chi2: f64,
    /// χ² over the sum of weights.
    mean: f64,
    correlation: f64,
    count: usize,
    curvature: [[f64; 2]; 2],
    newton: [f64; 2],
}

impl Profile {
    /// Solves for gain and offset from the sums about `state`, then for the step with both eliminated
    /// (Schur complement of the normal equations).
    fn of<F: Real>(sums: &Sums, state: &State, problem: &OverlapProblem<'_, F>) -> Option<Profile> {
        let nuisance = problem.nuisance;
        let t = &sums.terms;
        let (w, f) = (t[W], t[F1]);
        // Centred products where an offset is fitted: what is left after removing the mean.
        let centre = |xy: f64, x: f64, y: f64| if nuisance.offset { xy - x * y / w } else { xy };
        let ff = centre(t[FF], f, f);
        let ef = centre(t[EF], t[E1], f);
        let ee = centre(t[EE], t[E1], t[E1]);
        if ff.is_nan() || ff <= 1e-12 * t[FF].abs() {
            return None;
        }
        // moving = state.gain · f + state.offset + e
        let mf = state.gain * ff + ef;
        let mm = state.gain * state.gain * ff + 2.0 * state.gain * ef + ee;
        let correlation = if mm > 0.0 { mf / (mm * ff).sqrt() } else { 0.0 };
        let scale = state.gain * state.gain * t[FF] + t[EE] + state.offset * state.offset * w;
        if !mf.is_finite() || mm <= 1e-12 * scale || mf.abs() <= 1e-6 * (mm * ff).sqrt() {
            return None;
        }
        // Given slopes leave room for noise in the reference, which a regression on it would take for a
        // lower gain; all that the moving image shows is then explained.
        let given = problem.slopes.is_some();
        let signal = if given { mm - problem.moving_noise * w } else { ff };
        if !signal.is_finite() || signal <= 0.0 {
            return None;
        }
        let gain = match (nuisance.gain, given) {
            (false, _) => 1.0,
            (true, false) => mf / ff,
            (true, true) => signal / mf,
        };
        let change = gain - state.gain;
        let offset = state.offset + if nuisance.offset { (t[E1] - change * f) / w } else { 0.0 };
        let chi2 = (ee - 2.0 * change * ef + change * change * ff).max(0.0);
        // Products of the slopes with f and the residual, and with what gain multiplies (f or m).
        let slope = |x1: usize, xf: usize, xe: usize| {
            let (xf, xe) = (centre(t[xf], t[x1], f), centre(t[xe], t[x1], t[E1]));
            [xe - change * xf, if given { state.gain * xf + xe } else { xf }]
        };
        let ([pe, ps], [qe, qs]) = (slope(P1, PF, PE), slope(Q1, QF, QE));
        let project = |xy: f64, xs: f64, ys: f64| if nuisance.gain { xy - xs * ys / signal } else { xy };
        let yx = project(centre(t[PQ], t[P1], t[Q1]), ps, qs);
        let slopes = [
            [project(centre(t[PP], t[P1], t[P1]), ps, ps), yx],
            [yx, project(centre(t[QQ], t[Q1], t[Q1]), qs, qs)],
        ];
        let inverse = invert_free(slopes, problem.free())?;
        // ∂e/∂d is gain · slope of the reference, or the given slope: the step that removes e points against.
        let slope_gain = if given { 1.0 } else { gain };
        let mut newton = inverse.map(|[a, b]| -(a * pe + b * qe) / slope_gain);
        let length = newton[0].hypot(newton[1]);
        if !length.is_finite() {
            return None;
        }
        if length > 0.5 {
            newton = newton.map(|s| 0.5 * s / length);
        }
        let curvature = slopes.map(|row| row.map(|v| slope_gain * slope_gain * v));
        Some(Profile {
            gain,
            offset,
            chi2,
            mean: chi2 / w,
            correlation,
            count: sums.count,
            curvature,
            newton,
        })
    }
}

impl Profile {
    /// The larger standard error of the displacement, px, if residuals are white noise.
    fn standard_error(&self) -> f64 {
        let freedom = (self.count as f64 - 4.0).max(1.0);
        let least = self.curvature[0][0].min(self.curvature[1][1]);
        if least > 0.0 { (self.chi2 / freedom / least).sqrt() } else { 0.0 }
    }
}

fn moved(from: [f64; 2], step: [f64; 2], scale: f64) -> [f64; 2] {
    [from[0] + scale * step[0], from[1] + scale * step[1]]
}

/// The sums of one row, in as many lanes as fill a vector register.
fn terms_of_row<F: Real>(
    f: &[F],
    slopes: [&[F]; 2],
    m: &[F],
    weights: Option<&[F]>,
    gain: F,
    offset: F,
) -> [f64; TERMS] {
    match (weights, size_of::<F>()) {
        (None, 4) => accumulate::<F, false, 8>(f, slopes, m, &[], gain, offset),
        (None, _) => accumulate::<F, false, 4>(f, slopes, m, &[], gain, offset),
        (Some(w), 4) => accumulate::<F, true, 8>(f, slopes, m, w, gain, offset),
        (Some(w), _) => accumulate::<F, true, 4>(f, slopes, m, w, gain, offset),
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn accumulate<F: Real, const WEIGHTED: bool, const LANES: usize>(
    f: &[F],
    [p, q]: [&[F]; 2],
    m: &[F],
    w: &[F],
    gain: F,
    offset: F,
) -> [f64; TERMS] {
    let n = f.len();
    let (p, q, m) = (&p[..n], &q[..n], &m[..n]);
    let w = if WEIGHTED { &w[..n] } else { m };
    let mut sums = [[F::zero(); LANES]; TERMS];
    let add = |sums: &mut [[F; LANES]; TERMS], l: usize, f: F, p: F, q: F, m: F, w: F| {
        let weight = if WEIGHTED { w } else { F::one() };
        let e = m - gain * f - offset;
        let (wf, we, wp, wq) = (weight * f, weight * e, weight * p, weight * q);
        let terms = [
            weight,
            wf,
            wf * f,
            we,
            we * f,
            we * e,
            wp,
            wq,
            wp * f,
            wq * f,
            wp * e,
            wq * e,
            wp * p,
            wp * q,
            wq * q,
        ];
        for t in 0..TERMS {
            sums[t][l] += terms[t];
        }
    };
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        let block = |v: &[F]| -> [F; LANES] { v[start..start + LANES].try_into().expect("as many") };
        let (f, p, q, m, w) = (block(f), block(p), block(q), block(m), block(w));
        for l in 0..LANES {
            add(&mut sums, l, f[l], p[l], q[l], m[l], w[l]);
        }
    }
    for x in whole..n {
        add(&mut sums, x - whole, f[x], p[x], q[x], m[x], w[x]);
    }
    sums.map(|lanes| lanes.iter().map(|v| v.f64()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplineDegree;

    fn field(y: f64, x: f64) -> f64 {
        (0.31 * y + 0.1 * x).sin() + (0.23 * x - 0.05 * y).cos() + 0.5 * (0.4 * y).cos() * (0.35 * x).sin()
    }

    const BOTH: Nuisance = Nuisance { gain: true, offset: true };

    #[test]
    fn finds_displacement_gain_and_offset_of_frames_of_different_size() {
        let (d, gain, offset) = ([5.37, -3.81], 2.5, -1.0);
        let reference = Array2::from_shape_fn((70, 64), |(y, x)| field(y as f64, x as f64));
        let moving =
            Array2::from_shape_fn((60, 66), |(y, x)| gain * field(y as f64 - d[0], x as f64 - d[1]) + offset);
        let spline = SplineImage::new(reference.view(), SplineDegree::Septic).unwrap();
        let problem = OverlapProblem {
            reference: &spline,
            moving: moving.view(),
            weights: None,
            trusted: None,
            nuisance: BOTH,
            slopes: None,
            moving_noise: 0.0,
        };
        let fit = problem.fit([5.0, -4.0], &mut OverlapScratch::default()).unwrap().unwrap();
        assert!(fit.converged);
        for a in 0..2 {
            assert!((fit.shift[a] - d[a]).abs() < 1e-4, "{fit:?}");
        }
        assert!((fit.gain - gain).abs() < 1e-3 && (fit.offset - offset).abs() < 1e-3);
        assert_eq!(fit.count, 54 * 60, "rows 6 to 59 and columns 0 to 59");
    }

    #[test]
    fn a_pixel_without_weight_never_matters() {
        let reference = Array2::from_shape_fn((40, 40), |(y, x)| field(y as f64, x as f64));
        let mut moving = Array2::from_shape_fn((40, 40), |(y, x)| field(y as f64 - 1.3, x as f64 + 0.6));
        let mut weights = Array2::ones((40, 40));
        weights[[20, 21]] = 0.0;
        let spline = SplineImage::new(reference.view(), SplineDegree::Septic).unwrap();
        let mut fits = Vec::new();
        for value in [0.0, 1e6] {
            moving[[20, 21]] = value;
            let problem = OverlapProblem {
                reference: &spline,
                moving: moving.view(),
                weights: Some(weights.view()),
                trusted: None,
                nuisance: BOTH,
                slopes: None,
                moving_noise: 0.0,
            };
            fits.push(problem.fit([1.0, -1.0], &mut OverlapScratch::default()).unwrap().unwrap());
        }
        assert_eq!(fits[0], fits[1]);
        assert!((fits[0].shift[0] - 1.3).abs() < 1e-3);
    }

    #[test]
    fn flat_frames_fix_nothing() {
        let flat = Array2::<f64>::ones((32, 32));
        let spline = SplineImage::new(flat.view(), SplineDegree::Cubic).unwrap();
        let problem = OverlapProblem {
            reference: &spline,
            moving: flat.view(),
            weights: None,
            trusted: None,
            nuisance: BOTH,
            slopes: None,
            moving_noise: 0.0,
        };
        assert_eq!(problem.fit([0.0, 0.0], &mut OverlapScratch::default()).unwrap(), None);
    }
}
