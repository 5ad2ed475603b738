//! Alignment by re-projection, against offsets that are known.

use nonius_core::NoProgress;
use nonius_tomography::alignment::{Aligned, Aligner, OpticalFlowParams, PhaseMatchingParams, align};

use crate::series_with_truth::{self, Series};

fn aligned(series: &Series, aligner: &dyn Aligner<f32>) -> Aligned<f32> {
    let images = series.absorbance().mapv(|v| v as f32);
    align(aligner, &series.geometry, images.view(), None, &NoProgress).unwrap()
}

#[test]
fn tmp() {
    for series in series_with_truth::all() {
        for (name, aligner) in [
            ("flow", &OpticalFlowParams::default() as &dyn Aligner<f32>),
            ("phase", &PhaseMatchingParams::default()),
        ] {
            let t = std::time::Instant::now();
            let found = aligned(&series, aligner);
            let r = &found.report;
            let e: Vec<[f64; 2]> =
                r.offsets.iter().zip(&series.truth).map(|(a, b)| [a[0] - b[0], a[1] - b[1]]).collect();
            let e = series.geometry.remove_translation(&e).unwrap().residuals;
            let cov = [1.0, 2.0].map(|s| {
                e.iter()
                    .zip(&r.standard_errors)
                    .flat_map(|(e, s)| [e[0].abs() / s[0], e[1].abs() / s[1]])
                    .filter(|z| *z < s)
                    .count() as f64
                    / (2 * e.len()) as f64
            });
            println!(
                "{} {name} {:?} {:?} {} {:?} cov {:?} loss {} {} mass {} out {:?} {:?}",
                series.name,
                r.stop,
                t.elapsed(),
                r.steps.len(),
                series.rms(&r.offsets),
                cov,
                r.loss,
                r.loss_at_start,
                r.mass_spread,
                r.outliers,
                r.steps.iter().map(|s| (s.stage, (s.largest * 1e4).round() / 1e4)).collect::<Vec<_>>()
            );
        }
    }
}
