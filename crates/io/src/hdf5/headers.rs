//! What the library that writes HDF5 cannot say: attributes that are one text, and numbers that come later.
//!
//! It knows texts of any length as lists only; emdfile and py4DSTEM want single ones. And it makes a file in memory,
//! numbers and all; here it makes the headers alone, of datasets whose numbers nobody has written yet, and the numbers
//! follow them in the file. What differs are some bytes in the object headers, and their checksums.
//!
//! Source: HDF5 file format specification 3.0, sections II.B (superblock, version 2), IV.A.1.b (object header,
//! version 2), IV.A.2.b (dataspace), IV.A.2.i (data layout, version 3), IV.A.2.m (attribute).

use hdf5_writer::jenkins_lookup3;

const LAYOUT: u8 = 0x08;
const ATTRIBUTE: u8 = 0x0c;
/// Version 3, contiguous, at an address that is none, no bytes.
const NOTHING_YET: [u8; 18] = [3, 1, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0];
/// Class 9, version 1 or later: numbers in a row, of variable length; those of type 1 are texts.
const VARIABLE_LENGTH: u8 = 9;
const TEXT: u8 = 1;
/// Version 2, one axis, no maximum, simple; one element.
const LIST_OF_ONE: [u8; 12] = [2, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0];
/// Where the superblock says how long the file is, and where its checksum stands.
const END_OF_FILE: std::ops::Range<usize> = 28..36;
const SUPERBLOCK: usize = 44;

/// In the headers that fill `file`: every list of one text becomes the text itself, and each dataset without numbers
/// gets the next of `sizes` bytes. They follow `file` one after another, in the order of the datasets, each filled up
/// to a multiple of 8.
pub(crate) fn complete(file: &mut [u8], sizes: &[u64]) {
    let mut end = file.len() as u64;
    let mut sizes = sizes.iter();
    let mut place = || {
        let (&size, address) = (sizes.next()?, end);
        end += size.next_multiple_of(8);
        Some((address, size))
    };
    let mut at = 0;
    while let Some(found) = file[at..].windows(4).position(|w| w == b"OHDR") {
        at += found;
        match header(&file[at..]) {
            Some(header) => {
                let header = &mut file[at..at + header];
                in_header(&mut header[..], &mut place);
                at += header.len();
            }
            // A text that happens to look like it.
            None => at += 4,
        }
    }
    if let Some(superblock) = file.get_mut(..SUPERBLOCK + 4) {
        superblock[END_OF_FILE].copy_from_slice(&end.to_le_bytes());
        sign(superblock);
    }
}

/// Sets the checksum at the end.
fn sign(block: &mut [u8]) {
    let (content, checksum) = block.split_at_mut(block.len() - 4);
    checksum.copy_from_slice(&jenkins_lookup3(content).to_le_bytes());
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

fn in_header(header: &mut [u8], place: &mut impl FnMut() -> Option<(u64, u64)>) {
    let Some((mut at, _)) = extent(header) else { return };
    let end = header.len() - 4;
    while let Some(&[kind, low, high, _]) = header[..end].get(at..).and_then(|h| h.first_chunk::<4>()) {
        let size = number(&[low, high]);
        let Some(message) = header[..end].get_mut(at + 4..at + 4 + size) else { break };
        match kind {
            ATTRIBUTE => in_attribute(message),
            LAYOUT if message == NOTHING_YET => in_layout(message, place()),
            _ => {}
        }
        at += 4 + size;
    }
    sign(header);
}

fn in_layout(message: &mut [u8], place: Option<(u64, u64)>) {
    // What has no numbers at all stays as it is.
    if let Some((address, size)) = place.filter(|(_, size)| *size > 0) {
        message[2..10].copy_from_slice(&address.to_le_bytes());
        message[10..].copy_from_slice(&size.to_le_bytes());
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
