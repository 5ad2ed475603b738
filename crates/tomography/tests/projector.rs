//! The projector pair against plain sums, against another program's numbers, and what must hold of any such pair.

use std::collections::HashMap;
use std::path::Path;

use nalgebra::{Matrix3, Vector3};
use ndarray::{Array3, Array4, ArrayD, ArrayView4, Axis};
use nonius_core::Real;
use nonius_core::tilt_series::{rotation_about, rotation_by};
use nonius_tomography::{Geometry, Laboratory, Projector, View};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub(crate) fn archive(name: &str) -> HashMap<String, ArrayD<f64>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/tomography"));
    crate::golden::npz(&folder.join(name))
}

pub(crate) fn random(shape: (usize, usize, usize, usize), seed: u64) -> Array4<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    Array4::from_shape_simple_fn(shape, || rng.gen_range(-1.0..1.0))
}

pub(crate) fn forward<F: Real>(projector: &Projector<F>, volume: ArrayView4<'_, F>) -> Array4<F> {
    let [n, j, k] = projector.stack_shape();
    let mut out = Array4::from_elem((n, j, k, volume.dim().3), F::nan());
    projector.forward(volume, None, out.view_mut()).unwrap();
    out
}

pub(crate) fn adjoint<F: Real>(projector: &Projector<F>, stack: ArrayView4<'_, F>) -> Array4<F> {
    let [x, y, z] = projector.volume_shape();
    let mut out = Array4::from_elem((x, y, z, stack.dim().3), F::nan());
    projector.adjoint(stack, None, out.view_mut()).unwrap();
    out
}

/// |difference| over |expected|, in the Euclidean norm.
#[track_caller]
pub(crate) fn relative<F: Real, G: Real, D: ndarray::Dimension>(
    found: &ndarray::Array<F, D>,
    expected: &ndarray::Array<G, D>,
) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let (mut difference, mut norm) = (0.0, 0.0);
    for (found, expected) in found.iter().zip(expected) {
        difference += (found.f64() - expected.f64()).powi(2);
        norm += expected.f64().powi(2);
    }
    (difference / norm).sqrt()
}

fn golden_geometry(arrays: &HashMap<String, ArrayD<f64>>) -> Geometry {
    let rotations = &arrays["rotations"];
    let views = (0..rotations.shape()[0])
        .map(|i| View {
            rotation: Matrix3::from_fn(|row, column| rotations[[i, row, column]]),
            j_offset: arrays["j_offset"][[i]],
            k_offset: arrays["k_offset"][[i]],
            angles: None,
        })
        .collect();
    let direction = |row: usize| Vector3::from_fn(|axis, _| arrays["directions"][[row, axis]]);
    let (volume, stack) = (arrays["volume"].shape(), arrays["stack"].shape());
    Geometry {
        laboratory: Laboratory { p: direction(0), j: direction(1), k: direction(2) },
        views,
        volume_shape: [volume[0], volume[1], volume[2]],
        projection_shape: [stack[1], stack[2]],
        scattering: None,
    }
}

/// Any rotations, laboratory of either hand, offsets of a few pixels.
pub(crate) fn any_geometry(seed: u64, n: usize, projection: [usize; 2], volume: [usize; 3]) -> Geometry {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut vector = |size: f64| Vector3::from_fn(|_, _| rng.gen_range(-size..size));
    let turn = rotation_by(vector(3.0));
    let hand = if seed.is_multiple_of(2) { 1.0 } else { -1.0 };
    let laboratory =
        Laboratory { p: turn * Vector3::y(), j: turn * Vector3::x(), k: turn * Vector3::z() * hand };
    let views = (0..n)
        .map(|_| {
            let offset = vector(3.0);
            let rotation = rotation_by(vector(3.0));
            View { rotation, j_offset: offset.x, k_offset: offset.y, angles: None }
        })
        .collect();
    Geometry { laboratory, views, volume_shape: volume, projection_shape: projection, scattering: None }
}

/// Views about z, upright, with offsets, in unequal steps through more than a half turn.
pub(crate) fn about_z(n: usize, projection: [usize; 2], volume: [usize; 3]) -> Geometry {
    let angles: Vec<f64> = (0..n).map(|i| -1.6 + 3.9 * (i as f64 / n as f64).powf(1.2)).collect();
    let offsets: Vec<_> =
        (0..n).map(|i| [1.3 * (i as f64).sin(), 0.7 * (2.0 * i as f64).cos() - 0.4]).collect();
    let geometry = Geometry::single_axis(Vector3::z(), &angles, projection, volume).unwrap();
    geometry.with_offsets(&offsets).unwrap()
}

/// The rays' sums as the definition says, one sample after the other: every weight of the matrix.
fn each_weight(geometry: &Geometry, mut weigh: impl FnMut([usize; 3], [usize; 3], f64)) {
    let size = geometry.volume_shape;
    let [n_j, n_k] = geometry.projection_shape;
    for i in 0..geometry.len() {
        let view = geometry.views[i];
        let d = geometry.directions(i);
        let a0 = (0..3).rev().max_by(|a, b| d.p[*a].abs().total_cmp(&d.p[*b].abs())).unwrap();
        let (a1, a2) = [(1, 2), (0, 2), (0, 1)][a0];
        let (s1, s2) = (d.p[a1] / d.p[a0], d.p[a2] / d.p[a0]);
        let length = (1.0 + s1 * s1 + s2 * s2).sqrt();
        let half = |n: usize| 0.5 - n as f64 / 2.0;
        for a in 0..n_j {
            for b in 0..n_k {
                let c = (a as f64 + half(n_j) + view.j_offset) * d.j
                    + (b as f64 + half(n_k) + view.k_offset) * d.k;
                for n in 0..size[a0] {
                    let t = n as f64 + half(size[a0]) - c[a0];
                    let q1 = c[a1] + s1 * t - half(size[a1]);
                    let q2 = c[a2] + s2 * t - half(size[a2]);
                    for m1 in [q1.floor(), q1.floor() + 1.0] {
                        for m2 in [q2.floor(), q2.floor() + 1.0] {
                            let weight = (1.0 - (q1 - m1).abs()) * (1.0 - (q2 - m2).abs());
                            let inside = |m: f64, n: usize| m >= 0.0 && m < n as f64;
                            if inside(m1, size[a1]) && inside(m2, size[a2]) {
                                let mut voxel = [n; 3];
                                (voxel[a1], voxel[a2]) = (m1 as usize, m2 as usize);
                                weigh([i, a, b], voxel, length * weight);
                            }
                        }
                    }
                }
            }
        }
    }
}

fn geometries() -> Vec<Geometry> {
    let mut all = vec![
        about_z(9, [11, 7], [8, 9, 6]),
        about_z(7, [5, 12], [7, 6, 9]),
        about_z(5, [1, 1], [3, 2, 1]),
        any_geometry(1, 6, [9, 8], [7, 8, 9]),
        any_geometry(2, 9, [4, 13], [10, 3, 6]),
        any_geometry(3, 8, [12, 5], [1, 7, 8]),
        any_geometry(4, 8, [2, 3], [5, 5, 5]),
    ];
    // Axes along every direction of the volume and the image, up or down, and tilts of a whole quarter.
    for axis in [Vector3::x(), -Vector3::y(), -Vector3::z()] {
        let angles = [0.0, 0.3, std::f64::consts::FRAC_PI_4, std::f64::consts::FRAC_PI_2, 2.0, 3.0];
        let mut geometry = Geometry::single_axis(axis, &angles, [8, 7], [6, 7, 8]).unwrap();
        geometry.views[2].k_offset = -0.3;
        all.push(geometry.clone());
        (geometry.laboratory.j, geometry.laboratory.k) = (geometry.laboratory.k, -geometry.laboratory.j);
        all.push(geometry);
    }
    // Far off, at whole steps, and beside the volume.
    let mut far = about_z(6, [6, 6], [6, 6, 6]);
    far.views[0].j_offset = 6.0;
    far.views[1].k_offset = -5.5;
    far.views[2].k_offset = 40.0;
    far.views[3].j_offset = 1e300;
    far.views[4].k_offset = -1e300;
    all.push(far);
    all
}

#[test]
fn sums_are_those_of_the_definition() {
    for (case, geometry) in geometries().iter().enumerate() {
        let projector = Projector::<f64>::new(geometry).unwrap();
        let ([x, y, z], [n, j, k]) = (projector.volume_shape(), projector.stack_shape());
        for channels in [1, 3] {
            let volume = random((x, y, z, channels), 1);
            let stack = random((n, j, k, channels), 2);
            let mut images = Array4::<f64>::zeros(stack.dim());
            let mut back = Array4::<f64>::zeros(volume.dim());
            each_weight(geometry, |[i, a, b], [x, y, z], weight| {
                for c in 0..channels {
                    images[[i, a, b, c]] += weight * volume[[x, y, z, c]];
                    back[[x, y, z, c]] += weight * stack[[i, a, b, c]];
                }
            });
            // Roundings of the indices, which are of the order of 10: 10 ε for every one of the few dozen terms.
            let close = |found: &Array4<f64>, expected: &Array4<f64>| {
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
            };
            assert!(close(&forward(&projector, volume.view()), &images), "forward of case {case}");
            assert!(close(&adjoint(&projector, stack.view()), &back), "adjoint of case {case}");
        }
    }
}

#[test]
fn golden_pairs() {
    for name in ["identity_offsets", "single_axis", "general", "custom_directions"] {
        let arrays = archive(&format!("projector_{name}.npz"));
        let geometry = golden_geometry(&arrays);
        let array = |key: &str| arrays[key].clone().into_dimensionality::<ndarray::Ix4>().unwrap();
        let (volume, stack) = (array("volume"), array("stack"));
        let double = Projector::<f64>::new(&geometry).unwrap();
        assert!(relative(&forward(&double, volume.view()), &array("ref_forward")) < 1e-12, "{name}");
        assert!(relative(&adjoint(&double, stack.view()), &array("ref_adjoint")) < 1e-12, "{name}");
        let single = Projector::<f32>::new(&geometry).unwrap();
        let (volume, stack) = (volume.mapv(|v| v as f32), stack.mapv(|v| v as f32));
        assert!(relative(&forward(&single, volume.view()), &array("ref_forward")) < 1e-5, "{name}");
        assert!(relative(&adjoint(&single, stack.view()), &array("ref_adjoint")) < 1e-5, "{name}");
    }
}

/// `⟨Ax, y⟩ − ⟨x, Aᵀy⟩` over the norms.
fn mismatch<F: Real>(geometry: &Geometry, channels: usize) -> f64 {
    let projector = Projector::<F>::new(geometry).unwrap();
    let ([x, y, z], [n, j, k]) = (projector.volume_shape(), projector.stack_shape());
    let volume = random((x, y, z, channels), 3).mapv(F::of);
    let stack = random((n, j, k, channels), 4).mapv(F::of);
    let (images, back) = (forward(&projector, volume.view()), adjoint(&projector, stack.view()));
    let dot = |a: &Array4<F>, b: &Array4<F>| a.iter().zip(b).map(|(a, b)| a.f64() * b.f64()).sum::<f64>();
    let norms = (dot(&images, &images) * dot(&stack, &stack)).sqrt();
    if norms == 0.0 { 0.0 } else { (dot(&images, &stack) - dot(&volume, &back)).abs() / norms }
}

#[test]
fn adjoint_is_the_transpose() {
    for geometry in geometries().iter().chain(&[any_geometry(7, 12, [40, 33], [31, 36, 35])]) {
        for channels in [1, 2] {
            assert!(mismatch::<f64>(geometry, channels) < 1e-12);
            assert!(mismatch::<f32>(geometry, channels) < 1e-5);
        }
    }
}

#[test]
fn a_subset_is_those_views() {
    for geometry in [about_z(7, [9, 8], [8, 8, 8]), any_geometry(5, 7, [9, 8], [8, 8, 8])] {
        let projector = Projector::<f64>::new(&geometry).unwrap();
        let views = [5, 0, 3];
        let part = Projector::<f64>::new(&geometry.subset(&views).unwrap()).unwrap();
        let volume = random((8, 8, 8, 1), 1);
        let stack = random((3, 9, 8, 1), 2);
        let mut images = Array4::zeros(stack.dim());
        projector.forward(volume.view(), Some(&views), images.view_mut()).unwrap();
        assert_eq!(images, forward(&part, volume.view()));
        let mut back = Array4::zeros(volume.dim());
        projector.adjoint(stack.view(), Some(&views), back.view_mut()).unwrap();
        assert_eq!(back, adjoint(&part, stack.view()));
    }
}

#[test]
fn offsets_and_views_change_in_place() {
    let geometry = any_geometry(6, 5, [9, 8], [8, 7, 6]);
    let other = any_geometry(8, 5, [9, 8], [8, 7, 6]);
    let mut projector = Projector::<f64>::new(&geometry).unwrap();
    projector.set_offsets(&other.offsets()).unwrap();
    assert_eq!(projector, Projector::new(&geometry.clone().with_offsets(&other.offsets()).unwrap()).unwrap());
    let mut changed = geometry.clone().with_offsets(&other.offsets()).unwrap();
    changed.views[3] = other.views[3];
    projector.set_view(3, &other.views[3]).unwrap();
    assert_eq!(projector, Projector::new(&changed).unwrap());
}

#[test]
fn a_point_appears_where_the_rule_of_signs_says() {
    let mut geometry = about_z(1, [9, 9], [9, 9, 9]);
    geometry.views = vec![View::from_rotation(Matrix3::identity())];
    geometry.views[0].j_offset = 2.0;
    geometry.views[0].k_offset = -1.0;
    let mut volume = Array4::<f64>::zeros((9, 9, 9, 1));
    volume[[5, 2, 4, 0]] = 1.0;
    let images = forward(&Projector::new(&geometry).unwrap(), volume.view());
    // a = r·j − j_offset + J/2 − ½.
    assert_eq!(images[[0, 3, 5, 0]], 1.0);
    assert_eq!(images.sum(), 1.0);
}

/// The reference reads voxel 1 instead of voxel 0 below the low edge; a quarter of a pixel outside, a voxel at
/// the edge counts three quarters and its neighbour nothing.
#[test]
fn the_low_edge_fades_out() {
    let mut geometry = about_z(1, [4, 4], [4, 4, 4]);
    geometry.views = vec![View { j_offset: -0.25, ..View::from_rotation(Matrix3::identity()) }];
    let projector = Projector::<f64>::new(&geometry).unwrap();
    let column = |x: usize| {
        let mut volume = Array4::zeros((4, 4, 4, 1));
        volume[[x, 1, 1, 0]] = 1.0;
        forward(&projector, volume.view()).slice(ndarray::s![0, .., 1, 0]).to_vec()
    };
    assert_eq!(column(0), [0.75, 0.25, 0.0, 0.0]);
    assert_eq!(column(1), [0.0, 0.75, 0.25, 0.0]);
    assert_eq!(column(3), [0.0, 0.0, 0.0, 0.75]);
}

fn ball(size: usize, radius: f64, center: Vector3<f64>) -> Array4<f64> {
    // Four samples per axis soften the edge.
    let sub = |i: usize| (0..4).map(move |s| i as f64 + (s as f64 + 0.5) / 4.0 - size as f64 / 2.0);
    Array4::from_shape_fn((size, size, size, 1), |(x, y, z, _)| {
        let mut inside = 0;
        for (x, (y, z)) in sub(x).flat_map(|x| sub(y).flat_map(move |y| sub(z).map(move |z| (x, (y, z))))) {
            inside += usize::from((Vector3::new(x, y, z) - center).norm() < radius);
        }
        inside as f64 / 64.0
    })
}

#[test]
fn the_mass_of_a_ball_is_seen_by_every_view() {
    // Worst seen in 0.1 % of many directions at these sizes: 0.23 % and 0.08 %.
    for (size, tolerance) in [(16, 3e-3), (32, 1.5e-3)] {
        let volume = ball(size, 0.3 * size as f64, Vector3::new(0.4, -0.7, 0.2));
        let mut geometry = any_geometry(11, 40, [size + 6; 2], [size; 3]);
        geometry = geometry.clone().with_offsets(&vec![[0.3, -0.2]; 40]).unwrap();
        let images = forward(&Projector::new(&geometry).unwrap(), volume.view());
        for image in images.axis_iter(Axis(0)) {
            assert!((image.sum() / volume.sum() - 1.0).abs() < tolerance, "{}", image.sum() / volume.sum());
        }
    }
}

#[test]
fn relabelled_axes_permute_the_volume() {
    // x → y → z → x: a rotation, so that the views follow it.
    let turn = rotation_about(Vector3::new(1.0, 1.0, 1.0), 2.0 * std::f64::consts::FRAC_PI_3).unwrap();
    let geometry = any_geometry(12, 9, [9, 8], [6, 7, 8]);
    let volume = random((6, 7, 8, 1), 1);
    let mut relabelled = geometry.clone();
    relabelled.rotate_reconstruction(&turn.transpose()).unwrap();
    relabelled.volume_shape = [8, 6, 7];
    let moved = volume.view().permuted_axes([2, 0, 1, 3]);
    let images = forward(&Projector::new(&geometry).unwrap(), volume.view());
    let found = forward(&Projector::new(&relabelled).unwrap(), moved);
    assert!(relative(&found, &images) < 1e-12);
    let back = adjoint(&Projector::new(&geometry).unwrap(), images.view());
    let found = adjoint(&Projector::new(&relabelled).unwrap(), images.view());
    assert!(relative(&found, &back.permuted_axes([2, 0, 1, 3])) < 1e-12);
}

#[test]
fn j_and_k_change_places_with_the_images_sides() {
    let geometry = any_geometry(13, 6, [9, 7], [7, 7, 7]);
    let mut swapped = geometry.clone();
    swapped.projection_shape = [7, 9];
    (swapped.laboratory.j, swapped.laboratory.k) = (swapped.laboratory.k, swapped.laboratory.j);
    for view in &mut swapped.views {
        (view.j_offset, view.k_offset) = (view.k_offset, view.j_offset);
    }
    let volume = random((7, 7, 7, 2), 1);
    let images = forward(&Projector::new(&geometry).unwrap(), volume.view());
    let found = forward(&Projector::new(&swapped).unwrap(), volume.view());
    let transposed = images.permuted_axes([0, 2, 1, 3]);
    assert!(relative(&found, &transposed.to_owned()) < 1e-12);
    // An array that is not contiguous is as good, as input and as output.
    let mut into = Array4::<f64>::zeros((6, 9, 7, 2)).permuted_axes([0, 2, 1, 3]);
    Projector::new(&swapped).unwrap().forward(volume.view(), None, into.view_mut()).unwrap();
    assert_eq!(into, found);
    let back = adjoint(&Projector::new(&swapped).unwrap(), transposed.view());
    let mut into = Array4::<f64>::zeros((7, 7, 7, 2)).permuted_axes([2, 1, 0, 3]);
    Projector::new(&swapped).unwrap().adjoint(found.view(), None, into.view_mut()).unwrap();
    assert!(relative(&into, &back) < 1e-12);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for geometry in [about_z(9, [30, 21], [25, 24, 20]), any_geometry(14, 9, [30, 21], [25, 24, 20])] {
        let projector = Projector::<f32>::new(&geometry).unwrap();
        let volume = random((25, 24, 20, 1), 1).mapv(|v| v as f32);
        let stack = random((9, 30, 21, 1), 2).mapv(|v| v as f32);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (forward(&projector, volume.view()), adjoint(&projector, stack.view())))
        };
        assert_eq!(with(1), with(3));
    }
}

#[test]
fn sums_of_rows_and_columns() {
    let geometry = any_geometry(15, 6, [9, 7], [6, 7, 8]);
    let projector = Projector::<f64>::new(&geometry).unwrap();
    let (mut rows, mut columns) = (Array3::<f64>::zeros((6, 9, 7)), Array3::<f64>::zeros((6, 7, 8)));
    each_weight(&geometry, |pixel, voxel, weight| {
        rows[pixel] += weight;
        columns[voxel] += weight;
    });
    assert!(relative(&projector.row_sums(), &rows) < 1e-13);
    assert!(relative(&projector.col_sums(), &columns) < 1e-13);
}

#[test]
fn what_does_not_fit_is_named() {
    let geometry = about_z(3, [5, 4], [5, 5, 4]);
    let mut projector = Projector::<f64>::new(&geometry).unwrap();
    let (volume, mut stack) = (Array4::<f64>::zeros((5, 5, 4, 2)), Array4::<f64>::zeros((3, 5, 4, 2)));
    let message = |result: nonius_core::Result<()>| result.unwrap_err().to_string();
    let wrong = projector.forward(volume.view(), None, stack.slice_mut(ndarray::s![.., .., .., ..1]));
    assert_eq!(message(wrong), "images: expected shape [3, 5, 4, 2], got [3, 5, 4, 1]");
    let wrong = projector.forward(volume.slice(ndarray::s![1.., .., .., ..]), None, stack.view_mut());
    assert_eq!(message(wrong), "volume: expected shape [5, 5, 4, 2], got [4, 5, 4, 2]");
    let none = Array4::<f64>::zeros((5, 5, 4, 0));
    assert!(projector.forward(none.view(), None, Array4::zeros((3, 5, 4, 0)).view_mut()).is_err());
    let wrong = projector.forward(volume.view(), Some(&[0, 3, 1]), stack.view_mut());
    assert_eq!(message(wrong), "views must be indices of views, got 3");
    assert!(message(projector.set_offsets(&[[0.0; 2]; 2])).contains("offsets"));
    let wrong = projector.set_offsets(&[[0.0; 2], [0.0, f64::NAN], [0.0; 2]]);
    assert_eq!(message(wrong), "frame 1: k_offset must be finite, got NaN");
    assert!(projector.set_view(3, &geometry.views[0]).is_err());
    let reflected = View::from_rotation(-Matrix3::identity());
    assert!(projector.set_view(1, &reflected).is_err());
    // No view at all: nothing to write, nothing back.
    projector.forward(volume.view(), Some(&[]), Array4::zeros((0, 5, 4, 2)).view_mut()).unwrap();
    let mut back = volume.clone() + 1.0;
    projector.adjoint(Array4::zeros((0, 5, 4, 2)).view(), Some(&[]), back.view_mut()).unwrap();
    assert_eq!(back.sum(), 0.0);
}
