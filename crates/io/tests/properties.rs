//! What is written reads back, through this crate and through the `tiff` and `png` decoders; frames are the
//! same in any order and from any thread; writing is all or nothing.

use ndarray::{Array2, Array3, Array4, ArrayD, array, s};
use nonius_core::{PixelBuffer, ReadFrames};
use nonius_io::{
    Card, Error, Header, Selector, Stack, Value, open, read_array, read_image, write_atomically, write_fits,
    write_image, write_npy, write_png_gray, write_png_rgb, write_tiff, write_tiff_stack,
};
use proptest::prelude::*;
use tempfile::tempdir;

use crate::testdata;

fn cube() -> Array3<f32> {
    Array3::from_shape_fn((4, 5, 6), |(k, y, x)| (100 * k + 10 * y + x) as f32 - 0.25)
}

/// Not in C order, as a slice of something larger is.
fn strided() -> Array3<f32> {
    let mut c = cube();
    c.swap_axes(1, 2);
    c
}

#[test]
fn arrays_survive_each_format() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (k, cube) in [cube(), strided(), cube().slice_move(s![..;2, .., 1..])].into_iter().enumerate() {
        let whole = cube.clone().into_dyn();
        write_npy(path("a.npy"), &cube).unwrap();
        write_fits(path("a.fits"), &cube, &[]).unwrap();
        write_tiff_stack(path("a.tif"), cube.view()).unwrap();
        for name in ["a.npy", "a.fits", "a.tif"] {
            assert_eq!(read_array::<f32>(&path(name)).unwrap(), whole, "{name}, layout {k}");
        }
    }
    let four =
        Array4::from_shape_fn((2, 2, 3, 3), |(a, b, y, x)| (27 * a + 9 * b + 3 * y + x) as u16 + 60_000);
    write_npy(path("b.npy"), &four).unwrap();
    write_fits(path("b.fits"), &four, &[]).unwrap();
    for name in ["b.npy", "b.fits"] {
        assert_eq!(read_array::<f64>(&path(name)).unwrap(), four.mapv(f64::from).into_dyn(), "{name}");
    }
    let image = array![[1u8, 2, 255], [4, 5, 6]];
    write_tiff(path("c.tif"), image.view()).unwrap();
    write_png_gray(path("c.png"), image.view()).unwrap();
    write_fits(path("c.fits"), &image, &[]).unwrap();
    for name in ["c.tif", "c.png", "c.fits"] {
        assert_eq!(read_image::<f32>(&path(name)).unwrap().pixels, image.mapv(f32::from), "{name}");
    }
    let rgb = Array3::from_shape_fn((2, 4, 3), |(y, x, c)| (50 * y + 10 * x + c) as u8);
    write_png_rgb(path("d.png"), rgb.view()).unwrap();
    for (c, key) in ["red", "green", "blue"].into_iter().enumerate() {
        let selector = Selector { key: Some(key.into()), ..Selector::file(path("d.png")) };
        let expected = rgb.slice(s![.., .., c]).mapv(f64::from);
        assert_eq!(read_image::<f64>(selector).unwrap().pixels, expected, "{key}");
    }
    let exact = array![[0.1f64, -1e300], [f64::NAN, f64::INFINITY]];
    for name in ["e.npy", "e.FITS", "e.tiff"] {
        write_image(path(name), exact.view()).unwrap();
        let back = read_image::<f64>(&path(name)).unwrap().pixels;
        assert!(back.iter().zip(&exact).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}");
    }
    assert!(write_image(path("e.jpg"), exact.view()).unwrap_err().to_string().contains("jpg"));
}

#[test]
fn other_decoders_agree() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tif");
    write_tiff_stack(&path, cube().view()).unwrap();
    let mut decoder = tiff::decoder::Decoder::new(std::fs::File::open(&path).unwrap()).unwrap();
    decoder.seek_to_image(2).unwrap();
    match decoder.read_image().unwrap() {
        tiff::decoder::DecodingResult::F32(pixels) => {
            assert_eq!(pixels, cube().slice(s![2, .., ..]).iter().copied().collect::<Vec<_>>());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn cards_pass_from_file_to_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.fits");
    let source = open(testdata("fits_extensions.fits")).unwrap();
    let mut cards = source.header.cards.clone();
    cards.push(Card { keyword: "NOTE".into(), value: "it's ".repeat(30).into(), comment: "long".into() });
    cards.push(Card { keyword: "BADVAL".into(), value: f64::NAN.into(), comment: "not a number".into() });
    write_fits(&path, &Array2::<f32>::zeros((3, 4)), &cards).unwrap();
    let back = open(&path).unwrap();
    assert_eq!(back.shape, [3, 4]);
    assert_eq!(back.header.find("CRVAL1"), Some(&Value::Real(150.1)));
    assert_eq!(back.header.find("NOTE"), Some(&Value::from("it's ".repeat(30).trim_end())));
    assert_eq!(back.header.find("BADVAL"), Some(&Value::Undefined));
    assert_eq!(back.header.cards.iter().filter(|c| c.keyword == "NAXIS").count(), 1);
    assert!(back.warnings.is_empty(), "{:?}", back.warnings);
}

#[test]
fn frames_are_the_same_in_any_order() {
    for name in [
        "npy_cube.npy",
        "npz_stored.npz:frames",
        "npz_deflated.npz:frames",
        "tif_pages.tif",
        "tif_imagej.tif",
        "fits_extensions.fits:SCI,2",
        "mrc_big_endian.mrc",
        "mrc_stack_extended.mrc",
    ] {
        let stack = Stack::open(testdata(name).to_str().unwrap()).unwrap();
        assert_eq!((stack.n_frames(), stack.frame_shape()), (3, (5, 7)), "{name}");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let stack = &stack;
                scope.spawn(move || {
                    for step in 0..12 {
                        let k = (thread + 2 * step) % 3;
                        let frame: Array2<f64> = stack.frame(k).unwrap();
                        let ok = frame.iter().enumerate().all(|(i, &v)| v == (35 * k + i) as f64);
                        assert!(ok, "{name}, frame {k}");
                    }
                });
            }
        });
        let e = stack.frame::<f32>(3).unwrap_err().to_string();
        assert!(e.contains("there are 3 frames"), "{e}");
        let mut wrong = Array2::<f32>::zeros((7, 5));
        assert!(stack.read_frame(0, wrong.view_mut(), &mut PixelBuffer::default()).is_err());
        // A buffer that is not contiguous.
        let mut transposed = Array2::<f32>::zeros((7, 5));
        stack.read_frame(1, transposed.view_mut().reversed_axes(), &mut PixelBuffer::default()).unwrap();
        assert_eq!(transposed[(6, 4)], 69.0);
    }
}

#[test]
fn fortran_frames_one_by_one() {
    let stack = Stack::open(testdata("npy_cube_fortran.npy")).unwrap();
    assert_eq!((stack.n_frames(), stack.frame_shape()), (6, (4, 5)));
    for k in 0..6 {
        let frame: Array2<f32> = stack.frame(k).unwrap();
        assert!(frame.iter().enumerate().all(|(i, &v)| v == (20 * k + i) as f32), "frame {k}");
    }
}

#[test]
fn several_files_are_a_stack() {
    let files = ["npy_u1.npy", "fits_i2.fits", "tif_f4.tif", "npy_cube.npy[2]", "png_rgb.png"];
    let selectors: Vec<Selector> =
        files.iter().map(|f| testdata(f).to_str().unwrap().parse().unwrap()).collect();
    let stack = Stack::from_files(&selectors).unwrap();
    assert_eq!((stack.n_frames(), stack.frame_shape()), (5, (5, 7)));
    let last = |k: usize| -> f32 { stack.frame(k).unwrap()[(4, 6)] };
    assert_eq!((last(2), last(3)), (34.0, 104.0));
    assert!(stack.warnings()[0].contains("png_rgb.png"), "{:?}", stack.warnings());

    let other = Selector::file(testdata("tif_tiles.tif"));
    let e = Stack::from_files(&[selectors[0].clone(), other]).unwrap_err();
    assert!(
        matches!(&e, Error::Shape { expected, got, .. } if expected[..] == [5, 7] && got[..] == [40, 37]),
        "{e}"
    );
    let several = Selector::file(testdata("npy_cube.npy"));
    assert!(
        Stack::from_files(&[selectors[0].clone(), several.clone()])
            .unwrap_err()
            .to_string()
            .contains("3 frames")
    );
    assert_eq!(Stack::from_files(&[several]).unwrap().n_frames(), 3);
    assert!(Stack::from_files(&[]).is_err());
    let column = format!("{}[:,:,1]", testdata("npy_cube.npy").display());
    assert!(Stack::open(column.as_str()).unwrap_err().to_string().contains("no sequence of frames"));
}

#[test]
fn names_with_brackets_are_reachable() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a[1]:b.npy");
    write_npy(&path, &cube()).unwrap();
    let text = path.to_str().unwrap();
    assert_eq!(open(text).unwrap().shape, [4, 5, 6]);
    assert_eq!(open(&path).unwrap().shape, [4, 5, 6]);
    let frame = read_image::<f32>(&format!("{text}[3]")).unwrap();
    assert_eq!(frame.pixels[(4, 5)], 344.75);
}

#[test]
fn writing_is_all_or_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::write(&path, "old").unwrap();
    let failed: Result<(), Error> = write_atomically(&path, |file| {
        std::io::Write::write_all(file, b"half")?;
        Err(std::io::Error::other("disk on fire"))
    });
    let message = failed.unwrap_err().to_string();
    assert!(message.contains("a.json: cannot write: disk on fire"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
    let write =
        |path: &std::path::Path| write_atomically(path, |file| std::io::Write::write_all(file, b"new"));
    write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert!(write(folder.path()).unwrap_err().to_string().contains("it is a folder"));
    let nowhere = folder.path().join("none/a.json");
    let message = write(&nowhere).unwrap_err().to_string();
    let expected = format!(
        "{}: cannot write: there is no folder {}",
        nowhere.display(),
        folder.path().join("none").display()
    );
    assert_eq!(message, expected);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, symlink};
        let link = folder.path().join("link.json");
        symlink(&path, &link).unwrap();
        write_atomically(&link, |file| std::io::Write::write_all(file, b"through")).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "through");
        // The rights of any new file, not the private ones of a temporary file.
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(path.metadata().unwrap().mode(), plain.metadata().unwrap().mode());
        let device = write(std::path::Path::new("/dev/null")).unwrap_err().to_string();
        assert!(device.contains("not a regular file"), "{device}");
        // Where there is a folder that takes no files, the temporary one is not named either.
        let refused = write(std::path::Path::new("/proc/a.json"));
        assert!(refused.is_err_and(|e| !e.to_string().contains(".nonius-")));
    }
}

#[test]
fn empty_pictures_are_refused_where_the_format_has_none() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a");
    let empty = Array2::<u8>::zeros((0, 5));
    assert!(matches!(write_png_gray(&path, empty.view()), Err(Error::Shape { .. })));
    assert!(matches!(write_tiff(&path, empty.view()), Err(Error::Shape { .. })));
    assert!(matches!(write_png_rgb(&path, Array3::zeros((2, 2, 4)).view()), Err(Error::Shape { .. })));
    write_npy(&path, &empty).unwrap();
    assert_eq!(open(&path).unwrap().shape, [0, 5]);
    assert!(!Header::default().cards.iter().any(|_| true));
}

#[test]
fn public_types_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Stack>();
    check::<nonius_io::ImageFile>();
    check::<Error>();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any shape, any values, through NPY and FITS.
    #[test]
    fn round_trips(shape in prop::collection::vec(1usize..6, 1..5), seed in any::<u32>()) {
        let folder = tempdir().unwrap();
        let n: usize = shape.iter().product();
        let bits = |i: usize| f32::from_bits((seed ^ i as u32).wrapping_mul(0x9E37_79B9));
        let array = ArrayD::from_shape_vec(shape, (0..n).map(bits).collect()).unwrap();
        for (name, write) in [("a.npy", true), ("a.fits", false)] {
            let path = folder.path().join(name);
            if write { write_npy(&path, &array).unwrap() } else { write_fits(&path, &array, &[]).unwrap() }
            let back = read_array::<f32>(&path).unwrap();
            prop_assert_eq!(back.shape(), array.shape());
            // NaN stays NaN, though its payload may change on the way through f64.
            prop_assert!(back.iter().zip(&array).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()));
        }
    }

    /// A selector's text is that selector again.
    #[test]
    fn selector_text_round_trips(text in "[a-z]{3,8}\\.(npy|fits)(:[A-Z/]{1,5})?(\\[[1-9][0-9]{0,2}(,:)?\\])?") {
        let selector: Selector = text.parse().unwrap();
        prop_assert_eq!(selector.to_string(), text.clone());
    }
}
