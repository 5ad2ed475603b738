//! Pixels of frames in the type in which they were recorded.

use std::ops::Range;

use crate::{DType, Real, Sample};

/// Runs `body` with the slice inside of a [`Pixels`], [`PixelsMut`] or [`PixelBuffer`] bound to `name`,
/// compiled for each of its types.
///
/// ```
/// use nonius_core::{Pixels, Sample, with_pixels};
/// let pixels = Pixels::U16(&[3, 4, 5]);
/// let sum: f64 = with_pixels!(Pixels, pixels, p => p.iter().map(|v| v.real::<f64>()).sum());
/// assert_eq!(sum, 12.0);
/// ```
#[macro_export]
macro_rules! with_pixels {
    ($of:ident, $pixels:expr, $name:pat => $body:expr) => {
        match $pixels {
            $crate::$of::U8($name) => $body,
            $crate::$of::I8($name) => $body,
            $crate::$of::U16($name) => $body,
            $crate::$of::I16($name) => $body,
            $crate::$of::U32($name) => $body,
            $crate::$of::I32($name) => $body,
            $crate::$of::U64($name) => $body,
            $crate::$of::I64($name) => $body,
            $crate::$of::F32($name) => $body,
            $crate::$of::F64($name) => $body,
        }
    };
}

macro_rules! pixel_types {
    ($($variant:ident: $t:ty),*) => {
        /// Frames one after another, each in C order, of one of ten number types.
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[allow(missing_docs)]
        pub enum Pixels<'a> { $($variant(&'a [$t])),* }

        /// Room for [`Pixels`].
        #[derive(Debug)]
        #[allow(missing_docs)]
        pub enum PixelsMut<'a> { $($variant(&'a mut [$t])),* }

        /// Memory for [`Pixels`] that is used again and again.
        #[derive(Debug, Clone)]
        #[allow(missing_docs)]
        pub enum PixelBuffer { $($variant(Vec<$t>)),* }

        impl Pixels<'_> {
            /// Type of the numbers.
            pub fn dtype(&self) -> DType {
                match self { $(Pixels::$variant(_) => DType::$variant),* }
            }

            /// Bytes in the order of this machine as pixels of `dtype`. None if they do not lie in memory as
            /// such pixels must, are no whole number of them, or if frames of `dtype` are delivered as
            /// another type.
            pub fn from_bytes(dtype: DType, bytes: &[u8]) -> Option<Pixels<'_>> {
                match dtype {
                    $(DType::$variant => bytemuck::try_cast_slice(bytes).ok().map(Pixels::$variant),)*
                    DType::Bool | DType::F16 => None,
                }
            }

            /// Pixels `range` of these.
            ///
            /// # Panics
            /// If `range` reaches beyond [`len`](Pixels::len).
            pub fn slice(&self, range: Range<usize>) -> Self {
                match self { $(Pixels::$variant(p) => Pixels::$variant(&p[range])),* }
            }
        }

        impl<'a> PixelsMut<'a> {
            /// Type of the numbers.
            pub fn dtype(&self) -> DType {
                match self { $(PixelsMut::$variant(_) => DType::$variant),* }
            }

            /// The same room, for a shorter time.
            pub fn reborrow(&mut self) -> PixelsMut<'_> {
                match self { $(PixelsMut::$variant(p) => PixelsMut::$variant(p)),* }
            }

            /// Room for pixels `range` of these.
            ///
            /// # Panics
            /// If `range` reaches beyond [`len`](PixelsMut::len).
            pub fn slice(self, range: Range<usize>) -> Self {
                match self { $(PixelsMut::$variant(p) => PixelsMut::$variant(&mut p[range])),* }
            }

            /// Writes `value` everywhere, rounded and clamped to what the type can hold.
            pub fn fill(&mut self, value: f64) {
                match self { $(PixelsMut::$variant(p) => p.fill(value as $t)),* }
            }

            /// Copies `from`, if it is of the same type and length; else returns false.
            #[must_use]
            pub fn copy_from(&mut self, from: Pixels<'_>) -> bool {
                match (self, from) {
                    $((PixelsMut::$variant(to), Pixels::$variant(from)) if to.len() == from.len() => {
                        to.copy_from_slice(from);
                        true
                    })*
                    _ => false,
                }
            }

            /// The bytes of the numbers, in the order of this machine.
            pub fn bytes(self) -> &'a mut [u8] {
                match self { $(PixelsMut::$variant(p) => bytemuck::cast_slice_mut(p)),* }
            }
        }

        impl PixelBuffer {
            /// Room for `n` numbers of the type in which frames of `dtype` are delivered. What stood in it is
            /// left there if it is of that type, else lost.
            pub fn room(&mut self, dtype: DType, n: usize) -> PixelsMut<'_> {
                match dtype.delivered() {
                    $(DType::$variant => {
                        if !matches!(self, PixelBuffer::$variant(_)) {
                            *self = PixelBuffer::$variant(Vec::new());
                        }
                    })*
                    DType::Bool | DType::F16 => unreachable!("never delivered"),
                }
                match self { $(PixelBuffer::$variant(p) => {
                    if p.len() < n {
                        p.resize(n, <$t>::default());
                    }
                    PixelsMut::$variant(&mut p[..n])
                }),* }
            }

            /// The first `n` numbers in it.
            ///
            /// # Panics
            /// If it has never had room for as many.
            pub fn pixels(&self, n: usize) -> Pixels<'_> {
                match self { $(PixelBuffer::$variant(p) => Pixels::$variant(&p[..n])),* }
            }
        }

        $(
            impl<'a> From<&'a [$t]> for Pixels<'a> {
                fn from(pixels: &'a [$t]) -> Self {
                    Pixels::$variant(pixels)
                }
            }

            impl Pixel for $t {
                const DTYPE: DType = DType::$variant;

                fn pixels(slice: &[$t]) -> Pixels<'_> {
                    Pixels::$variant(slice)
                }

                fn slice_mut(pixels: PixelsMut<'_>) -> Option<&mut [$t]> {
                    match pixels {
                        PixelsMut::$variant(p) => Some(p),
                        _ => None,
                    }
                }
            }
        )*
    };
}

pixel_types!(U8: u8, I8: i8, U16: u16, I16: i16, U32: u32, I32: i32, U64: u64, I64: i64, F32: f32, F64: f64);

/// One of the ten number types of [`Pixels`].
pub trait Pixel: Sample {
    /// Which.
    const DTYPE: DType;

    /// A slice as pixels.
    fn pixels(slice: &[Self]) -> Pixels<'_>;

    /// The slice in `pixels` if it is of this type.
    fn slice_mut(pixels: PixelsMut<'_>) -> Option<&mut [Self]>;
}

impl Pixels<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        with_pixels!(Pixels, self, p => p.len())
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes as many of them as `out` has room for, converted to `F`.
    pub fn convert<F: Real>(&self, out: &mut [F]) {
        with_pixels!(Pixels, self, p => out.iter_mut().zip(p.iter()).for_each(|(o, v)| *o = v.real()))
    }
}

impl PixelsMut<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        with_pixels!(PixelsMut, self, p => p.len())
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for PixelBuffer {
    fn default() -> Self {
        PixelBuffer::U8(Vec::new())
    }
}
