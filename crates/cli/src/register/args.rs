//! What `nonius register` may be told.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use nonius::registration::rotation::SimilarityParams;
use nonius::registration::{
    Frame, MaskedParams, Method, Refinement, RegistrationParams, Strategy, Weighting,
};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::args::FrameArg;

const EXAMPLES: &str = "\
Examples:
  nonius register first.tif second.tif             one image against another
  nonius register 'night.fits[1]' *.fits --json    many against one, for another program to read
  nonius register drift.tif                        a stack: every page against page 0
  nonius register drift.tif --chain                every page against the one before
  nonius register a.npy b.npy --frame periodic     content that leaves comes in on the other side
  nonius register a.tif b.tif --apply registered   write b.tif brought back onto a.tif
  nonius register a.fits b.fits --mask-nan         leave out missing pixels
  nonius register a.tif b.tif --rotation           angle and scale as well as the shift

A shift is the displacement of the moving image's content: moving[r] = reference[r - shift]. Its
errors are one standard deviation. Where status is not `converged`, do not trust the numbers.

With --rotation the content is turned by the angle and magnified by the scale about the centre of the
frame, then displaced by the shift. A positive angle is counter-clockwise on the screen.";

/// Measure the shift (y, x) that lies between a reference and other images
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RegisterArgs {
    /// The image that stays; alone, a series whose frames are registered to one of them
    #[arg(value_name = "REF", required_unless_present = "print_config")]
    reference: Option<String>,
    /// The images whose displacement is sought; a stack counts as all its frames
    #[arg(value_name = "MOVING")]
    moving: Vec<String>,

    /// Whether content enters and leaves, or wraps around [default: overlap]
    #[arg(long, value_enum)]
    frame: Option<FrameArg>,
    /// Cross-correlation, or phase correlation for periodic frames [default: cross]
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Sub-pixel refinement: N points per px, `continuous` without a grid, `none` for whole px
    /// [default: continuous]
    #[arg(long, value_name = "N|continuous|none", value_parser = refinement)]
    upsample: Option<Refinement>,
    /// How frequencies count where frames are periodic [default: auto]
    #[arg(long, value_enum)]
    weighting: Option<WeightingArg>,
    /// Least overlap to be considered, as a part of the smaller frame [default: 0.3]
    #[arg(long, value_name = "RATIO")]
    overlap_ratio: Option<f64>,
    /// Largest shift along each axis to be considered, px [default: any]
    #[arg(long, value_name = "PX")]
    max_shift: Option<f64>,
    /// Of the shifts that a periodic one may stand for, take the one whose overlap agrees best
    #[arg(long)]
    disambiguate: bool,

    /// Measure rotation and scale, too; every image against the reference
    #[arg(long)]
    rotation: bool,
    /// Scales that --rotation considers, around 1 [default: 0.5:2]
    #[arg(long, value_name = "LOW:HIGH", value_parser = scales)]
    scale: Option<[f64; 2]>,

    /// An image that is 0 where the reference is not valid
    #[arg(long, value_name = "FILE")]
    reference_mask: Option<String>,
    /// An image that is 0 where moving images are not valid
    #[arg(long, value_name = "FILE")]
    moving_mask: Option<String>,
    /// Leave out pixels that are NaN or infinite
    #[arg(long)]
    mask_nan: bool,

    /// The frame of a series that the others are registered to [default: 0]
    #[arg(long, value_name = "K", conflicts_with_all = ["chain", "pairs"])]
    reference_frame: Option<usize>,
    /// Register every frame of a series to the one before and add up
    #[arg(long, conflicts_with = "pairs")]
    chain: bool,
    /// Register every frame of a series to the N following ones and reconcile by least squares
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,

    /// Write the images, brought back onto the reference, into this folder
    #[arg(long, value_name = "DIR")]
    apply: Option<PathBuf>,
    /// Draw before and after; of several images the one that moved most, and all shifts beside it as
    /// FILE_shifts.png
    /// [default with --out: beside it]
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArg {
    Cross,
    Phase,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WeightingArg {
    Auto,
    Plain,
    Coherence,
}

fn refinement(text: &str) -> Result<Refinement, String> {
    match text {
        "continuous" => Ok(Refinement::Continuous),
        "none" => Ok(Refinement::WholePixel),
        number => match number.parse::<f64>() {
            Ok(factor) if (1.0..=1e6).contains(&factor) => Ok(Refinement::Upsampled { factor }),
            _ => Err("expected a number from 1 to 1e6, `continuous` or `none`".into()),
        },
    }
}

fn scales(text: &str) -> Result<[f64; 2], String> {
    let numbers = text.split_once(':').and_then(|(low, high)| Some([low.parse().ok()?, high.parse().ok()?]));
    match numbers {
        Some([low, high]) if low < high => Ok([low, high]),
        _ => Err("expected two numbers LOW:HIGH, the smaller one first".into()),
    }
}

/// A message about a parameter with the name of its option.
fn as_option(message: &str) -> String {
    const OPTIONS: &[(&str, &str)] = &[
        ("min_overlap ", "--overlap-ratio "),
        ("max_shift ", "--max-shift "),
        ("method ", "--method "),
        ("disambiguate ", "--disambiguate "),
        ("min_scale ", "--scale: LOW "),
        ("max_scale ", "--scale: HIGH "),
    ];
    let known =
        OPTIONS.iter().find_map(|(name, option)| Some(format!("{option}{}", message.strip_prefix(name)?)));
    known.unwrap_or_else(|| message.to_owned())
}

/// The table `[register]` of a configuration file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RegisterConfig {
    /// Leave out pixels that are NaN or infinite.
    pub(crate) mask_nan: bool,
    /// Measure rotation and scale, too.
    pub(crate) rotation: bool,
    /// Which frames of a series are compared.
    pub(crate) strategy: Strategy,
    /// How a pair is registered.
    pub(crate) registration: RegistrationParams,
    /// How rotation and scale are measured.
    pub(crate) similarity: SimilarityParams,
}

impl RegisterConfig {
    /// The same for images with masks.
    pub(crate) fn masked(&self) -> MaskedParams {
        let RegistrationParams { min_overlap, refinement, degree, ambiguity, .. } = self.registration;
        MaskedParams { overlap_ratio: min_overlap, refinement, degree, ambiguity }
    }
}

/// The files that a registration reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) reference: String,
    pub(crate) moving: Vec<String>,
    pub(crate) reference_mask: Option<String>,
    pub(crate) moving_mask: Option<String>,
    pub(crate) apply: Option<PathBuf>,
    pub(crate) picture: Option<PathBuf>,
}

impl RegisterArgs {
    /// The parameters of `config`, but for those given here.
    pub(crate) fn applied_to(&self, mut config: RegisterConfig) -> Result<RegisterConfig> {
        let params = &mut config.registration;
        if let Some(frame) = self.frame {
            params.frame = frame.into();
        }
        if let Some(method) = self.method {
            params.method = match method {
                MethodArg::Cross => Method::Cross,
                MethodArg::Phase => Method::Phase,
            };
        }
        if let Some(weighting) = self.weighting {
            params.weighting = match weighting {
                WeightingArg::Auto => Weighting::Auto,
                WeightingArg::Plain => Weighting::Plain,
                WeightingArg::Coherence => Weighting::Coherence,
            };
        }
        params.refinement = self.upsample.unwrap_or(params.refinement);
        if let Some(ratio) = self.overlap_ratio {
            (params.min_overlap, config.similarity.min_overlap) = (ratio, ratio);
        }
        if let Some([low, high]) = self.scale {
            (config.similarity.min_scale, config.similarity.max_scale) = (low, high);
        }
        params.max_shift = self.max_shift.or(params.max_shift);
        params.disambiguate |= self.disambiguate;
        config.mask_nan |= self.mask_nan;
        config.rotation |= self.rotation;
        if self.chain {
            config.strategy = Strategy::Chained;
        } else if let Some(max_separation) = self.pairs {
            config.strategy = Strategy::Pairs { max_separation };
        } else if let Some(index) = self.reference_frame {
            config.strategy = Strategy::CommonReference { index };
        }
        self.check_rotation(&config)?;
        let valid = config.registration.validate().and_then(|()| config.similarity.validate());
        valid.map_err(|e| Usage(as_option(&e.to_string())))?;
        self.check_masks(&config)?;
        Ok(config)
    }

    /// Masks exclude what masked registration does not know.
    fn check_masks(&self, config: &RegisterConfig) -> Result<(), Usage> {
        let masked = config.mask_nan || self.reference_mask.is_some() || self.moving_mask.is_some();
        let params = &config.registration;
        let unknown = [
            (params.frame == Frame::Periodic, "--frame periodic"),
            (params.max_shift.is_some(), "--max-shift"),
            (config.strategy == Strategy::Chained, "--chain"),
            (matches!(config.strategy, Strategy::Pairs { .. }), "--pairs"),
        ];
        match unknown.into_iter().find(|(given, _)| *given) {
            Some((_, name)) if masked => Err(Usage(format!("{name} does not go together with masks"))),
            _ => Ok(()),
        }
    }

    /// Rotation excludes what a search for it does not know.
    fn check_rotation(&self, config: &RegisterConfig) -> Result<(), Usage> {
        if !config.rotation {
            return match self.scale {
                Some(_) => Err(Usage("--scale is for --rotation, which is not given".into())),
                None => Ok(()),
            };
        }
        let params = &config.registration;
        let unknown = [
            (config.mask_nan, "--mask-nan"),
            (self.reference_mask.is_some(), "--reference-mask"),
            (self.moving_mask.is_some(), "--moving-mask"),
            (config.strategy == Strategy::Chained, "--chain"),
            (matches!(config.strategy, Strategy::Pairs { .. }), "--pairs"),
            (params.frame == Frame::Periodic, "--frame periodic"),
            (params.method == Method::Phase, "--method phase"),
            (self.upsample.is_some() || params.refinement != Refinement::Continuous, "--upsample"),
            (params.weighting != Weighting::Auto, "--weighting"),
            (params.max_shift.is_some(), "--max-shift"),
            (params.disambiguate, "--disambiguate"),
        ];
        match unknown.into_iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(Usage(format!("{name} does not go together with --rotation"))),
            None => Ok(()),
        }
    }

    /// What is read and written; `out` is where results go.
    pub(crate) fn files(&self, out: Option<&Path>) -> Files {
        Files {
            reference: self.reference.clone().unwrap_or_default(),
            moving: self.moving.clone(),
            reference_mask: self.reference_mask.clone(),
            moving_mask: self.moving_mask.clone(),
            apply: self.apply.clone(),
            picture: self.picture.clone().or_else(|| Some(out?.with_extension("png"))),
        }
    }
}
