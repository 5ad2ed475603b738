//! Scans written frame by frame.

use std::cell::Cell;
use std::io::Write;
use std::path::Path;

use nonius_core::{DType, PixelBuffer, Progress, Selection, with_pixels};

use crate::hdf5::{Hdf5File, Hdf5Number};
use crate::numbers_out::write_numbers;
use crate::write_npy::npy_header;
use crate::{Error, Result, write_atomically, write_hdf5};

/// Bytes of frames that are in memory at a time.
const TILE: usize = 4 << 20;

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
    let failed = Cell::new(None);
    let written = write_atomically(path, |file| {
        file.write_all(&npy_header(descr(selection.scan().dtype()), &shape(selection))?)?;
        write_frames(selection, progress, &failed, file)
    });
    outcome(path, written, failed)
}

/// Writes the frames of a selection, with the axes of the scan, as an HDF5 file in the layout EMD 1.0. Memory holds a
/// few MiB of them at a time.
///
/// # Errors
/// As [`write_npy_scan`].
pub fn write_hdf5_scan(
    path: impl AsRef<Path>,
    selection: &Selection<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let path = path.as_ref();
    let scan = selection.scan();
    let axes = match selection.len() == scan.len() {
        true => scan.axes().to_vec(),
        false => {
            let n = scan.shape().len();
            let samples = nonius_core::Axis::pixels("sample", selection.len());
            std::iter::once(samples).chain(scan.axes()[n..].iter().cloned()).collect()
        }
    };
    let failed = Cell::new(None);
    let mut none = PixelBuffer::default();
    none.room(scan.dtype(), 0);
    let mut file = Hdf5File::new("scan");
    with_pixels!(Pixels, none.pixels(0), of_type => {
        datacube(&mut file, of_type, &axes, |out| write_frames(selection, progress, &failed, out))?;
    });
    let written = write_hdf5(path, file);
    outcome(path, written, failed)
}

/// Axes of what is written.
fn shape(selection: &Selection<'_>) -> Vec<usize> {
    let scan = selection.scan();
    let lead = if selection.len() == scan.len() { scan.shape().to_vec() } else { vec![selection.len()] };
    lead.into_iter().chain([scan.frame_shape().0, scan.frame_shape().1]).collect()
}

/// Adds the frames, numbers like those of `_of_type`, which `write` will write.
fn datacube<'a, T: Hdf5Number>(
    file: &mut Hdf5File<'a>,
    _of_type: &[T],
    axes: &[nonius_core::Axis],
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + 'a,
) -> Result<()> {
    file.numbers::<T>("datacube", axes, "", write)
}

/// All frames, some MiB at a time. If one cannot be read, why stands in `failed`.
fn write_frames(
    selection: &Selection<'_>,
    progress: &dyn Progress,
    failed: &Cell<Option<nonius_core::Error>>,
    mut file: &mut dyn Write,
) -> std::io::Result<()> {
    let unreadable = |e| {
        failed.set(Some(e));
        std::io::Error::other("a frame cannot be read")
    };
    let mut buffer = PixelBuffer::default();
    let step = (TILE / selection.scan().frame_bytes().max(1)).max(1);
    progress.start("writing frames", selection.len() as u64);
    for first in (0..selection.len()).step_by(step) {
        if progress.cancelled() {
            return Err(unreadable(nonius_core::Error::Cancelled));
        }
        let samples = first..(first + step).min(selection.len());
        let pixels = selection.read(samples.clone(), &mut buffer).map_err(unreadable)?;
        with_pixels!(Pixels, pixels, p => write_numbers(&mut file, &ndarray::ArrayView1::from(p), false, |v| v))?;
        progress.advance(samples.len() as u64);
    }
    progress.finish();
    Ok(())
}

/// The error of a frame before that of the file it was not written to.
fn outcome(path: &Path, written: Result<()>, failed: Cell<Option<nonius_core::Error>>) -> Result<()> {
    match failed.into_inner() {
        Some(reason) => Err(Error::Scan { path: path.into(), reason }),
        None => written,
    }
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
