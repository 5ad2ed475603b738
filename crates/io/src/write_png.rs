//! PNG pictures, written.

use std::io;
use std::path::Path;

use ndarray::{ArrayView2, ArrayView3};

use crate::{Error, Result, write_atomically};

/// Writes an 8-bit gray picture `(y, x)`: 0 is black, 255 white.
///
/// # Errors
/// [`Error::Io`]; [`Error::Shape`] if the picture is empty.
pub fn write_png_gray(path: impl AsRef<Path>, picture: ArrayView2<'_, u8>) -> Result<()> {
    let (y, x) = picture.dim();
    write(
        path.as_ref(),
        (y, x),
        png::ColorType::Grayscale,
        picture.as_standard_layout().as_slice().unwrap_or_default(),
    )
}

/// Writes an 8-bit colour picture `(y, x, 3)`: red, green, blue.
///
/// # Errors
/// [`Error::Io`]; [`Error::Shape`] if the picture is empty or its last axis is not 3.
pub fn write_png_rgb(path: impl AsRef<Path>, picture: ArrayView3<'_, u8>) -> Result<()> {
    let (y, x, colours) = picture.dim();
    if colours != 3 {
        return Err(Error::Shape {
            path: path.as_ref().into(),
            expected: vec![y, x, 3],
            got: vec![y, x, colours],
        });
    }
    write(
        path.as_ref(),
        (y, x),
        png::ColorType::Rgb,
        picture.as_standard_layout().as_slice().unwrap_or_default(),
    )
}

fn write(path: &Path, (y, x): (usize, usize), color: png::ColorType, bytes: &[u8]) -> Result<()> {
    if y == 0 || x == 0 {
        return Err(Error::Shape { path: path.into(), expected: vec![y.max(1), x.max(1)], got: vec![y, x] });
    }
    write_atomically(path, |file| {
        let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
        let mut encoder = png::Encoder::new(file, side(x)?, side(y)?);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(bytes)?;
        Ok(writer.finish()?)
    })
}
