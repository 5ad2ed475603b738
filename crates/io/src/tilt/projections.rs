//! HDF5 with one group per projection, the layout of mumott.

use std::f64::consts::PI;

use nalgebra::{Matrix3, Vector3};
use ndarray::{Array3, Array4, ArrayD, Axis, s};
use nonius_core::Real;
use nonius_core::tilt_series::{
    Geometry, Laboratory, Scattering, TiltSeries, View, ViewAngles, check_rotation,
};

use super::assembled::{check_room, read_array, zeros};
use super::members::Group;
use super::{TiltFormat, TiltSeriesFile, TiltSeriesOptions};
use crate::hdf5::container::Container;
use crate::{Error, Result};

/// Datasets with pixels, the one that gives the shape first.
const PIXELS: [&str; 3] = ["diode", "data", "weights"];
/// Angles beyond this, rad, are taken for degrees.
const LARGEST_ANGLE: f64 = 4.0 * PI;
/// So many numbers are named in a message.
const NAMED: usize = 8;

/// One projection, its pixels unread.
struct Projection<'a> {
    group: Group<'a>,
    /// Shape (J, K) of its own.
    shape: [usize; 2],
    /// Channels of `data`, and of `weights`.
    channels: Option<usize>,
    weight_channels: Option<usize>,
    view: View,
}

pub(super) fn read<F: Real>(file: &dyn Container, options: &TiltSeriesOptions) -> Result<TiltSeriesFile<F>> {
    let mut warnings = Vec::new();
    let root = Group::new(file, "");
    let names = projections(file, options, &mut warnings)?;
    let laboratory = laboratory(&root)?;
    let mut axes = DefaultAxes { inner: root.axis("inner_axis")?, outer: root.axis("outer_axis")? };
    let mut projections = Vec::with_capacity(names.len());
    let mut n_turned = 0;
    for name in &names {
        let group = Group::new(file, &format!("/projections/{name}"));
        let (view, turned) = view(&group, &mut axes, options, &mut warnings)?;
        n_turned += usize::from(turned);
        projections.push(Projection::new(group, view, options)?);
    }
    if n_turned == 0 && names.len() > 1 {
        warnings.push("no projection has angles or a rotation matrix: none is taken as turned".into());
    }
    let size = |axis: usize| projections.iter().map(|p| p.shape[axis]).max().unwrap_or(0);
    let projection_shape = [size(0), size(1)];
    let padding = pad(&mut projections, projection_shape, &mut warnings);

    let images = images(&projections, projection_shape, options)?;
    let scattering = scattering(&projections, projection_shape, options)?;
    let n_channels = scattering.as_ref().map(|s| s.dim().3);
    if images.is_none() && n_channels.is_none() {
        let what = "no projection has a diode, and scattering is skipped";
        return Err(Error::unsupported(file.path(), what, "read the scattering channels as well"));
    }
    let weights = weights(&projections, projection_shape, n_channels, options)?;
    let [j, k] = projection_shape;
    let geometry = Geometry {
        laboratory,
        views: projections.iter().map(|p| p.view).collect(),
        volume_shape: volume_shape(&root)?.unwrap_or([j, j, k]),
        projection_shape,
        scattering: detector(&root, n_channels)?,
    };
    Ok(TiltSeriesFile {
        path: file.path().into(),
        format: TiltFormat::Projections,
        series: TiltSeries { geometry, images, scattering, weights },
        padding,
        pixel_size_nm: None,
        angles_from: "the file".into(),
        warnings,
    })
}

/// Names of the groups of projections in the order of their numbers.
fn projections(
    file: &dyn Container,
    options: &TiltSeriesOptions,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>> {
    let damaged = |problem: String| Error::damaged(file.path(), "projections", problem);
    let mut numbered: Vec<(u64, String)> = Vec::new();
    for name in file.members("/projections").groups {
        match name.parse() {
            Ok(number) if name.bytes().all(|b| b.is_ascii_digit()) => numbered.push((number, name)),
            _ => warnings.push(format!("projections/{name} is not the number of a projection: ignored")),
        }
    }
    numbered.sort();
    if numbered.is_empty() {
        return Err(damaged("there is no projection, expected groups 0, 1, 2 and so on".into()));
    }
    if let Some(twice) = numbered.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(damaged(format!("{} and {} are the same projection", twice[0].1, twice[1].1)));
    }
    // Gaps, each as (first, last) number that is not there.
    let mut next = 0;
    let mut gaps = Vec::new();
    for &(number, _) in &numbered {
        if number > next {
            gaps.push((next, number - 1));
        }
        next = number.saturating_add(1);
    }
    if !gaps.is_empty() {
        let shown = |&(first, last): &(u64, u64)| match first == last {
            true => first.to_string(),
            false => format!("{first} to {last}"),
        };
        let mut list: Vec<String> = gaps.iter().take(NAMED).map(shown).collect();
        if gaps.len() > NAMED {
            list.push("and others".into());
        }
        let problem = format!("{} groups, but missing are {}", numbered.len(), list.join(", "));
        if !options.allow_missing {
            return Err(damaged(format!("{problem} (allow_missing reads the others)")));
        }
        warnings.push(format!("projections: {problem}"));
    }
    Ok(numbered.into_iter().map(|(_, name)| name).collect())
}

/// Axes for projections that have none of their own.
struct DefaultAxes {
    inner: Option<Vector3<f64>>,
    outer: Option<Vector3<f64>>,
}

/// How the sample was turned, where the image lies, and whether the file says anything about the rotation.
fn view(
    group: &Group<'_>,
    default: &mut DefaultAxes,
    options: &TiltSeriesOptions,
    warnings: &mut Vec<String>,
) -> Result<(View, bool)> {
    let (own_inner, own_outer) = (group.axis("inner_axis")?, group.axis("outer_axis")?);
    // Those of the first projection hold for all that follow, unless the file has its own.
    if group.path == "/projections/0" {
        default.inner = default.inner.or(own_inner);
        default.outer = default.outer.or(own_outer);
    }
    let known = ViewAngles::default();
    let inner = angle(group, ["inner_angle", "rotations"], options)?;
    let outer = angle(group, ["outer_angle", "tilts"], options)?;
    let angles = (inner.is_some() || outer.is_some()).then(|| ViewAngles {
        inner_angle: inner.unwrap_or(0.0),
        inner_axis: own_inner.or(default.inner).unwrap_or(known.inner_axis),
        outer_angle: outer.unwrap_or(0.0),
        outer_axis: own_outer.or(default.outer).unwrap_or(known.outer_axis),
    });
    let matrix = matrix(group)?;
    let turned = matrix.is_some() || angles.is_some();
    let mut view = View::from_rotation(matrix.unwrap_or_else(Matrix3::identity));
    if let Some(angles) = angles {
        let rotation = angles.rotation().map_err(|e| group.damaged("inner_angle", e.to_string()))?;
        match matrix {
            Some(matrix) if (matrix - rotation).amax() > 1e-6 => warnings.push(format!(
                "{}: its rotation matrix is not that of its angles; the matrix holds",
                group.path.trim_start_matches('/')
            )),
            Some(_) => view.angles = Some(angles),
            None => (view.rotation, view.angles) = (rotation, Some(angles)),
        }
    }
    for (offset, names) in
        [(&mut view.j_offset, ["j_offset", "offset_j"]), (&mut view.k_offset, ["k_offset", "offset_k"])]
    {
        *offset = first_of(group, names)?.map_or(0.0, |(_, value)| value);
    }
    Ok((view, turned))
}

/// The first number of the first of these datasets that is there, with its name.
fn first_of<'n>(group: &Group<'_>, names: [&'n str; 2]) -> Result<Option<(&'n str, f64)>> {
    for name in names {
        if let Some(value) = group.number(name)? {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

/// An angle in rad.
fn angle(group: &Group<'_>, names: [&str; 2], options: &TiltSeriesOptions) -> Result<Option<f64>> {
    let Some((name, angle)) = first_of(group, names)? else { return Ok(None) };
    if options.angles_in_degrees {
        return Ok(Some(angle.to_radians()));
    }
    if angle.abs() > LARGEST_ANGLE {
        let problem =
            format!("{angle} looks like degrees, expected radians (angles_in_degrees converts them)");
        return Err(group.damaged(name, problem));
    }
    Ok(Some(angle))
}

fn matrix(group: &Group<'_>) -> Result<Option<Matrix3<f64>>> {
    for name in ["rotation_matrix", "rot_mat"] {
        if let Some(elements) = group.exactly::<9>(name)? {
            let matrix = Matrix3::from_row_slice(&elements);
            let wrong = |e: nonius_core::Error| group.damaged(name, e.to_string());
            check_rotation("rotation matrix", &matrix).map_err(wrong)?;
            return Ok(Some(matrix));
        }
    }
    Ok(None)
}

fn laboratory(root: &Group<'_>) -> Result<Laboratory> {
    let names = ["p_direction_0", "j_direction_0", "k_direction_0"];
    let there = names.map(|name| root.has(name));
    if there == [false; 3] {
        return Ok(Laboratory::default());
    }
    if let Some(absent) = there.iter().position(|there| !there) {
        let problem = "is missing, expected all three directions of the laboratory or none";
        return Err(root.damaged(names[absent], problem));
    }
    let direction = |name: &str| Ok::<_, Error>(root.vector(name)?.unwrap_or_default());
    let laboratory = Laboratory { p: direction(names[0])?, j: direction(names[1])?, k: direction(names[2])? };
    laboratory.validate().map_err(|e| root.damaged(names[0], e.to_string()))?;
    Ok(laboratory)
}

fn volume_shape(root: &Group<'_>) -> Result<Option<[usize; 3]>> {
    let Some(shape) = root.exactly::<3>("volume_shape")? else { return Ok(None) };
    let is_length = |v: &f64| v.fract() == 0.0 && (1.0..1e9).contains(v);
    if !shape.iter().all(is_length) {
        return Err(root.damaged("volume_shape", format!("{shape:?}, expected three lengths above 0")));
    }
    Ok(Some(shape.map(|v| v as usize)))
}

/// What the file says of the detector of scattering channels.
fn detector(root: &Group<'_>, n_channels: Option<usize>) -> Result<Option<Scattering>> {
    let Some(detector_angles) = root.numbers("detector_angles")? else {
        return match n_channels {
            Some(_) => {
                let problem =
                    "is missing, and scattering channels need it (skip_scattering reads without them)";
                Err(root.damaged("detector_angles", problem))
            }
            None => Ok(None),
        };
    };
    if let Some(n) = n_channels.filter(|n| *n != detector_angles.len()) {
        let problem = format!("{} angles for {n} channels", detector_angles.len());
        return Err(root.damaged("detector_angles", problem));
    }
    let names = ["detector_direction_origin", "detector_direction_positive_90"];
    let [origin, positive_90] = [root.axis(names[0])?, root.axis(names[1])?];
    if origin.is_some() != positive_90.is_some() {
        let absent = names[usize::from(origin.is_some())];
        return Err(root.damaged(absent, "is missing, expected both directions of the detector or none"));
    }
    Ok(Some(Scattering {
        full_circle_covered: covers_full_circle(&detector_angles),
        detector_angles,
        direction_origin: origin.unwrap_or_else(Vector3::x),
        direction_positive_90: positive_90.unwrap_or_else(Vector3::z),
        two_theta: root.numbers("two_theta")?.unwrap_or_default(),
    }))
}

/// False if the last segment is nearer to opposite the first one than to the first one itself.
pub(super) fn covers_full_circle(detector_angles: &[f64]) -> bool {
    let (Some(first), Some(last)) = (detector_angles.first(), detector_angles.last()) else { return true };
    let delta = (first - last.rem_euclid(2.0 * PI)).abs();
    (delta - PI).abs() >= delta.min((delta - 2.0 * PI).abs())
}

impl<'a> Projection<'a> {
    /// Checks that the datasets of the projection are of one shape.
    fn new(group: Group<'a>, view: View, options: &TiltSeriesOptions) -> Result<Self> {
        let mut found: Option<(&str, [usize; 2])> = None;
        let (mut channels, mut weight_channels) = (None, None);
        for name in PIXELS.into_iter().filter(|name| group.has(name)) {
            let dataset = group.file.dataset(&group.dataset(name))?;
            let shape = dataset.shape();
            let own = match (name, shape) {
                ("diode", &[j, k]) => [j, k],
                ("data", &[j, k, c]) => {
                    channels = (!options.skip_scattering).then_some(c);
                    [j, k]
                }
                ("weights", &[j, k]) => {
                    weight_channels = Some(1);
                    [j, k]
                }
                ("weights", &[j, k, c]) => {
                    weight_channels = Some(c);
                    [j, k]
                }
                _ => {
                    let axes = if name == "diode" { "(J, K)" } else { "(J, K, C)" };
                    return Err(group.damaged(name, format!("shape {shape:?}, expected {axes}")));
                }
            };
            if shape.contains(&0) {
                return Err(group.damaged(name, format!("shape {shape:?} has no element")));
            }
            check_room(group.file.path(), &group.dataset(name), shape)?;
            match found {
                None => found = Some((name, own)),
                Some((other, expected)) if own != expected => {
                    let problem = format!("is {own:?} pixels, but {other} is {expected:?}");
                    return Err(group.damaged(name, problem));
                }
                Some(_) => {}
            }
        }
        let Some((_, shape)) = found else {
            return Err(Error::damaged(
                group.file.path(),
                group.path.trim_start_matches('/'),
                "has no pixels, expected diode or data",
            ));
        };
        Ok(Projection { group, shape, channels, weight_channels, view })
    }
}

/// Moves offsets so that pixels stay where they were when images grow at their end to `shape`. Returns by how much
/// each image grows, nothing if none does.
fn pad(projections: &mut [Projection<'_>], shape: [usize; 2], warnings: &mut Vec<String>) -> Vec<[usize; 2]> {
    let mut padding = Vec::new();
    for projection in projections.iter_mut() {
        let [q_j, q_k] = [shape[0] - projection.shape[0], shape[1] - projection.shape[1]];
        // The middle of the image moves by q/2 away from a measured pixel: so must the offset.
        projection.view.j_offset += q_j as f64 / 2.0;
        projection.view.k_offset += q_k as f64 / 2.0;
        padding.push([q_j, q_k]);
    }
    let padded: Vec<&str> = projections
        .iter()
        .filter(|p| p.shape != shape)
        .map(|p| p.group.path.trim_start_matches("/projections/"))
        .collect();
    if padded.is_empty() {
        return Vec::new();
    }
    let mut named = padded.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if padded.len() > NAMED {
        named.push_str(" and others");
    }
    warnings.push(format!(
        "projections {named} are smaller than {} × {} pixels: padded at their end, padding masked",
        shape[0], shape[1]
    ));
    padding
}

/// Transmitted intensities, if projections have them: all, or none.
fn images<F: Real>(
    projections: &[Projection<'_>],
    [j, k]: [usize; 2],
    options: &TiltSeriesOptions,
) -> Result<Option<Array3<F>>> {
    let Some(first) = projections.iter().find(|p| p.group.has("diode")) else { return Ok(None) };
    let mut images = zeros(first.group.file.path(), "images", [projections.len(), j, k])?;
    for (projection, mut image) in projections.iter().zip(images.axis_iter_mut(Axis(0))) {
        if !projection.group.has("diode") {
            return Err(projection.group.damaged("diode", "is missing, and other projections have one"));
        }
        let diode = pixels::<F>(projection, "diode", options)?;
        let [own_j, own_k] = projection.shape;
        image.slice_mut(s![..own_j, ..own_k]).assign(&diode);
    }
    Ok(Some(images))
}

/// Scattering channels, if projections have them and they are to be read: all, or none.
fn scattering<F: Real>(
    projections: &[Projection<'_>],
    [j, k]: [usize; 2],
    _options: &TiltSeriesOptions,
) -> Result<Option<Array4<F>>> {
    let Some((first, c)) = projections.iter().find_map(|p| Some((p, p.channels?))) else { return Ok(None) };
    let mut stack = zeros(first.group.file.path(), "scattering channels", [projections.len(), j, k, c])?;
    for (projection, mut channels) in projections.iter().zip(stack.axis_iter_mut(Axis(0))) {
        match projection.channels {
            Some(own) if own == c => {}
            Some(own) => {
                let problem = format!("has {own} channels, and those of other projections {c}");
                return Err(projection.group.damaged("data", problem));
            }
            None => {
                return Err(projection.group.damaged("data", "is missing, and other projections have one"));
            }
        }
        let data = pixels::<F>(projection, "data", _options)?;
        let [own_j, own_k] = projection.shape;
        channels.slice_mut(s![..own_j, ..own_k, ..]).assign(&data);
    }
    Ok(Some(stack))
}

/// Weights, one per channel of the scattering or one per pixel; 1 where there are none, 0 in padding.
fn weights<F: Real>(
    projections: &[Projection<'_>],
    [j, k]: [usize; 2],
    n_channels: Option<usize>,
    options: &TiltSeriesOptions,
) -> Result<Array4<F>> {
    // Per channel only where some projection weights its channels apart.
    let apart = projections.iter().any(|p| p.weight_channels.is_some_and(|c| c > 1));
    let c = n_channels.filter(|_| apart).unwrap_or(1);
    let path = projections.first().map(|p| p.group.file.path()).unwrap_or("".as_ref());
    let mut stack = zeros(path, "weights", [projections.len(), j, k, c])?;
    for (projection, mut out) in projections.iter().zip(stack.axis_iter_mut(Axis(0))) {
        let [own_j, own_k] = projection.shape;
        let mut out = out.slice_mut(s![..own_j, ..own_k, ..]);
        let Some(own) = projection.weight_channels else {
            out.fill(F::one());
            continue;
        };
        if let Some(n) = n_channels.filter(|n| own != 1 && own != *n) {
            let problem = format!("has {own} channels, expected 1 or {n}");
            return Err(projection.group.damaged("weights", problem));
        }
        let mut read = pixels::<F>(projection, "weights", options)?;
        if read.ndim() == 2 {
            read.insert_axis_inplace(Axis(2));
        }
        if let Some((index, bad)) = read.indexed_iter().find(|(_, w)| **w < F::zero()) {
            let at = ndarray::Dimension::slice(&index);
            let problem = format!("element {at:?} is {bad}, expected weights of 0 or more");
            return Err(projection.group.damaged("weights", problem));
        }
        for ((a, b, channel), weight) in out.indexed_iter_mut() {
            *weight = match (own, c) {
                (1, _) => read[[a, b, 0]],
                (_, 1) => {
                    let sum: f64 = (0..own).map(|n| read[[a, b, n]].f64()).sum();
                    F::of(sum / own as f64)
                }
                _ => read[[a, b, channel]],
            };
        }
    }
    Ok(stack)
}

/// A dataset with pixels of a projection.
fn pixels<F: Real>(
    projection: &Projection<'_>,
    name: &str,
    options: &TiltSeriesOptions,
) -> Result<ArrayD<F>> {
    let group = &projection.group;
    read_array(group.file, &group.dataset(name), options.replace_non_finite)
}
