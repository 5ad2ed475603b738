//! Sums per pixel over frames, that can be merged.

use std::ops::AddAssign;

use multiversion::multiversion;
use ndarray::Array2;
use nonius_core::Pixels;

use super::PixelMaps;

/// Pixels that are taken together: their sums stay in registers while the frames of a tile go by.
const COLUMNS: usize = 16;
/// The same for sums in `f64`, of which fewer fit.
const REAL_COLUMNS: usize = 8;
/// Frames after which sums of 16-bit numbers might leave 32 bits.
const FRAMES: usize = 1 << 14;

/// Count, sum and sum of squared deviations per pixel, with the least and the greatest value.
///
/// Numbers of up to 16 bits are summed exactly, and so are their squares: no order of summation leaves a
/// trace. For wider ones and floating-point numbers, S is the sum and Q that of squared deviations,
///
/// ```text
/// S ← S + x,   Q ← Q + (n x − S)² / (n (n − 1))              frame by frame
/// Q ← Q₀ + Q₁ + (m₁ − m₀)² n₀ n₁ / n,   m = S / n            where two merge
/// ```
///
/// # Source
/// E. A. Youngs, E. M. Cramer, Technometrics 13, 657 (1971), eq. 2.1; T. F. Chan, G. H. Golub, R. J. LeVeque,
/// The American Statistician 37, 242 (1983), eq. 2.1.
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    n: u64,
    sums: Sums,
}

#[derive(Debug, Clone)]
enum Sums {
    Exact(Exact),
    Real(Real),
}

#[derive(Debug, Clone)]
struct Exact {
    sum: Vec<i64>,
    squares: Vec<u64>,
    min: Vec<i32>,
    max: Vec<i32>,
}

#[derive(Debug, Clone)]
struct Real {
    sum: Vec<f64>,
    squares: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    /// The sum without rounding, for integers of 32 bits.
    integer_sum: Option<Vec<i64>>,
    /// Values per pixel that are no NaN, where these are skipped.
    counts: Option<Vec<u64>>,
}

impl Accumulator {
    /// Of no frame yet, with `n` pixels of the type of `pixels`. Values that are NaN are skipped if asked for.
    pub(crate) fn new(dtype: nonius_core::DType, n: usize, skip_nan: bool) -> Self {
        use nonius_core::DType::*;
        let sums = match dtype {
            Bool | U8 | I8 | U16 | I16 => Sums::Exact(Exact {
                sum: vec![0; n],
                squares: vec![0; n],
                min: vec![i32::MAX; n],
                max: vec![i32::MIN; n],
            }),
            U32 | I32 | U64 | I64 | F16 | F32 | F64 => Sums::Real(Real {
                sum: vec![0.0; n],
                squares: vec![0.0; n],
                min: vec![f64::INFINITY; n],
                max: vec![f64::NEG_INFINITY; n],
                integer_sum: matches!(dtype, U32 | I32).then(|| vec![0; n]),
                counts: (skip_nan && matches!(dtype, F16 | F32 | F64)).then(|| vec![0; n]),
            }),
        };
        Accumulator { n: 0, sums }
    }

    /// Takes in those frames of `pixels` that `frames` numbers.
    pub(crate) fn add(&mut self, pixels: Pixels<'_>, frames: &[u32]) {
        match &mut self.sums {
            Sums::Exact(sums) => match pixels {
                Pixels::U8(p) => add_exact(sums, p, frames),
                Pixels::I8(p) => add_exact(sums, p, frames),
                Pixels::U16(p) => add_exact(sums, p, frames),
                Pixels::I16(p) => add_exact(sums, p, frames),
                _ => unreachable!("frames of one scan are of one type"),
            },
            Sums::Real(sums) => {
                let n = self.n;
                match pixels {
                    Pixels::U32(p) => sums.add(p, frames, n),
                    Pixels::I32(p) => sums.add(p, frames, n),
                    Pixels::U64(p) => sums.add(p, frames, n),
                    Pixels::I64(p) => sums.add(p, frames, n),
                    Pixels::F32(p) => sums.add(p, frames, n),
                    Pixels::F64(p) => sums.add(p, frames, n),
                    _ => unreachable!("frames of one scan are of one type"),
                }
            }
        }
        self.n += frames.len() as u64;
    }

    /// Takes in what `later` has seen.
    pub(crate) fn merge(&mut self, later: Accumulator) {
        if later.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = later;
            return;
        }
        match (&mut self.sums, later.sums) {
            (Sums::Exact(a), Sums::Exact(b)) => {
                a.sum.iter_mut().zip(b.sum).for_each(|(a, b)| *a += b);
                a.squares.iter_mut().zip(b.squares).for_each(|(a, b)| *a += b);
                a.min.iter_mut().zip(b.min).for_each(|(a, b)| *a = b.min(*a));
                a.max.iter_mut().zip(b.max).for_each(|(a, b)| *a = b.max(*a));
            }
            (Sums::Real(a), Sums::Real(b)) => a.merge(b, self.n, later.n),
            _ => unreachable!("frames of one scan are of one type"),
        }
        self.n += later.n;
    }

    pub(crate) fn finish(self, shape: (usize, usize)) -> PixelMaps {
        let map = |values: Vec<f64>| Array2::from_shape_fn(shape, |(y, x)| values[y * shape.1 + x]);
        let integers = |values: &[i64]| Array2::from_shape_fn(shape, |(y, x)| values[y * shape.1 + x]);
        match self.sums {
            Sums::Exact(Exact { sum, squares, min, max }) => {
                let (n, n_real) = (self.n as i128, self.n as f64);
                // n Σx² − (Σx)² in integers: nothing is lost.
                let variance = |(&s, &q): (&i64, &u64)| {
                    let (s, q) = (s as i128, q as i128);
                    if n == 0 { f64::NAN } else { (n * q - s * s) as f64 / (n_real * n_real) }
                };
                let empty = self.n == 0;
                let extreme = |v: i32, none: f64| if empty { none } else { v as f64 };
                PixelMaps {
                    n_frames: self.n,
                    counts: None,
                    integer_sum: Some(integers(&sum)),
                    mean: map(sum.iter().map(|&s| s as f64 / n_real).collect()),
                    variance: map(sum.iter().zip(&squares).map(variance).collect()),
                    sum: map(sum.iter().map(|&s| s as f64).collect()),
                    min: map(min.into_iter().map(|v| extreme(v, f64::INFINITY)).collect()),
                    max: map(max.into_iter().map(|v| extreme(v, f64::NEG_INFINITY)).collect()),
                }
            }
            Sums::Real(Real { sum, squares, min, max, integer_sum, counts }) => {
                let count = |i: usize| counts.as_ref().map_or(self.n, |c| c[i]) as f64;
                let over_count =
                    |values: &[f64]| values.iter().enumerate().map(|(i, v)| v / count(i)).collect();
                PixelMaps {
                    n_frames: self.n,
                    integer_sum: integer_sum.as_deref().map(integers),
                    mean: map(over_count(&sum)),
                    variance: map(over_count(&squares)),
                    sum: map(sum),
                    min: map(min),
                    max: map(max),
                    counts: counts.map(|c| Array2::from_shape_fn(shape, |(y, x)| c[y * shape.1 + x])),
                }
            }
        }
    }
}

/// An integer of up to 16 bits.
pub(crate) trait Small: Copy + Ord + Into<i32> {
    /// Holds the squares of [`FRAMES`] of them.
    type Squares: Copy + Default + AddAssign + Into<u64>;
    const LEAST: Self;
    const GREATEST: Self;
    fn square(self) -> Self::Squares;
}

macro_rules! small {
    ($($t:ty => $squares:ty),*) => {$(
        impl Small for $t {
            type Squares = $squares;
            const LEAST: Self = <$t>::MIN;
            const GREATEST: Self = <$t>::MAX;
            #[inline(always)]
            fn square(self) -> $squares {
                // That of a number of 16 bits fits 32 without a sign.
                (self as i32).wrapping_mul(self as i32) as u32 as $squares
            }
        }
    )*};
}
small!(u8 => u32, i8 => u32, u16 => u64, i16 => u64);

/// Sums and squares of integers of up to 16 bits.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_exact<T: Small>(sums: &mut Exact, pixels: &[T], frames: &[u32]) {
    let len = sums.sum.len();
    for frames in frames.chunks(FRAMES) {
        let whole = len - len % COLUMNS;
        for at in (0..whole).step_by(COLUMNS) {
            exact_columns::<T, COLUMNS>(sums, pixels, frames, at);
        }
        for at in whole..len {
            exact_columns::<T, 1>(sums, pixels, frames, at);
        }
    }
}

/// Pixels `at..at + N` of the frames.
#[inline(always)]
fn exact_columns<T: Small, const N: usize>(sums: &mut Exact, pixels: &[T], frames: &[u32], at: usize) {
    let len = sums.sum.len();
    let (mut sum, mut squares) = ([0i32; N], [T::Squares::default(); N]);
    let (mut min, mut max) = ([T::GREATEST; N], [T::LEAST; N]);
    for &k in frames {
        let Some(row) = pixels[k as usize * len + at..].first_chunk::<N>() else { return };
        for i in 0..N {
            sum[i] += row[i].into();
        }
        for i in 0..N {
            squares[i] += row[i].square();
        }
        for i in 0..N {
            min[i] = min[i].min(row[i]);
        }
        for i in 0..N {
            max[i] = max[i].max(row[i]);
        }
    }
    for i in 0..N {
        sums.sum[at + i] += sum[i] as i64;
        sums.squares[at + i] += squares[i].into();
        sums.min[at + i] = sums.min[at + i].min(min[i].into());
        sums.max[at + i] = sums.max[at + i].max(max[i].into());
    }
}

/// A number whose sums are taken in `f64`.
pub(crate) trait Number: Copy {
    fn f64(self) -> f64;
    fn i64(self) -> i64;
}

macro_rules! number {
    ($($t:ty),*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn i64(self) -> i64 {
                self as i64
            }
        }
    )*};
}
number!(u32, i32, u64, i64, f32, f64);

impl Real {
    /// `n` frames have been taken in before.
    fn add<T: Number>(&mut self, pixels: &[T], frames: &[u32], n: u64) {
        match &mut self.counts {
            None => add_real(self, pixels, frames, n),
            Some(counts) => {
                let len = counts.len();
                for &k in frames {
                    let frame = &pixels[k as usize * len..][..len];
                    for (i, x) in frame.iter().map(|v| v.f64()).enumerate().filter(|(_, x)| !x.is_nan()) {
                        counts[i] += 1;
                        let [before, after] = [counts[i] - 1, counts[i]].map(|n| n as f64);
                        self.sum[i] += x;
                        if before > 0.0 {
                            self.squares[i] += (after * x - self.sum[i]).powi(2) / (before * after);
                        }
                        self.min[i] = self.min[i].min(x);
                        self.max[i] = self.max[i].max(x);
                    }
                }
            }
        }
        if let Some(integers) = &mut self.integer_sum {
            let len = integers.len();
            for &k in frames {
                integers.iter_mut().zip(&pixels[k as usize * len..]).for_each(|(s, v)| *s += v.i64());
            }
        }
    }

    fn merge(&mut self, later: Real, n: u64, n_later: u64) {
        let (mine, its) = (self.counts.as_deref(), later.counts.as_deref());
        for i in 0..self.sum.len() {
            let n0 = mine.map_or(n, |c| c[i]) as f64;
            let n1 = its.map_or(n_later, |c| c[i]) as f64;
            let between = match (n0 > 0.0, n1 > 0.0) {
                (true, true) => later.sum[i] / n1 - self.sum[i] / n0,
                _ => 0.0,
            };
            let weight = if n0 + n1 > 0.0 { n0 * n1 / (n0 + n1) } else { 0.0 };
            self.squares[i] += later.squares[i] + between * between * weight;
            self.sum[i] += later.sum[i];
            self.min[i] = least(self.min[i], later.min[i]);
            self.max[i] = greatest(self.max[i], later.max[i]);
        }
        if let (Some(a), Some(b)) = (&mut self.counts, later.counts) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
        if let (Some(a), Some(b)) = (&mut self.integer_sum, later.integer_sum) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_real<T: Number>(sums: &mut Real, pixels: &[T], frames: &[u32], n: u64) {
    let len = sums.sum.len();
    let whole = len - len % REAL_COLUMNS;
    for at in (0..whole).step_by(REAL_COLUMNS) {
        real_columns::<T, REAL_COLUMNS>(sums, pixels, frames, n, at);
    }
    for at in whole..len {
        real_columns::<T, 1>(sums, pixels, frames, n, at);
    }
}

/// Pixels `at..at + N` of the frames.
#[inline(always)]
fn real_columns<T: Number, const N: usize>(sums: &mut Real, pixels: &[T], frames: &[u32], n: u64, at: usize) {
    let len = sums.sum.len();
    let part = |v: &[f64]| -> [f64; N] { std::array::from_fn(|i| v[at + i]) };
    let (mut sum, mut squares) = (part(&sums.sum), part(&sums.squares));
    let (mut min, mut max) = (part(&sums.min), part(&sums.max));
    for (before, &k) in (n..).zip(frames) {
        let Some(row) = pixels[k as usize * len + at..].first_chunk::<N>() else { return };
        let x: [f64; N] = std::array::from_fn(|i| row[i].f64());
        let after = (before + 1) as f64;
        // The first value deviates by nothing from itself.
        let weight = if before == 0 { 0.0 } else { 1.0 / (before as f64 * after) };
        for i in 0..N {
            sum[i] += x[i];
        }
        for i in 0..N {
            let deviation = after * x[i] - sum[i];
            squares[i] += deviation * deviation * weight;
        }
        for i in 0..N {
            min[i] = least(min[i], x[i]);
        }
        for i in 0..N {
            max[i] = greatest(max[i], x[i]);
        }
    }
    sums.sum[at..at + N].copy_from_slice(&sum);
    sums.squares[at..at + N].copy_from_slice(&squares);
    sums.min[at..at + N].copy_from_slice(&min);
    sums.max[at..at + N].copy_from_slice(&max);
}

/// The lesser; NaN if either is.
#[inline(always)]
fn least(a: f64, b: f64) -> f64 {
    if (b < a) | b.is_nan() { b } else { a }
}

/// The greater; NaN if either is.
#[inline(always)]
fn greatest(a: f64, b: f64) -> f64 {
    if (b > a) | b.is_nan() { b } else { a }
}
