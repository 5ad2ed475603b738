//! How a file becomes a tilt series.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a tilt series was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TiltFormat {
    /// HDF5 with a group per projection, the layout of mumott: pixels are transmitted intensity.
    Projections,
    /// One array of images of any format, with tilt angles from elsewhere.
    Stack,
}

impl fmt::Display for TiltFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TiltFormat::Projections => "projections in HDF5",
            TiltFormat::Stack => "stack of images",
        })
    }
}

/// How a file becomes a tilt series. The default reads what the file says and refuses what it contradicts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TiltSeriesOptions {
    /// Leave scattering channels (`data`) unread. Weights of several channels become their mean then, so that
    /// a pixel is masked where all channels are. Default false.
    pub skip_scattering: bool,
    /// This value for NaN and infinities of pixels and weights. Default None: they are an error.
    pub replace_non_finite: Option<f64>,
    /// Read the projections that are there if numbers between them are missing; a warning names them. Default
    /// false: an error that names them.
    pub allow_missing: bool,
    /// Angles of a file of projections are degrees, and are converted. Default false: radians, and angles beyond
    /// 4π are an error.
    pub angles_in_degrees: bool,
    /// Tilt angles of a stack, one per image, **degrees**. Default None: from `angles_file`, else from `tilt_degrees`
    /// beside the dataset in an HDF5 file, else from the `.tlt` or `.rawtlt` file beside the stack.
    pub tilt_degrees: Option<Vec<f64>>,
    /// File with the tilt angles of a stack, degrees, one per line. Default None.
    pub angles_file: Option<PathBuf>,
    /// Direction of a stack's tilt axis in the image, **degrees** from +k (along a row) towards +j (down the rows). The
    /// sample is turned about it right-handed by each tilt angle; 180° more turns it the other way. Default 0: the
    /// axis lies along the rows; 90 for axes down the columns, as in most stacks for IMOD.
    pub tilt_axis_degrees: f64,
    /// A `.geo` file whose geometry replaces that of the file. Default None.
    pub geometry_file: Option<PathBuf>,
    /// Shape (X, Y, Z) of the volume. Default None: what the file says, else as wide across the axis as the images
    /// are.
    pub volume_shape: Option<[usize; 3]>,
}
