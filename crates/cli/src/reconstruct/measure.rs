//! From the file to the volume, and what is said of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nonius::io::{AttributeValue, write_volume};
use nonius::plot::{PanelRow, Panels};
use nonius::tomography::Stop;
use nonius::workflow::tomography::{ReconstructionMethod, reconstruct_series};
use serde::Serialize;

use super::args::ReconstructConfig;
use crate::output::{check_folder, six_digits};
use crate::session::Session;
use crate::tilt;

/// What `nonius reconstruct` found: the JSON object.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reconstruction {
    file: String,
    /// (N, J, K).
    shape: [usize; 3],
    volume_shape: [usize; 3],
    method: ReconstructionMethod,
    /// Iterations done; 0 for a method without.
    iterations: usize,
    /// Loss before each.
    losses: Vec<f64>,
    /// Root mean square of all pixels of image less re-projection.
    residual: f64,
    /// The same of every projection.
    residuals: Vec<f64>,
    stop: &'static str,
    n_masked: usize,
    pixel_size_nm: Option<f64>,
    pub(crate) result: Option<PathBuf>,
    pub(crate) picture: Option<PathBuf>,
    pub(crate) warnings: Vec<String>,
    #[serde(skip)]
    pub(crate) drawn: Option<nonius::plot::Picture>,
}

pub(crate) fn measure(
    session: &Session,
    config: &ReconstructConfig,
    text: &str,
    out: Option<&Path>,
    picture: Option<&Path>,
) -> Result<Reconstruction> {
    for (option, path) in [("--out", out), ("--picture", picture)] {
        if let Some(path) = path {
            check_folder(option, path)?;
        }
    }
    let (file, integrals) = tilt::open(text, &config.series, &config.integrals)?;
    let geometry = &file.series.geometry;
    let found = reconstruct_series(geometry, &integrals, &config.reconstruction, session)
        .map_err(tilt::named(text))?;
    session.check_cancelled()?;

    let known = || found.residuals.iter().filter(|r| r.is_finite());
    let mut warnings = file.warnings.clone();
    warnings.extend(integrals.warnings.iter().cloned());
    let mut outcome = Reconstruction {
        file: text.into(),
        shape: geometry.stack_shape(),
        volume_shape: geometry.volume_shape,
        method: config.reconstruction.method,
        iterations: found.losses.len(),
        residual: (known().map(|r| r * r).sum::<f64>() / known().count() as f64).sqrt(),
        stop: match found.stop {
            Stop::MaxIterations => "max_iterations",
            Stop::Tolerance => "tolerance",
            Stop::NoDescent => "no_descent",
            Stop::Direct => "direct",
        },
        losses: found.losses,
        residuals: found.residuals,
        n_masked: integrals.n_masked,
        pixel_size_nm: file.pixel_size_nm,
        result: None,
        picture: None,
        warnings,
        drawn: None,
    };
    let beside = out.map(|out| {
        let stem = out.file_stem().unwrap_or_default().to_string_lossy();
        out.with_file_name(format!("{stem}.slices.png"))
    });
    if let Some(path) = picture.map(Path::to_path_buf).or(beside) {
        let rows = vec![PanelRow::through(found.volume.view(), "volume")?];
        let title = format!("{}: {}", tilt::short(text), outcome.method_name());
        let picture = Panels { title, rows, one_scale: true }.draw()?;
        picture.write(&path)?;
        (outcome.picture, outcome.drawn) = (Some(path), Some(picture));
    }
    if let Some(out) = out {
        let about = [
            ("method", outcome.method_name().to_owned().into()),
            ("parameters", AttributeValue::Text(toml::to_string(config)?)),
            ("source", tilt::short(text).into()),
            ("version", format!("nonius {}", env!("CARGO_PKG_VERSION")).into()),
            ("iterations", (outcome.iterations as f64).into()),
            ("residual", outcome.residual.into()),
        ]
        .map(|(name, value): (&str, AttributeValue)| (name.to_owned(), value));
        let voxel = file.pixel_size_nm.map(|size| (size, "nm"));
        write_volume(out, found.volume.view(), voxel, &about)
            .with_context(|| format!("--out {}", out.display()))?;
        outcome.result = Some(out.to_path_buf());
    }
    Ok(outcome)
}

impl Reconstruction {
    fn method_name(&self) -> &'static str {
        match self.method {
            ReconstructionMethod::Mitra => "mitra",
            ReconstructionMethod::Sirt => "sirt",
            ReconstructionMethod::Fbp => "fbp",
            ReconstructionMethod::Lbfgs => "lbfgs",
        }
    }

    /// What is said on the terminal.
    pub(crate) fn table(&self) -> String {
        let ([n, j, k], [x, y, z]) = (self.shape, self.volume_shape);
        let loss = match (self.losses.first(), self.losses.last()) {
            (Some(first), Some(last)) => {
                format!("{} at first, {} at last", six_digits(*first), six_digits(*last))
            }
            _ => "–".into(),
        };
        let why = match self.stop {
            "direct" => "in one go".to_owned(),
            "tolerance" => format!("{} iterations, until the loss hardly changed", self.iterations),
            "no_descent" => format!("{} iterations, until no step made the loss smaller", self.iterations),
            _ => format!("{} iterations", self.iterations),
        };
        [
            ("projections", format!("{n} of {j} × {k} px; volume {x} × {y} × {z}")),
            ("method", format!("{}, {why}", self.method_name())),
            ("loss", loss),
            ("residual", format!("{} rms", six_digits(self.residual))),
        ]
        .map(|(name, value)| format!("{name:<11}  {value}\n"))
        .concat()
    }
}
