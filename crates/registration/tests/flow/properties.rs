//! Symmetries, scaling, threads, memory layout.

use ndarray::{Array2, Array3, Axis, s};
use nonius_core::Real;
use nonius_registration::flow::{LucasKanadeParams, Tvl1Params};
use proptest::prelude::*;

use super::{Method, displaced, end_point_error, largest_difference, wavy};

fn flow_of<F: Real>(method: Method, reference: &Array2<F>, moving: &Array2<F>) -> Array3<F> {
    method.run(reference.view(), moving.view()).unwrap().displacement
}

#[test]
fn swapping_the_images_negates_a_constant_flow() {
    let (reference, moving, _) = displaced::<f64>((70, 90), |_, _| [0.8, -1.3]);
    for method in Method::both() {
        let forth = flow_of(method, &reference, &moving);
        let back = flow_of(method, &moving, &reference).mapv(|u| -u);
        // Roughly: the two directions interpolate different images.
        let difference = end_point_error(&forth, &back, 10);
        assert!(difference < 0.05, "{method:?}: {difference} px");
    }
}

#[test]
fn transposing_the_images_exchanges_the_components() {
    let (reference, moving, _) = displaced::<f64>((70, 91), wavy);
    for method in Method::both() {
        let flow = flow_of(method, &reference, &moving);
        let transposed = flow_of(method, &reference.t().to_owned(), &moving.t().to_owned());
        let back = transposed.permuted_axes([0, 2, 1]).slice(s![..;-1, .., ..]).to_owned();
        // The order of some sums changes; Gauss–Newton and thresholds pass the rounding on.
        assert!(largest_difference(&flow, &back) < 1e-8, "{method:?}");
    }
}

#[test]
fn mirroring_the_images_negates_one_component() {
    // Even sizes on every level, where halving and carrying the flow are symmetric.
    let (reference, moving, _) = displaced::<f64>((64, 128), wavy);
    let mirror = |image: &Array2<f64>| image.slice(s![.., ..;-1]).to_owned();
    for method in Method::both() {
        let flow = flow_of(method, &reference, &moving);
        let mut mirrored = flow_of(method, &mirror(&reference), &mirror(&moving));
        mirrored.slice_mut(s![1, .., ..]).mapv_inplace(|u| -u);
        mirrored.invert_axis(Axis(2));
        // Forward differences make the total variation of TV-L1 slightly lopsided.
        let difference = end_point_error(&flow, &mirrored, 8);
        assert!(difference < 0.02, "{method:?}: {difference} px");
    }
}

#[test]
fn scaling_the_intensities_scales_the_attachment() {
    let (reference, moving, _) = displaced::<f32>((50, 60), wavy);
    let method = |attachment| Method::Tvl1(Tvl1Params { attachment, ..Default::default() });
    let plain = flow_of(method(15.0), &reference, &moving);
    // A power of two rounds nothing: the very same bits, even where squares would overflow.
    for factor in [4096.0_f32, 2.0_f32.powi(100), 2.0_f32.powi(-90)] {
        let scaled = flow_of(method(15.0 / f64::from(factor)), &(&reference * factor), &(&moving * factor));
        assert_eq!(scaled, plain, "factor {factor}");
    }
    let scaled = flow_of(method(15.0 / 1000.0), &(&reference * 1000.0), &(&moving * 1000.0));
    assert!(largest_difference(&scaled, &plain) < 0.01);
}

#[test]
fn lucas_kanade_scales_with_its_smallest_determinant() {
    let (reference, moving, _) = displaced::<f32>((50, 60), wavy);
    let method =
        |min_determinant| Method::LucasKanade(LucasKanadeParams { min_determinant, ..Default::default() });
    let plain = flow_of(method(1e-6), &reference, &moving);
    let scaled = flow_of(method(1e-6 * 2_f64.powi(48)), &(&reference * 4096.0), &(&moving * 4096.0));
    assert_eq!(scaled, plain);
}

#[test]
fn thread_count_does_not_change_a_bit() {
    let (reference, moving, _) = displaced::<f32>((150, 170), wavy);
    let in_pool = |threads: usize, method: Method| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| method.run(reference.view(), moving.view()).unwrap())
    };
    let with_median = Method::Tvl1(Tvl1Params { prefilter: true, ..Default::default() });
    for method in Method::both().into_iter().chain([with_median]) {
        assert_eq!(in_pool(1, method), in_pool(3, method), "{method:?}");
    }
}

#[test]
fn memory_layout_does_not_matter() {
    let (reference, moving, _) = displaced::<f64>((40, 50), wavy);
    let strided = |image: &Array2<f64>| {
        let mut wide = Array2::zeros((50, 80));
        wide.slice_mut(s![.., ..;2]).assign(&image.t());
        wide
    };
    let (a, b) = (strided(&reference), strided(&moving));
    for method in Method::both() {
        let view = |wide: &'_ Array2<f64>| wide.slice(s![.., ..;2]).reversed_axes().to_owned();
        let plain = flow_of(method, &reference, &moving);
        assert_eq!(flow_of(method, &view(&a), &view(&b)), plain);
        let views =
            method.run(a.slice(s![.., ..;2]).reversed_axes(), b.slice(s![.., ..;2]).reversed_axes()).unwrap();
        assert_eq!(views.displacement, plain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    /// Whatever finite images: a flow of finite numbers, of the images' shape.
    #[test]
    fn finite_images_give_finite_flows(
        shape in (2_usize..70, 2_usize..40),
        exponent in -44..38_i32,
        offset in -1.0..1.0_f32,
        seed in any::<u32>(),
        options in any::<(bool, bool)>(),
    ) {
        let scale = 10_f32.powi(exponent);
        let mut state = seed | 1;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (offset + state as f32 / u32::MAX as f32) * scale
        };
        let reference = Array2::from_shape_simple_fn(shape, &mut noise);
        let moving = Array2::from_shape_simple_fn(shape, &mut noise);
        let (prefilter, gaussian) = options;
        for method in [
            Method::Tvl1(Tvl1Params { prefilter, ..Default::default() }),
            Method::LucasKanade(LucasKanadeParams { prefilter, gaussian, min_determinant: 0.0, ..Default::default() }),
        ] {
            let flow = method.run(reference.view(), moving.view()).unwrap();
            prop_assert_eq!(flow.displacement.dim(), (2, shape.0, shape.1));
            prop_assert!(flow.displacement.iter().all(|u| u.is_finite()), "{:?}", method);
            prop_assert!(flow.residual.is_finite());
        }
    }
}
