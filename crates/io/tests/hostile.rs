//! Files cut at every byte, files with bytes changed, headers that lie: an error or an image, never a
//! panic, never a large allocation for a small file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use nonius_core::{Missing, PixelBuffer, ScanParams};
use nonius_io::{Access, Error, ScanOptions, Selector, Stack, describe, open, open_scan, read_image};

use crate::{made, testdata};

/// The largest single allocation of this binary so far, in bytes.
static LARGEST: AtomicUsize = AtomicUsize::new(0);
/// The limit of the specification for files of 1 KiB; the fixtures are smaller than 32 KiB.
const LIMIT: usize = 64 << 20;

struct Watch;

#[allow(unsafe_code)]
// SAFETY: every call goes to the system allocator unchanged; a counter is all that is added.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static WATCH: Watch = Watch;

/// Per format, small files that together use each part of its reader.
const FILES: [(&str, &[&str]); 6] = [
    ("npy", &["npy_be_u2.npy", "npy_cube_fortran.npy", "npy_version3.npy"]),
    ("npz", &["npz_one.npz", "npz_deflated.npz", "npz_stored.npz"]),
    ("fits", &["fits_scaled_blank.fits", "fits_unsigned_u8.fits", "fits_extensions.fits"]),
    (
        "tif",
        &[
            "tif_lzw_predictor_u2.tif",
            "tif_zlib_float_predictor_f4_be.tif",
            "tif_tiles.tif",
            "tif_rgb_planar_tiles.tif",
            "tif_packbits.tif",
            "tif_pages.tif",
            "tif_imagej.tif",
            "tif_bigtiff.tif",
            "tif_bilevel.tif",
        ],
    ),
    ("png", &["png_gray16.png", "png_rgba.png", "png_palette.png", "png_bilevel.png"]),
    ("mrc", &["mrc_f2.mrc", "mrc_big_endian.mrc", "mrc_stack_extended.mrc", "mrc_old.mrc"]),
];

/// Everything that a caller can do with a file. True if an image came out.
fn use_file(path: &Path) -> bool {
    let info = describe(path);
    let elements = info.map(|i| i.elements).unwrap_or_default();
    let mut any = false;
    for selector in elements.iter().map(|e| e.selector.as_str()).chain(path.to_str()) {
        let Ok(file) = selector.parse::<Selector>().and_then(open) else { continue };
        any |= file.array::<f64>().is_ok();
        any |= file.image::<f32>().is_ok();
        if let Ok(stack) = Stack::open(selector) {
            let last = stack.n_frames().saturating_sub(1);
            any |= nonius_core::ReadFrames::frame::<f32>(&stack, last).is_ok();
        }
    }
    any
}

#[track_caller]
fn check(path: &Path, bytes: &[u8], what: &dyn Fn() -> String) -> bool {
    std::fs::write(path, bytes).unwrap();
    check_use(path, what, use_file)
}

#[track_caller]
fn check_use(path: &Path, what: &dyn Fn() -> String, used: impl Fn(&Path) -> bool) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(|| used(path)));
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest <= LIMIT, "{}: an allocation of {largest} bytes", what());
    outcome.unwrap_or_else(|_| panic!("{}: panicked", what()))
}

/// Everything that a caller can do with a scan. True if frames came out.
pub(crate) fn use_scan(path: &Path) -> bool {
    let mut any = false;
    for access in [Access::Mapped, Access::Positioned] {
        let scan = ScanParams { missing: Missing::Skip, ..Default::default() };
        let options = ScanOptions { access, scan, order_by_number: true, ..Default::default() };
        let Ok(file) = open_scan(path, &options) else { continue };
        let frames = file.scan.frames();
        let (n, (h, w)) = (frames.n_frames(), frames.frame_shape());
        let mut buffer = PixelBuffer::default();
        for k in [0, n / 2, n - 1] {
            let lent = frames.lend(k..k + 1).map(|pixels| pixels.len());
            assert!(lent.is_none_or(|len| len == h * w));
            any |= frames.read(k..k + 1, buffer.room(frames.dtype(), h * w)).is_ok();
        }
    }
    any
}

/// A scratch file in memory where the system has such a folder: the tests write some 10⁵ times.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[test]
fn cut_at_every_byte() {
    let folder = scratch();
    for (extension, names) in FILES {
        let path = folder.path().join(format!("a.{extension}"));
        for name in names {
            let bytes = std::fs::read(testdata(name)).unwrap();
            assert!(check(&path, &bytes, &|| format!("{name}, whole")), "{name}");
            // FITS headers repeat themselves: blanks between cards need not all be cut.
            let step = if bytes.len() > 10_000 { 7 } else { 1 };
            for len in (0..bytes.len()).step_by(step) {
                check(&path, &bytes[..len], &|| format!("{name}, cut at {len}"));
            }
        }
    }
}

/// Every prefix of each small scan, and each byte changed to three values.
#[test]
fn scans_cut_and_changed_at_every_byte() {
    let folder = scratch();
    for (k, (reader, extension, bytes)) in made::all().into_iter().enumerate() {
        let path = folder.path().join(format!("{k}.{extension}"));
        let try_bytes = |bytes: &[u8], what: &dyn Fn() -> String| {
            std::fs::write(&path, bytes).unwrap();
            check_use(&path, what, use_scan)
        };
        assert!(try_bytes(&bytes, &|| format!("{reader}, whole")), "{reader} {k}");
        for len in 0..bytes.len() {
            try_bytes(&bytes[..len], &|| format!("{reader} {k}, cut at {len}"));
        }
        for at in 0..bytes.len() {
            for value in [0x00, 0xff, 0x7f] {
                let mut changed = bytes.clone();
                changed[at] = value;
                try_bytes(&changed, &|| format!("{reader} {k}, [{at}] = {value}"));
            }
        }
    }
}

/// xorshift64: the same mutations on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Changes one to four bytes, most often to a value at the edge of a range.
fn mutate(bytes: &mut [u8], random: &mut Random) -> String {
    let mut done = Vec::new();
    for _ in 0..1 + random.below(4) {
        // Headers decide; pixels can hold anything.
        let reach = if random.below(3) > 0 { bytes.len().min(600) } else { bytes.len() };
        let at = random.below(reach);
        let value = [0, 1, 0x7f, 0x80, 0xff, b'9', b'-', random.below(256) as u8][random.below(8)];
        bytes[at] = value;
        done.push(format!("[{at}] = {value}"));
    }
    done.join(", ")
}

/// 4000 per format; the variable `NONIUS_MUTATIONS` asks for more, from another seed.
#[test]
fn thousands_of_mutations() {
    let asked = std::env::var("NONIUS_MUTATIONS").ok().and_then(|n| n.parse().ok());
    let n = asked.unwrap_or(4000);
    let folder = scratch();
    for (extension, names) in FILES {
        let path = folder.path().join(format!("m.{extension}"));
        let mut random = Random(0x6e6f_6e69_7573_0001 ^ asked.unwrap_or(0) as u64);
        let mut images = 0;
        for k in 0..n {
            let name = names[k % names.len()];
            let mut bytes = std::fs::read(testdata(name)).unwrap();
            let what = mutate(&mut bytes, &mut random);
            images += usize::from(check(&path, &bytes, &|| format!("{name}, {what}")));
        }
        // Neither reader nor mutations are trivial: some files survive, some do not.
        assert!(images > n / 40 && images < n - n / 40, "{extension}: {images} of {n} gave an image");
    }
}

#[track_caller]
fn check_refused(name: &str, bytes: &[u8], words: &str) {
    let folder = scratch();
    let path = folder.path().join(name);
    check(&path, bytes, &|| name.into());
    let message = read_image::<f64>(&path).unwrap_err().to_string();
    assert!(message.contains(words), "{message}");
}

fn npy(dict: &str) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((dict.len() as u16).to_le_bytes());
    out.extend(dict.as_bytes());
    out.resize(1024, 0);
    out
}

#[test]
fn headers_that_promise_too_much() {
    let dict =
        |shape: &str| npy(&format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}\n"));
    check_refused(
        "a.npy",
        &dict("100000, 100000"),
        "needs 80000000000 bytes from byte 80, but the file ends at byte 1024",
    );
    check_refused("b.npy", &dict("4294967296, 4294967296, 4294967296"), "more than memory can address");
    check_refused("c.npy", &dict("0, 4294967296, 4294967296"), "more than memory can address");
    check_refused("d.npy", &npy(&"(".repeat(900)), "expected \"{\"");

    let mut png = std::fs::read(testdata("png_gray8.png")).unwrap();
    png[16..24].copy_from_slice(&[0, 0, 0x7f, 0xff, 0, 0, 0x7f, 0xff]);
    let crc = png_crc(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    check_refused("a.png", &png, "cannot hold");

    let mut tiff = std::fs::read(testdata("tif_zlib.tif")).unwrap();
    for tag in [256u16, 257, 278] {
        set_tiff_tag(&mut tiff, tag, 1 << 30);
    }
    check_refused("a.tif", &tiff, "cannot hold");

    let mut mrc = std::fs::read(testdata("mrc_f4.mrc")).unwrap();
    mrc[0..4].copy_from_slice(&i32::MAX.to_le_bytes());
    check_refused("a.mrc", &mrc, "but the file ends at byte");
}

#[test]
fn a_chain_of_tiff_pages_may_not_be_a_loop() {
    let mut tiff = std::fs::read(testdata("tif_u1.tif")).unwrap();
    let first = u32::from_le_bytes(tiff[4..8].try_into().unwrap());
    let n = u16::from_le_bytes([tiff[first as usize], tiff[first as usize + 1]]) as usize;
    let next = first as usize + 2 + 12 * n;
    tiff[next..next + 4].copy_from_slice(&first.to_le_bytes());
    check_refused("a.tif", &tiff, "the chain is a loop");
}

#[test]
fn damage_inside_a_checksum_is_seen() {
    let mut npz = std::fs::read(testdata("npz_stored.npz")).unwrap();
    // The last byte of the pixels of `frames`: 104 as u16, little endian.
    let pixel = npz.windows(2).position(|w| w == [104, 0]).unwrap();
    npz[pixel] = 105;
    let folder = scratch();
    let path = folder.path().join("a.npz");
    std::fs::write(&path, npz).unwrap();
    let selector = Selector { key: Some("frames".into()), ..Selector::file(&path) };
    let e = open(selector).unwrap().array::<f32>().unwrap_err();
    assert!(matches!(&e, Error::Damaged { problem, .. } if problem.contains("checksum")), "{e}");
}

#[test]
fn truncation_says_what_and_where() {
    let folder = scratch();
    for (name, keep, words) in [
        (
            "npy_le_f8.npy",
            300,
            "array of shape [5, 7] and type float64 needs 280 bytes from byte 128, but the file ends at byte 300",
        ),
        (
            "fits_i2.fits",
            2900,
            "HDU 0 of shape [5, 7] and type int16 needs 70 bytes from byte 2880, but the file ends at byte 2900",
        ),
        ("fits_i2.fits", 100, "HDU 0 header needs 2880 bytes from byte 0, but the file ends at byte 100"),
        ("mrc_f4.mrc", 1100, "needs 140 bytes from byte 1024, but the file ends at byte 1100"),
        ("npz_one.npz", 200, "has no end record: the file is cut"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &std::fs::read(testdata(name)).unwrap()[..keep]).unwrap();
        let message = read_image::<f32>(&path).unwrap_err().to_string();
        assert!(message.contains(words) && message.contains(name), "{message}");
    }
}

/// CRC-32 as in the PNG specification, annex D.
fn png_crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

/// Sets a tag of the first directory of a little-endian file to one 32-bit number.
fn set_tiff_tag(tiff: &mut [u8], tag: u16, value: u32) {
    let at = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let n = u16::from_le_bytes([tiff[at], tiff[at + 1]]) as usize;
    let entry = (0..n).map(|k| at + 2 + 12 * k).find(|&e| tiff[e..e + 2] == tag.to_le_bytes()).unwrap();
    tiff[entry + 2..entry + 4].copy_from_slice(&4u16.to_le_bytes());
    tiff[entry + 4..entry + 8].copy_from_slice(&1u32.to_le_bytes());
    tiff[entry + 8..entry + 12].copy_from_slice(&value.to_le_bytes());
}
