//! Feeds bytes to one reader, named by the variable `NONIUS_FUZZ_READER`: no panic, and no more memory than
//! 64 MiB, or 64 KiB for each byte of a longer input.
//!
//! The first corpus are the small valid files of the tests, written to the folder in `NONIUS_FUZZ_CORPUS`.
#![no_main]
#![allow(clippy::print_stderr)]

#[path = "../../crates/io/tests/made/mod.rs"]
#[allow(dead_code)]
mod made;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use nonius_core::{Missing, PixelBuffer, ReadFrames, ScanParams};
use nonius_io::{
    Access, ScanFormat, ScanOptions, Selector, Stack, TiltSeriesOptions, describe, open, open_scan,
    open_tilt_series, read_geometry,
};

/// Inputs that must do with the smaller limit, and that limit.
const SMALL: usize = 1024;
const LIMIT: usize = 64 << 20;

struct Target {
    /// Taken from the content where None: by readers that need a second file.
    format: Option<ScanFormat>,
    /// The file that is fuzzed.
    path: PathBuf,
}

static TARGET: OnceLock<Target> = OnceLock::new();

/// Format and extension of a reader.
fn reader(name: &str) -> Option<(Option<ScanFormat>, &'static str)> {
    Some(match name {
        "npy" => (Some(ScanFormat::Npy), "npy"),
        "npz" => (Some(ScanFormat::Npz), "npz"),
        "blo" => (Some(ScanFormat::Blo), "blo"),
        "mib" => (Some(ScanFormat::Mib), "mib"),
        "mrc" => (Some(ScanFormat::Mrc), "mrc"),
        "tiff" => (Some(ScanFormat::Tiff), "tif"),
        "fits" => (Some(ScanFormat::Fits), "fits"),
        "png" => (None, "png"),
        "tvips" => (Some(ScanFormat::Tvips), "tvips"),
        "ser" => (Some(ScanFormat::Ser), "ser"),
        "dm" => (Some(ScanFormat::Dm), "dm4"),
        "hdf5" => (Some(ScanFormat::Hdf5), "h5"),
        "ripple" => (None, "rpl"),
        "empad" => (None, "xml"),
        "hdr" => (None, "hdr"),
        "geometry" => (None, "geo"),
        _ => return None,
    })
}

fn prepare() {
    let name = std::env::var("NONIUS_FUZZ_READER").unwrap_or_default();
    let Some((format, extension)) = reader(&name) else {
        panic!("NONIUS_FUZZ_READER names no reader: {name:?}")
    };
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let folder = folder.join(format!("nonius-fuzz-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // What the text headers speak of.
    match name.as_str() {
        "ripple" => std::fs::write(folder.join("a.raw"), made::raw(false)).unwrap(),
        "empad" => std::fs::write(folder.join("a.raw"), made::empad(1)).unwrap(),
        "hdr" => std::fs::write(folder.join("a.mib"), made::mib("U08", 0, 0..made::N)).unwrap(),
        _ => {}
    }
    if let Some(corpus) = std::env::var_os("NONIUS_FUZZ_CORPUS") {
        write_corpus(&name, extension, Path::new(&corpus));
    }
    let _ = TARGET.set(Target { format, path: folder.join("a").with_extension(extension) });
}

/// The made files of a reader, and those under `testdata/io`.
fn write_corpus(name: &str, extension: &str, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let mut files: Vec<Vec<u8>> = made::all().into_iter().filter(|f| f.0 == name).map(|f| f.2).collect();
    match name {
        "ripple" => files.push(made::ripple()),
        "empad" => files.push(made::empad_xml("a.raw", 1, 1)),
        "hdr" => files.push(made::hdr()),
        _ => {}
    }
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/io");
    let folders = [recorded.join("hdf5"), recorded.join("tilt"), recorded];
    for entry in folders.iter().flat_map(std::fs::read_dir).flatten().flatten() {
        if entry.path().extension().is_some_and(|e| e == extension) {
            files.extend(std::fs::read(entry.path()));
        }
    }
    for (k, bytes) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("made-{k}")), bytes).unwrap();
    }
}

/// As a scan, both ways of access.
fn use_scan(target: &Target) {
    for access in [Access::Mapped, Access::Positioned] {
        let scan = ScanParams { missing: Missing::Skip, ..Default::default() };
        let format = target.format;
        let options = ScanOptions { format, access, scan, order_by_number: true, ..Default::default() };
        let Ok(file) = open_scan(target.path.as_path(), &options) else { continue };
        let frames = file.scan.frames();
        let (n, (h, w)) = (frames.n_frames(), frames.frame_shape());
        let mut buffer = PixelBuffer::default();
        for k in [0, n / 2, n - 1] {
            let lent = frames.lend(k..k + 1).map(|pixels| pixels.len());
            assert!(lent.is_none_or(|len| len == h * w));
            let _ = frames.read(k..k + 1, buffer.room(frames.dtype(), h * w));
        }
    }
}

/// As images, for the formats that are read as such.
fn use_images(target: &Target) {
    let Ok(info) = describe(&target.path) else { return };
    for selector in info.elements.iter().take(8).filter_map(|e| e.selector.parse::<Selector>().ok()) {
        let Ok(file) = open(&selector) else { continue };
        let _ = file.array::<f64>();
        let _ = file.image::<f32>();
        if let Ok(stack) = Stack::open(&selector) {
            let _ = stack.frame::<f32>(stack.n_frames() - 1);
        }
    }
}

/// As projections, for the formats that hold nothing else or may.
fn use_tilt_series(target: &Target) {
    let replaced =
        TiltSeriesOptions { replace_non_finite: Some(1.0), allow_missing: true, ..Default::default() };
    for options in [TiltSeriesOptions::default(), replaced] {
        let _ = open_tilt_series::<f32>(target.path.as_path(), &options);
    }
}

fuzz_target!(init: prepare(), |data: &[u8]| {
    let Some(target) = TARGET.get() else { return };
    if std::fs::write(&target.path, data).is_err() {
        return;
    }
    watch::limit(LIMIT.max(LIMIT / SMALL * data.len()));
    use_scan(target);
    if matches!(target.path.extension().and_then(|e| e.to_str()), Some("npy" | "npz" | "mrc" | "tif" | "fits" | "png" | "h5")) {
        use_images(target);
    }
    match target.path.extension().and_then(|e| e.to_str()) {
        Some("h5") => use_tilt_series(target),
        Some("geo") => {
            let _ = read_geometry(&target.path);
        }
        _ => {}
    }
    watch::limit(usize::MAX);
});
