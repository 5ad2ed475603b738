//! Dark image, gain and dead pixels.

use std::ops::Range;

use ndarray::{Array2, Array3, s};
use nonius_core::{
    Consumer, Corrected, CorrectionParams, DType, Error, FrameSource, NoProgress, PassParams, Pixels,
    PixelsMut, ReadFrames, Result, Scan, ScanParams, Scope, Tile, pass,
};
use proptest::prelude::*;

fn corrected<'a>(frames: impl FrameSource + 'a, params: &CorrectionParams) -> Corrected<'a> {
    Corrected::new(Box::new(frames), params).unwrap()
}

fn dead(shape: (usize, usize), at: &[(usize, usize)]) -> CorrectionParams {
    let mut map = Array2::from_elem(shape, false);
    at.iter().for_each(|&at| map[at] = true);
    CorrectionParams { dead: Some(map), ..Default::default() }
}

/// The true frames, as a detector of known faults records them.
#[test]
fn known_a_faulty_detector_is_undone() {
    let truth = Array3::from_shape_fn((3, 6, 7), |(k, y, x)| (10 * k + 4 * y + 8 * x) as f64);
    let dark = Array2::from_shape_fn((6, 7), |(y, x)| 100.0 + (y * x) as f64);
    // Powers of two: nothing is rounded.
    let gain = Array2::from_shape_fn((6, 7), |(y, x)| [0.5, 1.0, 2.0][(y + x) % 3]);
    let mut recorded = &truth / &gain + &dark;
    let params = CorrectionParams { dark: Some(dark), gain: Some(gain), ..dead((6, 7), &[(2, 3), (0, 0)]) };
    recorded.slice_mut(s![.., 2, 3]).fill(65535.0);
    recorded.slice_mut(s![.., 0, 0]).fill(0.0);
    let recorded = recorded.mapv(|v| v as u16);
    let found = corrected(recorded, &params);
    assert_eq!((found.dtype(), found.n_dead()), (DType::F32, 2));
    for k in 0..3 {
        let mut expected = truth.slice(s![k, .., ..]).to_owned();
        // The mean of a plane around a point is its value there; in the corner three neighbours are left.
        expected[(0, 0)] = 10.0 * k as f64 + (4.0 + 8.0 + 12.0) / 3.0;
        assert_eq!(found.frame::<f64>(k).unwrap(), expected, "frame {k}");
    }
}

#[test]
fn known_neighbours_grow_until_one_lives() {
    // Columns 0 to 3 are dead: column 4 is 1 to 4 pixels away, and rows within that distance count.
    let at: Vec<(usize, usize)> = (0..5).flat_map(|y| (0..4).map(move |x| (y, x))).collect();
    let frame =
        Array3::from_shape_fn((1, 5, 6), |(_, y, x)| if x < 4 { f32::NAN } else { (10 * x + y * y) as f32 });
    let found = corrected(frame, &dead((5, 6), &at)).frame::<f32>(0).unwrap();
    let mean = |rows: Range<usize>| {
        let n = rows.len() as f64;
        40.0 + rows.map(|y| (y * y) as f64).sum::<f64>() / n
    };
    for ((y, x), &v) in found.slice(s![.., ..4]).indexed_iter() {
        let r = 4 - x;
        assert_eq!(v, mean(y.saturating_sub(r)..(y + r + 1).min(5)) as f32, "({y}, {x})");
    }
    assert_eq!(found[(4, 5)], 66.0);
}

#[test]
fn known_one_live_pixel_is_everywhere() {
    let at: Vec<(usize, usize)> =
        (0..9).flat_map(|y| (0..4).map(move |x| (y, x))).filter(|&at| at != (8, 1)).collect();
    let frame = Array3::from_shape_fn((1, 9, 4), |(_, y, x)| (10 * y + x) as i16);
    let found = corrected(frame, &dead((9, 4), &at)).frame::<f32>(0).unwrap();
    assert!(found.iter().all(|&v| v == 81.0));
}

#[test]
fn known_large_counts_are_subtracted_before_they_are_rounded() {
    let frame = Array3::from_elem((1, 2, 2), 0xffff_ffffu32);
    let dark = Some(Array2::from_elem((2, 2), f64::from(0xffff_fff0u32)));
    let params = CorrectionParams { dark, ..Default::default() };
    assert_eq!(corrected(frame, &params).frame::<f64>(0).unwrap(), Array2::from_elem((2, 2), 15.0));
}

/// Frames that are copied, not lent, in the type of the machine that recorded them.
struct Copied(Array3<u16>);

impl FrameSource for Copied {
    fn n_frames(&self) -> usize {
        self.0.n_frames()
    }
    fn frame_shape(&self) -> (usize, usize) {
        self.0.frame_shape()
    }
    fn dtype(&self) -> DType {
        DType::U16
    }
    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        self.0.read(frames, out)
    }
    fn frames_per_chunk(&self) -> usize {
        4
    }
}

/// All pixels as they come.
struct Collect;

impl Consumer for Collect {
    type Partial = Vec<u32>;
    type Output = Vec<u32>;
    fn start(&self, scope: &Scope) -> Result<Vec<u32>> {
        assert_eq!(scope.dtype, DType::F32);
        Ok(Vec::new())
    }
    fn process(&self, tile: &Tile<'_>, bits: &mut Vec<u32>) -> Result<()> {
        let Pixels::F32(pixels) = tile.pixels() else { panic!("f32 are delivered") };
        bits.extend(pixels.iter().map(|v| v.to_bits()));
        Ok(())
    }
    fn merge(&self, mut earlier: Vec<u32>, later: Vec<u32>) -> Vec<u32> {
        earlier.extend(later);
        earlier
    }
    fn finish(&self, bits: Vec<u32>) -> Vec<u32> {
        bits
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Each pixel by the formula, the repair by looking around; the same bits however frames are read.
    #[test]
    fn properties_of_any_detector(
        (h, w, seed) in (1usize..9, 1usize..9, any::<u64>()),
        share in 0.0f64..0.95,
    ) {
        let mut state = seed | 1;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let n = 13;
        let frames = Array3::from_shape_simple_fn((n, h, w), || (65536.0 * random()) as u16);
        let mut map = Array2::from_shape_simple_fn((h, w), || random() < share);
        map[(h - 1, 0)] = false;
        let params = CorrectionParams {
            dark: Some(Array2::from_shape_simple_fn((h, w), || 200.0 * random())),
            gain: Some(Array2::from_shape_simple_fn((h, w), || 0.5 + random())),
            dead: Some(map.clone()),
        };
        let (dark, gain) = (params.dark.as_ref().unwrap(), params.gain.as_ref().unwrap());
        let mut expected = Vec::new();
        for frame in frames.outer_iter() {
            let plain = Array2::from_shape_fn((h, w), |at| ((f64::from(frame[at]) - dark[at]) * gain[at]) as f32);
            for ((y, x), &value) in plain.indexed_iter() {
                let mut repaired = value;
                for r in (1..h.max(w)).take_while(|_| map[(y, x)]) {
                    let rows = y.saturating_sub(r)..(y + r + 1).min(h);
                    let columns = x.saturating_sub(r)..(x + r + 1).min(w);
                    let around = rows.flat_map(|y| columns.clone().map(move |x| (y, x)));
                    let live: Vec<f64> = around.filter(|&at| !map[at]).map(|at| f64::from(plain[at])).collect();
                    if !live.is_empty() {
                        repaired = (live.iter().sum::<f64>() / live.len() as f64) as f32;
                        break;
                    }
                }
                expected.push(repaired.to_bits());
            }
        }
        let sources: [Box<dyn FrameSource>; 2] = [Box::new(frames.clone()), Box::new(Copied(frames.clone()))];
        for source in sources {
            let scan = Scan::new(source, &ScanParams::default()).unwrap().corrected(&params).unwrap();
            for (threads, tile_bytes, min_partitions) in [(1, 1, 1), (2, 1 << 20, 1), (7, 300, 5)] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let cut = PassParams { tile_bytes, min_partitions, ..Default::default() };
                let selection = scan.select(None).unwrap();
                let found = pool.install(|| pass(&selection, &Collect, &cut, &NoProgress)).unwrap();
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}

#[test]
fn properties_nothing_to_correct_changes_nothing() {
    let frames = Array3::from_shape_fn((4, 3, 5), |(k, y, x)| (100 * k + 10 * y + x) as u16);
    let params = CorrectionParams::default();
    assert!(params.is_nothing());
    let twice = corrected(corrected(Copied(frames.clone()), &params), &params);
    assert_eq!(twice.frames_per_chunk(), 4);
    for k in 0..4 {
        assert_eq!(twice.frame::<f32>(k).unwrap(), frames.slice(s![k, .., ..]).mapv(f32::from));
    }
    // A scan stays what it was, and in its own type.
    let scan = Scan::new(Box::new(frames), &ScanParams::default()).unwrap();
    assert_eq!(scan.corrected(&params).unwrap().dtype(), DType::U16);
}

#[test]
fn properties_the_order_of_two_corrections_is_that_of_the_formula() {
    let frames = Array3::from_shape_fn((2, 3, 5), |(k, y, x)| (100 * k + 10 * y + x) as u16);
    let dark = CorrectionParams { dark: Some(Array2::from_elem((3, 5), 7.0)), ..Default::default() };
    let gain = CorrectionParams { gain: Some(Array2::from_elem((3, 5), 3.0)), ..Default::default() };
    let both = CorrectionParams { gain: gain.gain.clone(), ..dark.clone() };
    let one_after_the_other = corrected(corrected(frames.view(), &dark), &gain);
    assert_eq!(
        one_after_the_other.frame::<f32>(1).unwrap(),
        corrected(frames.view(), &both).frame::<f32>(1).unwrap()
    );
}

#[test]
fn bad_input_is_named() {
    let frames = || Box::new(Array3::<u16>::zeros((2, 3, 4)));
    let refused = |params: CorrectionParams| Corrected::new(frames(), &params).unwrap_err();
    let image = |shape, value: f64| Some(Array2::from_elem(shape, value));
    let shape = |what| Error::Shape { what, expected: vec![3, 4], got: vec![4, 3] };
    let (dark, gain) = (image((4, 3), 0.0), image((4, 3), 1.0));
    assert_eq!(refused(CorrectionParams { dark, ..Default::default() }), shape("dark"));
    assert_eq!(refused(CorrectionParams { gain, ..Default::default() }), shape("gain"));
    assert_eq!(refused(dead((4, 3), &[])), shape("dead pixels"));
    let empty = CorrectionParams { dark: image((0, 0), 0.0), ..Default::default() };
    assert!(matches!(refused(empty), Error::Shape { what: "dark", .. }));
    let all = CorrectionParams { dead: Some(Array2::from_elem((3, 4), true)), ..Default::default() };
    assert_eq!(refused(all).to_string(), "dead pixels must be not all of the pixels, got 12");
    for bad in [f64::NAN, f64::INFINITY] {
        let mut image = Array2::from_elem((3, 4), 1.0);
        image[(1, 2)] = bad;
        let not_finite = |what| Error::NotFinite { what, index: vec![1, 2] };
        let dark = CorrectionParams { dark: Some(image.clone()), ..Default::default() };
        assert_eq!(refused(dark), not_finite("dark"));
        let gain = CorrectionParams { gain: Some(image.clone()), ..Default::default() };
        assert_eq!(refused(gain.clone()), not_finite("gain"));
        // At a dead pixel it tells nothing.
        let at_dead = CorrectionParams { dead: dead((3, 4), &[(1, 2)]).dead, ..gain };
        assert!(corrected(*frames(), &at_dead).frame::<f32>(0).unwrap().iter().all(|&v| v == 0.0));
    }
}

#[test]
fn bad_input_of_a_read() {
    let source = corrected(Array3::<u16>::zeros((2, 3, 4)), &CorrectionParams::default());
    let mut room = vec![0.0f32; 12];
    assert!(matches!(source.read(2..3, PixelsMut::F32(&mut room)), Err(Error::Frame { index: 2, .. })));
    assert!(source.read(0..2, PixelsMut::F32(&mut room)).is_err());
    assert!(source.read(0..1, PixelsMut::U16(&mut [0; 12])).is_err());
    assert!(source.lend(0..1).is_none());
    fn shared<T: Send + Sync>() {}
    shared::<Corrected<'static>>();
}
