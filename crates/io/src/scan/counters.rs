//! Counters of Medipix3 chips as the Merlin writes them in raw mode (`R64`).
//!
//! No recorded file was at hand: the order of the bits is that of published readers, not verified.

use nonius_core::{DType, PixelsMut};

/// Bits of each counter, for one chip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Counters {
    /// 64 pixels in a big-endian word, the first in the lowest bit.
    Bits1,
    /// 8 pixels of a byte in a word, the first last.
    Bits6,
    /// 4 pixels of two bytes in a word, the first last.
    Bits12,
    /// Two frames as in `Bits12`, the high half of every counter first.
    Bits24,
}

impl Counters {
    pub(crate) fn of_depth(bits: u32) -> Option<Self> {
        Some(match bits {
            1 => Counters::Bits1,
            6 => Counters::Bits6,
            12 => Counters::Bits12,
            24 => Counters::Bits24,
            _ => return None,
        })
    }

    pub(crate) fn delivered(self) -> DType {
        match self {
            Counters::Bits1 | Counters::Bits6 => DType::U8,
            Counters::Bits12 => DType::U16,
            Counters::Bits24 => DType::U32,
        }
    }

    /// Bytes of `n` pixels in the file; None if they fill no whole words.
    pub(crate) fn bytes(self, n: usize) -> Option<usize> {
        let (per_word, words) = match self {
            Counters::Bits1 => (64, 1),
            Counters::Bits6 => (8, 1),
            Counters::Bits12 => (4, 1),
            Counters::Bits24 => (4, 2),
        };
        n.is_multiple_of(per_word).then_some(n / per_word * words * 8)
    }

    /// One frame of counters as pixels.
    pub(crate) fn deliver(self, stored: &[u8], out: PixelsMut<'_>) {
        let words = stored.as_chunks::<8>().0;
        let pixel = |word: &[u8; 8], i: usize| u16::from_be_bytes([word[6 - 2 * i], word[7 - 2 * i]]);
        match (self, out) {
            (Counters::Bits1, PixelsMut::U8(out)) => {
                for (word, out) in words.iter().zip(out.chunks_exact_mut(64)) {
                    let word = u64::from_be_bytes(*word);
                    out.iter_mut().enumerate().for_each(|(i, o)| *o = (word >> i & 1) as u8);
                }
            }
            (Counters::Bits6, PixelsMut::U8(out)) => {
                for (word, out) in words.iter().zip(out.chunks_exact_mut(8)) {
                    out.iter_mut().zip(word.iter().rev()).for_each(|(o, &b)| *o = b);
                }
            }
            (Counters::Bits12, PixelsMut::U16(out)) => {
                for (word, out) in words.iter().zip(out.chunks_exact_mut(4)) {
                    out.iter_mut().enumerate().for_each(|(i, o)| *o = pixel(word, i));
                }
            }
            (Counters::Bits24, PixelsMut::U32(out)) => {
                let (high, low) = words.split_at(words.len() / 2);
                for ((high, low), out) in high.iter().zip(low).zip(out.chunks_exact_mut(4)) {
                    for (i, o) in out.iter_mut().enumerate() {
                        *o = u32::from(pixel(high, i)) << 12 | u32::from(pixel(low, i));
                    }
                }
            }
            _ => debug_assert!(false, "room of another type"),
        }
    }
}
