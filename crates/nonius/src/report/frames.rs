//! Frames of a report, small enough to be carried along, with the lattice found in each.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use ndarray::{Array2, ArrayView2, s};
use nonius_core::{Error, PixelBuffer, ReadFrames, Result, Scan};
use serde::{Deserialize, Serialize};

use super::base64::base64;

/// Frames are not made smaller than this by averaging, px along their longer side.
const LEAST_SIDE: usize = 64;
/// So many frames are tried to see what all would take.
const TRIED: usize = 24;

/// The frames that a click on a map shows.
///
/// Each is kept as the logarithm of its height above its least pixel, in 62 steps from there to its greatest, and positions
/// of disks to 1/64 px, deflated. Where all frames together would take more than [`FramePictureParams::max_megabytes`], pixels are averaged
/// over blocks, and if that is not enough, only every so many-th position has its frame; the report says so.
pub struct ReportFrames<'a> {
    /// Where frames come from: the scan of the maps.
    pub scan: &'a Scan<'a>,
    /// What was found in the frame at a position (counted row by row); None: nothing is drawn over it.
    pub matches: Option<Box<dyn Fn(usize) -> Option<FrameMatch> + Sync + 'a>>,
    /// How much is kept of them.
    pub params: FramePictureParams,
}

impl std::fmt::Debug for ReportFrames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let matches = self.matches.is_some();
        let mut all = f.debug_struct("ReportFrames");
        all.field("scan", &self.scan).field("matches", &matches).field("params", &self.params).finish()
    }
}

/// How much of the frames a report keeps, and how their lattices are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FramePictureParams {
    /// About what all frames may take in the file, 10⁶ bytes, above 0. Default: 60.
    pub max_megabytes: f64,
    /// Side of the blocks over which pixels are averaged, at least 1. Default: the least of 1, 2, 4 and 8 with which all
    /// frames can be kept, as long as 64 pixels remain along the longer side.
    pub binning: Option<usize>,
    /// Every so many-th position along either axis keeps its frame, at least 1. Default: the least that the size allows.
    pub stride: Option<usize>,
    /// Radius of the circles around disks, px of the frame, above 0. Default: 4.
    pub radius: f64,
    /// By how much the distance from the calculated to the found position is magnified, at least 0. Default: 10.
    pub stretch: f64,
}

impl Default for FramePictureParams {
    fn default() -> Self {
        FramePictureParams { max_megabytes: 60.0, binning: None, stride: None, radius: 4.0, stretch: 10.0 }
    }
}

impl FramePictureParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        let positive = |name, v: f64| match v > 0.0 && v.is_finite() {
            true => Ok(()),
            false => Err(Error::parameter(name, "finite and above 0", v)),
        };
        positive("max_megabytes", self.max_megabytes)?;
        positive("radius", self.radius)?;
        for (name, value) in [("binning", self.binning), ("stride", self.stride)] {
            if value == Some(0) {
                return Err(Error::parameter(name, "at least 1", 0));
            }
        }
        match self.stretch >= 0.0 && self.stretch.is_finite() {
            true => Ok(()),
            false => Err(Error::parameter("stretch", "finite and at least 0", self.stretch)),
        }
    }
}

/// The lattice found in a frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrameMatch {
    /// Position `(y, x)` of index (0, 0), px; NaN, as the vectors, where no lattice was found.
    pub zero: [f64; 2],
    /// First vector, px.
    pub a: [f64; 2],
    /// Second vector, px.
    pub b: [f64; 2],
    /// The positions that were looked at.
    pub spots: Vec<FrameSpot>,
}

/// A position of a lattice and what was found there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameSpot {
    /// Indices `(i, j)`.
    pub index: [f64; 2],
    /// Where the disk was found, `(y, x)` px.
    pub refined: [f64; 2],
    /// How clearly it is drawn, from 0, unseen, to 1.
    pub opacity: f64,
    /// Whether it belongs to the lattice; else the position is marked as missing.
    pub matched: bool,
}

impl FrameMatch {
    /// What became of sample number `sample` of a region whose lattices were refined. Disks are the more opaque the greater
    /// their elevation, in parts of the greatest.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no such sample, [`Error::Shape`] if the arrays do not belong together.
    #[cfg(feature = "blobfinder")]
    pub fn of_sample(found: &crate::blobfinder::RefinedLattices, sample: usize) -> Result<Self> {
        let (n, positions) = (found.zero.nrows(), found.indices.len());
        for (name, shape, expected) in [
            ("zero of a match", found.zero.shape(), &[n, 2][..]),
            ("a of a match", found.a.shape(), &[n, 2]),
            ("b of a match", found.b.shape(), &[n, 2]),
            ("selector of a match", found.selector.shape(), &[n, positions]),
            ("elevations of a match", found.disks.peak_elevations.shape(), &[n, positions]),
            ("disks of a match", found.disks.refineds.shape(), &[n, positions, 2]),
        ] {
            nonius_core::check_shape(name, expected, shape)?;
        }
        if sample >= n {
            return Err(Error::parameter("sample", "one that there is", format!("{sample} of {n}")));
        }
        let lattice = found.lattice(sample);
        let elevations = found.disks.peak_elevations.row(sample);
        let matched = found.selector.row(sample);
        let selected = elevations.iter().zip(matched).filter(|(_, matched)| **matched).map(|(e, _)| *e);
        let greatest = selected.filter(|e| e.is_finite()).fold(0.0, f32::max);
        let spot = |(k, &index): (usize, &[f64; 2])| FrameSpot {
            index,
            refined: [0, 1].map(|axis| f64::from(found.disks.refineds[[sample, k, axis]])),
            opacity: match elevations[k] {
                e if e.is_nan() || e < 0.0 => 0.0,
                e if e.is_infinite() || greatest == 0.0 => 1.0,
                e => f64::from(e / greatest).min(1.0),
            },
            matched: matched[k],
        };
        let spots = found.indices.iter().enumerate().map(spot).collect();
        Ok(FrameMatch { zero: lattice.zero, a: lattice.a, b: lattice.b, spots })
    }
}

/// How much is kept of the frames of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kept {
    pub(super) binning: usize,
    pub(super) stride: usize,
}

impl ReportFrames<'_> {
    /// [`Error::Parameter`] for parameters, [`Error::Shape`] for a scan of another shape than that of the maps.
    pub(super) fn validate(&self, shape: [usize; 2]) -> Result<()> {
        self.params.validate()?;
        nonius_core::check_shape("scan of the frames", &[shape[0] * shape[1]], &[self.scan.len()])?;
        match *self.scan.shape() {
            [n] => nonius_core::check_shape("scan of the frames", &shape, &[1, n]),
            ref other => nonius_core::check_shape("scan of the frames", &shape, other),
        }
    }

    /// What the parameters leave of the frames: all of them if they fit.
    pub(super) fn kept(&self, shape: [usize; 2]) -> Result<Kept> {
        let (h, w) = self.scan.frame_shape();
        let binnings: Vec<usize> = match self.params.binning {
            Some(binning) => vec![binning],
            None => [1, 2, 4, 8].into_iter().filter(|&n| n == 1 || h.max(w) / n >= LEAST_SIDE).collect(),
        };
        let fits = |binning: usize, stride: usize| -> Result<bool> {
            let n = shape[0].div_ceil(stride) * shape[1].div_ceil(stride);
            Ok(self.typical_size(binning)? * n as f64 <= 1e6 * self.params.max_megabytes)
        };
        if let Some(stride) = self.params.stride {
            for &binning in &binnings {
                if fits(binning, stride)? {
                    return Ok(Kept { binning, stride });
                }
            }
            return Ok(Kept { binning: binnings[binnings.len() - 1], stride });
        }
        let mut binning = binnings[0];
        for &next in &binnings {
            binning = next;
            if fits(binning, 1)? {
                return Ok(Kept { binning, stride: 1 });
            }
        }
        let size = self.typical_size(binning)?;
        let most = shape[0].max(shape[1]);
        let stride = (2..most).find(|&stride| {
            let n = shape[0].div_ceil(stride) * shape[1].div_ceil(stride);
            size * n as f64 <= 1e6 * self.params.max_megabytes
        });
        Ok(Kept { binning, stride: stride.unwrap_or(most) })
    }

    /// Mean size of some frames in the file, bytes.
    fn typical_size(&self, binning: usize) -> Result<f64> {
        let n = self.scan.len().min(TRIED);
        let mut room = Room::default();
        let mut bytes = 0;
        for k in 0..n {
            bytes += self.text(k * self.scan.len() / n, binning, &mut room)?.len() + 1;
        }
        Ok(bytes as f64 / n as f64)
    }

    /// The frame at a position as it stands in the file; `-` if there is none.
    pub(super) fn text(&self, position: usize, binning: usize, room: &mut Room) -> Result<String> {
        let Some(index) = self.scan.frame_of(position) else { return Ok("-".into()) };
        let shape = self.scan.frame_shape();
        if room.frame.dim() != shape {
            room.frame = Array2::zeros(shape);
        }
        self.scan.frames().read_frame(index, room.frame.view_mut(), &mut room.pixels)?;
        let matched = self.matches.as_ref().and_then(|of| of(position));
        Ok(base64(&deflated(&record(room.frame.view(), binning, matched.as_ref()))))
    }
}

/// Memory that is used for one frame after another.
#[derive(Debug, Default)]
pub(super) struct Room {
    frame: Array2<f32>,
    pixels: PixelBuffer,
}

/// Numbers before the spots of a record: range, zero, a, b, how many spots.
const HEAD: usize = 9;

/// Gray levels from the least to the greatest pixel. With 8-bit frames a step is 9 % of the height, which is less than
/// the noise of most pixels; more steps would keep more noise, and little else.
const STEPS: f64 = 62.0;

/// What page.js reads: numbers of 4 bytes, lowest first, then pixels of one byte, row by row.
///
/// ```text
/// least, greatest, zero y, x, a y, x, b y, x, n, n × i, n × j, n × y, n × x, n × opacity, n × matched, pixels
/// ```
///
/// Pixel 0 has no value, others are `1 + STEPS · ln(1 + v − least)/ln(1 + greatest − least)`.
fn record(frame: ArrayView2<'_, f32>, binning: usize, matched: Option<&FrameMatch>) -> Vec<u8> {
    let pixels = binned(frame, binning);
    let finite = || pixels.iter().filter(|v| v.is_finite());
    let least = finite().copied().fold(f64::INFINITY, f64::min);
    let greatest = finite().copied().fold(f64::NEG_INFINITY, f64::max);
    let none = FrameMatch { zero: [f64::NAN; 2], a: [f64::NAN; 2], b: [f64::NAN; 2], spots: vec![] };
    let FrameMatch { zero, a, b, spots } = matched.unwrap_or(&none);
    let mut bytes = Vec::with_capacity(4 * (HEAD + 6 * spots.len()) + pixels.len());
    let mut put = |v: f64| bytes.extend((v as f32).to_le_bytes());
    [least, greatest].into_iter().for_each(&mut put);
    [zero, a, b].into_iter().flatten().copied().for_each(&mut put);
    put(spots.len() as f64);
    // Like beside like, and no more digits than can be seen, is what deflates well.
    let column = |of: fn(&FrameSpot) -> f64| spots.iter().map(of);
    column(|s| s.index[0]).chain(column(|s| s.index[1])).for_each(&mut put);
    let positions = column(|s| s.refined[0]).chain(column(|s| s.refined[1]));
    positions.map(|c| (64.0 * c).round() / 64.0).for_each(&mut put);
    column(|s| (16.0 * s.opacity.clamp(0.0, 1.0)).round() / 16.0).for_each(&mut put);
    column(|s| f64::from(u8::from(s.matched))).for_each(&mut put);
    let steps = STEPS / (greatest - least).ln_1p();
    bytes.extend(pixels.iter().map(|v| match v.is_finite() {
        // A constant frame has no steps: NaN becomes 0.
        true => 1 + (steps * (v - least).ln_1p()).round() as u8,
        false => 0,
    }));
    bytes
}

/// Means over blocks, the last ones as large as the frame allows; NaN where nothing is finite.
fn binned(frame: ArrayView2<'_, f32>, n: usize) -> Array2<f64> {
    let (h, w) = frame.dim();
    let span = |k: usize, side: usize| k * n..((k + 1) * n).min(side);
    Array2::from_shape_fn((h.div_ceil(n), w.div_ceil(n)), |(y, x)| {
        let block = frame.slice(s![span(y, h), span(x, w)]);
        let finite = || block.iter().filter(|v| v.is_finite());
        finite().map(|&v| f64::from(v)).sum::<f64>() / finite().count() as f64
    })
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len()), Compression::default());
    // Memory takes all that is written.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn levels_are_logarithms() {
        let frame = array![[1.0f32, 2.0], [9.0, f32::NAN]];
        let bytes = record(frame.view(), 1, None);
        let number = |k: usize| f32::from_le_bytes(bytes[4 * k..4 * k + 4].try_into().unwrap());
        assert_eq!((number(0), number(1), number(8)), (1.0, 9.0, 0.0));
        assert!((2..8).all(|k| number(k).is_nan()));
        // 62 ln 2/ln 9 = 19.6.
        assert_eq!(bytes[36..], [1, 21, 63, 0]);
        for odd in [array![[7.0f32, 7.0]], array![[f32::NAN]], array![[f32::MAX, -f32::MAX]]] {
            assert_eq!(record(odd.view(), 1, None).len(), 36 + odd.len());
        }
    }

    #[test]
    fn blocks_are_averaged() {
        let frame = array![[1.0f32, 3.0, 10.0], [f32::NAN, 5.0, f32::NAN], [4.0, 6.0, f32::NAN]];
        let pixels = binned(frame.view(), 2);
        assert_eq!(pixels.mapv(|v| if v.is_nan() { -1.0 } else { v }), array![[3.0, 10.0], [5.0, -1.0]]);
        assert_eq!(binned(frame.view(), usize::MAX / 2).dim(), (1, 1));
    }
}
