//! Scans written frame by frame.

use std::io::Write;
use std::path::Path;

use nonius_core::{DType, PixelBuffer, Progress, Selection, with_pixels};

use crate::hdf5::Hdf5File;
use crate::numbers_out::write_numbers;
use crate::write_npy::npy_header;
use crate::{Error, Result, write_atomically, write_hdf5};

/// Bytes of frames that are in memory at a time.
const TILE: usize = 4 << 20;
/// An HDF5 file is made in memory.
const HDF5_LIMIT: usize = 4 << 30;

/// Writes the frames of a selection as an NPY file of their own number type: axes `(scan…, y, x)` if it is the whole
/// scan, else `(sample, y, x)`. Memory holds a few MiB of them at a time.
///
/// # Errors
/// [`Error::Io`]; [`Error::Scan`] for a frame that cannot be read, and where `progress` asked to stop
/// ([`nonius_core::Error::Cancelled`] within). The file is then what it was before.
pub fn write_npy_scan(
    path: impl AsRef<Path>,
    selection: &Selection<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let path = path.as_ref();
    let mut failed = None;
    let written = write_atomically(path, |file| {
        file.write_all(&npy_header(descr(selection.scan().dtype()), &shape(selection))?)?;
        tiles(selection, progress, |pixels| {
            with_pixels!(Pixels, pixels, p => write_numbers(file, &ndarray::ArrayView1::from(p), false, |v| v))
        })
        .map_err(|e| match e {
            Failure::Io(e) => e,
            Failure::Frames(e) => {
                failed = Some(e);
                std::io::Error::other("a frame cannot be read")
            }
        })
    });
    match failed {
        Some(reason) => Err(Error::Scan { path: path.into(), reason }),
        None => written,
    }
}

/// Writes the frames of a selection, with the axes of the scan, as an HDF5 file in the layout EMD 1.0, which is
/// made in memory first.
///
/// # Errors
/// As [`write_npy_scan`]; [`Error::TooLarge`] for more than 4 GiB of frames.
pub fn write_hdf5_scan(
    path: impl AsRef<Path>,
    selection: &Selection<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let path = path.as_ref();
    let scan = selection.scan();
    let bytes = selection.len().saturating_mul(scan.frame_bytes());
    if bytes > HDF5_LIMIT {
        let what = "a scan in HDF5, which is made in memory (NPY is not),".to_string();
        return Err(Error::TooLarge { path: path.into(), what, bytes: bytes as u128 });
    }
    let frames = |reason| Error::Scan { path: path.into(), reason };
    let axes = match selection.len() == scan.len() {
        true => scan.axes().to_vec(),
        false => {
            let n = scan.shape().len();
            let samples = nonius_core::Axis::pixels("sample", selection.len());
            std::iter::once(samples).chain(scan.axes()[n..].iter().cloned()).collect()
        }
    };
    progress.start("reading frames", selection.len() as u64);
    let mut file = Hdf5File::new("scan");
    let (mut buffer, mut all) = (PixelBuffer::default(), PixelBuffer::default());
    let (h, w) = scan.frame_shape();
    let n = selection.len() * h * w;
    let mut room = all.room(scan.dtype(), n);
    let step = (TILE / scan.frame_bytes()).max(1);
    for first in (0..selection.len()).step_by(step) {
        if progress.cancelled() {
            return Err(frames(nonius_core::Error::Cancelled));
        }
        let samples = first..(first + step).min(selection.len());
        let place = samples.start * h * w..samples.end * h * w;
        let read = selection.read(samples.clone(), &mut buffer).map_err(frames)?;
        if !room.reborrow().slice(place).copy_from(read) {
            unreachable!("there is room for every frame");
        }
        progress.advance(samples.len() as u64);
    }
    progress.finish();
    with_pixels!(Pixels, all.pixels(n), p => {
        let array = ndarray::ArrayView::from_shape(shape(selection), p);
        let array = array.map_err(|e| Error::unsupported(path, e.to_string(), "select fewer frames"))?;
        file.array("datacube", array.into_dyn(), &axes, "")?;
    });
    write_hdf5(path, file)
}

/// Axes of what is written.
fn shape(selection: &Selection<'_>) -> Vec<usize> {
    let scan = selection.scan();
    let lead = if selection.len() == scan.len() { scan.shape().to_vec() } else { vec![selection.len()] };
    lead.into_iter().chain([scan.frame_shape().0, scan.frame_shape().1]).collect()
}

enum Failure {
    Io(std::io::Error),
    Frames(nonius_core::Error),
}

/// Hands all frames to `write`, some MiB at a time.
fn tiles(
    selection: &Selection<'_>,
    progress: &dyn Progress,
    mut write: impl FnMut(nonius_core::Pixels<'_>) -> std::io::Result<()>,
) -> std::result::Result<(), Failure> {
    let mut buffer = PixelBuffer::default();
    let step = (TILE / selection.scan().frame_bytes()).max(1);
    progress.start("writing frames", selection.len() as u64);
    for first in (0..selection.len()).step_by(step) {
        if progress.cancelled() {
            return Err(Failure::Frames(nonius_core::Error::Cancelled));
        }
        let samples = first..(first + step).min(selection.len());
        write(selection.read(samples.clone(), &mut buffer).map_err(Failure::Frames)?).map_err(Failure::Io)?;
        progress.advance(samples.len() as u64);
    }
    progress.finish();
    Ok(())
}

/// NumPy's description of the type, little endian.
fn descr(dtype: DType) -> &'static str {
    match dtype.delivered() {
        DType::U8 | DType::Bool => "|u1",
        DType::I8 => "|i1",
        DType::U16 => "<u2",
        DType::I16 => "<i2",
        DType::U32 => "<u4",
        DType::I32 => "<i4",
        DType::U64 => "<u8",
        DType::I64 => "<i8",
        DType::F32 | DType::F16 => "<f4",
        DType::F64 => "<f8",
    }
}
