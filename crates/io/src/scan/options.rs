//! How a scan file is to be read.

use std::fmt;

use nonius_core::{DType, ScanParams};
use serde::{Deserialize, Serialize};

/// The formats from which scans are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum ScanFormat {
    /// Frames without any header, as [`RawLayout`] or a ripple header (`.rpl`) says.
    Raw,
    Npy,
    Npz,
    /// NanoMEGAS block files.
    Blo,
    /// Quantum Detectors Merlin.
    Mib,
    Mrc,
    Tiff,
    Fits,
    /// EMPAD: `.raw` with its `.xml`.
    Empad,
    Tvips,
    /// TIA series.
    Ser,
    /// DigitalMicrograph 3 and 4.
    Dm,
    /// The layouts of EMD, py4DSTEM, Prismatic, HyperSpy, fpd, kikuchipy, EDAX and NeXus, or any dataset.
    Hdf5,
}

impl fmt::Display for ScanFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ScanFormat::Raw => "raw",
            ScanFormat::Npy => "NPY",
            ScanFormat::Npz => "NPZ",
            ScanFormat::Blo => "BLO",
            ScanFormat::Mib => "MIB",
            ScanFormat::Mrc => "MRC",
            ScanFormat::Tiff => "TIFF",
            ScanFormat::Fits => "FITS",
            ScanFormat::Empad => "EMPAD",
            ScanFormat::Tvips => "TVIPS",
            ScanFormat::Ser => "SER",
            ScanFormat::Dm => "DM",
            ScanFormat::Hdf5 => "HDF5",
        })
    }
}

/// How the bytes of frames are reached. Both give the same pixels. TIFF and FITS files, and those of one image
/// each, are always read by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// The file is mapped into memory: frames that lie in it as they lie in memory are lent without a copy.
    /// If somebody shortens the file while it is mapped, the system may end the process; if somebody writes to
    /// it, pixels are undefined. For files that may change, use [`Positioned`](Access::Positioned).
    #[default]
    Mapped,
    /// Every frame is read at its position when asked for. A file that became shorter gives an error that
    /// names the frame.
    Positioned,
}

/// Frames one after another in a file that does not describe itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawLayout {
    /// Shape `(y, x)` of every frame.
    pub frame_shape: (usize, usize),
    /// Type of the numbers.
    pub dtype: DType,
    /// True if the most significant byte comes first. Default false.
    #[serde(default)]
    pub big_endian: bool,
    /// Bytes before the first frame (and its header). Default 0.
    #[serde(default)]
    pub offset: u64,
    /// Bytes before the pixels of each frame. Default 0.
    #[serde(default)]
    pub frame_header: u64,
    /// Bytes behind the pixels of each frame. Default 0.
    #[serde(default)]
    pub frame_footer: u64,
    /// Accept bytes behind the last whole frame; a warning counts them. Default false: a file that is no
    /// whole number of frames most often means a wrong shape or type.
    #[serde(default)]
    pub allow_tail: bool,
}

impl RawLayout {
    /// Frames of `frame_shape` and `dtype`, little endian, from the first byte on, nothing between them.
    pub fn new(frame_shape: (usize, usize), dtype: DType) -> Self {
        RawLayout {
            frame_shape,
            dtype,
            big_endian: false,
            offset: 0,
            frame_header: 0,
            frame_footer: 0,
            allow_tail: false,
        }
    }
}

/// How a file becomes a scan. The default reads every format that describes itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScanOptions {
    /// The format. Default None: found from the content.
    pub format: Option<ScanFormat>,
    /// Shape of the scan, first frame, missing frames. Default: the shape that the file says, no missing
    /// frames.
    pub scan: ScanParams,
    /// How bytes are reached. Default [`Access::Mapped`].
    pub access: Access,
    /// Layout of a file without a header. Default None.
    pub raw: Option<RawLayout>,
    /// Read BLO frames whose marker `AA 55` is wrong. Default false: an error at that frame.
    pub ignore_markers: bool,
    /// Compare the numbers of all BLO and MIB frames with their order, and warn. Opening then touches
    /// every frame. Default true.
    pub check_numbers: bool,
    /// Deliver BLO and MIB frames in the order of their numbers instead of that of the file. Default false.
    pub order_by_number: bool,
    /// Put the last row of every frame first, for detectors that count rows from below (MIB). Default false.
    pub flip_y: bool,
    /// Image of what the detector records without a signal, a path or a [`Selector`](crate::Selector); taken off
    /// every frame, see [`CorrectionParams`](nonius_core::CorrectionParams). Default None. This one and the next two have
    /// the orientation in which frames are delivered (after `flip_y`); with any of them these are `f32`.
    pub dark: Option<String>,
    /// Image of factors by which pixels are multiplied then. Default None.
    pub gain: Option<String>,
    /// Image that is 0 where a pixel lives, anything else (NaN, too) where it is dead and replaced by the mean of its
    /// live neighbours. Default None.
    pub dead: Option<String>,
    /// Take MRC mode 0 as `uint8`, as written before 2014, not `int8`. Default false.
    pub mode0_unsigned: bool,
    /// Arrays that cannot be read frame by frame (NPY in Fortran order, deflated NPZ) are loaded if they
    /// take no more bytes than this. Default 4 GiB.
    pub memory_limit: u64,
}

impl Default for ScanOptions {
    fn default() -> Self {
        ScanOptions {
            format: None,
            scan: ScanParams::default(),
            access: Access::Mapped,
            raw: None,
            ignore_markers: false,
            check_numbers: true,
            order_by_number: false,
            flip_y: false,
            dark: None,
            gain: None,
            dead: None,
            mode0_unsigned: false,
            memory_limit: 4 << 30,
        }
    }
}
