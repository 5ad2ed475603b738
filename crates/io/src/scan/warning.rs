//! What a person should know before trusting a scan.

use std::fmt;

use serde::Serialize;

/// Something about a scan file that did not prevent reading it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScanWarning {
    /// So many positions of the scan have no frame.
    Missing {
        /// Positions without a frame.
        frames: usize,
    },
    /// So many frames belong to no position, those skipped by the sync offset not counted.
    Surplus {
        /// Frames behind the last position.
        frames: usize,
    },
    /// The file ends within a frame, which counts as missing.
    CutFrame {
        /// Bytes of it that are there.
        bytes: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// Bytes behind the last frame belong to nothing.
    TrailingBytes {
        /// How many.
        bytes: u64,
    },
    /// Frames whose number is not one more than that of the frame before.
    NotConsecutive {
        /// How many.
        frames: usize,
        /// The first of them, in file order from 0.
        first: usize,
    },
    /// Anything else, in words.
    Remark(String),
}

impl fmt::Display for ScanWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScanWarning::Missing { frames } => write!(f, "{frames} positions of the scan have no frame"),
            ScanWarning::Surplus { frames } => write!(f, "{frames} frames more than the scan has positions"),
            ScanWarning::CutFrame { bytes, expected } => {
                write!(f, "the last frame is cut: {bytes} of {expected} bytes are there")
            }
            ScanWarning::TrailingBytes { bytes } => write!(f, "{bytes} bytes follow the last frame"),
            ScanWarning::NotConsecutive { frames, first } => {
                write!(f, "{frames} frame numbers do not follow the one before, the first at frame {first}")
            }
            ScanWarning::Remark(text) => f.write_str(text),
        }
    }
}

impl From<String> for ScanWarning {
    fn from(text: String) -> Self {
        ScanWarning::Remark(text)
    }
}
