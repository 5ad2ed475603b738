//! Small valid files of every scan format, made byte by byte: for tests, and as a first corpus for fuzzing.
//!
//! All hold the same scan of 2 × 3 frames of 8 × 8 pixels, [`pixel`], where the format has room for it.

/// Rows and columns of the scan.
pub(crate) const SCAN: (usize, usize) = (2, 3);
/// Number of frames.
pub(crate) const N: usize = 6;
/// Edge of the frames.
pub(crate) const EDGE: usize = 8;

/// Pixels of 16-bit files; their low bytes are those of 8-bit files.
pub(crate) fn pixel(frame: usize, y: usize, x: usize) -> u16 {
    (frame * 4099 + y * 259 + x * 23 + 5) as u16
}

/// All frames as `u16`.
pub(crate) fn frames16() -> Vec<Vec<u16>> {
    let frame = |k| (0..EDGE * EDGE).map(move |i| pixel(k, i / EDGE, i % EDGE)).collect();
    (0..N).map(frame).collect()
}

/// All frames as `u8`.
pub(crate) fn frames8() -> Vec<Vec<u8>> {
    frames16().iter().map(|f| f.iter().map(|&v| v as u8).collect()).collect()
}

/// Numbers as bytes, least significant first.
pub(crate) fn le(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Numbers as bytes, most significant first.
pub(crate) fn be(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// The frames one after another.
pub(crate) fn raw(big_endian: bool) -> Vec<u8> {
    frames16().iter().flat_map(|f| if big_endian { be(f) } else { le(f) }).collect()
}

/// The header of a raw file of `u16`.
pub(crate) fn ripple() -> Vec<u8> {
    format!(
        "key\tvalue\nwidth\t{EDGE}\nheight\t{EDGE}\ndepth\t{N}\noffset\t0\ndata-length\t2\n\
         data-type\tunsigned\nbyte-order\tlittle-endian\nrecord-by\timage\n"
    )
    .into_bytes()
}

/// An NPY file of any content.
pub(crate) fn npy_of(version: u8, descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let before = if version == 1 { 10 } else { 12 };
    dict.push_str(&" ".repeat(63 - (before + dict.len()) % 64));
    dict.push('\n');
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([version, 0]);
    match version {
        1 => out.extend((dict.len() as u16).to_le_bytes()),
        _ => out.extend((dict.len() as u32).to_le_bytes()),
    }
    out.extend(dict.as_bytes());
    out.extend(data);
    out
}

/// The scan as NPY of `u16`.
pub(crate) fn npy(version: u8, big_endian: bool) -> Vec<u8> {
    let descr = if big_endian { ">u2" } else { "<u2" };
    npy_of(version, descr, false, "(2, 3, 8, 8)", &raw(big_endian))
}

/// The scan as NPY in Fortran order.
pub(crate) fn npy_fortran() -> Vec<u8> {
    let (ny, nx) = SCAN;
    let mut numbers = Vec::new();
    for x in 0..EDGE {
        for y in 0..EDGE {
            for sx in 0..nx {
                for sy in 0..ny {
                    numbers.push(pixel(sy * nx + sx, y, x));
                }
            }
        }
    }
    npy_of(1, "<u2", true, "(2, 3, 8, 8)", &le(&numbers))
}

/// An archive of one NPY member, stored or deflated.
pub(crate) fn npz(deflated: bool) -> Vec<u8> {
    let member = npy(1, false);
    let name = b"frames.npy";
    let mut crc = flate2::Crc::new();
    crc.update(&member);
    let packed = match deflated {
        false => member.clone(),
        true => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut encoder, &member).unwrap();
            encoder.finish().unwrap()
        }
    };
    let mut common = vec![20, 0, 0, 0, if deflated { 8 } else { 0 }, 0, 0, 0, 0, 0];
    common.extend(crc.sum().to_le_bytes());
    common.extend((packed.len() as u32).to_le_bytes());
    common.extend((member.len() as u32).to_le_bytes());
    common.extend((name.len() as u16).to_le_bytes());
    common.extend([0, 0]);
    let mut out = b"PK\x03\x04".to_vec();
    out.extend(&common);
    out.extend(name);
    out.extend(&packed);
    let directory = out.len();
    out.extend(b"PK\x01\x02\x14\0");
    out.extend(&common);
    out.extend([0; 14]);
    out.extend(name);
    let len = out.len() - directory;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend((len as u32).to_le_bytes());
    out.extend((directory as u32).to_le_bytes());
    out.extend([0, 0]);
    out
}

/// Where the first record of [`blo`] begins.
pub(crate) const BLO_FRAMES: usize = 320;
/// Bytes of a record of an 8-bit [`blo`].
pub(crate) const BLO_RECORD: usize = 6 + EDGE * EDGE;

/// A block file; 16 bits as version 0x0103 has them. Its header is shorter than that of recorded ones.
pub(crate) fn blo(wide: bool) -> Vec<u8> {
    let mut out = vec![0u8; BLO_FRAMES];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"IMGBLO");
    put(6, &if wide { 0x0103u16 } else { 0x0102 }.to_le_bytes());
    put(8, &304u32.to_le_bytes());
    put(12, &(BLO_FRAMES as u32).to_le_bytes());
    put(20, &(EDGE as u16).to_le_bytes());
    put(24, &(SCAN.1 as u16).to_le_bytes());
    put(26, &(SCAN.0 as u16).to_le_bytes());
    put(30, &12.5f64.to_le_bytes());
    put(38, &10.0f64.to_le_bytes());
    put(46, &200_000u32.to_le_bytes());
    put(50, &5000u16.to_le_bytes());
    put(52, &2000u32.to_le_bytes());
    put(240, if wide { b"Blo Bit Depth: 16 bits\r\n" } else { b"a note\r\n" });
    put(304, &[1, 2, 3, 4, 5, 6]);
    for (k, (narrow, broad)) in frames8().iter().zip(frames16()).enumerate() {
        out.extend([0xaa, 0x55]);
        out.extend((k as u32).to_le_bytes());
        out.extend(if wide { le(&broad) } else { narrow.clone() });
    }
    out
}

/// Bytes of the header of a [`mib`] frame.
pub(crate) const MIB_HEADER: usize = 384;

/// The header of one MIB frame of this width, padded with `padding`.
pub(crate) fn mib_header(number: usize, kind: &str, width: usize, depth: u32, padding: u8) -> Vec<u8> {
    let text = format!(
        "MQ1,{number:06},{MIB_HEADER:05},01,{width:04},0008,{kind},   1x1,01,2020-01-01 00:00:00.0,1.0,0,0,0,\
         MQ1A,2020-01-01T00:00:00.0Z,1000000ns,{depth},"
    );
    let mut out = text.into_bytes();
    out.resize(MIB_HEADER, padding);
    out
}

/// MIB frames of `U08`, `U16` or `U32` (which has the pixels of `U16`), numbered from `first`.
pub(crate) fn mib(kind: &str, padding: u8, frames: std::ops::Range<usize>) -> Vec<u8> {
    let (narrow, broad) = (frames8(), frames16());
    let mut out = Vec::new();
    for k in frames {
        out.extend(mib_header(k + 1, kind, EDGE, 12, padding));
        match kind {
            "U08" => out.extend(&narrow[k]),
            "U16" => out.extend(be(&broad[k])),
            _ => out.extend(broad[k].iter().flat_map(|&v| u32::from(v).to_be_bytes())),
        }
    }
    out
}

/// One MIB frame of raw counters, 64 × 8 pixels, with the values of `value(i)`, i over the pixels.
pub(crate) fn mib_raw(depth: u32, value: impl Fn(usize) -> u32) -> Vec<u8> {
    let n = 64 * 8;
    let mut out = mib_header(1, "R64", 64, depth, 0);
    let twelve = |shift: u32| -> Vec<u8> {
        let word = |i: usize| (0..4).rev().map(move |j| 4 * i + j);
        let bits = |i| ((value(i) >> shift & 0xfff) as u16).to_be_bytes();
        (0..n / 4).flat_map(word).flat_map(bits).collect()
    };
    match depth {
        1 => {
            for word in 0..n / 64 {
                let bits = (0..64).fold(0u64, |w, i| w | u64::from(value(64 * word + i) & 1) << i);
                out.extend(bits.to_be_bytes());
            }
        }
        6 => {
            for word in 0..n / 8 {
                out.extend((0..8).rev().map(|i| value(8 * word + i) as u8));
            }
        }
        12 => out.extend(twelve(0)),
        _ => {
            out.extend(twelve(12));
            out.extend(twelve(0));
        }
    }
    out
}

/// The `.hdr` file of a series.
pub(crate) fn hdr() -> Vec<u8> {
    b"HDR,\t\nFrames in Acquisition (Number):\t6\nFrames per Trigger (Number):\t3\nEnd\t".to_vec()
}

/// An MRC stack of `u16`.
pub(crate) fn mrc(big_endian: bool) -> Vec<u8> {
    let mut out = vec![0u8; 1024];
    let mut put = |at: usize, v: i32| {
        let bytes = if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        out[at..at + 4].copy_from_slice(&bytes);
    };
    for (at, v) in [(0, EDGE), (4, EDGE), (8, N), (12, 6), (28, EDGE), (32, EDGE), (36, N)] {
        put(at, v as i32);
    }
    put(40, (16.0f32).to_bits() as i32);
    put(44, (24.0f32).to_bits() as i32);
    out[208..212].copy_from_slice(b"MAP ");
    out[212..214].copy_from_slice(if big_endian { &[0x11, 0x11] } else { &[0x44, 0x44] });
    out.extend(raw(big_endian));
    out
}

/// A TIFF file of one page per frame, `u16`, little endian, without compression.
pub(crate) fn tiff() -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    for (k, frame) in frames16().iter().enumerate() {
        let pixels = out.len() + 2 + 9 * 12 + 4;
        let tags: [(u16, u32); 9] = [
            (256, EDGE as u32),
            (257, EDGE as u32),
            (258, 16),
            (259, 1),
            (262, 1),
            (273, pixels as u32),
            (277, 1),
            (278, EDGE as u32),
            (279, (2 * EDGE * EDGE) as u32),
        ];
        out.extend((tags.len() as u16).to_le_bytes());
        for (tag, value) in tags {
            out.extend(tag.to_le_bytes());
            out.extend([4, 0, 1, 0, 0, 0]);
            out.extend(value.to_le_bytes());
        }
        let next = if k + 1 < N { pixels + 2 * EDGE * EDGE } else { 0 };
        out.extend((next as u32).to_le_bytes());
        out.extend(le(frame));
    }
    out
}

/// EMPAD frames of 128 × 128 `f32`, all pixels `k + i / 10`, with two rows of other numbers behind each.
pub(crate) fn empad(n: usize) -> Vec<u8> {
    let frame = |k: usize| {
        let pixels = (0..128 * 128).map(move |i| k as f32 + i as f32 / 10.0);
        pixels.chain(std::iter::repeat_n(-1.0, 256)).flat_map(f32::to_le_bytes)
    };
    (0..n).flat_map(frame).collect()
}

/// The XML file of [`empad`].
pub(crate) fn empad_xml(raw: &str, ny: usize, nx: usize) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\"?>\n<root>\n<raw_file filename=\"C:\\data\\{raw}\"/>\n\
         <pix_x>{nx}</pix_x>\n<pix_y>{ny}</pix_y>\n<exposure_time units=\"ms\">1.0</exposure_time>\n</root>\n"
    )
    .into_bytes()
}

/// A TVIPS series of `u16`.
pub(crate) fn tvips(version: u32) -> Vec<u8> {
    let image_header = if version == 1 { 12 } else { 60 };
    let mut out = Vec::new();
    for v in [256, version, EDGE as u32, EDGE as u32, 16, 0, 0, 1, 2, 3, 200, 80, image_header] {
        out.extend(v.to_le_bytes());
    }
    out.resize(256, b' ');
    out.extend(tvips_images(version, 0..N));
    out
}

/// Images of a TVIPS series without its header.
pub(crate) fn tvips_images(version: u32, frames: std::ops::Range<usize>) -> Vec<u8> {
    let all = frames16();
    let mut out = Vec::new();
    for k in frames {
        let start = out.len();
        out.extend((k as u32).to_le_bytes());
        out.resize(start + if version == 1 { 12 } else { 60 }, 0);
        if version == 2 {
            out[start + 24] = 1;
        }
        out.extend(le(&all[k]));
    }
    out
}

/// A TVIPS series of version 2 whose images, of 2 × 2 `u16` with the image's number, say where the beam stood.
pub(crate) fn tvips_scan(positions: impl IntoIterator<Item = (f32, f32)>) -> Vec<u8> {
    let mut out = Vec::new();
    for v in [256u32, 2, 2, 2, 16, 0, 0, 1, 1, 0, 200, 80, 80] {
        out.extend(v.to_le_bytes());
    }
    out.resize(256, b' ');
    for (k, (y, x)) in positions.into_iter().enumerate() {
        let start = out.len();
        out.resize(start + 68, 0);
        out.extend([x, y].iter().flat_map(|v| v.to_le_bytes()));
        out.resize(start + 80, 0);
        out.extend([k as u16; 4].iter().flat_map(|v| v.to_le_bytes()));
    }
    out
}

/// A TIA series of `u16` with a dimension of 3 and one of 2; with offsets of 32 or 64 bits.
pub(crate) fn ser(wide: bool) -> Vec<u8> {
    let mut out = b"II\x97\x01".to_vec();
    out.extend(if wide { 0x0220u16 } else { 0x0210 }.to_le_bytes());
    for v in [0x4122u32, 0x4142, N as u32, N as u32] {
        out.extend(v.to_le_bytes());
    }
    let number = |v: u64| if wide { v.to_le_bytes().to_vec() } else { (v as u32).to_le_bytes().to_vec() };
    let table_at = out.len();
    out.extend(number(0));
    out.extend(2u32.to_le_bytes());
    for (size, step, name) in [(SCAN.1, 2e-9, "x"), (SCAN.0, 3e-9, "y")] {
        out.extend((size as u32).to_le_bytes());
        out.extend(1e-8f64.to_le_bytes());
        out.extend(f64::to_le_bytes(step));
        out.extend(1u32.to_le_bytes());
        for text in [name, "m"] {
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        }
    }
    let table = out.len();
    out[table_at..table_at + number(0).len()].copy_from_slice(&number(table as u64));
    let element = 50 + 2 * EDGE * EDGE;
    let first = table + N * number(0).len();
    for k in 0..N {
        out.extend(number((first + k * element) as u64));
    }
    for frame in frames16() {
        for step in [1e8f64, 2e8] {
            out.extend(0f64.to_le_bytes());
            out.extend(step.to_le_bytes());
            out.extend(0i32.to_le_bytes());
        }
        out.extend(2u16.to_le_bytes());
        out.extend([EDGE as u32, EDGE as u32].iter().flat_map(|v| v.to_le_bytes()));
        out.extend(le(&frame));
    }
    out
}

/// Tags of a DM file of one version.
struct DmTags {
    version: u32,
    out: Vec<u8>,
}

impl DmTags {
    fn wide(&mut self, v: u64) {
        match self.version {
            3 => self.out.extend((v as u32).to_be_bytes()),
            _ => self.out.extend(v.to_be_bytes()),
        }
    }

    fn name(&mut self, kind: u8, name: &str) {
        self.out.push(kind);
        self.out.extend((name.len() as u16).to_be_bytes());
        self.out.extend(name.as_bytes());
        if self.version == 4 {
            self.out.extend([0; 8]);
        }
    }

    fn group(&mut self, name: &str, n: u64) {
        self.name(20, name);
        self.out.extend([1, 0]);
        self.wide(n);
    }

    fn data(&mut self, name: &str, description: &[u64], bytes: &[u8]) {
        self.name(21, name);
        self.out.extend(b"%%%%");
        self.wide(description.len() as u64);
        description.iter().for_each(|&v| self.wide(v));
        self.out.extend(bytes);
    }
}

/// A DM3 or DM4 file with dimensions 8, 8, 3, 2 of `u16`, little endian, and other tags before it.
pub(crate) fn dm(version: u32) -> Vec<u8> {
    dm_with(version, &[8, 8, 3, 2], &raw(false), None)
}

/// The same with its dimensions and pixels, and the tag that says in which order these stand.
pub(crate) fn dm_with(version: u32, image_sizes: &[u32], image: &[u8], swapped: Option<u8>) -> Vec<u8> {
    let mut t = DmTags { version, out: Vec::new() };
    t.out.extend(version.to_be_bytes());
    t.wide(0);
    t.out.extend(1u32.to_be_bytes());
    t.out.extend([1, 0]);
    t.wide(2);
    t.data("Bounds", &[15, 0, 2, 0, 2, 0, 3], &[0; 6]);
    t.group("ImageList", 2);
    for thumbnail in [true, false] {
        let swapped = swapped.filter(|_| !thumbnail);
        t.group("", if swapped.is_some() { 2 } else { 1 });
        t.group("ImageData", 4);
        t.group("Calibrations", 1);
        // The third and fourth are those of a scan, if there is the tag.
        let n_axes = if swapped.is_some() { 4u32 } else { 2 };
        t.group("Dimension", n_axes.into());
        for k in 0..n_axes {
            t.group("", 3);
            t.data("Origin", &[6], &4f32.to_le_bytes());
            t.data("Scale", &[6], &(0.5f32 + (k / 2) as f32).to_le_bytes());
            t.data("Units", &[20, 4, 4], &le(&"1/nm".encode_utf16().collect::<Vec<_>>()));
        }
        let (bytes, data_type) = if thumbnail { (vec![0; 8], 23) } else { (image.to_vec(), 10) };
        let (kind, size) = if thumbnail { (5, 4) } else { (4, 2) };
        t.data("Data", &[20, kind, bytes.len() as u64 / size], &bytes);
        t.data("DataType", &[5], &u32::to_le_bytes(data_type));
        let sizes: &[u32] = if thumbnail { &[1, 2] } else { image_sizes };
        t.group("Dimensions", sizes.len() as u64);
        sizes.iter().for_each(|s| t.data("", &[5], &s.to_le_bytes()));
        if let Some(swapped) = swapped {
            t.group("ImageTags", 1);
            t.group("Meta Data", 1);
            t.data("Data Order Swapped", &[8], &[swapped]);
        }
    }
    t.out
}

/// Every format with a file of it: reader, extension, bytes.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    vec![
        ("npy", "npy", npy(1, false)),
        ("npy", "npy", npy(2, true)),
        ("npy", "npy", npy_fortran()),
        ("npz", "npz", npz(false)),
        ("npz", "npz", npz(true)),
        ("blo", "blo", blo(false)),
        ("blo", "blo", blo(true)),
        ("mib", "mib", mib("U08", 0, 0..3)),
        ("mib", "mib", mib("U16", b' ', 0..2)),
        ("mib", "mib", mib_raw(1, |i| i as u32)),
        ("mib", "mib", mib_raw(24, |i| i as u32)),
        ("mrc", "mrc", mrc(false)),
        ("mrc", "mrc", mrc(true)),
        ("tiff", "tif", tiff()),
        ("tvips", "tvips", tvips(1)),
        ("tvips", "tvips", tvips(2)),
        ("ser", "ser", ser(false)),
        ("ser", "ser", ser(true)),
        ("dm", "dm3", dm(3)),
        ("dm", "dm4", dm(4)),
    ]
}
