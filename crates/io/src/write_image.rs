//! An image in the format that a file name asks for.

use std::path::Path;

use ndarray::{Array2, ArrayView2};
use nonius_core::Real;

use crate::{Error, FitsPixel, NpyNumber, Result, TiffPixel, write_fits, write_npy, write_tiff};

/// Writes an image without loss as NPY, FITS or TIFF, chosen by the name: `.npy`, `.fits`, `.fit`,
/// `.fts`, `.tif`, `.tiff`, in either case. `f32` stays `float32`, `f64` stays `float64`.
///
/// # Errors
/// [`Error::Unsupported`] for any other name; else as the writer of the format.
pub fn write_image<F: Real>(path: impl AsRef<Path>, image: ArrayView2<'_, F>) -> Result<()> {
    let path = path.as_ref();
    if size_of::<F>() == size_of::<f32>() {
        write(path, &image.mapv(|v| v.f64() as f32))
    } else {
        write(path, &image.mapv(Real::f64))
    }
}

fn write<T: NpyNumber + FitsPixel + TiffPixel>(path: &Path, image: &Array2<T>) -> Result<()> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
    match extension.as_str() {
        "npy" => write_npy(path, image),
        "fits" | "fit" | "fts" => write_fits(path, image, &[]),
        "tif" | "tiff" => write_tiff(path, image.view()),
        _ => {
            let what = format!("cannot write images as {extension:?}");
            Err(Error::unsupported(path, what, "name the file .npy, .fits or .tif"))
        }
    }
}
