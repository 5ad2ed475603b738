//! BLO: block files of NanoMEGAS, precession and scanning diffraction.

use std::sync::Arc;

use ndarray::Array2;
use nonius_core::{Axis, DType};

use super::bytes::FileBytes;
use super::fields::{Fields, latin1};
use super::records::{Marker, Records, Segment, Stored, extent};
use super::{
    Found, ScanFormat, ScanOptions, ScanWarning, check_signature, cut, frame_bytes, ordered, positions,
};
use crate::dtype::Encoding;
use crate::header::Header;
use crate::source::Source;
use crate::{Error, Result};

pub(super) const SIGNATURE: &[u8] = b"IMGBLO";
/// Bytes of the fixed header.
pub(super) const HEADER: usize = 240;
/// What every frame begins with; its number, a `u32`, follows.
pub(super) const MARKER: [u8; 2] = [0xaa, 0x55];
/// Bytes of marker and number.
pub(super) const BEFORE_FRAME: u64 = 6;
/// No more of the note is read.
const MAX_NOTE: u64 = 1 << 16;
/// Where the parts of the fixed header lie that reader and writer share.
pub(super) mod at {
    pub(in crate::scan) const VERSION: usize = 6;
    pub(in crate::scan) const OFFSET_1: usize = 8;
    pub(in crate::scan) const OFFSET_2: usize = 12;
    pub(in crate::scan) const EDGE: usize = 20;
    pub(in crate::scan) const NX: usize = 24;
    pub(in crate::scan) const NY: usize = 26;
    pub(in crate::scan) const STEP_X: usize = 30;
    pub(in crate::scan) const STEP_Y: usize = 38;
    pub(in crate::scan) const ENERGY: usize = 46;
    pub(in crate::scan) const SDP: usize = 50;
    pub(in crate::scan) const CAMERA_LENGTH: usize = 52;
}

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    check_signature(&source, ScanFormat::Blo, SIGNATURE)?;
    let bytes = source.bytes("BLO header", 0, HEADER as u64)?;
    let f = Fields(&bytes);
    let damaged = |problem: String| Error::damaged(source.path(), "BLO header", problem);
    let version = f.u16(at::VERSION);
    if !matches!(version, 0x0102 | 0x0103) {
        let what = format!("BLO version {version:#06x}");
        return Err(Error::unsupported(source.path(), what, "versions 0x0102 and 0x0103 are read"));
    }
    let (edge, nx, ny) = (f.u16(at::EDGE) as usize, f.u16(at::NX) as usize, f.u16(at::NY) as usize);
    if edge == 0 || nx == 0 || ny == 0 {
        let problem =
            format!("bytes 20, 24, 26: DP_SZ, NX, NY are {edge}, {nx}, {ny}, expected numbers above 0");
        return Err(damaged(problem));
    }
    let (offset_1, offset_2) = (u64::from(f.u32(at::OFFSET_1)), u64::from(f.u32(at::OFFSET_2)));
    for (name, place, offset) in [("1", at::OFFSET_1, offset_1), ("2", at::OFFSET_2, offset_2)] {
        if offset < HEADER as u64 || offset > source.len() {
            let problem = format!(
                "byte {place}: offset {name} is {offset}, expected {HEADER} to {} (length of the file)",
                source.len()
            );
            return Err(damaged(problem));
        }
    }
    let n = positions(&source, "BLO header", &[ny, nx])?;
    let note = source.bytes("BLO note", HEADER as u64, (offset_1 - HEADER as u64).min(MAX_NOTE))?;
    let note = latin1(&note);
    let dtype = pixel_type(&source, version, &note)?;
    let stored = Stored::Numbers(Encoding::plain(dtype, false));
    let record = BEFORE_FRAME + frame_bytes(&source, "BLO header", (edge, edge), stored)?;
    let extent = extent(source.len(), offset_2, record, Some(n));
    let mut warnings = Vec::new();
    extent.warn(record, &mut warnings);
    let cut = cut(&source, offset_2, record, extent);
    let virtual_image = match offset_1 + n as u64 <= offset_2 {
        true => {
            let pixels = source.bytes("virtual image", offset_1, n as u64)?;
            Array2::from_shape_vec((ny, nx), pixels).ok()
        }
        false => {
            let text = format!("no virtual image: {n} bytes from byte {offset_1} on reach into the frames");
            warnings.push(ScanWarning::Remark(text));
            None
        }
    };
    let file = FileBytes::new(source.clone(), options.access)?;
    let segment =
        Segment { file: file.clone(), first: offset_2 + BEFORE_FRAME, stride: record, n: extent.complete };
    let mut records = Records::in_file(segment, (edge, edge), stored);
    if !options.ignore_markers {
        records.marker = Some(Marker { bytes: MARKER, before: BEFORE_FRAME });
    }
    let mut frame_numbers = Vec::new();
    if options.check_numbers || options.order_by_number {
        for k in 0..extent.complete.min(n) as u64 {
            let mut number = [0u8; 4];
            file.read("frame number", offset_2 + k * record + 2, &mut number)?;
            frame_numbers.push(u32::from_le_bytes(number));
        }
        records.order = ordered(&frame_numbers, options, &mut warnings);
    }
    let step = |name, at, size| calibrated(name, size, f.f64(at), "nm");
    let scan_axes = vec![step("scan y", at::STEP_Y, ny), step("scan x", at::STEP_X, nx)];
    let frame_axes =
        pixel_size(&f).map(|(scale, unit)| ["y", "x"].map(|name| calibrated(name, edge, scale, unit)));
    let metadata = cards(&f, &note);
    let scan_axes = Some(scan_axes);
    Ok(Found {
        cut,
        scan_axes,
        frame_axes,
        metadata,
        warnings,
        frame_numbers,
        virtual_image,
        ..Found::new(records, vec![ny, nx])
    })
}

/// An axis, in pixels if `scale` is no length.
fn calibrated(name: &str, size: usize, scale: f64, unit: &str) -> Axis {
    match scale.is_finite() && scale > 0.0 {
        true => Axis { scale, unit: unit.into(), ..Axis::pixels(name, size) },
        false => Axis::pixels(name, size),
    }
}

/// Pixels are bytes unless a file of version 0x0103 says otherwise in its note.
fn pixel_type(source: &Source, version: u16, note: &str) -> Result<DType> {
    let depth = note.lines().find_map(|line| line.trim().strip_prefix("Blo Bit Depth:"));
    match (version, depth.map(|d| d.trim().trim_end_matches("bits").trim())) {
        (0x0102, _) | (_, None | Some("8")) => Ok(DType::U8),
        (_, Some("16")) => Ok(DType::U16),
        (_, Some(other)) => {
            let what = format!("BLO frames of {other:?} bits");
            Err(Error::unsupported(source.path(), what, "8 and 16 bits are read"))
        }
    }
}

/// Size of a pixel: as an angle, pixel over camera length, in mrad; in cm on the screen if the camera length
/// is unknown.
fn pixel_size(f: &Fields<'_>) -> Option<(f64, &'static str)> {
    let (sdp, camera_length) = (f64::from(f.u16(at::SDP)), f64::from(f.u32(at::CAMERA_LENGTH)));
    let cm = (sdp > 0.0).then(|| 100.0 / sdp)?;
    let camera_length_cm = camera_length / 100.0;
    Some(if camera_length_cm > 0.0 { (1e3 * cm / camera_length_cm, "mrad") } else { (cm, "cm") })
}

fn cards(f: &Fields<'_>, note: &str) -> Header {
    let mut header = Header::default();
    let version = f.u16(at::VERSION);
    header.push("VERSION", i64::from(version), "0x0102 or 0x0103");
    header.push("OFFSET_1", i64::from(f.u32(at::OFFSET_1)), "virtual image, bytes");
    header.push("OFFSET_2", i64::from(f.u32(at::OFFSET_2)), "first frame, bytes");
    header.push("FLAGS", i64::from(f.u32(16)), "unknown");
    header.push("DP_SZ", i64::from(f.u16(at::EDGE)), "edge of a frame, pixels");
    header.push("DP_ROTATION", f64::from(f.u16(22)) / 100.0, "degrees (unit unconfirmed)");
    header.push("NX", i64::from(f.u16(at::NX)), "columns of the scan");
    header.push("NY", i64::from(f.u16(at::NY)), "rows of the scan");
    header.push("SCAN_ROTATION", f64::from(f.u16(28)) / 100.0, "degrees");
    header.push("SX", f.f64(at::STEP_X), "scan step, nm");
    header.push("SY", f.f64(at::STEP_Y), "scan step, nm");
    header.push("BEAM_ENERGY", i64::from(f.u32(at::ENERGY)), "V");
    header.push("SDP", i64::from(f.u16(at::SDP)), "100 times pixels per cm; 0 if unknown");
    header.push("CAMERA_LENGTH", f64::from(f.u32(at::CAMERA_LENGTH)) / 10.0, "mm");
    header.push("ACQUISITION_TIME", f.f64(56), "days since 1899-12-30");
    for k in 0..8 {
        header.push(format!("CENTERING_N{k}"), f.f64(64 + 8 * k), "");
    }
    for k in 0..14 {
        header.push(format!("DISTORTION_N{k:02}"), f.f64(128 + 8 * k), "");
    }
    header.push("NOTE", note.trim_end(), "");
    header
}
