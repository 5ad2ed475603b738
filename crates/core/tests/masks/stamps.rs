//! Stacks of masks: by hand, and beside the dense product.

use ndarray::{Array2, Array3, array};
use nonius_core::Error;
use nonius_core::masks::{CutMasks, Stamps};
use proptest::prelude::*;

use crate::properties::config;

/// A bright pixel in a frame of faint ones.
fn template() -> Array2<f64> {
    array![[0.0, -0.25, 0.0], [-0.25, 1.0, -0.25], [0.0, -0.25, 0.0]]
}

/// The middle of [`template`] on these pixels of a frame of 5 × 6.
fn bordered(centers: &[[i64; 2]], policy: CutMasks) -> nonius_core::Result<nonius_core::masks::PlacedStamps> {
    let corners: Vec<_> = centers.iter().map(|c| c.map(|c| c - 1)).collect();
    Stamps::bordered(template(), (5, 6), &corners, policy)
}

#[test]
fn what_the_border_cuts_off() {
    // Inside; at the left border; in a corner; a single pixel of the ring left; outside; the first again.
    let centers = [[2, 2], [2, 0], [0, 5], [5, 3], [9, 9], [2, 2]];
    let kept = bordered(&centers, CutMasks::Keep).unwrap();
    assert_eq!((&kept.cut[..], &kept.outside[..]), (&[1, 2, 3][..], &[4][..]));
    assert_eq!((&kept.dropped[..], &kept.repeated[..]), (&[][..], &[5][..]));
    let sums = |placed: &nonius_core::masks::PlacedStamps| {
        let dense = placed.stamps.dense().unwrap();
        dense.outer_iter().map(|mask| mask.sum()).collect::<Vec<_>>()
    };
    assert_eq!(sums(&kept), [0.0, 0.25, 0.5, -0.25, 0.0, 0.0]);

    let balanced = bordered(&centers, CutMasks::Rebalance).unwrap();
    assert_eq!(balanced.dropped, [3, 4]);
    // Thirds are rounded.
    assert!(sums(&balanced).iter().all(|sum| sum.abs() < 1e-15));
    let masks = balanced.stamps.dense().unwrap();
    // Three neighbours are left of four, two in the corner.
    assert_eq!([masks[[1, 2, 0]], masks[[1, 2, 1]], masks[[2, 1, 5]]], [1.0, -1.0 / 3.0, -0.5]);

    let dropped = bordered(&centers, CutMasks::Drop).unwrap();
    assert_eq!((dropped.dropped.as_slice(), dropped.stamps.len()), (&[1, 2, 3, 4][..], 2));

    let Err(Error::Parameter { got, .. }) = bordered(&centers, CutMasks::Error) else { panic!("an error") };
    assert!(got.contains("number 1"), "{got}");
    assert!(bordered(&[[2, 2], [1, 1], [3, 4]], CutMasks::Error).is_ok());
}

#[test]
fn a_template_without_negative_weights_cannot_be_balanced() {
    let placed =
        Stamps::bordered(array![[1.0, 2.0]], (2, 2), &[[0, 0], [0, 1]], CutMasks::Rebalance).unwrap();
    assert_eq!((placed.dropped.as_slice(), placed.stamps.len()), (&[1][..], 1));
}

#[test]
fn zeros_around_a_template_are_not_cut_off() {
    let mut padded = Array2::zeros((7, 7));
    padded[[3, 3]] = 2.0;
    let placed = Stamps::bordered(padded, (3, 3), &[[-3, -3], [-1, -1]], CutMasks::Error).unwrap();
    assert_eq!(placed.stamps.sums(array![[5, 0, 0], [0, 0, 0], [0, 0, 7]].view()).unwrap(), [10.0, 14.0]);
    // Nothing at all is nowhere cut.
    let nothing = Stamps::bordered(Array2::zeros((2, 2)), (3, 3), &[[1, 1]], CutMasks::Error).unwrap();
    assert_eq!(nothing.stamps.sums(Array2::<u8>::ones((3, 3)).view()).unwrap(), [0.0]);
}

#[test]
fn pixels_without_weight_do_not_matter() {
    let stamps = Stamps::new(template(), (3, 3), &[[0, 0]]).unwrap();
    let frame = array![[f64::NAN, 4.0, f64::INFINITY], [4.0, 7.0, 4.0], [f64::NAN, 4.0, f64::NAN]];
    assert_eq!(stamps.sums(frame.view()).unwrap(), [3.0]);
    assert!(stamps.sums(array![[0.0, f64::NAN, 0.0], [0.0; 3], [0.0; 3]].view()).unwrap()[0].is_nan());
}

#[test]
fn what_does_not_fit_is_an_error() {
    let stamps = Stamps::new(template(), (5, 6), &[[0, 0]]).unwrap();
    let mut sums = [0.0];
    assert!(matches!(stamps.sums_into(&[0u8; 29], [0, 0], &mut sums), Err(Error::Shape { .. })));
    assert!(matches!(stamps.sums_into(&[0u8; 30], [0, 0], &mut []), Err(Error::Shape { .. })));
    assert!(stamps.sums_into(&[1u8; 30], [i64::MAX, i64::MIN], &mut sums).is_ok());
    assert_eq!(sums, [0.0]);
    let huge = Stamps::new(template(), (usize::MAX, usize::MAX), &[[7, 7]]).unwrap();
    assert!(matches!(huge.total(), Err(Error::Parameter { .. })));
    assert!(matches!(huge.dense(), Err(Error::Parameter { .. })));
    assert!(matches!(huge.sums_into(&[0u8; 4], [0, 0], &mut sums), Err(Error::Shape { .. })));
    let none = Stamps::bordered(template(), (0, 4), &[[0, 0]], CutMasks::Keep).unwrap();
    assert_eq!((none.outside.as_slice(), none.stamps.total().unwrap().dim()), (&[0][..], (0, 4)));
}

/// A stack moved by whole pixels, zeros behind it.
fn moved(stack: &Array3<f64>, shift: [i64; 2]) -> Array3<f64> {
    let (_, h, w) = stack.dim();
    Array3::from_shape_fn(stack.dim(), |(k, y, x)| {
        let (y, x) = (y as i64 - shift[0], x as i64 - shift[1]);
        let inside = (0..h as i64).contains(&y) && (0..w as i64).contains(&x);
        if inside { stack[[k, y as usize, x as usize]] } else { 0.0 }
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sums_are_products_with_the_dense_stack(
        (h, w) in (1..24_usize, 1..24_usize),
        (th, tw) in (1..9_usize, 1..25_usize),
        corners in prop::collection::vec([-9..26_i64, -26..26_i64], 1..12),
        shift in [-6..7_i64, -6..7_i64],
        weights in prop::collection::vec(-3..4_i32, 200),
        policy in prop_oneof![Just(CutMasks::Keep), Just(CutMasks::Rebalance), Just(CutMasks::Drop)],
    ) {
        let template = Array2::from_shape_fn((th, tw), |(y, x)| f64::from(weights[(y * tw + x) % 200]) / 4.0);
        let frame = Array2::from_shape_fn((h, w), |(y, x)| ((y * 37 + x * 101) % 251) as u16);
        let placed = Stamps::bordered(template, (h, w), &corners, policy).unwrap();
        prop_assert_eq!(placed.stamps.len() + placed.dropped.len(), corners.len());
        let dense = placed.stamps.dense().unwrap();
        let nonzero = dense.iter().filter(|v| **v != 0.0).count();
        prop_assert_eq!(placed.stamps.n_weights(), nonzero);
        let product = |stack: &Array3<f64>| -> Vec<f64> {
            let of = |mask: ndarray::ArrayView2<'_, f64>| mask.iter().zip(&frame).map(|(m, &v)| m * f64::from(v)).sum();
            stack.outer_iter().map(of).collect()
        };
        let close = |found: &[f64], expected: &[f64]| {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-9)
        };
        let sums = placed.stamps.sums(frame.view()).unwrap();
        prop_assert!(close(&sums, &product(&dense)));
        // The type of the pixels changes nothing.
        prop_assert_eq!(&sums, &placed.stamps.sums(frame.mapv(f64::from).view()).unwrap());
        prop_assert_eq!(&sums, &placed.stamps.sums(frame.t().mapv(i32::from).t()).unwrap());
        let mut shifted = vec![f64::NAN; sums.len()];
        placed.stamps.sums_into(frame.as_slice().unwrap(), shift, &mut shifted).unwrap();
        prop_assert!(close(&shifted, &product(&moved(&dense, shift))));
        let total: f64 = placed.stamps.total().unwrap().iter().zip(&frame).map(|(m, &v)| m * f64::from(v)).sum();
        prop_assert!((total - sums.iter().sum::<f64>()).abs() < 1e-9 * sums.len() as f64 + 1e-9);
    }
}
