//! Numbers of an array as bytes of a file.

use std::io::{self, Write};

use ndarray::{ArrayView, Dimension};

/// Bytes gathered before they are written.
const TILE: usize = 1 << 16;

/// Writes every number in C order, each turned by `stored` into what the file holds.
pub(crate) fn write_numbers<T: Copy, U: bytemuck::Pod, D: Dimension>(
    file: &mut impl Write,
    array: &ArrayView<'_, T, D>,
    big_endian: bool,
    stored: impl Fn(T) -> U,
) -> io::Result<()> {
    let mut tile = Vec::with_capacity(TILE + size_of::<U>());
    for &value in array {
        let start = tile.len();
        tile.extend_from_slice(bytemuck::bytes_of(&stored(value)));
        if big_endian != cfg!(target_endian = "big") {
            tile[start..].reverse();
        }
        if tile.len() >= TILE {
            file.write_all(&tile)?;
            tile.clear();
        }
    }
    file.write_all(&tile)
}
