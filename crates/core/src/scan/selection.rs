//! A scan as a view of frames, and what of it is used.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    Axis, Corrected, CorrectionParams, Error, FrameSource, PixelBuffer, Pixels, Result, Roi, check_frames,
    check_not_empty, check_shape,
};

/// What becomes of scan positions without a frame.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// They are an error.
    #[default]
    Error,
    /// They are left out, as if outside the region of interest.
    Skip,
    /// Every pixel of their frames has this value, rounded and clamped to the type of the pixels.
    Fill(f64),
}

/// How frames in file order become a scan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScanParams {
    /// Number of positions along each scan axis, slowest first, 1 to 3 of them. None: what the file says, or
    /// one axis with all frames.
    pub shape: Option<Vec<usize>>,
    /// n > 0: the first n frames of the file belong to no position. n < 0: the first |n| positions have no
    /// frame.
    pub sync_offset: isize,
    /// What becomes of positions without a frame.
    pub missing: Missing,
}

/// Frames at the positions of a scan, axes `(scan…, y, x)`, slowest first.
///
/// ```
/// use ndarray::Array3;
/// use nonius_core::{Scan, ScanParams};
///
/// let frames = Array3::<u16>::zeros((12, 5, 5));
/// let scan = Scan::new(Box::new(frames), &ScanParams { shape: Some(vec![3, 4]), ..Default::default() })?;
/// assert_eq!((scan.shape(), scan.frame_shape()), (&[3, 4][..], (5, 5)));
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub struct Scan<'a> {
    frames: Box<dyn FrameSource + 'a>,
    axes: Vec<Axis>,
    shape: Vec<usize>,
    sync_offset: isize,
    missing: Missing,
    n_missing: usize,
    n_surplus: usize,
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan")
            .field("shape", &self.shape)
            .field("frame_shape", &self.frame_shape())
            .field("dtype", &self.frames.dtype())
            .field("sync_offset", &self.sync_offset)
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}

impl<'a> Scan<'a> {
    /// `frames` at the positions of a scan, its axes in pixels.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the shape has no axis, more than three, one of length 0, or more positions
    /// than can be counted, if |sync offset| is not below the number of frames, or if positions have no frame and
    /// [`Missing::Error`] stands; [`Error::Empty`] for frames without pixels.
    pub fn new(frames: Box<dyn FrameSource + 'a>, params: &ScanParams) -> Result<Self> {
        let n = frames.n_frames();
        let (h, w) = frames.frame_shape();
        check_not_empty("frames", &[n, h, w])?;
        let shape = params.shape.clone().unwrap_or_else(|| vec![n]);
        let size = shape.iter().try_fold(1usize, |product, &s| product.checked_mul(s));
        let size =
            size.filter(|&size| size > 0 && size <= isize::MAX as usize && (1..=3).contains(&shape.len()));
        let Some(size) = size else {
            return Err(Error::parameter("scan shape", "1 to 3 numbers above 0", format!("{shape:?}")));
        };
        let offset = params.sync_offset;
        if offset.unsigned_abs() >= n {
            let got = format!("{offset} for {n} frames");
            return Err(Error::parameter("sync offset", "smaller than the number of frames", got));
        }
        let (before, skipped) = ((-offset).max(0) as usize, offset.max(0) as usize);
        let with_frame = size.saturating_sub(before).min(n - skipped);
        let (n_missing, n_surplus) = (size - with_frame, n - skipped - with_frame);
        if n_missing > 0 && params.missing == Missing::Error {
            let got = format!("{shape:?}, {size} positions of which {n_missing} have none");
            let must_be = "such that every position has a frame (or missing frames be skipped or filled)";
            return Err(Error::parameter("scan shape", must_be, got));
        }
        let names: &[&str] = match shape.len() {
            1 => &["scan"],
            2 => &["scan y", "scan x"],
            _ => &["series", "scan y", "scan x"],
        };
        let mut axes: Vec<Axis> = names.iter().zip(&shape).map(|(name, &n)| Axis::pixels(*name, n)).collect();
        axes.extend([Axis::pixels("y", h), Axis::pixels("x", w)]);
        Ok(Scan { frames, axes, shape, sync_offset: offset, missing: params.missing, n_missing, n_surplus })
    }

    /// The same with calibrated axes: those of the scan, then y and x of the frames.
    ///
    /// # Errors
    /// [`Error::Shape`] if their number or sizes are not those of the scan.
    pub fn with_axes(mut self, axes: Vec<Axis>) -> Result<Self> {
        let sizes = |axes: &[Axis]| axes.iter().map(|a| a.size).collect::<Vec<_>>();
        check_shape("axes", &sizes(&self.axes), &sizes(&axes))?;
        self.axes = axes;
        Ok(self)
    }

    /// The same with its frames corrected, in `f32`; as it is if there is nothing to correct. The value of frames that
    /// are missing and filled in is not corrected.
    ///
    /// # Errors
    /// As [`Corrected::new`].
    pub fn corrected(mut self, params: &CorrectionParams) -> Result<Self> {
        if !params.is_nothing() {
            self.frames = Box::new(Corrected::new(self.frames, params)?);
        }
        Ok(self)
    }

    /// Number of positions along each scan axis, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Shape `(y, x)` of every frame.
    pub fn frame_shape(&self) -> (usize, usize) {
        self.frames.frame_shape()
    }

    /// Type of the pixels.
    pub fn dtype(&self) -> crate::DType {
        self.frames.dtype()
    }

    /// Number of positions.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never: a scan has positions.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The axes of the scan, then y and x of the frames.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The frames in file order.
    pub fn frames(&self) -> &dyn FrameSource {
        &*self.frames
    }

    /// What becomes of positions without a frame.
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// Positions without a frame.
    pub fn n_missing(&self) -> usize {
        self.n_missing
    }

    /// Frames behind the last position.
    pub fn n_surplus(&self) -> usize {
        self.n_surplus
    }

    /// Bytes of one frame in memory.
    pub fn frame_bytes(&self) -> usize {
        let (h, w) = self.frame_shape();
        h * w * self.dtype().size()
    }

    /// Number, in file order, of the frame at a position; None if it has none.
    pub fn frame_of(&self, position: usize) -> Option<usize> {
        let frame = position.checked_add_signed(self.sync_offset)?;
        (position < self.len() && frame < self.frames.n_frames()).then_some(frame)
    }

    /// What a pass visits: the positions of `roi` (all if None), less those without a frame if these are skipped.
    ///
    /// # Errors
    /// [`Error::Shape`] if `roi` has another shape than the scan, [`Error::Empty`] if nothing is left.
    pub fn select(&self, roi: Option<&Roi>) -> Result<Selection<'_>> {
        if let Some(roi) = roi {
            check_shape("region of interest", &self.shape, roi.shape())?;
        }
        let mut roi = roi.cloned().unwrap_or_else(|| Roi::all(&self.shape));
        if self.n_missing > 0 && self.missing == Missing::Skip {
            roi = roi.retained(|p| self.frame_of(p).is_some());
        }
        if roi.is_empty() {
            return Err(Error::Empty { what: "region of interest", got: vec![0] });
        }
        Ok(Selection { scan: self, roi })
    }
}

/// The positions of a scan that a pass visits.
#[derive(Debug)]
pub struct Selection<'a> {
    scan: &'a Scan<'a>,
    roi: Roi,
}

impl Selection<'_> {
    /// The scan.
    pub fn scan(&self) -> &Scan<'_> {
        self.scan
    }

    /// The positions, to spread one value per sample over the scan ([`Roi::spread`]).
    pub fn roi(&self) -> &Roi {
        &self.roi
    }

    /// Number of samples; above 0.
    pub fn len(&self) -> usize {
        self.roi.len()
    }

    /// Never: [`Scan::select`] refuses to select nothing.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The frames of `samples`, one after another: lent where they lie together in memory, else copied into
    /// `buffer`.
    ///
    /// # Errors
    /// [`Error::Frame`] for samples that there are not, and for frames that cannot be read.
    pub fn read<'a>(&'a self, samples: Range<usize>, buffer: &'a mut PixelBuffer) -> Result<Pixels<'a>> {
        check_frames(&samples, self.len())?;
        let scan = self.scan;
        let (h, w) = scan.frame_shape();
        let frame_len = h * w;
        let (run, frames) = self.run(samples.clone());
        if let Some(lent) = frames.filter(|_| run == samples).and_then(|f| scan.frames().lend(f)) {
            return Ok(lent);
        }
        let n = samples.len() * frame_len;
        let mut room = buffer.room(scan.dtype(), n);
        let mut first = samples.start;
        while first < samples.end {
            let (run, frames) = self.run(first..samples.end);
            let place = (run.start - samples.start) * frame_len..(run.end - samples.start) * frame_len;
            let mut out = room.reborrow().slice(place);
            match frames {
                Some(frames) => match scan.frames().lend(frames.clone()) {
                    Some(lent) if out.copy_from(lent) => {}
                    _ => scan.frames().read(frames, out)?,
                },
                None => out.fill(self.fill()),
            }
            first = run.end;
        }
        Ok(buffer.pixels(n))
    }

    /// Value of the pixels of positions without a frame.
    fn fill(&self) -> f64 {
        match self.scan.missing {
            Missing::Fill(value) => value,
            Missing::Error | Missing::Skip => 0.0,
        }
    }

    /// The longest run of samples from `samples.start` on, within `samples`, whose frames follow one another
    /// in the file, with those frames; or which have none.
    fn run(&self, samples: Range<usize>) -> (Range<usize>, Option<Range<usize>>) {
        let frame = |sample| self.scan.frame_of(self.roi.position(sample));
        let first = frame(samples.start);
        let follows = |&sample: &usize| match first {
            Some(first) => frame(sample) == Some(first + (sample - samples.start)),
            None => frame(sample).is_none(),
        };
        let end = (samples.start + 1..samples.end).find(|s| !follows(s)).unwrap_or(samples.end);
        (samples.start..end, first.map(|first| first..first + (end - samples.start)))
    }
}
