//! Conversion of stored numbers to real ones.

use half::f16;
use nonius_core::{DType, Real, Sample};

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
    fn half_precision_and_byte_order() {
        assert_eq!(decode(Encoding::plain(DType::F16, false), &[0x00, 0x3e]), [1.5]);
        assert_eq!(decode(Encoding::plain(DType::F32, true), &[0x3f, 0xc0, 0, 0]), [1.5]);
        assert_eq!(decode(Encoding::plain(DType::Bool, false), &[0, 1, 7]), [0.0, 1.0, 1.0]);
    }
}
