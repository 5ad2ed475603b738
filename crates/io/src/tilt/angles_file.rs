//! Files with one tilt angle per line, as SerialEM and IMOD write them.

use std::path::{Path, PathBuf};

use crate::source::Source;
use crate::{Error, Result};

/// Endings of such files: the first is IMOD's refined one.
const ENDINGS: [&str; 2] = ["tlt", "rawtlt"];
/// Nobody takes more than some thousand images.
const LONGEST: u64 = 16 << 20;

/// The file with angles beside a stack, if there is one.
pub(super) fn beside(stack: &Path) -> Option<PathBuf> {
    ENDINGS.into_iter().map(|ending| stack.with_extension(ending)).find(|path| path.is_file())
}

/// The angles of a file, degrees, one for each of `n` images.
pub(super) fn read(path: &Path, n: usize) -> Result<Vec<f64>> {
    let source = Source::open(path)?;
    if source.len() > LONGEST {
        let what = format!("{} bytes are no list of tilt angles", source.len());
        return Err(Error::unsupported(path, what, "one angle per line is read"));
    }
    let bytes = source.bytes("tilt angles", 0, source.len())?;
    let text = String::from_utf8_lossy(&bytes);
    let mut angles = Vec::new();
    for (line, text) in text.lines().enumerate().map(|(k, text)| (k + 1, text.trim())) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let angle: f64 = text.parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            Error::damaged(path, format!("line {line}"), format!("{shown:?} is not an angle in degrees"))
        })?;
        check(angle).map_err(|problem| Error::damaged(path, format!("line {line}"), problem))?;
        angles.push(angle);
    }
    if angles.len() != n {
        let problem = format!("{} angles for {n} images", angles.len());
        return Err(Error::damaged(path, "tilt angles", problem));
    }
    Ok(angles)
}

/// What is wrong with a tilt angle in degrees.
pub(super) fn check(angle: f64) -> std::result::Result<(), String> {
    match angle.abs() <= 720.0 {
        true => Ok(()),
        false => Err(format!("the tilt angle is {angle}, expected degrees between -720 and 720")),
    }
}
