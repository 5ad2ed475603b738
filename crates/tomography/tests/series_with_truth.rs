//! The three jittered series with known offsets of `testdata/tomography/alignment`.

use std::path::Path;

use nalgebra::Vector3;
use ndarray::{Array1, Array2, Array3, Axis, Ix1, Ix2, Ix3};
use nonius_tomography::Geometry;

use crate::golden::npz;

pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) geometry: Geometry,
    pub(crate) diode: Array3<f64>,
    pub(crate) truth: Vec<[f64; 2]>,
    arrays: std::collections::HashMap<String, ndarray::ArrayD<f64>>,
}

pub(crate) fn all() -> [Series; 3] {
    ["single_axis", "limited_angle", "square"].map(Series::read)
}

impl Series {
    fn read(name: &'static str) -> Self {
        let path = "../../testdata/tomography/alignment/series.npz";
        let arrays = npz(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
        let array = |key: &str| arrays[&format!("{name}_{key}")].clone();
        let diode: Array3<f64> = array("diode").into_dimensionality::<Ix3>().unwrap() / 50.0;
        let (_, j, k) = diode.dim();
        let axis = array("axis");
        let geometry = Geometry::single_axis(
            Vector3::new(axis[0], axis[1], axis[2]),
            array("angles").as_slice().unwrap(),
            [j, k],
            [j, j, k],
        )
        .unwrap();
        let offsets: Array2<f64> = array("offsets").into_dimensionality::<Ix2>().unwrap();
        let truth = offsets.rows().into_iter().map(|row| [row[0], row[1]]).collect();
        Series { name, geometry, diode, truth, arrays }
    }

    pub(crate) fn expected(&self, key: &str) -> Array1<f64> {
        self.arrays[&format!("{}_{key}", self.name)].clone().into_dimensionality::<Ix1>().unwrap()
    }

    pub(crate) fn expected_rows(&self, key: &str) -> Array2<f64> {
        self.arrays[&format!("{}_{key}", self.name)].clone().into_dimensionality::<Ix2>().unwrap()
    }

    /// −log₁₀ of the transmission, the beam being the median of a frame 2 px wide.
    pub(crate) fn absorbance(&self) -> Array3<f64> {
        let (_, n_j, n_k) = self.diode.dim();
        let mut out = self.diode.clone();
        for mut image in out.axis_iter_mut(Axis(0)) {
            let frame = |a: usize, b: usize| a < 2 || b < 2 || a + 2 >= n_j || b + 2 >= n_k;
            let mut air: Vec<f64> =
                image.indexed_iter().filter(|((a, b), _)| frame(*a, *b)).map(|(_, v)| *v).collect();
            air.sort_by(f64::total_cmp);
            let beam = 0.5 * (air[air.len() / 2] + air[(air.len() - 1) / 2]);
            image.mapv_inplace(|v| -(v / beam).max(1e-4).log10());
        }
        out
    }

    /// −log₁₀ of the transmission by the 99.9th percentile of each image, clipped at 1: air keeps a pedestal.
    pub(crate) fn absorbance_by_percentile(&self) -> Array3<f64> {
        let mut out = self.diode.clone();
        for mut image in out.axis_iter_mut(Axis(0)) {
            let mut sorted: Vec<f64> = image.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            let place = 0.999 * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place as usize], sorted[place as usize + 1]);
            let beam = below + place.fract() * (above - below);
            image.mapv_inplace(|v| -(v / beam).clamp(1e-4, 1.0).log10());
        }
        out
    }

    /// Root mean square over the views of j and k errors, without the common translation.
    pub(crate) fn rms(&self, offsets: &[[f64; 2]]) -> [f64; 2] {
        let errors: Vec<[f64; 2]> =
            offsets.iter().zip(&self.truth).map(|(o, t)| [o[0] - t[0], o[1] - t[1]]).collect();
        let residuals = self.geometry.remove_translation(&errors).unwrap().residuals;
        [0, 1].map(|d| (residuals.iter().map(|r| r[d] * r[d]).sum::<f64>() / residuals.len() as f64).sqrt())
    }
}
