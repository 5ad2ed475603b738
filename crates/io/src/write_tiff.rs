//! TIFF, uncompressed gray pages, written through the `tiff` crate.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use ndarray::{ArrayView2, ArrayView3, Axis};
use tiff::encoder::colortype::{ColorType, Gray8, Gray16, Gray32, Gray32Float, Gray64Float, GrayI16};
use tiff::encoder::{TiffEncoder, TiffKind, TiffValue};

use crate::{Error, Result, write_atomically};

/// From this size on offsets need 64 bits, and a BigTIFF is written.
const BIG: usize = 0xF000_0000;

/// A number that [`write_tiff`] can write.
pub trait TiffPixel: Copy {
    /// Writes the pages of a stack that is not empty.
    #[doc(hidden)]
    fn encode(stack: ArrayView3<'_, Self>, file: &mut BufWriter<File>, big: bool) -> tiff::TiffResult<()>;
}

macro_rules! tiff_pixel {
    ($($t:ty => $color:ty),*) => {$(
        impl TiffPixel for $t {
            fn encode(stack: ArrayView3<'_, Self>, file: &mut BufWriter<File>, big: bool) -> tiff::TiffResult<()> {
                match big {
                    true => pages::<$color, _>(TiffEncoder::new_big(file)?, stack),
                    false => pages::<$color, _>(TiffEncoder::new(file)?, stack),
                }
            }
        }
    )*};
}
tiff_pixel!(u8 => Gray8, u16 => Gray16, u32 => Gray32, i16 => GrayI16, f32 => Gray32Float, f64 => Gray64Float);

fn pages<C: ColorType, K: TiffKind>(
    mut encoder: TiffEncoder<&mut BufWriter<File>, K>,
    stack: ArrayView3<'_, C::Inner>,
) -> tiff::TiffResult<()>
where
    C::Inner: Clone,
    [C::Inner]: TiffValue,
{
    for frame in stack.outer_iter() {
        let (y, x) = frame.dim();
        let frame = frame.as_standard_layout();
        let pixels = frame.as_slice().unwrap_or_default();
        encoder.write_image::<C>(u32::try_from(x)?, u32::try_from(y)?, pixels)?;
    }
    Ok(())
}

/// Writes one page.
///
/// # Errors
/// [`Error::Io`]; [`Error::Shape`] if the array is empty, which TIFF cannot hold.
pub fn write_tiff<T: TiffPixel>(path: impl AsRef<Path>, image: ArrayView2<'_, T>) -> Result<()> {
    write_tiff_stack(path, image.insert_axis(Axis(0)))
}

/// Writes a stack `(page, y, x)`, one page per frame.
///
/// # Errors
/// As [`write_tiff`].
pub fn write_tiff_stack<T: TiffPixel>(path: impl AsRef<Path>, stack: ArrayView3<'_, T>) -> Result<()> {
    let path = path.as_ref();
    let shape = stack.shape();
    if stack.is_empty() {
        let (expected, got) = (shape.iter().map(|&s| s.max(1)).collect(), shape.to_vec());
        return Err(Error::Shape { path: path.into(), expected, got });
    }
    let big = stack.len().saturating_mul(size_of::<T>()) > BIG;
    write_atomically(path, |file| {
        T::encode(stack, file, big).map_err(|e| match e {
            tiff::TiffError::IoError(e) => e,
            e => io::Error::other(e),
        })
    })
}
