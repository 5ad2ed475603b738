//! What `nonius stats` may be told.

use anyhow::Result;
use clap::{Args, ValueEnum};
use nonius::clustering::{Detector, NanPolicy, Regression};
use nonius::core::PassParams;
use nonius::io::{self, ScanOptions};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::scan::ScanArgs;

const EXAMPLES: &str = "\
Examples:
  nonius stats crystal.blo                           the standard deviation of every pixel, in numbers
  nonius stats crystal.blo --maps std,mean,logsum,com --out maps.h5
  nonius stats scan.h5:/entry/data/counts --maps mean --out mean.h5
  nonius stats run.mib --scan-shape 256,256 --missing skip --maps std --out std.h5
  nonius stats frames.raw --frame-shape 128,128 --dtype float32 --scan-shape 64,64
  nonius stats scan.npy --detector bf=disk:64,64,12 --detector adf=ring:64,64,20,50 --out detectors.h5
  nonius stats scan.npy --maps com,divergence --scan-rotation 23 --regression plane --out com.h5
  nonius stats scan.npy --roi 0:10,0:20 --maps max

Maps over the frame: sum, mean, std, variance, min, max, logsum. Maps over the scan: com (centre of mass, as
com_y and com_x, px from the centre), magnitude, divergence, curl, and one for each detector.
FILE.h5 opens in h5py, py4DSTEM, HyperSpy; beside it every map stands as a PNG.";

/// Compute maps over a 4D-STEM scan in one pass: statistics, virtual detectors, centres of mass
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArgs {
    /// The scan: .blo, .mib, .hdr, .npy, .npz, .h5, .emd, .hspy, .mrc, .tif, .ser, .dm3, .dm4, .tvips, EMPAD's .xml, …
    #[arg(value_name = "SCAN", required_unless_present = "print_config")]
    scan: Option<String>,
    /// Which maps [default: std, or none if there are detectors]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "MAP,…")]
    maps: Option<Vec<MapName>>,
    /// A virtual detector; may be given several times. Numbers are pixels, y first
    #[arg(long, value_name = "[NAME=]disk:Y,X,R|ring:Y,X,RI,RO|point:Y,X|mask:FILE")]
    detector: Vec<String>,
    /// Positions that are used: a box, or an image that is 0 elsewhere [default: all]
    #[arg(long, value_name = "Y0:Y1,X0:X1|FILE")]
    roi: Option<String>,
    /// What NaN does [default: propagate]
    #[arg(long, value_enum)]
    nan: Option<NanArg>,
    /// Pixels whose centre of mass is taken [default: all]
    #[arg(long, value_name = "disk:Y,X,R|ring:…|mask:FILE")]
    com_detector: Option<String>,
    /// Where the undeflected beam hits [default: half the size of the frame, rounded down]
    #[arg(long, value_name = "Y,X", value_delimiter = ',', allow_negative_numbers = true)]
    com_center: Option<Vec<f64>>,
    /// Rotation of the frame against the scan, degrees [default: 0]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true, conflicts_with = "guess_rotation")]
    scan_rotation: Option<f64>,
    /// The deflections' y points the other way
    #[arg(long, conflicts_with = "guess_rotation")]
    com_flip_y: bool,
    /// Take the rotation and flip for which the curl is least, and the mean deflection as centre
    #[arg(long)]
    guess_rotation: bool,
    /// What is taken off the deflections [default: none]
    #[arg(long, value_enum)]
    regression: Option<RegressionArg>,
    /// Draw no pictures
    #[arg(long)]
    no_pictures: bool,
    #[command(flatten)]
    source: ScanArgs,
}

/// A map that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MapName {
    Sum,
    Mean,
    Std,
    Variance,
    Min,
    Max,
    Logsum,
    Com,
    Magnitude,
    Divergence,
    Curl,
}

impl MapName {
    /// True for maps over the scan.
    pub(crate) fn is_of_centers(self) -> bool {
        matches!(self, MapName::Com | MapName::Magnitude | MapName::Divergence | MapName::Curl)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NanArg {
    Propagate,
    Skip,
    Error,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RegressionArg {
    None,
    Mean,
    Plane,
}

/// The parameters, as `--config` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StatsConfig {
    pub(crate) maps: Vec<MapName>,
    pub(crate) detectors: Vec<String>,
    pub(crate) roi: Option<String>,
    pub(crate) nan: NanPolicy,
    pub(crate) com_detector: Option<String>,
    pub(crate) com_center: Option<[f64; 2]>,
    pub(crate) scan_rotation: f64,
    pub(crate) com_flip_y: bool,
    pub(crate) guess_rotation: bool,
    pub(crate) regression: Regression,
    pub(crate) pictures: bool,
    pub(crate) pass: PassParams,
    pub(crate) scan: ScanOptions,
}

impl Default for StatsConfig {
    fn default() -> Self {
        StatsConfig {
            maps: vec![MapName::Std],
            detectors: Vec::new(),
            roi: None,
            nan: NanPolicy::Propagate,
            com_detector: None,
            com_center: None,
            scan_rotation: 0.0,
            com_flip_y: false,
            guess_rotation: false,
            regression: Regression::None,
            pictures: true,
            pass: PassParams::default(),
            scan: ScanOptions::default(),
        }
    }
}

impl StatsArgs {
    pub(crate) fn scan(&self) -> Result<String> {
        self.scan.clone().ok_or_else(|| Usage("which scan?".into()).into())
    }

    /// `config` with what was given here.
    pub(crate) fn applied_to(&self, mut config: StatsConfig) -> Result<StatsConfig> {
        match &self.maps {
            Some(maps) => config.maps.clone_from(maps),
            None if !self.detector.is_empty() => config.maps.clear(),
            None => {}
        }
        if !self.detector.is_empty() {
            config.detectors.clone_from(&self.detector);
        }
        config.roi = self.roi.clone().or(config.roi);
        config.nan = self.nan.map_or(config.nan, |nan| match nan {
            NanArg::Propagate => NanPolicy::Propagate,
            NanArg::Skip => NanPolicy::Skip,
            NanArg::Error => NanPolicy::Error,
        });
        config.com_detector = self.com_detector.clone().or(config.com_detector);
        if let Some(center) = &self.com_center {
            let &[y, x] = &center[..] else {
                return Err(Usage(format!("--com-center: expected Y,X, got {} numbers", center.len())).into());
            };
            config.com_center = Some([y, x]);
        }
        config.scan_rotation = self.scan_rotation.unwrap_or(config.scan_rotation);
        config.com_flip_y |= self.com_flip_y;
        config.guess_rotation |= self.guess_rotation;
        config.regression = self.regression.map_or(config.regression, |regression| match regression {
            RegressionArg::None => Regression::None,
            RegressionArg::Mean => Regression::Mean,
            RegressionArg::Plane => Regression::Plane,
        });
        config.pictures &= !self.no_pictures;
        config.scan = self.source.applied_to(config.scan)?;
        Ok(config)
    }
}

/// A detector and its name, from `bf=disk:64,64,12`.
pub(crate) fn named_detector(text: &str) -> Result<(String, Detector)> {
    let (name, what) = match text.split_once('=') {
        Some((name, what)) if !name.contains(':') => (Some(name), what),
        _ => (None, text),
    };
    let detector = detector(what)?;
    let shape = what.split(':').next().unwrap_or_default();
    Ok((name.unwrap_or(shape).to_owned(), detector))
}

/// A detector, from `disk:64,64,12`.
pub(crate) fn detector(text: &str) -> Result<Detector> {
    let wrong = || {
        let expected = "disk:Y,X,R, ring:Y,X,RI,RO, point:Y,X or mask:FILE";
        Usage(format!("detector {text}: expected {expected}"))
    };
    let (shape, rest) = text.split_once(':').ok_or_else(wrong)?;
    if shape == "mask" {
        return Ok(Detector::Mask(io::read_image::<f64>(rest)?.pixels));
    }
    let numbers = rest.split(',').map(|n| n.trim().parse::<f64>()).collect::<Result<Vec<_>, _>>();
    match (shape, &numbers.map_err(|_| wrong())?[..]) {
        ("disk", &[y, x, radius]) => Ok(Detector::Disk { center: [y, x], radius }),
        ("ring", &[y, x, inner, outer]) => Ok(Detector::Ring { center: [y, x], inner, outer }),
        ("point", &[y, x]) if [y, x].iter().all(|v| v.fract() == 0.0 && *v >= 0.0) => {
            Ok(Detector::Point { pixel: [y as usize, x as usize] })
        }
        _ => Err(wrong().into()),
    }
}
