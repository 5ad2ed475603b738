//! Tilt series from files of other programs and of our own, and what becomes of bad ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hdf5_writer::{DatasetBuilder, Hdf5Builder};
use ndarray::Array3;
use nonius_io::{TiltSeriesFile, TiltSeriesOptions, open_tilt_series};

mod geometries;
mod goldens;
mod refused;
mod stacks;
mod written;

/// A file under `testdata/io/tilt`.
fn data(name: &str) -> PathBuf {
    crate::testdata("tilt").join(name)
}

fn read(path: &Path, options: &TiltSeriesOptions) -> nonius_io::Result<TiltSeriesFile<f64>> {
    open_tilt_series(path, options)
}

/// What reading says is wrong.
#[track_caller]
fn error_with(path: &Path, options: &TiltSeriesOptions) -> String {
    match read(path, options) {
        Ok(file) => panic!("{}: expected an error, got {:?}", path.display(), file.series.geometry),
        Err(e) => e.to_string(),
    }
}

/// The datasets of a file of projections.
#[derive(Clone)]
struct Made(BTreeMap<String, (Vec<u64>, Vec<f64>)>);

impl Made {
    /// Three projections of 4 × 3 pixels with angles 0, 0.1 and 0.2 and offsets 1, 2, 3 along j.
    fn new() -> Self {
        let mut made = Made(BTreeMap::new());
        for index in 0..3u32 {
            let own = f64::from(index);
            made.set(&format!("projections/{index}/diode"), &[4, 3], &[10.0 + own; 12]);
            made.set(&format!("projections/{index}/inner_angle"), &[], &[0.1 * own]);
            made.set(&format!("projections/{index}/j_offset"), &[1], &[own + 1.0]);
        }
        made
    }

    /// Puts a dataset, in the place of one that is there.
    fn set(&mut self, path: &str, shape: &[u64], values: &[f64]) -> &mut Self {
        self.0.insert(path.into(), (shape.to_vec(), values.to_vec()));
        self
    }

    /// Takes away what begins so.
    fn remove(&mut self, beginning: &str) -> &mut Self {
        self.0.retain(|path, _| !path.starts_with(beginning));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = Hdf5Builder::new();
        for (path, (shape, values)) in &self.0 {
            file = file.dataset(DatasetBuilder::typed_data(path.clone(), shape.clone(), values).unwrap());
        }
        file.into_plan().unwrap().encode(Default::default()).unwrap()
    }

    fn write(&self, folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("made.h5");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}

/// A ramp.
fn images(n: usize, j: usize, k: usize) -> Array3<f32> {
    Array3::from_shape_fn((n, j, k), |(i, a, b)| (100 * i + 10 * a + b) as f32)
}
