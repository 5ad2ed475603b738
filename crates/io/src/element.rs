//! The arrays inside a file: which there are, and the one that a selector means.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::array::{Bytes, Checksum, RawArray, frames_of};
use crate::color::{Channel, channel_names};
use crate::deflated::Deflated;
use crate::fits::{self, Content, Hdu};
use crate::hdf5;
use crate::header::Header;
use crate::npz::{Member, Method};
use crate::open::{Format, Pixels};
use crate::png_image::PngImage;
use crate::selector::{Index, Selector};
use crate::source::Source;
use crate::tiff_directory::{Directories, Page};
use crate::tiff_page::TiffPages;
use crate::{Error, Result, mrc, npy, npz};
use nonius_core::{DType, FrameSource};

/// What a selector found, before the indices that are left are applied.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: DType,
    pub(crate) channels: Vec<String>,
    pub(crate) header: Header,
    pub(crate) warnings: Vec<String>,
    pub(crate) pixels: Pixels,
    /// How many indices named the element (HDU, page).
    pub(crate) used: usize,
}

/// What is in a file, without its pixels.
#[derive(Debug, Clone, Serialize)]
pub struct FileInfo {
    /// The file.
    pub path: PathBuf,
    /// Its format, found from the content.
    pub format: Format,
    /// Every array in it: HDUs, NPZ members, groups of equal pages.
    pub elements: Vec<Element>,
    /// Problems that do not prevent reading.
    pub warnings: Vec<String>,
}

/// One array of a file.
#[derive(Debug, Clone, Serialize)]
pub struct Element {
    /// How to select it.
    pub selector: String,
    /// The name that the file gives it: `EXTNAME`, the key of an NPZ member.
    pub name: Option<String>,
    /// What it is: "image", "stack", "array", or for what is not read "binary table" and the like.
    pub kind: String,
    /// Its shape, slowest axis first; empty if it has no pixels.
    pub shape: Vec<usize>,
    /// Type of the stored numbers; `None` if it has no pixels.
    pub dtype: Option<DType>,
    /// Number of frames: the product of all axes before the last two; 0 if it has no pixels.
    pub n_frames: usize,
    /// Names of the samples of a pixel.
    pub channels: Vec<String>,
    /// The header's statements in the order of the file.
    pub metadata: Header,
}

/// What is in the file at `path`. The path is taken as it is, not as a selector.
///
/// # Errors
/// As [`open`](crate::open). A damaged element behind sound ones is a warning.
pub fn describe(path: impl AsRef<Path>) -> Result<FileInfo> {
    let path = path.as_ref();
    let source = Source::open(path)?;
    let format = Format::of(&source)?;
    let whole = Selector::file(path);
    let mut info = FileInfo { path: path.into(), format, elements: Vec::new(), warnings: Vec::new() };
    match format {
        Format::Fits => describe_fits(&source, &whole, &mut info)?,
        Format::Npz => describe_npz(&source, &whole, &mut info)?,
        Format::Tiff => describe_tiff(&source, &whole, &mut info)?,
        Format::Hdf5 => describe_hdf5(&source, &whole, &mut info)?,
        Format::Npy | Format::Png | Format::Mrc => info.add(&whole, None, open(format, &source, &whole)),
    }
    // A file with a single array has nothing to offer if that one is damaged.
    match (info.elements.is_empty(), format) {
        (true, Format::Npy | Format::Png | Format::Mrc) => Err(open(format, &source, &whole)
            .err()
            .unwrap_or_else(|| Error::damaged(path, "file", "holds nothing"))),
        _ => Ok(info),
    }
}

impl FileInfo {
    fn add(&mut self, selector: &Selector, name: Option<String>, found: Result<Found>) {
        match found {
            Ok(found) => {
                self.warnings.extend(found.warnings);
                let n_frames = if found.shape.contains(&0) { 0 } else { frames_of(&found.shape).0 };
                let kind = match (found.shape.len(), n_frames) {
                    (0 | 1, _) | (_, 0) => "array",
                    (_, 1) => "image",
                    _ => "stack",
                };
                self.elements.push(Element {
                    selector: selector.to_string(),
                    name,
                    kind: kind.into(),
                    n_frames,
                    shape: found.shape,
                    dtype: Some(found.dtype),
                    channels: found.channels,
                    metadata: found.header,
                });
            }
            Err(e) => self.warnings.push(e.to_string()),
        }
    }

    fn add_other(&mut self, selector: &Selector, name: Option<String>, kind: &str, metadata: Header) {
        self.elements.push(Element {
            selector: selector.to_string(),
            name,
            kind: kind.into(),
            shape: Vec::new(),
            dtype: None,
            n_frames: 0,
            channels: Vec::new(),
            metadata,
        });
    }
}

/// The element that `selector` means.
pub(crate) fn open(format: Format, source: &Arc<Source>, selector: &Selector) -> Result<Found> {
    if let (Format::Npy | Format::Mrc, Some(key)) = (format, &selector.key) {
        return Err(Error::selection(
            selector,
            format!("a {format} file has no key {key:?}; it holds one array"),
        ));
    }
    match format {
        Format::Npy => open_npy(source),
        Format::Npz => open_npz(source, selector),
        Format::Fits => open_fits(source, selector),
        Format::Tiff => open_tiff(source, selector),
        Format::Png => open_png(source, selector),
        Format::Mrc => open_mrc(source),
        Format::Hdf5 => open_hdf5(source, selector),
    }
}

/// A plain array in the file, checked against its length.
fn plain(place: &str, array: RawArray, header: Header, mut warnings: Vec<String>) -> Result<Found> {
    let Bytes::Plain { source, start } = &array.bytes else { unreachable!("called for plain arrays alone") };
    let room = source.len().saturating_sub(*start);
    let needed = array.check_size(place, room)?;
    if needed < room && place == "array" {
        warnings.push(format!("{} bytes follow the array", room - needed));
    }
    Ok(Found {
        shape: array.shape.clone(),
        dtype: array.encoding.dtype,
        channels: channel_names(1, false),
        header,
        warnings,
        pixels: Pixels::Raw(array),
        used: 0,
    })
}

fn open_npy(source: &Arc<Source>) -> Result<Found> {
    let h = npy::read_header(source.path(), "", |at, out| source.read_at("NPY header", at, out))?;
    let bytes = Bytes::Plain { source: source.clone(), start: h.data };
    let array = RawArray { bytes, shape: h.shape, encoding: h.encoding, fortran: h.fortran, checksum: None };
    plain("array", array, Header::default(), Vec::new())
}

fn open_mrc(source: &Arc<Source>) -> Result<Found> {
    let h = mrc::read_header(source)?;
    let bytes = Bytes::Plain { source: source.clone(), start: h.data };
    let array = RawArray { bytes, shape: h.shape, encoding: h.encoding, fortran: false, checksum: None };
    plain("array", array, h.header, h.warnings)
}

fn open_hdf5(source: &Arc<Source>, selector: &Selector) -> Result<Found> {
    let scan = hdf5::open_scan(source.path(), selector.key.as_deref())?;
    let (h, w) = scan.frames.frame_shape();
    let stored = scan.frames.stored();
    let lead = if scan.shape == [1] { Vec::new() } else { scan.shape };
    Ok(Found {
        shape: lead.into_iter().chain([h, w]).collect(),
        dtype: stored,
        channels: channel_names(1, false),
        header: scan.metadata,
        warnings: Vec::new(),
        pixels: Pixels::Hdf5 { source: source.clone(), frames: scan.frames },
        used: 0,
    })
}

fn describe_hdf5(source: &Arc<Source>, whole: &Selector, info: &mut FileInfo) -> Result<()> {
    for dataset in hdf5::datasets(source.path())? {
        let selector = Selector { key: Some(dataset.clone()), ..whole.clone() };
        match open_hdf5(source, &selector) {
            Ok(found) => info.add(&selector, Some(dataset), Ok(found)),
            // Coordinates and the like: there are many, and no frame in them.
            Err(Error::Unsupported { .. }) => {}
            Err(e) => info.add(&selector, Some(dataset), Err(e)),
        }
    }
    Ok(())
}

fn open_npz(source: &Arc<Source>, selector: &Selector) -> Result<Found> {
    let members = npz::members(source)?;
    let names = || members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
    let member = match &selector.key {
        Some(key) => members.iter().find(|m| m.name == *key).ok_or_else(|| {
            Error::selection(selector, format!("no member {key:?}; there are: {}", names()))
        })?,
        None => match &members[..] {
            [only] => only,
            [] => return Err(Error::selection(selector, "the archive is empty")),
            [first, ..] => {
                let example = Selector { key: Some(first.name.clone()), ..selector.clone() };
                let problem = format!("holds {}: choose one, as in {example}", names());
                return Err(Error::selection(selector, problem));
            }
        },
    };
    open_member(source, member)
}

fn open_member(source: &Arc<Source>, member: &Member) -> Result<Found> {
    let data = member.data(source)?;
    let place = format!("member {:?}, ", member.name);
    let deflated = Deflated::new(source.clone(), &member.name, data, member.packed);
    let stored = member.method == Method::Stored;
    let h = if stored {
        npy::read_header(source.path(), &place, |at, out| source.read_at("NPY header", data + at, out))?
    } else {
        let mut cursor = deflated.cursor(0);
        npy::read_header(source.path(), &place, |at, out| cursor.read(&deflated, at, out))?
    };
    let room = member.size.saturating_sub(h.data);
    let bytes = match stored {
        true => Bytes::Plain { source: source.clone(), start: data + h.data },
        false => Bytes::Deflated { member: deflated, start: h.data },
    };
    let mut array =
        RawArray { bytes, shape: h.shape, encoding: h.encoding, fortran: h.fortran, checksum: None };
    let needed = array.check_size(&place[..place.len() - 2], room)?;
    array.checksum = Some(Checksum { crc: member.crc, before: h.data, after: room - needed });
    Ok(Found {
        shape: array.shape.clone(),
        dtype: array.encoding.dtype,
        channels: channel_names(1, false),
        header: Header::default(),
        warnings: Vec::new(),
        pixels: Pixels::Raw(array),
        used: 0,
    })
}

fn describe_npz(source: &Arc<Source>, whole: &Selector, info: &mut FileInfo) -> Result<()> {
    for member in npz::members(source)? {
        let selector = Selector { key: Some(member.name.clone()), ..whole.clone() };
        let found = open_member(source, &member);
        if found.is_err() {
            info.add_other(
                &selector,
                Some(member.name.clone()),
                "not an array of numbers",
                Header::default(),
            );
        }
        info.add(&selector, Some(member.name.clone()), found);
    }
    Ok(())
}

fn open_png(source: &Arc<Source>, selector: &Selector) -> Result<Found> {
    let mut image = PngImage::open(source.clone())?;
    let mut warnings = Vec::new();
    image.channel =
        Channel::choose(&selector.to_string(), &image.channels, selector.key.as_deref(), &mut warnings)?;
    if image.animated {
        warnings.push("animated: the first picture is read".into());
    }
    Ok(Found {
        shape: vec![image.shape.0, image.shape.1],
        dtype: image.dtype,
        channels: image.channels.clone(),
        header: image.header.clone(),
        warnings,
        pixels: Pixels::Png(image),
        used: 0,
    })
}

/// The HDUs up to the first for which `stop` holds.
fn hdus(source: &Source, stop: impl Fn(&Hdu) -> bool) -> Result<Vec<Hdu>> {
    let mut out = Vec::new();
    let mut at = Some(0);
    while let Some(start) = at {
        let hdu = fits::read_hdu(source, out.len(), start)?;
        at = hdu.next(source).filter(|_| !stop(&hdu));
        out.push(hdu);
    }
    Ok(out)
}

fn open_fits(source: &Arc<Source>, selector: &Selector) -> Result<Found> {
    let is_image = |h: &Hdu| matches!(h.content, Content::Image { .. });
    let nothing = |problem: String| Err(Error::selection(selector, problem));
    if let Some(key) = &selector.key {
        let (name, version) = match key.rsplit_once(',').map(|(n, v)| (n, v.trim().parse().ok())) {
            Some((name, Some(version))) => (name, Some(version)),
            _ => (key.as_str(), None),
        };
        let wanted = |h: &Hdu| {
            h.name.as_deref().is_some_and(|n| n.trim().eq_ignore_ascii_case(name.trim()))
                && version.is_none_or(|v: i64| v == h.version)
        };
        let found = hdus(source, wanted)?;
        return match found.into_iter().next_back() {
            Some(h) if wanted(&h) => open_hdu(source, selector, h, 0),
            _ => nothing(format!("no extension is named {key:?}")),
        };
    }
    if let Some(&Index::At(k)) = selector.index.first() {
        let mut found = hdus(source, |h| h.number == k)?;
        return match found.pop() {
            Some(h) if h.number == k => open_hdu(source, selector, h, 1),
            last => nothing(format!("no HDU {k}; the last is {}", last.map_or(0, |h| h.number))),
        };
    }
    match hdus(source, is_image)?.into_iter().next_back() {
        Some(h) if is_image(&h) => open_hdu(source, selector, h, 0),
        Some(h) => match h.content {
            Content::Other(_) => open_hdu(source, selector, h, 0),
            _ => nothing("no HDU holds an image".into()),
        },
        None => nothing("no HDU".into()),
    }
}

fn open_hdu(source: &Arc<Source>, selector: &Selector, hdu: Hdu, used: usize) -> Result<Found> {
    let place = format!("HDU {}", hdu.number);
    let (shape, encoding) = match hdu.content {
        Content::Image { shape, encoding } => (shape, encoding),
        Content::Nothing => {
            return Err(Error::selection(selector, format!("{place} has a header and no pixels")));
        }
        Content::Other(what) => {
            let hint = "image HDUs of plain pixels are read (funpack unpacks tile-compressed ones)";
            return Err(Error::unsupported(source.path(), format!("{place}: {what}"), hint));
        }
    };
    let bytes = Bytes::Plain { source: source.clone(), start: hdu.data };
    let array = RawArray { bytes, shape, encoding, fortran: false, checksum: None };
    let mut found = plain(&place, array, hdu.header, Vec::new())?;
    let padded = (hdu.data + hdu.data_len).next_multiple_of(fits::BLOCK);
    if padded > source.len() {
        let problem =
            format!("{place}: the last block is not filled, {} bytes are missing", padded - source.len());
        found.warnings.push(problem);
    }
    found.used = used;
    Ok(found)
}

fn describe_fits(source: &Arc<Source>, whole: &Selector, info: &mut FileInfo) -> Result<()> {
    let mut at = Some(0);
    let mut number = 0;
    while let Some(start) = at {
        let hdu = match fits::read_hdu(source, number, start) {
            Ok(hdu) => hdu,
            Err(e) if number == 0 => return Err(e),
            Err(e) => {
                info.warnings.push(e.to_string());
                break;
            }
        };
        at = hdu.next(source);
        let (selector, name) = (whole.at(number), hdu.name.clone());
        match &hdu.content {
            Content::Nothing => info.add_other(&selector, name, "header", hdu.header),
            Content::Other(kind) => info.add_other(&selector, name, &kind.clone(), hdu.header),
            Content::Image { .. } => info.add(&selector, name, open_hdu(source, &selector, hdu, 1)),
        }
        number += 1;
    }
    Ok(())
}

/// What pages must share to be frames of one stack.
fn alike(a: &Page, b: &Page) -> bool {
    (a.height, a.width, a.samples, a.encoding) == (b.height, b.width, b.samples, b.encoding)
}

fn open_tiff(source: &Arc<Source>, selector: &Selector) -> Result<Found> {
    let directories = Directories::new(source)?;
    let mut pages = directories.pages()?;
    if let [only] = &pages[..]
        && let Some(planes) = only.imagej_planes(&directories)?
    {
        pages = planes;
    }
    if let Some(&Index::At(k)) = selector.index.first() {
        let n = pages.len();
        let Some(page) = pages.into_iter().nth(k) else {
            return Err(Error::selection(selector, format!("no page {k}; there are {n}, from 0")));
        };
        return tiff_found(source, selector, vec![page], 1);
    }
    let all = pages.len();
    pages.retain(|p| !p.reduced || p.number == 0);
    if let Some(other) = pages.iter().find(|p| !alike(p, &pages[0])) {
        let describe =
            |p: &Page| format!("page {} is {} × {} {}", p.number, p.height, p.width, p.encoding.dtype);
        let (first, example) = (describe(&pages[0]), selector.at(0));
        let problem = format!("pages differ: {first}, {}; choose one, as in {example}", describe(other));
        return Err(Error::selection(selector, problem));
    }
    let kept = pages.len();
    let mut found = tiff_found(source, selector, pages, 0)?;
    if all > kept {
        found.warnings.push("smaller copies of the image are left out; an index reaches them".into());
    }
    Ok(found)
}

/// A stack of pages that are alike; one page named by its index is an image.
fn tiff_found(source: &Arc<Source>, selector: &Selector, pages: Vec<Page>, used: usize) -> Result<Found> {
    let directories = Directories::new(source)?;
    let first = &pages[0];
    let mut warnings = Vec::new();
    let channels = channel_names(first.samples, first.photometric == 2);
    let channel = Channel::choose(&selector.to_string(), &channels, selector.key.as_deref(), &mut warnings)?;
    match first.photometric {
        0 => warnings.push("white is zero in this file: values are given as stored, not inverted".into()),
        3 => warnings.push("palette image: values are the indices, the palette is not applied".into()),
        _ => {}
    }
    if pages.len() == 1 {
        // Damage in the one image of a file is worth knowing before its pixels are asked for.
        directories.chunks(first)?;
    }
    let frame = [first.height, first.width];
    let shape = if pages.len() == 1 { frame.to_vec() } else { vec![pages.len(), frame[0], frame[1]] };
    Ok(Found {
        shape,
        dtype: first.encoding.dtype,
        channels,
        header: directories.header(first),
        warnings,
        pixels: Pixels::Tiff(TiffPages { source: source.clone(), pages, channel }),
        used,
    })
}

fn describe_tiff(source: &Arc<Source>, whole: &Selector, info: &mut FileInfo) -> Result<()> {
    match open_tiff(source, whole) {
        Ok(found) => info.add(whole, None, Ok(found)),
        // Several kinds of pages, or channels that must be chosen: each page for itself.
        Err(Error::Selection { .. }) => {
            for page in Directories::new(source)?.pages()? {
                let selector = whole.at(page.number);
                let channels = channel_names(page.samples, page.photometric == 2);
                let key = Some(channels[0].clone());
                let found = tiff_found(source, &Selector { key, ..selector.clone() }, vec![page], 1);
                info.add(&selector, None, found);
            }
        }
        Err(e) => return Err(e),
    }
    Ok(())
}
