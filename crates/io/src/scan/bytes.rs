//! The bytes of a file, mapped or read by position.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::Mmap;

use super::Access;
use crate::source::Source;
use crate::{Error, Result};

/// An open file and how its frames are reached.
#[derive(Debug)]
pub(crate) struct FileBytes {
    source: Arc<Source>,
    map: Option<Mmap>,
    /// Bytes seen through the map since its pages were given back.
    seen: AtomicUsize,
}

/// Pages of the map that have been seen are given back to the system after so many bytes: the map of a file
/// larger than memory then takes no more than this.
const KEPT: usize = 64 << 20;

impl FileBytes {
    pub(crate) fn new(source: Arc<Source>, access: Access) -> Result<Arc<Self>> {
        let map = match access {
            // An empty file cannot be mapped, and holds no frame.
            Access::Mapped if source.len() > 0 => {
                // SAFETY: the map is read-only. Its bytes may change, or the file may shrink, if somebody
                // writes to it meanwhile; Rust cannot exclude that. `Access::Mapped` says so to users, and
                // `Access::Positioned` is there for files that others write.
                #[allow(unsafe_code)]
                let map = unsafe { Mmap::map(source.file()) };
                let map = map.map_err(|e| Error::io(source.path(), "map", e))?;
                // A map is as long as the file is now; what was checked is the length at opening.
                (map.len() as u64 >= source.len()).then_some(map)
            }
            _ => None,
        };
        Ok(Arc::new(FileBytes { source, map, seen: AtomicUsize::new(0) }))
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// `len` bytes from byte `at` on, if the file is mapped and has them.
    pub(crate) fn mapped(&self, at: u64, len: usize) -> Option<&[u8]> {
        let (at, map) = (usize::try_from(at).ok()?, self.map.as_ref()?);
        let bytes = map.get(at..at.checked_add(len)?)?;
        if self.seen.fetch_add(len, Ordering::Relaxed) > KEPT {
            self.seen.store(0, Ordering::Relaxed);
            give_back(map);
        }
        Some(bytes)
    }

    /// Fills `out` from byte `at` on.
    pub(crate) fn read(&self, what: &str, at: u64, out: &mut [u8]) -> Result<()> {
        match self.mapped(at, out.len()) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => self.source.read_at(what, at, out)?,
        }
        Ok(())
    }
}

/// Takes the pages seen so far out of this process; those still in use come back when they are touched.
fn give_back(map: &Mmap) {
    #[cfg(unix)]
    {
        // SAFETY: the pages are those of a file, shared and read-only: what is seen through them after they
        // have gone and come back are the same bytes of the file.
        #[allow(unsafe_code)]
        let advised = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        // Advice that is not taken costs memory only.
        let _ = advised;
    }
    #[cfg(not(unix))]
    let _ = map;
}
