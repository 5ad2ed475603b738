//! From a scan to grains and strain, against scans that were made.

use ndarray::{Array3, ArrayD};
use nonius::blobfinder::Lattice;
use nonius::clustering::adjusted_rand_index;
use nonius::core::{Missing, ScanParams};
use nonius::synthetic::{PolycrystalParams, PolycrystalScan, PolycrystalTruth};
use nonius::workflow::strain::{
    StrainResult, StrainWorkflowParams, find_crystals, map_strain, measure_superlattice, run,
};
use nonius::{Error, NoProgress, Roi, Scan};

/// A corner of a scan of the default kind.
fn made(settings: PolycrystalParams) -> (Scan<'static>, PolycrystalTruth) {
    let made = PolycrystalScan::new(&settings).unwrap();
    let truth = made.truth().clone();
    let params =
        ScanParams { shape: Some(settings.scan.to_vec()), missing: Missing::Skip, ..Default::default() };
    (Scan::new(Box::new(made), &params).unwrap(), truth)
}

fn small() -> PolycrystalParams {
    PolycrystalParams { scan: [24, 32], grains: 4, seed: 5, ..Default::default() }
}

fn params() -> StrainWorkflowParams {
    let mut params = StrainWorkflowParams::default();
    params.regions.clusters = 10;
    params.reference.cells =
        PolycrystalParams::default().phases.iter().map(|phase| [phase.a, phase.b]).collect();
    params
}

fn found(scan: &Scan<'_>, params: &StrainWorkflowParams) -> StrainResult {
    run(&scan.select(None).unwrap(), params, &NoProgress).unwrap()
}

fn labels(truth: &PolycrystalTruth) -> Vec<Option<usize>> {
    truth.labels.iter().copied().collect()
}

/// Cells and strain of frames that show one grain alone.
fn check_frames(truth: &PolycrystalTruth, found: &StrainResult) {
    let (mut n, mut squares, mut within) = (0, [0.0; 4], [0; 4]);
    for ((y, x), &distance) in truth.boundary_distance.indexed_iter() {
        if distance < 1.5 {
            continue;
        }
        let vector = |of: &ArrayD<f64>| [0, 1].map(|axis| of[[y, x, axis]]);
        let pair = |of: &Array3<f64>| [0, 1].map(|axis| of[[y, x, axis]]);
        let lattice = Lattice { zero: [0.0; 2], a: vector(&found.frames.a), b: vector(&found.frames.b) };
        let expected = Lattice { zero: [0.0; 2], a: pair(&truth.a), b: pair(&truth.b) };
        assert!(lattice.is_equivalent(&expected, 0.5), "{y} {x}: {lattice:?} {expected:?}");
        let strain = &found.strain;
        let turned = strain.rotation[[y, x]] - truth.rotation[[y, x]];
        let errors = [
            strain.xx[[y, x]] - truth.strain_xx[[y, x]],
            strain.yy[[y, x]] - truth.strain_yy[[y, x]],
            strain.xy[[y, x]] - truth.strain_xy[[y, x]],
            turned - std::f64::consts::PI * (turned / std::f64::consts::PI).round(),
        ];
        n += 1;
        for (k, e) in errors.into_iter().enumerate() {
            squares[k] += e * e;
            within[k] += usize::from(e.abs() < strain.errors[[y, x, k]]);
        }
    }
    for k in 0..4 {
        let (rms, part) = ((squares[k] / f64::from(n)).sqrt(), within[k] as f64 / f64::from(n));
        // Asked are 1e-3; this kind of scan allows 4e-4.
        assert!(rms < 6e-4, "component {k}: {rms}");
        assert!((0.6..0.85).contains(&part), "component {k}: {part} within 1σ");
    }
}

#[test]
fn grains_cells_and_strain_are_those_that_were_put_there() {
    let (scan, truth) = made(small());
    let found = found(&scan, &params());
    assert_eq!(found.grains.n_clusters(), 4);
    let index = adjusted_rand_index(&labels(&truth), found.grains.labels()).unwrap();
    assert!(index > 0.97, "{index}");
    check_frames(&truth, &found);
    // Boundaries that are shared out are nearer to the truth than those of the regions.
    let before = found.crystals.grains(&found.regions.labels).unwrap();
    assert!(index > adjusted_rand_index(&labels(&truth), before.labels()).unwrap());
}

#[test]
fn strain_without_given_cells_is_against_the_median() {
    let (scan, _) = made(small());
    let mut params = params();
    params.reference.cells.clear();
    let found = found(&scan, &params);
    assert_eq!(found.crystals.phases.len(), 2);
    for phase in &found.crystals.phases {
        let of_phase = |map: &ArrayD<f64>| {
            let rois = phase.regions.iter().map(|&label| found.labels.cluster(label));
            let mut values: Vec<f64> = rois.flat_map(|roi| roi.gather(map.view()).unwrap()).collect();
            values.sort_unstable_by(f64::total_cmp);
            values[values.len() / 2]
        };
        for map in [&found.strain.xx, &found.strain.yy, &found.strain.xy] {
            // Changing the reference by its own median strain leaves what is of second order.
            assert!(of_phase(map).abs() < 2e-4, "{}", of_phase(map));
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (scan, _) = made(PolycrystalParams { scan: [10, 12], grains: 3, ..Default::default() });
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| found(&scan, &params()));
        let maps = [&found.frames.a, &found.strain.xx, &found.strain.errors];
        let bits: Vec<u64> = maps.iter().flat_map(|map| map.iter().map(|v| v.to_bits())).collect();
        (found.labels, bits)
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(7));
}

#[test]
fn the_core_alone_has_a_superlattice() {
    let core = Some(nonius::synthetic::CoreParams { radius: 4.0, ..Default::default() });
    let (scan, truth) = made(PolycrystalParams { core, grains: 2, ..small() });
    let params = params();
    let found = found(&scan, &params);
    let selection = scan.select(None).unwrap();
    let offsets = [PolycrystalParams::default().core.unwrap().offset];
    let maps =
        measure_superlattice(&selection, &found.frames, &offsets, &params.frames, &params.pass, &NoProgress)
            .unwrap();
    // Mean over the frames that show one grain alone, and its standard error.
    let of = |inside: bool| {
        let frames = truth.superlattice.indexed_iter();
        let chosen = frames.filter(|(p, s)| **s == inside && truth.boundary_distance[*p] > 1.5);
        let values: Vec<f64> = chosen.map(|((y, x), _)| maps.signal[[y, x]]).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>()).sqrt() / n)
    };
    let ((core, core_error), (elsewhere, error)) = (of(true), of(false));
    assert!(core > 10.0 * core_error, "{core} ± {core_error}");
    assert!(elsewhere.abs() < 3.5 * error && core > 10.0 * elsewhere, "{elsewhere} ± {error}, {core}");
}

#[test]
fn one_grain_is_one_grain() {
    let (scan, truth) =
        made(PolycrystalParams { scan: [12, 14], grains: 1, core: None, ..Default::default() });
    let found = found(&scan, &params());
    assert_eq!((found.grains.n_clusters(), found.grains.n_noise()), (1, 0));
    check_frames(&truth, &found);
}

#[test]
fn what_is_amorphous_has_no_lattice() {
    let (scan, _) = made(PolycrystalParams { scan: [8, 9], grains: 0, core: None, ..Default::default() });
    let found = found(&scan, &params());
    assert_eq!((found.frames.n_matched_frames(), found.grains.n_clusters()), (0, 0));
    assert!(found.strain.xx.iter().all(|v| v.is_nan()));
    assert_eq!(found.strain.xx.shape(), [8, 9]);
}

#[test]
fn frames_that_are_missing_are_outside() {
    let settings = PolycrystalParams { scan: [10, 12], grains: 2, missing: 7, ..Default::default() };
    let (scan, _) = made(settings);
    let found = found(&scan, &params());
    assert_eq!(found.labels.labels().len(), 113);
    assert!(found.frames.a.iter().skip(226).all(|v| v.is_nan()));
    assert!(found.frames.n_matched_frames() >= 112);
}

#[test]
fn nan_in_a_frame_leaves_that_frame_out() {
    let (scan, _) = made(PolycrystalParams { scan: [8, 10], grains: 2, core: None, ..Default::default() });
    let mut frames = Array3::<f32>::zeros((80, 144, 144));
    for (k, mut frame) in frames.outer_iter_mut().enumerate() {
        let (mut buffer, selection) = (Default::default(), scan.select(None).unwrap());
        let pixels = selection.read(k..k + 1, &mut buffer).unwrap();
        pixels.convert(frame.as_slice_mut().unwrap());
    }
    frames.index_axis_mut(ndarray::Axis(0), 33).fill(f32::NAN);
    // A dead row, and a column that never changes.
    frames.slice_mut(ndarray::s![.., 20, ..]).fill(0.0);
    frames.slice_mut(ndarray::s![.., .., 120]).fill(9.0);
    let params_of_scan = ScanParams { shape: Some(vec![8, 10]), ..Default::default() };
    let scan = Scan::new(Box::new(frames), &params_of_scan).unwrap();
    let found = found(&scan, &params());
    assert_eq!(found.regions.bad_frames, [33]);
    assert_eq!(found.labels.labels()[33], None);
    assert!(found.frames.a[[3, 3, 0]].is_nan());
    assert_eq!(found.frames.n_matched_frames(), 79);
}

#[test]
fn constant_scans_and_wrong_parameters_are_named() {
    let scan = Scan::new(Box::new(Array3::<u8>::from_elem((6, 20, 20), 7)), &ScanParams::default()).unwrap();
    let selection = scan.select(None).unwrap();
    assert!(matches!(run(&selection, &params(), &NoProgress), Err(Error::Empty { .. })));
    let wrong: [fn(&mut StrainWorkflowParams); 5] = [
        |p| p.regions.clusters = 0,
        |p| p.regions.coordinate_weight = f64::NAN,
        |p| p.lattices.direct_beam = Some([f64::INFINITY, 0.0]),
        |p| p.reference.cells = vec![[[1.0, 2.0], [2.0, 4.0]]],
        |p| p.reference.grain_tolerance = -1.0,
    ];
    for change in wrong {
        let mut params = params();
        change(&mut params);
        assert!(matches!(run(&selection, &params, &NoProgress), Err(Error::Parameter { .. })));
    }
}

#[test]
fn parts_of_a_scan_can_be_used() {
    let (scan, _) = made(small());
    let roi = Roi::rectangle(&[24, 32], &[4..20, 3..30]).unwrap();
    let selection = scan.select(Some(&roi)).unwrap();
    let params = params();
    let found = run(&selection, &params, &NoProgress).unwrap();
    assert_eq!(found.labels.labels().len(), 16 * 27);
    assert!(found.strain.xx[[0, 0]].is_nan() && found.strain.xx[[10, 10]].is_finite());
    // A cell that none has: no phase, no strain, no grain.
    let mut other = params.reference.clone();
    other.cells = vec![[[0.0, 9.0], [7.0, 0.5]]];
    let crystals = find_crystals(&found.labels, &found.lattices, &other).unwrap();
    let strain = map_strain(&[24, 32], &crystals, &found.frames, &other).unwrap();
    assert!(strain.xx.iter().all(|v| v.is_nan()) && crystals.n_grains == 0);
}
