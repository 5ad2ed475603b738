//! A report filled from the truth of a simulated scan, as a workflow fills it from what it found.

use std::f64::consts::PI;

use ndarray::{Array2, Array3};
use nonius::blobfinder::{Drawing, DrawnMark, Mark};
use nonius::core::{Axis, Missing, ReadFrames, Scan, ScanParams};
use nonius::plot::{MarkedFrame, Picture};
use nonius::report::{
    FrameMatch, FramePictureParams, FrameSpot, MapColors, ReportFrames, ReportMap, ReportTable, ScanReport,
};
use nonius::synthetic::{PolycrystalScan, PolycrystalTruth};

/// The frames of `made` as a scan, positions without a frame left out.
pub(crate) fn scan_of(made: &PolycrystalScan) -> Scan<'_> {
    let (ny, nx) = made.scan_shape();
    let params = ScanParams { shape: Some(vec![ny, nx]), missing: Missing::Skip, ..Default::default() };
    Scan::new(Box::new(made), &params).unwrap()
}

fn axis(name: &str, size: usize) -> Axis {
    Axis { name: name.into(), size, scale: 4.0, offset: 0.0, unit: "nm".into() }
}

/// A number of every position as a map.
fn map(name: &str, unit: &str, values: &Array2<f64>, factor: f64, description: &str) -> ReportMap {
    let values = values.mapv(|v| (factor * v) as f32);
    ReportMap { description: description.into(), ..ReportMap::new(name, unit, values) }
}

fn length(of: &Array3<f64>) -> Array2<f64> {
    of.map_axis(ndarray::Axis(2), |v| v[0].hypot(v[1]))
}

/// What is true of a frame, as if found: spots of the lattice of its own grain, all but the faintest matched.
fn matched(made: &PolycrystalScan, position: usize) -> Option<FrameMatch> {
    let truth = made.truth();
    let place = (position / made.scan_shape().1, position % made.scan_shape().1);
    let label = truth.labels[place]?;
    let spots = made.frame_with_truth(position).ok()?.spots;
    let own =
        spots.iter().filter(|spot| spot.grain == Some(label) && spot.index == spot.index.map(f64::round));
    let vector = |of: &Array3<f64>| [0, 1].map(|axis| of[[place.0, place.1, axis]]);
    Some(FrameMatch {
        zero: vector(&truth.zero),
        a: vector(&truth.a),
        b: vector(&truth.b),
        spots: own
            .map(|spot| FrameSpot {
                index: spot.index,
                refined: [0, 1]
                    .map(|axis| spot.position[axis] + 0.15 * (7.0 * spot.level + axis as f64).sin()),
                opacity: (spot.level / 60.0).min(1.0),
                matched: spot.level > 4.0,
            })
            .collect(),
    })
}

fn maps(truth: &PolycrystalTruth, phases: &[&str]) -> Vec<ReportMap> {
    let percent = |name: &str, values: &Array2<f64>, about: &str| ReportMap {
        colors: MapColors::Signed,
        valid: Some(truth.share.mapv(|share| share > 0.9)),
        ..map(name, "%", values, 100.0, about)
    };
    let grains: Vec<String> = (0..truth.grains.len()).map(|k| format!("grain {k}")).collect();
    let grains: Vec<&str> = grains.iter().map(String::as_str).collect();
    let direction = Array2::from_shape_fn(truth.labels.dim(), |(y, x)| {
        truth.a[[y, x, 0]].atan2(truth.a[[y, x, 1]]).rem_euclid(PI).to_degrees()
    });
    let core = truth.superlattice.mapv(|inside| Some(usize::from(inside)));
    vec![
        ReportMap {
            description: "Which crystal each position belongs to.".into(),
            ..ReportMap::labels("grain", &truth.labels, &grains)
        },
        ReportMap::labels("phase", &truth.phases, phases),
        percent(
            "ε_xx",
            &truth.strain_xx,
            "Strain along x of the unrotated cell; positive where the crystal is stretched.",
        ),
        percent("ε_yy", &truth.strain_yy, "Strain along y of the unrotated cell."),
        percent("ε_xy", &truth.strain_xy, "Half the engineering shear."),
        ReportMap {
            colors: MapColors::Cyclic { period: 180.0 },
            ..map("direction of a", "°", &direction, 1.0, "From +x towards +y, modulo 180°.")
        },
        map("|a|", "px", &length(&truth.a), 1.0, "Length of the first vector of the pattern."),
        map("|b|", "px", &length(&truth.b), 1.0, "Length of the second vector of the pattern."),
        map("|b|/|a|", "", &(length(&truth.b) / length(&truth.a)), 1.0, ""),
        map(
            "zero y",
            "px",
            &truth.zero.index_axis(ndarray::Axis(2), 0).to_owned(),
            1.0,
            "Where the direct beam falls.",
        ),
        map(
            "zero x",
            "px",
            &truth.zero.index_axis(ndarray::Axis(2), 1).to_owned(),
            1.0,
            "Where the direct beam falls.",
        ),
        map("thickness", "", &truth.thickness, 1.0, "Factor of the brightness of all reflections."),
        map(
            "share",
            "%",
            &truth.share,
            100.0,
            "Part of the pattern that is the grain's own: less at boundaries.",
        ),
        ReportMap::labels("superlattice", &core, &["no", "yes"]),
    ]
}

/// A frame of a grain with its lattice.
fn picture(made: &PolycrystalScan, label: usize) -> Option<Picture> {
    let own: Vec<usize> =
        (0..).zip(&made.truth().labels).filter(|(_, l)| **l == Some(label)).map(|(k, _)| k).collect();
    let position = *own.get(own.len() / 2)?;
    let found = matched(made, position)?;
    let to = |v: [f64; 2]| Mark::Arrow { from: found.zero, to: [found.zero[0] + v[0], found.zero[1] + v[1]] };
    let drawn = |mark, color| DrawnMark { mark, color, opacity: 1.0 };
    let marks = vec![drawn(to(found.a), [86, 180, 233]), drawn(to(found.b), [240, 228, 66])];
    let drawing = Drawing { image: made.frame::<f64>(position).ok()?.mapv(f64::ln_1p), marks };
    MarkedFrame { title: format!("grain {label}"), remark: format!("frame {position}"), drawing }.draw().ok()
}

/// The report.
pub(crate) fn report<'a>(
    made: &'a PolycrystalScan,
    scan: &'a Scan<'a>,
    params: FramePictureParams,
) -> ScanReport<'a> {
    let truth = made.truth();
    let (ny, nx) = made.scan_shape();
    let mut report = ScanReport::new("Grains of a simulated film", [axis("scan y", ny), axis("scan x", nx)]);
    report
        .text
        .push("Everything shown here is what the simulation was made from; no number was measured.".into());
    report.facts = vec![
        ["positions".into(), format!("{ny} × {nx}")],
        ["frames".into(), format!("{:?}", scan.frame_shape())],
        ["grains".into(), truth.grains.len().to_string()],
    ];
    let phases: Vec<&str> = made.params().phases.iter().map(|phase| phase.name.as_str()).collect();
    report.maps = maps(truth, &phases);
    let row = |(k, grain): (usize, &nonius::synthetic::Grain)| {
        let n = truth.labels.iter().filter(|label| **label == Some(k)).count();
        let strain = grain.strain.map(|e| format!("{:.3}", 100.0 * e));
        let mut row = vec![k.to_string(), phases[grain.phase].into(), n.to_string()];
        row.push(format!("{:.1}", grain.rotation.to_degrees()));
        row.extend(strain);
        row
    };
    let columns = ["grain", "phase", "positions", "rotation / °", "ε_xx / %", "ε_yy / %", "ε_xy / %"];
    report.tables.push(ReportTable {
        title: "Grains".into(),
        columns: columns.map(String::from).to_vec(),
        rows: truth.grains.iter().enumerate().map(row).collect(),
    });
    let pictures = (0..truth.grains.len().min(2))
        .filter_map(|k| Some((picture(made, k)?, format!("Grain {k}, with a and b."))));
    report.pictures = pictures.collect();
    let matches = Box::new(|position| matched(made, position));
    report.frames = Some(ReportFrames { scan, matches: Some(matches), params });
    report
}
