//! Scan files: the same frames from every format, bad input, recorded files where they are at hand.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4};
use nonius_core::{
    Consumer, DType, FrameSource, Missing, NoProgress, PassParams, PixelBuffer, Pixels, ReadFrames, Scan,
    ScanParams, Scope, Tile, pass,
};
use nonius_io::{
    Access, BloParams, Error, OutOfRange, RawLayout, ScanFile, ScanFormat, ScanOptions, ScanWarning,
    open_scan, write_blo,
};
use tempfile::{TempDir, tempdir};

use crate::made;

/// A folder of small files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Files(tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn positioned() -> ScanOptions {
    ScanOptions { access: Access::Positioned, ..Default::default() }
}

fn with_scan(scan: ScanParams) -> ScanOptions {
    ScanOptions { scan, ..Default::default() }
}

fn missing(missing: Missing) -> ScanOptions {
    with_scan(ScanParams { missing, ..Default::default() })
}

fn shaped(shape: &[usize]) -> ScanOptions {
    with_scan(ScanParams { shape: Some(shape.to_vec()), ..Default::default() })
}

/// All pixels, by read and, where there is such a thing, by lend: as numbers.
fn pixels(scan: &Scan<'_>) -> Vec<f64> {
    let frames = scan.frames();
    let (h, w) = frames.frame_shape();
    let n = frames.n_frames();
    let mut buffer = PixelBuffer::default();
    frames.read(0..n, buffer.room(frames.dtype(), n * h * w)).unwrap();
    let mut out = vec![0.0; n * h * w];
    buffer.pixels(n * h * w).convert(&mut out);
    for k in 0..n {
        if let Some(lent) = frames.lend(k..k + 1) {
            let mut frame = vec![0.0; h * w];
            lent.convert(&mut frame);
            assert_eq!(frame, out[k * h * w..(k + 1) * h * w], "frame {k} lent");
        }
    }
    out
}

fn expected16() -> Vec<f64> {
    made::frames16().concat().into_iter().map(f64::from).collect()
}

fn expected8() -> Vec<f64> {
    made::frames8().concat().into_iter().map(f64::from).collect()
}

#[track_caller]
fn check(path: &Path, options: &ScanOptions, shape: &[usize], dtype: DType, expected: &[f64]) -> ScanFile {
    let file = open_scan(path, options).unwrap();
    assert_eq!((file.scan.shape(), file.scan.dtype()), (shape, dtype), "{}", path.display());
    assert!(pixels(&file.scan) == expected, "{}", path.display());
    let other = open_scan(path, &ScanOptions { access: Access::Positioned, ..options.clone() }).unwrap();
    assert!(pixels(&other.scan) == expected, "{}, positioned", path.display());
    file
}

#[track_caller]
fn refused(path: &Path, options: &ScanOptions, words: &str) -> Error {
    let error = open_scan(path, options).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(words), "{message}");
    error
}

#[test]
fn the_same_frames_from_every_format() {
    let files = Files::new();
    let (e16, e8) = (expected16(), expected8());
    let auto = ScanOptions::default();
    let whole = [2, 3];
    let u16_files = [
        ("v1.npy", made::npy(1, false)),
        ("v2.npy", made::npy(2, true)),
        ("v3.npy", made::npy(3, false)),
        ("fortran.npy", made::npy_fortran()),
        ("stored.npz", made::npz(false)),
        ("deflated.npz", made::npz(true)),
        ("wide.blo", made::blo(true)),
        ("narrow.ser", made::ser(false)),
        ("wide.ser", made::ser(true)),
        ("a.dm3", made::dm(3)),
        ("a.dm4", made::dm(4)),
    ];
    for (name, bytes) in u16_files {
        check(&files.put(name, &bytes), &auto, &whole, DType::U16, &e16);
    }
    check(&files.put("narrow.blo", &made::blo(false)), &auto, &whole, DType::U8, &e8);
    for (name, bytes) in [
        ("nul.mib", made::mib("U16", 0, 0..6)),
        ("blank.mib", made::mib("U16", b' ', 0..6)),
        ("le.mrc", made::mrc(false)),
        ("be.mrc", made::mrc(true)),
        ("pages.tif", made::tiff()),
        ("v1.tvips", made::tvips(1)),
        ("v2.tvips", made::tvips(2)),
    ] {
        let path = files.put(name, &bytes);
        check(&path, &auto, &[6], DType::U16, &e16);
        check(&path, &shaped(&whole), &whole, DType::U16, &e16);
    }
    check(&files.put("u08.mib", &made::mib("U08", 0, 0..6)), &auto, &[6], DType::U8, &e8);
    check(&files.put("u32.mib", &made::mib("U32", 0, 0..6)), &auto, &[6], DType::U32, &e16);
    for big_endian in [false, true] {
        let path = files.put("frames.bin", &made::raw(big_endian));
        let layout = RawLayout { big_endian, ..RawLayout::new((8, 8), DType::U16) };
        check(&path, &ScanOptions { raw: Some(layout), ..shaped(&whole) }, &whole, DType::U16, &e16);
    }
    let ripple = files.put("ripple.rpl", &made::ripple());
    let data = files.put("ripple.raw", &made::raw(false));
    for path in [ripple, data] {
        let file = check(&path, &auto, &[6], DType::U16, &e16);
        assert_eq!(file.format, ScanFormat::Raw);
    }
}

#[test]
fn frames_as_they_lie_in_memory_are_lent() {
    let files = Files::new();
    let lends = |name: &str, bytes: &[u8], n: usize, options: &ScanOptions| {
        let file = open_scan(files.put(name, bytes), options).unwrap();
        file.scan.frames().lend(0..n).is_some()
    };
    let auto = ScanOptions::default();
    let little = cfg!(target_endian = "little");
    assert_eq!(lends("a.npy", &made::npy(1, false), 6, &auto), little);
    assert_eq!(lends("a.npy", &made::npy(1, true), 6, &auto), !little);
    assert!(!lends("a.npy", &made::npy(1, false), 6, &positioned()));
    assert!(lends("a.blo", &made::blo(false), 1, &auto));
    assert!(!lends("a.blo", &made::blo(false), 2, &auto));
    assert!(!lends("a.npy", &made::npy(1, false), 6, &ScanOptions { flip_y: true, ..auto }));
}

/// The sum of all frames.
struct Sum;

impl Consumer for Sum {
    type Partial = Vec<f64>;
    type Output = Vec<f64>;

    fn start(&self, scope: &Scope) -> nonius_core::Result<Vec<f64>> {
        Ok(vec![0.0; scope.frame_shape.0 * scope.frame_shape.1])
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut Vec<f64>) -> nonius_core::Result<()> {
        let mut frame = vec![0.0; tile.frame_len()];
        for k in 0..tile.n_frames() {
            tile.frame(k, &mut frame);
            partial.iter_mut().zip(&frame).for_each(|(p, v)| *p += v);
        }
        Ok(())
    }

    fn merge(&self, earlier: Vec<f64>, later: Vec<f64>) -> Vec<f64> {
        earlier.iter().zip(&later).map(|(a, b)| a + b).collect()
    }

    fn finish(&self, partial: Vec<f64>) -> Vec<f64> {
        partial
    }
}

#[test]
fn passes_are_the_same_mapped_and_positioned() {
    let files = Files::new();
    let frames = made::frames16();
    let expected: Vec<f64> = (0..64).map(|i| frames.iter().map(|f| f64::from(f[i])).sum()).collect();
    for (name, bytes) in
        [("a.npy", made::npy(1, false)), ("a.blo", made::blo(true)), ("a.mrc", made::mrc(true))]
    {
        let path = files.put(name, &bytes);
        for tile_bytes in [1, 300, 1 << 20] {
            for access in [Access::Mapped, Access::Positioned] {
                let file = open_scan(&path, &ScanOptions { access, ..Default::default() }).unwrap();
                let params = PassParams { min_partitions: 2, tile_bytes, ..Default::default() };
                let sum = pass(&file.scan.select(None).unwrap(), &Sum, &params, &NoProgress).unwrap();
                assert_eq!(sum, expected, "{name}, tiles of {tile_bytes} bytes, {access:?}");
            }
        }
    }
}

#[test]
fn raw_counters() {
    let files = Files::new();
    for (depth, dtype) in [(1, DType::U8), (6, DType::U8), (12, DType::U16), (24, DType::U32)] {
        let value = move |i: usize| (i as u32).wrapping_mul(2_654_435_761) >> 3 & ((1 << depth) - 1);
        let path = files.put("a.mib", &made::mib_raw(depth, value));
        let expected: Vec<f64> = (0..512).map(|i| f64::from(value(i))).collect();
        let file = check(&path, &ScanOptions::default(), &[1], dtype, &expected);
        assert_eq!(file.scan.frame_shape(), (8, 64));
        assert!(
            matches!(&file.warnings[..], [ScanWarning::Remark(text)] if text.contains("not been verified"))
        );
    }
    let mut odd = made::mib_raw(12, |_| 0);
    let at = odd.windows(3).position(|w| w == b",12").unwrap();
    odd[at + 2] = b'3';
    refused(&files.put("a.mib", &odd), &ScanOptions::default(), "counters of Some(13) bits");
}

#[test]
fn other_number_types() {
    let files = Files::new();
    let npy = |descr: &str, bytes: &[u8]| {
        open_scan(
            files.put("a.npy", &made::npy_of(1, descr, false, "(1, 1, 2)", bytes)),
            &ScanOptions::default(),
        )
    };
    let values = |file: ScanFile| (file.scan.dtype(), pixels(&file.scan));
    assert_eq!(values(npy("|b1", &[0, 7]).unwrap()), (DType::U8, vec![0.0, 1.0]));
    assert_eq!(values(npy("<f2", &[0, 0x3e, 0, 0xbe]).unwrap()), (DType::F32, vec![1.5, -1.5]));
    assert_eq!(values(npy("|i1", &[0xff, 2]).unwrap()), (DType::I8, vec![-1.0, 2.0]));
    assert_eq!(
        values(npy(">f8", &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0]).unwrap()).1,
        [1.5, -1.5]
    );
    for (descr, words) in [("<c8", "save the real part"), ("|O", "Python objects"), ("<V3", "are read")] {
        assert!(npy(descr, &[0; 64]).unwrap_err().to_string().contains(words));
    }
    // Scaled values are computed: FITS.
    let path = files.0.path().join("a.fits");
    let mut cards =
        vec![nonius_io::Card { keyword: "BSCALE".into(), value: 0.5.into(), comment: String::new() }];
    nonius_io::write_fits(&path, &Array3::<i16>::from_elem((2, 3, 4), 5), &cards).unwrap();
    cards.clear();
    let stored = open_scan(&path, &ScanOptions::default()).unwrap();
    assert_eq!((stored.format, stored.scan.shape()), (ScanFormat::Fits, &[2][..]));
    assert_eq!(stored.scan.dtype(), DType::I16);
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.windows(4).position(|w| w == b"END ").unwrap();
    bytes[end..end + 80].copy_from_slice(format!("{:<80}", "BSCALE  =                  0.5").as_bytes());
    bytes[end + 80..end + 84].copy_from_slice(b"END ");
    let scaled = open_scan(files.put("b.fits", &bytes), &ScanOptions::default()).unwrap();
    assert_eq!((scaled.scan.dtype(), pixels(&scaled.scan)[0]), (DType::F64, 2.5));
}

#[test]
fn stacks_deliver_what_is_stored() {
    for (name, dtype) in [
        ("npy_be_u2.npy", DType::U16),
        ("npy_bool.npy", DType::U8),
        ("npy_cube_fortran.npy", DType::I64),
        ("tif_lzw_predictor_u2.tif", DType::U16),
        ("tif_bilevel.tif", DType::U8),
        ("tif_rgb_planar_tiles.tif", DType::F64),
        ("tif_rgb_planar_tiles.tif:green", DType::U8),
        ("png_gray16.png", DType::U16),
        ("png_rgba.png:blue", DType::U8),
        ("png_rgba.png", DType::F64),
        ("fits_scaled_blank.fits", DType::F64),
        ("fits_unsigned_u8.fits", DType::U64),
        ("mrc_f2.mrc", DType::F32),
    ] {
        let selector: nonius_io::Selector =
            crate::testdata(name.split(':').next().unwrap()).to_str().unwrap().parse().unwrap();
        let selector =
            nonius_io::Selector { key: name.split_once(':').map(|(_, key)| key.into()), ..selector };
        let stack = nonius_io::Stack::open(&selector).unwrap();
        if name != "npy_cube_fortran.npy" {
            assert_eq!(stack.dtype(), dtype, "{name}");
        }
        let array = nonius_io::read_array::<f64>(&selector).unwrap();
        let mut all = Vec::new();
        for k in 0..stack.n_frames() {
            all.extend(stack.frame::<f64>(k).unwrap());
        }
        let same = array.iter().zip(&all).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && array.len() == all.len(), "{name}");
    }
}

#[test]
fn axes_are_calibrated() {
    let files = Files::new();
    let axes = |name: &str, bytes: &[u8]| {
        let file = open_scan(files.put(name, bytes), &ScanOptions::default()).unwrap();
        file.scan.axes().iter().map(|a| (a.scale, a.offset, a.unit.clone())).collect::<Vec<_>>()
    };
    let of = |scale: f64, offset: f64, unit: &str| (scale, offset, unit.to_string());
    let blo = axes("a.blo", &made::blo(false));
    assert_eq!(blo[..2], [of(10.0, 0.0, "nm"), of(12.5, 0.0, "nm")]);
    // 5000 / 100 pixels per cm: 0.2 mm, over 200 mm.
    assert_eq!(blo[2].2, "mrad");
    assert!((blo[2].0 - 1.0).abs() < 1e-12);
    assert_eq!(axes("a.mrc", &made::mrc(false))[1..], [of(3.0, 0.0, "Å"), of(2.0, 0.0, "Å")]);
    let ser = axes("a.ser", &made::ser(false));
    assert_eq!(ser[1], of(2e-9, 1e-8 - 2e-9, "m"));
    assert_eq!(ser[2..], [of(2e8, 0.0, "1/m"), of(1e8, 0.0, "1/m")]);
    assert_eq!(axes("a.dm3", &made::dm(3))[2..], [of(0.5, -2.0, "1/nm"), of(0.5, -2.0, "1/nm")]);
    assert_eq!(axes("a.tvips", &made::tvips(2))[1..], [of(6.0, 0.0, "nm"), of(3.0, 0.0, "nm")]);
    // A scan shape of one's own keeps the step.
    let options = shaped(&[3, 2]);
    let file = open_scan(files.put("a.blo", &made::blo(false)), &options).unwrap();
    assert_eq!((file.scan.axes()[0].size, file.scan.axes()[0].scale), (3, 10.0));
    assert_eq!(file.virtual_image.unwrap().into_raw_vec_and_offset().0, [1, 2, 3, 4, 5, 6]);
    assert_eq!(file.metadata.find("NOTE").unwrap().text(), Some("a note"));
}

#[test]
fn positions_in_tvips_images() {
    let files = Files::new();
    let grid = || (0..12).map(|k| ((k / 4) as f32, (k % 4) as f32));
    let resting = std::iter::repeat_n((0.0, 0.0), 5);
    let path = files.put("a.tvips", &made::tvips_scan(resting.chain(grid()).chain([(0.0, 0.0)])));
    let file = open_scan(&path, &ScanOptions::default()).unwrap();
    assert_eq!((file.scan.shape(), file.scan.frame_of(0)), (&[3, 4][..], Some(5)));
    let (selection, mut room) = (file.scan.select(None).unwrap(), PixelBuffer::default());
    assert_eq!(selection.read(0..2, &mut room).unwrap(), Pixels::U16(&[5, 5, 5, 5, 6, 6, 6, 6]));
    assert_eq!(file.warnings, [ScanWarning::Surplus { frames: 1 }]);
    // What is given counts more.
    let file = open_scan(&path, &shaped(&[18])).unwrap();
    assert_eq!((file.scan.frame_of(0), file.warnings.len()), (Some(0), 0));
    // Cut within the third row: the rows before it.
    let bytes = made::tvips_scan(grid());
    let path = files.put("b.tvips", &bytes[..bytes.len() - 100]);
    assert_eq!(open_scan(&path, &ScanOptions::default()).unwrap().scan.shape(), [2, 4]);
    // Lost images: no shape is made up.
    let path = files.put("c.tvips", &made::tvips_scan(grid().filter(|&p| p != (1.0, 2.0))));
    let file = open_scan(&path, &ScanOptions::default()).unwrap();
    assert_eq!(file.scan.shape(), [11]);
    assert!(
        file.warnings[0].to_string().contains("rows of 4 positions begin at image 0"),
        "{:?}",
        file.warnings
    );
}

#[test]
fn dm_files_say_in_which_order_they_stand() {
    let files = Files::new();
    let swapped = made::dm_with(4, &[8, 8, 3, 2], &made::raw(false), Some(1));
    let file =
        check(&files.put("a.dm4", &swapped), &ScanOptions::default(), &[2, 3], DType::U16, &expected16());
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    // All positions of the first pixel, then those of the second.
    let frames = made::frames16();
    let by_pixel: Vec<u8> =
        (0..64).flat_map(|p| frames.iter().flat_map(move |f| f[p].to_le_bytes())).collect();
    let path = files.put("b.dm4", &made::dm_with(4, &[3, 2, 8, 8], &by_pixel, Some(0)));
    let file = check(&path, &ScanOptions::default(), &[2, 3], DType::U16, &expected16());
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    // Each axis keeps its own calibration: dimensions 2 and 3 of the file are those of the frame.
    let scales: Vec<f64> = file.scan.axes().iter().map(|a| a.scale).collect();
    assert_eq!(scales, [0.5, 0.5, 1.5, 1.5]);
    refused(&path, &ScanOptions { memory_limit: 700, ..Default::default() }, "raise memory_limit");
    let untold = open_scan(files.put("c.dm4", &made::dm(4)), &ScanOptions::default()).unwrap();
    assert!(untold.warnings[0].to_string().contains("not certain"));
}

#[test]
fn rows_from_below() {
    let files = Files::new();
    for (name, bytes) in [("a.mib", made::mib("U16", 0, 0..6)), ("a.tif", made::tiff())] {
        let options = ScanOptions { flip_y: true, ..Default::default() };
        let file = open_scan(files.put(name, &bytes), &options).unwrap();
        let frame = file.scan.frames().frame::<f64>(2).unwrap();
        assert_eq!(frame[(0, 3)], f64::from(made::pixel(2, 7, 3)));
        assert_eq!(frame[(7, 0)], f64::from(made::pixel(2, 0, 0)));
    }
}

#[test]
fn series_of_files() {
    let files = Files::new();
    let e16 = expected16();
    // Names in another order than the frames.
    files.put("s_1.mib", &made::mib("U16", 0, 4..6));
    files.put("s_2.mib", &made::mib("U16", 0, 0..4));
    let pattern = files.0.path().join("s_*.mib");
    check(&pattern, &ScanOptions::default(), &[6], DType::U16, &e16);
    check(&files.put("s.hdr", &made::hdr()), &ScanOptions::default(), &[2, 3], DType::U16, &e16);
    files.put("s_1.mib", &made::mib("U08", 0, 4..6));
    refused(&pattern, &ScanOptions::default(), "differs in length or pixel type");
    files.put("s_1.mib", &made::mib("U16", 0, 4..6));
    files.put("s_2.mib", &made::mib("U16", 0, 0..4)[..1000]);
    refused(&pattern, &ScanOptions::default(), "the series goes on");

    let mut first = made::tvips(2);
    first.truncate(256 + 2 * (60 + 128));
    let path = files.put("t_000.tvips", &first);
    files.put("t_001.tvips", &made::tvips_images(2, 2..5));
    files.put("t_002.tvips", &made::tvips_images(2, 5..6));
    check(&path, &ScanOptions::default(), &[6], DType::U16, &e16);

    for k in 0..12u8 {
        nonius_io::write_npy(files.0.path().join(format!("f{k}.npy")), &ndarray::arr2(&[[k, k]])).unwrap();
    }
    let file = open_scan(files.0.path().join("f*.npy"), &ScanOptions::default()).unwrap();
    let expected: Vec<f64> = (0..12).flat_map(|k| [f64::from(k); 2]).collect();
    assert_eq!((file.scan.dtype(), pixels(&file.scan)), (DType::U8, expected));
    refused(&files.0.path().join("g*.npy"), &ScanOptions::default(), "no file has a name like this");
}

#[test]
fn empad_and_its_xml() {
    let files = Files::new();
    let data = files.put("scan.raw", &made::empad(2));
    let xml = files.put("scan.xml", &made::empad_xml("scan.raw", 2, 1));
    for path in [&data, &xml] {
        let file = open_scan(path, &ScanOptions::default()).unwrap();
        assert_eq!((file.format, file.scan.shape()), (ScanFormat::Empad, &[2, 1][..]));
        assert_eq!((file.scan.frame_shape(), file.scan.dtype()), ((128, 128), DType::F32));
        let frame = file.scan.frames().frame::<f32>(1).unwrap();
        assert_eq!((frame[(0, 0)], frame[(127, 127)]), (1.0, 1.0 + 16383.0 / 10.0));
    }
    files.put("scan.xml", &made::empad_xml("scan.raw", 3, 1));
    refused(&data, &ScanOptions::default(), "scan of 3 frames, of which 2 are complete");
    files.put("scan.xml", b"<root></root>");
    refused(&xml, &ScanOptions::default(), "has no raw_file");
    files.put("scan.xml", &made::empad_xml("other.raw", 3, 1));
    refused(&xml, &ScanOptions::default(), "other.raw: cannot open");
}

#[test]
fn blo_written_and_read() {
    let files = Files::new();
    let frames = Array3::from_shape_vec((6, 8, 8), made::frames8().concat()).unwrap();
    let wide = Array3::from_shape_vec((6, 8, 8), made::frames16().concat()).unwrap();
    let params = |shape: &[usize]| ScanParams { shape: Some(shape.to_vec()), ..Default::default() };
    let path = files.0.path().join("w.blo");
    let scan = Scan::new(Box::new(frames), &params(&[2, 3])).unwrap();
    let settings =
        BloParams { sdp: 5000, camera_length: 2000, note: "made here".into(), ..Default::default() };
    write_blo(&path, &scan, &settings).unwrap();
    let file = check(&path, &ScanOptions::default(), &[2, 3], DType::U8, &expected8());
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    assert_eq!(file.metadata.find("OFFSET_2").unwrap().integer(), Some(4112));
    assert_eq!(file.metadata.find("NOTE").unwrap().text(), Some("made here"));
    let image = file.virtual_image.unwrap();
    assert_eq!((image.iter().min(), image.iter().max()), (Some(&0), Some(&255)));

    let scan = Scan::new(Box::new(wide.clone()), &params(&[2, 3])).unwrap();
    let error = write_blo(&path, &scan, &BloParams::default()).unwrap_err().to_string();
    assert!(
        error.contains("frame 0 to be written: holds values other than whole numbers from 0 to 255"),
        "{error}"
    );
    check(&path, &ScanOptions::default(), &[2, 3], DType::U8, &expected8());
    write_blo(&path, &scan, &BloParams { wide: true, ..Default::default() }).unwrap();
    check(&path, &ScanOptions::default(), &[2, 3], DType::U16, &expected16());
    write_blo(&path, &scan, &BloParams { out_of_range: OutOfRange::Clip, ..Default::default() }).unwrap();
    let clipped: Vec<f64> = expected16().iter().map(|v| v.min(255.0)).collect();
    check(&path, &ScanOptions::default(), &[2, 3], DType::U8, &clipped);
    write_blo(&path, &scan, &BloParams { out_of_range: OutOfRange::Scale, ..Default::default() }).unwrap();
    let scaled = pixels(&open_scan(&path, &ScanOptions::default()).unwrap().scan);
    assert_eq!(scaled.iter().copied().fold(0.0, f64::max), 255.0);
    let three = Scan::new(Box::new(wide), &params(&[1, 2, 3])).unwrap();
    assert!(matches!(write_blo(&path, &three, &BloParams::default()), Err(Error::Shape { .. })));
}

// The rows of the table of bad input, one after another.

#[test]
fn files_that_are_not_there() {
    let error =
        refused(Path::new("no-such-file.blo"), &ScanOptions::default(), "no-such-file.blo: cannot open");
    assert!(matches!(error, Error::Io { .. }));
}

/// The superuser may read everything: then the test runs once more as a user who may not.
#[cfg(unix)]
#[test]
#[allow(clippy::print_stderr)]
fn files_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let files = Files::new();
    let path = files.put("a.npy", &made::npy(1, false));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&path).is_err() {
        let error = refused(&path, &ScanOptions::default(), "a.npy: cannot open");
        let Error::Io { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
        return;
    }
    // "nobody", on every system that has such a user.
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "scans::files_without_permission"]).current_dir("/").uid(65534).gid(65534);
    match again.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        Err(e) => eprintln!("NOT TESTED, files without permission: nothing is forbidden here, and {e}"),
    }
}

#[test]
fn not_finite_pixels_are_the_callers_business() {
    let files = Files::new();
    let stored = [f32::NAN, f32::INFINITY, -0.0, 1.5];
    let bytes: Vec<u8> = stored.iter().flat_map(|v| v.to_le_bytes()).collect();
    let path = files.put("a.npy", &made::npy_of(1, "<f4", false, "(1, 2, 2)", &bytes));
    let frame = open_scan(&path, &ScanOptions::default()).unwrap().scan.frames().frame::<f32>(0).unwrap();
    assert!(frame.iter().zip(stored).all(|(f, s)| f.to_bits() == s.to_bits()));
}

#[test]
fn wrong_signatures() {
    let files = Files::new();
    let path = files.put("a.blo", &made::npy(1, false));
    let blo = ScanOptions { format: Some(ScanFormat::Blo), ..Default::default() };
    refused(&path, &blo, "begins with \"\\x93NUMPY\"").to_string().contains("expected \"IMGBLO\"");
    // Left to itself, the content decides.
    assert_eq!(open_scan(&path, &ScanOptions::default()).unwrap().format, ScanFormat::Npy);
    for (format, bytes) in [(ScanFormat::Mib, made::blo(false)), (ScanFormat::Ser, made::mrc(false))] {
        let path = files.put("b", &bytes);
        refused(&path, &ScanOptions { format: Some(format), ..Default::default() }, "begins with");
    }
    refused(&files.put("c.dat", &[7; 100]), &ScanOptions::default(), "need the raw option");
    refused(&files.put("d.blo", &[]), &ScanOptions::default(), "the file is empty");
}

#[test]
fn unknown_versions_and_types() {
    let files = Files::new();
    for (name, mut bytes, at, value, words) in [
        ("a.blo", made::blo(false), 6, 4u8, "BLO version 0x0104"),
        ("a.npy", made::npy(1, false), 6, 9, "NPY version 9"),
        ("a.tvips", made::tvips(1), 16, 12, "images of 12 bits"),
        ("a.ser", made::ser(false), 4, 0x30, "SER version 0x0230"),
        ("a.mrc", made::mrc(false), 12, 9, "MRC mode 9"),
    ] {
        bytes[at] = value;
        refused(&files.put(name, &bytes), &ScanOptions::default(), words);
    }
    let mut mib = made::mib("U16", 0, 0..1);
    let at = mib.windows(3).position(|w| w == b"U16").unwrap();
    mib[at..at + 3].copy_from_slice(b"X16");
    refused(&files.put("a.mib", &mib), &ScanOptions::default(), "MIB pixel type \"X16\"");
    let mut blo = made::blo(true);
    blo[255..257].copy_from_slice(b"12");
    refused(&files.put("a.blo", &blo), &ScanOptions::default(), "BLO frames of \"12\" bits");
}

#[test]
fn cut_headers() {
    let files = Files::new();
    for (name, bytes, keep) in [
        ("a.blo", made::blo(false), 100),
        ("a.npy", made::npy(1, false), 50),
        ("a.mrc", made::mrc(false), 600),
        ("a.ser", made::ser(false), 30),
        ("a.dm3", made::dm(3), 40),
        ("a.tvips", made::tvips(2), 200),
    ] {
        let error =
            refused(&files.put(name, &bytes[..keep]), &ScanOptions::default(), "but the file ends at");
        assert!(matches!(error, Error::Truncated { .. }), "{error}");
    }
    refused(
        &files.put("a.mib", &made::mib("U16", 0, 0..1)[..300]),
        &ScanOptions::default(),
        "is 384 bytes long",
    );
}

#[test]
fn cut_data() {
    let files = Files::new();
    let fill = Missing::Fill(9.0);
    // 4 frames and a half are left.
    let blo = made::BLO_FRAMES + 4 * made::BLO_RECORD + 30;
    let mib = 4 * (made::MIB_HEADER + 128) + 100;
    let npy = made::npy(1, false).len() - 128 - 64;
    let mrc = 1024 + 4 * 128 + 64;
    let ser = made::ser(false).len() - 178 - 64;
    for (name, bytes, keep, words, positions) in [
        ("a.blo", made::blo(false), blo, "scan of 6 frames, of which 4 are complete,", 6),
        ("a.mib", made::mib("U16", 0, 0..6), mib, "scan of 5 frames, of which 4 are complete,", 5),
        ("a.npy", made::npy(1, false), npy, "scan of 6 frames, of which 4 are complete,", 6),
        ("a.mrc", made::mrc(false), mrc, "scan of 6 frames, of which 4 are complete,", 6),
        ("a.ser", made::ser(false), ser, "SER element 4", 6),
    ] {
        let path = files.put(name, &bytes[..keep]);
        let error = refused(&path, &ScanOptions::default(), words);
        assert!(matches!(error, Error::Truncated { .. }), "{error}");
        for choice in [Missing::Skip, fill] {
            let file = open_scan(&path, &missing(choice)).unwrap();
            assert_eq!((file.scan.frames().n_frames(), file.scan.len()), (4, positions), "{name}");
            let lost = positions - 4;
            assert!(file.warnings.contains(&ScanWarning::Missing { frames: lost }), "{:?}", file.warnings);
            let cut = file.warnings.iter().any(|w| matches!(w, ScanWarning::CutFrame { .. }));
            assert!(cut || name == "a.ser", "{:?}", file.warnings);
        }
        // What is left suffices for a smaller scan.
        assert_eq!(open_scan(&path, &shaped(&[2, 2])).unwrap().scan.n_missing(), 0);
    }
    // In Fortran order the end of the file holds pixels of every frame.
    let bytes = made::npy_fortran();
    let path = files.put("fortran.npy", &bytes[..bytes.len() - 2]);
    for options in [ScanOptions::default(), missing(Missing::Skip), missing(fill)] {
        let error = refused(&path, &options, "scan of 6 frames, of which 0 are complete,");
        assert!(matches!(error, Error::Truncated { .. }), "{error}");
    }
    // Between frames.
    let path = files.put("b.blo", &made::blo(false)[..made::BLO_FRAMES + 5 * made::BLO_RECORD]);
    refused(&path, &ScanOptions::default(), "of which 5 are complete");
    let file = open_scan(&path, &missing(Missing::Skip)).unwrap();
    assert_eq!(file.warnings, [ScanWarning::Missing { frames: 1 }]);
}

#[test]
fn offsets_that_lie() {
    let files = Files::new();
    for (at, value) in [(8, 0u32), (8, 100), (8, 1 << 30), (12, 0), (12, 239), (12, u32::MAX)] {
        let mut bytes = made::blo(false);
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        refused(&files.put("a.blo", &bytes), &ScanOptions::default(), &format!("byte {at}: offset"));
    }
    let raw = RawLayout { offset: 800, ..RawLayout::new((8, 8), DType::U16) };
    let options = ScanOptions { raw: Some(raw), ..Default::default() };
    refused(&files.put("a.raw", &made::raw(false)), &options, "offset 800 in a file of 768 bytes");
    let mut mrc = made::mrc(false);
    mrc[92..96].copy_from_slice(&5000i32.to_le_bytes());
    refused(&files.put("a.mrc", &mrc), &ScanOptions::default(), "behind the end");
}

#[test]
fn axes_that_cannot_be() {
    let files = Files::new();
    for at in [20, 24, 26] {
        let mut bytes = made::blo(false);
        bytes[at..at + 2].copy_from_slice(&[0, 0]);
        refused(&files.put("a.blo", &bytes), &ScanOptions::default(), "expected numbers above 0");
    }
    for (shape, words) in [
        ("(0, 3, 8, 8)", "cannot be"),
        ("(2, 3, 0, 8)", "cannot be"),
        ("(4294967296, 4294967296, 8, 8)", "cannot be"),
        ("(2, 3, 4294967296, 4294967296)", "cannot be"),
        ("(2, 3, 8, 80000000)", "of which 0 are complete"),
        ("(-1, 3, 8, 8)", "expected the length of an axis"),
        ("(8,)", "a scan has 1 to 3 axes"),
        ("(1, 1, 1, 2, 3, 8, 8)", "a scan has 1 to 3 axes"),
    ] {
        let bytes = made::npy_of(1, "<u2", false, shape, &made::raw(false));
        refused(&files.put("a.npy", &bytes), &ScanOptions::default(), words);
    }
    refused(&files.put("b.npy", &made::npy(1, false)), &shaped(&[0, 6]), "scan shape must be");
    refused(&files.put("b.npy", &made::npy(1, false)), &shaped(&[1, 1, 1, 6]), "scan shape must be");
}

#[test]
fn wrong_markers() {
    let files = Files::new();
    let mut bytes = made::blo(false);
    bytes[made::BLO_FRAMES + 3 * made::BLO_RECORD] = 0;
    let path = files.put("a.blo", &bytes);
    for options in [ScanOptions::default(), positioned()] {
        let file = open_scan(&path, &options).unwrap();
        let frames = file.scan.frames();
        assert!(frames.frame::<f32>(2).is_ok());
        let message = frames.frame::<f32>(3).unwrap_err().to_string();
        assert!(message.contains("frame 3: ") && message.contains("expected [aa, 55]"), "{message}");
        let ignoring = ScanOptions { ignore_markers: true, ..options };
        assert!(pixels(&open_scan(&path, &ignoring).unwrap().scan) == expected8());
    }
    let mut bytes = made::mib("U16", 0, 0..6);
    bytes[made::MIB_HEADER + 128] = b'X';
    let file = open_scan(files.put("a.mib", &bytes), &ScanOptions::default()).unwrap();
    assert!(file.scan.frames().frame::<f32>(1).unwrap_err().to_string().contains("begins with"));
}

#[test]
fn numbers_out_of_order() {
    let files = Files::new();
    let swap = |bytes: &mut Vec<u8>, at: usize, record: usize, field: std::ops::Range<usize>| {
        let (a, b) = (at + record, at + 4 * record);
        for k in field {
            bytes.swap(a + k, b + k);
        }
    };
    let mut blo = made::blo(false);
    swap(&mut blo, made::BLO_FRAMES, made::BLO_RECORD, 2..6);
    let mut mib = made::mib("U08", 0, 0..6);
    swap(&mut mib, 0, made::MIB_HEADER + 64, 4..10);
    for (name, bytes) in [("a.blo", blo), ("a.mib", mib)] {
        let path = files.put(name, &bytes);
        let file = open_scan(&path, &ScanOptions::default()).unwrap();
        assert_eq!(file.warnings, [ScanWarning::NotConsecutive { frames: 4, first: 1 }], "{name}");
        assert!(pixels(&file.scan) == expected8());
        let unchecked = ScanOptions { check_numbers: false, ..Default::default() };
        let unchecked = open_scan(&path, &unchecked).unwrap();
        assert!(unchecked.warnings.is_empty() && unchecked.frame_numbers.is_empty());
        let first = file.frame_numbers[0];
        let numbers: Vec<u32> = file.frame_numbers.iter().map(|n| n - first).collect();
        assert_eq!(numbers, [0, 4, 2, 3, 1, 5]);
        let options = ScanOptions { order_by_number: true, ..Default::default() };
        let file = open_scan(&path, &options).unwrap();
        let frames = made::frames8();
        let expected: Vec<u8> = [0, 4, 2, 3, 1, 5].iter().flat_map(|&k| frames[k].clone()).collect();
        assert_eq!(pixels(&file.scan), expected.into_iter().map(f64::from).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn trailing_bytes_and_surplus() {
    let files = Files::new();
    for (name, bytes) in
        [("a.npy", made::npy(1, false)), ("a.blo", made::blo(false)), ("a.mrc", made::mrc(false))]
    {
        let mut longer = bytes.clone();
        longer.extend([0; 11]);
        let file = open_scan(files.put(name, &longer), &ScanOptions::default()).unwrap();
        assert_eq!(file.warnings, [ScanWarning::TrailingBytes { bytes: 11 }], "{name}");
    }
    let path = files.put("b.blo", &made::blo(false));
    let file = open_scan(&path, &shaped(&[2, 2])).unwrap();
    assert_eq!((file.scan.n_surplus(), &file.warnings[..]), (2, &[ScanWarning::Surplus { frames: 2 }][..]));
    assert_eq!(file.warnings[0].to_string(), "2 frames more than the scan has positions");
}

#[test]
fn scan_shapes_and_sync_offsets() {
    let files = Files::new();
    let path = files.put("a.npy", &made::npy(1, false));
    let error = refused(&path, &shaped(&[3, 3]), "9 positions of which 3 have none");
    assert!(matches!(error, Error::Scan { .. }));
    let with = |shape: &[usize], sync_offset, missing| {
        let scan = ScanParams { shape: Some(shape.to_vec()), sync_offset, missing };
        open_scan(&path, &with_scan(scan))
    };
    let file = with(&[2, 2], 1, Missing::Error).unwrap();
    assert_eq!((file.scan.frame_of(0), file.scan.frame_of(3)), (Some(1), Some(4)));
    assert_eq!(file.warnings, [ScanWarning::Surplus { frames: 1 }]);
    let file = with(&[3, 3], -2, Missing::Fill(1.0)).unwrap();
    assert_eq!((file.scan.frame_of(1), file.scan.frame_of(2), file.scan.frame_of(8)), (None, Some(0), None));
    assert_eq!(file.warnings, [ScanWarning::Missing { frames: 3 }]);
    assert!(with(&[2, 2], 6, Missing::Skip).unwrap_err().to_string().contains("sync offset"));
}

#[test]
fn raw_files_of_another_size() {
    let files = Files::new();
    let path = files.put("a.raw", &made::raw(false));
    let raw = |frame_shape| ScanOptions {
        raw: Some(RawLayout::new(frame_shape, DType::U16)),
        ..Default::default()
    };
    let message = refused(&path, &raw((7, 9)), "768 bytes from byte 0 on").to_string();
    assert!(message.contains("12 are left over") && message.contains("8 × 8"), "{message}");
    let mut options = raw((7, 9));
    options.raw.as_mut().unwrap().allow_tail = true;
    let file = open_scan(&path, &options).unwrap();
    assert_eq!(
        (file.scan.shape(), &file.warnings[..]),
        (&[6][..], &[ScanWarning::TrailingBytes { bytes: 12 }][..])
    );
    // Headers and footers of frames: EMPAD and others.
    let around = RawLayout { frame_header: 16, frame_footer: 16, ..RawLayout::new((6, 8), DType::U16) };
    let file = open_scan(&path, &ScanOptions { raw: Some(around), ..Default::default() }).unwrap();
    assert_eq!(file.scan.frames().frame::<f64>(3).unwrap()[(0, 0)], f64::from(made::pixel(3, 1, 0)));
    let endless = RawLayout { frame_header: u64::MAX, ..RawLayout::new((8, 8), DType::U16) };
    refused(&path, &ScanOptions { raw: Some(endless), ..Default::default() }, "cannot be that long");
    refused(&path, &raw((usize::MAX, 2)), "cannot be");
    refused(&path, &raw((0, 8)), "cannot be");
}

#[test]
fn arrays_too_large_to_load() {
    let files = Files::new();
    let options = ScanOptions { memory_limit: 700, ..Default::default() };
    refused(&files.put("a.npy", &made::npy_fortran()), &options, "numpy.ascontiguousarray");
    refused(
        &files.put("a.npz", &made::npz(true)),
        &options,
        "768 bytes to load at once where the limit is 700",
    );
    assert!(open_scan(files.put("b.npz", &made::npz(false)), &options).is_ok());
}

#[test]
fn files_that_become_shorter() {
    let files = Files::new();
    for (name, bytes) in [("a.npy", made::npy(1, false)), ("a.blo", made::blo(false))] {
        let path = files.put(name, &bytes);
        let file = open_scan(&path, &positioned()).unwrap();
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(bytes.len() as u64 - 200)
            .unwrap();
        let frames = file.scan.frames();
        assert!(frames.frame::<f32>(0).is_ok());
        let message = frames.frame::<f32>(5).unwrap_err().to_string();
        assert!(message.starts_with("frame 5: ") && message.contains(name), "{message}");
    }
}

#[test]
fn large_sparse_files_need_little_memory() {
    let files = Files::new();
    let header = made::npy_of(1, "<u2", false, "(400, 400, 256, 256)", &[]);
    let path = files.put("sparse.npy", &header);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    if file.set_len(header.len() as u64 + 400 * 400 * 256 * 256 * 2).is_err() {
        return; // A file system without holes.
    }
    for options in [ScanOptions::default(), positioned()] {
        let scan = open_scan(&path, &options).unwrap().scan;
        assert_eq!(scan.frames().frame::<f32>(159_999).unwrap().sum(), 0.0);
    }
}

#[test]
fn options_as_text() {
    let options = ScanOptions {
        raw: Some(RawLayout::new((8, 8), DType::U16)),
        format: Some(ScanFormat::Raw),
        ..shaped(&[2, 3])
    };
    let value = serde_json::to_value(&options).unwrap();
    assert_eq!(value["raw"]["dtype"], "uint16");
    assert_eq!(serde_json::from_value::<ScanOptions>(value).unwrap(), options);
    assert_eq!(serde_json::from_str::<ScanOptions>("{}").unwrap(), ScanOptions::default());
}

/// A recorded file that may be given on but not be part of this repository: tests with it run where the folder
/// `shared` stands beside the checkout.
#[allow(clippy::print_stderr)]
fn recorded(name: &str) -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(3);
    let path = above.map(|folder| folder.join("shared/data/diffraction").join(name)).find(|p| p.is_file());
    if path.is_none() {
        eprintln!("skipped: no recorded file {name} beside the checkout");
    }
    path
}

#[track_caller]
fn check_recorded(
    name: &str,
    shape: &[usize],
    frame: (usize, usize),
    dtype: DType,
) -> Option<(ScanFile, Vec<f64>)> {
    let path = recorded(name)?;
    let file = open_scan(&path, &ScanOptions::default()).unwrap();
    let found = (file.scan.shape(), file.scan.frame_shape(), file.scan.dtype());
    assert_eq!(found, (shape, frame, dtype), "{name}");
    let all = pixels(&file.scan);
    assert!(pixels(&open_scan(&path, &positioned()).unwrap().scan) == all, "{name}");
    let sums = all.chunks(frame.0 * frame.1).map(|f| f.iter().sum()).collect();
    Some((file, sums))
}

#[test]
fn recorded_blo() {
    let Some((file, sums)) = check_recorded("nanomegas_2x3_144.blo", &[3, 2], (144, 144), DType::U8) else {
        return;
    };
    assert_eq!(sums, [845297.0, 867000.0, 861801.0, 872369.0, 847954.0, 870149.0]);
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    let value = |name: &str| file.metadata.find(name).unwrap().real().unwrap();
    assert_eq!((value("SX"), value("SCAN_ROTATION"), value("BEAM_ENERGY")), (12.8, 25.0, 200_000.0));
    assert_eq!((value("SDP"), value("CAMERA_LENGTH"), value("DISTORTION_N01")), (6226.0, 200.0, 0.98));
    assert_eq!(value("DISTORTION_N09"), 0.945);
    assert!((value("ACQUISITION_TIME") - 42339.65347).abs() < 1e-5);
    assert!((file.scan.axes()[3].scale - 1e3 * 0.01606 / 20.0).abs() < 1e-3);
    assert_eq!(file.virtual_image.unwrap().dim(), (3, 2));
    compare_with_golden("recorded_blo.npz", "blo_frames", &file.scan);
}

#[test]
fn recorded_mib() {
    let Some((file, _)) = check_recorded("merlin_single_256.mib", &[1], (256, 256), DType::U16) else {
        return;
    };
    assert_eq!(file.metadata.find("PIXEL_TYPE").unwrap().text(), Some("U16"));
    compare_with_golden("recorded_mib.npz", "frame", &file.scan);
}

fn compare_with_golden(file: &str, key: &str, scan: &Scan<'_>) {
    let Some(data) = recorded("README.md") else { return };
    let golden = data.ancestors().nth(3).unwrap().join("goldens/clustering").join(file);
    let selector = nonius_io::Selector { key: Some(key.into()), ..nonius_io::Selector::file(golden) };
    let expected = nonius_io::read_array::<f64>(selector).unwrap();
    assert_eq!(expected.iter().copied().collect::<Vec<_>>(), pixels(scan));
}

#[test]
fn recorded_others() {
    if let Some((file, sums)) = check_recorded("bismuth_rings_256.dm3", &[1], (256, 256), DType::I8) {
        assert!(sums[0] != 0.0, "{sums:?} {:?}", file.scan.axes());
    }
    if let Some((file, _)) = check_recorded("tia_single_64.ser", &[1], (64, 64), DType::F32) {
        assert_eq!(file.scan.axes()[2].unit, "1/m");
        let frame = file.scan.frames().frame::<f32>(0).unwrap();
        let bytes = std::fs::read(recorded("tia_single_64.ser").unwrap()).unwrap();
        assert_eq!(frame[(0, 0)].to_le_bytes(), bytes[126..130]);
    }
    if let Some((_, sums)) = check_recorded("tvips_v2_2x3x4x5.tvips", &[6], (4, 5), DType::U16) {
        assert_eq!(sums, [190.0, 590.0, 990.0, 1390.0, 1790.0, 2190.0]);
    }
    if let Some((_, sums)) = check_recorded("emd3197_20x20x20.mrc", &[20], (20, 20), DType::F32) {
        assert!((sums.iter().sum::<f64>() - 6268.896269149147).abs() < 1e-3);
    }
    if let Some(path) = recorded("ebsd_nickel_3x3_60.dat") {
        let raw = RawLayout::new((60, 60), DType::U8);
        let file = open_scan(&path, &ScanOptions { raw: Some(raw), ..shaped(&[3, 3]) }).unwrap();
        assert_eq!(pixels(&file.scan).iter().sum::<f64>(), 4732574.0);
    }
    for (name, key, n) in
        [("catalyst_model_tilt_90x150.npz", None, 90), ("haadf_tilt_39x128.npz", None::<&str>, 39)]
    {
        let Some(path) = recorded(name) else { continue };
        let elements = nonius_io::describe(&path).unwrap().elements;
        let frames = elements.iter().find(|e| e.shape.len() == 3).unwrap();
        let selector = nonius_io::Selector {
            key: key.map(str::to_string).or(frames.name.clone()),
            ..nonius_io::Selector::file(&path)
        };
        let file = open_scan(&selector, &ScanOptions::default()).unwrap();
        assert_eq!((file.scan.shape(), file.scan.dtype()), (&[n][..], DType::U16));
    }
}

#[test]
fn recorded_hdf5() {
    for (name, scan, frame, dtype, sum) in [
        ("ebsd_nickel_3x3_60.h5", &[3, 3][..], (60, 60), DType::U8, 4732574.0),
        ("prismatic_11x11x8x8.emd", &[11, 11], (8, 8), DType::F32, 110.66839191815737),
        ("hspy_bool_5x2x3x4.hspy", &[5, 2], (3, 4), DType::U8, 120.0),
        ("hspy_diffraction_16.hspy", &[1], (16, 16), DType::I32, 250910.0),
    ] {
        let Some((_, sums)) = check_recorded(name, scan, frame, dtype) else { continue };
        let found: f64 = sums.iter().sum();
        assert!((found - sum).abs() < 1e-4 * sum.abs().min(1.0), "{name}: {found}, expected {sum}");
    }
}

/// Arrays of four axes written by this crate are scans.
#[test]
fn arrays_written_here_are_scans() {
    let files = Files::new();
    let path = files.0.path().join("a.npy");
    nonius_io::write_npy(&path, &Array4::from_shape_fn((2, 3, 4, 5), |(a, b, y, x)| (a + b + y + x) as f32))
        .unwrap();
    let file = open_scan(&path, &ScanOptions::default()).unwrap();
    assert_eq!((file.scan.shape(), file.scan.frame_shape()), (&[2, 3][..], (4, 5)));
    assert_eq!(file.scan.frames().frame::<f32>(5).unwrap()[(3, 4)], 10.0);
}
