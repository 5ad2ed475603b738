//! Numbers of other programs: `testdata/registration`, whose README names the programs.

#[path = "../../../../testdata/golden.rs"]
pub(crate) mod cases;

use cases::{Case, each};
use ndarray::{Array2, s};
use nonius_chi2::compatible::{
    Chi2ShiftParams, GridShift, IterativeZoomParams, PixelError, Term3, Upsample, chi2_shift,
    chi2_shift_iterzoom, chi2map_to_errors, chi2n_map,
};
use nonius_chi2::{Chi2Image, Chi2Params, chi2_map, delta_chi2};
use nonius_core::Frame;

/// The images of a case and its errors, if they are an array.
struct Inputs {
    reference: Array2<f64>,
    moving: Array2<f64>,
    sigmas: Option<Array2<f64>>,
    sigma: Option<f64>,
}

impl Inputs {
    fn of(case: &Case<'_>) -> Self {
        let err = case.param("err");
        Inputs {
            reference: case.real("reference"),
            moving: case.real("moving"),
            sigmas: (err == "array").then(|| case.real("err")),
            sigma: err.as_f64(),
        }
    }

    fn err(&self) -> PixelError<'_> {
        match (&self.sigmas, self.sigma) {
            (Some(sigmas), _) => PixelError::PerPixel(sigmas.view()),
            (None, Some(sigma)) => PixelError::Uniform(sigma),
            (None, None) => PixelError::Unit,
        }
    }
}

#[test]
fn chi2_maps() {
    each("chi2n_map", |case| {
        // Only periodic maps are made.
        if case.param("boundary") == "fill" {
            return;
        }
        let inputs = Inputs::of(case);
        let asked = |name: &str| case.param(name).as_bool().unwrap_or(false);
        let (f, g) = (inputs.reference.view(), inputs.moving.view());
        let found = chi2n_map(f, g, inputs.err(), asked("zeromean"), asked("reduced")).unwrap();
        case.all_close("map", &found.map, &case.real("map"));
        case.close("term 1", found.term1, case.number("term1"));
        case.all_close("term 2", &found.term2, &case.real("term2"));
        match &found.term3 {
            Term3::Scalar(term3) => case.close("term 3", *term3, case.number("term3")),
            Term3::Map(term3) => case.all_close("term 3", term3, &case.real("term3")),
        }
    });
}

/// Where the reference goes wrong over missing pixels and frames that do not wrap, an independent sum is right.
#[test]
fn maps_over_what_both_images_show() {
    each("chi2n_map", |case| {
        let fill = case.param("boundary") == "fill";
        if case.status() != "defect" {
            return;
        }
        let inputs = Inputs::of(case);
        let mask = |image: &Array2<f64>| image.mapv(f64::is_finite);
        let (behind, mut valid) = (mask(&inputs.reference), mask(&inputs.moving));
        if let Some(sigmas) = &inputs.sigmas {
            valid.zip_mut_with(sigmas, |ok, s| *ok &= s.is_finite() && *s > 0.0);
        }
        let moving = Chi2Image::new(inputs.moving.view()).with_mask(valid.view());
        let moving = match (&inputs.sigmas, inputs.sigma) {
            (Some(sigmas), _) => moving.with_sigmas(sigmas.view()),
            (None, sigma) => moving.with_sigma(sigma.unwrap_or(1.0)),
        };
        let reference = Chi2Image::new(inputs.reference.view()).with_mask(behind.view());
        let frame = if fill { Frame::Overlap } else { Frame::Periodic };
        let params = Chi2Params { frame, offset: false, ..Default::default() };
        let found = chi2_map(&reference, &moving, &params).unwrap();
        let (map, overlap) =
            (case.real::<ndarray::Ix2>("overlap_map"), case.real::<ndarray::Ix2>("overlap_count"));
        let (h, w) = map.dim();
        for ((y, x), &want) in map.indexed_iter() {
            // Their element p stands for n − 1 − ⌊n/2⌋ − p.
            let lag = [(h, y), (w, x)].map(|(n, p)| (n - 1 - n / 2) as isize - p as isize);
            let at = [(h, lag[0]), (w, lag[1])].map(|(n, d)| {
                if fill { (d + n as isize - 1) as usize } else { d.rem_euclid(n as isize) as usize }
            });
            assert_eq!(found.overlap[at], overlap[[y, x]], "{}", case.id());
            case.close("χ²", found.chi2[at], want);
        }
    });
}

#[test]
fn errors_of_maps() {
    each("errors", |case| {
        let map = case.real::<ndarray::Ix2>("map");
        let number = |name: &str| case.param(name).as_f64().expect("a number");
        let (n_sigma, n_parameters) = (number("nsigma"), number("nfitted") as usize);
        case.close("level", delta_chi2(n_sigma, n_parameters).unwrap(), case.number("delta_chi2_exact"));
        let found = chi2map_to_errors(map.view(), number("zoomfactor"), n_sigma, n_parameters).unwrap();
        for (name, sides) in [("x_low_high", found.x_low_high), ("y_low_high", found.y_low_high)] {
            for (side, expected) in sides.into_iter().zip(case.numbers(name)) {
                // The reference's level is too low where it is not the exact one.
                if case.status() == "match" {
                    case.close(name, side, expected);
                } else {
                    assert!(side >= expected, "{} {name}: {side} within {expected}", case.id());
                }
            }
        }
    });
}

#[test]
fn grid_shifts() {
    each("chi2_shift", |case| {
        let inputs = Inputs::of(case);
        let params = Chi2ShiftParams {
            upsample: case.param("upsample_factor").as_f64().map_or(Upsample::Auto, Upsample::Fixed),
            max_auto_size: case.param("max_auto_size").as_u64().expect("a size") as usize,
            ..Default::default()
        };
        let found = chi2_shift(inputs.reference.view(), inputs.moving.view(), inputs.err(), &params).unwrap();
        shift_and_errors(case, &found);
        for (name, sides) in [("err_x_low_high", found.x_low_high), ("err_y_low_high", found.y_low_high)] {
            for (side, expected) in sides.into_iter().zip(case.numbers(name)) {
                case.close(name, side, expected);
            }
        }
        case.close("step", found.step, case.number("step"));
        case.close("first shift, y", found.y[0], case.numbers("first_shift_yx")[0]);
        case.close("first shift, x", found.x[0], case.numbers("first_shift_yx")[1]);
        let shape = case.numbers("map_shape");
        assert_eq!([found.map.nrows() as f64, found.map.ncols() as f64].to_vec(), shape, "{}", case.id());
        case.close("least", found.map.fold(f64::INFINITY, |a, &b| a.min(b)), case.number("map_min"));
        case.all_close("map", &found.map.slice(s![..;16, ..;16]).to_owned(), &case.real("map_every_16"));
    });
}

#[test]
fn iterated_zooms() {
    each("iterzoom", |case| {
        let inputs = Inputs::of(case);
        let (f, g) = (inputs.reference.view(), inputs.moving.view());
        let found = chi2_shift_iterzoom(f, g, inputs.err(), &IterativeZoomParams::default()).unwrap();
        shift_and_errors(case, &found);
    });
}

#[track_caller]
fn shift_and_errors(case: &Case<'_>, found: &GridShift) {
    for (name, value) in [("dx", found.dx), ("dy", found.dy), ("err_x", found.err_x), ("err_y", found.err_y)]
    {
        case.close(name, value, case.number(name));
    }
}
