//! Maps over a scan as a page to look around in.

use std::io::Write;
use std::path::Path;

use nonius_core::{Axis, Error, Progress, Result, check_shape};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::base64::write_base64;
use super::frames::{Kept, ReportFrames, Room};
use super::maps::ReportMap;
use super::{Report, escaped};
use crate::io;
use crate::plot::Picture;
use crate::plot::colors::{CATEGORIES, CYCLIC, DIVERGING, EVEN};

/// The page, with `{{name}}` where something of a report goes.
const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Maps over a scan, the frames behind them, tables and pictures as one HTML file, which a browser opens without a network.
///
/// One map is shown at a time, with its colour bar, histogram and a bar of known length; the pointer reads its values, the
/// keys of the arrows move from position to position. A click shows the frame there with the lattice that was found in
/// it, and the values of all maps.
///
/// Values are kept exactly; frames as [`ReportFrames`] says. Only a row of frames is in memory at a time. Any text is
/// allowed everywhere: it is escaped.
///
/// ```
/// use ndarray::Array2;
/// use nonius::NoProgress;
/// use nonius::core::Axis;
/// use nonius::report::{ReportMap, ScanReport};
///
/// let axis = |name: &str, size| Axis { name: name.into(), size, scale: 4.0, offset: 0.0, unit: "nm".into() };
/// let mut report = ScanReport::new("Grains of a film", [axis("scan y", 30), axis("scan x", 40)]);
/// report.facts.push(["beam energy".into(), "200 kV".into()]);
/// report.maps.push(ReportMap::new("thickness", "nm", Array2::from_shape_fn((30, 40), |(y, x)| (y * x) as f32)));
///
/// let mut page = Vec::new();
/// report.write_to(&mut page, &NoProgress)?;
/// assert!(page.starts_with(b"<!doctype html>"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ScanReport<'a> {
    /// Stands above everything.
    pub title: String,
    /// Paragraphs below the title: what was measured, and how.
    pub text: Vec<String>,
    /// What is known, and its value: rows of a table.
    pub facts: Vec<[String; 2]>,
    /// What a step of the scan measures along y and x.
    pub axes: [Axis; 2],
    /// At least one, all of the shape that the axes have.
    pub maps: Vec<ReportMap>,
    /// The frames of the scan; None: only values are shown.
    pub frames: Option<ReportFrames<'a>>,
    /// Below the maps.
    pub tables: Vec<ReportTable>,
    /// Below the tables, each with a caption.
    pub pictures: Vec<(Picture, String)>,
}

/// A table of a report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportTable {
    /// Stands above it.
    pub title: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Cells; those that begin like a number stand to the right.
    pub rows: Vec<Vec<String>>,
}

impl<'a> ScanReport<'a> {
    /// A report without maps.
    pub fn new(title: impl Into<String>, axes: [Axis; 2]) -> Self {
        ScanReport {
            title: title.into(),
            text: Vec::new(),
            facts: Vec::new(),
            axes,
            maps: Vec::new(),
            frames: None,
            tables: Vec::new(),
            pictures: Vec::new(),
        }
    }

    fn shape(&self) -> [usize; 2] {
        [self.axes[0].size, self.axes[1].size]
    }

    /// Checks that all of it belongs together.
    ///
    /// # Errors
    /// [`Error::Parameter`] without a map, for ranges, periods and categories that make no sense, and for the parameters of
    /// the frames; [`Error::Shape`] where maps or frames are of another shape than the axes; [`Error::Empty`].
    pub fn validate(&self) -> Result<()> {
        if self.maps.is_empty() {
            return Err(Error::parameter("maps", "at least one", 0));
        }
        let shape = self.shape();
        self.maps.iter().try_for_each(|map| map.validate(&shape))?;
        if let Some(table) = self.tables.iter().find(|t| t.rows.iter().any(|r| r.len() != t.columns.len())) {
            let row = table.rows.iter().find(|row| row.len() != table.columns.len());
            check_shape("row of a table", &[table.columns.len()], &[row.map_or(0, Vec::len)])?;
        }
        self.frames.as_ref().map_or(Ok(()), |frames| frames.validate(shape))
    }

    /// Writes the file; an existing one is replaced when the new one is complete.
    ///
    /// # Errors
    /// [`io::Error::Scan`] with the errors of [`validate`](ScanReport::validate), with that of a frame that cannot be read, and
    /// where `progress` asked to stop; [`io::Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>, progress: &dyn Progress) -> io::Result<()> {
        let path = path.as_ref();
        let scan_error = |reason| io::Error::Scan { path: path.into(), reason };
        self.validate().map_err(scan_error)?;
        let mut failed = None;
        let written = io::write_atomically(path, |file| {
            self.write_parts(file, progress).map_err(|failure| match failure {
                Failure::Write(e) => e,
                Failure::Frames(reason) => {
                    failed = Some(reason);
                    std::io::Error::other("a frame cannot be read")
                }
            })
        });
        failed.map_or(written, |reason| Err(scan_error(reason)))
    }

    /// Writes the page to anything.
    ///
    /// # Errors
    /// As [`write`](ScanReport::write), all as errors of kind [`Other`](std::io::ErrorKind::Other) but those of `out`.
    pub fn write_to(&self, out: &mut impl Write, progress: &dyn Progress) -> std::io::Result<()> {
        self.validate().map_err(std::io::Error::other)?;
        self.write_parts(out, progress).map_err(|failure| match failure {
            Failure::Write(e) => e,
            Failure::Frames(reason) => std::io::Error::other(reason),
        })
    }

    fn write_parts(&self, out: &mut impl Write, progress: &dyn Progress) -> std::result::Result<(), Failure> {
        let kept = match &self.frames {
            Some(frames) => Some(frames.kept(self.shape()).map_err(Failure::Frames)?),
            None => None,
        };
        let mut parts = PAGE.split("{{");
        out.write_all(parts.next().unwrap_or_default().as_bytes())?;
        for part in parts {
            let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
            match name {
                "title" => out.write_all(escaped(&self.title).as_bytes())?,
                "style" => out.write_all(STYLE.as_bytes())?,
                "script" => out.write_all(SCRIPT.as_bytes())?,
                "version" => out.write_all(env!("CARGO_PKG_VERSION").as_bytes())?,
                "text" => self.write_text(out)?,
                "below" => self.write_below(out)?,
                "report" => out.write_all(in_script(&self.head(kept)).as_bytes())?,
                "maps" => self.write_maps(out)?,
                "frames" => self.write_frames(out, kept, progress)?,
                _ => unreachable!("page.html names {name}"),
            }
            out.write_all(rest.as_bytes())?;
        }
        Ok(())
    }

    fn write_text(&self, out: &mut impl Write) -> std::io::Result<()> {
        self.text.iter().try_for_each(|text| writeln!(out, "<p>{}</p>", escaped(text)))
    }

    /// Facts, tables and pictures, one after another.
    fn write_below(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut write = |fill: &dyn Fn(&mut Report)| {
            let mut part = Report::new("");
            fill(&mut part);
            out.write_all(part.body.as_bytes())
        };
        if !self.facts.is_empty() {
            let rows: Vec<Vec<String>> = self.facts.iter().map(|fact| fact.to_vec()).collect();
            write(&|part| {
                part.heading("About this scan");
                part.table(&["what", "value"], &rows);
            })?;
        }
        for table in &self.tables {
            write(&|part| {
                part.heading(&table.title);
                part.table(&table.columns, &table.rows);
            })?;
        }
        if self.pictures.is_empty() {
            return Ok(());
        }
        write(&|part| {
            part.heading("Pictures");
            part.body.push_str("<div class=\"gallery\">\n");
        })?;
        for (picture, caption) in &self.pictures {
            write(&|part| part.picture(picture, caption))?;
        }
        write(&|part| part.body.push_str("</div>\n"))
    }

    /// Everything but values and frames.
    fn head(&self, kept: Option<Kept>) -> Value {
        let axis = |axis: &Axis| {
            json!({ "name": axis.name, "size": axis.size, "scale": axis.scale, "offset": axis.offset,
                    "unit": axis.unit, "calibrated": axis.is_calibrated() && axis.offset.is_finite() })
        };
        let frames = self.frames.as_ref().zip(kept).map(|(frames, kept)| {
            let (h, w) = frames.scan.frame_shape();
            let axes = frames.scan.axes();
            let last = axes.len().saturating_sub(2);
            json!({ "shape": [h, w], "binning": kept.binning, "stride": kept.stride,
                    "axes": axes[last..].iter().map(axis).collect::<Vec<_>>(),
                    "radius": frames.params.radius, "stretch": frames.params.stretch })
        });
        let checked = |map: &ReportMap| {
            let mut head = map.head();
            head["masked"] = map.valid.is_some().into();
            head
        };
        json!({
            "axes": self.axes.iter().map(axis).collect::<Vec<_>>(),
            "maps": self.maps.iter().map(checked).collect::<Vec<_>>(),
            "colors": { "amount": EVEN, "signed": DIVERGING, "cyclic": CYCLIC, "categories": CATEGORIES },
            "frames": frames,
        })
    }

    /// Values as `f32`, lowest byte first, row by row; where asked for, which of them are valid.
    fn write_maps(&self, out: &mut impl Write) -> std::io::Result<()> {
        for (k, map) in self.maps.iter().enumerate() {
            write!(out, "<script type=\"application/octet-stream\" id=\"map-{k}\">")?;
            write_base64(out, map.values.iter().flat_map(|v| v.to_le_bytes()))?;
            out.write_all(b"</script>\n")?;
            if let Some(valid) = &map.valid {
                write!(out, "<script type=\"application/octet-stream\" id=\"valid-{k}\">")?;
                write_base64(out, valid.iter().map(|&v| u8::from(v)))?;
                out.write_all(b"</script>\n")?;
            }
        }
        Ok(())
    }

    /// A row of the scan at a time, frames separated by spaces.
    fn write_frames(
        &self,
        out: &mut impl Write,
        kept: Option<Kept>,
        progress: &dyn Progress,
    ) -> std::result::Result<(), Failure> {
        let Some((frames, Kept { binning, stride })) = self.frames.as_ref().zip(kept) else { return Ok(()) };
        let [ny, nx] = self.shape();
        let columns: Vec<usize> = (0..nx).step_by(stride).collect();
        progress.start("writing frames of the report", (ny.div_ceil(stride) * columns.len()) as u64);
        for y in (0..ny).step_by(stride) {
            if progress.cancelled() {
                return Err(Failure::Frames(Error::Cancelled));
            }
            let texts =
                columns.par_iter().map_init(Room::default, |room, x| frames.text(y * nx + x, binning, room));
            // All of a row before the first that failed, so that the error is always the same.
            let texts: Vec<Result<String>> = texts.collect();
            write!(out, "<script type=\"application/octet-stream\" id=\"frames-{y}\">")?;
            for (k, text) in texts.into_iter().enumerate() {
                if k > 0 {
                    out.write_all(b" ")?;
                }
                out.write_all(text.map_err(Failure::Frames)?.as_bytes())?;
            }
            out.write_all(b"</script>\n")?;
            progress.advance(columns.len() as u64);
        }
        progress.finish();
        Ok(())
    }
}

enum Failure {
    Write(std::io::Error),
    Frames(Error),
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Failure::Write(e)
    }
}

/// JSON that ends no script.
fn in_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}
