//! MRC stacks as scans: a line of sections.

use std::sync::Arc;

use nonius_core::{Axis, DType};

use super::bytes::FileBytes;
use super::records::{Records, Segment, Stored, extent};
use super::{Found, ScanOptions, ScanWarning, cut, frame_bytes};
use crate::header::Value;
use crate::source::Source;
use crate::{Error, Result, mrc};

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    let h = mrc::read_header(&source)?;
    let (n, frame) = crate::array::frames_of(&h.shape);
    let mut encoding = h.encoding;
    if options.mode0_unsigned && encoding.dtype == DType::I8 {
        encoding.dtype = DType::U8;
    }
    let stored = Stored::Numbers(encoding);
    let record = frame_bytes(&source, "MRC header", frame, stored)?;
    if h.data > source.len() {
        let problem = format!("the first section would begin at byte {}, behind the end", h.data);
        return Err(Error::damaged(source.path(), "MRC header", problem));
    }
    let extent = extent(source.len(), h.data, record, Some(n));
    let mut warnings: Vec<ScanWarning> = h.warnings.into_iter().map(Into::into).collect();
    let trailing = (source.len() - h.data).saturating_sub((n as u64).saturating_mul(record));
    match trailing {
        0 => extent.warn(record, &mut warnings),
        bytes => warnings.push(ScanWarning::TrailingBytes { bytes }),
    }
    let cut = cut(&source, h.data, record, extent);
    let voxel = |name: &str| h.header.find(name).and_then(Value::real).filter(|v| v.is_finite() && *v > 0.0);
    let axis = |name: &str, size, scale| Axis { scale, unit: "Å".into(), ..Axis::pixels(name, size) };
    let frame_axes = match (voxel("VOXEL_Y"), voxel("VOXEL_X")) {
        (Some(y), Some(x)) => Some([axis("y", frame.0, y), axis("x", frame.1, x)]),
        _ => None,
    };
    let file = FileBytes::new(source, options.access)?;
    let segment = Segment { file, first: h.data, stride: record, n: extent.complete.min(n) };
    let records = Records::in_file(segment, frame, stored);
    Ok(Found { cut, frame_axes, metadata: h.header, warnings, ..Found::new(records, vec![n]) })
}
