//! EMPAD: `f32` frames of 130 rows, of which the last two are not pixels, and an XML file that names them.
//!
//! No recorded file was at hand: layout and names of elements are those of published readers.

use std::path::Path;
use std::sync::Arc;

use nonius_core::DType;

use super::files::beside;
use super::{Found, RawLayout, ScanOptions, fields::latin1, positions, raw};
use crate::header::Header;
use crate::source::Source;
use crate::{Error, Result};

const EDGE: usize = 128;
/// Two rows of counters behind the pixels of each frame.
const FOOTER: u64 = 2 * 128 * 4;
/// No more of the XML file is read.
const MAX_XML: u64 = 1 << 20;

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    let is_xml = source.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"));
    let (xml, data) = if is_xml {
        let text = text(&source)?;
        let data = data_file(&source, &text)?;
        (Some((source, text)), data)
    } else {
        let xml = match beside(source.path(), "xml") {
            Some(path) => {
                let xml = Source::open(&path)?;
                let text = text(&xml)?;
                Some((xml, text))
            }
            None => None,
        };
        (xml, source)
    };
    let mut layout = RawLayout::new((EDGE, EDGE), DType::F32);
    layout.frame_footer = FOOTER;
    let shape = match &xml {
        Some((xml, text)) => scan_shape(xml, text)?,
        None => None,
    };
    let n = shape.as_ref().map(|(n, _)| *n);
    let mut found = raw::open_layout(data, &layout, n, options)?;
    if let Some((_, shape)) = shape {
        found.shape = shape;
    }
    if let Some((_, text)) = &xml {
        found.metadata = cards(text);
    }
    Ok(found)
}

fn text(source: &Source) -> Result<String> {
    Ok(latin1(&source.bytes("EMPAD XML", 0, source.len().min(MAX_XML))?))
}

/// The raw file that the XML names, in the same folder: folders of the recording computer do not count.
fn data_file(source: &Source, text: &str) -> Result<Arc<Source>> {
    let damaged = |problem: &str| Error::damaged(source.path(), "EMPAD XML", problem);
    let tag = text.split("<raw_file").nth(1).and_then(|t| t.split('>').next());
    let name = tag.and_then(|t| t.split("filename=").nth(1)).and_then(|t| {
        let quote = t.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        t[1..].split(quote).next()
    });
    let name = name.ok_or_else(|| damaged("has no raw_file with a filename"))?;
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    if matches!(name, "" | "." | "..") {
        return Err(damaged("has no name in its raw_file"));
    }
    Source::open(&source.path().parent().unwrap_or(Path::new("")).join(name))
}

/// The text of the first element of this name that holds one.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let after = rest.strip_prefix(name).filter(|r| r.starts_with(['>', ' ', '\t', '\r', '\n']));
        if let Some(after) = after {
            return after.split_once('>').and_then(|(_, inside)| inside.split('<').next()).map(str::trim);
        }
    }
    None
}

/// Number of frames and shape of the scan.
fn scan_shape(source: &Source, text: &str) -> Result<Option<(usize, Vec<usize>)>> {
    for (y, x) in [("pix_y", "pix_x"), ("scan_resolution_y", "scan_resolution_x")] {
        let [y, x] = [y, x].map(|name| element(text, name).and_then(|t| t.parse::<usize>().ok()));
        if let (Some(y), Some(x)) = (y, x) {
            let shape = vec![y, x];
            return Ok(Some((positions(source, "EMPAD XML", &shape)?, shape)));
        }
    }
    Ok(None)
}

fn cards(text: &str) -> Header {
    let mut header = Header::default();
    for name in ["timestamp", "exposure_time", "pix_x", "pix_y", "scan_resolution_x", "scan_resolution_y"] {
        if let Some(value) = element(text, name) {
            header.push(name, value, "");
        }
    }
    header
}
