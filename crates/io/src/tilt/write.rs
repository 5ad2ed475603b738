//! Tilt series and volumes written as HDF5.

use std::path::Path;

use nalgebra::Vector3;
use ndarray::{ArrayView3, ArrayViewD, Axis as ArrayAxis};
use nonius_core::tilt_series::TiltSeries;
use nonius_core::{Axis, Error as Invalid, Real, check_shape};

use crate::hdf5::{AttributeValue, Hdf5File, Hdf5Number, Tree, write_hdf5};
use crate::{Error, Result};

/// What an alignment found and how, for the group `alignment` of a file of projections.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlignmentRecord {
    /// Offset `[j, k]` px of every projection that aligns it.
    pub offsets: Vec<[f64; 2]>,
    /// The offsets before the first iteration and after each, `(iterations + 1, N)`; may be empty.
    pub history: Vec<Vec<[f64; 2]>>,
    /// The largest correction of each iteration, px; may be empty.
    pub max_step: Vec<f64>,
    /// Statements on how it was found: method, seed, version, why it stopped, parameters.
    pub settings: Vec<(String, AttributeValue)>,
}

/// A tilt series for one HDF5 file in the layout of mumott, which [`open_tilt_series`](crate::open_tilt_series) reads.
///
/// Written is what exists: `diode` from images, `data` from scattering channels, `weights` where one is not 1, angles where
/// they are known beside the rotation matrix that is always there. Arrays are lent and not copied.
///
/// ```
/// use nalgebra::Vector3;
/// use ndarray::{Array3, array};
/// use nonius_core::tilt_series::{Geometry, TiltSeries};
/// use nonius_io::{TiltSeriesOptions, TiltSeriesWriter, open_tilt_series};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("series.h5");
/// let geometry = Geometry::single_axis(Vector3::z(), &[0.0, 0.5], [4, 3], [4, 4, 3])?;
/// let series = TiltSeries::new(geometry, Array3::<f32>::ones((2, 4, 3)))?;
/// let noise = array![0.01, 0.02];
///
/// let mut file = TiltSeriesWriter::new(&series)?;
/// file.array("truth", "noise", noise.view().into_dyn());
/// file.write(&path)?;
/// let read = open_tilt_series::<f32>(path.as_path(), &TiltSeriesOptions::default())?;
/// assert_eq!(read.series, series);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TiltSeriesWriter<'a> {
    tree: Tree<'a>,
    n: usize,
}

impl<'a> TiltSeriesWriter<'a> {
    /// The file of this series.
    ///
    /// # Errors
    /// [`Error::Scan`] for what [`TiltSeries::validate`] finds.
    pub fn new<F: Real + Hdf5Number>(series: &'a TiltSeries<F>) -> Result<Self> {
        series.validate().map_err(|reason| Error::Scan { path: "tilt series".into(), reason })?;
        let mut tree = Tree::default();
        let geometry = &series.geometry;
        let vector =
            |tree: &mut Tree<'a>, path: &str, v: Vector3<f64>| tree.list(path, v.as_slice().to_vec());
        vector(&mut tree, "p_direction_0", geometry.laboratory.p);
        vector(&mut tree, "j_direction_0", geometry.laboratory.j);
        vector(&mut tree, "k_direction_0", geometry.laboratory.k);
        tree.list("volume_shape", geometry.volume_shape.map(|n| n as i64).to_vec());
        if let Some(scattering) = &geometry.scattering {
            tree.list("detector_angles", scattering.detector_angles.clone());
            vector(&mut tree, "detector_direction_origin", scattering.direction_origin);
            vector(&mut tree, "detector_direction_positive_90", scattering.direction_positive_90);
            if !scattering.two_theta.is_empty() {
                tree.list("two_theta", scattering.two_theta.clone());
            }
        }
        for (index, view) in geometry.views.iter().enumerate() {
            let path = |name: &str| format!("projections/{index}/{name}");
            tree.number(&path("j_offset"), view.j_offset);
            tree.number(&path("k_offset"), view.k_offset);
            let rows: Vec<f64> = view.rotation.transpose().as_slice().to_vec();
            tree.numbers(&path("rotation_matrix"), &[3, 3], rows);
            if let Some(angles) = view.angles {
                tree.number(&path("inner_angle"), angles.inner_angle);
                tree.number(&path("outer_angle"), angles.outer_angle);
                vector(&mut tree, &path("inner_axis"), angles.inner_axis);
                vector(&mut tree, &path("outer_axis"), angles.outer_axis);
            }
            if let Some(images) = &series.images {
                tree.array(&path("diode"), images.index_axis(ArrayAxis(0), index).into_dyn());
            }
            if let Some(scattering) = &series.scattering {
                tree.array(&path("data"), scattering.index_axis(ArrayAxis(0), index).into_dyn());
            }
            if series.weights.iter().any(|w| *w != F::one()) {
                tree.array(&path("weights"), series.weights.index_axis(ArrayAxis(0), index).into_dyn());
            }
        }
        Ok(TiltSeriesWriter { tree, n: geometry.len() })
    }

    /// Adds the group `alignment`: `j_offset (N)`, `k_offset (N)`, `history (iterations + 1, N, 2)`, `max_step
    /// (iterations)`, settings as attributes. The offsets of the projections themselves stay what the series says.
    ///
    /// # Errors
    /// [`Error::Scan`] if there is not one offset per projection, or iterations differ in number.
    pub fn alignment(&mut self, record: &AlignmentRecord) -> Result<()> {
        let n = self.n;
        let misfit = |reason: Invalid| Error::Scan { path: "alignment".into(), reason };
        check_shape("offsets", &[n, 2], &[record.offsets.len(), 2]).map_err(misfit)?;
        for offsets in &record.history {
            check_shape("offsets of an iteration", &[n, 2], &[offsets.len(), 2]).map_err(misfit)?;
        }
        let iterations = record.history.len().saturating_sub(1);
        if !record.history.is_empty() && !record.max_step.is_empty() {
            check_shape("max_step", &[iterations], &[record.max_step.len()]).map_err(misfit)?;
        }
        for (axis, name) in ["alignment/j_offset", "alignment/k_offset"].into_iter().enumerate() {
            self.tree.list(name, record.offsets.iter().map(|o| o[axis]).collect());
        }
        if !record.history.is_empty() {
            let history: Vec<f64> = record.history.iter().flatten().flatten().copied().collect();
            self.tree.numbers("alignment/history", &[iterations + 1, n, 2], history);
        }
        if !record.max_step.is_empty() {
            self.tree.list("alignment/max_step", record.max_step.clone());
        }
        for (name, value) in &record.settings {
            self.tree.attribute("alignment", name, value.clone());
        }
        Ok(())
    }

    /// Adds an array `name` in a group of your own, such as `truth`, which readers pass over.
    pub fn array<T: Hdf5Number>(&mut self, group: &str, name: &str, values: ArrayViewD<'a, T>) {
        self.tree.array(&format!("{group}/{name}"), values);
    }

    /// Writes the file; an existing one is replaced when the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Unsupported`] if two arrays have one name.
    pub fn write(self, path: impl AsRef<Path>) -> Result<()> {
        self.tree.write(path.as_ref())
    }
}

/// Writes a reconstruction `(x, y, z)` as HDF5 in the layout EMD 1.0 (see [`Hdf5File`]), as `/reconstruction/volume/data`
/// with axes centred on the middle of the volume. `voxel` is the edge of a voxel and its unit; without one axes are in
/// voxels. `about` are statements on how it was made.
///
/// # Errors
/// As [`write_hdf5`].
pub fn write_volume<T: Hdf5Number>(
    path: impl AsRef<Path>,
    volume: ArrayView3<'_, T>,
    voxel: Option<(f64, &str)>,
    about: &[(String, AttributeValue)],
) -> Result<()> {
    let (scale, unit) = voxel.unwrap_or((1.0, "px"));
    let axis = |(name, &size): (&str, &usize)| Axis {
        name: name.into(),
        size,
        scale,
        offset: scale * (0.5 - size as f64 / 2.0),
        unit: unit.into(),
    };
    let axes: Vec<Axis> = ["x", "y", "z"].into_iter().zip(volume.shape()).map(axis).collect();
    let mut file = Hdf5File::new("reconstruction");
    for (name, value) in about {
        file.attribute(name, value.clone());
    }
    file.array("volume", volume.into_dyn(), &axes, "")?;
    write_hdf5(path, file)
}
