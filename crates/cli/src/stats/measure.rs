//! The pass, and the maps that come of it.

use anyhow::{Context, Result};
use ndarray::{Array1, ArrayD, Axis as Along};
use nonius::clustering::{
    CenterOfMass, DeflectionField, DeflectionParams, Detector, LogSum, PixelStatistics, VirtualDetectors,
    guess_scan_rotation,
};
use nonius::core::{Selection, pass};

use super::args::{MapName, StatsConfig, detector, named_detector};
use super::result::{Map, Stats};
use crate::output::check_folder;
use crate::scan;
use crate::session::Session;

pub(crate) fn measure(session: &Session, config: &StatsConfig, text: &str) -> Result<Stats> {
    if let Some(out) = &session.out {
        check_folder("--out", out)?;
    }
    let detectors = config.detectors.iter().map(|d| named_detector(d)).collect::<Result<Vec<_>>>()?;
    let file = scan::open(text, &config.scan)?;
    let selection = scan::select(&file.scan, config.roi.as_deref())?;

    let wants = |name| config.maps.contains(&name);
    let of_pixels = config.maps.iter().any(|m| !m.is_of_centers() && *m != MapName::Logsum);
    let com_detector = config.com_detector.as_deref().map(detector).transpose()?;
    let virtual_detectors: Vec<Detector> = detectors.iter().map(|(_, d)| d.clone()).collect();
    let consumers = (
        of_pixels.then_some(PixelStatistics { nan: config.nan }),
        wants(MapName::Logsum).then_some(LogSum),
        (!detectors.is_empty()).then(|| VirtualDetectors::new(&virtual_detectors)),
        config.maps.iter().any(|m| m.is_of_centers()).then(|| CenterOfMass {
            detector: com_detector.unwrap_or(Detector::Whole),
            reference: config.com_center,
        }),
    );
    let named = |e: nonius::Error| match e {
        nonius::Error::Cancelled => e.into(),
        other => anyhow::anyhow!("{text}: {other}"),
    };
    let (pixels, logsum, signals, centers) =
        pass(&selection, &consumers, &config.pass, session).map_err(named)?;

    let n = file.scan.shape().len();
    let (scan_axes, frame_axes) = file.scan.axes().split_at(n);
    let mut maps = Vec::new();
    for &name in &config.maps {
        let over_frame = match (name, &pixels) {
            (MapName::Logsum, _) => logsum.clone(),
            (MapName::Sum, Some(p)) => Some(p.sum.clone()),
            (MapName::Mean, Some(p)) => Some(p.mean.clone()),
            (MapName::Std, Some(p)) => Some(p.standard_deviation()),
            (MapName::Variance, Some(p)) => Some(p.variance.clone()),
            (MapName::Min, Some(p)) => Some(p.min.clone()),
            (MapName::Max, Some(p)) => Some(p.max.clone()),
            _ => None,
        };
        let label = serde_json::to_value(name)?.as_str().unwrap_or_default().to_owned();
        maps.extend(over_frame.map(|values| Map::new(label, values.into_dyn(), frame_axes, false)));
    }
    if let Some(signals) = &signals {
        for (k, (name, _)) in detectors.iter().enumerate() {
            let values = spread(&selection, signals.column(k).to_owned())?;
            maps.push(Map::new(name.clone(), values, scan_axes, false));
        }
    }
    let mut deflection = None;
    if let Some(centers) = centers {
        let shape = file.scan.frame_shape();
        let given = DeflectionParams {
            center: config.com_center,
            scan_rotation: config.scan_rotation,
            flip_y: config.com_flip_y,
            regression: config.regression,
        };
        let params = match config.guess_rotation {
            true => DeflectionParams {
                regression: config.regression,
                ..guess_scan_rotation(centers.view(), selection.roi(), shape)?
            },
            false => given,
        };
        deflection = Some(params);
        if n == 2 {
            let field = DeflectionField::new(centers.view(), selection.roi(), shape, &params)?;
            for &name in &config.maps {
                let mut push = |label: &str, values: ndarray::Array2<f64>, signed| {
                    maps.push(Map::new(label.into(), values.into_dyn(), scan_axes, signed));
                };
                match name {
                    MapName::Com => {
                        push("com_y", field.y.clone(), true);
                        push("com_x", field.x.clone(), true);
                    }
                    MapName::Magnitude => push("magnitude", field.magnitude(), false),
                    MapName::Divergence => push("divergence", field.divergence(), true),
                    MapName::Curl => push("curl", field.curl(), true),
                    _ => {}
                }
            }
        } else {
            let only_com = config.maps.iter().all(|m| !m.is_of_centers() || *m == MapName::Com);
            anyhow::ensure!(only_com, "{text}: {n} scan axes: fields of deflections need two (--scan-shape)");
            for (axis, label) in ["com_y", "com_x"].into_iter().enumerate() {
                let values = spread(&selection, centers.index_axis(Along(1), axis).to_owned())?;
                maps.push(Map::new(label.into(), values, scan_axes, true));
            }
        }
    }
    rename_doubles(&mut maps);
    session.check_cancelled()?;
    let mut found = Stats::new(text, &file, selection.len(), deflection, maps);
    if let Some(out) = &session.out {
        found.write(out, config).with_context(|| format!("--out {}", out.display()))?;
    }
    Ok(found)
}

/// One value per sample at its place in the scan.
fn spread(selection: &Selection<'_>, values: Array1<f64>) -> Result<ArrayD<f64>> {
    Ok(selection.roi().spread(values, f64::NAN)?.into_owned())
}

/// Two disks without names are `disk` and `disk_2`.
fn rename_doubles(maps: &mut [Map]) {
    for k in 1..maps.len() {
        let taken = |name: &str, maps: &[Map]| maps[..k].iter().any(|m| m.name == name);
        let (plain, mut count) = (maps[k].name.clone(), 2);
        while taken(&maps[k].name, maps) {
            maps[k].name = format!("{plain}_{count}");
            count += 1;
        }
    }
}
