//! What χ² says of two images, as a table and as the JSON object of the contract.

use nonius::chi2::compatible::GridShift;
use nonius::chi2::{Chi2Params, Chi2Shift, CorrelatedNoise};
use nonius::core::{RunnerUp, Status};
use nonius::plot::Picture;
use serde::Serialize;

use crate::output::{Table, sigma, signed};

/// Distances `[below, above]` px to the limits of either component.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Limits {
    pub(crate) x: [f64; 2],
    pub(crate) y: [f64; 2],
}

/// The shift on the sky with its standard errors: east is dα·cosδ, north dδ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct SkyShift {
    pub(crate) dra_arcsec: f64,
    pub(crate) ddec_arcsec: f64,
    pub(crate) edra_arcsec: f64,
    pub(crate) eddec_arcsec: f64,
}

/// The displacement and all that is known of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Found {
    pub(crate) reference: String,
    pub(crate) image: String,
    pub(crate) dx: f64,
    pub(crate) dy: f64,
    /// Standard errors; on a grid those of the joint region.
    pub(crate) edx: f64,
    pub(crate) edy: f64,
    pub(crate) errors: Limits,
    /// In the order y, x; a grid has none.
    pub(crate) covariance: Option<[[f64; 2]; 2]>,
    pub(crate) chi2_min: f64,
    pub(crate) reduced_chi2: f64,
    /// Samples per px; None without a grid.
    pub(crate) upsample_factor: Option<f64>,
    pub(crate) status: Status,
    pub(crate) competing: Vec<RunnerUp>,
    pub(crate) scaled_by_residuals: bool,
    /// None where it was not looked for.
    pub(crate) correlated: Option<bool>,
    /// What was made of correlated noise.
    pub(crate) correlated_noise: CorrelatedNoise,
    /// Where its spectrum comes from: `residuals`, `region` or `file`; None if it was of no account.
    pub(crate) noise_spectrum: Option<&'static str>,
    /// σ of every pixel of the moving image, as given or as a region tells it.
    pub(crate) noise_sigma: Option<f64>,
    pub(crate) overlap: usize,
    pub(crate) gain: f64,
    pub(crate) offset: f64,
    /// The shift on the sky, if it was asked for.
    #[serde(flatten)]
    pub(crate) on_sky: Option<SkyShift>,
    pub(crate) warnings: Vec<String>,
    #[serde(skip)]
    pub(crate) degrees_of_freedom: f64,
    #[serde(skip)]
    pub(crate) picture: Option<Picture>,
}

impl Found {
    pub(crate) fn continuous(reference: &str, image: &str, found: &Chi2Shift) -> Self {
        let ([dy, dx], [edy, edx]) = (found.shift, found.standard_errors());
        Found {
            reference: reference.into(),
            image: image.into(),
            dx,
            dy,
            edx,
            edy,
            errors: Limits { x: found.errors[1], y: found.errors[0] },
            covariance: Some(found.covariance),
            chi2_min: found.chi2,
            reduced_chi2: found.reduced_chi2(),
            upsample_factor: None,
            status: found.status,
            competing: found.competing.clone(),
            scaled_by_residuals: found.scaled_by_residuals,
            correlated: Some(found.correlated),
            correlated_noise: CorrelatedNoise::Ignore,
            noise_spectrum: None,
            noise_sigma: None,
            on_sky: None,
            overlap: found.overlap,
            gain: found.gain,
            offset: found.offset,
            warnings: Vec::new(),
            degrees_of_freedom: found.degrees_of_freedom,
            picture: None,
        }
    }

    /// `n` is the number of pixels, `offset` the difference of subtracted means.
    pub(crate) fn on_grid(reference: &str, image: &str, found: &GridShift, n: usize, offset: f64) -> Self {
        let chi2_min = found.map.iter().copied().fold(f64::INFINITY, f64::min);
        let degrees_of_freedom = n as f64 - 2.0;
        let at_border = |shift: f64, grid: &[f64]| [grid.first(), grid.last()].contains(&Some(&shift));
        let status = if found.dx.is_nan() || found.dy.is_nan() {
            Status::Undetermined
        } else if [(found.dx, &found.x), (found.dy, &found.y)]
            .iter()
            .any(|(shift, grid)| at_border(*shift, grid.as_slice().unwrap_or_default()))
        {
            Status::AtSearchLimit
        } else {
            Status::Converged
        };
        // The map's indices ascend as shifts descend.
        let turned = |[larger, smaller]: [f64; 2]| [smaller, larger];
        Found {
            reference: reference.into(),
            image: image.into(),
            dx: found.dx,
            dy: found.dy,
            edx: found.err_x,
            edy: found.err_y,
            errors: Limits { x: turned(found.x_low_high), y: turned(found.y_low_high) },
            covariance: None,
            chi2_min,
            reduced_chi2: if n > 2 { chi2_min / degrees_of_freedom } else { f64::NAN },
            upsample_factor: Some(1.0 / found.step),
            status,
            competing: Vec::new(),
            scaled_by_residuals: false,
            correlated: None,
            correlated_noise: CorrelatedNoise::Ignore,
            noise_spectrum: None,
            noise_sigma: None,
            on_sky: None,
            overlap: n,
            gain: 1.0,
            offset,
            warnings: Vec::new(),
            degrees_of_freedom,
            picture: None,
        }
    }

    pub(crate) fn table(&self) -> Table {
        let Limits { x, y } = self.errors;
        // Limits of another kind than one standard error have columns of their own.
        let apart = [(y, self.edy), (x, self.edx)];
        let apart = apart.iter().any(|(l, e)| l.iter().any(|v| (v - e).abs() > 1e-6 * e));
        let mut heads = vec!["image", "dy", "dx", "±dy", "±dx"];
        if apart {
            heads.extend(["−dy", "+dy", "−dx", "+dx"]);
        }
        if self.on_sky.is_some() {
            heads.extend(["dα·cosδ″", "dδ″", "±dα·cosδ″", "±dδ″"]);
        }
        heads.extend(["χ²/freedom", "overlap", "status"]);
        let mut table = Table::new(&heads);
        let mut cells = vec![self.image.clone(), signed(self.dy), signed(self.dx)];
        cells.extend([self.edy, self.edx].map(sigma));
        if apart {
            cells.extend([y, x].as_flattened().iter().map(|&v| sigma(v)));
        }
        if let Some(sky) = &self.on_sky {
            cells.extend([sky.dra_arcsec, sky.ddec_arcsec].map(signed));
            cells.extend([sky.edra_arcsec, sky.eddec_arcsec].map(sigma));
        }
        let reduced = self.reduced_chi2;
        cells.push(if reduced.is_finite() { format!("{reduced:.4}") } else { "–".into() });
        cells.push(self.overlap.to_string());
        cells.push(words(self.status).into());
        table.row(cells);
        table
    }

    /// Remarks on numbers that should not be trusted; `known` tells whether the noise was given,
    /// `both` whether that of the reference was, which interpolation lowers.
    pub(crate) fn doubts(&self, params: &Chi2Params, known: bool, both: bool) -> Vec<String> {
        let mut doubts = Vec::new();
        let image = &self.image;
        match (self.status, self.competing.first()) {
            (Status::Converged, _) => {}
            (Status::Ambiguous, Some(RunnerUp { shift: [dy, dx], delta_chi2 })) => doubts.push(format!(
                "{image}: a shift of ({dy:+.2}, {dx:+.2}) px explains the images nearly as well: χ² is higher by \
                 {delta_chi2:.1}"
            )),
            (Status::Ambiguous, None) => {
                doubts.push(format!("{image}: another shift explains the images nearly as well"));
            }
            (Status::AtSearchLimit, _) if self.upsample_factor.is_some() => doubts.push(format!(
                "{image}: the least χ² lies at the border of the grid; a coarser one, --upsample with a smaller N, \
                 reaches farther"
            )),
            (Status::AtSearchLimit, _) => doubts.push(format!(
                "{image}: the best match lies at the limit of the search; allow a larger shift"
            )),
            (Status::Undetermined, _) => doubts.push(format!("{image}: the images do not fix a shift")),
        }
        if self.status == Status::Undetermined {
            return doubts;
        }
        if !known {
            doubts.push(match self.upsample_factor {
                Some(_) => format!("{image}: errors hold for noise of 1 in every pixel; give --err"),
                None => format!("{image}: noise was not given; errors are scaled by the residuals"),
            });
        }
        if self.correlated == Some(true) && params.correlated_noise == CorrelatedNoise::Ignore {
            doubts.push(format!(
                "{image}: residuals of neighbouring pixels are alike; --correlated-noise gives errors for that"
            ));
        }
        // χ² scatters by √(2 · freedom).
        let excess = (self.reduced_chi2 - 1.0) / (2.0 / self.degrees_of_freedom).sqrt();
        if known && (excess > 5.0 || (excess < -5.0 && !both)) {
            doubts.push(format!(
                "{image}: χ² per degree of freedom is {:.3}: the noise is not what was given, or more than a \
                 shift lies between the images",
                self.reduced_chi2
            ));
        }
        doubts
    }
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::AtSearchLimit => "at search limit",
        Status::Ambiguous => "ambiguous",
        Status::Undetermined => "undetermined",
    }
}
