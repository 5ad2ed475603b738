//! Which array of which file: `night.fits[1]`, `scan.npz:frames[3]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Error, Result};

/// A file, and what to take from it.
///
/// ```text
/// selector = path [":" key] {"[" index {"," index} "]"}
/// index    = number | ":"
/// ```
///
/// Numbers count from 0; `:` keeps a whole axis, as in NumPy. `[2][5]` and `[2,5]` mean the same.
///
/// | selector | means |
/// | --- | --- |
/// | `image.npy` | the array |
/// | `cube.npy[2]` | frame 2 along the first axis |
/// | `rgb.npy[:,:,1]` | all of the first two axes, number 1 of the third |
/// | `scan.npz:frames[3]` | frame 3 of the member `frames` |
/// | `night.fits[1]` | HDU 1 |
/// | `night.fits[1][4]` | plane 4 of the cube in HDU 1 |
/// | `night.fits:SCI`, `night.fits:SCI,2` | the extension of this name, and of version (`EXTVER`) 2 |
/// | `stack.tif[3]` | page 3 |
/// | `photo.png:green`, `stack.tif:green[3]` | one colour channel |
/// | `stack.mrc[7]` | section 7 |
/// | `scan.h5:/entry/data` | a dataset of an HDF5 file |
///
/// A file name may itself hold `[` or `:`. Text is therefore compared with the disk first: the
/// longest beginning that names an existing file is the path. Only if there is none does the text
/// alone decide: what stands before the first `:` (from the third character on, so that `C:\` stays
/// whole) and before the trailing brackets. A [`Path`] turned into a selector is never parsed.
///
/// ```
/// use nonius_io::{Index, Selector};
/// let s: Selector = "scan.npz:frames[3]".parse()?;
/// assert_eq!(s.path.to_str(), Some("scan.npz"));
/// assert_eq!(s.key.as_deref(), Some("frames"));
/// assert_eq!(s.index, [Index::At(3)]);
/// assert_eq!(s.to_string(), "scan.npz:frames[3]");
/// # Ok::<(), nonius_io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selector {
    /// The file.
    pub path: PathBuf,
    /// Member, extension name, channel or dataset.
    pub key: Option<String>,
    /// HDU, page, frame: in the order written.
    pub index: Vec<Index>,
}

/// One entry of a selector's brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Index {
    /// This position of an axis, from 0; the axis goes.
    At(usize),
    /// The whole axis, written `:`.
    All,
}

impl Selector {
    /// The whole of a file, whatever characters its name holds.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Selector { path: path.into(), key: None, index: Vec::new() }
    }

    /// The same file and key with one more index at the end.
    pub fn at(&self, index: usize) -> Self {
        let mut out = self.clone();
        out.index.push(Index::At(index));
        out
    }

    /// `text` with the question "is there such a file?" left to `exists`.
    fn parse(text: &str, exists: impl Fn(&Path) -> bool) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::selection("\"\"", "an empty text names no file"));
        }
        // Candidates for the path, longest first: nothing cut, then each `[` and `:` from the right.
        let cuts =
            text.char_indices().rev().filter(|&(i, c)| i > 0 && matches!(c, '[' | ':')).map(|(i, _)| i);
        for cut in std::iter::once(text.len()).chain(cuts) {
            let (path, rest) = text.split_at(cut);
            if exists(Path::new(path)) {
                return Self::from_parts(text, path, rest);
            }
        }
        let brackets = trailing_brackets(text);
        let colon = text[..brackets].char_indices().find(|&(i, c)| c == ':' && i > 1).map(|(i, _)| i);
        let (path, rest) = text.split_at(colon.unwrap_or(brackets));
        Self::from_parts(text, path, rest)
    }

    fn from_parts(text: &str, path: &str, rest: &str) -> Result<Self> {
        let brackets = trailing_brackets(rest);
        let (key, mut index_text) = rest.split_at(brackets);
        let key = match key.strip_prefix(':') {
            Some("") => return Err(Error::selection(text, "nothing stands after \":\"; expected a key")),
            Some(key) => Some(key.to_string()),
            None if key.is_empty() => None,
            None => {
                let hint = "an index is a number from 0 or \":\", as in [2] or [:,:,1]; \
                            a name goes behind a colon, as in file.fits:SCI";
                return Err(Error::selection(text, format!("cannot read {key:?}: {hint}")));
            }
        };
        let mut index = Vec::new();
        while let Some((inside, rest)) = index_text.strip_prefix('[').and_then(|t| t.split_once(']')) {
            for item in inside.split(',') {
                index.push(match item.trim() {
                    ":" => Index::All,
                    number => Index::At(number.parse().map_err(|_| {
                        Error::selection(text, format!("index {number:?} is too large for any file"))
                    })?),
                });
            }
            index_text = rest;
        }
        Ok(Selector { path: path.into(), key, index })
    }
}

/// Where the index groups at the end of `text` begin; its length if it has none.
fn trailing_brackets(text: &str) -> usize {
    let mut end = text.len();
    while let Some(open) = text[..end].strip_suffix(']').and_then(|t| t.rfind('[')) {
        if !text[open + 1..end - 1].split(',').all(is_index) {
            break;
        }
        end = open;
    }
    end
}

fn is_index(item: &str) -> bool {
    let item = item.trim();
    item == ":" || (!item.is_empty() && item.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(key) = &self.key {
            write!(f, ":{key}")?;
        }
        if !self.index.is_empty() {
            let items: Vec<String> = self.index.iter().map(|i| i.to_string()).collect();
            write!(f, "[{}]", items.join(","))?;
        }
        Ok(())
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Index::At(i) => write!(f, "{i}"),
            Index::All => write!(f, ":"),
        }
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, Path::is_file)
    }
}

impl TryFrom<&str> for Selector {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<&String> for Selector {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        text.parse()
    }
}

impl From<&Path> for Selector {
    fn from(path: &Path) -> Self {
        Selector::file(path)
    }
}

impl From<&PathBuf> for Selector {
    fn from(path: &PathBuf) -> Self {
        Selector::file(path)
    }
}

impl From<PathBuf> for Selector {
    fn from(path: PathBuf) -> Self {
        Selector::file(path)
    }
}

impl From<&Selector> for Selector {
    fn from(selector: &Selector) -> Self {
        selector.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, disk: &[&str], path: &str, key: Option<&str>, index: &[Index]) {
        let s = Selector::parse(text, |p| disk.iter().any(|d| Path::new(d) == p)).unwrap();
        assert_eq!((s.path.to_str().unwrap(), s.key.as_deref(), &s.index[..]), (path, key, index), "{text}");
    }

    #[test]
    fn text_alone() {
        use Index::{All, At};
        check("a.npy", &[], "a.npy", None, &[]);
        check("a.fits[1][4]", &[], "a.fits", None, &[At(1), At(4)]);
        check("a.npy[:, :, 1]", &[], "a.npy", None, &[All, All, At(1)]);
        check("a.npz:key[2]", &[], "a.npz", Some("key"), &[At(2)]);
        check("a.h5:/entry/data", &[], "a.h5", Some("/entry/data"), &[]);
        check("a.fits:SCI,2", &[], "a.fits", Some("SCI,2"), &[]);
        check("C:\\a.npz:key", &[], "C:\\a.npz", Some("key"), &[]);
    }

    #[test]
    fn names_with_brackets_and_colons_are_reachable() {
        use Index::At;
        check("a[1].npy", &["a[1].npy"], "a[1].npy", None, &[]);
        check("a[1]", &["a[1]", "a"], "a[1]", None, &[]);
        check("a[1][2]", &["a[1]", "a"], "a[1]", None, &[At(2)]);
        check("t=12:30.npz:key[0]", &["t=12:30.npz"], "t=12:30.npz", Some("key"), &[At(0)]);
        check("ü:k", &["ü"], "ü", Some("k"), &[]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, words) in [("", "names no file"), ("a.npy:", "expected a key")] {
            let message = Selector::parse(text, |_| false).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        let exists = |p: &Path| p == Path::new("a.fits");
        for text in ["a.fits[SCI]", "a.fits[-1]", "a.fits[99999999999999999999999]", "a.fits[]", "a.fits[1"] {
            let message = Selector::parse(text, exists).unwrap_err().to_string();
            assert!(message.starts_with(text), "{message}");
        }
    }
}
