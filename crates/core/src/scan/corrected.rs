//! Frames freed from what a detector adds to them.

use std::cell::Cell;
use std::ops::Range;

use multiversion::multiversion;
use ndarray::Array2;

use crate::{
    DType, Error, FrameSource, PixelBuffer, Pixels, PixelsMut, Result, Sample, check_frames, check_room,
    check_shape, with_pixels,
};

/// What a detector does to frames: `recorded = dark + true / gain`, and nothing at all in dead pixels.
///
/// All images have the shape of the frames, in the orientation in which these are delivered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CorrectionParams {
    /// What is recorded without a signal, in the unit of the pixels. Default None: 0 everywhere. Any finite
    /// numbers; what stands at dead pixels is not used.
    pub dark: Option<Array2<f64>>,
    /// What the rest is multiplied by, to make pixels alike. Default None: 1 everywhere. Any finite numbers; what
    /// stands at dead pixels is not used.
    pub gain: Option<Array2<f64>>,
    /// True where a pixel tells nothing. Default None: nowhere. One pixel at least must be alive.
    pub dead: Option<Array2<bool>>,
}

impl CorrectionParams {
    /// True if frames are left as they are.
    pub fn is_nothing(&self) -> bool {
        *self == CorrectionParams::default()
    }

    /// Checks that all fits frames of `shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image of another shape; [`Error::NotFinite`] for a dark value or gain of a live pixel
    /// that is NaN or infinite; [`Error::Parameter`] if every pixel is dead.
    pub fn validate(&self, shape: (usize, usize)) -> Result<()> {
        let expected = [shape.0, shape.1];
        if let Some(dead) = &self.dead {
            check_shape("dead pixels", &expected, dead.shape())?;
            if dead.iter().all(|&d| d) {
                return Err(Error::parameter("dead pixels", "not all of the pixels", dead.len()));
            }
        }
        for (what, image) in [("dark", &self.dark), ("gain", &self.gain)] {
            let Some(image) = image else { continue };
            check_shape(what, &expected, image.shape())?;
            let is_dead = |at| self.dead.as_ref().is_some_and(|dead| dead[at]);
            if let Some(((y, x), _)) =
                image.indexed_iter().find(|&(at, value)| !value.is_finite() && !is_dead(at))
            {
                return Err(Error::NotFinite { what, index: vec![y, x] });
            }
        }
        Ok(())
    }
}

/// Frames of a source as `(pixel − dark) · gain`, each dead pixel replaced by the mean of its live neighbours.
///
/// The neighbours are those of the 3 × 3 pixels around it that are alive and in the frame; if there are none, those of
/// the 5 × 5, and so on. Their corrected values are what is averaged; NaN among them makes NaN. Pixels are computed
/// in `f64` and delivered as `f32`, rounded once: counts above 2²⁴ lose their last digits.
///
/// ```
/// use ndarray::{Array3, arr2};
/// use nonius_core::{CorrectionParams, Corrected, ReadFrames};
///
/// let frames = Array3::from_shape_vec((1, 2, 3), vec![11u16, 12, 13, 14, 65535, 16])?;
/// let params = CorrectionParams {
///     dark: Some(arr2(&[[10.0; 3]; 2])),
///     gain: Some(arr2(&[[1.0; 3], [2.0; 3]])),
///     dead: Some(arr2(&[[false; 3], [false, true, false]])),
/// };
/// let corrected = Corrected::new(Box::new(frames), &params)?;
/// // (1 + 2 + 3 + 8 + 12) / 5 = 5.2 in place of the dead pixel.
/// assert_eq!(corrected.frame::<f32>(0)?, arr2(&[[1.0, 2.0, 3.0], [8.0, 5.2, 12.0]]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Corrected<'a> {
    source: Box<dyn FrameSource + 'a>,
    /// One value per pixel, or none at all for zeros and ones.
    dark: Vec<f64>,
    gain: Vec<f64>,
    dead: Vec<Dead>,
    /// The neighbours of all dead pixels, one dead pixel after another.
    neighbours: Vec<u32>,
}

/// A dead pixel, and where its neighbours end.
#[derive(Debug)]
struct Dead {
    pixel: u32,
    end: usize,
}

impl std::fmt::Debug for Corrected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corrected")
            .field("frame_shape", &self.source.frame_shape())
            .field("n_dead", &self.dead.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Corrected<'a> {
    /// The frames of `source`, corrected.
    ///
    /// # Errors
    /// As [`CorrectionParams::validate`]; [`Error::Parameter`] for dead pixels in frames of 2³² pixels or more.
    pub fn new(source: Box<dyn FrameSource + 'a>, params: &CorrectionParams) -> Result<Self> {
        let shape = source.frame_shape();
        params.validate(shape)?;
        let values = |image: &Option<Array2<f64>>| image.iter().flatten().copied().collect();
        let (mut dead, mut neighbours) = (Vec::new(), Vec::new());
        if let Some(map) = params.dead.as_ref().filter(|map| map.iter().any(|&d| d)) {
            if u32::try_from(map.len()).is_err() {
                return Err(Error::parameter("dead pixels", "in frames below 2³² pixels", map.len()));
            }
            let distance = distance_to_live(map);
            for ((y, x), _) in map.indexed_iter().filter(|(_, d)| **d) {
                live_neighbours(map, (y, x), distance[(y, x)], &mut neighbours);
                dead.push(Dead { pixel: (y * shape.1 + x) as u32, end: neighbours.len() });
            }
        }
        Ok(Corrected { source, dark: values(&params.dark), gain: values(&params.gain), dead, neighbours })
    }

    /// Dead pixels in every frame.
    pub fn n_dead(&self) -> usize {
        self.dead.len()
    }

    /// `(pixel − dark) · gain` of whole frames, then their dead pixels.
    fn correct(&self, pixels: Pixels<'_>, out: &mut [f32]) {
        let (h, w) = self.source.frame_shape();
        let n = h * w;
        with_pixels!(Pixels, pixels, p => {
            for (frame, out) in p.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
                match (&self.dark[..], &self.gain[..]) {
                    ([], []) => linear(frame, out, |_, v| v),
                    (dark, []) => linear(frame, out, |i, v| v - dark[i]),
                    ([], gain) => linear(frame, out, |i, v| v * gain[i]),
                    (dark, gain) => dark_and_gain(frame, dark, gain, out),
                }
            }
        });
        for frame in out.chunks_exact_mut(n) {
            self.repair(frame);
        }
    }

    /// Dead pixels are no neighbours of one another, so their order does not matter.
    fn repair(&self, frame: &mut [f32]) {
        let mut start = 0;
        for dead in &self.dead {
            let around = &self.neighbours[start..dead.end];
            let sum: f64 = around.iter().map(|&k| f64::from(frame[k as usize])).sum();
            frame[dead.pixel as usize] = (sum / around.len() as f64) as f32;
            start = dead.end;
        }
    }
}

#[inline(always)]
fn linear<T: Sample>(frame: &[T], out: &mut [f32], value: impl Fn(usize, f64) -> f64) {
    out.iter_mut().zip(frame).enumerate().for_each(|(i, (o, v))| *o = value(i, v.real()) as f32);
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn dark_and_gain<T: Sample>(frame: &[T], dark: &[f64], gain: &[f64], out: &mut [f32]) {
    for (((o, v), d), g) in out.iter_mut().zip(frame).zip(dark).zip(gain) {
        *o = ((v.real::<f64>() - d) * g) as f32;
    }
}

/// Number of steps, diagonal ones among them, from each pixel to the nearest live one.
fn distance_to_live(dead: &Array2<bool>) -> Array2<usize> {
    let (h, w) = dead.dim();
    let mut distance = dead.mapv(|d| if d { h.max(w) } else { 0 });
    // Two sweeps suffice for this distance: neighbours above and to the left, then those below and to the right.
    for y in 0..h {
        for x in 0..w {
            let mut least = distance[(y, x)];
            if x > 0 {
                least = least.min(distance[(y, x - 1)] + 1);
            }
            if y > 0 {
                for near in x.saturating_sub(1)..(x + 2).min(w) {
                    least = least.min(distance[(y - 1, near)] + 1);
                }
            }
            distance[(y, x)] = least;
        }
    }
    for y in (0..h).rev() {
        for x in (0..w).rev() {
            let mut least = distance[(y, x)];
            if x + 1 < w {
                least = least.min(distance[(y, x + 1)] + 1);
            }
            if y + 1 < h {
                for near in x.saturating_sub(1)..(x + 2).min(w) {
                    least = least.min(distance[(y + 1, near)] + 1);
                }
            }
            distance[(y, x)] = least;
        }
    }
    distance
}

/// The live pixels `r` steps away, row by row; nearer ones there are not.
fn live_neighbours(dead: &Array2<bool>, (y, x): (usize, usize), r: usize, found: &mut Vec<u32>) {
    let (h, w) = dead.dim();
    for row in y.saturating_sub(r)..(y + r + 1).min(h) {
        let whole = row.abs_diff(y) == r;
        // Between its first and last row a square has its two ends only.
        let step = if whole || x < r { 1 } else { 2 * r };
        for column in (x.saturating_sub(r)..(x + r + 1).min(w)).step_by(step) {
            if (whole || column.abs_diff(x) == r) && !dead[(row, column)] {
                found.push((row * w + column) as u32);
            }
        }
    }
}

thread_local! {
    /// Room for frames as they were recorded, used again by every read of the thread.
    static RECORDED: Cell<PixelBuffer> = Cell::new(PixelBuffer::default());
}

impl FrameSource for Corrected<'_> {
    fn n_frames(&self) -> usize {
        self.source.n_frames()
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.source.frame_shape()
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        check_frames(&frames, self.n_frames())?;
        let (h, w) = self.frame_shape();
        let n = frames.len() * h * w;
        check_room(frames.start, &out, DType::F32, n)?;
        let PixelsMut::F32(out) = out else { unreachable!("checked above") };
        if let Some(lent) = self.source.lend(frames.clone()) {
            self.correct(lent, out);
            return Ok(());
        }
        // Taken, not borrowed: the source may be corrected frames itself.
        let mut recorded = RECORDED.take();
        let read = self.source.read(frames, recorded.room(self.source.dtype(), n));
        if read.is_ok() {
            self.correct(recorded.pixels(n), out);
        }
        RECORDED.set(recorded);
        read
    }

    fn frames_per_chunk(&self) -> usize {
        self.source.frames_per_chunk()
    }
}
