//! Alignment by optical flow in two steps, the procedure of mumott's tutorial, errors stage by stage.
//!
//! ```text
//! cargo run --release --example optical_flow_alignment                  a simulated scan of 60 projections
//! cargo run --release --example optical_flow_alignment -- scan.h5       a file of projections
//! ```
//!
//! Reference offsets are kept aside; line alignment; step 1, 15 iterations with short reconstructions of strongly
//! smoothed images and the sample brought to the middle; step 2, 5 iterations with long reconstructions of images
//! smoothed less. The check that needs no truth is the loss of one reconstruction.

// An example speaks to whoever runs it.
#![allow(clippy::print_stdout)]

mod tilt_series;

use std::time::Instant;

use anyhow::{Result, bail};
use nonius::NoProgress;
use nonius::synthetic::TiltSeriesParams;
use nonius::tomography::MitraParams;
use nonius::tomography::alignment::{
    IterationParams, OpticalFlowParams, align, align_axial_profile, align_line,
};

use tilt_series::{Scan, Stages, draw};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let scan = match &args[..] {
        [] => Scan::simulated(&TiltSeriesParams { seed: 11, ..Default::default() })?,
        [path] => Scan::recorded(path)?,
        _ => bail!("expected nothing, or the path of a file of projections"),
    };
    let mut stages = Stages::default();
    stages.add(&scan, "unaligned", &scan.geometry.offsets(), "1.187  0.924  loss 0.403")?;

    let line = align_line(&scan.geometry, scan.images(), scan.weights())?;
    stages.add(&scan, "line", &line.offsets, "0.251  0.924  loss 0.189")?;

    let began = Instant::now();
    let step_1 =
        OpticalFlowParams { iteration: iteration(5, 15, true), smoothing: 2.0, ..Default::default() };
    let start = scan.geometry.clone().with_offsets(&line.offsets)?;
    let first = align(&step_1, &start, scan.images(), scan.weights(), &NoProgress)?;
    said("step 1", &first.report.stop, first.report.steps.len(), began);
    stages.add(
        &scan,
        "step 1",
        &first.report.offsets,
        "1.069  0.823  loss 0.386 | 0.0055  0.071  loss 0.0100",
    )?;

    let began = Instant::now();
    let step_2 = OpticalFlowParams {
        iteration: iteration(40, 5, false),
        smoothing: 1.0,
        coarse_smoothing: Vec::new(),
        binning: Some(Vec::new()),
        ..Default::default()
    };
    let second = align(&step_2, &first.geometry, scan.images(), scan.weights(), &NoProgress)?;
    said("step 2", &second.report.stop, second.report.steps.len(), began);
    let found = &second.report;
    stages.add(&scan, "step 2", &found.offsets, "0.850  0.663  loss 0.264 | 0.0035  0.058  loss 0.0096")?;

    // What the axial profile alone says of k, of a single axis: a check by other means.
    if let Ok(profile) =
        align_axial_profile(&second.geometry, scan.images(), scan.weights(), &Default::default())
    {
        stages.add(&scan, "then the axial profile", &profile.offsets, "")?;
    }
    stages.print(&scan, "loss 0.0097")?;
    draw(&scan, "nonius_optical_flow", &found.offsets, &found.standard_errors)
}

fn iteration(reconstruction: usize, steps: usize, center: bool) -> IterationParams {
    IterationParams {
        reconstruction: MitraParams { iterations: reconstruction, ..Default::default() },
        max_iterations: steps,
        center,
        ..Default::default()
    }
}

fn said(step: &str, stop: &impl std::fmt::Debug, n: usize, began: Instant) {
    println!("{step}: {n} iterations ({stop:?}) in {:.1} s", began.elapsed().as_secs_f64());
}
