//! `.geo`: the saved geometry of mumott, a tar archive of JSON documents.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use nalgebra::{Matrix3, Vector3};
use nonius_core::tilt_series::{Geometry, Laboratory, Scattering, View, ViewAngles};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::tar;
use crate::source::Source;
use crate::{Error, Result, write_atomically};

/// Geometries are some kB; nobody writes such a one.
const LONGEST: u64 = 256 << 20;

/// A geometry and what its file says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct GeometryFile {
    /// The file.
    pub path: PathBuf,
    /// The geometry.
    pub geometry: Geometry,
    /// Entries that are missing, with what was taken in their place.
    pub warnings: Vec<String>,
}

/// Reads a `.geo` file. Rotations and the shapes of images and volume must be there; what else is missing takes its
/// default, with a warning. The checksum, which only Python can compute, is not looked at.
///
/// # Errors
/// [`Error::Io`]; [`Error::Truncated`] and [`Error::Damaged`] for what is no archive, no JSON, or no geometry.
pub fn read_geometry(path: impl AsRef<Path>) -> Result<GeometryFile> {
    let path = path.as_ref();
    let source = Source::open(path)?;
    if source.len() > LONGEST {
        let what = format!("{} bytes are no geometry", source.len());
        return Err(Error::unsupported(path, what, "tar archives of JSON documents are read"));
    }
    if source.len() == 0 {
        return Err(Error::damaged(path, "byte 0", "the file is empty"));
    }
    let bytes = source.bytes("geometry", 0, source.len())?;
    let documents = tar::files(path, &bytes)?.into_iter().collect();
    let mut entries = Entries { path, documents, warnings: Vec::new() };
    let geometry = geometry(&mut entries)?;
    let invalid = |e: nonius_core::Error| Error::damaged(path, "geometry", e.to_string());
    geometry.validate().map_err(invalid)?;
    Ok(GeometryFile { path: path.into(), geometry, warnings: entries.warnings })
}

struct Entries<'a> {
    path: &'a Path,
    documents: HashMap<String, &'a [u8]>,
    warnings: Vec<String>,
}

type Triple = [f64; 3];

impl Entries<'_> {
    fn damaged(&self, name: &str, problem: impl Into<String>) -> Error {
        Error::damaged(self.path, name, problem)
    }

    fn find<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(document) = self.documents.get(name) else { return Ok(None) };
        serde_json::from_slice(document).map(Some).map_err(|e| self.damaged(name, e.to_string()))
    }

    fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.find(name)?.ok_or_else(|| self.damaged(name, "is missing from the archive"))
    }

    fn or<T: DeserializeOwned>(&mut self, name: &str, default: T) -> Result<T> {
        let found = self.find(name)?;
        if found.is_none() {
            self.warnings.push(format!("{}: {name} is missing, its default is taken", self.path.display()));
        }
        Ok(found.unwrap_or(default))
    }

    /// One value per view: missing entries are all `default`.
    fn per_view<T: DeserializeOwned + Clone>(&mut self, name: &str, n: usize, default: T) -> Result<Vec<T>> {
        let values: Vec<T> = self.or(name, vec![default; n])?;
        match values.len() == n {
            true => Ok(values),
            false => Err(self.damaged(name, format!("{} values for {n} rotations", values.len()))),
        }
    }
}

fn geometry(entries: &mut Entries<'_>) -> Result<Geometry> {
    let rotations: Vec<[Triple; 3]> = entries.required("_rotations")?;
    let n = rotations.len();
    let j_offsets = entries.per_view("_j_offsets", n, 0.0)?;
    let k_offsets = entries.per_view("_k_offsets", n, 0.0)?;
    let inner_angles: Vec<Option<f64>> = entries.per_view("_inner_angles", n, None)?;
    let outer_angles: Vec<Option<f64>> = entries.per_view("_outer_angles", n, None)?;
    let inner_axes: Vec<Option<Triple>> = entries.per_view("_inner_axes", n, None)?;
    let outer_axes: Vec<Option<Triple>> = entries.per_view("_outer_axes", n, None)?;
    let angles_of = |index: usize| -> Option<ViewAngles> {
        Some(ViewAngles {
            inner_angle: inner_angles[index]?,
            inner_axis: inner_axes[index]?.into(),
            outer_angle: outer_angles[index]?,
            outer_axis: outer_axes[index]?.into(),
        })
    };
    let view = |(index, rows): (usize, &[Triple; 3])| {
        let rotation = Matrix3::from_fn(|row, column| rows[row][column]);
        // Angles that are not those of the rotation are of no use.
        let angles = angles_of(index)
            .filter(|angles| angles.rotation().is_ok_and(|of_angles| (of_angles - rotation).amax() < 1e-6));
        View { rotation, j_offset: j_offsets[index], k_offset: k_offsets[index], angles }
    };
    let views = rotations.iter().enumerate().map(view).collect();

    let known = Laboratory::default();
    let mut direction = |name: &str, default: Vector3<f64>| -> Result<Vector3<f64>> {
        Ok(entries.or::<Triple>(name, default.into())?.into())
    };
    let laboratory = Laboratory {
        p: direction("p_direction_0", known.p)?,
        j: direction("j_direction_0", known.j)?,
        k: direction("k_direction_0", known.k)?,
    };
    let direction_origin = direction("detector_direction_origin", Vector3::x())?;
    let direction_positive_90 = direction("detector_direction_positive_90", Vector3::z())?;
    let detector_angles: Vec<f64> = entries.or("detector_angles", Vec::new())?;
    let two_theta = numbers(entries.or("two_theta", Value::Null)?);
    let covered = match entries.or("full_circle_covered", Value::Bool(true))? {
        Value::Array(list) => list.first().and_then(Value::as_bool),
        one => one.as_bool(),
    };
    let scattering = (!detector_angles.is_empty()).then_some(Scattering {
        detector_angles,
        direction_origin,
        direction_positive_90,
        two_theta,
        full_circle_covered: covered.unwrap_or(true),
    });
    Ok(Geometry {
        laboratory,
        views,
        volume_shape: entries.required("volume_shape")?,
        projection_shape: entries.required("projection_shape")?,
        scattering,
    })
}

/// A number, or those of a list.
fn numbers(value: Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_f64).collect(),
        one => one.as_f64().into_iter().collect(),
    }
}

/// Writes a geometry as [`read_geometry`] and mumott read it; an existing file is replaced when the new one is
/// complete.
///
/// # Errors
/// [`Error::Scan`] for what is no geometry ([`Geometry::validate`]), [`Error::Io`].
pub fn write_geometry(path: impl AsRef<Path>, geometry: &Geometry) -> Result<()> {
    let path = path.as_ref();
    geometry.validate().map_err(|reason| Error::Scan { path: path.into(), reason })?;
    let triple = |v: Vector3<f64>| Triple::from(v);
    let views = &geometry.views;
    let rotation = |v: &View| [0, 1, 2].map(|row| [0, 1, 2].map(|column| v.rotation[(row, column)]));
    let of_angles = |pick: fn(&ViewAngles) -> f64| -> Vec<Option<f64>> {
        views.iter().map(|v| v.angles.as_ref().map(pick)).collect()
    };
    let of_axes = |pick: fn(&ViewAngles) -> Vector3<f64>| -> Vec<Option<Triple>> {
        views.iter().map(|v| v.angles.as_ref().map(pick).map(triple)).collect()
    };
    let mut entries = vec![
        ("_rotations", json(&views.iter().map(rotation).collect::<Vec<_>>())),
        ("_j_offsets", json(&views.iter().map(|v| v.j_offset).collect::<Vec<_>>())),
        ("_k_offsets", json(&views.iter().map(|v| v.k_offset).collect::<Vec<_>>())),
        ("p_direction_0", json(&triple(geometry.laboratory.p))),
        ("j_direction_0", json(&triple(geometry.laboratory.j))),
        ("k_direction_0", json(&triple(geometry.laboratory.k))),
        ("projection_shape", json(&geometry.projection_shape)),
        ("volume_shape", json(&geometry.volume_shape)),
        ("_inner_angles", json(&of_angles(|a| a.inner_angle))),
        ("_outer_angles", json(&of_angles(|a| a.outer_angle))),
        ("_inner_axes", json(&of_axes(|a| a.inner_axis))),
        ("_outer_axes", json(&of_axes(|a| a.outer_axis))),
    ];
    // Without scattering, the values with which mumott begins.
    let none = Scattering {
        detector_angles: Vec::new(),
        direction_origin: Vector3::x(),
        direction_positive_90: Vector3::z(),
        two_theta: vec![0.0],
        full_circle_covered: true,
    };
    let scattering = geometry.scattering.as_ref().unwrap_or(&none);
    entries.extend([
        ("detector_angles", json(&scattering.detector_angles)),
        ("detector_direction_origin", json(&triple(scattering.direction_origin))),
        ("detector_direction_positive_90", json(&triple(scattering.direction_positive_90))),
        ("two_theta", json(&scattering.two_theta)),
        ("full_circle_covered", json(&[scattering.full_circle_covered])),
    ]);
    let archive = tar::archive(&entries);
    write_atomically(path, |file| file.write_all(&archive))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Numbers, lists and null alone: there is nothing that could fail.
    serde_json::to_vec(value).unwrap_or_default()
}
