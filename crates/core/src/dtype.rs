//! Types of stored numbers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The type of the numbers that a detector delivers or a file holds.
///
/// [`Display`](std::fmt::Display) and serde give NumPy's names: `uint16`, `float32`, `bool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DType {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

impl DType {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 | DType::F16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 => 8,
        }
    }

    /// NumPy's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::I8 => "int8",
            DType::U16 => "uint16",
            DType::I16 => "int16",
            DType::U32 => "uint32",
            DType::I32 => "int32",
            DType::U64 => "uint64",
            DType::I64 => "int64",
            DType::F16 => "float16",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for DType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for DType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        DType::from_name(&name).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{name:?} is no number type; expected uint16, float32 and the like"
            ))
        })
    }
}

impl DType {
    /// The type named as NumPy does, or by its short code: `uint16`, `u2`; `float32`, `f4`.
    pub fn from_name(name: &str) -> Option<DType> {
        Some(match name {
            "bool" | "b1" => DType::Bool,
            "uint8" | "u1" => DType::U8,
            "int8" | "i1" => DType::I8,
            "uint16" | "u2" => DType::U16,
            "int16" | "i2" => DType::I16,
            "uint32" | "u4" => DType::U32,
            "int32" | "i4" => DType::I32,
            "uint64" | "u8" => DType::U64,
            "int64" | "i8" => DType::I64,
            "float16" | "f2" => DType::F16,
            "float32" | "f4" => DType::F32,
            "float64" | "f8" => DType::F64,
            _ => return None,
        })
    }

    /// The type in which frames of this one are delivered ([`Pixels`](crate::Pixels)): truth values as
    /// `u8`, half precision as `f32`, every other as it is.
    pub fn delivered(self) -> DType {
        match self {
            DType::Bool => DType::U8,
            DType::F16 => DType::F32,
            other => other,
        }
    }
}
