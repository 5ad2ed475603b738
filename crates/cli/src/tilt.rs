//! How a tilt series is opened from the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use nonius::io::{TiltSeriesFile, TiltSeriesOptions, open_tilt_series};
use nonius::tomography::Reference;
use nonius::workflow::tomography::{LineIntegralParams, LineIntegrals, Signal, line_integrals};

use crate::Usage;

/// What the file says of its views, or does not.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The tilt series")]
pub(crate) struct TiltArgs {
    /// Tilt angles of a stack, degrees, one per line [default: in the file or beside it]
    #[arg(long, value_name = "FILE.tlt")]
    angles: Option<PathBuf>,
    /// Direction of a stack's tilt axis, degrees from along the rows towards down the columns [default: 0]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    tilt_axis: Option<f64>,
    /// A geometry that replaces the one of the file
    #[arg(long, value_name = "FILE.geo")]
    geometry: Option<PathBuf>,
    /// Angles in a file of projections are degrees
    #[arg(long)]
    degrees: bool,
    /// Take the projections that are there if numbers between them are missing
    #[arg(long)]
    allow_missing: bool,
    /// A number for pixels that are NaN or infinite [default: they are an error]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    replace_nan: Option<f64>,
    /// Shape of the volume [default: what the file says, else as wide as the images]
    #[arg(long, value_name = "X,Y,Z", value_delimiter = ',')]
    volume_shape: Option<Vec<usize>>,

    /// Images are in proportion to thickness (HAADF): no logarithm
    #[arg(long, group = "integrals")]
    thickness: bool,
    /// Images are transmissions already: the beam is 1
    #[arg(long, group = "integrals")]
    transmission: bool,
    /// The beam is the median of a frame of air of this many px [default: 2]
    #[arg(long, value_name = "PX", group = "integrals")]
    air: Option<usize>,
    /// The beam is this percentile of each image, as mumott takes it (99.9)
    #[arg(long, value_name = "PERCENT", group = "integrals")]
    percentile: Option<f64>,
    /// Use the mean of the scattering channels in place of the images
    #[arg(long, group = "integrals")]
    scattering: bool,
    /// Value of a pixel without sample where images are in proportion to thickness [default: 0, or the least below]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    zero: Option<f64>,
}

impl TiltArgs {
    /// How the file is read: `options` with what was given here.
    pub(crate) fn options(&self, mut options: TiltSeriesOptions) -> Result<TiltSeriesOptions> {
        options.angles_file = self.angles.clone().or(options.angles_file);
        options.tilt_axis_degrees = self.tilt_axis.unwrap_or(options.tilt_axis_degrees);
        options.geometry_file = self.geometry.clone().or(options.geometry_file);
        options.angles_in_degrees |= self.degrees;
        options.allow_missing |= self.allow_missing;
        options.replace_non_finite = self.replace_nan.or(options.replace_non_finite);
        if let Some(shape) = &self.volume_shape {
            let &[x, y, z] = &shape[..] else {
                let n = shape.len();
                return Err(Usage(format!("--volume-shape: expected X,Y,Z, got {n} numbers")).into());
            };
            options.volume_shape = Some([x, y, z]);
        }
        Ok(options)
    }

    /// How images become line integrals: `params` with what was given here.
    pub(crate) fn integrals(&self, mut params: LineIntegralParams) -> Result<LineIntegralParams> {
        if self.thickness {
            params.absorbance.reference = Reference::Thickness;
        }
        if self.transmission {
            params.absorbance.reference = Reference::Unit;
        }
        if let Some(width) = self.air {
            params.absorbance.reference = Reference::Frame { width };
        }
        if let Some(percentile) = self.percentile {
            params.absorbance.reference = Reference::Percentile { percentile, per_projection: true };
        }
        if self.scattering {
            params.signal = Signal::Scattering;
        }
        params.zero = self.zero.or(params.zero);
        params.absorbance.validate().map_err(|e| Usage(e.to_string()))?;
        Ok(params)
    }
}

/// A series and its line integrals, with the file's name in every message.
pub(crate) fn open(
    text: &str,
    options: &TiltSeriesOptions,
    params: &LineIntegralParams,
) -> Result<(TiltSeriesFile<f32>, LineIntegrals<f32>)> {
    let file = open_tilt_series::<f32>(text, options)?;
    let integrals = line_integrals(&file.series, params).map_err(|e| match e.to_string() {
        said if said.contains("air must be") => {
            anyhow!("{said}; --thickness for images in proportion to thickness, --percentile 99.9 as mumott")
        }
        said if file.series.images.is_none() => {
            anyhow!("{said}; --scattering uses the mean of the scattering channels")
        }
        said => anyhow!(said),
    });
    Ok((file, integrals.with_context(|| text.to_owned())?))
}

/// An error of the work with the file's name; being interrupted has nothing to do with a file.
pub(crate) fn named(text: &str) -> impl Fn(nonius::Error) -> anyhow::Error {
    move |error| match error {
        nonius::Error::Cancelled => error.into(),
        error => anyhow::Error::from(error).context(text.to_owned()),
    }
}

/// Name of a file without its folder and selector, for titles.
pub(crate) fn short(text: &str) -> String {
    text.rsplit('/').next().unwrap_or(text).to_owned()
}
