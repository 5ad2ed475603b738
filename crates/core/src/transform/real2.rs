//! The transform of a real image, two rows at a time.

use std::sync::Arc;

use multiversion::multiversion;
use ndarray::{ArrayView2, ArrayViewMut2};
use num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::error::{check_not_empty, check_shape};
use crate::{Real, Result};

/// Pairs of rows that are transformed together: their results fill several whole cache lines of each
/// column, while the rows stay in the second-level cache. 16 costs up to a tenth more at 1024 × 1024.
const GROUP: usize = 32;

/// Added to the row stride of the small buffer, so that powers of two do not meet in one cache set.
const STRIDE_PAD: usize = 8;

/// The transform of real images of one shape, and its inverse.
///
/// The spectrum is the half that a real image needs, stored **transposed**: element `(k_x, k_y)` for
/// 0 ≤ k_x ≤ ⌊w/2⌋ stands at `k_x · h + k_y`, each column of the image contiguous. Both directions are
/// unnormalised: `inverse(forward(f)) = h·w·f`.
///
/// Two rows travel as the real and the imaginary part of one complex row, are separated while they
/// are written transposed, and all columns are then transformed in one call; nothing is transposed
/// back. Any size works, 1 and primes included; sizes with factors 2, 3 and 5 are quickest
/// ([`fast_length`](crate::fast_length)).
///
/// A plan is immutable and shared between threads; each thread brings its own [`RealFft2Scratch`].
///
/// ```
/// use ndarray::Array2;
/// use nonius_core::RealFft2;
///
/// let plan = RealFft2::<f64>::new((3, 4))?;
/// let image = Array2::from_shape_fn((3, 4), |(y, x)| (y * 4 + x) as f64);
/// let mut scratch = plan.scratch();
/// let mut spectrum = plan.spectrum();
/// plan.forward(image.view(), &mut spectrum, &mut scratch)?;
/// assert_eq!(spectrum[0].re, image.sum());
///
/// let mut back = Array2::zeros((3, 4));
/// plan.inverse(&mut spectrum, back.view_mut(), &mut scratch)?;
/// assert!((back / 12.0 - image).iter().all(|d: &f64| d.abs() < 1e-12));
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Clone)]
pub struct RealFft2<F: Real> {
    height: usize,
    width: usize,
    row_forward: Arc<dyn Fft<F>>,
    row_inverse: Arc<dyn Fft<F>>,
    column_forward: Arc<dyn Fft<F>>,
    column_inverse: Arc<dyn Fft<F>>,
    /// Scratch that the longest of these takes.
    fft_scratch: usize,
}

/// Working memory of one thread for a [`RealFft2`]; its content between calls means nothing. A plan that
/// gets the scratch of another shape replaces it by its own.
#[derive(Debug, Clone)]
pub struct RealFft2Scratch<F> {
    /// Up to `GROUP` packed rows, each of stride width + `STRIDE_PAD`.
    rows: Vec<Complex<F>>,
    /// Two rows of the image, where they are not contiguous in memory.
    pair: Vec<F>,
    fft: Vec<Complex<F>>,
}

impl<F: Real> RealFft2<F> {
    /// Plans transforms of images of shape `(y, x)`.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) if a side is 0.
    pub fn new(shape: (usize, usize)) -> Result<Self> {
        let (height, width) = shape;
        check_not_empty("shape of a transform", &[height, width])?;
        let mut planner = FftPlanner::new();
        let [row_forward, column_forward] = [width, height].map(|n| planner.plan_fft_forward(n));
        let [row_inverse, column_inverse] = [width, height].map(|n| planner.plan_fft_inverse(n));
        let fft_scratch = [&row_forward, &row_inverse, &column_forward, &column_inverse]
            .map(|plan| plan.get_inplace_scratch_len())
            .into_iter()
            .fold(0, usize::max);
        Ok(RealFft2 { height, width, row_forward, row_inverse, column_forward, column_inverse, fft_scratch })
    }

    /// Shape `(y, x)` of the images.
    pub fn shape(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// Number of k_x in the spectrum, ⌊w/2⌋ + 1; each has h values.
    pub fn n_kx(&self) -> usize {
        self.width / 2 + 1
    }

    /// Number of elements of the spectrum.
    pub fn spectrum_len(&self) -> usize {
        self.n_kx() * self.height
    }

    /// A spectrum of zeros.
    pub fn spectrum(&self) -> Vec<Complex<F>> {
        vec![Complex::new(F::zero(), F::zero()); self.spectrum_len()]
    }

    /// How often a column `k_x` of the spectrum occurs in the whole one: 1 for k_x = 0 and for the
    /// Nyquist column of an even width, else 2.
    pub fn multiplicity(&self, kx: usize) -> f64 {
        if kx == 0 || 2 * kx == self.width { 1.0 } else { 2.0 }
    }

    /// Working memory for one thread.
    pub fn scratch(&self) -> RealFft2Scratch<F> {
        let zero = Complex::new(F::zero(), F::zero());
        RealFft2Scratch {
            rows: vec![zero; self.rows_len()],
            pair: vec![F::zero(); 2 * self.width],
            fft: vec![zero; self.fft_scratch],
        }
    }

    /// Transforms `image` into `spectrum`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if an argument has another size than the plan.
    pub fn forward(
        &self,
        image: ArrayView2<'_, F>,
        spectrum: &mut [Complex<F>],
        scratch: &mut RealFft2Scratch<F>,
    ) -> Result<()> {
        check_shape("image", &[self.height, self.width], image.shape())?;
        if let Some(pixels) = image.as_slice() {
            let w = self.width;
            self.check_spectrum(spectrum)?;
            self.fit(scratch);
            self.transform_rows(spectrum, scratch, |p, packed, _| {
                let even = &pixels[2 * p * w..(2 * p + 1) * w];
                match pixels.get((2 * p + 1) * w..(2 * p + 2) * w) {
                    Some(odd) => pack(even, odd, packed),
                    None => pack_single(even, packed),
                }
            });
            self.transform_columns(spectrum, scratch);
            Ok(())
        } else {
            self.forward_rows(
                |y, row| row.iter_mut().zip(image.row(y)).for_each(|(r, &v)| *r = v),
                spectrum,
                scratch,
            )
        }
    }

    /// Transforms the image whose row `y` is written by `fill(y, row)`: where a conversion, a window,
    /// a mask or zero padding costs no extra pass.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if `spectrum` has another size than the plan.
    pub fn forward_rows(
        &self,
        mut fill: impl FnMut(usize, &mut [F]),
        spectrum: &mut [Complex<F>],
        scratch: &mut RealFft2Scratch<F>,
    ) -> Result<()> {
        self.check_spectrum(spectrum)?;
        self.fit(scratch);
        let h = self.height;
        self.transform_rows(spectrum, scratch, |p, packed, pair| {
            let (even, odd) = pair.split_at_mut(packed.len());
            fill(2 * p, even);
            if 2 * p + 1 < h {
                fill(2 * p + 1, odd);
                pack(even, odd, packed);
            } else {
                pack_single(even, packed);
            }
        });
        self.transform_columns(spectrum, scratch);
        Ok(())
    }

    fn transform_columns(&self, spectrum: &mut [Complex<F>], scratch: &mut RealFft2Scratch<F>) {
        if self.height > 1 {
            self.column_forward.process_with_scratch(spectrum, &mut scratch.fft);
        }
    }

    /// Row transforms, group by group; `load(p, packed, pair)` packs rows 2p and 2p + 1.
    fn transform_rows(
        &self,
        spectrum: &mut [Complex<F>],
        scratch: &mut RealFft2Scratch<F>,
        mut load: impl FnMut(usize, &mut [Complex<F>], &mut [F]),
    ) {
        let (h, w) = (self.height, self.width);
        let stride = w + STRIDE_PAD;
        let pairs = h.div_ceil(2);
        for first in (0..pairs).step_by(GROUP) {
            let group = GROUP.min(pairs - first);
            for g in 0..group {
                let row = &mut scratch.rows[g * stride..(g + 1) * stride];
                load(first + g, &mut row[..w], &mut scratch.pair);
                self.row_forward.process_with_scratch(&mut row[..w], &mut scratch.fft);
                // Z[w] = Z[0], so that Z[w − k] needs no test.
                row[w] = row[0];
            }
            let rows = 2 * group - usize::from(2 * (first + group) > h);
            separate(&scratch.rows, stride, w, spectrum, h, 2 * first, rows);
        }
    }

    /// Transforms `spectrum` back into `image`; the spectrum is used up.
    ///
    /// What a real image's spectrum cannot hold (an imaginary part at zero frequency, say) is ignored.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if an argument has another size than the plan.
    pub fn inverse(
        &self,
        spectrum: &mut [Complex<F>],
        mut image: ArrayViewMut2<'_, F>,
        scratch: &mut RealFft2Scratch<F>,
    ) -> Result<()> {
        check_shape("image", &[self.height, self.width], image.shape())?;
        if let Some(pixels) = image.as_slice_mut() {
            self.inverse_wanted(spectrum, |_| true, pixels, scratch)
        } else {
            self.inverse_rows(spectrum, scratch, |y, row| {
                image.row_mut(y).iter_mut().zip(row).for_each(|(p, &v)| *p = v)
            })
        }
    }

    /// As [`inverse`](Self::inverse), where only some rows of the image are asked for; those for which `wanted(y)` is
    /// false hold anything afterwards.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if an argument has another size than the plan.
    pub fn inverse_wanted(
        &self,
        spectrum: &mut [Complex<F>],
        wanted: impl Fn(usize) -> bool,
        image: &mut [F],
        scratch: &mut RealFft2Scratch<F>,
    ) -> Result<()> {
        let (h, w) = (self.height, self.width);
        check_shape("pixels of the image", &[h * w], &[image.len()])?;
        let wanted_pair = |p: usize| wanted(2 * p) || (2 * p + 1 < h && wanted(2 * p + 1));
        self.inverse_pairs(spectrum, scratch, wanted_pair, |p, packed, _| {
            let (even, odd) = image[2 * p * w..].split_at_mut(w);
            match odd.get_mut(..w) {
                Some(odd) => unpack(packed, even, odd),
                None => even.iter_mut().zip(packed).for_each(|(e, z)| *e = z.re),
            }
        })
    }

    /// Transforms `spectrum` back and hands row `y` of the image to `each(y, row)`, in order: where a
    /// search or a sum needs no image in memory.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if `spectrum` has another size than the plan.
    pub fn inverse_rows(
        &self,
        spectrum: &mut [Complex<F>],
        scratch: &mut RealFft2Scratch<F>,
        mut each: impl FnMut(usize, &[F]),
    ) -> Result<()> {
        let h = self.height;
        self.inverse_pairs(
            spectrum,
            scratch,
            |_| true,
            |p, packed, pair| {
                let (even, odd) = pair.split_at_mut(packed.len());
                unpack(packed, even, odd);
                each(2 * p, even);
                if 2 * p + 1 < h {
                    each(2 * p + 1, odd);
                }
            },
        )
    }

    fn inverse_pairs(
        &self,
        spectrum: &mut [Complex<F>],
        scratch: &mut RealFft2Scratch<F>,
        wanted: impl Fn(usize) -> bool,
        mut store: impl FnMut(usize, &[Complex<F>], &mut [F]),
    ) -> Result<()> {
        self.check_spectrum(spectrum)?;
        self.fit(scratch);
        let (h, w) = (self.height, self.width);
        if h > 1 {
            self.column_inverse.process_with_scratch(spectrum, &mut scratch.fft);
        }
        let stride = w + STRIDE_PAD;
        let pairs = h.div_ceil(2);
        for first in (0..pairs).step_by(GROUP) {
            let group = GROUP.min(pairs - first);
            if !(first..first + group).any(&wanted) {
                continue;
            }
            let rows = 2 * group - usize::from(2 * (first + group) > h);
            join(spectrum, h, 2 * first, rows, &mut scratch.rows, stride, w);
            for g in (0..group).filter(|g| wanted(first + g)) {
                let row = &mut scratch.rows[g * stride..g * stride + w];
                self.row_inverse.process_with_scratch(row, &mut scratch.fft);
                store(first + g, row, &mut scratch.pair);
            }
        }
        Ok(())
    }

    fn rows_len(&self) -> usize {
        GROUP.min(self.height.div_ceil(2)) * (self.width + STRIDE_PAD)
    }

    /// Replaces scratch that was made for images of another shape.
    fn fit(&self, scratch: &mut RealFft2Scratch<F>) {
        let fits = scratch.pair.len() == 2 * self.width
            && scratch.rows.len() >= self.rows_len()
            && scratch.fft.len() >= self.fft_scratch;
        if !fits {
            *scratch = self.scratch();
        }
    }

    fn check_spectrum(&self, spectrum: &[Complex<F>]) -> Result<()> {
        check_shape("spectrum", &[self.spectrum_len()], &[spectrum.len()])
    }
}

impl<F: Real> std::fmt::Debug for RealFft2<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealFft2").field("shape", &self.shape()).finish()
    }
}

#[inline]
fn pack<F: Real>(even: &[F], odd: &[F], packed: &mut [Complex<F>]) {
    for ((z, &re), &im) in packed.iter_mut().zip(even).zip(odd) {
        *z = Complex::new(re, im);
    }
}

#[inline]
fn pack_single<F: Real>(even: &[F], packed: &mut [Complex<F>]) {
    for (z, &re) in packed.iter_mut().zip(even) {
        *z = Complex::new(re, F::zero());
    }
}

#[inline]
fn unpack<F: Real>(packed: &[Complex<F>], even: &mut [F], odd: &mut [F]) {
    for ((z, e), o) in packed.iter().zip(even).zip(odd) {
        *e = z.re;
        *o = z.im;
    }
}

/// Separates packed rows while writing them transposed:
/// `F_even[k] = (Z[k] + Z̄[w−k]) / 2`, `F_odd[k] = (Z[k] − Z̄[w−k]) / 2i`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn separate<F: Real>(
    packed: &[Complex<F>],
    stride: usize,
    w: usize,
    spectrum: &mut [Complex<F>],
    h: usize,
    first_row: usize,
    rows: usize,
) {
    let half = F::of(0.5);
    if w == 1 {
        for (column, row) in
            spectrum[first_row..first_row + rows].chunks_mut(2).zip(packed.chunks_exact(stride))
        {
            let parts = [row[0].re, row[0].im];
            column.iter_mut().zip(parts).for_each(|(c, part)| *c = Complex::new(part, F::zero()));
        }
        return;
    }
    // Two columns at a time, so that whole vectors are computed; the last pair may overlap the one before.
    let (signs_z, signs_m) = ([half, half, half, -half], [half, -half, half, half]);
    let pairs = rows / 2;
    for k in (0..=w / 2).step_by(2).map(|k| k.min(w / 2 - 1)) {
        let columns = &mut spectrum[k * h + first_row..];
        let (here, next) = columns.split_at_mut(h);
        let both = here[..2 * pairs].chunks_exact_mut(2).zip(next[..2 * pairs].chunks_exact_mut(2));
        for ((here, next), row) in both.zip(packed.chunks_exact(stride)) {
            let (z, m): ([Complex<F>; 2], [Complex<F>; 2]) =
                ([row[k], row[k + 1]], [row[w - k], row[w - k - 1]]);
            let mut out = [[F::zero(); 4]; 2];
            for i in 0..2 {
                let (z, m) = ([z[i].re, z[i].im, z[i].im, z[i].re], [m[i].re, m[i].im, m[i].im, m[i].re]);
                for j in 0..4 {
                    out[i][j] = z[j] * signs_z[j] + m[j] * signs_m[j];
                }
            }
            here[0] = Complex::new(out[0][0], out[0][1]);
            here[1] = Complex::new(out[0][2], out[0][3]);
            next[0] = Complex::new(out[1][0], out[1][1]);
            next[1] = Complex::new(out[1][2], out[1][3]);
        }
    }
    if rows % 2 == 1 {
        let row = &packed[pairs * stride..];
        for k in 0..=w / 2 {
            spectrum[k * h + first_row + rows - 1] = (row[k] + row[w - k].conj()) * half;
        }
    }
}

/// The inverse of [`separate`]: `Z[k] = A_even[k] + i·A_odd[k]`, `Z[w−k] = Ā_even[k] + i·Ā_odd[k]`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn join<F: Real>(
    spectrum: &[Complex<F>],
    h: usize,
    first_row: usize,
    rows: usize,
    packed: &mut [Complex<F>],
    stride: usize,
    w: usize,
) {
    let column = |k: usize| &spectrum[k * h + first_row..k * h + first_row + rows];
    // Two columns at a time, so that whole vectors are written; the last pair may overlap the one before.
    for k in (1..w.div_ceil(2)).step_by(2).map(|k| k.min(w / 2 - 1)) {
        let pairs = column(k).chunks_exact(2).zip(column(k + 1).chunks_exact(2));
        for (row, (here, next)) in packed.chunks_exact_mut(stride).zip(pairs) {
            let (a, b, c, d) = (here[0], here[1], next[0], next[1]);
            let high = &mut row[w - k - 1..=w - k];
            high[0] = Complex::new(c.re + d.im, d.re - c.im);
            high[1] = Complex::new(a.re + b.im, b.re - a.im);
            let low = &mut row[k..k + 2];
            low[0] = Complex::new(a.re - b.im, a.im + b.re);
            low[1] = Complex::new(c.re - d.im, c.im + d.re);
        }
        if rows % 2 == 1 {
            let row = &mut packed[rows / 2 * stride..];
            for k in [k, k + 1] {
                row[w - k] = column(k)[rows - 1].conj();
                row[k] = column(k)[rows - 1];
            }
        }
    }
    // The mean and the Nyquist column of a real image are real in every row.
    let own_mirrors = if w.is_multiple_of(2) { [0, w / 2] } else { [0, 0] };
    for k in own_mirrors {
        for (row, pair) in packed.chunks_exact_mut(stride).zip(column(k).chunks(2)) {
            row[k] = Complex::new(pair[0].re, pair.get(1).map_or(F::zero(), |b| b.re));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// A fixed irregular image.
    fn image(h: usize, w: usize) -> Array2<f64> {
        Array2::from_shape_fn((h, w), |(y, x)| {
            ((y * 31 + x * 17 + y * x * 7) % 23) as f64 - 9.5 + 0.1 * x as f64
        })
    }

    fn naive(image: &Array2<f64>, kx: usize, ky: usize) -> Complex<f64> {
        let (h, w) = image.dim();
        let turn = -2.0 * std::f64::consts::PI;
        image
            .indexed_iter()
            .map(|((y, x), &v)| {
                Complex::cis(turn * ((ky * y % h) as f64 / h as f64 + (kx * x % w) as f64 / w as f64)) * v
            })
            .sum()
    }

    #[track_caller]
    fn check(h: usize, w: usize) {
        let plan = RealFft2::<f64>::new((h, w)).unwrap();
        let f = image(h, w);
        let mut spectrum = plan.spectrum();
        let mut scratch = plan.scratch();
        // Scratch may hold anything.
        scratch.rows.fill(Complex::new(f64::NAN, f64::NAN));
        plan.forward(f.view(), &mut spectrum, &mut scratch).unwrap();
        for kx in 0..plan.n_kx() {
            for ky in 0..h {
                let d = spectrum[kx * h + ky] - naive(&f, kx, ky);
                assert!(d.norm() < 1e-9, "{h}×{w} at ({kx}, {ky}): off by {d}");
            }
        }
        let mut by_column = plan.spectrum();
        let fortran = f.t().as_standard_layout().to_owned();
        plan.forward(fortran.t(), &mut by_column, &mut scratch).unwrap();
        assert_eq!(spectrum, by_column);
        let mut some = vec![f64::NAN; h * w];
        let wanted = |y: usize| y % 5 == 3;
        plan.inverse_wanted(&mut spectrum.clone(), wanted, &mut some, &mut scratch).unwrap();
        let mut back = Array2::zeros((h, w));
        plan.inverse(&mut spectrum, back.view_mut(), &mut scratch).unwrap();
        for (y, row) in some.chunks_exact(w).enumerate().filter(|(y, _)| wanted(*y)) {
            assert_eq!(row, back.row(y).as_slice().unwrap());
        }
        let mut rows = Array2::zeros((h, w));
        plan.inverse_rows(&mut by_column, &mut scratch, |y, row| {
            rows.row_mut(y).assign(&ndarray::ArrayView1::from(row))
        })
        .unwrap();
        assert_eq!(rows, back);
        back /= (h * w) as f64;
        assert!((back - &f).iter().all(|d| d.abs() < 1e-11));
    }

    #[test]
    fn equals_the_sum_for_any_size() {
        for (h, w) in
            [(1, 1), (1, 8), (7, 1), (2, 2), (3, 5), (8, 8), (13, 11), (16, 15), (33, 20), (40, 37), (67, 6)]
        {
            check(h, w);
        }
    }

    #[test]
    fn wrong_sizes_are_named() {
        let plan = RealFft2::<f32>::new((4, 4)).unwrap();
        let e = plan
            .forward(Array2::zeros((4, 5)).view(), &mut plan.spectrum(), &mut plan.scratch())
            .unwrap_err();
        assert_eq!(e.to_string(), "image: expected shape [4, 4], got [4, 5]");
        assert!(RealFft2::<f32>::new((0, 4)).is_err());
    }
}
