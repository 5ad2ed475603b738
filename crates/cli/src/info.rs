//! `nonius info`: what is in a file.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use nonius::core::Axis;
use nonius::io::{self, DType, Element, Header, ScanFile, ScanOptions, Selector};
use serde::Serialize;

use crate::Usage;
use crate::output::{Table, print, print_json, six_digits};
use crate::scan::{ScanArgs, open, warnings};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  nonius info night.fits                what is in the file, and how to select it
  nonius info 'night.fits[1]'           one of its arrays
  nonius info --json stack.tif | jq .n_frames
  nonius info crystal.blo               a scan: its positions, its calibration, missing frames
  nonius info run.mib --scan-shape 256,256";

/// Say what is in files: format, shapes, type, header, problems found
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InfoArgs {
    /// Files, or parts of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    source: ScanArgs,
}

/// The JSON object of one file.
#[derive(Debug, Serialize)]
struct Info {
    file: String,
    format: String,
    /// The axes before the last two: a scan's positions, or the frames of a series.
    scan_shape: Vec<usize>,
    /// The last two axes: one frame.
    sig_shape: Vec<usize>,
    dtype: Option<DType>,
    n_frames: usize,
    metadata: Header,
    warnings: Vec<String>,
    /// All arrays in the file, each with its selector.
    elements: Vec<Element>,
    /// What a step along each axis measures, where the file says so.
    axes: Vec<Axis>,
}

pub(crate) fn run(session: &Session, args: &InfoArgs) -> Result<()> {
    if session.print_config {
        return Err(Usage("info has no parameters to print".into()).into());
    }
    let options = args.source.applied_to(ScanOptions::default())?;
    let infos = args.files.iter().map(|file| look(file, &options)).collect::<Result<Vec<_>>>()?;
    match (&infos[..], session.json) {
        ([one], true) => print_json(one)?,
        (all, true) => print_json(&serde_json::json!({ "files": all }))?,
        (all, false) => all.iter().try_for_each(|info| print(&info.table()))?,
    }
    if let Some(path) = &session.out {
        crate::output::write_json(path, &infos)?;
    }
    Ok(())
}

/// An image, a stack or a scan: what options make a scan is one, and what cannot be read otherwise.
fn look(text: &str, options: &ScanOptions) -> Result<Info> {
    if *options != ScanOptions::default() {
        return scan(text, options);
    }
    match image(text) {
        Ok(mut info) => {
            // A scan's calibration, if it is one.
            if let Ok(file) = open(text, options) {
                info.axes = calibrated(&file);
            }
            Ok(info)
        }
        Err(e) if matches!(e.downcast_ref(), Some(io::Error::Unsupported { .. })) => scan(text, options),
        Err(e) => scan(text, options).map_err(|_| e),
    }
}

fn scan(text: &str, options: &ScanOptions) -> Result<Info> {
    let file = open(text, options)?;
    let (h, w) = file.scan.frame_shape();
    let axes = calibrated(&file);
    Ok(Info {
        file: text.into(),
        format: file.format.to_string(),
        scan_shape: file.scan.shape().to_vec(),
        sig_shape: vec![h, w],
        dtype: Some(file.scan.dtype()),
        n_frames: file.scan.frames().n_frames(),
        warnings: warnings(&file),
        metadata: file.metadata,
        elements: Vec::new(),
        axes,
    })
}

/// The axes if any of them says what it measures.
fn calibrated(file: &ScanFile) -> Vec<Axis> {
    let axes = file.scan.axes();
    if axes.iter().any(Axis::is_calibrated) { axes.to_vec() } else { Vec::new() }
}

/// The array that `text` selects, or if it names a whole file the first with pixels and a list of all.
fn image(text: &str) -> Result<Info> {
    let selector: Selector = text.parse()?;
    let whole = selector.key.is_none() && selector.index.is_empty();
    let described = if whole { Some(io::describe(&selector.path)?) } else { None };
    let (format, elements, mut warnings) = match described {
        Some(info) => (Some(info.format), info.elements, info.warnings),
        None => (None, Vec::new(), Vec::new()),
    };
    let first = elements.iter().find(|e| e.dtype.is_some()).cloned();
    if let (Some(format), first) = (format, first) {
        let (shape, metadata) = match &first {
            Some(e) => (e.shape.clone(), e.metadata.clone()),
            None => (Vec::new(), elements.first().map(|e| e.metadata.clone()).unwrap_or_default()),
        };
        let (scan_shape, sig_shape) = split(&shape);
        let (dtype, n_frames) = first.map_or((None, 0), |e| (e.dtype, e.n_frames));
        let file = text.into();
        return Ok(Info {
            file,
            format: format.to_string(),
            scan_shape,
            sig_shape,
            dtype,
            n_frames,
            metadata,
            warnings,
            elements,
            axes: Vec::new(),
        });
    }
    let opened = io::open(&selector)?;
    warnings.extend(opened.warnings.iter().cloned());
    let (scan_shape, sig_shape) = split(&opened.shape);
    Ok(Info {
        file: text.into(),
        format: opened.format.to_string(),
        scan_shape,
        sig_shape,
        dtype: Some(opened.dtype),
        n_frames: opened.n_frames(),
        metadata: opened.header,
        warnings,
        elements,
        axes: Vec::new(),
    })
}

/// The axes before the last two, and the last two.
fn split(shape: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (scan, sig) = shape.split_at(shape.len().saturating_sub(2));
    (scan.to_vec(), sig.to_vec())
}

fn axes(shape: &[usize]) -> String {
    match shape {
        [] => "–".into(),
        _ => shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × "),
    }
}

impl Info {
    fn table(&self) -> String {
        let mut text = format!("{}\n", self.file);
        let mut line = |name: &str, value: String| text += &format!("  {name:<10} {value}\n");
        line("format", self.format.to_string());
        if let Some(dtype) = self.dtype {
            line("type", dtype.to_string());
            line("frame", format!("{} px (y × x)", axes(&self.sig_shape)));
            if !self.scan_shape.is_empty() {
                let grid = match self.scan_shape.len() {
                    1 => String::new(),
                    _ => format!(" ({})", axes(&self.scan_shape)),
                };
                line("frames", format!("{}{grid}", self.n_frames));
            }
        }
        for axis in &self.axes {
            let (from, to) = (axis.offset, axis.offset + axis.scale * (axis.size - 1) as f64);
            let [from, to, step] = [from, to, axis.scale].map(six_digits);
            line(&axis.name, format!("{from} to {to} {} in steps of {step}", axis.unit));
        }
        for warning in &self.warnings {
            line("warning", warning.clone());
        }
        if self.elements.len() > 1 {
            let mut table = Table::new(&["  select", "name", "kind", "shape", "type"]);
            for e in &self.elements {
                let name = Path::new(&self.file).file_name().map(|n| n.to_string_lossy().into_owned());
                let place = e.selector.rfind(name.as_deref().unwrap_or_default()).unwrap_or(0);
                table.row(vec![
                    format!("  {}", &e.selector[place..]),
                    e.name.clone().unwrap_or_default(),
                    e.kind.clone(),
                    axes(&e.shape),
                    e.dtype.map(|d| d.to_string()).unwrap_or_default(),
                ]);
            }
            text += &format!("\n{table}");
        }
        let cards = &self.metadata.cards;
        if !cards.is_empty() {
            text += "\n";
            let width = cards.iter().map(|c| c.keyword.chars().count()).max().unwrap_or(0);
            for card in cards {
                let comment =
                    if card.comment.is_empty() { String::new() } else { format!("  / {}", card.comment) };
                text +=
                    &format!("  {:<width$}  {}{comment}\n", card.keyword, one_line(&card.value.to_string()));
            }
        }
        text + "\n"
    }
}

/// Long values are cut and control characters taken out: a header is not trusted with the terminal.
fn one_line(value: &str) -> String {
    let clean: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(90) {
        Some((cut, _)) => format!("{} …", &clean[..cut]),
        None => clean,
    }
}
