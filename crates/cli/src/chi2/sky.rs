//! `--wcs`: images brought together by their world coordinates.

use anyhow::{Context, Result, bail};
use ndarray::Array2;
use nonius::core::{TangentPlane, resample};
use nonius::io::{Value, tangent_plane};

use super::args::Chi2Config;
use super::measure::Known;
use super::outcome::{Found, SkyShift};

/// Pixels of the reference that must be seen in the other image, too.
const FEWEST: usize = 16;

/// Where the images lie on the sky.
pub(super) struct Sky {
    reference: TangentPlane,
    moving: TangentPlane,
    /// Middle of the reference, (y, x) px: the scale there is the one that counts.
    middle: [f64; 2],
}

impl Sky {
    /// From the headers of reference and moving image.
    pub(super) fn of(names: [&str; 2], images: [&Known; 2]) -> Result<Self> {
        let plane = |i: usize| -> Result<TangentPlane> {
            let plane = tangent_plane(&images[i].header).with_context(|| names[i].to_string())?;
            let side = |keyword: &str| images[i].header.find(keyword).and_then(Value::integer);
            let (h, w) = images[i].pixels.dim();
            match (side("NAXIS2"), side("NAXIS1")) {
                (Some(y), Some(x)) if (y, x) != (h as i64, w as i64) => bail!(
                    "{}: world coordinates are those of {y} × {x} px (y × x), but {h} × {w} were selected",
                    names[i]
                ),
                _ => Ok(plane),
            }
        };
        let (reference, moving) = (plane(0)?, plane(1)?);
        for keyword in ["RADESYS", "EQUINOX"] {
            let [a, b] = images.map(|image| image.header.find(keyword));
            if let (Some(a), Some(b)) = (a, b)
                && a != b
                && (a.real().is_none() || a.real() != b.real())
            {
                bail!("{keyword} is {a} in {} but {b} in {}; expected the same", names[0], names[1]);
            }
        }
        let (h, w) = images[0].pixels.dim();
        let middle = [h, w].map(|n| 0.5 * (n as f64 - 1.0));
        Ok(Sky { reference, moving, middle })
    }

    /// `moving` on the pixels of `reference`, hidden where it shows nothing.
    pub(super) fn on_reference(
        &self,
        moving: Known,
        reference: &Known,
        name: &str,
        config: &Chi2Config,
    ) -> Result<Known> {
        let sigma = moving.sigma.unwrap_or(1.0);
        let variance = match &moving.sigmas {
            Some(sigmas) => sigmas.mapv(|s| s * s),
            None => Array2::from_elem(moving.pixels.dim(), sigma * sigma),
        };
        let mut valid = moving.mask.clone().unwrap_or_else(|| Array2::from_elem(variance.dim(), true));
        valid.zip_mut_with(&variance, |ok, v| *ok &= v.is_finite());
        if let Some(((y, x), v)) = moving.pixels.indexed_iter().find(|(at, v)| valid[*at] && !v.is_finite()) {
            bail!("{name}: element [{y}, {x}] is {v}; --mask-nan leaves such pixels out");
        }
        let shape = reference.pixels.dim();
        let place = |y: usize, x: usize| self.reference.to_other(&self.moving, [y as f64, x as f64]);
        let pixels = moving.pixels.view();
        let there = resample(pixels, valid.view(), variance.view(), config.fit.degree, shape, place)?;
        let n = there.valid.iter().filter(|ok| **ok).count();
        if n < FEWEST {
            bail!("{name}: shows {n} px of what the reference shows of the sky, expected at least {FEWEST}");
        }
        // Relative if σ is not known: errors are then scaled by the residuals.
        let known = moving.is_known();
        let sigmas = known.then(|| there.variance.mapv(f64::sqrt));
        Ok(Known { pixels: there.pixels, mask: Some(there.valid), sigma: None, sigmas, ..moving })
    }

    /// The shift found, in arcseconds; with J from px to arcseconds, its covariance is J C Jᵀ.
    pub(super) fn shift(&self, found: &Found) -> SkyShift {
        let scale = self.reference.arcsec_per_px(self.middle);
        let [east, north] = scale.map(|[y, x]| y * found.dy + x * found.dx);
        let covariance = found.covariance.unwrap_or([[f64::NAN; 2]; 2]);
        let error = |[y, x]: [f64; 2]| {
            let [[yy, yx], [_, xx]] = covariance;
            (y * y * yy + 2.0 * y * x * yx + x * x * xx).sqrt()
        };
        SkyShift {
            dra_arcsec: east,
            ddec_arcsec: north,
            edra_arcsec: error(scale[0]),
            eddec_arcsec: error(scale[1]),
        }
    }
}
