//! What `nonius chi2` may be told.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use nonius::chi2::compatible::{Chi2ShiftParams, Upsample};
use nonius::chi2::{Chi2Params, CorrelatedNoise, Region};
use nonius::core::Frame;
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::args::FrameArg;
use crate::output::check_folder;

const EXAMPLES: &str = "\
Examples:
  nonius chi2 a.fits b.fits --err 0.1              every pixel of b.fits is uncertain by 0.1
  nonius chi2 a.fits b.fits --err sigma.fits       each by what the pixel of sigma.fits says
  nonius chi2 a.npy b.npy --frame periodic         content that leaves comes in on the other side
  nonius chi2 a.npy b.npy --err 2 --reference-err 2 --picture chi2.png
  nonius chi2 a.tif b.tif --correlated-noise       noise of neighbouring pixels has something in common
  nonius chi2 a.fits b.fits --whiten --noise-region 0:100,50:150
      its power spectrum and size are those of rows 0 to 99, columns 50 to 149 of b.fits: least errors
  nonius chi2 a.fits b.fits --err 0.1 --wcs        b.fits is brought to the pixels of a.fits by their
      world coordinates; the shift that is left, in px of a.fits and in arcseconds
  nonius chi2 a.npy b.npy --err 1 --gain --nsigma 2 --joint --profile --json
  nonius chi2 a.npy b.npy --err 0.1 --upsample auto    as image_registration, on a grid

The shift is the displacement of MOVING's content: moving[r] = gain * reference[r - shift] + offset.
Its errors are one standard deviation of either component, the other left free. Where status is not
`converged`, do not trust the numbers.";

/// Measure the shift between two images by χ², with the errors that the noise implies
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Chi2Args {
    /// The image that stays, which is the model
    #[arg(value_name = "REF", required_unless_present = "print_config")]
    reference: Option<String>,
    /// The image whose displacement is sought
    #[arg(value_name = "MOVING", required_unless_present = "print_config")]
    moving: Option<String>,

    /// Whether content enters and leaves, or wraps around [default: overlap]
    #[arg(long, value_enum)]
    frame: Option<FrameArg>,
    /// Standard deviation of MOVING's noise: a number, or an image with one for each pixel
    /// [default: unknown, errors are scaled by the residuals]
    #[arg(long, value_name = "FILE|SIGMA", allow_negative_numbers = true)]
    err: Option<String>,
    /// The same of REF [default: none]
    #[arg(long, value_name = "FILE|SIGMA", allow_negative_numbers = true)]
    reference_err: Option<String>,

    /// An image that is 0 where REF is not valid
    #[arg(long, value_name = "FILE")]
    reference_mask: Option<String>,
    /// An image that is 0 where MOVING is not valid
    #[arg(long, value_name = "FILE")]
    moving_mask: Option<String>,
    /// Leave out pixels that are NaN or infinite
    #[arg(long)]
    mask_nan: bool,

    /// Fit a factor between the images
    #[arg(long)]
    gain: bool,
    /// Fit a constant between the images, as is done unless --upsample is given; then, subtract means
    #[arg(long, conflicts_with = "no_offset")]
    zeromean: bool,
    /// Do not fit a constant
    #[arg(long)]
    no_offset: bool,

    /// Limits at so many standard deviations [default: 1]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    nsigma: Option<f64>,
    /// Limits of the region that both components share
    #[arg(long)]
    joint: bool,
    /// Limits where χ² itself has risen, not where its curvature says it should have
    #[arg(long)]
    profile: bool,
    /// Errors for noise that neighbouring pixels have in common; its spectrum is that of the residuals
    /// unless one of the --noise options says what it is
    #[arg(long, conflicts_with = "whiten")]
    correlated_noise: bool,
    /// Filter both images so that such noise becomes white, for least errors; needs --noise-region or
    /// --noise-spectrum
    #[arg(long)]
    whiten: bool,
    /// Blank rows and columns of MOVING, from 0 on, the ends not included, whose noise tells the spectrum,
    /// and σ unless --err does
    #[arg(long, value_name = "Y0:Y1,X0:X1", value_parser = region, conflicts_with = "noise_spectrum")]
    noise_region: Option<[Range<usize>; 2]>,
    /// An image of the power of MOVING's noise at the frequencies of a discrete Fourier transform, zero
    /// frequency first; only its form counts
    #[arg(long, value_name = "FILE")]
    noise_spectrum: Option<String>,
    /// Bring MOVING to the pixels of REF first, by the world coordinates of their FITS headers (projection TAN),
    /// pixels being samples of surface brightness; the shift comes in arcseconds, too, east and north, and its
    /// errors allow for the noise that interpolation makes neighbours share
    #[arg(long, conflicts_with_all = ["upsample", "whiten", "noise_region", "noise_spectrum"])]
    wcs: bool,
    /// Largest shift along each axis to be considered, px [default: any]
    #[arg(long, value_name = "PX", allow_negative_numbers = true)]
    max_shift: Option<f64>,
    /// As the Python package image_registration, for periodic frames: the least sample of χ² on a grid
    /// of N points per px, or of as many as suit the errors; errors are joint [default: no grid]
    #[arg(long, value_name = "auto|N|continuous", value_parser = sampling)]
    upsample: Option<Sampling>,

    /// Write χ² at whole-pixel shifts, an NPY file; rows and columns are dy and dx, ascending from
    /// 1 − REF's length in overlap frames, 0 first in periodic ones
    #[arg(long, value_name = "FILE.npy")]
    map: Option<PathBuf>,
    /// Draw χ² around the best fit, with its contours at 1, 2 and 3 σ
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
enum Sampling {
    Continuous,
    Grid(Upsample),
}

fn sampling(text: &str) -> Result<Sampling, String> {
    match text {
        "continuous" => Ok(Sampling::Continuous),
        "auto" => Ok(Sampling::Grid(Upsample::Auto)),
        number => match number.parse::<f64>() {
            Ok(factor) if (1.0..=1e6).contains(&factor) => Ok(Sampling::Grid(Upsample::Fixed(factor))),
            _ => Err("expected `auto`, a number from 1 to 1e6, or `continuous`".into()),
        },
    }
}

fn region(text: &str) -> Result<[Range<usize>; 2], String> {
    let range = |text: &str| -> Option<Range<usize>> {
        let (start, end) = text.split_once(':')?;
        let range = start.trim().parse().ok()?..end.trim().parse().ok()?;
        (!range.is_empty()).then_some(range)
    };
    let sides = text.split_once(',').and_then(|(y, x)| Some([range(y)?, range(x)?]));
    sides.ok_or_else(|| "expected rows and columns as 0:100,50:150".into())
}

/// The table `[chi2]` of a configuration file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Chi2Config {
    /// Leave out pixels that are NaN or infinite.
    pub(crate) mask_nan: bool,
    /// How the displacement is fitted.
    pub(crate) fit: Chi2Params,
    /// On a grid, if at all.
    pub(crate) compatible: Option<Chi2ShiftParams>,
}

/// What is known of the noise of an image.
#[derive(Debug, Clone)]
pub(crate) enum Sigma {
    Number(f64),
    File(String),
}

impl Sigma {
    fn parse(option: &str, text: &str) -> Result<Self, Usage> {
        match text.parse::<f64>() {
            Ok(sigma) if sigma > 0.0 && sigma.is_finite() => Ok(Sigma::Number(sigma)),
            Ok(_) => Err(Usage(format!("{option} must be above 0 and finite, got {text}"))),
            Err(_) => Ok(Sigma::File(text.into())),
        }
    }
}

/// Where the spectrum of the moving image's noise comes from.
#[derive(Debug, Clone)]
pub(crate) enum SpectrumFrom {
    /// Rows and columns of the moving image.
    Region([Range<usize>; 2]),
    File(String),
}

/// The files that are read and written.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) reference: String,
    pub(crate) moving: String,
    pub(crate) err: Option<Sigma>,
    pub(crate) reference_err: Option<Sigma>,
    pub(crate) spectrum: Option<SpectrumFrom>,
    /// By world coordinates.
    pub(crate) wcs: bool,
    pub(crate) reference_mask: Option<String>,
    pub(crate) moving_mask: Option<String>,
    pub(crate) map: Option<PathBuf>,
    pub(crate) picture: Option<PathBuf>,
}

impl Chi2Args {
    /// The parameters of `config`, but for those given here.
    pub(crate) fn applied_to(&self, mut config: Chi2Config) -> Result<Chi2Config> {
        config.mask_nan |= self.mask_nan;
        match self.upsample {
            Some(Sampling::Continuous) => config.compatible = None,
            Some(Sampling::Grid(upsample)) => {
                config.compatible =
                    Some(Chi2ShiftParams { upsample, ..config.compatible.unwrap_or_default() });
            }
            None => {}
        }
        let fit = &mut config.fit;
        match self.frame {
            Some(frame) => fit.frame = frame.into(),
            // A grid is for nothing else.
            None if config.compatible.is_some() => fit.frame = Frame::Periodic,
            None => {}
        }
        fit.gain |= self.gain;
        fit.offset = (fit.offset || self.zeromean) && !self.no_offset;
        fit.n_sigma = self.nsigma.unwrap_or(fit.n_sigma);
        if self.joint {
            fit.region = Region::Joint;
        }
        fit.profile |= self.profile;
        if self.correlated_noise {
            fit.correlated_noise = CorrelatedNoise::Sandwich;
        }
        if self.whiten {
            fit.correlated_noise = CorrelatedNoise::Whiten;
        }
        if self.wcs {
            if fit.frame == Frame::Periodic {
                return Err(
                    Usage("--wcs is for overlap frames: what is resampled does not wrap".into()).into()
                );
            }
            if fit.correlated_noise == CorrelatedNoise::Whiten {
                return Err(Usage("--wcs takes the sandwich; it does not whiten".into()).into());
            }
            fit.correlated_noise = CorrelatedNoise::Sandwich;
        }
        fit.max_shift = self.max_shift.or(fit.max_shift);
        fit.validate().map_err(|e| {
            Usage(e.to_string().replacen("n_sigma ", "--nsigma ", 1).replacen(
                "max_shift ",
                "--max-shift ",
                1,
            ))
        })?;
        if self.wcs && config.compatible.is_some() {
            return Err(Usage("--wcs does not go together with --upsample".into()).into());
        }
        if let Some(grid) = &mut config.compatible {
            grid.zeromean = (grid.zeromean || self.zeromean) && !self.no_offset;
            self.check_grid(&config)?;
        }
        Ok(config)
    }

    /// A grid excludes what the original does not know.
    fn check_grid(&self, config: &Chi2Config) -> Result<(), Usage> {
        let fit = &config.fit;
        let unknown = [
            (fit.frame == Frame::Overlap, "--frame overlap"),
            (self.reference_err.is_some(), "--reference-err"),
            (self.reference_mask.is_some(), "--reference-mask"),
            (self.moving_mask.is_some(), "--moving-mask"),
            (config.mask_nan, "--mask-nan"),
            (fit.gain, "--gain"),
            (fit.n_sigma != 1.0, "--nsigma"),
            (fit.profile, "--profile"),
            (fit.correlated_noise == CorrelatedNoise::Sandwich, "--correlated-noise"),
            (fit.correlated_noise == CorrelatedNoise::Whiten, "--whiten"),
            (self.noise_region.is_some(), "--noise-region"),
            (self.noise_spectrum.is_some(), "--noise-spectrum"),
            (fit.max_shift.is_some(), "--max-shift"),
        ];
        match unknown.into_iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(Usage(format!("{name} does not go together with --upsample"))),
            None => Ok(()),
        }
    }

    /// What is read and written; that it can be written is known before the work begins.
    pub(crate) fn files(&self, config: &Chi2Config) -> Result<Files> {
        let region = self.noise_region.clone().map(SpectrumFrom::Region);
        let spectrum = region.or(self.noise_spectrum.clone().map(SpectrumFrom::File));
        match (config.fit.correlated_noise, &spectrum) {
            (CorrelatedNoise::Whiten, None) => {
                return Err(Usage("--whiten needs --noise-region or --noise-spectrum".into()).into());
            }
            (CorrelatedNoise::Ignore, Some(_)) => {
                let what = "a spectrum of the noise is for --whiten or --correlated-noise";
                return Err(Usage(what.into()).into());
            }
            _ => {}
        }
        for (option, path) in [("--map", &self.map), ("--picture", &self.picture)] {
            path.as_deref().map_or(Ok(()), |path| check_folder(option, path))?;
        }
        if let Some(map) = &self.map
            && map.extension().is_none_or(|e| !e.eq_ignore_ascii_case("npy"))
        {
            return Err(Usage(format!("--map must be a .npy file, got {}", map.display())).into());
        }
        let sigma = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| Sigma::parse(option, text)).transpose()
        };
        Ok(Files {
            reference: self.reference.clone().unwrap_or_default(),
            moving: self.moving.clone().unwrap_or_default(),
            err: sigma("--err", &self.err)?,
            reference_err: sigma("--reference-err", &self.reference_err)?,
            spectrum,
            wcs: self.wcs,
            reference_mask: self.reference_mask.clone(),
            moving_mask: self.moving_mask.clone(),
            map: self.map.clone(),
            picture: self.picture.clone(),
        })
    }
}
