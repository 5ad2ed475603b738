//! Lattices that start from their neighbours.

use ndarray::{Array2, Array3, ArrayView3};
use nonius_blobfinder::{
    Lattice, LatticeRefiner, RefineParams, RefinedLattices, Template, TemplateKind, TemplateParams,
    ZeroShift, refine_lattices,
};
use nonius_core::{NoProgress, PassParams, Roi, Scan, ScanParams, pass};
use nonius_synthetic::{DiffractionParams, DiffractionScan};

const SIDE: usize = 9;
const START: Lattice = Lattice { zero: [64.0; 2], a: [20.0, 0.0], b: [0.0, 20.0] };

/// What the lattice of scan position `(y, x)` is, from −1 to 1 along both axes.
type Field = fn(f64, f64) -> Lattice;

/// It turns by 0.3 rad from the middle to each side and grows by 12 %: in the corners outer disks are 20 px off.
fn turning(y: f64, x: f64) -> Lattice {
    let (sin, cos) = (0.3 * x).sin_cos();
    let [by_y, by_x] = [1.0 + 0.12 * y, 1.0 + 0.06 * (x + y)];
    Lattice {
        zero: [64.0; 2],
        a: [20.0 * by_y * cos, 20.0 * by_y * sin],
        b: [-20.0 * by_x * sin, 20.0 * by_x * cos],
    }
}

/// The pattern wanders by three times what a disk may be off, from frame to frame by less.
fn wandering(y: f64, x: f64) -> Lattice {
    Lattice { zero: [64.0 + 10.0 * y, 64.0 + 8.0 * x], a: [34.2, 0.3], b: [-0.2, 35.1] }
}

/// Two grains, one turned by 0.1 rad against the other.
fn grains(_: f64, x: f64) -> Lattice {
    if x < 0.3 { Lattice { zero: [64.2, 63.8], ..turning(0.0, -0.1) } } else { turning(0.0, 0.23) }
}

fn scan_of(field: Field, electrons: f64) -> (Scan<'static>, Array3<f64>) {
    let at = |k: usize| 2.0 * k as f64 / (SIDE - 1) as f64 - 1.0;
    let of = |vector: fn(&Lattice) -> [f64; 2]| {
        Array3::from_shape_fn((SIDE, SIDE, 2), |(y, x, axis)| vector(&field(at(y), at(x)))[axis])
    };
    let frame = DiffractionParams { electrons, max_index: 3, ..Default::default() };
    let (zero, a, b) = (of(|l| l.zero), of(|l| l.a), of(|l| l.b));
    let truth = ndarray::concatenate(ndarray::Axis(2), &[zero.view(), a.view(), b.view()]).unwrap();
    let made = DiffractionScan::with_lattices(&frame, zero, a, b).unwrap();
    let params = ScanParams { shape: Some(vec![SIDE, SIDE]), ..Default::default() };
    (Scan::new(Box::new(made), &params).unwrap(), truth)
}

fn template() -> Template {
    let params = TemplateParams { search: Some(8.0), ..TemplateParams::new(TemplateKind::Circular, 5.0) };
    Template::new(&params).unwrap()
}

fn refined(scan: &Scan<'_>, start: Lattice, roi: Option<&Roi>, rounds: usize) -> RefinedLattices {
    let params = RefineParams { max_index: 3, neighbor_rounds: rounds, ..Default::default() };
    refine_lattices::<f32>(
        &scan.select(roi).unwrap(),
        &template(),
        &start,
        &params,
        ZeroShift::None,
        &PassParams::default(),
        &NoProgress,
    )
    .unwrap()
}

/// Frames whose lattice is nowhere more than a tenth of a pixel from the true one, and the root-mean-square error of a
/// and b of those.
fn right(found: &RefinedLattices, truth: ArrayView3<'_, f64>) -> (usize, f64) {
    let (mut n, mut square) = (0, 0.0);
    for (k, t) in truth.rows().into_iter().enumerate() {
        let lattice = found.lattice(k);
        let errors: Vec<f64> =
            [lattice.zero, lattice.a, lattice.b].iter().flatten().zip(t).map(|(f, t)| f - t).collect();
        if errors.iter().all(|e| e.abs() < 0.1) {
            n += 1;
            square += errors[2..].iter().map(|e| e * e).sum::<f64>() / 4.0;
        }
    }
    (n, (square / n as f64).sqrt())
}

/// What one start finds in the middle of the scan, rounds find in all of it, as precisely.
#[test]
fn a_lattice_is_followed_from_where_its_start_holds() {
    // (…, frames that one start does right, error of a and b: 0.0040, 0.0115 and, of nine disks, 0.012 px were measured)
    for (field, electrons, at_most, error) in
        [(turning as Field, 2000.0, 40, 0.006), (turning, 300.0, 40, 0.016), (wandering, 2000.0, 10, 0.016)]
    {
        let (scan, truth) = scan_of(field, electrons);
        let start = Lattice { zero: [64.0; 2], ..field(0.0, 0.0) };
        let before = refined(&scan, start, None, 0);
        let after = refined(&scan, start, None, 100);
        let ((few, _), (all, rms)) = (right(&before, truth.view()), right(&after, truth.view()));
        println!("{few} {all} {rms}");
        assert!(few < at_most, "{few}");
        assert_eq!(all, SIDE * SIDE);
        assert!(rms < error, "{rms}");
        for (k, _) in after.round.iter().enumerate().filter(|(_, round)| **round == 0) {
            assert_eq!(after.lattice(k), before.lattice(k));
        }
    }
}

/// What the neighbours beyond a border suggest explains less.
#[test]
fn borders_between_grains_stay() {
    let (scan, truth) = scan_of(grains, 2000.0);
    let after = refined(&scan, START, None, 100);
    assert_eq!(right(&after, truth.view()).0, SIDE * SIDE);
}

/// Frames of noise between frames of disks get no lattice from them.
#[test]
fn what_is_not_there_does_not_spread() {
    let mut frames = Array3::<f32>::zeros((25, 128, 128));
    for (k, mut frame) in frames.outer_iter_mut().enumerate() {
        let electrons = if k % 5 < 3 { 2000.0 } else { 1e-3 };
        let params = DiffractionParams { electrons, max_index: 3, seed: k as u64, ..Default::default() };
        frame.assign(&params.generate().unwrap().frame.mapv(|v| v as f32));
    }
    let params = ScanParams { shape: Some(vec![5, 5]), ..Default::default() };
    let scan = Scan::new(Box::new(frames), &params).unwrap();
    let (before, after) = (refined(&scan, START, None, 0), refined(&scan, START, None, 100));
    for k in (0..25).filter(|k| k % 5 < 3) {
        assert_eq!(before.lattice(k), after.lattice(k));
    }
    for k in (0..25).filter(|k| k % 5 >= 3) {
        let n = after.selector.row(k).iter().filter(|s| **s).count();
        assert!(n < 10, "{n} of {} disks", after.indices.len());
    }
}

fn bits(found: &RefinedLattices) -> Vec<u64> {
    let all = found.zero.iter().chain(&found.a).chain(&found.b).chain(&found.covariance).chain(&found.error);
    all.map(|v| v.to_bits()).chain(found.round.iter().map(|r| u64::from(*r))).collect()
}

#[test]
fn any_number_of_threads_and_any_tiles_give_the_same_bits() {
    let (scan, _) = scan_of(turning, 1000.0);
    let roi = Roi::rectangle(&[SIDE, SIDE], &[2..7, 1..9]).unwrap();
    let run = |threads: usize, tile_bytes: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let pass_params = PassParams { tile_bytes, min_partitions: 3 * threads, ..Default::default() };
        let params = RefineParams { max_index: 3, neighbor_rounds: 3, ..Default::default() };
        let selection = scan.select(Some(&roi)).unwrap();
        let shift = ZeroShift::Common([0.0; 2]);
        let refine = || {
            refine_lattices::<f32>(&selection, &template(), &START, &params, shift, &pass_params, &NoProgress)
        };
        pool.install(refine).unwrap()
    };
    let reference = run(1, 1 << 20);
    assert!(reference.round.iter().any(|r| *r > 0));
    for (threads, tile_bytes) in [(2, 1), (5, 300_000)] {
        assert_eq!(bits(&run(threads, tile_bytes)), bits(&reference));
    }
}

/// A wandering pattern whose wandering is told has no use for neighbours, and what it says of them is without it.
#[test]
fn zero_shifts_are_taken_off_before_neighbours_are_asked() {
    let (scan, truth) = scan_of(wandering, 2000.0);
    let shifts = Array2::from_shape_fn((SIDE * SIDE, 2), |(k, axis)| {
        // Every other frame is told nothing.
        if k % 2 == 0 { truth[[k / SIDE, k % SIDE, axis]] - 64.0 } else { 0.0 }
    });
    let start = Lattice { zero: [64.0; 2], ..wandering(0.0, 0.0) };
    let params = RefineParams { max_index: 3, neighbor_rounds: 100, ..Default::default() };
    let shift = ZeroShift::PerSample(shifts.clone());
    let found = refine_lattices::<f32>(
        &scan.select(None).unwrap(),
        &template(),
        &start,
        &params,
        shift,
        &PassParams::default(),
        &NoProgress,
    )
    .unwrap();
    for k in (0..SIDE * SIDE).step_by(2) {
        let error = [0, 1].map(|axis| found.zero[[k, axis]] - truth[[k / SIDE, k % SIDE, axis]]);
        assert!(error.iter().all(|e| e.abs() < 0.1), "{k}: {error:?}");
    }
}

#[test]
fn every_sample_may_have_a_start_of_its_own() {
    let (scan, truth) = scan_of(turning, 2000.0);
    let starts: Vec<Lattice> = truth
        .rows()
        .into_iter()
        .map(|t| Lattice { zero: [t[0], t[1] + 0.5], a: [t[2], t[3]], b: [t[4], t[5]] })
        .collect();
    let params = RefineParams { max_index: 3, ..Default::default() };
    let refiner =
        || LatticeRefiner::<f32>::new((128, 128), &template(), &START, &params, ZeroShift::None).unwrap();
    let (selection, passes) = (scan.select(None).unwrap(), PassParams::default());
    let own = refiner().with_starts(&starts).unwrap();
    let found = pass(&selection, &own, &passes, &NoProgress).unwrap();
    assert_eq!(right(&found, truth.view()).0, SIDE * SIDE);

    let few = refiner().with_starts(&starts[1..]).unwrap();
    let error = pass(&selection, &few, &passes, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("start lattices: expected shape [81], got [80]"), "{error}");
    for bad in [Lattice::INVALID, Lattice { a: [1e9, 0.0], ..START }] {
        let error = refiner().with_starts(&[START, bad]).unwrap_err().to_string();
        assert!(error.contains("start lattices must be finite") && error.contains("sample 1"), "{error}");
    }
    let part = Roi::rectangle(&[SIDE, SIDE], &[0..3, 0..3]).unwrap();
    let part = scan.select(Some(&part)).unwrap();
    assert!(refiner().from_neighbors(found, &part, &passes, &NoProgress).is_err());
}

/// Along a line, and among frames of which one stands alone.
#[test]
fn scans_of_any_shape_have_neighbours() {
    let (scan, truth) = scan_of(turning, 2000.0);
    let along = |used: &dyn Fn(usize, usize) -> bool| {
        let mask = Array2::from_shape_fn((SIDE, SIDE), |(y, x)| used(y, x));
        Roi::from_mask(mask.into_dyn().view())
    };
    for roi in [along(&|y, _| y == 4), along(&|y, x| y == x), along(&|y, x| y == 4 || (y, x) == (0, 8))] {
        let found = refined(&scan, START, Some(&roi), 100);
        for k in 0..roi.len() {
            let (y, x) = (roi.position(k) / SIDE, roi.position(k) % SIDE);
            let error = (0..2).map(|axis| (found.a[[k, axis]] - truth[[y, x, 2 + axis]]).abs());
            assert!(error.fold(0.0, f64::max) < 0.1 || (y, x) == (0, 8), "({y}, {x})");
        }
    }
    let frames = Array3::<u16>::zeros((4, 128, 128));
    let dark = Scan::new(Box::new(frames), &ScanParams::default()).unwrap();
    assert!(refined(&dark, START, None, 5).a.iter().all(|v| v.is_nan()));
}
