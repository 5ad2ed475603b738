//! Answers by hand, and what is no question.

use ndarray::{Array2, Array3, array, s};
use nonius_clustering::{
    FeatureParams, FeaturePlan, Scales, Scaling, VirtualDetectors, scale, with_coordinates,
};
use nonius_core::masks::{CutMasks, TemplateKind, TemplateParams};
use nonius_core::{Consumer, Error, NoProgress, PassParams, Pixel, Result, Roi, Scan, ScanParams, pass};

fn scan<T: Pixel>(frames: &Array3<T>, shape: [usize; 2]) -> Scan<'_> {
    let params = ScanParams { shape: Some(shape.to_vec()), ..Default::default() };
    Scan::new(Box::new(frames.view()), &params).unwrap()
}

fn features(scan: &Scan<'_>, roi: Option<&Roi>, plan: &FeaturePlan) -> Array2<f64> {
    pass(&scan.select(roi).unwrap(), plan, &PassParams::default(), &NoProgress).unwrap()
}

/// Frames whose pixels all differ.
fn frames(n: usize, h: usize, w: usize) -> Array3<u16> {
    Array3::from_shape_fn((n, h, w), |(k, y, x)| ((k * 7919 + y * 271 + x * 31) % 4001) as u16)
}

#[track_caller]
fn fails_at<T: std::fmt::Debug>(result: Result<T>, field: &str, got_has: &str) {
    match result {
        Err(Error::Parameter { name, got, .. }) => {
            assert_eq!(name, field);
            assert!(got.contains(got_has), "{got:?} does not say {got_has:?}");
        }
        other => panic!("expected an error at {field}, got {other:?}"),
    }
}

#[test]
fn features_are_products_with_the_dense_masks() {
    let data = frames(12, 20, 23);
    let scan = scan(&data, [3, 4]);
    let positions = [[5, 5], [0, 22], [5, 5], [19, 1], [-1, 8], [40, 3]];
    for border in [CutMasks::Keep, CutMasks::Rebalance, CutMasks::Drop] {
        let plan =
            FeaturePlan::new((20, 23), &positions, &FeatureParams { border, ..Default::default() }).unwrap();
        let placed = plan.placed();
        assert_eq!(
            (&placed.cut[..], &placed.outside[..], &placed.repeated[..]),
            (&[1, 3, 4][..], &[5][..], &[2][..])
        );
        let n = match border {
            CutMasks::Keep => 6,
            CutMasks::Rebalance => 5,
            _ => 2,
        };
        assert_eq!((plan.n_features(), placed.dropped.len()), (n, 6 - n));
        let found = features(&scan, None, &plan);
        let dense = placed.stamps.dense().unwrap();
        for (i, frame) in data.outer_iter().enumerate() {
            for (k, mask) in dense.outer_iter().enumerate() {
                let product: f64 = mask.iter().zip(&frame).map(|(m, &v)| m * f64::from(v)).sum();
                assert!((found[[i, k]] - product).abs() < 1e-9);
            }
        }
        // On a uniform background balanced masks see nothing.
        let flat = Array3::from_elem((1, 20, 23), 500.0);
        let of_flat = features(&Scan::new(Box::new(flat), &Default::default()).unwrap(), None, &plan);
        let n_blind = of_flat.iter().filter(|f| f.abs() < 1e-9).count();
        assert_eq!(n_blind, if border == CutMasks::Keep { 3 } else { n });
    }
    let strict = FeatureParams { border: CutMasks::Error, ..Default::default() };
    fails_at(FeaturePlan::new((20, 23), &positions, &strict), "position of a mask", "number 1");
}

#[test]
fn the_bits_depend_on_the_frames_alone() {
    let data = frames(67, 31, 29);
    let real = data.mapv(f64::from);
    let positions: Vec<[i64; 2]> = (0..40).map(|k| [(k * 7) % 31, (k * 11) % 29]).collect();
    let plan = FeaturePlan::new((31, 29), &positions, &FeatureParams::default()).unwrap();
    let run = |scan: &Scan<'_>, threads, tile_bytes| {
        let params = PassParams { tile_bytes, ..Default::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| pass(&scan.select(None).unwrap(), &plan, &params, &NoProgress).unwrap())
    };
    let (scan, of_real) = (scan(&data, [67, 1]), self::scan(&real, [67, 1]));
    let expected = run(&scan, 1, 1 << 20);
    for (threads, tile_bytes) in [(1, 1), (2, 1 << 20), (7, 3000)] {
        assert_eq!(run(&scan, threads, tile_bytes), expected);
        assert_eq!(run(&of_real, threads, tile_bytes), expected);
    }
    // A region of interest has the rows of its positions.
    let roi = Roi::from_positions(&[67, 1], [[3, 0], [66, 0], [10, 0]]).unwrap();
    assert_eq!(features(&scan, Some(&roi), &plan), expected.select(ndarray::Axis(0), &[3, 10, 66]));
}

#[test]
fn masks_follow_the_frames() {
    // A spot that wanders, and masks that go with it.
    let places = [[8, 8], [9, 6], [0, 15], [8, 8]];
    let data = Array3::from_shape_fn((4, 16, 16), |(k, y, x)| if [y, x] == places[k] { 9u8 } else { 1 });
    let scan = scan(&data, [2, 2]);
    let plan = FeaturePlan::new((16, 16), &[[8, 8]], &FeatureParams::default()).unwrap();
    let shifts = vec![[0, 0], [1, -2], [-8, 7], [300, -5]];
    let found = features(&scan, None, &plan.clone().shifted(shifts));
    assert!((found[[0, 0]] - 8.0).abs() < 1e-12 && (found[[1, 0]] - 8.0).abs() < 1e-12);
    // In the corner a part of the ring is lost, and far away all.
    assert!(found[[2, 0]] > 8.0);
    assert_eq!(found[[3, 0]], 0.0);
    let wrong =
        pass(&scan.select(None).unwrap(), &plan.shifted(vec![[0, 0]; 3]), &Default::default(), &NoProgress);
    assert!(matches!(wrong, Err(Error::Shape { what: "shifts of masks", .. })));
}

#[test]
fn a_dark_field_is_the_sum_of_all_features() {
    let data = frames(6, 20, 20);
    let scan = scan(&data, [2, 3]);
    let plan =
        FeaturePlan::new((20, 20), &[[3, 4], [4, 4], [10, 19], [12, 7]], &FeatureParams::default()).unwrap();
    let both = (plan.clone(), VirtualDetectors::new(&[plan.dark_field().unwrap()]));
    let (rows, signal) = pass(&scan.select(None).unwrap(), &both, &Default::default(), &NoProgress).unwrap();
    for (row, signal) in rows.outer_iter().zip(&signal) {
        assert!((row.sum() - signal).abs() < 1e-9);
    }
}

#[test]
fn weights_of_ones_own() {
    let data = frames(2, 6, 6);
    let plan = FeaturePlan::with_template(array![[0.0, 2.0, 0.0]], (6, 6), &[[1, 1], [5, 0]], CutMasks::Keep)
        .unwrap();
    let found = features(&scan(&data, [1, 2]), None, &plan);
    assert_eq!(found[[1, 0]], 2.0 * f64::from(data[[1, 1, 1]]));
    assert_eq!(found[[1, 1]], 2.0 * f64::from(data[[1, 5, 0]]));
}

#[test]
fn what_gives_no_features() {
    let new =
        |shape, positions: &[[i64; 2]], params: &FeatureParams| FeaturePlan::new(shape, positions, params);
    let params = FeatureParams::default();
    assert!(matches!(new((9, 9), &[], &params), Err(Error::Empty { .. })));
    assert!(matches!(new((0, 9), &[[1, 1]], &params), Err(Error::Empty { .. })));
    let drop = FeatureParams { border: CutMasks::Drop, ..Default::default() };
    fails_at(new((9, 9), &[[0, 0], [i64::MIN, i64::MAX]], &drop), "positions of masks", "2 masks");
    let template = |kind, radius, outer, search| FeatureParams {
        template: TemplateParams { kind, radius, radius_outer: Some(outer), search, ..Default::default() },
        ..Default::default()
    };
    let kind = TemplateKind::BackgroundSubtraction;
    fails_at(new((9, 9), &[[4, 4]], &template(kind, f64::NAN, 2.0, None)), "radius", "NaN");
    fails_at(new((9, 9), &[[4, 4]], &template(kind, 2.0, 2.0, None)), "radius_outer", "2");
    fails_at(new((9, 9), &[[4, 4]], &template(kind, 2.0, 3.0, Some(2.5))), "search", "2.5");
    assert!(FeaturePlan::with_template(array![[f64::NAN]], (9, 9), &[[4, 4]], CutMasks::Keep).is_err());
    assert!(FeaturePlan::with_template(Array2::zeros((0, 2)), (9, 9), &[[4, 4]], CutMasks::Keep).is_err());
    let plan = new((9, 9), &[[4, 4]], &params).unwrap();
    let data = frames(2, 9, 8);
    let scan = scan(&data, [1, 2]);
    assert!(matches!(
        pass(&scan.select(None).unwrap(), &plan, &Default::default(), &NoProgress),
        Err(Error::Shape { what: "frames", .. })
    ));
    fn shared<T: Consumer + Send + Sync>(_: &T) {}
    shared(&plan);
}

#[test]
fn a_pixel_that_is_nan_spoils_the_masks_that_lie_on_it() {
    let mut data = frames(1, 12, 12).mapv(f64::from);
    data[[0, 3, 3]] = f64::NAN;
    let plan = FeaturePlan::new((12, 12), &[[3, 3], [3, 6], [8, 8]], &FeatureParams::default()).unwrap();
    let found = features(&scan(&data, [1, 1]), None, &plan);
    assert!(found[[0, 0]].is_nan() && found[[0, 1]].is_finite() && found[[0, 2]].is_finite());
}

#[test]
fn parameters_are_written_and_read() {
    let params: FeatureParams =
        serde_json::from_str(r#"{"border": "rebalance", "template": {"kind": "circular", "radius": 3.0}}"#)
            .unwrap();
    assert_eq!((params.border, params.template.radius), (CutMasks::Rebalance, 3.0));
    let again: FeatureParams = serde_json::from_str(&serde_json::to_string(&params).unwrap()).unwrap();
    assert_eq!(again, params);
    assert!(serde_json::from_str::<FeatureParams>(r#"{"boarder": "drop"}"#).is_err());
    let default = FeatureParams::default();
    assert_eq!(
        (default.template.radius, default.template.outer(), default.border),
        (1.5, 2.5, CutMasks::Keep)
    );
}

#[test]
fn every_scaling_by_hand() {
    let x = array![[1.0, 0.0, 5.0], [2.0, 0.0, 5.0], [3.0, 0.0, 5.0], [-10.0, 0.0, 5.0]];
    let scaled = |scaling: &Scaling| scale(x.clone(), scaling).unwrap();
    let of = scaled(&Scaling::MeanAbsolute);
    assert_eq!(of.features, array![[0.25, 0.0, 1.0], [0.5, 0.0, 1.0], [0.75, 0.0, 1.0], [-2.5, 0.0, 1.0]]);
    assert_eq!((of.scales.scales.as_slice(), of.dead_columns.as_slice()), (&[4.0, 0.0, 5.0][..], &[1][..]));
    // Mean −1, variance (4 + 9 + 16 + 81)/4.
    let of = scaled(&Scaling::StandardDeviation);
    assert_eq!(
        (of.scales.offsets[0], of.scales.scales[0], &of.dead_columns[..]),
        (-1.0, 27.5_f64.sqrt(), &[1, 2][..])
    );
    assert_eq!(of.features.row(1).to_vec(), [3.0 / 27.5_f64.sqrt(), 0.0, 0.0]);
    // Quartiles of −10, 1, 2, 3: −1.75, 1.5, 2.25.
    let of = scaled(&Scaling::Robust);
    assert_eq!((of.scales.offsets[0], of.scales.scales[0]), (1.5, 4.0));
    assert_eq!(of.features.column(0).to_vec(), [-0.125, 0.125, 0.375, -2.875]);
    let of = scale(array![[1.0, -3.0], [0.0, 0.0]], &Scaling::PerFrame).unwrap();
    assert_eq!(
        (of.features, of.dead_rows, of.dead_columns),
        (array![[0.25, -0.75], [0.0, 0.0]], vec![1], vec![])
    );
    let of = scaled(&Scaling::By(vec![2.0, 1.0, 0.0]));
    assert_eq!((of.features.row(2).to_vec(), of.dead_columns), (vec![1.5, 0.0, 0.0], vec![2]));
    assert_eq!(scaled(&Scaling::None).features, x);
    assert_eq!(scale(array![[7.0]], &Scaling::Robust).unwrap().features, array![[0.0]]);
}

#[test]
fn a_second_scan_is_scaled_like_the_first() {
    let x = Array2::from_shape_fn((900, 5), |(i, f)| ((i * 37 + f * 11) % 101) as f64 - 20.0 * f as f64);
    for scaling in [Scaling::MeanAbsolute, Scaling::StandardDeviation, Scaling::Robust, Scaling::PerFrame] {
        let whole = scale(x.clone(), &scaling).unwrap();
        let scales: &Scales = &whole.scales;
        let text = serde_json::to_string(scales).unwrap();
        let read: Scales = serde_json::from_str(&text).unwrap();
        // Text has the last bit not always.
        let close = read.scales.iter().zip(&scales.scales).all(|(a, b)| (a - b).abs() <= 1e-15 * b);
        assert!(close && read.per_frame == scales.per_frame);
        let part = scales.apply(x.slice(s![100..200, ..]).to_owned()).unwrap();
        assert_eq!(part, whole.features.slice(s![100..200, ..]));
        assert!(matches!(scales.apply(Array2::zeros((3, 4))), Err(Error::Shape { .. })));
        // The layout does not matter, nor the number of threads.
        let columns = x.t().as_standard_layout().into_owned().reversed_axes();
        assert_eq!(scale(columns, &scaling).unwrap(), whole);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(7).build().unwrap();
        assert_eq!(pool.install(|| scale(x.clone(), &scaling)).unwrap(), whole);
    }
}

#[test]
fn what_cannot_be_scaled() {
    fails_at(scale(array![[1.0, f64::INFINITY]], &Scaling::None), "features", "inf in row 0, column 1");
    assert!(matches!(scale(Array2::zeros((0, 3)), &Scaling::None), Err(Error::Empty { .. })));
    assert!(matches!(scale(Array2::zeros((1, 3)), &Scaling::By(vec![1.0])), Err(Error::Shape { .. })));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        fails_at(scale(Array2::zeros((1, 1)), &Scaling::By(vec![bad])), "scale", "in column 0");
    }
    fails_at(scale(Array2::from_elem((2, 1), 1.7e308), &Scaling::MeanAbsolute), "scale", "inf in column 0");
    fails_at(scale(array![[1.7e308], [-1.7e308]], &Scaling::Robust), "scale", "in column 0");
}

#[test]
fn positions_are_appended_along_every_axis() {
    let x = |n| Array2::from_shape_fn((n, 2), |(i, f)| (10 * i + f) as f64);
    let roi = Roi::from_positions(&[2, 2, 3], [[0, 1, 2], [1, 0, 1]]).unwrap();
    let found = with_coordinates(x(2), &roi, 2.0).unwrap();
    assert_eq!(found, array![[0.0, 1.0, 0.0, 2.0, 4.0], [10.0, 11.0, 2.0, 0.0, 2.0]]);
    assert_eq!(with_coordinates(x(3), &Roi::all(&[3]), 0.5).unwrap().column(2).to_vec(), [0.0, 0.5, 1.0]);
    assert_eq!(with_coordinates(x(3), &Roi::all(&[3]), 0.0).unwrap(), x(3));
    let columns = x(3).t().as_standard_layout().into_owned().reversed_axes();
    assert_eq!(
        with_coordinates(columns, &Roi::all(&[3, 1]), 1.0).unwrap(),
        with_coordinates(x(3), &Roi::all(&[3, 1]), 1.0).unwrap()
    );
    let part = x(5).slice_move(s![2..4, ..]);
    assert_eq!(
        with_coordinates(part, &Roi::all(&[2]), 1.0).unwrap(),
        array![[20.0, 21.0, 0.0], [30.0, 31.0, 1.0]]
    );
    for weight in [-1.0, f64::NAN] {
        fails_at(with_coordinates(x(3), &Roi::all(&[3]), weight), "weight of coordinates", "");
    }
    assert!(matches!(with_coordinates(x(3), &Roi::all(&[4]), 1.0), Err(Error::Shape { .. })));
}
