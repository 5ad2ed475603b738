//! Plain tar archives of small files.
//!
//! Source: POSIX.1-1988 (ustar): blocks of 512 bytes, a header before each file.

use std::path::Path;

use crate::{Error, Result};

const BLOCK: usize = 512;
/// Fields of a header.
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..263;

/// The regular files of an archive, name and content; others (folders, links, remarks on the next file) are
/// passed over. The end may lack its two blocks of zeros.
pub(super) fn files<'a>(path: &Path, archive: &'a [u8]) -> Result<Vec<(String, &'a [u8])>> {
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(header) = archive.get(at..at + BLOCK) {
        if header.iter().all(|&b| b == 0) {
            break;
        }
        let place = || format!("tar header at byte {at}");
        if number(&header[CHECKSUM]) != Some(checksum(header)) {
            return Err(Error::damaged(
                path,
                place(),
                "its checksum is wrong: no tar archive, or a damaged one",
            ));
        }
        let name = text(&header[NAME]);
        let size = number(&header[SIZE]).and_then(|n| usize::try_from(n).ok());
        let Some(size) = size else {
            return Err(Error::damaged(path, place(), format!("no size for the entry {name:?}")));
        };
        let start = at + BLOCK;
        let content = start.checked_add(size).and_then(|end| archive.get(start..end));
        let Some(content) = content else {
            return Err(Error::Truncated {
                path: path.into(),
                what: format!("tar entry {name:?}"),
                offset: start as u64,
                needed: size as u64,
                length: archive.len() as u64,
            });
        };
        if matches!(header[KIND], b'0' | 0) {
            files.push((name, content));
        }
        at = start + size.next_multiple_of(BLOCK);
    }
    if files.is_empty() {
        return Err(Error::damaged(path, "byte 0", "no tar archive with a file in it"));
    }
    Ok(files)
}

/// An archive of files, name and content. Names must be shorter than 100 bytes.
pub(super) fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        let mut header = [0u8; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(NAME.start, name.as_bytes());
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(SIZE.start, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0");
        put(KIND, b"0");
        put(MAGIC.start, b"ustar\x0000");
        let sum = checksum(&header);
        header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

/// Sum of the bytes of a header with blanks in the place of the sum.
fn checksum(header: &[u8]) -> u64 {
    let byte = |(at, &b): (usize, &u8)| u64::from(if CHECKSUM.contains(&at) { b' ' } else { b });
    header.iter().enumerate().map(byte).sum()
}

/// A number in octal digits.
fn number(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim(), 8).ok()
}

/// Text up to the first NUL.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let path = Path::new("made.tar");
        let packed = archive(&[("a", b"first".to_vec()), ("b", vec![7; 512]), ("empty", vec![])]);
        let found = files(path, &packed).unwrap();
        let expected: [(String, &[u8]); 3] =
            [("a".into(), b"first"), ("b".into(), &[7; 512]), ("empty".into(), b"")];
        assert_eq!(found, expected);
        for cut in 0..packed.len() {
            let _ = files(path, &packed[..cut]);
        }
        assert!(files(path, &[]).is_err() && files(path, &[1; 600]).is_err());
    }
}
