//! What is done to pixel values before they are correlated.

use multiversion::multiversion;
use ndarray::{Array, Dimension};
use nonius_core::{Error, Real, Result};
use serde::{Deserialize, Serialize};

/// The transform of pixel values before correlation.
///
/// Disks differ by orders of magnitude in brightness and some have structure within; both weigh less after a
/// logarithm, which makes much of noise in the dark, however. The minimum is that of the crop or the frame that is
/// correlated, missing pixels left out. Any other function: [`with_intensity`](crate::CorrelationPlan::with_intensity).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Intensity {
    /// `ln(I − min I + 1)`, for counts.
    #[default]
    Log,
    /// `ln(I − min I + c)`, c above 0: values up to about c stay as they are but for a factor. For frames that do not
    /// count in ones; an offset in proportion to the gain undoes it.
    LogOffset(f64),
    /// `√(I − min I)`.
    SquareRoot,
    /// As recorded.
    Linear,
}

impl Intensity {
    /// Checks the offset of a logarithm.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(self) -> Result<()> {
        match self {
            // The limits of what single precision can divide by.
            Intensity::LogOffset(c) if !(1e-30..=1e30).contains(&c) => {
                Err(Error::parameter("log offset", "1e-30 to 1e30", c))
            }
            _ => Ok(()),
        }
    }

    /// Transforms finite `values` whose minimum is `least`.
    pub(crate) fn apply<F: Real>(self, values: &mut [F], least: F) {
        match self {
            Intensity::Log => log_from(values, least, 1.0),
            Intensity::LogOffset(c) => log_from(values, least, c),
            Intensity::SquareRoot => {
                values.iter_mut().for_each(|v| *v = (*v - least).max(F::zero()).sqrt());
            }
            Intensity::Linear => {}
        }
    }

    /// Transforms an image; its pixels that are not finite become the least of the others, an image without any that is
    /// finite becomes 0. An offset that is not [valid](Self::validate) gives NaN.
    pub fn transform<F: Real, D: Dimension>(self, image: &mut Array<F, D>) {
        let values: Vec<F> = image.iter().copied().collect();
        let Some([least, _]) = finite_range(&values).0 else {
            image.fill(F::zero());
            return;
        };
        let mut values: Vec<F> = values.into_iter().map(|v| if v.is_finite() { v } else { least }).collect();
        self.apply(&mut values, least);
        image.iter_mut().zip(values).for_each(|(to, v)| *to = v);
    }
}

/// Least and greatest of the finite values; None if there is none. True if all are finite.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn finite_range<F: Real>(values: &[F]) -> (Option<[F; 2]>, bool) {
    const LANES: usize = 16;
    let (mut least, mut greatest) = ([F::infinity(); LANES], [F::neg_infinity(); LANES]);
    // 0, but NaN for infinities and NaN.
    let mut check = [F::zero(); LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            let v = chunk[l];
            least[l] = if v < least[l] { v } else { least[l] };
            greatest[l] = if v > greatest[l] { v } else { greatest[l] };
            check[l] += v * F::zero();
        }
    }
    for (l, &v) in rest.iter().enumerate() {
        least[l] = if v < least[l] { v } else { least[l] };
        greatest[l] = if v > greatest[l] { v } else { greatest[l] };
        check[l] += v * F::zero();
    }
    if check.iter().all(|c| *c == F::zero()) {
        let least = least.into_iter().fold(F::infinity(), F::min);
        let greatest = greatest.into_iter().fold(F::neg_infinity(), F::max);
        return ((least <= greatest).then_some([least, greatest]), true);
    }
    let range = values.iter().filter(|v| v.is_finite()).fold(None, |range: Option<[F; 2]>, &v| match range {
        None => Some([v, v]),
        Some([low, high]) => Some([v.min(low), v.max(high)]),
    });
    (range, false)
}

/// `ln(v − least + c) = ln((v − least)/c + 1) + ln c` of every value.
///
/// With `u = m·2^e`, √½ ≤ m < √2, and `s = (m − 1)/(m + 1)`: `ln u = e ln 2 + 2s (1 + s²/3 + s⁴/5 + …)`, within two
/// units in the last place. Written out because the library's logarithm takes one number at a time.
fn log_from<F: Real>(values: &mut [F], least: F, c: f64) {
    if size_of::<F>() == size_of::<f32>() {
        log_from_f32(bytemuck::cast_slice_mut(values), least.f64() as f32, (1.0 / c) as f32, c.ln() as f32);
    } else {
        log_from_f64(bytemuck::cast_slice_mut(values), least.f64(), 1.0 / c, c.ln());
    }
}

/// As |s| ≤ 0.172, four terms leave an error below rounding.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn log_from_f32(values: &mut [f32], least: f32, scale: f32, level: f32) {
    /// √½
    const LOWEST: u32 = 0x3f35_04f3;
    for v in values {
        let u = ((*v - least) * scale).max(0.0) + 1.0;
        let bits = u.to_bits().wrapping_sub(LOWEST);
        let e = (bits as i32 >> 23) as f32;
        let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(LOWEST));
        let s = (m - 1.0) / (m + 1.0);
        let s2 = s * s;
        let tail = s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0))));
        *v = level + (e * std::f32::consts::LN_2 + (2.0 * s + 2.0 * s * tail));
    }
}

/// 1/(2k + 1) for k from 11 to 1.
const TERMS: [f64; 11] = {
    let mut terms = [0.0; 11];
    let mut k = 11;
    while k > 0 {
        terms[11 - k] = 1.0 / (2 * k + 1) as f64;
        k -= 1;
    }
    terms
};

/// Eleven terms.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn log_from_f64(values: &mut [f64], least: f64, scale: f64, level: f64) {
    /// √½
    const LOWEST: u64 = 0x3fe6_a09e_667f_3bcd;
    const TWO_52: u64 = 0x4330_0000_0000_0000;
    for v in values {
        let u = ((*v - least) * scale).max(0.0) + 1.0;
        // Not below 0, as u ≥ 1.
        let bits = u.to_bits().wrapping_sub(LOWEST);
        // The whole number in the low bits of 2⁵²: there is no other way to a double in four lanes.
        let e = f64::from_bits(TWO_52 | bits >> 52) - f64::from_bits(TWO_52);
        let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(LOWEST));
        let s = (m - 1.0) / (m + 1.0);
        let s2 = s * s;
        let tail = TERMS.iter().fold(0.0, |tail, term| s2 * (term + tail));
        *v = level + (e * std::f64::consts::LN_2 + (2.0 * s + 2.0 * s * tail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_library() {
        let mut state = 1u64;
        for i in 0..20_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let v = (state >> 11) as f64 / (1u64 << 53) as f64 * 10f64.powi(i % 12 - 3);
            let (mut narrow, mut wide) = ([v as f32], [v]);
            log_from(&mut narrow, 0.0, 1.0);
            log_from(&mut wide, 0.0, 1.0);
            let (u, w) = (v as f32 + 1.0, v + 1.0);
            assert!((narrow[0] - u.ln()).abs() <= 2.0 * f32::EPSILON * u.ln().abs(), "{v}");
            assert!((wide[0] - w.ln()).abs() <= 2.0 * f64::EPSILON * w.ln().abs(), "{v}");
        }
    }

    /// Where the sum has lost no digits to a great level.
    #[test]
    fn offsets_are_what_is_added() {
        for c in [1e-3, 0.25, 7.0, 1e5] {
            let mut values: Vec<f64> = (0..50).map(|k| 3.0 + f64::from(k * k)).collect();
            let expected: Vec<f64> = values.iter().map(|v| (v - 3.0 + c).ln()).collect();
            let mut narrow: Vec<f32> = values.iter().map(|v| *v as f32).collect();
            Intensity::LogOffset(c).apply(&mut values, 3.0);
            Intensity::LogOffset(c).apply(&mut narrow, 3.0);
            for ((v, n), e) in values.iter().zip(&narrow).zip(expected) {
                assert!((v - e).abs() < 1e-14 * (1.0 + c.ln().abs()), "{c}: {v}, {e}");
                assert!((f64::from(*n) - e).abs() < 1e-6 * (1.0 + c.ln().abs()), "{c}: {n}, {e}");
            }
        }
        let mut image = ndarray::array![1.0, f64::NAN, 2.0];
        Intensity::LogOffset(-1.0).transform(&mut image);
        assert!(image.iter().all(|v| v.is_nan()));
    }

    #[test]
    fn ranges_leave_out_what_is_not_finite() {
        let mut values: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(finite_range(&values), (Some([0.0, 36.0]), true));
        values[36] = f32::INFINITY;
        values[0] = f32::NAN;
        assert_eq!(finite_range(&values), (Some([1.0, 35.0]), false));
        assert_eq!(finite_range(&[f32::NAN; 20]), (None, false));
        assert_eq!(finite_range::<f64>(&[]), (None, true));
    }
}
