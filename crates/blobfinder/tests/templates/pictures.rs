//! Pictures of a matched frame, as data.

use ndarray::{Array2, array};
use nonius_blobfinder::{Drawing, DrawnMark, Lattice, Mark, Peak, PeakStatus, PictureParams, draw_match};
use nonius_core::Error;

const LATTICE: Lattice = Lattice { zero: [16.0, 15.0], a: [8.0, 1.0], b: [-1.0, 9.0] };

fn peak(refined: [f64; 2], elevation: f64) -> Peak {
    Peak {
        center: [0, 0],
        refined,
        height: 1.0,
        elevation,
        covariance: [[f64::NAN; 2]; 2],
        status: PeakStatus::Found,
    }
}

/// Peaks of these elevations, all selected, at the lattice's zero and off by (0.5, −0.25).
fn drawn(elevations: &[f64]) -> Drawing {
    let peaks: Vec<Peak> = elevations.iter().map(|&e| peak([16.5, 14.75], e)).collect();
    let (calculated, selected) = (vec![LATTICE.zero; peaks.len()], vec![true; peaks.len()]);
    let frame = Array2::<f32>::zeros((8, 9));
    draw_match(frame.view(), &LATTICE, &peaks, &calculated, &selected, &PictureParams::default()).unwrap()
}

fn opacities(elevations: &[f64]) -> Vec<f64> {
    let marks = drawn(elevations).marks;
    let circles = marks.iter().filter(|drawn| matches!(drawn.mark, Mark::Circle { .. }));
    circles.map(|drawn| drawn.opacity).collect()
}

#[test]
fn every_mark_of_a_match() {
    let frame = array![[3.0, 2.0], [f64::NAN, 5.0]];
    let peaks = [peak([24.5, 16.25], 2.0), peak([0.0, 0.0], 9.0), peak([15.0, 24.0], 0.5)];
    let calculated = [[24.0, 16.0], [8.0, 14.0], [15.0, 24.0]];
    let params = PictureParams { radius: 3.0, ..Default::default() };
    let drawing =
        draw_match(frame.view(), &LATTICE, &peaks, &calculated, &[true, false, true], &params).unwrap();
    let logarithm = array![[2.0_f64.ln(), 0.0], [0.0, 4.0_f64.ln()]];
    assert!((drawing.image - logarithm).iter().all(|d| d.abs() < 1e-15));
    let (white, red) = ([255; 3], [255, 0, 0]);
    let mark = |mark, color, opacity| DrawnMark { mark, color, opacity };
    let expected = [
        mark(Mark::Circle { center: [24.5, 16.25], radius: 3.0 }, white, 1.0),
        mark(Mark::Dot { center: [24.0, 16.0], radius: 1.0 }, white, 1.0),
        mark(Mark::Arrow { from: [24.0, 16.0], to: [29.0, 18.5] }, red, 1.0),
        mark(Mark::Square { center: [8.0, 14.0], half_side: 3.0 }, red, 1.0),
        mark(Mark::Circle { center: [15.0, 24.0], radius: 3.0 }, white, 0.25),
        mark(Mark::Dot { center: [15.0, 24.0], radius: 1.0 }, white, 0.25),
        mark(Mark::Arrow { from: [15.0, 24.0], to: [15.0, 24.0] }, red, 0.25),
        mark(Mark::Arrow { from: [16.0, 15.0], to: [24.0, 16.0] }, [0, 0, 255], 1.0),
        mark(Mark::Arrow { from: [16.0, 15.0], to: [15.0, 24.0] }, [0, 128, 0], 1.0),
    ];
    assert_eq!(drawing.marks, expected);
}

#[test]
fn opacities_are_numbers() {
    assert_eq!(opacities(&[4.0, 1.0, 0.0]), [1.0, 0.25, 0.0]);
    assert_eq!(opacities(&[4.0, f64::INFINITY, 1.0]), [1.0, 1.0, 0.25]);
    assert_eq!(opacities(&[0.0, 0.0]), [1.0, 1.0]);
    assert_eq!(opacities(&[f64::INFINITY, 0.0]), [1.0, 1.0]);
    assert_eq!(opacities(&[f64::NAN, -1.0, 2.0]), [0.0, 0.0, 1.0]);
    assert_eq!(opacities(&[]), Vec::<f64>::new());
}

#[test]
fn what_is_nowhere_is_not_drawn() {
    let nowhere = Lattice { zero: [f64::NAN; 2], a: [f64::NAN; 2], b: [f64::NAN; 2] };
    let frame = Array2::<f32>::from_elem((3, 3), f32::NAN);
    let peaks = [peak([f64::NAN, 1.0], 1.0), peak([1.0, 1.0], 1.0)];
    let calculated = [[2.0, 2.0], [f64::INFINITY, 0.0]];
    let params = PictureParams::default();
    let drawing = draw_match(frame.view(), &nowhere, &peaks, &calculated, &[true, false], &params).unwrap();
    assert_eq!(drawing.marks.len(), 1);
    assert_eq!(drawing.marks[0].mark, Mark::Dot { center: [2.0, 2.0], radius: 1.0 });
    assert_eq!(drawing.image, Array2::<f64>::zeros((3, 3)));
}

#[test]
fn what_cannot_be_drawn() {
    let frame = Array2::<f32>::zeros((3, 3));
    let draw = |params: &PictureParams, calculated: &[[f64; 2]], selected: &[bool]| {
        draw_match(frame.view(), &LATTICE, &[peak([1.0; 2], 1.0)], calculated, selected, params)
    };
    let params = PictureParams::default();
    assert!(matches!(draw(&params, &[], &[true]), Err(Error::Shape { what: "calculated positions", .. })));
    assert!(matches!(draw(&params, &[[0.0; 2]], &[]), Err(Error::Shape { what: "selected peaks", .. })));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let radius = PictureParams { radius: bad, ..params.clone() };
        assert!(matches!(draw(&radius, &[[0.0; 2]], &[true]), Err(Error::Parameter { name: "radius", .. })));
        let stretch = PictureParams { stretch: bad, ..params.clone() };
        assert!(matches!(
            draw(&stretch, &[[0.0; 2]], &[true]),
            Err(Error::Parameter { name: "stretch", .. })
        ));
    }
    let empty = Array2::<f64>::zeros((0, 3));
    assert!(matches!(draw_match(empty.view(), &LATTICE, &[], &[], &[], &params), Err(Error::Empty { .. })));
}

#[test]
fn transposing_all_transposes_the_picture() {
    let turn = |p: [f64; 2]| [p[1], p[0]];
    let frame = Array2::from_shape_fn((5, 7), |(y, x)| (y * x) as f32);
    let peaks = [peak([2.5, 3.25], 2.0)];
    let turned_peaks = [peak(turn([2.5, 3.25]), 2.0)];
    let params = PictureParams::default();
    let plain = draw_match(frame.view(), &LATTICE, &peaks, &[[2.0, 3.0]], &[true], &params).unwrap();
    let lattice = Lattice { zero: turn(LATTICE.zero), a: turn(LATTICE.a), b: turn(LATTICE.b) };
    let turned = draw_match(frame.t(), &lattice, &turned_peaks, &[[3.0, 2.0]], &[true], &params).unwrap();
    assert_eq!(plain.image, turned.image.reversed_axes());
    let back = turned.marks.iter().map(|drawn| match drawn.mark {
        Mark::Circle { center, radius } => Mark::Circle { center: turn(center), radius },
        Mark::Dot { center, radius } => Mark::Dot { center: turn(center), radius },
        Mark::Arrow { from, to } => Mark::Arrow { from: turn(from), to: turn(to) },
        Mark::Square { center, half_side } => Mark::Square { center: turn(center), half_side },
        other => other,
    });
    assert!(back.eq(plain.marks.iter().map(|drawn| drawn.mark)));
}
