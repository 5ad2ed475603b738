//! Numbers of another program: `testdata/blobfinder`, whose README names it.

use nonius_core::masks::{self, Edge, Ellipse, RadialBinParams, TemplateKind, TemplateParams};

use crate::disks::{self as cases, Case};

fn shape(case: Case<'_>) -> (usize, usize) {
    let side = |name: &str| case.number(name) as usize;
    (side("imageSizeY"), side("imageSizeX"))
}

fn center(case: Case<'_>) -> [f64; 2] {
    [case.number("centerY"), case.number("centerX")]
}

fn edge(case: Case<'_>) -> Edge {
    if case.param("antialiased") == true { Edge::AntiAliased } else { Edge::Hard }
}

#[test]
fn disks_rings_and_gradients() {
    cases::each("mask.circular", |case| {
        let mask = masks::disk(shape(case), center(case), case.number("radius"), edge(case));
        case.check("mask", &mask.unwrap());
    });
    let two = |case: Case<'_>| (case.number("radius_inner"), case.number("radius"));
    cases::each("mask.ring", |case| {
        let (inner, outer) = two(case);
        case.check("mask", &masks::ring(shape(case), center(case), inner, outer, edge(case)).unwrap());
    });
    cases::each("mask.radial_gradient", |case| {
        let mask = masks::radial_gradient(shape(case), center(case), case.number("radius"), edge(case));
        case.check("mask", &mask.unwrap());
    });
    cases::each("mask.background_subtraction", |case| {
        let (inner, outer) = two(case);
        let mask = masks::background_subtraction(shape(case), center(case), inner, outer, edge(case));
        case.check("mask", &mask.unwrap());
    });
}

#[test]
fn radial_bins() {
    cases::each("mask.radial_bins", |case| {
        let params = RadialBinParams {
            radius_inner: case.param("radius_inner").as_f64().unwrap_or(0.0),
            radius: case.param("radius").as_f64(),
            n_bins: Some(case.number("n_bins") as usize),
            normalize: case.param("normalize") == true,
        };
        case.check("masks", &masks::radial_bins(shape(case), center(case), &params).unwrap());
    });
}

#[test]
fn polar_maps_profiles_and_balance() {
    cases::each("mask.polar_map + gradient profile + balance", |case| {
        let (map, profile) = (case.param("map"), case.param("profile"));
        let number = |name: &str| map[name].as_f64().unwrap();
        let shape = (number("imageSizeY") as usize, number("imageSizeX") as usize);
        let ellipse = Ellipse { stretch: number("stretchY"), angle: number("angle") };
        let polar = masks::polar_map(shape, [number("centerY"), number("centerX")], ellipse).unwrap();
        case.check("r", &polar.radius);
        case.check("phi", &polar.angle);
        let [radius, outer] = ["r0", "r_outer"].map(|name| profile[name].as_f64().unwrap());
        let template = masks::gradient_profile_of(polar.radius.view(), radius, outer, 1.0).unwrap();
        case.check("template", &template);
        case.check("balanced", &masks::balance(template).unwrap());
        // The same ellipse as a template.
        let params = TemplateParams {
            kind: TemplateKind::RadialGradientBackgroundSubtraction,
            radius,
            radius_outer: Some(outer),
            ellipse: Some(ellipse),
            ..Default::default()
        };
        let center = [number("centerY"), number("centerX")];
        case.check("template", &params.mask(shape, center));
    });
}

#[test]
fn rectangles() {
    cases::each("mask.rectangular", |case| {
        let corner = [case.number("Y"), case.number("X")];
        let size = [case.number("Height"), case.number("Width")];
        case.check("mask", &masks::rectangle(shape(case), corner, size).unwrap());
    });
}
