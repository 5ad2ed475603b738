//! From a selector to pixels.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayD, Axis, Ix2, IxDyn};
use nonius_core::{FrameSource, PixelBuffer, PixelsMut, Real};
use serde::{Serialize, Serializer};

use crate::array::{RawArray, frames_of};
use crate::color::Channel;
use crate::hdf5::{self, Hdf5Frames};
use crate::header::Header;
use crate::png_image::PngImage;
use crate::selector::{Index, Selector};
use crate::source::Source;
use crate::tiff_page::TiffPages;
use crate::{Error, Result, element, npy, png_image, tiff_directory};
use nonius_core::DType;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Format {
    Npy,
    Npz,
    Fits,
    Tiff,
    Png,
    Mrc,
    Hdf5,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Format::Npy => "NPY",
            Format::Npz => "NPZ",
            Format::Fits => "FITS",
            Format::Tiff => "TIFF",
            Format::Png => "PNG",
            Format::Mrc => "MRC",
            Format::Hdf5 => "HDF5",
        })
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Names under which MRC files go that lack the signature.
const MRC_EXTENSIONS: [&str; 7] = ["mrc", "mrcs", "st", "ali", "preali", "rec", "map"];

impl Format {
    /// The format by the file's first bytes, whatever its name; old MRC files alone have none and go by
    /// their name.
    pub(crate) fn of(source: &Source) -> Result<Self> {
        let mut start = vec![0u8; source.len().min(1024) as usize];
        source.read_at("signature", 0, &mut start)?;
        let refuse = |what: &str, hint: &str| Err(Error::unsupported(source.path(), what, hint));
        let extension = source.path().extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
        Ok(match &start[..] {
            [] => return Err(Error::damaged(source.path(), "byte 0", "the file is empty")),
            s if s.starts_with(npy::SIGNATURE) => Format::Npy,
            s if s.starts_with(b"PK\x03\x04") || s.starts_with(b"PK\x05\x06") => Format::Npz,
            s if s.starts_with(b"SIMPLE  =") => Format::Fits,
            s if tiff_directory::has_signature(s) => Format::Tiff,
            s if s.starts_with(png_image::SIGNATURE) => Format::Png,
            s if s.starts_with(hdf5::SIGNATURE) => Format::Hdf5,
            s if s.starts_with(b"\x1f\x8b") => return refuse("gzip-compressed", "unpack it first (gunzip)"),
            s if s.starts_with(b"\xff\xd8\xff") => {
                return refuse(
                    "JPEG",
                    "its losses move edges: use the original recording, or save it as PNG",
                );
            }
            s if crate::mrc::has_signature(s) || MRC_EXTENSIONS.contains(&extension.as_str()) => Format::Mrc,
            s => {
                let what = format!("unknown format, begins with the bytes {:02x?}", &s[..s.len().min(8)]);
                return refuse(&what, "NPY, NPZ, FITS, TIFF, PNG, MRC and HDF5 are read");
            }
        })
    }
}

/// Pixels in a file, not yet read.
#[derive(Debug)]
pub(crate) enum Pixels {
    Raw(RawArray),
    Tiff(TiffPages),
    Png(PngImage),
    Hdf5 { source: Arc<Source>, frames: Hdf5Frames },
}

impl Pixels {
    /// Frames `range` (last two axes), one after another in C order.
    fn read_frames<F: Real>(&self, range: Range<usize>, out: &mut [F]) -> Result<()> {
        match self {
            Pixels::Raw(array) => array.read_frames(range, out),
            Pixels::Tiff(pages) => pages.read_frames(range, out),
            Pixels::Png(image) => image.read_frames(range, out),
            Pixels::Hdf5 { source, frames } => {
                // Some MiB at a time, and no piece of the file twice.
                let (h, w) = frames.frame_shape();
                let (len, dtype) = ((h * w).max(1), frames.dtype());
                let step =
                    ((4 << 20) / (len * dtype.size())).max(1).next_multiple_of(frames.frames_per_chunk());
                let mut buffer = PixelBuffer::default();
                for (first, out) in range.clone().step_by(step).zip(out.chunks_mut(step * len)) {
                    let n = out.len();
                    read_hdf5(source, frames, first..first + n / len, buffer.room(dtype, n))?;
                    buffer.pixels(n).convert(out);
                }
                Ok(())
            }
        }
    }

    /// Frames `range` of the [delivered](Self::delivered) type, one after another.
    pub(crate) fn deliver(&self, range: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        match (out, self) {
            (out, Pixels::Hdf5 { source, frames }) => read_hdf5(source, frames, range, out),
            (PixelsMut::F32(out), _) => self.read_frames(range, out),
            (PixelsMut::F64(out), _) => self.read_frames(range, out),
            (out, Pixels::Raw(array)) => array.read_stored(range, out.bytes()),
            (out, Pixels::Tiff(pages)) => pages.read_stored(range, out.bytes()),
            (out, Pixels::Png(image)) => image.read_stored(range, out.bytes()),
        }
    }

    /// The stored type where pixels are what is stored, `f64` where they are computed.
    pub(crate) fn delivered(&self) -> DType {
        let of_channel = |channel, dtype: DType| match channel {
            Channel::At(_) => dtype.delivered(),
            Channel::Luminance => DType::F64,
        };
        match self {
            Pixels::Raw(array) => array.encoding.delivered(),
            Pixels::Tiff(pages) => {
                pages.pages.first().map_or(DType::F64, |p| of_channel(pages.channel, p.encoding.dtype))
            }
            Pixels::Png(image) => of_channel(image.channel, image.dtype),
            Pixels::Hdf5 { frames, .. } => frames.dtype(),
        }
    }

    fn source(&self) -> &Arc<Source> {
        match self {
            Pixels::Raw(array) => array.bytes.source(),
            Pixels::Tiff(pages) => &pages.source,
            Pixels::Png(image) => &image.source,
            Pixels::Hdf5 { source, .. } => source,
        }
    }
}

fn read_hdf5(source: &Source, frames: &Hdf5Frames, range: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
    frames.read(range, out).map_err(|e| Error::damaged(source.path(), "pixels", e.to_string()))
}

/// An opened image file: everything but the pixels is known, and every size was checked against the
/// length of the file. Pixels are read when asked for, by position, from any thread.
#[derive(Debug)]
pub struct ImageFile {
    /// What was asked for.
    pub selector: Selector,
    /// The format, found from the content.
    pub format: Format,
    /// Shape of what the selector selects, slowest axis first: `[y, x]` for an image, `[frame, y, x]`
    /// for a stack. Colours are not an axis.
    pub shape: Vec<usize>,
    /// Type of the stored numbers.
    pub dtype: DType,
    /// Names of the samples of a pixel: `["gray"]`, or `["red", "green", "blue"]`.
    pub channels: Vec<String>,
    /// The header's statements in the order of the file.
    pub header: Header,
    /// What a person should know before trusting the pixels.
    pub warnings: Vec<String>,
    pixels: Pixels,
    /// Shape of the frames that are read, before the rest of the index is applied.
    read_shape: Vec<usize>,
    /// The first frame that is read.
    first_frame: usize,
    /// Index of the axes of `read_shape`.
    rest: Vec<Index>,
}

/// An image and what its file says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Image<F> {
    /// The pixels, `(y, x)`. NaN where the file says "no value" (FITS `BLANK`).
    pub pixels: Array2<F>,
    /// Type of the stored numbers.
    pub dtype: DType,
    /// The header's statements in the order of the file.
    pub header: Header,
    /// What a person should know before trusting the pixels.
    pub warnings: Vec<String>,
}

/// Opens what `selector` selects: text, a path or a [`Selector`].
///
/// - **FITS** without an index: the first HDU that holds an image.
/// - **NPZ** without a key: the member, if there is only one.
/// - **TIFF** with several pages of one shape and type: a stack `[page, y, x]`. Thumbnails do not count;
///   if pages differ, an index is needed.
/// - **Colour** (PNG, TIFF) without a key: luminance, 0.2125 R + 0.7154 G + 0.0721 B of the values as
///   stored, and a warning. Keys: `red`, `green`, `blue`, `alpha`, `luminance`; a number where samples
///   have no colour.
/// - Values are those stored: palettes of TIFF are not applied, and white-is-zero is not inverted (a
///   warning says so). Palettes of PNG are colours.
///
/// # Errors
/// [`Error::Io`], [`Error::Truncated`], [`Error::Damaged`], [`Error::Unsupported`] with the file and the
/// place in it; [`Error::Selection`] if there is no such part, or several.
pub fn open(selector: impl TryInto<Selector, Error: Into<Error>>) -> Result<ImageFile> {
    let selector = selector.try_into().map_err(Into::into)?;
    let source = Source::open(&selector.path)?;
    let format = Format::of(&source)?;
    let found = element::open(format, &source, &selector)?;
    let index = &selector.index[found.used..];
    let (shape, lead) = indexed(&selector, &found.shape, index)?;
    let first_frame = found.shape[..lead].iter().zip(index).fold(0, |n, (&len, i)| match i {
        Index::At(k) => n * len + k,
        Index::All => n * len,
    });
    let read_shape = found.shape[lead..].to_vec();
    let behind: usize = frames_of(&read_shape).0;
    Ok(ImageFile {
        format,
        shape,
        dtype: found.dtype,
        channels: found.channels,
        header: found.header,
        warnings: found.warnings,
        pixels: found.pixels,
        first_frame: first_frame * behind,
        read_shape,
        rest: index[lead..].to_vec(),
        selector,
    })
}

/// The shape that `index` leaves of `shape`, and how many leading axes can be skipped unread.
fn indexed(selector: &Selector, shape: &[usize], index: &[Index]) -> Result<(Vec<usize>, usize)> {
    if index.len() > shape.len() {
        let problem = format!("{} indices for an array of shape {shape:?}", index.len());
        return Err(Error::selection(selector, problem));
    }
    let mut out = Vec::new();
    for (axis, &len) in shape.iter().enumerate() {
        match index.get(axis) {
            Some(&Index::At(k)) if k >= len => {
                let problem =
                    format!("index {k} of axis {axis}, but shape is {shape:?}: expected 0 to below {len}");
                return Err(Error::selection(selector, problem));
            }
            Some(Index::At(_)) => {}
            Some(Index::All) | None => out.push(len),
        }
    }
    let before_frames = shape.len().saturating_sub(2);
    let lead = index.iter().take(before_frames).take_while(|i| matches!(i, Index::At(_))).count();
    Ok((out, lead))
}

impl ImageFile {
    /// Number of frames: the product of all axes before the last two.
    pub fn n_frames(&self) -> usize {
        frames_of(&self.shape).0
    }

    /// Everything selected, converted to `F`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if memory does not suffice, else as [`open`].
    pub fn array<F: Real>(&self) -> Result<ArrayD<F>> {
        let source = self.pixels.source();
        let n: u128 = self.read_shape.iter().map(|&s| s as u128).product();
        let mut out: Vec<F> = source.allocate("pixels", n)?;
        let frames = frames_of(&self.read_shape).0;
        self.pixels.read_frames(self.first_frame..self.first_frame + frames, &mut out[..])?;
        let mut array = ArrayD::from_shape_vec(IxDyn(&self.read_shape), out).map_err(|e| {
            Error::damaged(source.path(), "pixels", format!("shape {:?}: {e}", self.read_shape))
        })?;
        for (axis, index) in self.rest.iter().enumerate().rev() {
            if let Index::At(k) = *index {
                array = array.index_axis(Axis(axis), k).to_owned();
            }
        }
        Ok(array)
    }

    /// The one image selected. Leading axes of length 1, common in radio astronomy, are dropped.
    ///
    /// # Errors
    /// [`Error::Selection`] if there are several frames, or fewer than two axes; the message says how to
    /// choose. Else as [`array`](ImageFile::array).
    pub fn image<F: Real>(&self) -> Result<Image<F>> {
        self.check_one_frame()?;
        let mut array = self.array()?;
        while array.ndim() > 2 {
            array = array.index_axis_move(Axis(0), 0);
        }
        let pixels = array
            .into_dimensionality::<Ix2>()
            .map_err(|e| Error::selection(&self.selector, e.to_string()))?;
        Ok(Image { pixels, dtype: self.dtype, header: self.header.clone(), warnings: self.warnings.clone() })
    }

    pub(crate) fn check_one_frame(&self) -> Result<()> {
        let (shape, n) = (&self.shape, self.n_frames());
        let problem = match shape.len() {
            0 | 1 => format!("shape {shape:?} has {} axes, an image has 2", shape.len()),
            _ if n != 1 => {
                let first = vec![0; shape.len() - 2].into_iter().fold(self.selector.clone(), |s, k| s.at(k));
                format!("shape {shape:?} holds {n} frames: choose one, as in {first}")
            }
            _ => return Ok(()),
        };
        Err(Error::selection(&self.selector, problem))
    }

    /// True if frames can be read one by one: no axis is picked behind one that is kept.
    pub(crate) fn has_whole_frames(&self) -> bool {
        self.shape.len() >= 2 && self.rest.iter().all(|i| *i == Index::All)
    }

    /// Type in which frames come from [`read_frames`](Self::read_frames).
    pub(crate) fn delivered(&self) -> DType {
        self.pixels.delivered()
    }

    /// Frames of the selection, for which [`has_whole_frames`](Self::has_whole_frames) holds, of the
    /// [delivered](Self::delivered) type or as `f64`.
    pub(crate) fn read_frames(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        self.pixels.deliver(self.first_frame + frames.start..self.first_frame + frames.end, out)
    }
}

/// Reads the one image that `selector` selects.
///
/// ```no_run
/// let image = nonius_io::read_image::<f32>("night.fits[1]")?;
/// println!("{:?} {}", image.pixels.dim(), image.dtype);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`open`] and [`ImageFile::image`].
pub fn read_image<F: Real>(selector: impl TryInto<Selector, Error: Into<Error>>) -> Result<Image<F>> {
    open(selector)?.image()
}

/// Reads everything that `selector` selects, of any number of axes.
///
/// # Errors
/// As [`open`] and [`ImageFile::array`].
pub fn read_array<F: Real>(selector: impl TryInto<Selector, Error: Into<Error>>) -> Result<ArrayD<F>> {
    open(selector)?.array()
}
