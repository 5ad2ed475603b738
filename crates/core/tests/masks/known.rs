//! Answers that are true by construction.

use ndarray::{Array2, Axis, array};
use nonius_core::Error;
use nonius_core::masks::{self, Edge, Ellipse, RadialBinParams, Stamps, TemplateKind, TemplateParams};

fn fails_at<T: std::fmt::Debug>(result: nonius_core::Result<T>, field: &str) {
    match result {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, field),
        other => panic!("expected an error at {field}, got {other:?}"),
    }
}

#[test]
fn a_disk_by_hand() {
    let mask = masks::disk((3, 4), [1.0, 0.5], 1.0, Edge::AntiAliased).unwrap();
    // √(1 + ¼) = 1.118, √(1 + 2¼) = 1.803
    let corner = 1.5 - 1.25_f64.sqrt();
    let expected = array![[corner, corner, 0., 0.], [1., 1., 0., 0.], [corner, corner, 0., 0.]];
    assert!((mask - expected).iter().all(|d| d.abs() < 1e-15));
    let hard = masks::disk((1, 7), [0.0, 3.0], 2.0, Edge::Hard).unwrap();
    assert_eq!(hard, array![[0., 1., 1., 1., 1., 1., 0.]]);
}

#[test]
fn a_gradient_by_hand() {
    let profile = |r: f64| masks::gradient_profile(r, 4.0, 6.0, 1.0);
    let found = [0.0, 1.0, 3.0, 3.5, 4.0, 4.4, 4.5, 6.0, 6.1].map(profile);
    for (f, e) in found.iter().zip([0.0, 0.25, 0.75, 1.0, 0.0, -0.8, -1.0, -1.0, 0.0]) {
        assert!((f - e).abs() < 1e-12, "{found:?}");
    }
    assert!(profile(f64::NAN).is_nan());
    // Without a transition the profile jumps.
    assert_eq!([3.9, 4.0].map(|r| masks::gradient_profile(r, 4.0, 6.0, 0.0)), [3.9 / 4.0, -1.0]);
}

#[test]
fn what_is_no_mask_is_an_error() {
    let shape = (8, 8);
    let disk = |radius, center| masks::disk(shape, center, radius, Edge::AntiAliased);
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        fails_at(disk(radius, [4.0, 4.0]), "radius");
    }
    fails_at(disk(2.0, [f64::NAN, 4.0]), "center");
    assert!(matches!(masks::disk((0, 3), [0.0; 2], 1.0, Edge::Hard), Err(Error::Empty { .. })));
    for (inner, outer, field) in [
        (3.0, 3.0, "radius_outer"),
        (3.0, f64::INFINITY, "radius_outer"),
        (-1.0, 3.0, "radius_inner"),
        (f64::NAN, 3.0, "radius_inner"),
    ] {
        fails_at(masks::ring(shape, [4.0; 2], inner, outer, Edge::AntiAliased), field);
    }
    // A ring that the image does not reach: the reference gives NaN.
    fails_at(masks::background_subtraction((3, 3), [1.0; 2], 4.0, 5.0, Edge::AntiAliased), "radius_outer");
    fails_at(masks::balance(array![[1.0, 0.0]]), "mask to balance");
    fails_at(masks::rectangle(shape, [0.0; 2], [f64::NAN, 1.0]), "rectangle size");
    fails_at(masks::polar_map(shape, [0.0; 2], Ellipse { stretch: 0.0, angle: 0.0 }), "ellipse stretch");
    fails_at(masks::polar_map(shape, [0.0; 2], Ellipse { stretch: 1.0, angle: f64::NAN }), "ellipse angle");
    let bins = |params| masks::radial_bins(shape, [4.0; 2], &params);
    fails_at(bins(RadialBinParams { n_bins: Some(0), ..Default::default() }), "n_bins");
    fails_at(bins(RadialBinParams { n_bins: Some(usize::MAX), ..Default::default() }), "n_bins");
    fails_at(bins(RadialBinParams { radius: Some(0.0), ..Default::default() }), "radius_outer");
}

#[test]
fn profiles_of_whole_numbers_are_not_truncated() {
    // The reference makes a template of integers of an integer map.
    let map = Array2::from_shape_fn((1, 7), |(_, x)| x as f64);
    let template = masks::gradient_profile_of(map.view(), 4.0, 5.0, 1.0).unwrap();
    assert_eq!(template, array![[0.0, 0.25, 0.5, 0.75, 0.0, -1.0, 0.0]]);
}

#[test]
fn ramps_are_coordinates() {
    assert_eq!(masks::ramp_y((2, 3)), array![[0., 0., 0.], [1., 1., 1.]]);
    assert_eq!(masks::ramp_x((2, 3)), array![[0., 1., 2.], [0., 1., 2.]]);
}

#[test]
fn radial_bins_add_up_to_one() {
    for (center, params) in [
        ([8.0, 7.5], RadialBinParams::default()),
        ([8.0, 8.0], RadialBinParams { n_bins: Some(5), ..Default::default() }),
        // Rings thinner than a pixel, and a centre between pixels.
        ([7.6, 8.3], RadialBinParams { n_bins: Some(37), ..Default::default() }),
        ([-3.0, 20.2], RadialBinParams::default()),
    ] {
        let bins = masks::radial_bins((16, 18), center, &params).unwrap();
        let sum = bins.sum_axis(Axis(0));
        assert!(sum.iter().all(|s| (s - 1.0).abs() < 1e-12), "{center:?} {params:?}\n{sum}");
    }
}

#[test]
fn normalised_bins_take_means_in_the_middle_too() {
    // The reference sets the centre pixel after dividing.
    let params = RadialBinParams { n_bins: Some(6), normalize: true, ..Default::default() };
    let bins = masks::radial_bins((17, 17), [8.0, 8.0], &params).unwrap();
    for ring in bins.axis_iter(Axis(0)) {
        assert!((ring.sum() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn ellipses_lie_as_they_are_said_to() {
    for (angle, along) in [
        (0.0, [1.0, 0.0]),
        (std::f64::consts::FRAC_PI_2, [0.0, -1.0]),
        (0.6, [0.6_f64.cos(), -0.6_f64.sin()]),
    ] {
        let params = TemplateParams {
            ellipse: Some(Ellipse { stretch: 1.5, angle }),
            ..TemplateParams::new(TemplateKind::Circular, 10.0)
        };
        let mask = params.mask((64, 64), [32.0, 32.0]);
        let moment = |axis: [f64; 2]| {
            let r2 =
                |(y, x): (usize, usize)| ((y as f64 - 32.0) * axis[0] + (x as f64 - 32.0) * axis[1]).powi(2);
            mask.indexed_iter().map(|(p, m)| m * r2(p)).sum::<f64>() / mask.sum()
        };
        // ⟨u²⟩ = R²/4 along a half axis R; the soft edge adds a little.
        let half_axes = [along, [along[1], -along[0]]].map(|axis| 2.0 * moment(axis).sqrt());
        assert!((half_axes[0] - 15.0).abs() < 0.1 && (half_axes[1] - 10.0).abs() < 0.1, "{half_axes:?}");
    }
}

#[test]
fn stamps_repeat_are_clipped_and_may_be_none() {
    let template = array![[1.0, 2.0], [3.0, 4.0]];
    let stamps =
        Stamps::in_layers(template.clone(), (3, 3), &[[0, 0], [1, 1], [-1, 2], [9, 9]], &[1, 1, 0, 0])
            .unwrap();
    let dense = stamps.dense().unwrap();
    assert_eq!(dense.index_axis(Axis(0), 0), array![[0., 0., 3.], [0., 0., 0.], [0., 0., 0.]]);
    assert_eq!(dense.index_axis(Axis(0), 1), array![[1., 2., 0.], [3., 5., 2.], [0., 3., 4.]]);
    assert_eq!(stamps.sums(Array2::<f32>::ones((3, 3)).view()).unwrap(), [3.0, 20.0]);

    let none = Stamps::new(template.clone(), (5, 6), &[]).unwrap();
    assert!(none.is_empty() && none.shape() == (5, 6));
    assert_eq!(none.dense().unwrap().dim(), (0, 5, 6));
    assert_eq!(none.sums(Array2::<f64>::zeros((5, 6)).view()).unwrap(), Vec::<f64>::new());

    let far = Stamps::new(template.clone(), (3, 3), &[[i64::MAX, i64::MIN]]).unwrap();
    assert_eq!(far.sums(Array2::<f64>::ones((3, 3)).view()).unwrap(), [0.0]);
    assert!(matches!(far.sums(Array2::<f64>::ones((3, 2)).view()), Err(Error::Shape { .. })));
    assert!(Stamps::in_layers(template.clone(), (3, 3), &[[0, 0]], &[]).is_err());
    fails_at(Stamps::in_layers(template.clone(), (3, 3), &[[0, 0]], &[usize::MAX]), "layers of stamps");
    assert!(Stamps::new(array![[f64::NAN]], (3, 3), &[]).is_err());
    fails_at(Stamps::disks((9, 9), &[], 0.0), "radius");

    let disks = Stamps::disks((9, 9), &[[4, 4], [0, 8]], 2.0).unwrap().dense().unwrap();
    assert_eq!(disks.index_axis(Axis(0), 0), masks::disk((9, 9), [4.0, 4.0], 2.0, Edge::Hard).unwrap());
    assert_eq!(disks.index_axis(Axis(0), 1), masks::disk((9, 9), [0.0, 8.0], 2.0, Edge::Hard).unwrap());
}

#[test]
fn templates_are_written_and_read() {
    let text = r#"{"kind": "radial-gradient", "radius": 5.5, "ellipse": {"stretch": 1.1, "angle": 0.3}}"#;
    let params: TemplateParams = serde_json::from_str(text).unwrap();
    assert_eq!((params.kind, params.delta), (TemplateKind::RadialGradient, 1.0));
    let again: TemplateParams = serde_json::from_str(&serde_json::to_string(&params).unwrap()).unwrap();
    assert_eq!(again, params);
    assert!(serde_json::from_str::<TemplateParams>(r#"{"radios": 5.5}"#).is_err());
}
