//! Attributes that are one text, not a list of one.
//!
//! The library that writes HDF5 knows texts of any length as lists only; emdfile and py4DSTEM want single ones.
//! What differs is two bytes in the attribute's dataspace, and the checksum of the header that it stands in.
//!
//! Source: HDF5 file format specification 3.0, sections IV.A.1.b (object header, version 2), IV.A.2.b
//! (dataspace), IV.A.2.m (attribute).

use hdf5_writer::jenkins_lookup3;

const ATTRIBUTE: u8 = 0x0c;
/// Class 9, version 1 or later: numbers in a row, of variable length; those of type 1 are texts.
const VARIABLE_LENGTH: u8 = 9;
const TEXT: u8 = 1;
/// Version 2, one axis, no maximum, simple; one element.
const LIST_OF_ONE: [u8; 12] = [2, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0];

/// Makes every list of one text, among the attributes of a file of that library, the text itself.
pub(crate) fn make_single(file: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = file[at..].windows(4).position(|w| w == b"OHDR") {
        at += found;
        match header(&file[at..]) {
            Some(header) => {
                let header = &mut file[at..at + header];
                let end = header.len() - 4;
                in_header(&mut header[..end]);
                let checksum = jenkins_lookup3(&header[..end]);
                header[end..].copy_from_slice(&checksum.to_le_bytes());
                at += header.len();
            }
            // Pixels that happen to look like it.
            None => at += 4,
        }
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b))
}

/// Bytes before the messages, and of the messages.
fn extent(header: &[u8]) -> Option<(usize, usize)> {
    let (version, flags) = (*header.get(4)?, *header.get(5)?);
    let width = 1 << (flags & 3);
    let size = number(header.get(6..6 + width)?);
    (version == 2 && flags & !3 == 0).then_some((6 + width, size))
}

/// Length of the object header that `bytes` begin with, if its checksum says that it is one.
fn header(bytes: &[u8]) -> Option<usize> {
    let (before, size) = extent(bytes)?;
    let end = before.checked_add(size)?;
    let checksum = bytes.get(end..end.checked_add(4)?)?;
    (jenkins_lookup3(&bytes[..end]).to_le_bytes() == checksum).then_some(end + 4)
}

fn in_header(header: &mut [u8]) {
    let Some((mut at, _)) = extent(header) else { return };
    while let Some(&[kind, low, high, _]) = header.get(at..).and_then(|h| h.first_chunk::<4>()) {
        let size = number(&[low, high]);
        if let (ATTRIBUTE, Some(message)) = (kind, header.get_mut(at + 4..at + 4 + size)) {
            in_attribute(message);
        }
        at += 4 + size;
    }
}

fn in_attribute(message: &mut [u8]) {
    let Some(&[3, _, n0, n1, t0, t1, s0, s1, _]) = message.first_chunk::<9>() else { return };
    let datatype = 9 + number(&[n0, n1]);
    let dataspace = datatype + number(&[t0, t1]);
    let is_text = message
        .get(datatype..datatype + 2)
        .is_some_and(|t| t[0] & 15 == VARIABLE_LENGTH && t[1] & 15 == TEXT);
    if let (true, Some(space)) = (is_text, message.get_mut(dataspace..dataspace + number(&[s0, s1])))
        && space == LIST_OF_ONE
    {
        // No axis, a single element. The length of an axis that is none is not looked at.
        space[1] = 0;
        space[3] = 0;
    }
}
