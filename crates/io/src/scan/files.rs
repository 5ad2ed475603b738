//! Which files belong to a scan, and of which format they are.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ScanFormat, dm, ser, tvips};
use crate::open::Format;
use crate::selector::Selector;
use crate::source::Source;
use crate::{Error, Result};

/// The format by the file's first bytes, or, for what has no signature, by its name and its neighbours.
pub(super) fn format_of(source: &Arc<Source>) -> Result<ScanFormat> {
    let start = source.bytes("signature", 0, source.len().min(1024))?;
    let extension = source.path().extension().and_then(OsStr::to_str).unwrap_or("").to_lowercase();
    Ok(match &start[..] {
        s if s.starts_with(b"IMGBLO") => ScanFormat::Blo,
        s if s.starts_with(b"MQ1,") || (s.starts_with(b"HDR,") && extension == "hdr") => ScanFormat::Mib,
        s if s.starts_with(ser::SIGNATURE) => ScanFormat::Ser,
        s if tvips::has_signature(s) => ScanFormat::Tvips,
        s if dm::has_signature(s) => ScanFormat::Dm,
        _ if extension == "rpl" => ScanFormat::Raw,
        _ if extension == "xml" => ScanFormat::Empad,
        _ => match Format::of(source) {
            Ok(Format::Npy) => ScanFormat::Npy,
            Ok(Format::Npz) => ScanFormat::Npz,
            Ok(Format::Fits) => ScanFormat::Fits,
            Ok(Format::Tiff) => ScanFormat::Tiff,
            Ok(Format::Mrc) => ScanFormat::Mrc,
            Ok(Format::Hdf5) => ScanFormat::Hdf5,
            Ok(Format::Png) => {
                let hint = "one image per file is opened by a pattern with *, or as an image";
                return Err(Error::unsupported(source.path(), "PNG is no scan", hint));
            }
            Err(_) if beside(source.path(), "rpl").is_some() => ScanFormat::Raw,
            Err(_) if extension == "raw" && beside(source.path(), "xml").is_some() => ScanFormat::Empad,
            Err(Error::Unsupported { what, .. }) if what.starts_with("unknown format") => {
                let hint = "raw, NPY, NPZ, HDF5, BLO, MIB, MRC, TIFF, FITS, EMPAD, TVIPS, SER, DM3 and DM4 are read; \
                            frames without a header need the raw option";
                return Err(Error::unsupported(source.path(), what, hint));
            }
            Err(e) => return Err(e),
        },
    })
}

/// The file of the same name with another extension, if there is one.
pub(super) fn beside(path: &Path, extension: &str) -> Option<PathBuf> {
    let other = path.with_extension(extension);
    (other != path && other.is_file()).then_some(other)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// True if the file name has a `*` and there is no file of that very name.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.contains('*')) && !path.exists()
}

/// The files in the folder whose names match, in the order of the numbers in them.
pub(super) fn matching(selector: &Selector) -> Result<Vec<Selector>> {
    let pattern = selector.path.file_name().and_then(OsStr::to_str).unwrap_or("");
    let folder = folder_of(&selector.path);
    let mut names = names_in(folder, |name| matches(pattern, name))?;
    if names.is_empty() {
        return Err(Error::selection(selector, "no file has a name like this"));
    }
    names.sort_by(|a, b| numeric_order(a, b));
    let file = |name| Selector { path: folder.join(name), ..selector.clone() };
    Ok(names.into_iter().map(file).collect())
}

/// The names of the files in a folder that `wanted` accepts.
pub(super) fn names_in(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let list = || -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().filter(|name| wanted(name))
                && entry.path().is_file()
            {
                names.push(name.to_string());
            }
        }
        Ok(names)
    };
    list().map_err(|e| Error::io(folder, "list", e))
}

/// The `.mib` files whose names begin as that of a `.hdr` file.
pub(super) fn series_of(header: &Path) -> Result<Vec<PathBuf>> {
    let stem = header.file_stem().and_then(OsStr::to_str).unwrap_or("");
    let names = names_in(folder_of(header), |n| n.starts_with(stem) && n.to_lowercase().ends_with(".mib"))?;
    if names.is_empty() {
        return Err(Error::selection(header.display(), format!("no file {stem}*.mib stands beside it")));
    }
    Ok(names.iter().map(|name| folder_of(header).join(name)).collect())
}

/// True if `name` is `pattern` with some text in place of each `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Names compared by the numbers in them: `a9` before `a10`.
pub(super) fn numeric_order(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    let digits = |s: &[u8]| s.iter().take_while(|b| b.is_ascii_digit()).count();
    loop {
        let order = match (digits(x), digits(y)) {
            (0, _) | (_, 0) => match (x.split_first(), y.split_first()) {
                (Some((p, tail)), Some((q, other))) if p == q => {
                    (x, y) = (tail, other);
                    continue;
                }
                _ => x.cmp(y),
            },
            (n, m) => {
                let trimmed = |s: &'_ [u8]| s.iter().take_while(|&&b| b == b'0').count();
                let (p, q) = (&x[trimmed(&x[..n])..n], &y[trimmed(&y[..m])..m]);
                let order = p.len().cmp(&q.len()).then_with(|| p.cmp(q));
                (x, y) = (&x[n..], &y[m..]);
                if order == Ordering::Equal {
                    continue;
                }
                order
            }
        };
        return order.then_with(|| a.cmp(b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("a*.tif", "a1.tif", true),
            ("a*.tif", "a.tif", true),
            ("a*.tif", "b1.tif", false),
            ("*_*.mib", "x_1.mib", true),
            ("*_*.mib", "x1.mib", false),
            ("a*a", "a", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["f10.tif", "f9.tif", "f010b.tif", "f1.tif", "e", "f"];
        names.sort_by(|a, b| numeric_order(a, b));
        assert_eq!(names, ["e", "f", "f1.tif", "f9.tif", "f10.tif", "f010b.tif"]);
    }
}
