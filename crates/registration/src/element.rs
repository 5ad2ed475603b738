//! Real and complex numbers as what arrays hold.

use ndarray::{ArrayD, ArrayView, Dimension};
use nonius_core::{Error, Real, Result};
use num_complex::Complex;

mod sealed {
    pub trait Sealed {}
}

/// An element of an array that may be real or complex: `f32`, `f64`, `Complex<f32>`, `Complex<f64>`.
pub trait Element: Copy + sealed::Sealed {
    /// The real numbers of its kind.
    type Real: Real;

    /// The element as a complex number.
    fn complex(self) -> Complex<Self::Real>;
}

macro_rules! element {
    ($($real:ty),*) => {$(
        impl sealed::Sealed for $real {}
        impl Element for $real {
            type Real = $real;
            fn complex(self) -> Complex<$real> {
                self.into()
            }
        }
        impl sealed::Sealed for Complex<$real> {}
        impl Element for Complex<$real> {
            type Real = $real;
            fn complex(self) -> Complex<$real> {
                self
            }
        }
    )*};
}
element!(f32, f64);

/// [`Error::NotFinite`] at the first element with a NaN or an infinity; else the largest modulus of a part.
pub(crate) fn largest_part<F: Real, D: Dimension>(
    what: &'static str,
    array: ArrayView<'_, Complex<F>, D>,
) -> Result<F> {
    let mut largest = F::zero();
    for (index, z) in array.into_dyn().indexed_iter() {
        if !(z.re.is_finite() && z.im.is_finite()) {
            return Err(Error::NotFinite { what, index: Dimension::slice(&index).to_vec() });
        }
        largest = largest.max(z.re.abs()).max(z.im.abs());
    }
    Ok(largest)
}

/// A copy as complex numbers.
pub(crate) fn complex<T: Element, D: Dimension>(array: ArrayView<'_, T, D>) -> ArrayD<Complex<T::Real>> {
    array.mapv(T::complex).into_dyn()
}

/// [`complex`] where the elements are known to be real.
pub(crate) fn complex_of_real<F: Real, D: Dimension>(array: ArrayView<'_, F, D>) -> ArrayD<Complex<F>> {
    array.mapv(|v| Complex::new(v, F::zero())).into_dyn()
}
