//! One line of pixels.

use nalgebra::Vector3;
use ndarray::{Array3, s};
use nonius_tomography::Geometry;
use nonius_tomography::alignment::align_line;

use crate::series_with_truth::all;

/// `line_shifts` of mumott 2.3. In the square series it takes the axis for that along j.
#[test]
fn agrees_with_the_reference() {
    for series in all() {
        let expected = series.expected_rows("line_shifts");
        let mut geometry = series.geometry.clone();
        if series.name == "square" {
            let angles: Vec<f64> = (0..geometry.len()).map(|i| 0.05 * i as f64).collect();
            geometry = Geometry::single_axis(
                Vector3::x(),
                &angles,
                geometry.projection_shape,
                geometry.volume_shape,
            )
            .unwrap();
        }
        let found = align_line(&geometry, series.absorbance_by_percentile().view(), None).unwrap();
        assert!(found.degenerate.is_empty());
        for (i, offset) in found.offsets.iter().enumerate() {
            for d in 0..2 {
                // Rounded intensities move a line's centre by a few thousandths.
                assert!((offset[d] - expected[[i, d]]).abs() < 5e-3, "{} {i} {offset:?}", series.name);
            }
        }
        if series.name == "single_axis" {
            // As measured for the specification.
            let [j, _] = series.rms(&found.offsets);
            assert!((j - 0.25).abs() < 0.005, "{j}");
        }
    }
}

#[test]
fn empty_lines_keep_their_offsets() {
    let geometry = Geometry::single_axis(Vector3::z(), &[0.0, 1.0, 2.0], [5, 4], [5, 5, 4])
        .unwrap()
        .with_offsets(&[[0.5, 0.25]; 3])
        .unwrap();
    let mut images = Array3::<f32>::zeros((3, 5, 4));
    images[[0, 1, 2]] = 1.0;
    images[[2, 4, 2]] = 2.0;
    let found = align_line(&geometry, images.view(), None).unwrap();
    assert_eq!((found.line, found.degenerate), (2, vec![1]));
    assert_eq!(found.offsets, [[1.5, 0.25], [0.5, 0.25], [-1.5, 0.25]]);
    assert!(align_line(&geometry, images.slice(s![..2, .., ..]), None).is_err());
    let one = Geometry::single_axis(Vector3::z(), &[0.0, 1.0], [1, 1], [1, 1, 1]).unwrap();
    let found = align_line(&one, Array3::<f64>::ones((2, 1, 1)).view(), None).unwrap();
    assert_eq!(found.offsets, [[0.0; 2]; 2]);
}
