//! Maps as numbers, a file and pictures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{ArrayD, Ix2};
use nonius::clustering::DeflectionParams;
use nonius::core::{Axis, DType, RunningStatistics};
use nonius::io::{Hdf5File, ScanFile, ScanFormat, write_hdf5};
use nonius::plot;
use serde::Serialize;

use super::args::StatsConfig;
use crate::output::{Table, six_digits};

/// One map.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Map {
    pub(crate) name: String,
    shape: Vec<usize>,
    min: f64,
    mean: f64,
    max: f64,
    #[serde(skip)]
    values: ArrayD<f64>,
    #[serde(skip)]
    axes: Vec<Axis>,
    #[serde(skip)]
    signed: bool,
}

impl Map {
    pub(crate) fn new(name: String, values: ArrayD<f64>, axes: &[Axis], signed: bool) -> Self {
        let numbers: RunningStatistics = values.iter().copied().collect();
        Map {
            name,
            shape: values.shape().to_vec(),
            min: numbers.min(),
            mean: numbers.mean(),
            max: numbers.max(),
            values,
            axes: axes.to_vec(),
            signed,
        }
    }
}

/// What was found: the JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    file: String,
    format: ScanFormat,
    scan_shape: Vec<usize>,
    sig_shape: [usize; 2],
    dtype: DType,
    /// Frames that were used.
    n_frames: usize,
    n_missing: usize,
    /// How centres of mass became deflections.
    deflection: Option<DeflectionParams>,
    maps: Vec<Map>,
    /// The file with the maps.
    pub(crate) result: Option<String>,
    pub(crate) pictures: Vec<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

impl Stats {
    pub(crate) fn new(
        text: &str,
        file: &ScanFile,
        n_frames: usize,
        deflection: Option<DeflectionParams>,
        maps: Vec<Map>,
    ) -> Self {
        let (h, w) = file.scan.frame_shape();
        Stats {
            file: text.into(),
            format: file.format,
            scan_shape: file.scan.shape().to_vec(),
            sig_shape: [h, w],
            dtype: file.scan.dtype(),
            n_frames,
            n_missing: file.scan.n_missing(),
            deflection,
            maps,
            result: None,
            pictures: Vec::new(),
            warnings: crate::scan::warnings(file),
        }
    }

    /// Writes all maps to `out`, and a picture of each beside it.
    pub(crate) fn write(&mut self, out: &Path, config: &StatsConfig) -> Result<()> {
        let mut file = Hdf5File::new("maps");
        file.attribute("program", concat!("nonius ", env!("CARGO_PKG_VERSION")));
        file.attribute("source", self.file.as_str());
        file.attribute("n_frames", self.n_frames as f64);
        file.attribute("parameters", toml::to_string(config)?);
        for map in &self.maps {
            file.array(&map.name, map.values.view(), &map.axes, "")?;
        }
        write_hdf5(out, file)?;
        self.result = Some(out.display().to_string());
        if !config.pictures {
            return Ok(());
        }
        for map in &self.maps {
            // A line scan has no picture.
            let (Ok(values), [y, x]) = (map.values.clone().into_dimensionality::<Ix2>(), &map.axes[..])
            else {
                continue;
            };
            let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let path = out.with_file_name(format!("{stem}.{}.png", map.name.replace(['/', '\\'], "_")));
            let picture = plot::Map {
                title: format!("{} of {}", map.name, short(&self.file)),
                values,
                axes: [y.clone(), x.clone()],
                colors: if map.signed { plot::MapColors::Signed } else { plot::MapColors::Amount },
            };
            picture.draw()?.write(&path)?;
            self.pictures.push(path);
        }
        Ok(())
    }

    pub(crate) fn table(&self) -> String {
        let grid = self.scan_shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
        let [h, w] = self.sig_shape;
        let mut text =
            format!("{}: {} frames of {h} × {w} px, {}, scan {grid}", self.file, self.n_frames, self.dtype);
        if let Some(d) = self.deflection.filter(|d| d.scan_rotation != 0.0 || d.flip_y) {
            let flip = if d.flip_y { ", y flipped" } else { "" };
            text += &format!("\ndeflections turned by {}°{flip}", d.scan_rotation);
        }
        let mut table = Table::new(&["map", "shape", "min", "mean", "max"]);
        for map in &self.maps {
            let shape = map.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
            table.row(vec![
                map.name.clone(),
                shape,
                six_digits(map.min),
                six_digits(map.mean),
                six_digits(map.max),
            ]);
        }
        format!("{text}\n{table}")
    }
}

/// The name without folders.
fn short(file: &str) -> String {
    Path::new(file).file_name().map_or_else(|| file.into(), |name| name.to_string_lossy().into_owned())
}
