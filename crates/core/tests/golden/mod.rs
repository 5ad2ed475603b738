//! Numbers of other programs: `testdata/registration`, whose README names the programs.

use ndarray::{Array1, Array2, ArrayD, Ix1, Ix2, IxDyn};
use nonius_core::{
    cramer_rao_bound, downsample, fisher_information, fourier_shift, fourier_shift_complex, upsampled_dft,
    zoom, zoom_positions,
};
use num_complex::Complex;

use crate::disks::golden::each;

fn numbers(value: &serde_json::Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(|v| v.as_f64()).collect()
}

fn sizes(value: &serde_json::Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(|v| Some(v.as_u64()? as usize)).collect()
}

#[test]
fn shifted_arrays() {
    each("shiftnd", |case| {
        let data: ArrayD<f64> = case.real::<IxDyn>("data");
        let shift = numbers(case.param("shift")).expect("a shift per axis");
        let phase = case.param("phase").as_f64().unwrap_or(0.0);
        if case.is_complex("shifted") {
            let data = data.mapv(|v| Complex::new(v, 0.0));
            let shifted = fourier_shift_complex(data.view(), &shift, phase).unwrap();
            let expected = case.complex::<IxDyn>("shifted");
            case.all_close("real part", &shifted.mapv(|z| z.re), &expected.mapv(|z| z.re));
            case.all_close("imaginary part", &shifted.mapv(|z| z.im), &expected.mapv(|z| z.im));
        } else {
            assert!(phase == 0.0, "{}: a real array takes no phase", case.id());
            let shifted = fourier_shift(data.view(), &shift).unwrap();
            case.all_close("shifted", &shifted, &case.real("shifted"));
        }
    });
}

#[test]
fn upsampled_transforms() {
    each("dftups", |case| {
        let data = case.complex::<Ix2>("data");
        let size = |name, n| case.param(name).as_u64().map_or(n, |v| v as usize);
        let region = [size("rows", data.nrows()), size("cols", data.ncols())];
        let offset = ["row_offset", "col_offset"].map(|name| case.param(name).as_f64().expect("an offset"));
        let factor = case.param("upsample_factor").as_f64().expect("a factor");
        let found = upsampled_dft(data.view(), factor, &region, &offset).unwrap();
        let expected = case.complex::<IxDyn>("dft");
        case.all_close("real part", &found.mapv(|z| z.re), &expected.mapv(|z| z.re));
        case.all_close("imaginary part", &found.mapv(|z| z.im), &expected.mapv(|z| z.im));
    });
}

#[test]
fn zoomed_images() {
    each("zoomnd", |case| {
        let data = case.real::<Ix2>("data");
        let shape = sizes(case.param("shape")).unwrap_or_else(|| data.shape().to_vec());
        let offset = numbers(case.param("offsets_yx")).expect("an offset per axis");
        let factor = case.param("upsample_factor").as_f64().expect("a factor");
        let zoomed = zoom(data.view(), factor, &shape, &offset).unwrap();
        case.all_close("zoomed", &zoomed, &case.real("zoomed"));
        for (axis, name) in ["y", "x"].into_iter().enumerate() {
            let places: Array1<f64> = zoom_positions(data.shape()[axis], shape[axis], factor, offset[axis]);
            case.all_close(name, &places, &case.real::<Ix1>(name));
        }
    });
}

#[test]
fn block_means() {
    each("downsample", |case| {
        let factor = case.param("factor").as_u64().expect("a factor") as usize;
        let found = downsample(case.real::<Ix2>("data").view(), factor).unwrap();
        case.all_close("means", &found, &case.real("down"));
    });
}

#[test]
fn information_and_bound() {
    each("information", |case| {
        let reference = case.real::<Ix2>("reference");
        let sigma = case.param("sigma").as_f64().expect("a standard deviation");
        let matrix = |m: [[f64; 2]; 2]| Array2::from_shape_fn((2, 2), |(i, j)| m[i][j]);
        let information = matrix(fisher_information(reference.view(), sigma).unwrap());
        case.all_close("information", &information, &case.real("fisher_yx"));
        let bound = matrix(cramer_rao_bound(reference.view(), sigma).unwrap());
        case.all_close("covariance", &bound, &case.real("covariance_yx"));
    });
}
