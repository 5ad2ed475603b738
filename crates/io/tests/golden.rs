//! Files written by NumPy, astropy, tifffile, Pillow and mrcfile; `testdata/io/README.md` has the
//! versions. Every value is compared exactly: all are small integers or exact fractions.

use nonius_io::{DType, Error, Selector, Value, describe, open, read_array, read_image};

use crate::{ramp, testdata};

/// `name` may end in a selector's key and index.
fn selector(name: &str) -> Selector {
    testdata(name).to_str().unwrap().parse().unwrap()
}

#[track_caller]
fn check_pixels(name: &str, dtype: DType, expected: impl Fn(usize, usize) -> f64) {
    let image = read_image::<f64>(selector(name)).unwrap();
    assert_eq!((image.pixels.dim(), image.dtype), ((5, 7), dtype), "{name}");
    for ((y, x), &v) in image.pixels.indexed_iter() {
        let e = expected(y, x);
        assert!(v == e || v.is_nan() && e.is_nan(), "{name} [{y}, {x}]: {v}, expected {e}");
    }
    let single = read_image::<f32>(selector(name)).unwrap().pixels;
    let rounded = image.pixels.mapv(|v| v as f32);
    assert!(single.iter().zip(&rounded).all(|(a, b)| a.to_bits() == b.to_bits()), "{name} as f32");
}

#[track_caller]
fn check_error(name: &str, words: &str) {
    let message = match open(selector(name)).and_then(|f| f.image::<f32>()) {
        Ok(image) => panic!("{name}: expected an error, got {:?}", image.pixels.dim()),
        Err(e) => e.to_string(),
    };
    assert!(message.contains(words), "{name}: {message}");
    assert!(message.contains(name.split([':', '[']).next().unwrap()), "the file is not named: {message}");
}

/// 35 k + 7 y + x.
#[track_caller]
fn check_cube(name: &str) {
    let cube = read_array::<f32>(selector(name)).unwrap();
    assert_eq!(cube.shape(), [3, 5, 7], "{name}");
    assert!(cube.iter().enumerate().all(|(i, &v)| v == i as f32), "{name}");
    for (k, frame) in cube.outer_iter().enumerate() {
        let one = read_image::<f32>(selector(name).at(k)).unwrap();
        assert_eq!(one.pixels.into_dyn(), frame, "{name}[{k}]");
    }
    check_error(&format!("{name}[3]"), "3");
}

#[test]
fn npy_of_every_type_and_order() {
    for (name, dtype) in [
        ("u1", DType::U8),
        ("i1", DType::I8),
        ("le_u2", DType::U16),
        ("be_u2", DType::U16),
        ("le_i2", DType::I16),
        ("be_i4", DType::I32),
        ("le_u4", DType::U32),
        ("le_i8", DType::I64),
        ("be_u8", DType::U64),
        ("le_f2", DType::F16),
        ("le_f4", DType::F32),
        ("be_f4", DType::F32),
        ("le_f8", DType::F64),
        ("be_f8", DType::F64),
        ("fortran", DType::U16),
        ("version3", DType::F32),
    ] {
        check_pixels(&format!("npy_{name}.npy"), dtype, ramp);
    }
    check_pixels("npy_bool.npy", DType::Bool, |y, x| ramp(y, x) % 2.0);
    check_cube("npy_cube.npy");
}

#[test]
fn npy_of_other_shapes() {
    let fortran = read_array::<f64>(selector("npy_cube_fortran.npy")).unwrap();
    assert_eq!(fortran.shape(), [2, 3, 4, 5]);
    assert!(fortran.iter().enumerate().all(|(i, &v)| v == i as f64));
    let frame = read_image::<f64>(selector("npy_cube_fortran.npy[1,2]")).unwrap();
    assert_eq!(frame.pixels[(0, 0)], 100.0);
    let column = read_image::<f64>(selector("npy_cube_fortran.npy[1,:,:,4]")).unwrap();
    assert_eq!((column.pixels.dim(), column.pixels[(2, 3)]), ((3, 4), 119.0));

    assert_eq!(read_array::<f64>(selector("npy_scalar.npy")).unwrap().sum(), 2.5);
    assert_eq!(read_array::<f64>(selector("npy_vector.npy")).unwrap().shape(), [4]);
    assert_eq!(read_array::<f64>(selector("npy_empty.npy")).unwrap().shape(), [0, 5]);
    check_error("npy_vector.npy", "an image has 2");
    check_error("npy_cube.npy", "choose one, as in");
    check_error("npy_cube_fortran.npy", "[0,0]");
    check_error("npy_complex.npy", "save the real part");
    check_error("npy_structured.npy", "save one field");
    check_error("npy_object.npy", "Python objects");
    check_error("npy_cube.npy:frames", "no key");
}

#[test]
fn npz_stored_and_deflated() {
    check_cube("npz_stored.npz:frames");
    check_cube("npz_deflated.npz:frames");
    check_pixels("npz_stored.npz:mask", DType::Bool, |y, x| f64::from(u8::from(ramp(y, x) > 3.0)));
    check_pixels("npz_deflated.npz:fortran", DType::I64, ramp);
    check_pixels("npz_one.npz", DType::F64, ramp);
    check_error("npz_stored.npz", "holds frames, mask: choose one");
    check_error("npz_stored.npz:nothing", "there are: frames, mask");
}

#[test]
fn fits_of_every_bitpix() {
    for (name, dtype) in [
        ("u1", DType::U8),
        ("i2", DType::I16),
        ("i4", DType::I32),
        ("i8", DType::I64),
        ("f4", DType::F32),
        ("f8", DType::F64),
    ] {
        check_pixels(&format!("fits_{name}.fits"), dtype, ramp);
    }
    // The last pixel holds the largest value of the type.
    for (name, dtype, max) in [
        ("u2", DType::U16, u16::MAX as f64),
        ("u4", DType::U32, u32::MAX as f64),
        ("i1", DType::I8, i8::MAX as f64),
    ] {
        check_pixels(&format!("fits_unsigned_{name}.fits"), dtype, |y, x| max - 34.0 + ramp(y, x));
    }
    // u64::MAX itself is between two f64.
    check_pixels("fits_unsigned_u8.fits", DType::U64, |y, x| {
        (u64::MAX - 34 + 7 * y as u64 + x as u64) as f64
    });
}

#[test]
fn fits_scaling_blank_and_nan() {
    check_pixels("fits_scaled_blank.fits", DType::I16, |y, x| match ramp(y, x) {
        3.0 => f64::NAN,
        v => 100.0 + 0.5 * v,
    });
    check_pixels("fits_nan.fits", DType::F32, |y, x| if (y, x) == (2, 3) { f64::NAN } else { ramp(y, x) });
}

#[test]
fn fits_extensions() {
    check_pixels("fits_extensions.fits", DType::F32, ramp);
    check_pixels("fits_extensions.fits[1]", DType::F32, ramp);
    check_pixels("fits_extensions.fits:sci", DType::F32, ramp);
    check_pixels("fits_extensions.fits[3][0]", DType::I16, ramp);
    check_pixels("fits_extensions.fits:SCI,2[1]", DType::I16, |y, x| 35.0 + ramp(y, x));
    check_pixels("fits_radio.fits", DType::F32, ramp);
    check_error("fits_extensions.fits[0]", "no pixels");
    check_error("fits_extensions.fits[2]", "binary table");
    check_error("fits_extensions.fits:PACKED", "tile-compressed image (RICE_1)");
    check_error("fits_extensions.fits[9]", "the last is 4");
    check_error("fits_extensions.fits:NONE", "no extension is named");
}

#[test]
fn fits_cards_keep_their_order() {
    let info = describe(testdata("fits_extensions.fits")).unwrap();
    let kinds: Vec<&str> = info.elements.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["header", "image", "binary table", "stack", "tile-compressed image (RICE_1)"]);
    let header = &info.elements[0].metadata;
    let own: Vec<&str> =
        header.cards.iter().map(|c| c.keyword.as_str()).skip_while(|k| *k != "OBJECT").collect();
    assert_eq!(own, ["OBJECT", "LONGTEXT", "ESO DET CHIP", "EXPOSURE", "HISTORY"]);
    assert_eq!(header.find("OBJECT"), Some(&Value::from("O'Hara")));
    assert_eq!(header.find("LONGTEXT").unwrap().to_string(), "many words ".repeat(12).trim());
    assert_eq!(header.find("ESO DET CHIP"), Some(&Value::Integer(3)));
    assert_eq!(header.find("EXPOSURE"), Some(&Value::Real(1.5e-3)));
    assert_eq!(header.cards.last().unwrap().comment, "dark subtracted");
    assert_eq!(info.elements[1].metadata.find("CRVAL1"), Some(&Value::Real(150.1)));
    assert_eq!(info.elements[3].name.as_deref(), Some("SCI"));
}

#[test]
fn tiff_of_every_type() {
    for (name, dtype) in [
        ("u1", DType::U8),
        ("u2", DType::U16),
        ("u4", DType::U32),
        ("i1", DType::I8),
        ("i2", DType::I16),
        ("i4", DType::I32),
        ("f2", DType::F16),
        ("f4", DType::F32),
        ("f8", DType::F64),
        ("big_endian", DType::U16),
        ("bigtiff", DType::F32),
    ] {
        check_pixels(&format!("tif_{name}.tif"), dtype, ramp);
    }
}

#[test]
fn tiff_of_every_compression() {
    for (name, dtype) in [
        ("lzw", DType::U16),
        ("zlib", DType::U16),
        ("packbits", DType::U16),
        ("lzw_predictor_u1", DType::U8),
        ("lzw_predictor_u2", DType::U16),
        ("lzw_predictor_i4", DType::I32),
        ("zlib_float_predictor_f2_le", DType::F16),
        ("zlib_float_predictor_f2_be", DType::F16),
        ("zlib_float_predictor_f4_le", DType::F32),
        ("zlib_float_predictor_f4_be", DType::F32),
        ("zlib_float_predictor_f8_le", DType::F64),
        ("zlib_float_predictor_f8_be", DType::F64),
        ("pil_lzw", DType::U8),
    ] {
        check_pixels(&format!("tif_{name}.tif"), dtype, ramp);
    }
    check_error("tif_jpeg.tif", "compression 7");
    check_error("tif_bilevel_g4.tif", "compression 4");
    let tiles = read_image::<f64>(selector("tif_tiles.tif")).unwrap().pixels;
    assert_eq!(tiles.dim(), (40, 37));
    assert!(tiles.iter().enumerate().all(|(i, &v)| v == i as f64));
}

#[test]
fn tiff_pages() {
    check_cube("tif_pages.tif");
    check_cube("tif_imagej.tif");
    let description = open(selector("tif_pages.tif")).unwrap().header;
    assert_eq!(description.find("ImageDescription"), Some(&Value::from("three pages")));
    check_error("tif_mixed.tif", "page 0 is 5 × 7 uint8, page 1 is 7 × 5 uint16");
    check_pixels("tif_mixed.tif[0]", DType::U8, ramp);
    let elements = describe(testdata("tif_mixed.tif")).unwrap().elements;
    assert_eq!(elements.iter().map(|e| e.shape.clone()).collect::<Vec<_>>(), [[5, 7], [7, 5]]);
}

#[test]
fn colours() {
    let luminance = |y, x| {
        let [r, g, b] = [ramp(y, x), ramp(y, x) + 50.0, ramp(y, x) + 100.0];
        g + 0.2125 * (r - g) + 0.0721 * (b - g)
    };
    for file in ["tif_rgb.tif", "png_rgb.png", "png_rgba.png"] {
        check_pixels(file, DType::U8, luminance);
        let warnings = read_image::<f32>(selector(file)).unwrap().warnings;
        assert!(warnings[0].contains("luminance taken"), "{warnings:?}");
    }
    for file in
        ["tif_rgb.tif", "tif_rgb_planar.tif", "tif_rgb_planar_tiles.tif", "png_rgb.png", "png_rgba.png"]
    {
        check_pixels(&format!("{file}:green"), DType::U8, |y, x| ramp(y, x) + 50.0);
        check_pixels(&format!("{file}:blue"), DType::U8, |y, x| ramp(y, x) + 100.0);
        check_error(&format!("{file}:violet"), "its channels are red, green, blue");
    }
    let planar = read_image::<f64>(selector("tif_rgb_planar.tif")).unwrap().pixels;
    // Planes are added one by one: rounding of three products.
    assert!(planar.indexed_iter().all(|((y, x), &v)| (v - luminance(y, x)).abs() < 1e-12));
    check_pixels("png_rgba.png:alpha", DType::U8, |_, _| 200.0);
    check_pixels("png_gray_alpha.png", DType::U8, ramp);
}

#[test]
fn png_depths() {
    check_pixels("png_gray8.png", DType::U8, ramp);
    check_pixels("png_gray16.png", DType::U16, |y, x| 1000.0 * ramp(y, x));
    check_pixels("png_bilevel.png", DType::U8, |y, x| 255.0 * (ramp(y, x) % 2.0));
    check_pixels("png_palette.png:green", DType::U8, |y, x| [20.0, 50.0][(7 * y + x) % 2]);
    check_pixels("tif_bilevel.tif", DType::U8, |y, x| ramp(y, x) % 2.0);
    check_error("png_gray8.png:red", "one sample per pixel");
    let header = open(selector("png_rgb.png")).unwrap().header;
    assert_eq!(header.find("Author"), Some(&Value::from("make.py")));
}

#[test]
fn mrc_modes() {
    for (name, dtype) in
        [("i1", DType::I8), ("i2", DType::I16), ("f4", DType::F32), ("u2", DType::U16), ("f2", DType::F16)]
    {
        check_pixels(&format!("mrc_{name}.mrc"), dtype, ramp);
    }
    check_cube("mrc_big_endian.mrc");
    check_cube("mrc_stack_extended.mrc");
    check_error("mrc_complex.mrc", "MRC mode 4");
    check_pixels("mrc_old.mrc", DType::I16, ramp);
    let old = open(selector("mrc_old.mrc")).unwrap();
    assert!(old.warnings[0].contains("no \"MAP \""), "{:?}", old.warnings);
    let header = open(selector("mrc_stack_extended.mrc")).unwrap().header;
    assert_eq!(header.find("VOXEL_X"), Some(&Value::Real(1.5)));
    assert!(header.cards.iter().any(|c| c.value == Value::from("made for nonius")));
}

#[test]
fn what_is_no_image_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, words) in [
        ("empty.npy", &b""[..], "the file is empty"),
        ("a.h5", b"\x89HDF\r\n\x1a\n rest", "HDF5 header"),
        ("a.fits.gz", b"\x1f\x8b\x08 rest", "gunzip"),
        ("a.jpg", b"\xff\xd8\xff\xe0 rest", "JPEG"),
        ("a.txt", b"hello", "unknown format"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains(words) && message.contains(name), "{message}");
        assert_eq!(describe(&path).unwrap_err().to_string(), message);
    }
    assert!(matches!(open(folder.path().join("none.npy")), Err(Error::Io { .. })));
    assert!(open(folder.path()).unwrap_err().to_string().contains("it is a folder"));
}

/// The recordings beside the checkout, when present.
#[test]
#[allow(clippy::print_stderr)] // a test that did not look must say so
fn shared_recordings() {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !shared.is_dir() {
        eprintln!("skipped: the shared reference data, ../shared, are not present");
        return;
    }
    let map = read_array::<f64>(&shared.join("diffraction/emd3197_20x20x20.mrc")).unwrap();
    assert_eq!(map.shape(), [20, 20, 20]);
    // The sum by NumPy in f64 over float32 pixels, given to 16 digits; another order of 8000 additions.
    assert!((map.sum() - 6268.896269149147).abs() < 1e-8, "{}", map.sum());
    let brick = read_image::<f32>(&shared.join("images/brick_256.npy")).unwrap();
    assert_eq!((brick.pixels.dim(), brick.dtype), ((256, 256), DType::U8));
    let rgb = shared.join("images/hubble_xdf_512_rgb.npy");
    let green = read_image::<f32>(&format!("{}[:,:,1]", rgb.display())).unwrap();
    assert_eq!(green.pixels.dim(), (512, 512));
}
