//! Interpolation by B-splines, for frames that do not wrap.

use multiversion::multiversion;
use ndarray::{Array2, ArrayView2, s};
use serde::{Deserialize, Serialize};

use crate::error::{check_finite, check_not_empty};
use crate::{Error, Real, Result};

/// Degree of a B-spline. The higher, the closer to the ideal (sinc) interpolation of what the pixels
/// resolve: at three quarters of the Nyquist frequency a half-pixel shift is off by 20, 9, 3 and 1 % for
/// degrees 3, 5, 7 and 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplineDegree {
    /// Degree 1: linear interpolation.
    Linear,
    /// Degree 3.
    Cubic,
    /// Degree 5.
    Quintic,
    /// Degree 7, the default.
    #[default]
    Septic,
    /// Degree 9.
    Nonic,
}

/// The largest number of coefficients that one value takes along an axis.
const MAX_TAPS: usize = 10;

impl SplineDegree {
    /// Coefficients that one value takes along an axis: degree + 1.
    pub fn taps(self) -> usize {
        match self {
            SplineDegree::Linear => 2,
            SplineDegree::Cubic => 4,
            SplineDegree::Quintic => 6,
            SplineDegree::Septic => 8,
            SplineDegree::Nonic => 10,
        }
    }

    /// Poles inside the unit circle of the filter that turns samples into coefficients.
    fn poles(self) -> &'static [f64] {
        match self {
            SplineDegree::Linear => &[],
            SplineDegree::Cubic => &[-0.267_949_192_431_122_7],
            SplineDegree::Quintic => &[-0.430_575_347_099_973_8, -0.043_096_288_203_264_65],
            SplineDegree::Septic => {
                &[-0.535_280_430_796_438_2, -0.122_554_615_192_326_69, -0.009_148_694_809_608_277]
            }
            SplineDegree::Nonic => &[
                -0.607_997_389_168_625_8,
                -0.201_750_520_193_153_24,
                -0.043_222_608_540_481_75,
                -0.002_121_306_903_180_818,
            ],
        }
    }

    /// Pixels after which the coefficients have forgotten a sample, to 1e-4 of it.
    pub fn reach(self) -> usize {
        match self {
            SplineDegree::Linear => 1,
            SplineDegree::Cubic => 7,
            SplineDegree::Quintic => 11,
            SplineDegree::Septic => 15,
            SplineDegree::Nonic => 19,
        }
    }
}

/// Weights of the coefficients for one fraction of a pixel, and their derivatives.
#[derive(Debug, Clone, Copy)]
struct Weights<F> {
    value: [F; MAX_TAPS],
    derivative: [F; MAX_TAPS],
}

impl<F: Real> Weights<F> {
    /// For the fraction `t` in [0, 1): the B-splines of `degree` that are not zero there.
    ///
    /// Recurrence of de Boor and Cox on unit knots; `β_n'(x) = β_{n−1}(x+½) − β_{n−1}(x−½)`.
    fn at(degree: SplineDegree, t: f64) -> Self {
        let n = degree.taps() - 1;
        let mut basis = [0.0; MAX_TAPS];
        let mut lower = basis;
        basis[0] = 1.0;
        for d in 1..=n {
            lower = basis;
            let mut saved = 0.0;
            for r in 0..d {
                let part = basis[r] / d as f64;
                basis[r] = saved + (r as f64 + 1.0 - t) * part;
                saved = (t + (d - 1 - r) as f64) * part;
            }
            basis[d] = saved;
        }
        let derivative = std::array::from_fn(|j| {
            F::of(if j > 0 { lower[j - 1] } else { 0.0 } - if j < n { lower[j] } else { 0.0 })
        });
        Weights { value: basis.map(F::of), derivative }
    }
}

/// What interpolation makes of white noise, see [`SplineImage::noise_gain`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseGain {
    /// Variance of the interpolated noise.
    pub variance: f64,
    /// Variance of its slopes along y and x, px⁻².
    pub slope: [f64; 2],
}

/// Mean power over all frequencies of interpolating value and slope along one axis, at the fraction `t`:
/// `|Σ w_j(t) e^(−iωj) / Σ w_j(0) e^(−iωj)|²`.
fn axis_noise(degree: SplineDegree, t: f64) -> [f64; 2] {
    const FREQUENCIES: usize = 64;
    let power = |w: &[f64; MAX_TAPS], omega: f64| {
        let (re, im) = w.iter().enumerate().fold((0.0, 0.0), |(re, im), (j, w)| {
            let (sin, cos) = (omega * j as f64).sin_cos();
            (re + w * cos, im + w * sin)
        });
        re * re + im * im
    };
    let (here, samples) = (Weights::<f64>::at(degree, t), Weights::<f64>::at(degree, 0.0));
    let mut noise = [0.0; 2];
    for i in 0..FREQUENCIES {
        let omega = std::f64::consts::PI * (i as f64 + 0.5) / FREQUENCIES as f64;
        let scale = 1.0 / (FREQUENCIES as f64 * power(&samples.value, omega));
        noise[0] += scale * power(&here.value, omega);
        noise[1] += scale * power(&here.derivative, omega);
    }
    noise
}

/// An image as a sum of B-splines, to be sampled anywhere between its pixels.
///
/// Beyond its border the image goes on by odd reflection, `f(−i) = 2 f(0) − f(i)`, which keeps value and
/// slope; samples inside the frame are true to the last half pixel on smooth images.
#[derive(Debug, Clone)]
pub struct SplineImage<F> {
    /// Coefficients, with `margin` more on every side.
    coefficients: Array2<F>,
    margin: usize,
    shape: (usize, usize),
    degree: SplineDegree,
}

/// Buffers for rows that [`SplineImage::shifted_row`] fills.
#[derive(Debug, Clone, Default)]
pub struct ShiftedRow<F> {
    /// The image at the wanted places.
    pub value: Vec<F>,
    /// Its derivative along y.
    pub slope_y: Vec<F>,
    /// Its derivative along x.
    pub slope_x: Vec<F>,
    column_value: Vec<F>,
    column_slope: Vec<F>,
}

/// A displacement, split into what all pixels have in common.
#[derive(Debug, Clone, Copy)]
pub struct SplineShift<F> {
    whole: [isize; 2],
    y: Weights<F>,
    x: Weights<F>,
}

impl<F: Real> SplineImage<F> {
    /// Computes the coefficients of `image`.
    ///
    /// # Errors
    /// [`Error::Empty`]; [`Error::NotFinite`] for NaN or infinity, one of which would spread over the
    /// whole image.
    pub fn new(image: ArrayView2<'_, F>, degree: SplineDegree) -> Result<Self> {
        let mut spline = Self::empty(degree);
        spline.set(image)?;
        Ok(spline)
    }

    /// An image of no pixels, to be [`set`](Self::set).
    pub fn empty(degree: SplineDegree) -> Self {
        let margin = degree.reach() + degree.taps() / 2;
        SplineImage { coefficients: Array2::zeros((2 * margin, 2 * margin)), margin, shape: (0, 0), degree }
    }

    /// Makes this another image, with the memory of the last one if that had the same shape.
    ///
    /// # Errors
    /// As [`new`](Self::new); the image then stays what it was.
    pub fn set(&mut self, image: ArrayView2<'_, F>) -> Result<()> {
        check_not_empty("image", image.shape())?;
        check_finite("image", image)?;
        if self.shape != image.dim() {
            self.shape = image.dim();
            let extended = |n: usize| n + 2 * self.margin;
            self.coefficients = Array2::zeros((extended(self.shape.0), extended(self.shape.1)));
        }
        extend(image, self.margin, &mut self.coefficients);
        for &pole in self.degree.poles() {
            filter_down_columns(&mut self.coefficients, F::of(pole));
        }
        filter_along_rows(&mut self.coefficients, self.degree.poles());
        Ok(())
    }

    /// Shape `(y, x)` of the image.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// What interpolation at displacement `shift` does to white noise of variance 1 in the image.
    ///
    /// A spline passes high frequencies the less the further a place lies from the pixels, so noise is
    /// weaker between pixels.
    pub fn noise_gain(&self, shift: [f64; 2]) -> NoiseGain {
        let [y, x] = shift.map(|d| axis_noise(self.degree, -d - (-d).floor()));
        NoiseGain { variance: y[0] * x[0], slope: [y[1] * x[0], y[0] * x[1]] }
    }

    /// Splits a displacement `(y, x)` px for [`shifted_row`](Self::shifted_row).
    pub fn shift(&self, shift: [f64; 2]) -> SplineShift<F> {
        let whole = shift.map(|d| (-d).floor());
        SplineShift {
            whole: whole.map(|w| w as isize),
            y: Weights::at(self.degree, -shift[0] - whole[0]),
            x: Weights::at(self.degree, -shift[1] - whole[1]),
        }
    }

    /// Samples `image[y − d_y, x − d_x]` and both slopes for one `y` and all `x` of `columns`.
    ///
    /// The places may lie up to half a pixel outside the frame.
    ///
    /// # Panics
    /// If they lie further outside than the extension of the image reaches.
    pub fn shifted_row(
        &self,
        shift: &SplineShift<F>,
        y: usize,
        columns: std::ops::Range<usize>,
        row: &mut ShiftedRow<F>,
    ) {
        match self.degree.taps() {
            2 => self.row::<2>(shift, y, columns, row),
            4 => self.row::<4>(shift, y, columns, row),
            6 => self.row::<6>(shift, y, columns, row),
            8 => self.row::<8>(shift, y, columns, row),
            _ => self.row::<10>(shift, y, columns, row),
        }
    }

    /// As [`shifted_row`](Self::shifted_row), but only the values.
    ///
    /// # Panics
    /// As there.
    pub fn shifted_values(
        &self,
        shift: &SplineShift<F>,
        y: usize,
        columns: std::ops::Range<usize>,
        row: &mut ShiftedRow<F>,
    ) {
        match self.degree.taps() {
            2 => self.values::<2>(shift, y, columns, row),
            4 => self.values::<4>(shift, y, columns, row),
            6 => self.values::<6>(shift, y, columns, row),
            8 => self.values::<8>(shift, y, columns, row),
            _ => self.values::<10>(shift, y, columns, row),
        }
    }

    /// The image at one place `(y, x)` px; None outside the frame, or where the place is no number.
    ///
    /// ```
    /// use ndarray::array;
    /// use nonius_core::{SplineDegree, SplineImage};
    /// let ramp = SplineImage::new(array![[0.0, 1.0, 2.0, 3.0]].view(), SplineDegree::Cubic)?;
    /// assert!((ramp.value_at([0.0, 1.5]).unwrap() - 1.5_f64).abs() < 1e-3);
    /// assert!(ramp.value_at([0.0, 3.1]).is_none());
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    pub fn value_at(&self, place: [f64; 2]) -> Option<F> {
        let last = [self.shape.0, self.shape.1].map(|n| n as f64 - 1.0);
        if !(0..2).all(|a| place[a] >= 0.0 && place[a] <= last[a]) {
            return None;
        }
        let taps = self.degree.taps();
        let first = place.map(|p| p as usize + self.margin - (taps / 2 - 1));
        let [y, x] = place.map(|p| Weights::<F>::at(self.degree, p.fract()).value);
        let mut sum = F::zero();
        for (j, &v) in y[..taps].iter().enumerate() {
            let row = self.coefficients.row(first[0] + j);
            let along = (0..taps).fold(F::zero(), |s, i| s + x[i] * row[first[1] + i]);
            sum += v * along;
        }
        Some(sum)
    }

    /// The rows of coefficients that values in row `y` are made of, from the first coefficient on.
    fn lines<const T: usize>(
        &self,
        shift: &SplineShift<F>,
        y: usize,
        columns: &std::ops::Range<usize>,
    ) -> [&[F]; T] {
        let first = |at: usize, whole: isize| {
            let index = at as isize + whole + self.margin as isize - (T as isize / 2 - 1);
            usize::try_from(index).expect("a place within the extended image")
        };
        let (top, left) = (first(y, shift.whole[0]), first(columns.start, shift.whole[1]));
        let width = self.coefficients.ncols();
        let all = self.coefficients.as_slice().expect("coefficients in C order");
        std::array::from_fn(|j| {
            let start = (top + j) * width + left;
            &all[start..start + columns.len() + T - 1]
        })
    }

    fn row<const T: usize>(
        &self,
        shift: &SplineShift<F>,
        y: usize,
        columns: std::ops::Range<usize>,
        row: &mut ShiftedRow<F>,
    ) {
        let n = columns.len();
        for buffer in [&mut row.value, &mut row.slope_y, &mut row.slope_x] {
            buffer.resize(n, F::zero());
        }
        for buffer in [&mut row.column_value, &mut row.column_slope] {
            buffer.resize(n + T - 1, F::zero());
        }
        let lines = self.lines::<T>(shift, y, &columns);
        let (vy, gy) = (taps::<F, T>(&shift.y.value), taps::<F, T>(&shift.y.derivative));
        combine_lines(lines, vy, gy, &mut row.column_value, &mut row.column_slope);
        let (vx, gx) = (taps::<F, T>(&shift.x.value), taps::<F, T>(&shift.x.derivative));
        combine_neighbours(&row.column_value, vx, gx, &mut row.value, &mut row.slope_x);
        combine_neighbours_once(&row.column_slope, vx, &mut row.slope_y);
    }

    fn values<const T: usize>(
        &self,
        shift: &SplineShift<F>,
        y: usize,
        columns: std::ops::Range<usize>,
        row: &mut ShiftedRow<F>,
    ) {
        row.value.resize(columns.len(), F::zero());
        row.column_value.resize(columns.len() + T - 1, F::zero());
        let (vy, vx) = (taps::<F, T>(&shift.y.value), taps::<F, T>(&shift.x.value));
        combine_lines_once(self.lines(shift, y, &columns), vy, &mut row.column_value);
        combine_neighbours_once(&row.column_value, vx, &mut row.value);
    }
}

/// The first T weights.
fn taps<F: Real, const T: usize>(weights: &[F; MAX_TAPS]) -> [F; T] {
    std::array::from_fn(|j| weights[j])
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn combine_lines_once<F: Real, const T: usize>(lines: [&[F]; T], v: [F; T], value: &mut [F]) {
    let n = value.len();
    let lines = lines.map(|line| &line[..n]);
    for x in 0..n {
        let mut a = F::zero();
        for j in 0..T {
            a += v[j] * lines[j][x];
        }
        value[x] = a;
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn combine_lines<F: Real, const T: usize>(
    lines: [&[F]; T],
    v: [F; T],
    g: [F; T],
    value: &mut [F],
    slope: &mut [F],
) {
    let n = value.len();
    let lines = lines.map(|line| &line[..n]);
    let slope = &mut slope[..n];
    for x in 0..n {
        let (mut a, mut b) = (F::zero(), F::zero());
        for j in 0..T {
            a += v[j] * lines[j][x];
            b += g[j] * lines[j][x];
        }
        value[x] = a;
        slope[x] = b;
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn combine_neighbours<F: Real, const T: usize>(
    line: &[F],
    v: [F; T],
    g: [F; T],
    value: &mut [F],
    slope: &mut [F],
) {
    let n = value.len();
    let slope = &mut slope[..n];
    let line = &line[..n + T - 1];
    for x in 0..n {
        let (mut a, mut b) = (F::zero(), F::zero());
        for j in 0..T {
            a += v[j] * line[x + j];
            b += g[j] * line[x + j];
        }
        value[x] = a;
        slope[x] = b;
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn combine_neighbours_once<F: Real, const T: usize>(line: &[F], v: [F; T], value: &mut [F]) {
    let n = value.len();
    let line = &line[..n + T - 1];
    for x in 0..n {
        let mut a = F::zero();
        for j in 0..T {
            a += v[j] * line[x + j];
        }
        value[x] = a;
    }
}

/// The image with `margin` more pixels on every side, by odd reflection.
fn extend<F: Real>(image: ArrayView2<'_, F>, margin: usize, out: &mut Array2<F>) {
    let (h, w) = image.dim();
    out.slice_mut(s![margin..margin + h, margin..margin + w]).assign(&image);
    let two = F::of(2.0);
    for mut row in out.rows_mut().into_iter().skip(margin).take(h) {
        for i in 1..=margin {
            // A frame shorter than the margin goes on with its last pixel.
            let inside = i.min(w - 1);
            row[margin - i] = two * row[margin] - row[margin + inside];
            row[margin + w - 1 + i] = two * row[margin + w - 1] - row[margin + w - 1 - inside];
        }
    }
    for i in 1..=margin {
        let inside = i.min(h - 1);
        for (border, mirror, beyond) in [
            (margin, margin + inside, margin - i),
            (margin + h - 1, margin + h - 1 - inside, margin + h - 1 + i),
        ] {
            for x in 0..w + 2 * margin {
                out[[beyond, x]] = two * out[[border, x]] - out[[mirror, x]];
            }
        }
    }
}

/// `(1 − z)(1 − 1/z)`: what one pole contributes to the filter's gain.
fn gain<F: Real>(z: F) -> F {
    (F::one() - z) * (F::one() - F::one() / z)
}

/// The causal and the anticausal pass of one pole down all columns at once.
///
/// The extended ends are so far from the frame that a plain start will do.
fn filter_down_columns<F: Real>(c: &mut Array2<F>, z: F) {
    let (h, w) = c.dim();
    let gain = gain(z);
    let all = c.as_slice_mut().expect("coefficients in C order");
    // A constant beyond the first row has this running sum.
    let start = gain / (F::one() - z);
    all[..w].iter_mut().for_each(|v| *v *= start);
    for y in 1..h {
        let (before, here) = all.split_at_mut(y * w);
        causal_row(&before[(y - 1) * w..], &mut here[..w], gain, z);
    }
    let end = -z / (F::one() - z);
    all[(h - 1) * w..].iter_mut().for_each(|v| *v *= end);
    for y in (0..h - 1).rev() {
        let (here, after) = all.split_at_mut((y + 1) * w);
        anticausal_row(&after[..w], &mut here[y * w..], z);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn causal_row<F: Real>(before: &[F], here: &mut [F], gain: F, z: F) {
    for (c, &b) in here.iter_mut().zip(before) {
        *c = gain * *c + z * b;
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn anticausal_row<F: Real>(after: &[F], here: &mut [F], z: F) {
    for (c, &a) in here.iter_mut().zip(after) {
        *c = z * (a - *c);
    }
}

/// All poles along the rows, eight rows abreast: a recursion waits for its last step, eight do not.
fn filter_along_rows<F: Real>(c: &mut Array2<F>, poles: &[f64]) {
    const ABREAST: usize = 8;
    let w = c.ncols();
    let mut block = vec![[F::zero(); ABREAST]; w];
    let all = c.as_slice_mut().expect("coefficients in C order");
    for rows in all.chunks_mut(ABREAST * w) {
        for (r, row) in rows.chunks_exact(w).enumerate() {
            for (lanes, &v) in block.iter_mut().zip(row) {
                lanes[r] = v;
            }
        }
        for &pole in poles {
            filter_abreast(&mut block, F::of(pole));
        }
        for (r, row) in rows.chunks_exact_mut(w).enumerate() {
            for (lanes, v) in block.iter().zip(row) {
                *v = lanes[r];
            }
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn filter_abreast<F: Real>(block: &mut [[F; 8]], z: F) {
    let gain = gain(z);
    let mut last = block[0].map(|v| v * gain / (F::one() - z));
    block[0] = last;
    for lanes in &mut block[1..] {
        for l in 0..8 {
            last[l] = gain * lanes[l] + z * last[l];
        }
        *lanes = last;
    }
    let n = block.len();
    last = block[n - 1].map(|v| -v * z / (F::one() - z));
    block[n - 1] = last;
    for lanes in block[..n - 1].iter_mut().rev() {
        for l in 0..8 {
            last[l] = z * (last[l] - lanes[l]);
        }
        *lanes = last;
    }
}

/// Moves the content of an image that does not wrap: `out[r] = image[r − shift]`, `fill` where that lies
/// outside the frame.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotFinite`]; [`Error::Parameter`] for a shift that is not finite.
///
/// # Example
/// ```
/// use ndarray::array;
/// use nonius_core::{SplineDegree, spline_shift};
/// let ramp = array![[0.0, 1.0, 2.0, 3.0]];
/// let moved = spline_shift(ramp.view(), [0.0, 0.5], SplineDegree::Cubic, f64::NAN)?;
/// assert!(moved[[0, 0]].is_nan() && (moved[[0, 2]] - 1.5).abs() < 1e-3);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn spline_shift<F: Real>(
    image: ArrayView2<'_, F>,
    shift: [f64; 2],
    degree: SplineDegree,
    fill: F,
) -> Result<Array2<F>> {
    if let Some(bad) = shift.iter().find(|d| !d.is_finite()) {
        return Err(Error::parameter("shift", "finite", bad));
    }
    let spline = SplineImage::new(image, degree)?;
    let (h, w) = image.dim();
    let mut out = Array2::from_elem((h, w), fill);
    let rows = overlap_range(h, h, shift[0]);
    let columns = overlap_range(w, w, shift[1]);
    if columns.is_empty() {
        return Ok(out);
    }
    let split = spline.shift(shift);
    let mut row = ShiftedRow::default();
    for y in rows {
        spline.shifted_row(&split, y, columns.clone(), &mut row);
        for (x, &v) in columns.clone().zip(&row.value) {
            out[[y, x]] = v;
        }
    }
    Ok(out)
}

/// Pixels `r` of a frame of length `n_moving` for which `r − d` lies within `[0, n_reference − 1]`; none if
/// `d` is not a number.
pub fn overlap_range(n_reference: usize, n_moving: usize, d: f64) -> std::ops::Range<usize> {
    // As a cast saturates, NaN gives 0 and a distance beyond all frames no overflow.
    let first = d.ceil().max(0.0) as usize;
    let end = ((n_reference as f64 + d).floor().max(0.0) as usize).min(n_moving);
    first.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_slopes_to_zero() {
        for degree in [SplineDegree::Linear, SplineDegree::Cubic, SplineDegree::Quintic, SplineDegree::Nonic]
        {
            let w = Weights::<f64>::at(degree, 0.3);
            assert!((w.value.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!(w.derivative.iter().sum::<f64>().abs() < 1e-14);
            let (low, high) =
                (Weights::<f64>::at(degree, 0.3 - 1e-6), Weights::<f64>::at(degree, 0.3 + 1e-6));
            for j in 0..MAX_TAPS {
                assert!(((high.value[j] - low.value[j]) / 2e-6 - w.derivative[j]).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn goes_through_the_pixels_and_follows_a_smooth_field() {
        let f = |y: f64, x: f64| (0.5 * y + 0.2).sin() * (0.4 * x).cos() + 0.1 * x;
        let image = Array2::from_shape_fn((60, 64), |(y, x)| f(y as f64, x as f64));
        for (degree, inside) in [
            (SplineDegree::Cubic, 1e-3),
            (SplineDegree::Quintic, 2e-5),
            (SplineDegree::Septic, 1e-6),
            (SplineDegree::Nonic, 1e-7),
        ] {
            let same = spline_shift(image.view(), [0.0, 0.0], degree, f64::NAN).unwrap();
            assert!(same.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-4), "{degree:?}");
            let (dy, dx) = (0.4, -1.7);
            let moved = spline_shift(image.view(), [dy, dx], degree, f64::NAN).unwrap();
            let (mut border, mut middle) = (0.0_f64, 0.0_f64);
            for ((y, x), v) in moved.indexed_iter().filter(|(_, v)| !v.is_nan()) {
                let error = (v - f(y as f64 - dy, x as f64 - dx)).abs();
                border = border.max(error);
                if (27..33).contains(&y) && (29..35).contains(&x) {
                    middle = middle.max(error);
                }
            }
            assert!(middle < inside, "{degree:?}: {middle:e}");
            assert!(border < 0.03, "{degree:?}: {border}");
            assert_eq!(moved.iter().filter(|v| v.is_nan()).count(), 60 * 64 - 59 * 62);
        }
    }

    #[test]
    fn noise_is_weaker_between_pixels() {
        let image = Array2::<f64>::zeros((20, 20));
        let spline = SplineImage::new(image.view(), SplineDegree::Septic).unwrap();
        let on = spline.noise_gain([2.0, -1.0]);
        assert!((on.variance - 1.0).abs() < 1e-12);
        // Slopes of a good interpolation come near those of the ideal one, π²/3.
        assert!(on.slope.iter().all(|&s| s > 2.0 && s < std::f64::consts::PI.powi(2) / 3.0), "{on:?}");
        let between = spline.noise_gain([0.5, 0.0]);
        assert!(between.variance < 0.9 && between.slope[1] < on.slope[1]);
    }

    #[test]
    fn overlap_ranges() {
        assert_eq!(overlap_range(10, 10, 2.5), 3..10);
        assert_eq!(overlap_range(10, 10, -2.5), 0..7);
        assert_eq!(overlap_range(4, 10, 3.0), 3..7);
        assert!(overlap_range(4, 10, 20.0).is_empty() && overlap_range(4, 10, -9.0).is_empty());
    }
}
