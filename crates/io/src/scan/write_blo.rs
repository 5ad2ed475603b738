//! BLO files written.

use std::io::{self, Write};
use std::path::Path;

use ndarray::Array2;
use nonius_core::{FrameSource, Missing, PixelBuffer, Scan};
use serde::{Deserialize, Serialize};

use super::blo::{BEFORE_FRAME, HEADER, MARKER, SIGNATURE, at};
use crate::{Error, Result, write_atomically};

/// Where the virtual image stands in every file seen.
const OFFSET_1: usize = 4096;
/// The flags of a recorded file; their meaning is unknown.
const FLAGS: u32 = 131_135;

/// What becomes of values that the pixels of a file cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfRange {
    /// They are an error that names the frame. Fractions are such values, too.
    #[default]
    Error,
    /// They become the nearest value there is; NaN becomes 0.
    Clip,
    /// The smallest value of the scan becomes 0 and the largest the largest there is; the scan is read twice.
    Scale,
}

/// What [`write_blo`] writes beside the frames.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BloParams {
    /// Pixels of 16 bits (version 0x0103) instead of 8.
    pub wide: bool,
    /// What becomes of values that do not fit.
    pub out_of_range: OutOfRange,
    /// Beam energy in V; 0 if unknown.
    pub beam_energy: u32,
    /// 100 × pixels per cm of the screen; 0 if unknown.
    pub sdp: u16,
    /// Camera length in 1/10 mm; 0 if unknown.
    pub camera_length: u32,
    /// Text, Latin-1, at most 3800 characters.
    pub note: String,
    /// One value per position. None: the sums of the frames, scaled to 0 … 255.
    pub virtual_image: Option<Array2<u8>>,
}

/// Writes a scan of one or two axes and square frames as a BLO file. The scan step comes from axes whose unit
/// is nm. Positions without a frame get zeros, or the value by which they are filled.
///
/// # Errors
/// [`Error::Shape`] if frames are not square or the scan has three axes, [`Error::Damaged`] if values do not
/// fit, [`Error::Scan`] if a frame cannot be read, [`Error::Io`].
pub fn write_blo(path: impl AsRef<Path>, scan: &Scan<'_>, params: &BloParams) -> Result<()> {
    let path = path.as_ref();
    let layout = Layout::new(path, scan, params)?;
    let range = value_range(path, scan, params)?;
    let mut frames = Frames { scan, buffer: PixelBuffer::default(), values: Vec::new() };
    let sums = match &params.virtual_image {
        Some(image) => image.iter().copied().collect(),
        None => layout.sums(path, &mut frames)?,
    };
    let mut failed = None;
    let written = write_atomically(path, |file| {
        file.write_all(&layout.header(scan, params))?;
        file.write_all(&sums)?;
        file.write_all(&vec![0; layout.offset_2 - OFFSET_1 - sums.len()])?;
        let mut record = Vec::new();
        for position in 0..scan.len() {
            record.clear();
            record.extend(MARKER);
            record.extend((position as u32).to_le_bytes());
            let values = frames.values(path, position).and_then(|values| {
                let fitted = values.iter().map(|&v| fit(v, range, params));
                let fitted: Option<Vec<u16>> = fitted.collect();
                fitted.ok_or_else(|| {
                    let largest = if params.wide { 65_535 } else { 255 };
                    let problem = format!("holds values other than whole numbers from 0 to {largest}");
                    Error::damaged(path, format!("frame {position} to be written"), problem)
                })
            });
            match values {
                Ok(values) if params.wide => record.extend(values.iter().flat_map(|v| v.to_le_bytes())),
                Ok(values) => record.extend(values.iter().map(|&v| v as u8)),
                Err(e) => {
                    failed = Some(e);
                    return Err(io::Error::other("frame"));
                }
            }
            file.write_all(&record)?;
        }
        Ok(())
    });
    failed.map_or(written, Err)
}

struct Layout {
    edge: usize,
    ny: usize,
    nx: usize,
    offset_2: usize,
}

impl Layout {
    fn new(path: &Path, scan: &Scan<'_>, params: &BloParams) -> Result<Self> {
        let misfit = |expected, got| Error::Shape { path: path.into(), expected, got };
        let (ny, nx) = match *scan.shape() {
            [nx] => (1, nx),
            [ny, nx] => (ny, nx),
            ref other => return Err(misfit(vec![0, 0], other.to_vec())),
        };
        let (h, w) = scan.frame_shape();
        let largest = u16::MAX as usize;
        if h != w || h > largest {
            return Err(misfit(vec![h.min(largest), h.min(largest)], vec![h, w]));
        }
        if ny > largest || nx > largest {
            return Err(misfit(vec![ny.min(largest), nx.min(largest)], vec![ny, nx]));
        }
        if let Some(image) = params.virtual_image.as_ref().filter(|image| image.dim() != (ny, nx)) {
            return Err(misfit(vec![ny, nx], image.shape().to_vec()));
        }
        Ok(Layout { edge: h, ny, nx, offset_2: (OFFSET_1 + ny * nx).next_multiple_of(16) })
    }

    fn header(&self, scan: &Scan<'_>, params: &BloParams) -> Vec<u8> {
        let mut h = vec![0u8; OFFSET_1];
        let mut put = |at: usize, bytes: &[u8]| h[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, SIGNATURE);
        put(at::VERSION, &if params.wide { 0x0103u16 } else { 0x0102 }.to_le_bytes());
        put(at::OFFSET_1, &(OFFSET_1 as u32).to_le_bytes());
        put(at::OFFSET_2, &(self.offset_2 as u32).to_le_bytes());
        put(16, &FLAGS.to_le_bytes());
        put(at::EDGE, &(self.edge as u16).to_le_bytes());
        put(at::NX, &(self.nx as u16).to_le_bytes());
        put(at::NY, &(self.ny as u16).to_le_bytes());
        let axes = &scan.axes()[..scan.shape().len()];
        let step =
            |axis: Option<&nonius_core::Axis>| axis.filter(|a| a.unit == "nm").map_or(0.0, |a| a.scale);
        put(at::STEP_X, &step(axes.last()).to_le_bytes());
        put(at::STEP_Y, &step(axes.first()).to_le_bytes());
        put(at::ENERGY, &params.beam_energy.to_le_bytes());
        put(at::SDP, &params.sdp.to_le_bytes());
        put(at::CAMERA_LENGTH, &params.camera_length.to_le_bytes());
        let depth = if params.wide { "Blo Bit Depth: 16 bits\r\n" } else { "" };
        let latin1 = |c: char| u8::try_from(u32::from(c)).unwrap_or(b'?');
        let note: Vec<u8> = depth.chars().chain(params.note.chars()).map(latin1).take(3830).collect();
        put(HEADER, &note);
        h
    }

    /// Sums of the frames, scaled to 0 … 255.
    fn sums(&self, path: &Path, frames: &mut Frames<'_>) -> Result<Vec<u8>> {
        let n = frames.scan.len();
        let mut sums = Vec::with_capacity(n);
        for position in 0..n {
            sums.push(frames.values(path, position)?.iter().filter(|v| v.is_finite()).sum::<f64>());
        }
        let low = sums.iter().copied().fold(f64::INFINITY, f64::min);
        let high = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
        Ok(sums.iter().map(|s| ((s - low) * scale).round() as u8).collect())
    }
}

/// The frames of a scan one by one.
struct Frames<'a> {
    scan: &'a Scan<'a>,
    buffer: PixelBuffer,
    values: Vec<f64>,
}

impl Frames<'_> {
    fn values(&mut self, path: &Path, position: usize) -> Result<&[f64]> {
        let (h, w) = self.scan.frame_shape();
        self.values.resize(h * w, 0.0);
        match self.scan.frame_of(position) {
            Some(frame) => {
                let frames: &dyn FrameSource = self.scan.frames();
                let room = self.buffer.room(frames.dtype(), h * w);
                frames
                    .read(frame..frame + 1, room)
                    .map_err(|reason| Error::Scan { path: path.into(), reason })?;
                self.buffer.pixels(h * w).convert(&mut self.values);
            }
            None => self.values.fill(match self.scan.missing() {
                Missing::Fill(value) => value,
                Missing::Error | Missing::Skip => 0.0,
            }),
        }
        Ok(&self.values)
    }
}

/// The range to scale by, if that is asked for.
fn value_range(path: &Path, scan: &Scan<'_>, params: &BloParams) -> Result<Option<(f64, f64)>> {
    if params.out_of_range != OutOfRange::Scale {
        return Ok(None);
    }
    let mut frames = Frames { scan, buffer: PixelBuffer::default(), values: Vec::new() };
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for position in 0..scan.len() {
        for &v in frames.values(path, position)?.iter().filter(|v| v.is_finite()) {
            range = (range.0.min(v), range.1.max(v));
        }
    }
    Ok(Some(range))
}

/// A value as it is written; None if it does not fit.
fn fit(value: f64, range: Option<(f64, f64)>, params: &BloParams) -> Option<u16> {
    let largest = if params.wide { 65_535.0 } else { 255.0 };
    match (params.out_of_range, range) {
        (OutOfRange::Scale, Some((low, high))) if high > low => {
            Some(((value - low) / (high - low) * largest).round().clamp(0.0, largest) as u16)
        }
        (OutOfRange::Scale | OutOfRange::Clip, _) => Some(value.round().clamp(0.0, largest) as u16),
        (OutOfRange::Error, _) => {
            ((0.0..=largest).contains(&value) && value.fract() == 0.0).then_some(value as u16)
        }
    }
}

const _: () = assert!(BEFORE_FRAME as usize == MARKER.len() + size_of::<u32>());
