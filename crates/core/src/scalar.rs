//! The scalar trait.

use ndarray::NdFloat;
use num_traits::{FromPrimitive, ToPrimitive};
use rustfft::FftNum;

/// `f32` or `f64`: the numbers that kernels compute in.
///
/// Measured frames may be of other types ([`Sample`]); they are converted tile by tile. Geometry,
/// covariances and levels are `f64` whatever the frames are.
pub trait Real: NdFloat + Default + FftNum + FromPrimitive + ToPrimitive + bytemuck::Pod {
    /// The constant `x` in this type (rounded to it).
    fn of(x: f64) -> Self;

    /// This number as `f64`.
    fn f64(self) -> f64;
}

impl Real for f32 {
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        self as f64
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }
}

/// A value that a detector or a file delivers and that converts to a [`Real`].
///
/// `f64` carries all of these but the largest 64-bit integers exactly; `f32` is exact up to 2²⁴.
pub trait Sample: Copy + Send + Sync + 'static {
    /// The value as a real number, rounded to it.
    fn real<F: Real>(self) -> F;
}

macro_rules! sample {
    ($($t:ty),*) => {$(
        impl Sample for $t {
            #[inline(always)]
            fn real<F: Real>(self) -> F {
                F::of(self as f64)
            }
        }
    )*};
}
sample!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);
