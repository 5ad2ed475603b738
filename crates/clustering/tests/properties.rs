//! What must hold for any scan.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ndarray::{Array2, Array3};
use nonius_clustering::{
    CenterOfMass, Detector, LabelledStatistics, LogSum, NanPolicy, PixelMaps, PixelStatistics,
    VirtualDetectors,
};
use nonius_core::{
    Consumer, DType, Error, FrameSource, Missing, NoProgress, PassParams, PixelsMut, Progress, Roi, Scan,
    ScanParams, pass, pass_with_partial_results,
};
use proptest::prelude::*;

/// Numbers of every size that make rounding differ when the order of a sum does.
fn frames(shape: (usize, usize, usize)) -> Array3<f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    Array3::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let unit = (state >> 11) as f64 / (1u64 << 53) as f64;
        1e4 * unit.powi(3) - 37.0
    })
}

/// A source that copies and never lends, and remembers which frames were asked for.
struct Counting<'a> {
    frames: &'a dyn FrameSource,
    asked: Mutex<Vec<usize>>,
}

impl<'a> Counting<'a> {
    fn new(frames: &'a dyn FrameSource) -> Self {
        Counting { frames, asked: Mutex::new(Vec::new()) }
    }
}

impl FrameSource for Counting<'_> {
    fn n_frames(&self) -> usize {
        self.frames.n_frames()
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.frames.frame_shape()
    }

    fn dtype(&self) -> DType {
        self.frames.dtype()
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> nonius_core::Result<()> {
        self.asked.lock().unwrap().extend(frames.clone());
        self.frames.read(frames, out)
    }
}

type Everything = (PixelMaps, Array2<f64>, (Array2<f64>, Array2<f64>));

fn everything(source: &dyn FrameSource, params: &PassParams) -> Everything {
    let scan = Scan::new(Box::new(source), &ScanParams::default()).unwrap();
    let detectors = [
        Detector::Disk { center: [3.0, 4.0], radius: 2.5 },
        Detector::Mask(Array2::from_shape_fn(source.frame_shape(), |(y, x)| (y * x) as f64 - 3.5)),
    ];
    let consumer =
        (PixelStatistics::default(), LogSum, (VirtualDetectors::new(&detectors), CenterOfMass::default()));
    pass(&scan.select(None).unwrap(), &consumer, params, &NoProgress).unwrap()
}

#[test]
fn the_bits_depend_on_the_data_alone() {
    let real = frames((331, 7, 9));
    let single = real.mapv(|v| v as f32);
    let words = real.mapv(|v| v as i32);
    let shorts = real.mapv(|v| (v * 6.0) as u16);
    let sources: [&dyn FrameSource; 4] = [&real, &single, &words, &shorts];
    for source in sources {
        let expected = everything(source, &PassParams::default());
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for tile_bytes in [1, 700, 5000, 1 << 20] {
                let params = PassParams { tile_bytes, ..Default::default() };
                assert_eq!(pool.install(|| everything(source, &params)), expected);
                let copied = Counting::new(source);
                assert_eq!(pool.install(|| everything(&copied, &params)), expected);
            }
        }
    }
}

#[test]
fn integers_of_16_bits_leave_no_trace_of_the_partitions_either() {
    let shorts = frames((97, 5, 6)).mapv(|v| v as i16);
    let maps = |min_partitions| everything(&shorts, &PassParams { min_partitions, ..Default::default() }).0;
    assert_eq!(maps(1), maps(64));
    assert_eq!(maps(1), maps(13));
}

#[test]
fn frames_outside_the_region_of_interest_are_not_read() {
    let data = frames((24, 4, 4));
    let regions: [&dyn Fn(usize) -> bool; 5] =
        [&|_| true, &|p| p == 7, &|p| p % 2 == 0, &|p| p == 23, &|p| (p * 7919) % 5 < 2];
    for used in regions {
        let source = Counting::new(&data);
        let params = ScanParams { shape: Some(vec![4, 6]), ..Default::default() };
        let scan = Scan::new(Box::new(&source), &params).unwrap();
        let positions = (0..24).filter(|&p| used(p));
        let roi = Roi::from_positions(&[4, 6], positions.map(|p| [p / 6, p % 6])).unwrap();
        let whole = VirtualDetectors::new(&[Detector::Whole]);
        let signals =
            pass(&scan.select(Some(&roi)).unwrap(), &whole, &Default::default(), &NoProgress).unwrap();
        let mut asked = source.asked.lock().unwrap().clone();
        asked.sort_unstable();
        assert_eq!(asked, (0..24).filter(|&p| used(p)).collect::<Vec<_>>());
        for (i, p) in asked.into_iter().enumerate() {
            let expected = data.index_axis(ndarray::Axis(0), p).sum();
            assert!((signals[(i, 0)] - expected).abs() < 1e-9 * expected.abs().max(1.0));
        }
    }
}

#[test]
fn missing_frames_are_skipped_or_filled_and_counted() {
    let data = Array3::from_shape_fn((6, 2, 2), |(k, _, _)| k as u8 + 1);
    let signals = |sync_offset, missing| {
        let params = ScanParams { shape: Some(vec![3, 3]), sync_offset, missing };
        let scan = Scan::new(Box::new(data.view()), &params).unwrap();
        let selection = scan.select(None).unwrap();
        let point = VirtualDetectors::new(&[Detector::Point { pixel: [1, 0] }]);
        let found = pass(&selection, &point, &Default::default(), &NoProgress).unwrap();
        let map = selection.roi().spread(found.column(0), f64::NAN).unwrap();
        (map.iter().copied().collect::<Vec<_>>(), scan.n_missing(), scan.n_surplus())
    };
    let (map, n_missing, _) = signals(0, Missing::Fill(9.0));
    assert_eq!((map, n_missing), (vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 9.0, 9.0], 3));
    let (map, n_missing, n_surplus) = signals(-2, Missing::Skip);
    assert_eq!(map[2..8], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert!([0, 1, 8].iter().all(|&p| map[p].is_nan()));
    assert_eq!((n_missing, n_surplus), (3, 0));
    let (map, n_missing, _) = signals(4, Missing::Fill(0.0));
    assert_eq!((&map[..3], n_missing), (&[5.0, 6.0, 0.0][..], 7));
    let small = ScanParams { shape: Some(vec![2, 2]), sync_offset: 1, missing: Missing::Error };
    assert_eq!(Scan::new(Box::new(data.view()), &small).unwrap().n_surplus(), 1);
}

#[test]
fn bad_scans_and_regions_are_refused() {
    let data = Array3::<u8>::zeros((6, 2, 2));
    let refused = |shape: &[usize], sync_offset, part: &str| {
        let params = ScanParams { shape: Some(shape.to_vec()), sync_offset, missing: Missing::Error };
        let error = Scan::new(Box::new(data.view()), &params).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(&[3, 3], 0, "9 positions of which 3 have none");
    refused(&[], 0, "scan shape");
    refused(&[1, 1, 1, 1], 0, "scan shape");
    refused(&[0, 3], 0, "scan shape");
    refused(&[usize::MAX, 3], 0, "scan shape");
    refused(&[2], 6, "sync offset");
    refused(&[2], isize::MIN, "sync offset");
    let params = ScanParams { shape: Some(vec![2, 3]), ..Default::default() };
    let scan = Scan::new(Box::new(data.view()), &params).unwrap();
    assert!(matches!(scan.select(Some(&Roi::all(&[3, 2]))), Err(Error::Shape { .. })));
    let nothing = Roi::from_positions(&[2, 3], Vec::<[usize; 2]>::new()).unwrap();
    assert!(matches!(scan.select(Some(&nothing)), Err(Error::Empty { .. })));
    assert!(Roi::from_positions(&[2, 3], [[2, 0]]).is_err());
    assert!(Roi::rectangle(&[2, 3], &[0..1, 2..4]).is_err());
    assert!(Roi::rectangle(&[2, 3], &[0..1, 0..1, 0..1]).is_err());
    assert_eq!(Roi::rectangle(&[2, 3], &[1..2, 0..2]).unwrap().len(), 2);
    let none = PassParams { tile_bytes: 0, ..Default::default() };
    let selection = scan.select(None).unwrap();
    assert!(pass(&selection, &LogSum, &none, &NoProgress).is_err());
    for detector in [
        Detector::Disk { center: [0.0, 0.0], radius: -1.0 },
        Detector::Disk { center: [f64::NAN, 0.0], radius: 1.0 },
        Detector::Disk { center: [50.0, 0.0], radius: 1.0 },
        Detector::Ring { center: [0.0, 0.0], inner: 2.0, outer: 1.0 },
        Detector::Ring { center: [0.0, 0.0], inner: -1.0, outer: 1.0 },
        Detector::Ring { center: [0.0, 0.0], inner: f64::NAN, outer: 1.0 },
        Detector::Point { pixel: [2, 0] },
        Detector::Mask(Array2::ones((3, 2))),
        Detector::Mask(Array2::zeros((2, 2))),
        Detector::Mask(Array2::from_elem((2, 2), f64::NAN)),
    ] {
        let signals = VirtualDetectors::new(std::slice::from_ref(&detector));
        assert!(pass(&selection, &signals, &Default::default(), &NoProgress).is_err(), "{detector:?}");
    }
}

#[test]
fn the_first_bad_frame_is_named_whatever_thread_meets_it() {
    let mut data = frames((200, 3, 3));
    for k in [31, 90, 190] {
        data[[k, 1, 2]] = f64::NAN;
    }
    let scan = Scan::new(Box::new(data.view()), &ScanParams::default()).unwrap();
    let strict = PixelStatistics { nan: NanPolicy::Error };
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let selection = scan.select(None).unwrap();
        let error = pool.install(|| pass(&selection, &strict, &Default::default(), &NoProgress)).unwrap_err();
        assert_eq!(error, Error::Frame { index: 31, reason: "pixel [1, 2] is NaN".into() });
    }
}

#[test]
fn nan_stays_at_its_pixel_or_is_skipped() {
    let mut data = frames((20, 3, 3));
    data[[4, 1, 1]] = f64::NAN;
    let scan = Scan::new(Box::new(data.view()), &ScanParams::default()).unwrap();
    let selection = scan.select(None).unwrap();
    let consumer = (PixelStatistics::default(), PixelStatistics { nan: NanPolicy::Skip }, LogSum);
    let (plain, skipping, logsum) = pass(&selection, &consumer, &Default::default(), &NoProgress).unwrap();
    let variance = plain.standard_deviation();
    for map in [&plain.sum, &plain.mean, &variance, &plain.min, &plain.max, &logsum] {
        assert!(map.indexed_iter().all(|(at, v)| v.is_nan() == (at == (1, 1))));
    }
    let column: Vec<f64> = (0..20).map(|k| data[[k, 1, 1]]).filter(|v| !v.is_nan()).collect();
    let mean = column.iter().sum::<f64>() / 19.0;
    let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 19.0;
    assert_eq!(skipping.counts.as_ref().unwrap()[(1, 1)], 19);
    assert!((skipping.mean[(1, 1)] - mean).abs() < 1e-9);
    assert!((skipping.variance[(1, 1)] - variance).abs() < 1e-9 * variance);
    assert_eq!(skipping.max[(1, 1)], column.iter().copied().fold(f64::MIN, f64::max));
}

#[test]
fn groups_are_what_regions_of_interest_give() {
    let data = frames((40, 4, 5)).mapv(|v| v as f32);
    let scan = Scan::new(Box::new(data.view()), &ScanParams::default()).unwrap();
    let label = |p: usize| [Some(2), None, Some(0), Some(2), Some(3)][(p * p) % 5];
    let labels = ndarray::ArrayD::from_shape_fn(ndarray::IxDyn(&[40]), |p| label(p[0]));
    let consumer = LabelledStatistics::new(labels.view(), NanPolicy::Propagate).unwrap();
    let params = PassParams { min_partitions: 1, ..Default::default() };
    let groups = pass(&scan.select(None).unwrap(), &consumer, &params, &NoProgress).unwrap();
    assert_eq!(groups.iter().map(|g| g.n_frames).sum::<u64>(), (0..40).filter_map(label).count() as u64);
    for (k, group) in groups.iter().enumerate() {
        let members = (0..40).filter(|&p| label(p) == Some(k)).map(|p| [p]);
        let roi = Roi::from_positions(&[40], members).unwrap();
        if roi.is_empty() {
            assert_eq!(group.n_frames, 0);
            assert!(group.mean.iter().all(|v| v.is_nan()));
            continue;
        }
        let alone =
            pass(&scan.select(Some(&roi)).unwrap(), &PixelStatistics::default(), &params, &NoProgress);
        assert_eq!(*group, alone.unwrap());
    }
    let nobody = ndarray::ArrayD::from_elem(ndarray::IxDyn(&[40]), None);
    assert!(LabelledStatistics::new(nobody.view(), NanPolicy::Propagate).is_err());
    let far = ndarray::ArrayD::from_elem(ndarray::IxDyn(&[40]), Some(usize::MAX));
    assert!(LabelledStatistics::new(far.view(), NanPolicy::Propagate).is_err());
}

/// Counts, and asks to stop after some frames.
struct Watcher {
    total: AtomicUsize,
    limit: usize,
    stopped: AtomicBool,
}

impl Progress for Watcher {
    fn advance(&self, n: u64) {
        let total = self.total.fetch_add(n as usize, Ordering::SeqCst) + n as usize;
        if total >= self.limit {
            self.stopped.store(true, Ordering::SeqCst);
        }
    }

    fn cancelled(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// A slow consumer.
struct Slow;

impl Consumer for Slow {
    type Partial = usize;
    type Output = usize;

    fn start(&self, _: &nonius_core::Scope) -> nonius_core::Result<usize> {
        Ok(0)
    }

    fn process(&self, tile: &nonius_core::Tile<'_>, n: &mut usize) -> nonius_core::Result<()> {
        std::thread::sleep(Duration::from_millis(2));
        *n += tile.n_frames();
        Ok(())
    }

    fn merge(&self, earlier: usize, later: usize) -> usize {
        earlier + later
    }

    fn finish(&self, whole: usize) -> usize {
        whole
    }
}

#[test]
fn a_pass_can_be_watched_and_stopped() {
    let data = Array3::<u8>::zeros((400, 8, 8));
    let scan = Scan::new(Box::new(data.view()), &ScanParams::default()).unwrap();
    let selection = scan.select(None).unwrap();
    let params = PassParams { tile_bytes: 64, ..Default::default() };
    let watcher = |limit| Watcher { total: AtomicUsize::new(0), limit, stopped: AtomicBool::new(false) };
    let patient = watcher(usize::MAX);
    let seen = Mutex::new(Vec::new());
    let watch = |n_known: usize, n_done: usize| {
        assert!(n_known <= 400 && n_done <= 400);
        seen.lock().unwrap().push(n_known);
    };
    let every = Duration::from_millis(20);
    let whole = pass_with_partial_results(&selection, &Slow, &params, &patient, every, &watch).unwrap();
    assert_eq!((whole, patient.total.load(Ordering::SeqCst)), (400, 400));
    let seen = seen.into_inner().unwrap();
    assert!(!seen.is_empty() && seen.is_sorted(), "{seen:?}");
    assert_eq!(pass(&selection, &Slow, &params, &watcher(40)), Err(Error::Cancelled));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merged_sums_are_those_of_two_passes(
        n in 1usize..60, h in 1usize..6, w in 1usize..40, offset in -1e6f64..1e6, partitions in 1usize..9
    ) {
        let data = frames((n, h, w)).mapv(|v| v * 1e-3 + offset);
        let scan = Scan::new(Box::new(data.view()), &ScanParams::default()).unwrap();
        let params = PassParams { min_partitions: partitions, ..Default::default() };
        let maps =
            pass(&scan.select(None).unwrap(), &PixelStatistics::default(), &params, &NoProgress).unwrap();
        let mean = data.mean_axis(ndarray::Axis(0)).unwrap();
        let variance = data.var_axis(ndarray::Axis(0), 0.0);
        for at in ndarray::indices((h, w)) {
            prop_assert!((maps.mean[at] - mean[at]).abs() <= 1e-12 * mean[at].abs().max(1.0));
            prop_assert!((maps.variance[at] - variance[at]).abs() <= 1e-9 * variance[at] + 1e-18 * offset * offset);
            prop_assert!(maps.min[at] <= maps.mean[at] + 1e-9 && maps.mean[at] <= maps.max[at] + 1e-9);
        }
    }
}
