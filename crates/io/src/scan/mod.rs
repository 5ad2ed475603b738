//! Scans: files of many frames, one file per format.

mod blo;
mod bytes;
mod counters;
mod dm;
mod empad;
mod fields;
mod files;
mod flipped;
mod hdf5;
mod images;
mod loaded;
mod mib;
mod mrc;
mod npy;
mod options;
mod raw;
mod records;
mod ser;
mod tvips;
mod warning;
mod write_blo;

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array2;
use nonius_core::{Axis, CorrectionParams, FrameSource, Missing, Scan};

pub use options::{Access, RawLayout, ScanFormat, ScanOptions};
pub use warning::ScanWarning;
pub use write_blo::{BloParams, OutOfRange, write_blo};

use crate::header::Header;
use crate::open::read_image;
use crate::selector::Selector;
use crate::source::Source;
use crate::{Error, Result};
use records::Extent;

/// An opened scan and what its file says about it.
#[derive(Debug)]
pub struct ScanFile {
    /// The file; of a series, the first.
    pub path: PathBuf,
    /// Its format.
    pub format: ScanFormat,
    /// The frames at the positions of the scan, with calibrated axes where the file has them.
    pub scan: Scan<'static>,
    /// The header's statements in the order of the file.
    pub metadata: Header,
    /// What a person should know before trusting the frames.
    pub warnings: Vec<ScanWarning>,
    /// The number that the file gives to each frame, in file order: of BLO and MIB files, if
    /// [`ScanOptions::check_numbers`] stands; else empty.
    pub frame_numbers: Vec<u32>,
    /// The image of the whole scan that BLO files carry, one value per position.
    pub virtual_image: Option<Array2<u8>>,
}

/// What a reader finds.
struct Found {
    frames: Box<dyn FrameSource>,
    /// Shape of the scan as far as the file knows it.
    shape: Vec<usize>,
    /// Frames before the first that belongs to the scan.
    first_frame: usize,
    /// The error for frames that should be in the file and are not.
    cut: Option<Error>,
    /// Axes of the scan and of the frames, where calibrated.
    scan_axes: Option<Vec<Axis>>,
    frame_axes: Option<[Axis; 2]>,
    metadata: Header,
    warnings: Vec<ScanWarning>,
    frame_numbers: Vec<u32>,
    virtual_image: Option<Array2<u8>>,
}

impl Found {
    fn new(frames: impl FrameSource + 'static, shape: Vec<usize>) -> Self {
        Found {
            frames: Box::new(frames),
            shape,
            first_frame: 0,
            cut: None,
            scan_axes: None,
            frame_axes: None,
            metadata: Header::default(),
            warnings: Vec::new(),
            frame_numbers: Vec::new(),
            virtual_image: None,
        }
    }
}

/// Opens the scan in a file: text, a path or a [`Selector`]. Nothing but headers is read.
///
/// - A key names the member of an **NPZ** file, the dataset of an **HDF5** file. Without one the dataset is taken
///   that the layout of the HDF5 file means.
/// - `*` in the file name stands for any text: the files of a **MIB** series, in the order of their first
///   frames, or one image per file (TIFF and others), in the order of the numbers in their names.
/// - **MIB**: the `.hdr` file beside the data gives the shape of the scan; opened itself, it stands for all
///   `.mib` files whose names begin as its own.
/// - **Raw**: `ScanOptions::raw` says how; or a `.rpl` header, opened itself or beside the data. **EMPAD**: the
///   `.xml` file, opened itself or beside the `.raw` file.
/// - **TVIPS**: `name_001.tvips` and so on continue `name_000.tvips`. Where positions of the beam stand in the images
///   (version 2) and count up row by row, they give the shape of the scan and its first frame, unless
///   [`ScanOptions::scan`] does.
/// - **DM**: of four dimensions the first two are the frame where the tag "Data Order Swapped" is 1, and the scan
///   where it is 0; such a file is loaded whole. Without the tag they are taken as the frame, with a warning.
///
/// ```no_run
/// use nonius_io::{ScanOptions, open_scan};
/// let file = open_scan("crystal.blo", &ScanOptions::default())?;
/// println!("{:?} frames of {:?}, {}", file.scan.shape(), file.scan.frame_shape(), file.scan.dtype());
/// for warning in &file.warnings {
///     println!("{warning}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`], [`Error::Truncated`], [`Error::Damaged`], [`Error::Unsupported`] with the file and the
/// place in it; [`Error::Scan`] if the frames do not make the scan asked for; [`Error::Selection`] if the
/// selector asks for a part that there is not.
pub fn open_scan(
    selector: impl TryInto<Selector, Error: Into<Error>>,
    options: &ScanOptions,
) -> Result<ScanFile> {
    let selector = selector.try_into().map_err(Into::into)?;
    if files::is_pattern(&selector.path) {
        return open_scan_files(&files::matching(&selector)?, options);
    }
    let source = Source::open(&selector.path)?;
    let format = match (options.format, &options.raw) {
        (Some(format), _) => format,
        (None, Some(_)) => ScanFormat::Raw,
        (None, None) => files::format_of(&source)?,
    };
    let takes_index = matches!(format, ScanFormat::Tiff | ScanFormat::Fits);
    if !selector.index.is_empty() && !takes_index {
        return Err(Error::selection(
            &selector,
            format!("a {format} scan is opened whole, without an index"),
        ));
    }
    if let (Some(key), false) =
        (&selector.key, takes_index || matches!(format, ScanFormat::Npz | ScanFormat::Hdf5))
    {
        return Err(Error::selection(&selector, format!("a {format} file has no key {key:?}")));
    }
    let found = match format {
        ScanFormat::Raw => raw::open(source, options),
        ScanFormat::Npy => npy::open(source, options),
        ScanFormat::Npz => npy::open_member(source, &selector, options),
        ScanFormat::Blo => blo::open(source, options),
        ScanFormat::Mib => mib::open(source, options),
        ScanFormat::Mrc => mrc::open(source, options),
        ScanFormat::Tiff | ScanFormat::Fits => images::open(&selector),
        ScanFormat::Empad => empad::open(source, options),
        ScanFormat::Tvips => tvips::open(source, options),
        ScanFormat::Ser => ser::open(source, options),
        ScanFormat::Dm => dm::open(source, options),
        ScanFormat::Hdf5 => hdf5::open(&selector),
    }?;
    assemble(selector.path, format, found, options)
}

/// Opens a scan whose frames are in several files: MIB files, put in the order of their first frames; of other
/// formats, one image per file in the order given.
///
/// # Errors
/// As [`open_scan`]; [`Error::Shape`] if frames differ in shape.
pub fn open_scan_files(selectors: &[Selector], options: &ScanOptions) -> Result<ScanFile> {
    let [first, ..] = selectors else { return Err(Error::selection("scan", "no file was given")) };
    let source = Source::open(&first.path)?;
    let format = options.format.map_or_else(|| files::format_of(&source), Ok)?;
    let path = first.path.clone();
    let found = match format {
        ScanFormat::Mib => {
            let sources: Result<_> = selectors.iter().map(|s| Source::open(&s.path)).collect();
            mib::open_series(sources?, None, options)
        }
        _ => images::open_files(selectors),
    }?;
    assemble(path, format, found, options)
}

/// The error for frames that a file should hold from byte `first` on and does not.
fn cut(source: &Source, first: u64, record: u64, extent: Extent) -> Option<Error> {
    let Extent { complete, expected, .. } = extent;
    (complete < expected).then(|| Error::Truncated {
        path: source.path().into(),
        what: format!("scan of {expected} frames, of which {complete} are complete,"),
        offset: first,
        needed: (expected as u64).saturating_mul(record),
        length: source.len(),
    })
}

fn assemble(path: PathBuf, format: ScanFormat, found: Found, options: &ScanOptions) -> Result<ScanFile> {
    let mut params = options.scan.clone();
    if params.shape.is_none() {
        match found.cut {
            Some(cut) if params.missing == Missing::Error => return Err(cut),
            _ => params.shape = Some(found.shape),
        }
        if params.sync_offset == 0 {
            params.sync_offset = found.first_frame as isize;
        }
    }
    let misfit = |reason| Error::Scan { path: path.clone(), reason };
    let frames = if options.flip_y { Box::new(flipped::Flipped(found.frames)) } else { found.frames };
    let scan = Scan::new(frames, &params).map_err(misfit)?;
    let n = scan.shape().len();
    let mut axes = scan.axes().to_vec();
    let known = found.scan_axes.filter(|known| known.len() == n).unwrap_or_default();
    for (k, known) in known.into_iter().enumerate().chain((n..).zip(found.frame_axes.into_iter().flatten())) {
        axes[k] = Axis { size: axes[k].size, ..known };
    }
    let scan = scan.with_axes(axes).map_err(misfit)?;
    let scan = scan.corrected(&corrections(options)?).map_err(misfit)?;
    let mut warnings = found.warnings;
    if scan.n_missing() > 0 {
        warnings.push(ScanWarning::Missing { frames: scan.n_missing() });
    }
    if scan.n_surplus() > 0 {
        warnings.push(ScanWarning::Surplus { frames: scan.n_surplus() });
    }
    Ok(ScanFile {
        path,
        format,
        scan,
        metadata: found.metadata,
        warnings,
        frame_numbers: found.frame_numbers,
        virtual_image: found.virtual_image,
    })
}

/// The images that `options` name.
fn corrections(options: &ScanOptions) -> Result<CorrectionParams> {
    let image = |file: &Option<String>| -> Result<_> {
        Ok(file.as_deref().map(read_image::<f64>).transpose()?.map(|image| image.pixels))
    };
    let dead = image(&options.dead)?.map(|image| image.mapv(|v| v != 0.0));
    Ok(CorrectionParams { dark: image(&options.dark)?, gain: image(&options.gain)?, dead })
}

/// The signature that a file of a format begins with, or an error that names both.
fn check_signature(source: &Arc<Source>, format: ScanFormat, expected: &[u8]) -> Result<()> {
    let found = source.bytes(&format!("{format} signature"), 0, expected.len() as u64)?;
    if found == expected {
        return Ok(());
    }
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let problem = format!("begins with \"{}\", expected \"{}\"", shown(&found), shown(expected));
    Err(Error::damaged(source.path(), format!("{format} signature"), problem))
}

/// Bytes of one frame: an error if the shape has no pixels or too many to count.
fn frame_bytes(source: &Source, place: &str, shape: (usize, usize), stored: records::Stored) -> Result<u64> {
    match stored.bytes(shape) {
        Some(bytes) if bytes > 0 => Ok(bytes as u64),
        _ => {
            let problem = format!("frames of {} × {} pixels cannot be", shape.0, shape.1);
            Err(Error::damaged(source.path(), place, problem))
        }
    }
}

/// The number of positions of a scan shape from a header: an error for an axis of length 0 and for more
/// than can be counted.
fn positions(source: &Source, place: &str, shape: &[usize]) -> Result<usize> {
    let n = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    n.filter(|&n| n > 0 && n <= isize::MAX as usize).ok_or_else(|| {
        let problem = format!("a scan of {shape:?} positions cannot be");
        Error::damaged(source.path(), place, problem)
    })
}

/// The order of frames by their numbers, and a warning if this is not the order of the file.
fn ordered(numbers: &[u32], options: &ScanOptions, warnings: &mut Vec<ScanWarning>) -> Option<Vec<usize>> {
    let mut jumps = (1..numbers.len()).filter(|&k| numbers[k] != numbers[k - 1].wrapping_add(1));
    let first = jumps.next()?;
    warnings.push(ScanWarning::NotConsecutive { frames: 1 + jumps.count(), first });
    options.order_by_number.then(|| {
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by_key(|&k| numbers[k]);
        order
    })
}
