//! One array of images, with tilt angles from elsewhere.

use ndarray::{Array3, Array4, ArrayD, Axis, Ix3};
use nonius_core::Real;
use nonius_core::tilt_series::{Geometry, Laboratory, TiltSeries};

use super::assembled::finite;
use super::members::Group;
use super::{TiltFormat, TiltSeriesFile, TiltSeriesOptions, angles_file};
use crate::hdf5::container::Container;
use crate::hdf5::layout;
use crate::selector::Selector;
use crate::{Error, ImageFile, Result, open};

/// Angles and where they come from.
struct Angles {
    degrees: Vec<f64>,
    from: String,
}

/// A stack in any file but HDF5.
pub(super) fn read<F: Real>(selector: Selector, options: &TiltSeriesOptions) -> Result<TiltSeriesFile<F>> {
    let file = open(selector)?;
    let n = check_shape(&file)?;
    let angles = angles(&file, n, None, options)?;
    // MRC has Å, and 0 for "not known".
    let voxel = file.header.find("VOXEL_X").and_then(|v| v.real());
    let pixel_size_nm = voxel.map(|v| v / 10.0).filter(|v| *v > 0.0 && v.is_finite());
    assemble(file, angles, pixel_size_nm, options)
}

/// A stack in a dataset of an HDF5 file, with `tilt_degrees` and `pixel_size_nm` beside it.
pub(super) fn read_hdf5<F: Real>(
    hdf5: &dyn Container,
    selector: Selector,
    options: &TiltSeriesOptions,
) -> Result<TiltSeriesFile<F>> {
    let dataset = match &selector.key {
        Some(key) => key.clone(),
        None => only_stack(hdf5, &selector)?,
    };
    let (group, _) = dataset.rsplit_once('/').unwrap_or(("", &dataset));
    let group = Group::new(hdf5, group);
    let file = open(Selector { key: Some(dataset), ..selector })?;
    let n = check_shape(&file)?;
    let angles = angles(&file, n, Some(&group), options)?;
    let pixel_size_nm = group.number("pixel_size_nm")?.filter(|v| *v > 0.0);
    assemble(file, angles, pixel_size_nm, options)
}

/// The one dataset of three axes.
fn only_stack(hdf5: &dyn Container, selector: &Selector) -> Result<String> {
    let is_stack = |path: &String| hdf5.dataset(path).is_ok_and(|d| d.shape().len() == 3);
    let stacks: Vec<String> = layout::all_datasets(hdf5).into_iter().filter(is_stack).collect();
    match &stacks[..] {
        [only] => Ok(only.clone()),
        [] => Err(Error::selection(
            selector,
            "holds neither projections nor a dataset of axes (projection, row, column)",
        )),
        [first, ..] => {
            let example = Selector { key: Some(first.clone()), ..selector.clone() };
            let problem = format!("holds {}: choose one, as in {example}", stacks.join(", "));
            Err(Error::selection(selector, problem))
        }
    }
}

/// Number of images.
fn check_shape(file: &ImageFile) -> Result<usize> {
    match file.shape[..] {
        [_, _] => Ok(1),
        [n, ..] if file.shape.len() == 3 && !file.shape.contains(&0) => Ok(n),
        _ => {
            let problem =
                format!("shape {:?}, expected images of axes (projection, row, column)", file.shape);
            Err(Error::selection(&file.selector, problem))
        }
    }
}

/// The tilt angles, from the first that there is of: the caller, the caller's file, the dataset's neighbour, the file's.
fn angles(
    file: &ImageFile,
    n: usize,
    group: Option<&Group<'_>>,
    options: &TiltSeriesOptions,
) -> Result<Angles> {
    let path = &file.selector.path;
    let in_file = match group {
        Some(group) => group.numbers("tilt_degrees")?.map(|degrees| (degrees, group)),
        None => None,
    };
    let found = match (&options.tilt_degrees, &options.angles_file, in_file) {
        (Some(degrees), _, _) => Angles { degrees: degrees.clone(), from: "the caller".into() },
        (None, Some(file), _) => {
            Angles { degrees: angles_file::read(file, n)?, from: file.display().to_string() }
        }
        (None, None, Some((degrees, group))) => Angles { degrees, from: group.dataset("tilt_degrees") },
        (None, None, None) => match angles_file::beside(path) {
            Some(file) => Angles { degrees: angles_file::read(&file, n)?, from: file.display().to_string() },
            // A .geo file brings the rotations.
            None if options.geometry_file.is_some() => Angles { degrees: vec![0.0; n], from: String::new() },
            None => {
                let what = "a stack of images whose tilt angles are not known";
                let hint =
                    "give them, or put them beside it in a file .tlt or .rawtlt, one per line in degrees";
                return Err(Error::unsupported(path, what, hint));
            }
        },
    };
    if found.degrees.len() != n {
        let problem = format!("{} angles for {n} images, from {}", found.degrees.len(), found.from);
        return Err(Error::damaged(path, "tilt angles", problem));
    }
    for angle in &found.degrees {
        angles_file::check(*angle).map_err(|problem| {
            Error::damaged(path, "tilt angles", format!("{problem}, from {}", found.from))
        })?;
    }
    Ok(found)
}

fn assemble<F: Real>(
    file: ImageFile,
    angles: Angles,
    pixel_size_nm: Option<f64>,
    options: &TiltSeriesOptions,
) -> Result<TiltSeriesFile<F>> {
    let path = file.selector.path.clone();
    let images = stack::<F>(&file, options)?;
    let mut warnings = file.warnings.clone();
    let lowest = images.iter().fold(F::zero(), |lowest, v| lowest.min(*v));
    if lowest < F::zero() {
        warnings.push(format!("pixels are as low as {lowest}: no intensity is below 0"));
    }
    let largest = angles.degrees.iter().fold(0.0f64, |m, a| m.max(a.abs()));
    if angles.degrees.len() > 3 && largest > 0.0 && largest < 3.2 {
        warnings.push(format!(
            "tilt angles from {} go up to {largest} only: they are taken as degrees, are they radians?",
            angles.from
        ));
    }
    let (n, j, k) = images.dim();
    let Laboratory { j: along_j, k: along_k, .. } = Laboratory::default();
    let (sin, cos) = options.tilt_axis_degrees.to_radians().sin_cos();
    let radians: Vec<f64> = angles.degrees.iter().map(|a| a.to_radians()).collect();
    // Across the axis the sample may be as deep as it is wide.
    let volume_shape = if cos.abs() >= sin.abs() { [j, j, k] } else { [j, k, k] };
    let axis = along_k * cos + along_j * sin;
    let invalid = |reason| Error::Scan { path: path.clone(), reason };
    if !options.tilt_axis_degrees.is_finite() {
        let got = options.tilt_axis_degrees;
        return Err(invalid(nonius_core::Error::parameter("tilt_axis_degrees", "finite", got)));
    }
    let geometry = Geometry::single_axis(axis, &radians, [j, k], volume_shape).map_err(invalid)?;
    let weights = Array4::from_elem((n, j, k, 1), F::one());
    Ok(TiltSeriesFile {
        series: TiltSeries { geometry, images: Some(images), scattering: None, weights },
        path,
        format: TiltFormat::Stack,
        padding: Vec::new(),
        pixel_size_nm,
        angles_from: angles.from,
        warnings,
    })
}

/// The pixels.
fn stack<F: Real>(file: &ImageFile, options: &TiltSeriesOptions) -> Result<Array3<F>> {
    let mut array: ArrayD<F> = file.array()?;
    let damaged = |problem: String| Error::damaged(&file.selector.path, "pixels", problem);
    finite(&mut array, options.replace_non_finite).map_err(damaged)?;
    if array.ndim() == 2 {
        array.insert_axis_inplace(Axis(0));
    }
    array.into_dimensionality::<Ix3>().map_err(|e| Error::selection(&file.selector, e.to_string()))
}
