//! HDF5: a tree of groups with arrays, and the layouts that programs of this field make of it.

#[cfg(feature = "hdf5")]
mod c_library;
pub(crate) mod container;
mod filters;
mod frames;
mod headers;
pub(crate) mod layout;
pub(crate) mod open;
pub(crate) mod pure;
mod write;

use std::path::Path;

use nonius_core::Axis;

pub(crate) use write::Tree;
pub use write::{AttributeValue, Hdf5File, Hdf5Number, write_hdf5};

use crate::header::Header;
use crate::{Error, Result};
use container::Container;
pub(crate) use frames::Hdf5Frames;

/// The bytes that an HDF5 file begins with.
pub(crate) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// The scan of an HDF5 file.
#[derive(Debug)]
pub(crate) struct Hdf5Scan {
    pub(crate) frames: Hdf5Frames,
    /// Shape of the scan.
    pub(crate) shape: Vec<usize>,
    /// Axes of the scan, and of the frames, where the file calibrates them.
    pub(crate) scan_axes: Option<Vec<Axis>>,
    pub(crate) frame_axes: Option<[Axis; 2]>,
    /// Which layout, which dataset.
    pub(crate) metadata: Header,
}

/// Paths of all datasets of numbers of the file at `path`.
pub(crate) fn datasets(path: &Path) -> Result<Vec<String>> {
    let file = open::open(path)?;
    Ok(layout::all_datasets(&*file).into_iter().filter(|d| file.dataset(d).is_ok()).collect())
}

/// Opens the scan in the file at `path`: the dataset at `dataset` or, if none is named, the one that the layout
/// of the file means.
pub(crate) fn open_scan(path: &Path, dataset: Option<&str>) -> Result<Hdf5Scan> {
    scan_of(&*open::open(path)?, dataset)
}

fn scan_of(file: &dyn Container, dataset: Option<&str>) -> Result<Hdf5Scan> {
    let path = file.path();
    let found = match dataset {
        Some(dataset) => layout::named(file, dataset)?,
        None => layout::detect(file)?,
    };
    let data = file.dataset(&found.dataset)?;
    let expected = data.shape().len();
    let (Some(frame_axes), Some(scan_shape)) =
        (found.kept.last_chunk::<2>(), found.kept.len().checked_sub(2))
    else {
        let what = format!("dataset {} of shape {:?}", found.dataset, data.shape());
        return Err(Error::unsupported(path, what, "a scan has frames of two axes"));
    };
    if found.kept.iter().any(|&axis| axis >= expected) {
        return Err(Error::damaged(path, &found.dataset, format!("has {expected} axes only")));
    }
    let shape: Vec<usize> = found.kept[..scan_shape].iter().map(|&axis| data.shape()[axis]).collect();
    let shape = if shape.is_empty() { vec![1] } else { found.scan_shape.unwrap_or(shape) };
    if shape.len() > 3 {
        let what = format!("dataset {} of shape {:?}", found.dataset, data.shape());
        return Err(Error::unsupported(path, what, "a scan has 1 to 3 axes, and each frame 2"));
    }
    let frame_axes = *frame_axes;
    let mut metadata = Header::default();
    metadata.push("LAYOUT", found.layout, "");
    metadata.push("DATASET", found.dataset.as_str(), "");
    let calibrated = |axes: &[Axis]| axes.iter().any(Axis::is_calibrated).then(|| axes.to_vec());
    let (scan_axes, of_frames) = match found.axes {
        Some(axes) if axes.len() == found.kept.len() => {
            let (scan, frame) = axes.split_at(axes.len() - 2);
            (calibrated(scan), calibrated(frame).and_then(|a| a.try_into().ok()))
        }
        _ => (None, None),
    };
    let frames = Hdf5Frames::new(path, data, found.dataset, frame_axes)?;
    Ok(Hdf5Scan { frames, shape, scan_axes, frame_axes: of_frames, metadata })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nonius_core::{DType, FrameSource, PixelBuffer, ReadFrames};
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/io/hdf5").join(name)
    }

    /// Fails unless frame k has the pixels (7 k + 3 y + x) mod 251, read singly and all at once.
    #[track_caller]
    fn check(scan: &Hdf5Scan) {
        let source = &scan.frames;
        let (h, w) = source.frame_shape();
        let mut buffer = PixelBuffer::default();
        let all = source.n_frames() * h * w;
        source.read(0..source.n_frames(), buffer.room(source.dtype(), all)).unwrap();
        let mut together = vec![0.0f64; all];
        buffer.pixels(all).convert(&mut together);
        for k in 0..source.n_frames() {
            let frame = source.frame::<f64>(k).unwrap();
            for ((y, x), &v) in frame.indexed_iter() {
                assert_eq!(v, ((7 * k + 3 * y + x) % 251) as f64, "frame {k}, pixel ({y}, {x})");
            }
            assert!(frame.iter().eq(&together[k * h * w..(k + 1) * h * w]));
        }
        // Every range of frames, across the ends of rows.
        for first in 0..source.n_frames() {
            for last in first + 1..=source.n_frames() {
                let n = (last - first) * h * w;
                source.read(first..last, buffer.room(source.dtype(), n)).unwrap();
                let mut part = vec![0.0f64; n];
                buffer.pixels(n).convert(&mut part);
                assert_eq!(part, together[first * h * w..last * h * w]);
            }
        }
    }

    #[test]
    fn every_filter_and_number_type() {
        for (dataset, dtype, chunk) in [
            ("contiguous", DType::U16, 1),
            ("big_endian", DType::U16, 1),
            ("gzip_shuffle", DType::U16, 10),
            ("cut_frames", DType::U16, 2),
            ("lzf", DType::U16, 5),
            ("bitshuffle_lz4", DType::U16, 15),
            ("bitshuffle", DType::U16, 15),
            ("lz4", DType::U16, 15),
            ("half", DType::F32, 1),
            ("float", DType::F32, 1),
        ] {
            let scan = open_scan(&file("filters.h5"), Some(dataset)).unwrap();
            assert_eq!((scan.frames.dtype(), &scan.shape[..]), (dtype, &[3, 5][..]), "{dataset}");
            assert_eq!(scan.frames.frames_per_chunk(), chunk, "{dataset}");
            check(&scan);
        }
        let truth = open_scan(&file("filters.h5"), Some("/bool")).unwrap();
        assert_eq!(truth.frames.dtype(), DType::U8);
        let frame = truth.frames.frame::<f64>(1).unwrap();
        assert!(frame.indexed_iter().all(|((y, x), &v)| v == f64::from(u8::from((7 + 3 * y + x) % 2 == 0))));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let refused = |dataset: Option<&str>, part: &str| {
            let error = match open_scan(&file("filters.h5"), dataset) {
                Ok(scan) => scan.frames.frame::<f64>(0).unwrap_err().to_string(),
                Err(e) => e.to_string(),
            };
            assert!(error.contains(part), "{error}");
        };
        refused(Some("blosc"), "32001");
        refused(Some("text"), "numbers and truth values");
        refused(Some("complex"), "numbers and truth values");
        refused(Some("nothing"), "no such dataset");
        refused(None, "choose one, as in");
    }

    #[test]
    fn layouts_are_known_by_their_marks() {
        for (name, layout, dataset) in [
            ("latest.h5", "dataset", "/scan/data"),
            ("emd_1.h5", "EMD 1.0", "/experiment/datacube/data"),
            ("emd_0.h5", "EMD 0", "/experimental/science_data/data"),
            ("py4dstem_13.h5", "py4DSTEM", "/4DSTEM_experiment/data/datacubes/datacube_0/data"),
            ("fpd.h5", "fpd", "/fpd_expt/fpd_data/data"),
            ("ebsd.h5", "EBSD", "/Scan 1/EBSD/Data/patterns"),
            ("nexus.h5", "NeXus", "/entry/data/counts"),
        ] {
            let scan = open_scan(&file(name), None).unwrap();
            let found = |key: &str| scan.metadata.find(key).map(ToString::to_string).unwrap();
            assert_eq!((found("LAYOUT"), found("DATASET")), (layout.into(), dataset.into()));
            let shape = if name == "latest.h5" { [4, 3] } else { [3, 4] };
            assert_eq!(scan.shape, shape, "{name}");
            check(&scan);
        }
    }

    #[test]
    fn axes_are_calibrated() {
        let scan = open_scan(&file("emd_1.h5"), None).unwrap();
        let [_, x] = scan.frame_axes.unwrap();
        assert_eq!((&x.name[..], &x.unit[..], x.offset), ("Qy", "1/Å", -0.06));
        assert!((x.scale - 0.02).abs() < 1e-12);
        assert_eq!(scan.scan_axes.unwrap()[0].scale, 2.5);
        let scan = open_scan(&file("nexus.h5"), None).unwrap();
        let axes = scan.scan_axes.unwrap();
        assert_eq!((axes[0].offset, axes[0].scale, &axes[0].unit[..]), (10.0, 10.0, "nm"));
        assert!(scan.frame_axes.is_none());
        let scan = open_scan(&file("emd_0.h5"), None).unwrap();
        assert_eq!((&scan.scan_axes.unwrap()[1].unit[..], scan.shape[1]), ("nm", 4));
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps.h5");
        let values = ndarray::Array4::from_shape_fn((3, 4, 5, 6), |(i, j, y, x)| {
            ((7 * (4 * i + j) + 3 * y + x) % 251) as u16
        });
        let axis =
            |name: &str, size, scale| Axis { name: name.into(), size, scale, offset: 1.0, unit: "nm".into() };
        let axes = [axis("Rx", 3, 0.5), axis("Ry", 4, 2.0), axis("Qx", 5, 0.1), axis("Qy", 6, 0.1)];
        let mut maps = Hdf5File::new("scan");
        maps.attribute("program", "a test");
        maps.attribute("n_frames", 12.0);
        maps.array("datacube", values.view().into_dyn(), &axes, "counts").unwrap();
        let short = [axis("Rx", 3, 0.5)];
        assert!(maps.array("other", values.view().into_dyn(), &short, "").is_err());
        write_hdf5(&path, maps).unwrap();
        let scan = open_scan(&path, None).unwrap();
        check(&scan);
        assert_eq!(scan.scan_axes.unwrap(), axes[..2]);
        let mut twice = Hdf5File::new("scan");
        for _ in 0..2 {
            twice.array("same", values.view().into_dyn(), &axes, "").unwrap();
        }
        assert!(write_hdf5(&path, twice).is_err());
        assert!(open_scan(&path, None).is_ok(), "a failure left the old file");
    }

    #[test]
    fn damage_anywhere_is_an_error_or_a_scan() {
        for name in ["emd_1.h5", "latest.h5", "nexus.h5", "fpd.h5"] {
            let good = std::fs::read(file(name)).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            let attempt = |bytes: &[u8]| {
                std::fs::write(&path, bytes).unwrap();
                // Of the C library nobody promises this.
                let scan = pure::PureFile::open(&path).and_then(|file| scan_of(&file, None));
                if let Ok(scan) = scan {
                    let _ = scan.frames.frame::<f32>(scan.frames.n_frames() - 1);
                }
            };
            for cut in (0..good.len()).step_by(97) {
                attempt(&good[..cut]);
            }
            for at in (0..good.len()).step_by(61) {
                for value in [0x00, 0x7f, 0xff] {
                    let mut bad = good.clone();
                    bad[at] = value;
                    attempt(&bad);
                }
            }
        }
    }
}
