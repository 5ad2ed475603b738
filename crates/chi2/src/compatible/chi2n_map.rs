//! χ² of every whole-pixel shift.

use ndarray::{Array2, ArrayView2, Zip};
use nonius_core::{Error, RealFft2, Result, Sample, check_finite, check_not_empty, check_shape};

/// Standard deviations of the moving image's pixels, in the images' unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum PixelError<'a> {
    /// 1 everywhere. The default.
    #[default]
    Unit,
    /// The same everywhere.
    Uniform(f64),
    /// One for each pixel, shape `(y, x)` of the images. Infinity leaves a pixel of the moving image out.
    /// 0 and NaN do *not*: both images are set to 0 there and the error to 1.
    PerPixel(ArrayView2<'a, f64>),
}

/// The term of χ² that belongs to the reference.
#[derive(Debug, Clone, PartialEq)]
pub enum Term3 {
    /// Σ reference²/σ² for one σ: the same for every shift.
    Scalar(f64),
    /// `Σ reference[r − d]²/σ[r]²` for each shift, in the layout of the map.
    Map(Array2<f64>),
}

/// χ² by shift, and the terms that it is made of.
///
/// Element `p` of a map belongs to the displacement `p₀ − p` px, `(y, x)`, of the moving image's content, with
/// p₀ = n − 1 − ⌊n/2⌋ along an axis of n pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Chi2nMap {
    /// χ² or, if that was asked for, χ²/(N − 2) for N pixels. Shape `(y, x)` of the images.
    pub map: Array2<f64>,
    /// Σ moving²/σ². Never reduced.
    pub term1: f64,
    /// `−2 Σ reference[r − d]·moving[r]/σ[r]²`. Never reduced.
    pub term2: Array2<f64>,
    /// The reference's squares. Never reduced.
    pub term3: Term3,
}

impl Chi2nMap {
    /// Whether rounding is all that tells one shift from another.
    pub(super) fn is_flat(&self) -> bool {
        let extent = |map: &Array2<f64>| {
            let (low, high) = map.fold((f64::MAX, f64::MIN), |(low, high), &v| (v.min(low), v.max(high)));
            (high - low, high.abs().max(low.abs()))
        };
        let third = match &self.term3 {
            Term3::Scalar(value) => value.abs(),
            Term3::Map(map) => extent(map).1,
        };
        extent(&self.map).0 <= 3e-14 * (self.term1.abs() + extent(&self.term2).1 + third)
    }
}

/// χ² of periodic images for every shift by whole pixels.
///
/// ```text
/// χ²(d) = Σ_r (moving[r] − reference[r − d])² / σ[r]²
/// ```
///
/// Images `(y, x)` of equal shape; σ belongs to the moving image alone. NaN in an image is read as 0.
/// `zeromean` first subtracts from each image its mean over all pixels that are not NaN; `reduced` divides
/// the map by N − 2. For the layout see [`Chi2nMap`].
///
/// # Errors
/// [`Error::Shape`], [`Error::Empty`]; [`Error::NotFinite`] for an infinity in an image or a χ² that double
/// precision cannot hold; [`Error::Parameter`] for a uniform error that is 0 or not finite, and for
/// `reduced` with fewer than three pixels.
///
/// # Source
/// image_registration 0.2.10, `chi2n_map` with `boundary='wrap'`.
///
/// # Example
/// ```
/// use ndarray::array;
/// use nonius_chi2::compatible::{PixelError, chi2n_map};
///
/// let reference = array![[0.0, 1.0, 0.0, 0.0, 0.0]];
/// let moving = array![[0.0, 0.0, 0.0, 1.0, 0.0]]; // displaced by +2
/// let chi2 = chi2n_map(reference.view(), moving.view(), PixelError::Uniform(0.5), false, false)?;
/// assert!(chi2.map[[0, 0]].abs() < 1e-12); // p₀ − 2 = 0
/// assert!((chi2.map[[0, 1]] - 8.0).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn chi2n_map<T: Sample>(
    reference: ArrayView2<'_, T>,
    moving: ArrayView2<'_, T>,
    err: PixelError<'_>,
    zeromean: bool,
    reduced: bool,
) -> Result<Chi2nMap> {
    check_not_empty("reference", reference.shape())?;
    check_shape("moving", reference.shape(), moving.shape())?;
    if reduced && reference.len() < 3 {
        return Err(Error::parameter("pixels", "three or more for a reduced χ²", reference.len()));
    }
    let mut reference = without_missing("reference", reference, zeromean)?;
    let mut moving = without_missing("moving", moving, zeromean)?;
    let weights = match err {
        PixelError::Unit => Array2::ones(moving.dim()),
        PixelError::Uniform(sigma) if sigma.is_finite() && sigma != 0.0 => {
            Array2::from_elem(moving.dim(), 1.0 / (sigma * sigma))
        }
        PixelError::Uniform(sigma) => return Err(Error::parameter("err", "finite and not 0", sigma)),
        PixelError::PerPixel(sigma) => {
            check_shape("err", moving.shape(), sigma.shape())?;
            Zip::from(&mut reference).and(&mut moving).and(&sigma).map_collect(|f, g, &sigma| {
                if sigma == 0.0 || sigma.is_nan() {
                    (*f, *g) = (0.0, 0.0);
                    return 1.0;
                }
                1.0 / (sigma * sigma)
            })
        }
    };
    check_finite("1/err²", weights.view())?;
    let correlation = Correlation { plan: RealFft2::new(moving.dim())? };
    let term1 = (&moving * &moving * &weights).sum();
    let term2 = -2.0 * correlation.map(&reference, &(&moving * &weights))?;
    reference.mapv_inplace(|f| f * f);
    let term3 = match err {
        PixelError::PerPixel(_) => Term3::Map(correlation.map(&reference, &weights)?),
        _ => Term3::Scalar((reference * weights).sum()),
    };
    let mut map = &term2 + term1;
    match &term3 {
        Term3::Scalar(term3) => map += *term3,
        Term3::Map(term3) => map += term3,
    }
    if reduced {
        map /= map.len() as f64 - 2.0;
    }
    check_finite("χ²", map.view())?;
    Ok(Chi2nMap { map, term1, term2, term3 })
}

/// The image in double precision, its mean subtracted if that is asked for, then 0 in place of NaN.
fn without_missing<T: Sample>(
    what: &'static str,
    image: ArrayView2<'_, T>,
    zeromean: bool,
) -> Result<Array2<f64>> {
    let image = image.mapv(|v| v.real::<f64>());
    let known = || image.iter().filter(|v| !v.is_nan());
    let mean = if zeromean { known().sum::<f64>() / known().count().max(1) as f64 } else { 0.0 };
    let filled = image.mapv(|v| if v.is_nan() { 0.0 } else { v - mean });
    check_finite(what, filled.view())?;
    Ok(filled)
}

struct Correlation {
    plan: RealFft2<f64>,
}

impl Correlation {
    /// `C[p] = Σ_q a[q]·b[q + p₀ − p]`, indices modulo the shape.
    fn map(&self, a: &Array2<f64>, b: &Array2<f64>) -> Result<Array2<f64>> {
        let mut scratch = self.plan.scratch();
        let [mut x, mut g] = [self.plan.spectrum(), self.plan.spectrum()];
        self.plan.forward(a.view(), &mut x, &mut scratch)?;
        self.plan.forward(b.view(), &mut g, &mut scratch)?;
        let scale = 1.0 / a.len() as f64;
        x.iter_mut().zip(g).for_each(|(x, g)| *x = x.conj() * g * scale);
        let (h, w) = a.dim();
        let place = |lag: usize, n: usize| (2 * n - 1 - n / 2 - lag) % n;
        let columns: Vec<usize> = (0..w).map(|p| place(p, w)).collect();
        let mut map = Array2::zeros((h, w));
        self.plan.inverse_rows(&mut x, &mut scratch, |y, row| {
            map.row_mut(place(y, h)).iter_mut().zip(&columns).for_each(|(v, &lag)| *v = row[lag]);
        })?;
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> [Array2<f64>; 2] {
        [3, 5].map(|k| Array2::from_shape_fn((4, 5), |(y, x)| ((k * y * y + x * (k + y)) % 7) as f64))
    }

    #[test]
    fn equals_the_sum() {
        let [f, g] = images();
        let sigma = Array2::from_shape_fn((4, 5), |(y, x)| 1.0 + 0.1 * (y + 2 * x) as f64);
        let found = chi2n_map(f.view(), g.view(), PixelError::PerPixel(sigma.view()), false, false).unwrap();
        for ((py, px), &value) in found.map.indexed_iter() {
            // p₀ = (1, 2): r − d = r − p₀ + p
            let sum: f64 = g
                .indexed_iter()
                .map(|((y, x), g)| ((g - f[[(y + 3 + py) % 4, (x + 3 + px) % 5]]) / sigma[[y, x]]).powi(2))
                .sum();
            assert!((sum - value).abs() < 1e-10, "{py}, {px}: {value}, not {sum}");
        }
    }

    #[test]
    fn inputs_of_any_type_and_errors_of_any_kind() {
        let [f, g] = images();
        let whole = chi2n_map(f.view(), g.view(), PixelError::Unit, false, false).unwrap();
        let bytes = [&f, &g].map(|image| image.mapv(|v| v as u8));
        let ones = Array2::ones(f.dim());
        let from_bytes =
            chi2n_map(bytes[0].view(), bytes[1].view(), PixelError::PerPixel(ones.view()), false, false)
                .unwrap();
        assert!((whole.map - from_bytes.map).iter().all(|d| d.abs() < 1e-10));
        for sigma in [0.0, f64::NAN, f64::INFINITY, 1e-200] {
            assert!(chi2n_map(f.view(), g.view(), PixelError::Uniform(sigma), false, false).is_err());
        }
    }

    #[test]
    fn bad_images_are_errors() {
        let [f, g] = images();
        let map = |f: &Array2<f64>, g: &Array2<f64>, reduced| {
            chi2n_map(f.view(), g.view(), PixelError::Unit, true, reduced)
        };
        assert!(map(&f, &Array2::zeros((5, 4)), false).is_err());
        assert!(map(&Array2::zeros((0, 4)), &Array2::zeros((0, 4)), false).is_err());
        assert!(map(&Array2::zeros((1, 2)), &Array2::zeros((1, 2)), true).is_err());
        assert!(map(&(&f * 1e200), &g, false).is_err());
        assert!(map(&(&f * f64::INFINITY), &g, false).is_err());
        assert!(map(&(&f * f64::NAN), &g, false).unwrap().is_flat());
        assert!(!map(&f, &g, false).unwrap().is_flat());
    }
}
