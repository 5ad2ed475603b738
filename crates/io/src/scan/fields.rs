//! Little-endian fields at fixed places of a header.

/// A header of fixed length. Places are constants of the readers and lie within it.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

macro_rules! field {
    ($($name:ident: $t:ty),*) => {$(
        pub(super) fn $name(&self, at: usize) -> $t {
            let mut bytes = [0u8; size_of::<$t>()];
            if let Some(found) = self.0.get(at..at + bytes.len()) {
                bytes.copy_from_slice(found);
            }
            <$t>::from_le_bytes(bytes)
        }
    )*};
}

impl Fields<'_> {
    field!(u16: u16, u32: u32, u64: u64, i32: i32, f64: f64);
}

/// Latin-1 text up to the first NUL.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().take_while(|&&b| b != 0).map(|&b| b as char).collect()
}
