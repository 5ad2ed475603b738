//! One pass over the frames of a scan, for as many consumers as there are.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::tree::MergeTree;
use crate::{DType, Error, PixelBuffer, Pixels, Progress, Real, Result, Selection};

/// How a pass is cut into pieces. Results do not depend on the number of threads: the pieces follow from
/// the data and these numbers alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PassParams {
    /// Partitions, contiguous ranges of samples whose partial results are merged, are at least this many if
    /// there are as many samples. Default 64.
    pub min_partitions: usize,
    /// No partition has more bytes, if it has more than one frame. Default 64 MiB.
    pub max_partition_bytes: usize,
    /// Frames handed to a consumer at once have about so many bytes, at least one frame. Default 1 MiB.
    pub tile_bytes: usize,
}

impl Default for PassParams {
    fn default() -> Self {
        PassParams { min_partitions: 64, max_partition_bytes: 64 << 20, tile_bytes: 1 << 20 }
    }
}

impl PassParams {
    /// Checks that every number is above 0.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("min_partitions", self.min_partitions),
            ("max_partition_bytes", self.max_partition_bytes),
            ("tile_bytes", self.tile_bytes),
        ] {
            if value == 0 {
                return Err(Error::parameter(name, "above 0", value));
            }
        }
        Ok(())
    }
}

/// What a pass is about to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    /// Shape `(y, x)` of every frame.
    pub frame_shape: (usize, usize),
    /// Type of the pixels.
    pub dtype: DType,
    /// Shape of the scan.
    pub scan_shape: Vec<usize>,
    /// Number of frames that will be visited.
    pub n_samples: usize,
}

/// Frames of consecutive samples.
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a> {
    selection: &'a Selection<'a>,
    first: usize,
    pixels: Pixels<'a>,
}

impl<'a> Tile<'a> {
    /// Number of frames.
    pub fn n_frames(&self) -> usize {
        self.pixels.len() / self.frame_len()
    }

    /// Shape `(y, x)` of every frame.
    pub fn frame_shape(&self) -> (usize, usize) {
        self.selection.scan().frame_shape()
    }

    /// Number of pixels of a frame.
    pub fn frame_len(&self) -> usize {
        let (h, w) = self.frame_shape();
        h * w
    }

    /// The pixels, frame after frame.
    pub fn pixels(&self) -> Pixels<'a> {
        self.pixels
    }

    /// Sample number of the first frame; those of the others follow.
    pub fn first_sample(&self) -> usize {
        self.first
    }

    /// Scan position of frame `k` of the tile.
    ///
    /// # Panics
    /// If the tile has not so many frames.
    pub fn position(&self, k: usize) -> usize {
        self.selection.roi().position(self.first + k)
    }

    /// Frame `k` converted to `F`, into `out`.
    pub fn frame<F: Real>(&self, k: usize, out: &mut [F]) {
        let n = self.frame_len();
        self.pixels.slice(k * n..(k + 1) * n).convert(out);
    }
}

/// Something that is computed from the frames of a scan, tile by tile.
///
/// Frames come to one partial result in the order of their samples; partial results of neighbouring ranges
/// of samples are merged, always the same ones. A consumer whose bits are not to depend on the size of tiles
/// treats each frame alike, wherever tiles begin.
pub trait Consumer: Sync {
    /// What is known after some of the frames.
    type Partial: Clone + Send;
    /// What is known in the end.
    type Output;

    /// What is known before the first frame.
    ///
    /// # Errors
    /// Where the consumer does not fit what will be visited: a mask of another shape.
    fn start(&self, scope: &Scope) -> Result<Self::Partial>;

    /// Takes the frames of a tile in.
    ///
    /// # Errors
    /// [`Error::Frame`], with a scan position as the index, for frames that cannot be used.
    fn process(&self, tile: &Tile<'_>, partial: &mut Self::Partial) -> Result<()>;

    /// What is known after the frames of both, `later` being of the samples that follow those of `earlier`.
    fn merge(&self, earlier: Self::Partial, later: Self::Partial) -> Self::Partial;

    /// The result.
    fn finish(&self, whole: Self::Partial) -> Self::Output;
}

/// Visits every frame of `selection` once, in the threads of the current rayon pool.
///
/// Memory: two tiles and a few partial results per thread.
///
/// # Errors
/// [`Error::Cancelled`]; else the error of the first sample that has one, whichever thread met it.
///
/// ```
/// use ndarray::Array3;
/// use nonius_core::{Consumer, NoProgress, PassParams, Result, Scan, Scope, Tile, pass, with_pixels};
///
/// /// Sum of the pixels of each frame.
/// struct FrameSums;
///
/// impl Consumer for FrameSums {
///     type Partial = Vec<u64>;
///     type Output = Vec<u64>;
///     fn start(&self, _: &Scope) -> Result<Vec<u64>> {
///         Ok(Vec::new())
///     }
///     fn process(&self, tile: &Tile<'_>, sums: &mut Vec<u64>) -> Result<()> {
///         with_pixels!(Pixels, tile.pixels(), p => {
///             sums.extend(p.chunks(tile.frame_len()).map(|f| f.iter().map(|&v| v as u64).sum::<u64>()))
///         });
///         Ok(())
///     }
///     fn merge(&self, mut earlier: Vec<u64>, later: Vec<u64>) -> Vec<u64> {
///         earlier.extend(later);
///         earlier
///     }
///     fn finish(&self, sums: Vec<u64>) -> Vec<u64> {
///         sums
///     }
/// }
///
/// let frames = Array3::from_shape_fn((6, 4, 5), |(k, _, _)| k as u16);
/// let scan = Scan::new(Box::new(frames), &Default::default())?;
/// let sums = pass(&scan.select(None)?, &FrameSums, &PassParams::default(), &NoProgress)?;
/// assert_eq!(sums, [0, 20, 40, 60, 80, 100]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn pass<C: Consumer>(
    selection: &Selection<'_>,
    consumer: &C,
    params: &PassParams,
    progress: &dyn Progress,
) -> Result<C::Output> {
    run(selection, consumer, params, progress, &|_, _| {})
}

/// As [`pass`], and hands what is known so far to `watch`, with the number of frames in it, at most once
/// `every` so often. Those frames need not follow one another; the final result does not come by `watch`.
///
/// # Errors
/// As [`pass`].
pub fn pass_with_partial_results<C: Consumer>(
    selection: &Selection<'_>,
    consumer: &C,
    params: &PassParams,
    progress: &dyn Progress,
    every: Duration,
    watch: &(dyn Fn(C::Output, usize) + Sync),
) -> Result<C::Output> {
    let last = Mutex::new(Instant::now());
    run(selection, consumer, params, progress, &|tree, n_done| {
        // Whoever finds another thread at it goes on.
        let Ok(mut last) = last.try_lock() else { return };
        if last.elapsed() < every {
            return;
        }
        if let Some(partial) = tree.so_far(|a, b| consumer.merge(a, b)) {
            watch(consumer.finish(partial), n_done);
        }
        *last = Instant::now();
    })
}

fn run<C: Consumer>(
    selection: &Selection<'_>,
    consumer: &C,
    params: &PassParams,
    progress: &dyn Progress,
    part_done: &(dyn Fn(&MergeTree<C::Partial>, usize) + Sync),
) -> Result<C::Output> {
    params.validate()?;
    let scan = selection.scan();
    let scope = Scope {
        frame_shape: scan.frame_shape(),
        dtype: scan.dtype(),
        scan_shape: scan.shape().to_vec(),
        n_samples: selection.len(),
    };
    // What does not fit is said before the first frame is read.
    consumer.start(&scope)?;
    let parts = Partitions::new(selection, params);
    let tree = MergeTree::new(parts.n);
    let (next, n_done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let first_failed = AtomicUsize::new(usize::MAX);
    let reporter = Reporter::new(progress);
    let worker = || {
        let mut buffer = PixelBuffer::default();
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts.n || part > first_failed.load(Ordering::Relaxed) {
                return;
            }
            let samples = parts.samples(part);
            let partial = consumer.start(&scope).and_then(|mut partial| {
                visit(selection, samples.clone(), &parts, &mut buffer, &reporter, |tile| {
                    consumer.process(tile, &mut partial)
                })?;
                Ok(partial)
            });
            match partial {
                Ok(partial) => {
                    tree.add(part, partial, |a, b| consumer.merge(a, b));
                    let done = n_done.fetch_add(samples.len(), Ordering::Relaxed) + samples.len();
                    part_done(&tree, done);
                }
                Err(error) => {
                    first_failed.fetch_min(part, Ordering::Relaxed);
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    if failure.as_ref().is_none_or(|(earlier, _)| part < *earlier) {
                        *failure = Some((part, error));
                    }
                }
            }
        }
    };
    progress.start("reading frames", selection.len() as u64);
    rayon::scope(|threads| {
        for _ in 0..rayon::current_num_threads().min(parts.n) {
            threads.spawn(|_| worker());
        }
    });
    reporter.flush();
    progress.finish();
    if progress.cancelled() {
        return Err(Error::Cancelled);
    }
    if let Some((_, error)) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    // Every part was taken in: without an error and uncancelled the workers end at the last.
    tree.whole().map(|whole| consumer.finish(whole)).ok_or(Error::Cancelled)
}

/// Hands samples `samples` to `process`, tile by tile.
fn visit(
    selection: &Selection<'_>,
    samples: Range<usize>,
    parts: &Partitions,
    buffer: &mut PixelBuffer,
    reporter: &Reporter<'_>,
    mut process: impl FnMut(&Tile<'_>) -> Result<()>,
) -> Result<()> {
    let mut first = samples.start;
    while first < samples.end {
        if reporter.progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let tile = first..samples.end.min(parts.tile_end(first));
        let pixels = selection.read(tile.clone(), buffer)?;
        process(&Tile { selection, first, pixels })?;
        reporter.advance(tile.len());
        first = tile.end;
    }
    Ok(())
}

/// Cuts a selection into partitions and tiles.
struct Partitions {
    n: usize,
    n_samples: usize,
    /// Frames that are stored together; 1 if samples are not frames in file order.
    chunk: usize,
    depth: usize,
}

impl Partitions {
    fn new(selection: &Selection<'_>, params: &PassParams) -> Self {
        let (scan, n_samples) = (selection.scan(), selection.len());
        let in_file_order = n_samples == scan.len() && scan.frame_of(0) == Some(0);
        let chunk = if in_file_order { scan.frames().frames_per_chunk().clamp(1, n_samples) } else { 1 };
        let frame_bytes = scan.frame_bytes();
        let at_most = (params.max_partition_bytes / frame_bytes).max(1);
        let n = params.min_partitions.max(n_samples.div_ceil(at_most)).min(n_samples.div_ceil(chunk));
        let depth = (params.tile_bytes / frame_bytes).max(1).next_multiple_of(chunk);
        Partitions { n, n_samples, chunk, depth }
    }

    /// The first sample of partition `part`.
    fn start(&self, part: usize) -> usize {
        // ⌊part · chunks / n⌋ chunks lie before it.
        let chunks = self.n_samples.div_ceil(self.chunk) as u128;
        let before = (part as u128 * chunks / self.n as u128) as usize;
        (before * self.chunk).min(self.n_samples)
    }

    fn samples(&self, part: usize) -> Range<usize> {
        self.start(part)..self.start(part + 1)
    }

    fn tile_end(&self, first: usize) -> usize {
        first.saturating_add(self.depth)
    }
}

/// Tells progress at most twenty times a second.
struct Reporter<'a> {
    progress: &'a dyn Progress,
    untold: AtomicU64,
    last: Mutex<Instant>,
}

impl<'a> Reporter<'a> {
    fn new(progress: &'a dyn Progress) -> Self {
        Reporter { progress, untold: AtomicU64::new(0), last: Mutex::new(Instant::now()) }
    }

    fn advance(&self, n: usize) {
        const INTERVAL: Duration = Duration::from_millis(50);
        self.untold.fetch_add(n as u64, Ordering::Relaxed);
        if let Ok(mut last) = self.last.try_lock()
            && last.elapsed() >= INTERVAL
        {
            self.flush();
            *last = Instant::now();
        }
    }

    fn flush(&self) {
        let n = self.untold.swap(0, Ordering::Relaxed);
        if n > 0 {
            self.progress.advance(n);
        }
    }
}

/// Two or more consumers see the same frames in one pass.
macro_rules! tuple {
    ($($c:ident $i:tt),*) => {
        impl<$($c: Consumer),*> Consumer for ($($c,)*) {
            type Partial = ($($c::Partial,)*);
            type Output = ($($c::Output,)*);

            fn start(&self, scope: &Scope) -> Result<Self::Partial> {
                Ok(($(self.$i.start(scope)?,)*))
            }

            fn process(&self, tile: &Tile<'_>, partial: &mut Self::Partial) -> Result<()> {
                $(self.$i.process(tile, &mut partial.$i)?;)*
                Ok(())
            }

            fn merge(&self, earlier: Self::Partial, later: Self::Partial) -> Self::Partial {
                ($(self.$i.merge(earlier.$i, later.$i),)*)
            }

            fn finish(&self, whole: Self::Partial) -> Self::Output {
                ($(self.$i.finish(whole.$i),)*)
            }
        }
    };
}
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// A consumer that may be left out.
impl<C: Consumer> Consumer for Option<C> {
    type Partial = Option<C::Partial>;
    type Output = Option<C::Output>;

    fn start(&self, scope: &Scope) -> Result<Self::Partial> {
        self.as_ref().map(|c| c.start(scope)).transpose()
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut Self::Partial) -> Result<()> {
        match (self, partial) {
            (Some(c), Some(partial)) => c.process(tile, partial),
            _ => Ok(()),
        }
    }

    fn merge(&self, earlier: Self::Partial, later: Self::Partial) -> Self::Partial {
        self.as_ref().and_then(|c| Some(c.merge(earlier?, later?)))
    }

    fn finish(&self, whole: Self::Partial) -> Self::Output {
        self.as_ref().and_then(|c| Some(c.finish(whole?)))
    }
}
