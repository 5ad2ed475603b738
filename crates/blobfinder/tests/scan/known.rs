//! Scans whose lattices were put there.

use nonius_blobfinder::{
    Lattice, RefineParams, Template, TemplateKind, TemplateParams, ZeroShift, refine_lattices,
};
use nonius_core::{NoProgress, PassParams, Scan, ScanParams};
use nonius_synthetic::{DiffractionParams, DiffractionScan, DiffractionScanParams};

/// Root-mean-square error of a and b per component, coverage of their 1σ and 2σ intervals.
fn quality(electrons: f64, seed: u64) -> (f64, f64, f64) {
    let made = DiffractionScan::new(&DiffractionScanParams {
        scan: [8, 8],
        frame: DiffractionParams { electrons, seed, ..Default::default() },
        ..Default::default()
    })
    .unwrap();
    let (a, b) = (made.a().to_owned(), made.b().to_owned());
    let scan =
        Scan::new(Box::new(made), &ScanParams { shape: Some(vec![8, 8]), ..Default::default() }).unwrap();
    let template = Template::new(&TemplateParams::new(TemplateKind::Circular, 5.0)).unwrap();
    let start = Lattice { zero: [64.0; 2], a: [20.0, 0.0], b: [0.0, 20.0] };
    let found = refine_lattices::<f32>(
        &scan.select(None).unwrap(),
        &template,
        &start,
        &RefineParams::default(),
        ZeroShift::None,
        &PassParams::default(),
        &NoProgress,
    )
    .unwrap();
    let (mut square, mut within, mut n) = (0.0, [0; 2], 0);
    for k in 0..64 {
        for (vector, truth, first) in [(&found.a, &a, 2), (&found.b, &b, 4)] {
            for axis in 0..2 {
                let error = vector[[k, axis]] - truth[[k / 8, k % 8, axis]];
                let sigma = found.covariance[[k, first + axis, first + axis]].sqrt();
                square += error * error;
                within[0] += usize::from(error.abs() < sigma);
                within[1] += usize::from(error.abs() < 2.0 * sigma);
                n += 1;
            }
        }
    }
    let n = f64::from(n);
    ((square / n).sqrt(), within[0] as f64 / n, within[1] as f64 / n)
}

/// 256 components: coverage of 68 % scatters by 3 %.
#[test]
fn strained_patterns_with_ten_thousand_electrons_per_disk() {
    let (rms, one, two) = quality(1e4, 1);
    assert!(rms < 0.004, "{rms}");
    assert!((0.58..0.78).contains(&one) && (0.90..0.99).contains(&two), "{one} {two}");
}

#[test]
fn strained_patterns_with_three_hundred_electrons_per_disk() {
    let (rms, one, two) = quality(300.0, 2);
    assert!(rms < 0.02, "{rms}");
    assert!((0.58..0.78).contains(&one) && (0.90..0.99).contains(&two), "{one} {two}");
}
