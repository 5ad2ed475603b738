//! Answers that are true by construction.

use ndarray::{Array2, array};
use nonius_blobfinder::masks::{self, Edge};
use nonius_blobfinder::{DataTemplateParams, Ellipse, Template, TemplateKind, TemplateParams};
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
fn templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
}
