//! What is written reads back.

use ndarray::{Array1, Array3, Array4};
use nonius_core::tilt_series::TiltSeries;
use nonius_io::{
    AlignmentRecord, TiltSeriesOptions, TiltSeriesWriter, open_tilt_series, read_array, read_offsets,
    write_volume,
};
use nonius_synthetic::{AngleRange, MisalignmentParams, TiltScheme, TiltSeriesParams};

use super::{data, read};

/// A synthetic series with its truth, as tests of alignment exchange it.
#[test]
fn a_synthetic_series_with_its_truth() {
    let params = TiltSeriesParams {
        volume_shape: [12, 12, 10],
        projection_shape: [12, 10],
        scheme: TiltScheme::TwoAxes {
            inner_axis: [0.0, 0.0, -1.0],
            inner: AngleRange::half_turn(5),
            outer_axis: [1.0, 0.0, 0.0],
            outer: AngleRange::symmetric(0.3, 3),
        },
        misalignment: MisalignmentParams { rotation_errors: [0.01; 3], ..Default::default() },
        ..Default::default()
    };
    let made = params.generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series.h5");
    let offsets = [0, 1].map(|axis| made.truth.offsets.iter().map(|o| o[axis]).collect::<Array1<f64>>());
    let mut file = TiltSeriesWriter::new(&made.series).unwrap();
    file.array("truth", "j_offset", offsets[0].view().into_dyn());
    file.array("truth", "k_offset", offsets[1].view().into_dyn());
    file.array("truth", "volume", made.truth.volume.view().into_dyn());
    file.write(&path).unwrap();

    let read = open_tilt_series::<f32>(path.as_path(), &TiltSeriesOptions::default()).unwrap();
    assert_eq!(read.series, made.series);
    assert!(read.warnings.is_empty() && read.padding.is_empty());
    assert_eq!(read_offsets(&path, "truth").unwrap(), made.truth.offsets);
    let message = read_offsets(&path, "/alignment").unwrap_err().to_string();
    assert!(message.contains("series.h5: alignment/j_offset: is missing"), "{message}");

    // The true geometry, whose rotations have no angles any more.
    let images = made.series.images.clone().unwrap();
    let truth = TiltSeries::new(made.truth.geometry.clone(), images).unwrap();
    TiltSeriesWriter::new(&truth).unwrap().write(&path).unwrap();
    let read = open_tilt_series::<f32>(path.as_path(), &TiltSeriesOptions::default()).unwrap();
    assert_eq!(read.series, truth);
}

#[test]
fn everything_that_a_series_can_have() {
    let first = read(&data("mini_dataset.h5"), &TiltSeriesOptions::default()).unwrap().series;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.h5");
    let mut file = TiltSeriesWriter::new(&first).unwrap();
    let record = AlignmentRecord {
        offsets: first.geometry.offsets(),
        history: vec![vec![[0.0; 2]; 4], first.geometry.offsets()],
        max_step: vec![1.5],
        settings: vec![("method".into(), "by hand".into()), ("seed".into(), 3.0.into())],
    };
    file.alignment(&record).unwrap();
    file.write(&path).unwrap();
    assert_eq!(read(&path, &TiltSeriesOptions::default()).unwrap().series, first);
    let dataset = |name: &str| read_array::<f64>(&format!("{}:{name}", path.display())[..]);
    assert_eq!(read_offsets(&path, "alignment").unwrap(), record.offsets);
    assert_eq!(dataset("/alignment/history").unwrap().shape(), [2, 4, 2]);
    assert_eq!(dataset("/alignment/history").unwrap()[[1, 2, 1]], first.geometry.offsets()[2][1]);

    let mut file = TiltSeriesWriter::new(&first).unwrap();
    for record in [
        AlignmentRecord { offsets: vec![[0.0; 2]; 3], ..record.clone() },
        AlignmentRecord { history: vec![vec![[0.0; 2]; 3]], ..record.clone() },
        AlignmentRecord { max_step: vec![1.0, 2.0], ..record },
    ] {
        assert!(file.alignment(&record).is_err());
    }
    let mut broken = first.clone();
    broken.weights = Array4::zeros((4, 7, 6, 3));
    assert!(TiltSeriesWriter::new(&broken).is_err());
}

#[test]
fn many_projections() {
    let params = TiltSeriesParams {
        volume_shape: [3; 3],
        projection_shape: [3, 2],
        scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(1500) },
        ..Default::default()
    };
    let series = params.generate().unwrap().series;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.h5");
    TiltSeriesWriter::new(&series).unwrap().write(&path).unwrap();
    let read = open_tilt_series::<f32>(path.as_path(), &TiltSeriesOptions::default()).unwrap();
    assert_eq!(read.series, series);
}

#[test]
fn a_reconstruction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume.h5");
    let volume = Array3::from_shape_fn((3, 4, 5), |(x, y, z)| (100 * x + 10 * y + z) as f32);
    write_volume(&path, volume.view(), Some((2.0, "nm")), &[("method".into(), "sirt".into())]).unwrap();
    let read = read_array::<f32>(&format!("{}:/reconstruction/volume/data", path.display())[..]).unwrap();
    assert_eq!(read, volume.into_dyn());
}
