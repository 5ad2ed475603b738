//! Alignment by re-projection, against offsets that are known.

use nonius_core::NoProgress;
use nonius_core::tilt_series::TiltSeries;
use nonius_synthetic::*;
use nonius_tomography::alignment::{Aligner, OpticalFlowParams, align};
use nonius_tomography::{AbsorbanceParams, absorbance};

fn run(name: &str, params: TiltSeriesParams) {
    let made = params.generate().unwrap();
    let series: &TiltSeries<f32> = &made.series;
    let images =
        absorbance(&AbsorbanceParams::default(), series.images.as_ref().unwrap().view()).unwrap().absorbance;
    for (aname, aligner) in [("flow", &OpticalFlowParams::default() as &dyn Aligner<f32>)] {
        let t = std::time::Instant::now();
        let found = align(aligner, &series.geometry, images.view(), None, &NoProgress).unwrap();
        let r = &found.report;
        let e: Vec<[f64; 2]> =
            r.offsets.iter().zip(&made.truth.offsets).map(|(a, b)| [a[0] - b[0], a[1] - b[1]]).collect();
        let e = made.truth.geometry.remove_translation(&e).unwrap().residuals;
        let rms = [0, 1].map(|d| (e.iter().map(|r| r[d] * r[d]).sum::<f64>() / e.len() as f64).sqrt());
        let se = [0, 1]
            .map(|d| (r.standard_errors.iter().map(|r| r[d] * r[d]).sum::<f64>() / e.len() as f64).sqrt());
        let cov = [1.0, 2.0].map(|s| {
            e.iter()
                .zip(&r.standard_errors)
                .flat_map(|(e, s)| [e[0].abs() / s[0], e[1].abs() / s[1]])
                .filter(|z| *z < s)
                .count() as f64
                / (2 * e.len()) as f64
        });
        println!(
            "{name} {aname} {:?} {:.1?} {} rms {:.4?} se {:.4?} cov {:.2?} loss {:.4} {:.4} mass {:.4} out {:?} {:?}",
            r.stop,
            t.elapsed(),
            r.steps.len(),
            rms,
            se,
            cov,
            r.loss,
            r.loss_at_start,
            r.mass_spread,
            r.outliers,
            r.steps.iter().map(|s| (s.stage, (s.largest * 1e3).round() / 1e3)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn tmp() {
    let d = TiltSeriesParams::default;
    let scheme = |axis: [f64; 3], n: usize| TiltScheme::SingleAxis { axis, angles: AngleRange::half_turn(n) };
    run("default", d());
    run("noise1%", TiltSeriesParams { relative_noise: 0.01, seed: 2, ..d() });
    run("noise5%", TiltSeriesParams { relative_noise: 0.05, seed: 2, ..d() });
    if false {
        run(
            "axis j",
            TiltSeriesParams {
                scheme: scheme([-1.0, 0.0, 0.0], 60),
                volume_shape: [32, 40, 40],
                projection_shape: [32, 40],
                seed: 3,
                ..d()
            },
        );
    }
    run(
        "cube 33",
        TiltSeriesParams {
            scheme: scheme([0.0, 0.0, -1.0], 33),
            volume_shape: [33, 33, 33],
            projection_shape: [33, 33],
            seed: 4,
            ..d()
        },
    );
    run(
        "two axes",
        TiltSeriesParams {
            scheme: TiltScheme::TwoAxes {
                inner_axis: [0.0, 0.0, -1.0],
                inner: AngleRange::half_turn(24),
                outer_axis: [1.0, 0.0, 0.0],
                outer: AngleRange::symmetric(0.7, 3),
            },
            seed: 5,
            volume_shape: [36, 36, 36],
            projection_shape: [44, 44],
            ..d()
        },
    );
    run(
        "limited 60",
        TiltSeriesParams {
            scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::symmetric(1.05, 41) },
            relative_noise: 0.005,
            seed: 6,
            ..d()
        },
    );
    run(
        "big 100",
        TiltSeriesParams {
            volume_shape: [100, 100, 96],
            projection_shape: [100, 96],
            scheme: scheme([0.0, 0.0, 1.0], 90),
            misalignment: MisalignmentParams {
                jitter: Jitter::Gaussian([4.0, 3.0]),
                drift: [3.0, 3.0],
                ..Default::default()
            },
            seed: 7,
            ..d()
        },
    );
}
