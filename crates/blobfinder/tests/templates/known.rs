//! Answers that are true by construction.

use ndarray::{Array2, Axis, array};
use nonius_blobfinder::masks::{self, Edge, RadialBinParams};
use nonius_blobfinder::{DataTemplateParams, Ellipse, Stamps, Template, TemplateKind, TemplateParams};
use nonius_core::{Error, center_of_mass};

use super::centered;

const KINDS: [TemplateKind; 4] = [
    TemplateKind::Circular,
    TemplateKind::RadialGradient,
    TemplateKind::BackgroundSubtraction,
    TemplateKind::RadialGradientBackgroundSubtraction,
];

fn fails_at<T: std::fmt::Debug>(result: nonius_core::Result<T>, field: &str) {
    match result {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, field),
        other => panic!("expected an error at {field}, got {other:?}"),
    }
}

/// Where a mask has its disk: the centre of mass of its positive part.
fn middle(mask: &Array2<f64>) -> [f64; 2] {
    center_of_mass(mask.mapv(|v| v.max(0.0)).view()).unwrap()
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
        let mask = Template::new(&params).unwrap().mask((64, 64), [32.0, 32.0]);
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
fn templates_lie_where_they_are_asked_for() {
    for kind in KINDS {
        for radius in [4.0, 5.0, 5.2, 5.4] {
            let template = Template::new(&TemplateParams::new(kind, radius)).unwrap();
            for shape in [(40, 40), (41, 43), (40, 45)] {
                for center in [[20.0, 20.0], [19.5, 21.25], [20.3, 18.9]] {
                    let [y, x] = middle(&template.mask(shape, center));
                    // A rising disk ends abruptly, which pixels show only in steps.
                    let off = (y - center[0]).abs().max((x - center[1]).abs());
                    assert!(off < 0.12, "{kind:?} {radius} {shape:?} {center:?}: off by {off}");
                }
            }
        }
    }
}

#[test]
fn an_odd_image_is_not_displaced() {
    // The reference pads: 13 px in 20 begin at 3, so that the middle pixel 6 comes to 9, not 10.
    let image = masks::disk((13, 13), [6.0, 6.0], 5.0, Edge::AntiAliased).unwrap();
    let template = Template::from_image(image.view(), None, None).unwrap();
    for (shape, by) in [((20, 20), [-1.0, -1.0]), ((21, 20), [0.0, -1.0]), ((8, 10), [0.0, 0.0])] {
        let nominal = [(shape.0 / 2) as f64, (shape.1 / 2) as f64];
        let expected = masks::disk(shape, nominal, 5.0, Edge::AntiAliased).unwrap();
        assert_eq!(centered(&template, shape), expected);
        let padded = [nominal[0] + by[0], nominal[1] + by[1]];
        let expected = masks::disk(shape, padded, 5.0, Edge::AntiAliased).unwrap();
        assert_eq!(centered(&template.clone().compatible(), shape), expected, "{shape:?}");
    }
}

#[test]
fn the_combined_template_is_not_displaced() {
    // An outer radius of 7.5 has its centre in the reference half a pixel away.
    let template =
        Template::new(&TemplateParams::new(TemplateKind::RadialGradientBackgroundSubtraction, 5.0)).unwrap();
    assert_eq!(template.mask((20, 20), [10.0, 10.0])[[10, 10]], 0.0);
    let found = middle(&centered(&template.compatible(), (20, 20)));
    assert!((found[0] - 9.5).abs() < 0.05 && (found[1] - 9.5).abs() < 0.05);
}

#[test]
fn images_are_copied_onto_pixels_and_interpolated_between_them() {
    let blob = |(y, x): (usize, usize), c: [f64; 2]| {
        (-((y as f64 - c[0]).powi(2) + (x as f64 - c[1]).powi(2)) / 18.0).exp()
    };
    let image = Array2::from_shape_fn((30, 31), |p| blob(p, [14.5, 16.0]));
    let template = Template::from_image(image.view(), Some([14.5, 16.0]), Some(12.0)).unwrap();
    assert_eq!(template.crop_size(), 12);
    let copied = template.mask((30, 31), [14.5, 16.0]);
    assert_eq!(copied, image);
    for center in [[15.0, 15.0], [14.75, 16.3]] {
        let mask = template.mask((30, 31), center);
        for (p, v) in mask.indexed_iter().filter(|((y, x), _)| (4..26).contains(y) && (4..26).contains(x)) {
            // 1e-3: cubic splines on a Gaussian of 3 px.
            assert!((v - blob(p, center)).abs() < 1e-3, "{p:?} at {center:?}");
        }
    }
    // ⟨r²⟩ of a Gaussian is 2σ², and of a disk R²/2.
    assert!((template.radius().unwrap() - 6.0).abs() < 0.1);
    // Far away there is nothing.
    assert!(template.mask((8, 8), [1e9, 0.5]).iter().all(|v| *v == 0.0));
    assert!(template.mask((8, 8), [-4e18, 3.0]).iter().all(|v| *v == 0.0));
}

#[test]
fn parameters_outside_their_limits() {
    let new = |params: TemplateParams| Template::new(&params);
    let base = TemplateParams::default;
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        fails_at(new(TemplateParams { radius, ..base() }), "radius");
    }
    for kind in KINDS {
        fails_at(new(TemplateParams { search: Some(3.9), ..TemplateParams::new(kind, 4.0) }), "search");
        for search in [f64::NAN, f64::INFINITY, 4097.0] {
            fails_at(new(TemplateParams { kind, search: Some(search), ..base() }), "search");
        }
        fails_at(new(TemplateParams { kind, radius_outer: Some(4.0), ..base() }), "radius_outer");
        fails_at(new(TemplateParams { kind, delta: -1.0, ..base() }), "delta");
        let limit = TemplateParams { search: Some(4.0), ..TemplateParams::new(kind, 4.0) };
        assert_eq!(new(limit).is_err(), kind.has_ring());
        let limit =
            TemplateParams { search: Some(5.0), radius_outer: Some(5.0), ..TemplateParams::new(kind, 4.0) };
        assert!(new(limit).is_ok());
    }
    let ellipse = Some(Ellipse { stretch: -1.0, angle: 0.0 });
    fails_at(new(TemplateParams { ellipse, ..base() }), "ellipse stretch");

    let image = |image: Array2<f64>, center| Template::from_image(image.view(), center, None);
    assert!(matches!(image(Array2::zeros((0, 3)), None), Err(Error::Empty { .. })));
    assert!(matches!(image(array![[1.0, f64::NAN]], None), Err(Error::NotFinite { .. })));
    fails_at(image(Array2::zeros((3, 3)), None), "template image");
    fails_at(image(Array2::ones((3, 3)), Some([2.1, 0.0])), "center");
    fails_at(image(Array2::ones((3, 3)), Some([f64::NAN, 0.0])), "center");
    assert!(image(Array2::ones((1, 1)), None).unwrap().radius().is_none());
    // A centre that is nowhere has no mask.
    let template = new(base()).unwrap();
    assert!(template.mask((3, 3), [f64::NAN, 1.0]).iter().all(|v| v.is_nan()));
    assert_eq!(template.mask((0, 3), [0.0, 1.0]).dim(), (0, 3));
}

#[test]
fn defaults_of_search() {
    let search = |kind, radius_outer| {
        let params = TemplateParams { radius_outer, ..TemplateParams::new(kind, 4.0) };
        Template::new(&params).unwrap().search()
    };
    assert_eq!(search(TemplateKind::Circular, None), 8.0);
    assert_eq!(search(TemplateKind::BackgroundSubtraction, None), 8.0);
    assert_eq!(search(TemplateKind::BackgroundSubtraction, Some(9.5)), 9.5);
    assert_eq!(search(TemplateKind::RadialGradient, Some(9.5)), 8.0);
    let image = Template::from_image(Array2::ones((3, 4)).view(), None, None).unwrap();
    assert_eq!((image.search(), image.crop_size()), (2.5, 3));
}

#[test]
fn a_template_from_a_vacuum_frame() {
    let center = [30.4, 28.7];
    let mut frame = masks::disk((60, 64), center, 9.0, Edge::AntiAliased).unwrap() * 900.0 + 40.0;
    // A hot pixel, a dead one in the disk, and a second, fainter disk.
    frame[[5, 5]] = 1e6;
    frame[[31, 27]] = 0.0;
    frame += &(masks::disk((60, 64), [50.0, 54.0], 4.0, Edge::AntiAliased).unwrap() * 700.0);
    let params = DataTemplateParams { gradient: false, ..Default::default() };
    let flat = Template::from_data(frame.view(), &params).unwrap();
    assert!((flat.radius().unwrap() - 9.0).abs() < 0.2, "{:?}", flat.radius());
    assert!((flat.search() - 18.0).abs() < 0.4);
    // Put where the disk is, it covers the disk.
    let covered = flat.mask((60, 64), center);
    let disk = masks::disk((60, 64), center, 9.0, Edge::AntiAliased).unwrap();
    let difference = (covered - &disk).mapv(f64::abs).sum() / disk.sum();
    assert!(difference < 0.1, "{difference}");
    let rising = Template::from_data(frame.view(), &DataTemplateParams::default()).unwrap();
    let mask = rising.mask((40, 40), [20.0, 20.0]);
    assert!(mask[[20, 20]].abs() < 0.2 && (mask[[20, 28]] - 8.0 / 9.0).abs() < 0.15);

    let from = |frame: Array2<f64>, threshold| {
        Template::from_data(frame.view(), &DataTemplateParams { threshold, ..Default::default() })
    };
    for threshold in [0.0, 1.0, f64::NAN] {
        fails_at(from(frame.clone(), threshold), "threshold");
    }
    fails_at(from(Array2::ones((9, 9)), 0.5), "frame of a disk");
    fails_at(from(masks::disk((20, 20), [2.0, 10.0], 5.0, Edge::Hard).unwrap(), 0.5), "frame of a disk");
    assert!(matches!(from(Array2::zeros((0, 9)), 0.5), Err(Error::Empty { .. })));
    assert!(matches!(from(array![[f64::NAN]], 0.5), Err(Error::NotFinite { .. })));
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

    let none = Template::new(&TemplateParams::default()).unwrap().stamps((5, 6), &[]).unwrap();
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
    assert_eq!(Template::new(&params).unwrap().params(), Some(&params));
}

#[test]
fn templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
    shared::<Stamps>();
}
