//! The images of a registration, read when they are needed.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ndarray::Array2;
use nonius::core::{DType, PixelsMut, check_frames, check_room};
use nonius::io::{self, Selector, Stack};
use nonius::{Error, FrameSource, ReadFrames};

/// One image, not yet read.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// What people call it: the selector, for frames of a stack with the number behind it.
    pub(crate) name: String,
    pub(crate) selector: Selector,
    /// Number of the frame if the selector names a stack.
    pub(crate) frame: Option<usize>,
    pub(crate) shape: (usize, usize),
    stack: Option<Arc<Stack>>,
}

impl Item {
    pub(crate) fn read(&self) -> io::Result<Array2<f64>> {
        match (&self.stack, self.frame) {
            (Some(stack), Some(frame)) => stack.frame(frame).map_err(|e| io::Error::Damaged {
                path: self.selector.path.clone(),
                place: "stack".into(),
                problem: e.to_string(),
            }),
            _ => Ok(io::read_image(&self.selector)?.pixels),
        }
    }
}

/// All images: the reference, where one was named, and those to be registered.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) items: Vec<Item>,
    /// Whether all images are frames of one series, the reference among them.
    pub(crate) series: bool,
    pub(crate) warnings: Vec<String>,
}

impl Inputs {
    pub(crate) fn open(reference: &str, moving: &[String]) -> Result<Self> {
        let mut inputs = Inputs { items: Vec::new(), series: moving.is_empty(), warnings: Vec::new() };
        inputs.add(reference)?;
        if inputs.series && inputs.items.len() < 2 {
            bail!("{reference}: holds one image; name a MOVING image too, or a stack of several");
        }
        if !inputs.series && inputs.items.len() > 1 {
            let n = inputs.items.len();
            bail!("{reference}: holds {n} frames; choose one as the reference, or name no MOVING image");
        }
        moving.iter().try_for_each(|file| inputs.add(file))?;
        Ok(inputs)
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let selector: Selector = text.parse()?;
        let file = io::open(&selector)?;
        if file.shape.contains(&0) {
            bail!("{text}: shape {:?} holds no pixel", file.shape);
        }
        if file.n_frames() == 1 {
            self.warnings.extend(file.warnings.iter().map(|w| format!("{text}: {w}")));
            let [.., h, w] = file.shape[..] else { bail!("{text}: shape {:?} is no image", file.shape) };
            let name = text.into();
            self.items.push(Item { name, selector, frame: None, shape: (h, w), stack: None });
            return Ok(());
        }
        drop(file);
        let stack = Arc::new(Stack::open(&selector)?);
        self.warnings.extend(stack.warnings().iter().map(|w| format!("{text}: {w}")));
        self.items.extend((0..stack.n_frames()).map(|frame| Item {
            name: format!("{text} #{frame}"),
            selector: selector.clone(),
            frame: Some(frame),
            shape: stack.frame_shape(),
            stack: Some(stack.clone()),
        }));
        Ok(())
    }

    /// An error that names the first image whose shape is not that of the reference; `hint` says more.
    pub(crate) fn check_shapes(&self, hint: &str) -> Result<()> {
        let Some(first) = self.items.first() else { return Ok(()) };
        let shown = |(h, w): (usize, usize)| format!("{h} × {w}");
        match self.items.iter().find(|i| i.shape != first.shape) {
            Some(item) => bail!(
                "{}: expected {} px (y × x) as in {}, got {}; {hint}",
                item.name,
                shown(first.shape),
                first.name,
                shown(item.shape)
            ),
            None => Ok(()),
        }
    }

    /// `error` with the name of the file in place of the number of the frame.
    pub(crate) fn named(&self, error: Error) -> anyhow::Error {
        match error {
            Error::Frame { index, reason } if index < self.items.len() => {
                let name = &self.items[index].name;
                let hint =
                    if reason.contains("not finite") { "; --mask-nan leaves such pixels out" } else { "" };
                // What the reader says begins with the file's name already.
                let known = reason.starts_with(&self.items[index].selector.path.display().to_string());
                let name = if known { String::new() } else { format!("{name}: ") };
                anyhow::anyhow!("{name}{reason}{hint}")
            }
            other => other.into(),
        }
    }

    /// `error` of one pair with the name of the image that it is about; `hint` is for missing pixels.
    pub(crate) fn of_pair(&self, error: Error, reference: usize, moving: usize, hint: &str) -> anyhow::Error {
        let (at, hint) = match error {
            Error::NotFinite { what: "reference", .. } => (reference, hint),
            Error::NotFinite { .. } => (moving, hint),
            _ => (moving, ""),
        };
        anyhow::anyhow!("{}: {error}{hint}", self.items[at].name)
    }

    /// The names without the folders that all have in common.
    pub(crate) fn short_names(&self) -> Vec<String> {
        let files: Vec<_> = self.items.iter().map(|i| i.selector.path.file_name()).collect();
        let mut seen = HashMap::new();
        for (item, file) in self.items.iter().zip(&files) {
            seen.entry(file).or_insert_with(Vec::new).push(&item.selector.path);
        }
        let distinct = seen.values().all(|paths| paths.iter().all(|p| p == &paths[0]));
        let short = |item: &Item| {
            let folder = item.selector.path.parent().map(|p| p.display().to_string()).unwrap_or_default();
            let rest = item.name.strip_prefix(&folder).unwrap_or(&item.name);
            rest.trim_start_matches(['/', '\\']).to_owned()
        };
        self.items.iter().map(|i| if distinct { short(i) } else { i.name.clone() }).collect()
    }
}

/// The images as frames of one shape.
impl FrameSource for Inputs {
    fn n_frames(&self) -> usize {
        self.items.len()
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.items.first().map_or((0, 0), |i| i.shape)
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> nonius::Result<()> {
        check_frames(&frames, self.items.len())?;
        let (h, w) = self.frame_shape();
        check_room(frames.start, &out, DType::F64, frames.len() * h * w)?;
        let PixelsMut::F64(out) = out else { return Ok(()) };
        for (index, out) in frames.zip(out.chunks_mut(h * w)) {
            let item = &self.items[index];
            let of_item = |reason: String| Error::Frame { index, reason };
            if let (Some(stack), Some(frame)) = (&item.stack, item.frame) {
                stack.read(frame..frame + 1, PixelsMut::F64(out)).map_err(|e| match e {
                    Error::Frame { reason, .. } => of_item(reason),
                    other => other,
                })?;
                continue;
            }
            let pixels = item.read().map_err(|e| of_item(e.to_string()))?;
            nonius::core::check_shape("frame", &[h, w], pixels.shape())?;
            out.iter_mut().zip(&pixels).for_each(|(o, &v)| *o = v);
        }
        Ok(())
    }
}

/// The pixels of a mask that are not 0.
pub(crate) fn read_mask(text: &str, shape: (usize, usize)) -> Result<Array2<bool>> {
    let mask = io::read_image::<f64>(text).with_context(|| format!("mask {text}"))?.pixels;
    if mask.dim() != shape {
        let ((h, w), (y, x)) = (shape, mask.dim());
        bail!("mask {text}: expected {h} × {w} px (y × x) as its image, got {y} × {x}");
    }
    // NaN in a mask is nothing valid.
    Ok(mask.mapv(|v| v != 0.0 && !v.is_nan()))
}
