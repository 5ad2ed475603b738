//! What is refused, and how; progress and cancelling.

use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array2, Array3};
use nonius_core::{Error, Progress};
use nonius_registration::flow::{LucasKanadeParams, Tvl1Params, lucas_kanade, tvl1, warp};

use super::{Method, displaced, wavy};

#[track_caller]
fn refused(method: Method, reference: &Array2<f32>, moving: &Array2<f32>, message: &str) {
    let error = method.run(reference.view(), moving.view()).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn images() {
    let image = |ny, nx| Array2::<f32>::from_shape_fn((ny, nx), |(y, x)| (y * x) as f32);
    let mut holed = image(8, 9);
    holed[[3, 4]] = f32::NAN;
    for method in Method::both() {
        refused(method, &image(8, 9), &image(8, 8), "moving: expected shape [8, 9], got [8, 8]");
        refused(method, &image(0, 9), &image(0, 9), "reference is empty: shape [0, 9] has no element");
        refused(
            method,
            &image(1, 9),
            &image(1, 9),
            "image shape must be at least 2 by 2 px for a flow, got [1, 9]",
        );
        refused(
            method,
            &image(9, 1),
            &image(9, 1),
            "image shape must be at least 2 by 2 px for a flow, got [9, 1]",
        );
        for (a, b, what) in [(&holed, &image(8, 9), "reference"), (&image(8, 9), &holed, "moving")] {
            let error = method.run(a.view(), b.view()).unwrap_err();
            assert!(matches!(error, Error::NotFinite { what: w, index } if w == what && index == [3, 4]));
        }
    }
}

#[test]
fn parameters() {
    let tvl1 = Tvl1Params::default();
    let lucas_kanade = LucasKanadeParams::default();
    let image = Array2::<f32>::zeros((8, 8));
    for (method, message) in [
        (
            Method::Tvl1(Tvl1Params { attachment: 0.0, ..tvl1 }),
            "attachment must be finite and above 0, got 0",
        ),
        (
            Method::Tvl1(Tvl1Params { tightness: f64::NAN, ..tvl1 }),
            "tightness must be finite and above 0, got NaN",
        ),
        (Method::Tvl1(Tvl1Params { num_warp: 0, ..tvl1 }), "num_warp must be at least 1, got 0"),
        (Method::Tvl1(Tvl1Params { num_iter: 0, ..tvl1 }), "num_iter must be at least 1, got 0"),
        (Method::Tvl1(Tvl1Params { tol: -1.0, ..tvl1 }), "tol must be finite and at least 0, got -1"),
        (
            Method::LucasKanade(LucasKanadeParams { radius: 0, ..lucas_kanade }),
            "radius must be from 1 to 1024 px, got 0",
        ),
        (
            Method::LucasKanade(LucasKanadeParams { num_warp: 0, ..lucas_kanade }),
            "num_warp must be at least 1, got 0",
        ),
        (
            Method::LucasKanade(LucasKanadeParams { min_determinant: f64::INFINITY, ..lucas_kanade }),
            "min_determinant must be finite and at least 0, got inf",
        ),
    ] {
        refused(method, &image, &image, message);
    }
}

#[test]
fn warp_checks_its_flow() {
    let image = Array2::<f64>::zeros((4, 5));
    let error = warp(image.view(), Array3::zeros((2, 5, 4)).view()).unwrap_err();
    assert_eq!(error.to_string(), "flow: expected shape [2, 4, 5], got [2, 5, 4]");
    let flow = Array3::from_elem((2, 4, 5), f64::NAN);
    assert!(matches!(warp(image.view(), flow.view()), Err(Error::NotFinite { what: "flow", .. })));
}

/// Counts what it is told, and cancels once `allowed` questions were answered.
#[derive(Default)]
struct Counter {
    total: AtomicU64,
    done: AtomicU64,
    allowed: AtomicU64,
}

impl Progress for Counter {
    fn start(&self, _: &str, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }
    fn advance(&self, n: u64) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.allowed.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

#[test]
fn progress_adds_up_and_cancels() {
    let (reference, moving, _) = displaced::<f32>((70, 70), wavy);
    let run = |progress: &Counter, which: usize| {
        let (reference, moving) = (reference.view(), moving.view());
        match which {
            0 => tvl1(reference, moving, &Tvl1Params::default(), progress),
            _ => lucas_kanade(reference, moving, &LucasKanadeParams::default(), progress),
        }
    };
    for which in 0..2 {
        let patient = Counter { allowed: AtomicU64::new(u64::MAX), ..Default::default() };
        run(&patient, which).unwrap();
        assert_eq!(patient.done.into_inner(), patient.total.into_inner());
        let hasty = Counter { allowed: AtomicU64::new(12), ..Default::default() };
        assert_eq!(run(&hasty, which), Err(Error::Cancelled));
    }
}
