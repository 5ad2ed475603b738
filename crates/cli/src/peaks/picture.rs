//! Pictures beside the file of results.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{Array2, ArrayD, Ix2};
use nonius::blobfinder::{Drawing, DrawnMark, Lattice, Mark, Peak, PeakStatus, PictureParams, draw_match};
use nonius::core::{PixelBuffer, Selection};
use nonius::plot::{Map, MapColors, MarkedFrame, Picture};

use super::measure::Measured;
use super::result::short;

/// Amber: neither white as disks nor black as what is between them.
const AMBER: [u8; 3] = [255, 176, 0];

/// All pictures; returns their paths.
pub(crate) fn write(
    out: &Path,
    text: &str,
    selection: &Selection<'_>,
    measured: &Measured,
) -> Result<Vec<PathBuf>> {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut paths = Vec::new();
    let mut write = |name: &str, picture: Picture| -> Result<()> {
        let path = out.with_file_name(format!("{stem}.{name}.png"));
        picture.write(&path)?;
        paths.push(path);
        Ok(())
    };
    let file = short(text);
    if let Some(sum) = &measured.sum {
        write("sum", on_the_sum(sum, &file, measured).draw()?)?;
    }
    write("frame", one_frame(&file, selection, measured)?.draw()?)?;
    for (name, title, values, signed) in maps(selection, measured) {
        let axes = selection.scan().axes();
        // A line scan has no picture.
        let (Ok(values), [y, x, _, _]) = (values.into_dimensionality::<Ix2>(), axes) else { continue };
        let title = format!("{title}, {file}");
        let colors = if signed { MapColors::Signed } else { MapColors::Amount };
        let map = Map { title, values, axes: [y.clone(), x.clone()], colors };
        write(name, map.draw()?)?;
    }
    Ok(paths)
}

/// Radius of circles, px.
fn radius(measured: &Measured) -> f64 {
    measured.template.radius().unwrap_or(4.0)
}

fn on_the_sum(sum: &Array2<f64>, file: &str, measured: &Measured) -> MarkedFrame {
    let colors = PictureParams::default();
    let circle = |center: [f64; 2], color, opacity| DrawnMark {
        mark: Mark::Circle { center, radius: radius(measured) },
        color,
        opacity,
    };
    let found = measured.on_sum.iter().map(|p| p.refined);
    let mut marks: Vec<DrawnMark> = found.map(|p| circle(p, AMBER, 1.0)).collect();
    let mut remark = format!("{} disks that the sum of all frames shows", marks.len());
    if marks.is_empty() {
        marks.extend(measured.places.iter().map(|p| circle(p.position, AMBER, 1.0)));
        remark = format!("{} positions around which disks were looked for", marks.len());
    }
    if let Some(lattices) = measured.lattices() {
        let dot = |center| DrawnMark {
            mark: Mark::Dot { center, radius: 1.0 },
            color: colors.marker,
            opacity: 1.0,
        };
        marks.extend(measured.places.iter().map(|p| dot(p.position)));
        marks.extend(vectors(&lattices.start.lattice, &colors));
        remark += &format!("; {} places of the lattice, a blue, b green", measured.places.len());
    }
    let drawing = Drawing { image: sum.clone(), marks };
    MarkedFrame { title: format!("sum of frames, {file}"), remark, drawing }
}

fn vectors(lattice: &Lattice, colors: &PictureParams) -> [DrawnMark; 2] {
    [(lattice.a, colors.a), (lattice.b, colors.b)].map(|(vector, color)| {
        let to = [0, 1].map(|axis| lattice.zero[axis] + vector[axis]);
        DrawnMark { mark: Mark::Arrow { from: lattice.zero, to }, color, opacity: 1.0 }
    })
}

/// The frame in the middle of the samples, as an example.
fn one_frame(file: &str, selection: &Selection<'_>, measured: &Measured) -> Result<MarkedFrame> {
    let sample = selection.len() / 2;
    let mut frame = Array2::<f32>::zeros(selection.scan().frame_shape());
    let mut buffer = PixelBuffer::default();
    let pixels = selection.read(sample..sample + 1, &mut buffer)?;
    if let Some(frame) = frame.as_slice_mut() {
        pixels.convert(frame);
    }
    let disks = measured.disks();
    let peaks: Vec<Peak> = (0..measured.places.len())
        .map(|k| Peak {
            center: [0, 1].map(|axis| disks.centers[[sample, k, axis]]),
            refined: [0, 1].map(|axis| f64::from(disks.refineds[[sample, k, axis]])),
            height: f64::from(disks.peak_values[[sample, k]]),
            elevation: f64::from(disks.peak_elevations[[sample, k]]),
            covariance: [[f64::NAN; 2]; 2],
            status: disks.status[[sample, k]],
        })
        .collect();
    let all = measured.lattices().map(|lattices| &lattices.refined);
    let lattice = all.map(|all| all.lattice(sample)).filter(Lattice::is_finite);
    let calculated: Vec<[f64; 2]> = measured
        .places
        .iter()
        .map(|place| match (lattice, place.index) {
            (Some(lattice), Some(index)) => lattice.position(index),
            _ => place.position,
        })
        .collect();
    let selected: Vec<bool> = match all {
        Some(all) => all.selector.row(sample).to_vec(),
        None => peaks.iter().map(|p| p.status == PeakStatus::Found).collect(),
    };
    let stretch = if lattice.is_some() { 10.0 } else { 1.0 };
    let params = PictureParams { radius: radius(measured), stretch, marker: AMBER, ..Default::default() };
    let shown = lattice.unwrap_or(Lattice::INVALID);
    let drawing = draw_match(frame.view(), &shown, &peaks, &calculated, &selected, &params)?;
    let n = selected.iter().filter(|s| **s).count();
    let remark = match lattice {
        Some(_) => format!("{n} of {} disks fit the lattice; arrows: distance from it, ×10", peaks.len()),
        None => format!("{n} of {} disks found; arrows: from where they were looked for", peaks.len()),
    };
    let position = selection.roi().position(sample);
    Ok(MarkedFrame { title: format!("frame at position {position}, {file}"), remark, drawing })
}

/// Maps of the lattice over the scan: name, title, values, whether zero is in their middle.
fn maps(
    selection: &Selection<'_>,
    measured: &Measured,
) -> Vec<(&'static str, &'static str, ArrayD<f64>, bool)> {
    let Some(lattices) = measured.lattices() else { return Vec::new() };
    let found = &lattices.refined;
    let roi = selection.roi();
    let over = |of: &dyn Fn(&Lattice) -> f64| {
        let values: ndarray::Array1<f64> = (0..found.a.nrows()).map(|k| of(&found.lattice(k))).collect();
        roi.spread(&values, f64::NAN).expect("a value for each sample").into_owned()
    };
    let length = |[y, x]: [f64; 2]| y.hypot(x);
    let between = |l: &Lattice| {
        let dot = l.a[0] * l.b[0] + l.a[1] * l.b[1];
        l.signed_area().abs().atan2(dot).to_degrees()
    };
    let mut maps = vec![
        ("a_length", "|a| / px", over(&|l| length(l.a)), false),
        ("b_length", "|b| / px", over(&|l| length(l.b)), false),
        ("angle", "angle from a to b / °", over(&between), false),
    ];
    if let Some(strain) = &lattices.strain {
        maps.extend([
            ("strain_xx", "ε_xx", strain.xx.clone(), true),
            ("strain_yy", "ε_yy", strain.yy.clone(), true),
            ("strain_xy", "ε_xy", strain.xy.clone(), true),
            ("rotation", "rotation / rad", strain.rotation.clone(), true),
        ]);
    }
    maps
}
