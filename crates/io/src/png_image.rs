//! PNG: 1 to 16 bits, gray, colour, palette.

use std::io::BufReader;
use std::ops::Range;
use std::sync::Arc;

use nonius_core::Real;

use crate::color::Channel;
use crate::dtype::Encoding;
use crate::header::Header;
use crate::source::{Source, SourceReader};
use crate::{Error, Result};
use nonius_core::DType;

pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A PNG file whose header was read; pixels are decoded on demand.
#[derive(Debug)]
pub(crate) struct PngImage {
    pub(crate) source: Arc<Source>,
    pub(crate) shape: (usize, usize),
    /// Palettes are unfolded, gray of 1, 2, 4 bits is scaled to 0 … 255, 16 bits stay.
    pub(crate) dtype: DType,
    pub(crate) channels: Vec<String>,
    pub(crate) channel: Channel,
    pub(crate) header: Header,
    pub(crate) animated: bool,
}

fn fail(source: &Source, e: png::DecodingError) -> Error {
    Error::damaged(source.path(), "PNG", e.to_string())
}

fn open(source: &Arc<Source>) -> Result<png::Reader<BufReader<SourceReader>>> {
    // What a file of this length can unfold to, and room for the decoder's own buffers.
    let bytes = 1032u64.saturating_mul(source.len()).saturating_add(1 << 20);
    let limits = png::Limits { bytes: usize::try_from(bytes).unwrap_or(usize::MAX) };
    let mut decoder = png::Decoder::new_with_limits(BufReader::new(source.reader()), limits);
    decoder.set_transformations(png::Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(|e| fail(source, e))?;
    let (width, height) = (info.width, info.height);
    let bits = info.bits_per_pixel() as u128 * width as u128;
    let packed = (bits.div_ceil(8) + 1).saturating_mul(height.into());
    if packed > 1032 * source.len() as u128 {
        let problem =
            format!("claims {height} × {width} pixels, which a file of {} bytes cannot hold", source.len());
        return Err(Error::damaged(source.path(), "PNG header", problem));
    }
    decoder.read_info().map_err(|e| fail(source, e))
}

impl PngImage {
    pub(crate) fn open(source: Arc<Source>) -> Result<Self> {
        let reader = open(&source)?;
        let (color, depth) = reader.output_color_type();
        let names: &[&str] = match color {
            png::ColorType::Grayscale => &["gray"],
            png::ColorType::GrayscaleAlpha => &["gray", "alpha"],
            png::ColorType::Rgb => &["red", "green", "blue"],
            png::ColorType::Rgba => &["red", "green", "blue", "alpha"],
            png::ColorType::Indexed => &["index"],
        };
        let info = reader.info();
        Ok(PngImage {
            shape: (info.height as usize, info.width as usize),
            dtype: if depth == png::BitDepth::Sixteen { DType::U16 } else { DType::U8 },
            channels: names.iter().map(|s| s.to_string()).collect(),
            channel: Channel::At(0),
            header: cards(info),
            animated: info.animation_control.is_some(),
            source,
        })
    }

    pub(crate) fn read_frames<F: Real>(&self, range: Range<usize>, out: &mut [F]) -> Result<()> {
        let (n, encoding) = (self.channels.len(), Encoding::plain(self.dtype, true));
        let mut rows = out.chunks_mut(self.shape.1.max(1));
        self.rows(range, |stored| {
            if let Some(out) = rows.next() {
                self.channel.pick(n, encoding, stored, out);
            }
        })
    }

    /// The picture as delivered into the bytes of `out`, for a channel that is stored.
    pub(crate) fn read_stored(&self, range: Range<usize>, out: &mut [u8]) -> Result<()> {
        let (n, size) = (self.channels.len(), self.dtype.size());
        let mut rows = out.chunks_mut((self.shape.1 * size).max(1));
        self.rows(range, |stored| {
            if let Some(out) = rows.next() {
                self.channel.pick_stored(n, size, stored, out);
            }
        })?;
        Encoding::plain(self.dtype, true).put_right(out);
        Ok(())
    }

    /// Hands every row, unpacked, to `put`.
    fn rows(&self, range: Range<usize>, mut put: impl FnMut(&[u8])) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut reader = open(&self.source)?;
        let size = reader.output_buffer_size().unwrap_or(usize::MAX);
        let mut bytes: Vec<u8> = self.source.allocate("PNG", size as u128)?;
        let frame = reader.next_frame(&mut bytes).map_err(|e| fail(&self.source, e))?;
        let n = self.channels.len();
        let row = self.shape.1 * n * self.dtype.size();
        if (frame.height as usize, frame.width as usize) != self.shape || frame.line_size < row {
            let problem = format!("first frame is {} × {}, not the picture", frame.height, frame.width);
            return Err(Error::damaged(self.source.path(), "PNG", problem));
        }
        for stored in bytes.chunks(frame.line_size).take(self.shape.0) {
            put(&stored[..row]);
        }
        Ok(())
    }
}

fn cards(info: &png::Info<'_>) -> Header {
    let mut header = Header::default();
    header.push("color_type", format!("{:?}", info.color_type), "");
    header.push("bit_depth", i64::from(info.bit_depth as u8), "");
    if let Some(p) = info.pixel_dims {
        let unit = if p.unit == png::Unit::Meter { "pixels per metre" } else { "aspect alone" };
        header.push("pHYs_x", i64::from(p.xppu), unit);
        header.push("pHYs_y", i64::from(p.yppu), unit);
    }
    if let Some(gamma) = info.gama_chunk {
        header.push("gAMA", f64::from(gamma.into_value()), "");
    }
    for text in &info.uncompressed_latin1_text {
        header.push(text.keyword.as_str(), text.text.as_str(), "");
    }
    for text in &info.utf8_text {
        if let Ok(value) = text.get_text() {
            header.push(text.keyword.as_str(), value, "");
        }
    }
    header
}
