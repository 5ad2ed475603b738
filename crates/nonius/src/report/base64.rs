//! Bytes as text (RFC 4648, section 4).

use std::io::{self, Write};

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `bytes` as text.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    bytes.chunks(3).for_each(|group| out.extend(digits(group).map(char::from)));
    out
}

/// Writes `bytes` as text without holding all of it.
pub(super) fn write_base64(out: &mut impl Write, bytes: impl Iterator<Item = u8>) -> io::Result<()> {
    let mut group = [0u8; 3];
    let mut filled = 0;
    for byte in bytes {
        group[filled] = byte;
        filled += 1;
        if filled == 3 {
            out.write_all(&digits(&group))?;
            filled = 0;
        }
    }
    if filled > 0 { out.write_all(&digits(&group[..filled])) } else { Ok(()) }
}

/// Four digits of up to three bytes.
fn digits(group: &[u8]) -> [u8; 4] {
    let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(*group.get(i).unwrap_or(&0)));
    std::array::from_fn(
        |i| {
            if i <= group.len() { DIGITS[(bits >> (18 - 6 * i)) as usize & 63] } else { b'=' }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_rfc() {
        // RFC 4648, section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
            let mut written = Vec::new();
            write_base64(&mut written, plain.bytes()).unwrap();
            assert_eq!(written, coded.as_bytes());
        }
    }
}
