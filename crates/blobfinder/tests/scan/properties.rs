//! What must hold whatever the scan shows.

use ndarray::Array2;
use nonius_blobfinder::{
    BlobfinderParams, CorrelationPlan, DiskFinder, Lattice, PeakStatus, RefineParams, RefinedLattices,
    Template, TemplateKind, TemplateParams, ZeroShift, find_disks, refine_lattices,
};
use nonius_core::{Error, NoProgress, PassParams, Scan, ScanParams, pass};
use nonius_synthetic::{DiffractionParams, DiffractionScan, DiffractionScanParams};

fn scan() -> Scan<'static> {
    let made = DiffractionScan::new(&DiffractionScanParams {
        scan: [5, 7],
        frame: DiffractionParams { electrons: 2000.0, ..Default::default() },
        ..Default::default()
    })
    .unwrap();
    Scan::new(Box::new(made), &ScanParams { shape: Some(vec![5, 7]), ..Default::default() }).unwrap()
}

fn template() -> Template {
    Template::new(&TemplateParams::new(TemplateKind::Circular, 5.0)).unwrap()
}

const START: Lattice = Lattice { zero: [64.0; 2], a: [20.0, 0.0], b: [0.0, 20.0] };

fn refined(scan: &Scan<'_>, pass_params: &PassParams, shift: ZeroShift) -> Result<RefinedLattices, Error> {
    let selection = scan.select(None)?;
    refine_lattices::<f32>(
        &selection,
        &template(),
        &START,
        &RefineParams::default(),
        shift,
        pass_params,
        &NoProgress,
    )
}

/// NaN equals NaN of the same bits.
fn bits(found: &RefinedLattices) -> Vec<u64> {
    let all = found.zero.iter().chain(&found.a).chain(&found.b).chain(&found.covariance).chain(&found.error);
    let disks = found.disks.refineds.iter().chain(&found.disks.covariances).map(|v| u64::from(v.to_bits()));
    all.map(|v| v.to_bits()).chain(disks).collect()
}

#[test]
fn any_number_of_threads_and_any_tiles_give_the_same_bits() {
    let scan = scan();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let reference = one.install(|| refined(&scan, &PassParams::default(), ZeroShift::None)).unwrap();
    for threads in [2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for tile_bytes in [1, 200_000, 10_000_000] {
            let params = PassParams { tile_bytes, min_partitions: threads + 1, ..Default::default() };
            let found = pool.install(|| refined(&scan, &params, ZeroShift::None)).unwrap();
            assert_eq!(bits(&found), bits(&reference), "{threads} threads, tiles of {tile_bytes}");
        }
    }
}

#[test]
fn whole_shifts_of_the_search_change_nothing() {
    let scan = scan();
    let reference = refined(&scan, &PassParams::default(), ZeroShift::None).unwrap();
    let found = refined(&scan, &PassParams::default(), ZeroShift::Common([0.0, 0.0])).unwrap();
    assert_eq!(bits(&found), bits(&reference));
    let shifts = Array2::from_elem((35, 2), 1.0);
    let found = refined(&scan, &PassParams::default(), ZeroShift::PerSample(shifts)).unwrap();
    for (f, r) in found.a.iter().zip(&reference.a) {
        assert!((f - r).abs() < 5e-3, "{f} {r}");
    }
}

#[test]
fn wrong_shifts_and_lattices_are_named() {
    let scan = scan();
    let error = |shift| refined(&scan, &PassParams::default(), shift).unwrap_err().to_string();
    assert!(
        error(ZeroShift::PerSample(Array2::zeros((34, 2)))).contains("zero shifts: expected shape [35, 2]")
    );
    assert!(error(ZeroShift::Common([f64::NAN, 0.0])).contains("zero shift must be finite"));
    assert!(error(ZeroShift::PerSample(Array2::from_elem((35, 2), f64::NAN))).contains("not finite"));
    let selection = scan.select(None).unwrap();
    let away = Lattice { zero: [5000.0; 2], ..START };
    let params = RefineParams { max_index: 2, ..Default::default() };
    let found = refine_lattices::<f32>(
        &selection,
        &template(),
        &away,
        &params,
        ZeroShift::None,
        &PassParams::default(),
        &NoProgress,
    );
    assert!(found.unwrap_err().to_string().contains("a position in the frame"));
}

/// Frames without a disk have no lattice, and say so.
#[test]
fn empty_frames_have_no_lattice() {
    let frames = ndarray::Array3::<u16>::zeros((4, 128, 128));
    let scan = Scan::new(Box::new(frames), &ScanParams::default()).unwrap();
    let found = refined(&scan, &PassParams::default(), ZeroShift::None).unwrap();
    assert!(found.zero.iter().chain(&found.a).all(|v| v.is_nan()));
    assert!(found.error.iter().all(|e| e.is_infinite()));
    assert!(found.disks.status.iter().all(|s| *s == PeakStatus::NoSignal));
}

#[test]
fn a_finder_of_nothing_finds_nothing() {
    let scan = scan();
    let plan = CorrelationPlan::<f32>::new((128, 128), &[template()], &Default::default()).unwrap();
    let finder = DiskFinder::new(plan, &[], ZeroShift::None).unwrap();
    let disks = pass(&scan.select(None).unwrap(), &finder, &PassParams::default(), &NoProgress).unwrap();
    assert_eq!(disks.peak_values.ncols(), 0);
}

#[test]
fn disks_of_the_summed_frames_are_found_in_each() {
    let scan = scan();
    let params = BlobfinderParams::default();
    let selection = scan.select(None).unwrap();
    let found =
        find_disks::<f32>(&selection, &template(), &params, &PassParams::default(), &NoProgress).unwrap();
    assert_eq!(found.positions.len(), 20);
    assert_eq!(found.disks.refineds.dim(), (35, 20, 2));
    let n = found.disks.status.iter().filter(|s| **s == PeakStatus::Found).count();
    assert!(n > 650, "{n} of 700");
}
