//! Simulated scans written and read back.

use ndarray::Array3;
use nonius_core::{DType, FrameSource, Missing, NoProgress, PixelBuffer, Scan, ScanParams};
use nonius_io::{BloParams, ScanFormat, ScanOptions, open_scan, write_blo, write_hdf5_scan, write_npy_scan};
use nonius_synthetic::{NoiseParams, PixelDepth, PolycrystalParams, PolycrystalScan};
use tempfile::tempdir;

fn params(depth: PixelDepth) -> PolycrystalParams {
    PolycrystalParams {
        scan: [4, 6],
        shape: [48, 48],
        zero: [24.0, 23.0],
        grains: 3,
        // Above 255 in 16 bits.
        noise: NoiseParams::poisson(2.0),
        depth,
        ..Default::default()
    }
}

fn pixels(frames: &dyn FrameSource) -> Vec<f64> {
    let (n, (h, w)) = (frames.n_frames(), frames.frame_shape());
    let mut buffer = PixelBuffer::default();
    frames.read(0..n, buffer.room(frames.dtype(), n * h * w)).unwrap();
    let mut out = vec![0.0; n * h * w];
    buffer.pixels(n * h * w).convert(&mut out);
    out
}

fn scan_of(frames: &PolycrystalScan, missing: Missing) -> Scan<'_> {
    let (ny, nx) = frames.scan_shape();
    let params = ScanParams { shape: Some(vec![ny, nx]), missing, ..Default::default() };
    Scan::new(Box::new(frames), &params).unwrap()
}

#[test]
fn polycrystals_read_back_as_they_were_written() {
    let folder = tempdir().unwrap();
    for (depth, dtype) in [(PixelDepth::Eight, DType::U8), (PixelDepth::Sixteen, DType::U16)] {
        let made = PolycrystalScan::new(&params(depth)).unwrap();
        let scan = scan_of(&made, Missing::Error);
        let expected = pixels(&made);
        assert!(depth == PixelDepth::Eight || expected.iter().any(|v| *v > 255.0));
        let [blo, hdf5, npy] = ["scan.blo", "scan.h5", "scan.npy"].map(|name| folder.path().join(name));
        write_blo(&blo, &scan, &BloParams { wide: depth == PixelDepth::Sixteen, ..Default::default() })
            .unwrap();
        write_hdf5_scan(&hdf5, &scan.select(None).unwrap(), &NoProgress).unwrap();
        write_npy_scan(&npy, &scan.select(None).unwrap(), &NoProgress).unwrap();
        for (path, format) in [(&blo, ScanFormat::Blo), (&hdf5, ScanFormat::Hdf5), (&npy, ScanFormat::Npy)] {
            let file = open_scan(path, &ScanOptions::default()).unwrap();
            let read = &file.scan;
            assert_eq!((file.format, read.shape(), read.dtype()), (format, &[4, 6][..], dtype));
            assert!(pixels(read.frames()) == expected, "{}", path.display());
            assert!(file.warnings.is_empty(), "{:?}", file.warnings);
        }
    }
}

#[test]
fn what_was_not_recorded_is_said() {
    let folder = tempdir().unwrap();
    let made = PolycrystalScan::new(&PolycrystalParams { missing: 5, ..params(PixelDepth::Eight) }).unwrap();
    let scan = scan_of(&made, Missing::Skip);
    assert_eq!((scan.n_missing(), scan.select(None).unwrap().len()), (5, 19));
    // A recording that ended early: frames one after another, fewer than positions.
    let path = folder.path().join("cut.npy");
    let frames = Array3::from_shape_vec((19, 48, 48), pixels(&made)).unwrap();
    nonius_io::write_npy(&path, &frames).unwrap();
    let of_shape = |missing| ScanOptions {
        scan: ScanParams { shape: Some(vec![4, 6]), missing, ..Default::default() },
        ..Default::default()
    };
    assert!(open_scan(&path, &of_shape(Missing::Error)).is_err());
    let file = open_scan(&path, &of_shape(Missing::Skip)).unwrap();
    assert_eq!((file.scan.n_missing(), file.scan.frame_of(18), file.scan.frame_of(19)), (5, Some(18), None));
    assert!(file.warnings.iter().any(|w| w.to_string().contains("5 positions")), "{:?}", file.warnings);
    // A BLO file has room for all.
    let path = folder.path().join("filled.blo");
    write_blo(&path, &scan_of(&made, Missing::Fill(7.0)), &BloParams::default()).unwrap();
    let read = pixels(open_scan(&path, &ScanOptions::default()).unwrap().scan.frames());
    assert_eq!(read.len(), 24 * 48 * 48);
    assert!(read[..19 * 48 * 48] == pixels(&made) && read[19 * 48 * 48..].iter().all(|v| *v == 7.0));
}
