//! Alignment by phase matching, the procedure of mumott's tutorial and one stage beyond it.
//!
//! ```text
//! cargo run --release --example phase_matching_alignment                a simulated scan of 60 projections
//! cargo run --release --example phase_matching_alignment -- scan.h5     a file of projections
//! ```
//!
//! Whole pixels first, at most 30 steps with reconstructions of 25 iterations, 8 pixels cut off at each side; then
//! steps of a fifth of a pixel; then of a tenth and a hundredth. The geometry found is saved for mumott.

// An example speaks to whoever runs it.
#![allow(clippy::print_stdout)]

mod tilt_series;

use std::time::Instant;

use anyhow::{Result, bail};
use nonius::NoProgress;
use nonius::io::write_geometry;
use nonius::synthetic::{AngleRange, TiltScheme, TiltSeriesParams};
use nonius::tomography::MitraParams;
use nonius::tomography::alignment::{IterationParams, PhaseMatchingParams, align};

use tilt_series::{Scan, Stages, draw};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let scan = match &args[..] {
        [] => Scan::simulated(&TiltSeriesParams {
            volume_shape: [56, 56, 48],
            projection_shape: [56, 48],
            scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(60) },
            seed: 11,
            ..Default::default()
        })?,
        [path] => Scan::recorded(path)?,
        _ => bail!("expected nothing, or the path of a file of projections"),
    };
    // The tutorial's images are 65 × 55 px; of small ones as much would take the sample away.
    let cropping = scan.geometry.projection_shape.map(|side| if side >= 48 { 8 } else { side / 12 });
    let mut stages = Stages::default();
    stages.add(&scan, "unaligned", &scan.geometry.offsets(), "1.187  0.924")?;

    let mut geometry = scan.geometry.clone();
    let mut errors = Vec::new();
    let rows: [(&str, &[usize], &str); 3] = [
        ("whole pixels", &[1], "0.283  0.281 (1/√12 = 0.289)"),
        ("fifths", &[5], "(a tenth: 0.063  0.060, and no end)"),
        ("tenths and hundredths", &[10, 100], "(by plain correlation: 0.0075  0.011)"),
    ];
    for (name, upsampling, published) in rows {
        let params = PhaseMatchingParams {
            iteration: IterationParams {
                reconstruction: MitraParams { iterations: 25, ..Default::default() },
                max_iterations: 30,
                ..Default::default()
            },
            upsampling: upsampling.to_vec(),
            cropping,
            ..Default::default()
        };
        let began = Instant::now();
        let found = align(&params, &geometry, scan.images(), scan.weights(), &NoProgress)?;
        println!(
            "{name}: {} steps ({:?}) in {:.1} s",
            found.report.steps.len(),
            found.report.stop,
            began.elapsed().as_secs_f64()
        );
        stages.add(&scan, name, &found.report.offsets, published)?;
        (geometry, errors) = (found.geometry, found.report.standard_errors);
    }
    stages.print(&scan, "")?;

    let path = std::env::temp_dir().join("nonius_phase_matching.geo");
    write_geometry(&path, &geometry)?;
    println!("wrote {}", path.display());
    draw(&scan, "nonius_phase_matching", &geometry.offsets(), &errors)
}
