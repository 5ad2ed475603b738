//! Scans whose lattices were put there.

use ndarray::Array3;
use nonius_blobfinder::{
    Lattice, RefineParams, StrainParams, Template, TemplateKind, TemplateParams, ZeroShift, refine_lattices,
    strain,
};
use nonius_core::{NoProgress, PassParams, Scan, ScanParams};
use nonius_synthetic::{DiffractionParams, DiffractionScan, DiffractionScanParams};

/// Errors of a scan.
#[derive(Default)]
struct Errors {
    square: f64,
    within: [usize; 2],
    n: usize,
}

impl Errors {
    fn add(&mut self, error: f64, sigma: f64) {
        self.square += error * error;
        self.within[0] += usize::from(error.abs() < sigma);
        self.within[1] += usize::from(error.abs() < 2.0 * sigma);
        self.n += 1;
    }

    fn rms(&self) -> f64 {
        (self.square / self.n as f64).sqrt()
    }

    /// Of the 1σ and the 2σ intervals; of 256 numbers, 68 % scatter by 3 %.
    fn check_coverage(&self) {
        let [one, two] = self.within.map(|n| n as f64 / self.n as f64);
        assert!((0.58..0.78).contains(&one) && (0.90..0.99).contains(&two), "{one} {two}");
    }
}

/// Errors of a and b per component, px, and of ε_xx, ε_yy, ε_xy and rotation.
fn quality(electrons: f64, seed: u64) -> (Errors, Errors) {
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
    let [mut vectors, mut strains] = [Errors::default(), Errors::default()];
    for k in 0..64 {
        for (vector, truth, first) in [(&found.a, &a, 2), (&found.b, &b, 4)] {
            for axis in 0..2 {
                let error = vector[[k, axis]] - truth[[k / 8, k % 8, axis]];
                vectors.add(error, found.covariance[[k, first + axis, first + axis]].sqrt());
            }
        }
        let pair = |of: &Array3<f64>| [0, 1].map(|axis| of[[k / 8, k % 8, axis]]);
        let truth = Lattice { zero: [0.0; 2], a: pair(&a), b: pair(&b) };
        let covariance = std::array::from_fn(|i| std::array::from_fn(|j| found.covariance[[k, i, j]]));
        let of = |lattice: &Lattice, covariance| {
            strain(lattice, covariance, &start, &StrainParams::default()).unwrap()
        };
        let (measured, truth) = (of(&found.lattice(k), Some(&covariance)), of(&truth, None));
        for i in 0..4 {
            strains.add(measured.values()[i] - truth.values()[i], measured.errors()[i]);
        }
    }
    (vectors, strains)
}

#[test]
fn strained_patterns_with_ten_thousand_electrons_per_disk() {
    let (vectors, strains) = quality(1e4, 1);
    assert!(vectors.rms() < 0.003, "{}", vectors.rms());
    assert!(strains.rms() < 1.5e-4, "{}", strains.rms());
    vectors.check_coverage();
    strains.check_coverage();
}

#[test]
fn strained_patterns_with_three_hundred_electrons_per_disk() {
    let (vectors, strains) = quality(300.0, 2);
    assert!(vectors.rms() < 0.015, "{}", vectors.rms());
    assert!(strains.rms() < 7e-4, "{}", strains.rms());
    vectors.check_coverage();
    strains.check_coverage();
}
