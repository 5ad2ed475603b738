//! NPZ: a ZIP archive of NPY members, stored or deflated. Formats: PKWARE APPNOTE 6.3, sections 4.3.6
//! to 4.3.16 (ZIP64 included); `numpy.savez`.
//!
//! Read here rather than through a ZIP crate so that a stored member is a plain array in the file,
//! whose frames are read by position like those of an NPY file.

use std::sync::Arc;

use crate::source::Source;
use crate::{Error, Result};

const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const END64_LOCATOR: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// The end record may be followed by a comment of up to 65 535 bytes.
const END_SEARCH: u64 = 22 + 65_535;

/// One file inside the archive.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Name without `.npy`: the key that `numpy.savez` was given.
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) crc: u32,
    /// Length in the archive and unpacked, in bytes.
    pub(crate) packed: u64,
    pub(crate) size: u64,
    local_header: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Method {
    Stored,
    Deflated,
    Other(u16),
}

fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(b.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(b.get(at..at + 8)?.try_into().ok()?))
}

/// The members, in the order of the archive's directory.
pub(crate) fn members(source: &Arc<Source>) -> Result<Vec<Member>> {
    let (offset, len) = directory(source)?;
    let bytes = source.bytes("ZIP directory", offset, len)?;
    let mut out = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let at = offset + (bytes.len() - rest.len()) as u64;
        let (member, used) = entry(rest).ok_or_else(|| {
            Error::damaged(
                source.path(),
                "ZIP directory",
                format!("entry {} at byte {at} is damaged", out.len()),
            )
        })?;
        out.push(member);
        rest = &rest[used..];
    }
    Ok(out)
}

/// Offset and length of the central directory.
fn directory(source: &Source) -> Result<(u64, u64)> {
    let damaged = |problem: &str| Error::damaged(source.path(), "ZIP directory", problem);
    let tail_len = source.len().min(END_SEARCH);
    let tail_start = source.len() - tail_len;
    let tail = source.bytes("ZIP end record", tail_start, tail_len)?;
    let found = (0..tail.len().saturating_sub(21)).rev().find(|&i| tail[i..].starts_with(END));
    let end = found.ok_or_else(|| damaged("has no end record: the file is cut or is no NPZ file"))?;
    let field = |at| u32_at(&tail, end + at).ok_or_else(|| damaged("end record is cut"));
    let (len, offset) = (field(12)?, field(16)?);
    if len != u32::MAX && offset != u32::MAX {
        return Ok((offset.into(), len.into()));
    }
    // ZIP64: a locator of 20 bytes stands before the end record and says where the longer record is.
    let locator = end.checked_sub(20).map(|i| &tail[i..end]).filter(|l| l.starts_with(END64_LOCATOR));
    let at = locator
        .and_then(|l| u64_at(l, 8))
        .ok_or_else(|| damaged("has no ZIP64 locator, as its size demands"))?;
    let record = source.bytes("ZIP64 end record", at, 56)?;
    match (record.starts_with(END64), u64_at(&record, 48), u64_at(&record, 40)) {
        (true, Some(offset), Some(len)) => Ok((offset, len)),
        _ => Err(damaged("ZIP64 end record is damaged")),
    }
}

/// The entry that `b` begins with, and its length; `None` if it is damaged.
fn entry(b: &[u8]) -> Option<(Member, usize)> {
    if !b.starts_with(ENTRY) {
        return None;
    }
    let (name_len, extra_len) = (u16_at(b, 28)? as usize, u16_at(b, 30)? as usize);
    let used = 46 + name_len + extra_len + u16_at(b, 32)? as usize;
    let name = b.get(46..46 + name_len)?;
    let extra = b.get(46 + name_len..46 + name_len + extra_len)?;
    let name = String::from_utf8_lossy(name);
    let mut long = zip64(extra).unwrap_or_default();
    let mut wide = |narrow: u32| -> Option<u64> {
        if narrow != u32::MAX {
            return Some(narrow.into());
        }
        let value = u64_at(long, 0)?;
        long = &long[8..];
        Some(value)
    };
    let size = wide(u32_at(b, 24)?)?;
    let packed = wide(u32_at(b, 20)?)?;
    let local_header = wide(u32_at(b, 42)?)?;
    let encrypted = u16_at(b, 8)? & 1 != 0;
    let method = match u16_at(b, 10)? {
        _ if encrypted => return None,
        0 => Method::Stored,
        8 => Method::Deflated,
        other => Method::Other(other),
    };
    let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
    (used <= b.len())
        .then_some((Member { name, method, crc: u32_at(b, 16)?, packed, size, local_header }, used))
}

/// The block of 64-bit sizes among the extra fields.
fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let (id, len) = (u16_at(extra, 0)?, u16_at(extra, 2)? as usize);
        let block = extra.get(4..4 + len)?;
        if id == 1 {
            return Some(block);
        }
        extra = &extra[4 + len..];
    }
}

impl Member {
    /// Where the member's bytes begin in the file; checks that they are all there and that the
    /// unpacked size is one that deflate can reach.
    pub(crate) fn data(&self, source: &Source) -> Result<u64> {
        let what = format!("member {:?}", self.name);
        let local = source.bytes(&what, self.local_header, 30)?;
        let (Some(name), Some(extra), true) =
            (u16_at(&local, 26), u16_at(&local, 28), local.starts_with(LOCAL))
        else {
            let problem = format!("no local header at byte {}", self.local_header);
            return Err(Error::damaged(source.path(), what, problem));
        };
        let start = self.local_header + 30 + name as u64 + extra as u64;
        source.check_range(&what, start, self.packed)?;
        let possible = match self.method {
            Method::Stored => self.size == self.packed,
            // RFC 1951: at best 258 bytes from 2 bits.
            Method::Deflated => self.size as u128 <= 1032 * self.packed as u128,
            Method::Other(n) => {
                let what = format!("{what}, ZIP method {n}");
                return Err(Error::unsupported(source.path(), what, "stored and deflated members are read"));
            }
        };
        if !possible {
            let problem = format!("claims {} bytes from {} in the file", self.size, self.packed);
            return Err(Error::damaged(source.path(), what, problem));
        }
        Ok(start)
    }
}
