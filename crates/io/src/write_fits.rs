//! FITS, one primary image, written.

use std::io::{self, Write};
use std::path::Path;

use ndarray::{ArrayBase, Data, Dimension};

use crate::fits::BLOCK;
use crate::fits_card::{self, CARD};
use crate::header::{Card, Header};
use crate::numbers_out::write_numbers;
use crate::{Error, Result, write_atomically};

/// A number that [`write_fits`] can write.
pub trait FitsPixel: Copy {
    /// The card BITPIX.
    const BITPIX: i64;
    /// The card BZERO, where the stored number is another: the convention for unsigned integers.
    const BZERO: Option<i64> = None;
    /// What is stored.
    type Stored: bytemuck::Pod;
    /// This number as stored.
    fn stored(self) -> Self::Stored;
}

macro_rules! fits_pixel {
    ($($t:ty => $bitpix:literal),*) => {$(
        impl FitsPixel for $t {
            const BITPIX: i64 = $bitpix;
            type Stored = $t;
            fn stored(self) -> $t {
                self
            }
        }
    )*};
}
fits_pixel!(u8 => 8, i16 => 16, i32 => 32, i64 => 64, f32 => -32, f64 => -64);

impl FitsPixel for u16 {
    const BITPIX: i64 = 16;
    const BZERO: Option<i64> = Some(32_768);
    type Stored = u16;
    fn stored(self) -> u16 {
        self ^ 0x8000
    }
}

impl FitsPixel for u32 {
    const BITPIX: i64 = 32;
    const BZERO: Option<i64> = Some(2_147_483_648);
    type Stored = u32;
    fn stored(self) -> u32 {
        self ^ 0x8000_0000
    }
}

/// Writes an array as the primary image: the last axis becomes `NAXIS1`. `cards` follow the mandatory
/// ones; those that describe how pixels are stored (`SIMPLE`, `BITPIX`, `NAXISn`, `BSCALE`, `BZERO`,
/// `BLANK`, checksums …) are left out, so that the header of a file that was read can be passed on.
///
/// Real values that are not finite become cards without a value; characters beyond ASCII become `?`;
/// a comment is cut where its card of 80 characters ends.
///
/// # Errors
/// [`Error::Io`]; [`Error::Damaged`] for a keyword longer than 50 characters.
pub fn write_fits<T, S, D>(path: impl AsRef<Path>, array: &ArrayBase<S, D>, cards: &[Card]) -> Result<()>
where
    T: FitsPixel,
    S: Data<Elem = T>,
    D: Dimension,
{
    if let Some(card) = cards.iter().find(|c| c.keyword.chars().count() > 50) {
        let problem = "a keyword may have 50 characters";
        return Err(Error::damaged(path.as_ref(), format!("card {:?}", card.keyword), problem));
    }
    let header = header::<T>(array.shape(), cards);
    write_atomically(path, |file| {
        let mut written = 0;
        for card in header.cards.iter().flat_map(fits_card::format) {
            file.write_all(&card)?;
            written += CARD as u64;
        }
        file.write_all(b"END")?;
        pad(file, written + 3, b' ')?;
        write_numbers(file, &array.view(), true, T::stored)?;
        pad(file, (array.len() * size_of::<T::Stored>()) as u64, 0)
    })
}

fn header<T: FitsPixel>(shape: &[usize], cards: &[Card]) -> Header {
    let mut header = Header::default();
    header.push("SIMPLE", true, "conforms to FITS standard");
    header.push("BITPIX", T::BITPIX, "bits per number; negative: floating point");
    header.push("NAXIS", shape.len() as i64, "number of axes");
    for (i, &length) in shape.iter().rev().enumerate() {
        header.push(format!("NAXIS{}", i + 1), length as i64, "");
    }
    if let Some(zero) = T::BZERO {
        header.push("BZERO", zero, "offset of unsigned integers");
        header.push("BSCALE", 1i64, "");
    }
    header.cards.extend(cards.iter().filter(|c| !describes_storage(&c.keyword)).cloned());
    header
}

fn describes_storage(keyword: &str) -> bool {
    let keyword = keyword.trim().to_uppercase();
    let axis = keyword.strip_prefix("NAXIS").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let others = [
        "SIMPLE", "XTENSION", "BITPIX", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "BSCALE", "BZERO", "BLANK",
        "INHERIT", "CHECKSUM", "DATASUM", "CONTINUE", "END",
    ];
    axis || others.contains(&keyword.as_str())
}

/// Fills the last block after `written` bytes.
fn pad(file: &mut impl Write, written: u64, with: u8) -> io::Result<()> {
    let missing = written.next_multiple_of(BLOCK) - written;
    file.write_all(&vec![with; missing as usize])
}
