//! Conversion of stored numbers to real ones.

use half::f16;
use nonius_core::{DType, PixelsMut, Real, Sample};

/// The bytes of a number in the other order.
macro_rules! swapped {
    ($t:ty, $bytes:expr) => {
        <$t>::from_ne_bytes($bytes).swap_bytes().to_ne_bytes()
    };
}

/// How the bytes of one number become a real number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Encoding {
    pub(crate) dtype: DType,
    pub(crate) big_endian: bool,
    /// The top bit is inverted: how FITS stores unsigned 16, 32, 64-bit and signed 8-bit integers.
    pub(crate) flip_sign: bool,
    /// The integer that stands for "no value"; it becomes NaN.
    pub(crate) blank: Option<i128>,
    /// `(slope, zero)`: the physical value is `slope · stored + zero`.
    pub(crate) scale: Option<(f64, f64)>,
}

impl Encoding {
    pub(crate) fn plain(dtype: DType, big_endian: bool) -> Self {
        Encoding { dtype, big_endian, flip_sign: false, blank: None, scale: None }
    }

    /// Converts `bytes`, as many numbers as `out` has room for, and hands each with its place to `put`.
    pub(crate) fn decode<F: Real>(&self, bytes: &[u8], mut put: impl FnMut(usize, F)) {
        macro_rules! float {
            ($t:ty, $value:expr) => {{
                let (numbers, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
                for (i, &b) in numbers.iter().enumerate() {
                    let v = if self.big_endian { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) };
                    put(i, self.scaled($value(v)));
                }
            }};
        }
        macro_rules! integer {
            ($t:ty) => {{
                let (numbers, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
                let flip: $t = if self.flip_sign { 1 << (<$t>::BITS - 1) } else { 0 };
                for (i, &b) in numbers.iter().enumerate() {
                    let v =
                        if self.big_endian { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) } ^ flip;
                    put(i, if self.blank == Some(v as i128) { F::nan() } else { self.scaled(v) });
                }
            }};
        }
        match self.dtype {
            DType::Bool => bytes.iter().enumerate().for_each(|(i, &b)| put(i, u8::from(b != 0).real())),
            DType::U8 => integer!(u8),
            DType::I8 => integer!(i8),
            DType::U16 => integer!(u16),
            DType::I16 => integer!(i16),
            DType::U32 => integer!(u32),
            DType::I32 => integer!(i32),
            DType::U64 => integer!(u64),
            DType::I64 => integer!(i64),
            DType::F16 => float!(f16, f16::to_f32),
            DType::F32 => float!(f32, f32::from),
            DType::F64 => float!(f64, f64::from),
        }
    }

    /// The type in which pixels are delivered: the stored one, unless the file says how to compute others
    /// from it.
    pub(crate) fn delivered(&self) -> DType {
        if self.scale.is_some() || self.blank.is_some() { DType::F64 } else { self.dtype.delivered() }
    }

    /// True if the bytes in the file are those of delivered pixels in this machine's memory.
    pub(crate) fn is_native(&self) -> bool {
        self.has_size_of_delivered()
            && self.dtype != DType::Bool
            && !self.flip_sign
            && (self.dtype.size() == 1 || self.big_endian == cfg!(target_endian = "big"))
    }

    /// True if pixels can be read into the memory of delivered ones and put right there.
    pub(crate) fn has_size_of_delivered(&self) -> bool {
        self.delivered() == self.dtype.delivered() && self.dtype != DType::F16
    }

    /// Turns stored bytes, in memory of delivered pixels, into these.
    pub(crate) fn put_right(&self, bytes: &mut [u8]) {
        let size = self.dtype.size();
        if self.big_endian != cfg!(target_endian = "big") {
            macro_rules! swap {
                ($n:literal, $t:ty) => {
                    bytes.as_chunks_mut::<$n>().0.iter_mut().for_each(|b| *b = swapped!($t, *b))
                };
            }
            match size {
                2 => swap!(2, u16),
                4 => swap!(4, u32),
                8 => swap!(8, u64),
                _ => {}
            }
        }
        if self.dtype == DType::Bool {
            bytes.iter_mut().for_each(|b| *b = u8::from(*b != 0));
        }
        if self.flip_sign {
            let top = if cfg!(target_endian = "big") { 0 } else { size - 1 };
            bytes.iter_mut().skip(top).step_by(size).for_each(|b| *b ^= 0x80);
        }
    }

    /// Stored pixels as delivered ones; `out` has room for as many.
    pub(crate) fn deliver(&self, stored: &[u8], out: PixelsMut<'_>) {
        if !self.has_size_of_delivered() {
            match out {
                PixelsMut::F32(out) => self.decode(stored, |i, v| out[i] = v),
                PixelsMut::F64(out) => self.decode(stored, |i, v| out[i] = v),
                _ => debug_assert!(false, "computed pixels are floats"),
            }
            return;
        }
        let out = out.bytes();
        let swapped = self.big_endian != cfg!(target_endian = "big") && self.dtype.size() > 1;
        if !swapped || self.flip_sign {
            out.copy_from_slice(stored);
            return self.put_right(out);
        }
        macro_rules! swap {
            ($n:literal, $t:ty) => {{
                let (to, from) = (out.as_chunks_mut::<$n>().0, stored.as_chunks::<$n>().0);
                to.iter_mut().zip(from).for_each(|(o, b)| *o = swapped!($t, *b));
            }};
        }
        match self.dtype.size() {
            2 => swap!(2, u16),
            4 => swap!(4, u32),
            _ => swap!(8, u64),
        }
    }

    #[inline(always)]
    fn scaled<F: Real, T: Sample>(&self, stored: T) -> F {
        match self.scale {
            None => stored.real(),
            Some((slope, zero)) => F::of(slope * stored.real::<f64>() + zero),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: Encoding, bytes: &[u8]) -> Vec<f64> {
        let mut out = Vec::new();
        encoding.decode(bytes, |_, v| out.push(v));
        out
    }

    #[test]
    fn the_top_bit_turns_signed_into_unsigned() {
        let u16be = Encoding { flip_sign: true, ..Encoding::plain(DType::U16, true) };
        assert_eq!(decode(u16be, &[0x80, 0, 0, 0, 0x7f, 0xff]), [0.0, 32768.0, 65535.0]);
        let i8 = Encoding { flip_sign: true, ..Encoding::plain(DType::I8, true) };
        assert_eq!(decode(i8, &[0, 128, 255]), [-128.0, 0.0, 127.0]);
    }

    #[test]
    fn blank_is_compared_before_scaling() {
        let e = Encoding { blank: Some(-1), scale: Some((0.5, 10.0)), ..Encoding::plain(DType::I16, true) };
        let out = decode(e, &[0xff, 0xff, 0, 4]);
        assert!(out[0].is_nan());
        assert_eq!(out[1], 12.0);
    }

    #[test]
    fn delivered_pixels_are_the_decoded_ones() {
        use DType::*;
        for dtype in [Bool, U8, I8, U16, I16, U32, I32, U64, I64, F16, F32, F64] {
            for (big_endian, flip_sign) in [(false, false), (true, false), (true, true)] {
                let flip_sign = flip_sign && !matches!(dtype, Bool | F16 | F32 | F64);
                let e = Encoding { flip_sign, ..Encoding::plain(dtype, big_endian) };
                // No byte of all ones as the exponent of a NaN has.
                let stored: Vec<u8> = (0..48).map(|k| (5 * k + 11) as u8 & 0x3b).collect();
                let expected = decode(e, &stored);
                let mut room = nonius_core::PixelBuffer::default();
                let n = expected.len();
                e.deliver(&stored, room.room(e.delivered(), n));
                let mut out = vec![0.0; n];
                room.pixels(n).convert(&mut out);
                assert_eq!(out, expected, "{e:?}");
                if e.has_size_of_delivered() {
                    let mut same = nonius_core::PixelBuffer::default();
                    let bytes = same.room(e.delivered(), n).bytes();
                    bytes.copy_from_slice(&stored);
                    e.put_right(bytes);
                    assert_eq!(same.pixels(n), room.pixels(n), "{e:?}");
                }
            }
        }
    }

    #[test]
    fn half_precision_and_byte_order() {
        assert_eq!(decode(Encoding::plain(DType::F16, false), &[0x00, 0x3e]), [1.5]);
        assert_eq!(decode(Encoding::plain(DType::F32, true), &[0x3f, 0xc0, 0, 0]), [1.5]);
        assert_eq!(decode(Encoding::plain(DType::Bool, false), &[0, 1, 7]), [0.0, 1.0, 1.0]);
    }
}
