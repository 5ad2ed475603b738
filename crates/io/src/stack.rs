//! Many frames, read one by one.

use std::ops::Range;

use nonius_core::{DType, FrameSource, PixelsMut, check_frames, check_room};

use crate::open::{ImageFile, open};
use crate::selector::Selector;
use crate::{Error, Result};

/// A sequence of frames of one shape in one file or several, as a [`FrameSource`].
///
/// Pixels come in the type in which they are stored, or as `f64` where the file says how to compute them
/// (FITS scaling and blanks, luminance). [`read`](FrameSource::read) also takes room for `f64` whatever is stored.
///
/// A frame is read when it is asked for, by position and from any thread; memory holds no more than the
/// frames being read. A deflated NPZ member can only be unpacked forwards: reading in order, also from
/// several threads, costs little; jumping back unpacks again from the start. A Fortran-ordered array
/// of several frames is scanned whole for each frame.
///
/// ```no_run
/// use nonius_core::ReadFrames;
/// let stack = nonius_io::Stack::open("tilt-series.mrc")?;
/// for k in 0..stack.n_frames() {
///     let frame: ndarray::Array2<f32> = stack.frame(k)?;
///     println!("{k}: mean {}", frame.mean().unwrap_or(f32::NAN));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stack {
    frames: Frames,
    n: usize,
    shape: (usize, usize),
    dtype: DType,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Frames {
    File(Box<ImageFile>),
    /// One frame per file. Files are opened when read: there may be more than a process may hold open.
    Files(Vec<Selector>),
}

impl Stack {
    /// The frames of what `selector` selects: a multi-page TIFF, a cube, a section series. All axes before
    /// the last two count frames, in C order; a single image is a stack of one.
    ///
    /// # Errors
    /// As [`open`]; [`Error::Selection`] if what is selected has no frames: fewer than two axes, an axis
    /// of length 0, or an index behind a kept axis as in `[:,:,1]`.
    pub fn open(selector: impl TryInto<Selector, Error: Into<Error>>) -> Result<Self> {
        Stack::of(open(selector)?)
    }

    /// The frames of an opened file.
    pub(crate) fn of(file: ImageFile) -> Result<Self> {
        let shape = match file.shape[..] {
            [.., y, x] if file.has_whole_frames() && !file.shape.contains(&0) => (y, x),
            _ => {
                let problem = format!("shape {:?} is no sequence of frames along leading axes", file.shape);
                return Err(Error::selection(&file.selector, problem));
            }
        };
        let (n, dtype, warnings) = (file.n_frames(), file.delivered(), file.warnings.clone());
        Ok(Stack { frames: Frames::File(Box::new(file)), n, shape, dtype, warnings })
    }

    /// One frame from each of several files, in the order given. One selector alone means its own frames,
    /// as in [`open`](Stack::open).
    ///
    /// # Errors
    /// [`Error::Shape`] at the first whose shape is not that of the first, [`Error::Selection`] for
    /// one that holds several frames, or if there is none; else as [`open`].
    pub fn from_files(selectors: &[Selector]) -> Result<Self> {
        let first = match selectors {
            [] => return Err(Error::selection("stack", "no file was given")),
            [only] => return Stack::open(only),
            [first, ..] => open(first)?,
        };
        let shape = frame_shape(&first);
        let mut dtype = file_dtype(&first);
        let mut warnings = Vec::new();
        for selector in selectors {
            let file = open_one_frame(selector)?;
            check_frame_shape(&file, shape)?;
            if file_dtype(&file) != dtype {
                dtype = DType::F64;
            }
            warnings.extend(file.warnings.iter().map(|w| format!("{selector}: {w}")));
        }
        Ok(Stack { frames: Frames::Files(selectors.to_vec()), n: selectors.len(), shape, dtype, warnings })
    }

    /// Number of frames.
    pub fn n_frames(&self) -> usize {
        self.n
    }

    /// Shape `(y, x)` of every frame.
    pub fn frame_shape(&self) -> (usize, usize) {
        self.shape
    }

    /// What a person should know before trusting the frames.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn read_frames(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        match &self.frames {
            Frames::File(file) => file.read_frames(frames, out),
            Frames::Files(selectors) => {
                let file = open_one_frame(&selectors[frames.start])?;
                check_frame_shape(&file, self.shape)?;
                match out {
                    // Copying one frame is little beside opening a file, and serves every selector.
                    PixelsMut::F64(out) => {
                        let image = file.image::<f64>()?;
                        out.iter_mut().zip(&image.pixels).for_each(|(o, &v)| *o = v);
                        Ok(())
                    }
                    out if file_dtype(&file) == out.dtype() => file.read_frames(0..1, out),
                    out => {
                        let problem = format!("is of type {}, was {} before", file.dtype, out.dtype());
                        Err(Error::damaged(&file.selector.path, "file", problem))
                    }
                }
            }
        }
    }
}

/// Type of the one frame of a file in a stack of files.
fn file_dtype(file: &ImageFile) -> DType {
    if file.has_whole_frames() { file.delivered() } else { DType::F64 }
}

fn open_one_frame(selector: &Selector) -> Result<ImageFile> {
    let file = open(selector)?;
    file.check_one_frame()?;
    Ok(file)
}

fn check_frame_shape(file: &ImageFile, shape: (usize, usize)) -> Result<()> {
    if frame_shape(file) == shape {
        return Ok(());
    }
    let (path, expected) = (file.selector.path.clone(), vec![shape.0, shape.1]);
    Err(Error::Shape { path, expected, got: file.shape.clone() })
}

fn frame_shape(file: &ImageFile) -> (usize, usize) {
    match file.shape[..] {
        [.., y, x] => (y, x),
        _ => (0, 0),
    }
}

impl FrameSource for Stack {
    fn n_frames(&self) -> usize {
        self.n
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn read(&self, frames: Range<usize>, mut out: PixelsMut<'_>) -> nonius_core::Result<()> {
        check_frames(&frames, self.n)?;
        let (h, w) = self.shape;
        let dtype = if out.dtype() == DType::F64 { DType::F64 } else { self.dtype };
        check_room(frames.start, &out, dtype, frames.len() * h * w)?;
        for (k, index) in frames.enumerate() {
            let room = out.reborrow().slice(k * h * w..(k + 1) * h * w);
            let failed = |e: Error| nonius_core::Error::Frame { index, reason: e.to_string() };
            self.read_frames(index..index + 1, room).map_err(failed)?;
        }
        Ok(())
    }
}
