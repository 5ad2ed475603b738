//! NPY, version 1, written.

use std::io::{self, Write};
use std::path::Path;

use ndarray::{ArrayBase, Data, Dimension};

use crate::numbers_out::write_numbers;
use crate::{Result, write_atomically};

/// A number that [`write_npy`] can write.
pub trait NpyNumber: bytemuck::Pod {
    /// NumPy's description of the type, little endian.
    const DESCR: &'static str;
}

macro_rules! npy_number {
    ($($t:ty => $descr:literal),*) => {$(
        impl NpyNumber for $t {
            const DESCR: &'static str = $descr;
        }
    )*};
}
npy_number!(u8 => "|u1", i8 => "|i1", u16 => "<u2", i16 => "<i2", u32 => "<u4", i32 => "<i4",
            u64 => "<u8", i64 => "<i8", f32 => "<f4", f64 => "<f8");

/// Writes an array of any number of axes, in C order and little endian.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io).
pub fn write_npy<T, S, D>(path: impl AsRef<Path>, array: &ArrayBase<S, D>) -> Result<()>
where
    T: NpyNumber,
    S: Data<Elem = T>,
    D: Dimension,
{
    write_atomically(path, |file| {
        file.write_all(&npy_header(T::DESCR, array.shape())?)?;
        write_numbers(file, &array.view(), false, |v| v)
    })
}

/// The bytes before the numbers.
pub(crate) fn npy_header(descr: &str, shape: &[usize]) -> io::Result<Vec<u8>> {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if lengths.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", lengths.join(", "));
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // Signature, length, header and newline together fill blocks of 64 bytes.
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    let len = u16::try_from(header.len()).map_err(|_| io::Error::other("too many axes"))?;
    Ok([&b"\x93NUMPY\x01\x00"[..], &len.to_le_bytes(), header.as_bytes()].concat())
}
