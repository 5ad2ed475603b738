//! χ² over many displacements at once.

use ndarray::Array2;
use nonius_core::{Error, Frame, Real, Result, WeightedImage, WeightedSums, wrapped_lag};

use crate::image::{Chi2Image, Prepared};
use crate::params::Chi2Params;
use crate::whiten::Pair;
use crate::{overlap, periodic};

/// χ² at whole-pixel displacements.
#[derive(Debug, Clone, PartialEq)]
pub struct Chi2Map {
    /// χ², gain and offset at their best where they are fitted; NaN where nothing overlaps.
    pub chi2: Array2<f64>,
    /// Pixels that are valid in both images.
    pub overlap: Array2<f64>,
    /// Shape `(y, x)` of the reference.
    pub reference_shape: (usize, usize),
    /// Whether displacements are modulo that shape.
    pub frame: Frame,
}

impl Chi2Map {
    /// Displacement `(y, x)` px that an element stands for. In periodic frames element 0 stands for 0, as in
    /// a discrete Fourier transform; else for the most negative displacement, 1 − the reference's length.
    pub fn lag(&self, index: (usize, usize)) -> [isize; 2] {
        let (h, w) = self.reference_shape;
        match self.frame {
            Frame::Periodic => [wrapped_lag(index.0, h), wrapped_lag(index.1, w)],
            Frame::Overlap => [index.0 as isize + 1 - h as isize, index.1 as isize + 1 - w as isize],
        }
    }

    /// χ² per degree of freedom: `χ² / (n − parameters)`; NaN where there is none.
    pub fn reduced(&self, params: &Chi2Params) -> Array2<f64> {
        let mut out = self.chi2.clone();
        out.zip_mut_with(&self.overlap, |c, &n| {
            let freedom = n - params.n_fitted();
            *c = if freedom > 0.0 { *c / freedom } else { f64::NAN };
        });
        out
    }
}

/// χ² of [`chi2_shift`](crate::chi2_shift) at every whole-pixel displacement, over the pixels that are valid in
/// both images there; a mask of the reference moves with it, in periodic frames too. What the reference's
/// noise adds is not looked at. Of images that are whitened in overlap frames, the border that the filter reaches
/// beyond is hidden.
///
/// # Errors
/// As [`chi2_shift`](crate::chi2_shift).
pub fn chi2_map<F: Real>(
    reference: &Chi2Image<'_, F>,
    moving: &Chi2Image<'_, F>,
    params: &Chi2Params,
) -> Result<Chi2Map> {
    params.validate()?;
    let Pair { reference: fixed, moving: other, .. } = Pair::prepared(reference, moving, params)?;
    let valid = |part: &Prepared<f64>| part.valid().mapv(|ok| f64::from(u8::from(ok)));
    let still = WeightedImage::new(fixed.pixels.clone(), valid(&fixed));
    let weighted = WeightedImage::new(other.pixels.clone(), other.weights());
    let counted = WeightedImage::new(other.pixels.clone(), valid(&other));
    let sums = |a, b| match params.frame {
        Frame::Overlap => WeightedSums::of(a, b),
        Frame::Periodic => WeightedSums::cyclic(a, b),
    };
    let overlap = sums(&still, &counted)?.weight.mapv(f64::round);
    let sums = sums(&still, &weighted)?;
    let chi2 = Array2::from_shape_fn(overlap.dim(), |at| {
        let (n, f, m) = (sums.weight[at], sums.reference[at], sums.moving[at]);
        if overlap[at] < 1.0 {
            return f64::NAN;
        }
        let centre = |xy: f64, x: f64, y: f64| if params.offset { xy - x * y / n } else { xy };
        let ff = centre(sums.reference2[at], f, f);
        let fm = centre(sums.product[at], f, m);
        let mm = centre(sums.moving2[at], m, m);
        let gain = if params.gain && ff > 0.0 { (fm / ff).max(0.0) } else { 1.0 };
        (mm - 2.0 * gain * fm + gain * gain * ff).max(0.0)
    });
    Ok(Chi2Map { chi2, overlap, reference_shape: fixed.pixels.dim(), frame: params.frame })
}

/// χ² at n × n displacements, rows from `center[0] − reach[0]` to `center[0] + reach[0]` px and columns
/// likewise, gain and offset at their best at each: what a picture of the minimum shows.
///
/// In frames that do not wrap it is taken over the pixels that overlap at the centre, so `reach` must not be
/// above half a pixel there. If the reference's noise is given, too, its interpolation draws the least value
/// away from the shift that [`chi2_shift`](crate::chi2_shift) finds, which it does not draw.
///
/// # Errors
/// As [`chi2_shift`](crate::chi2_shift); [`Error::Parameter`] for a centre or reach that cannot be, or n below
/// 2 or above 4096.
pub fn chi2_surface<F: Real>(
    reference: &Chi2Image<'_, F>,
    moving: &Chi2Image<'_, F>,
    params: &Chi2Params,
    center: [f64; 2],
    reach: [f64; 2],
    n: usize,
) -> Result<Array2<f64>> {
    params.validate()?;
    if center.iter().any(|c| !c.is_finite()) {
        return Err(Error::parameter("center", "finite", format!("{center:?}")));
    }
    let most = if params.frame == Frame::Overlap { 0.5 } else { f64::MAX };
    if let Some(bad) = reach.iter().find(|r| !(**r >= 0.0 && **r <= most)) {
        return Err(Error::parameter("reach", "not negative, in overlap frames at most 0.5 px", bad));
    }
    if !(2..=4096).contains(&n) {
        return Err(Error::parameter("n", "2 to 4096", n));
    }
    let pair = Pair::prepared(reference, moving, params)?.cropped();
    let places =
        reach.map(|r| (0..n).map(|i| r * (2.0 * i as f64 / (n - 1) as f64 - 1.0)).collect::<Vec<f64>>());
    let places = [places[0].as_slice(), places[1].as_slice()];
    match params.frame {
        Frame::Overlap => overlap::surface(&pair, params, center, places),
        Frame::Periodic => periodic::surface(&pair, params, center, places),
    }
}
