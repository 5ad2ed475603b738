//! A deflated NPZ member, read forwards.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::DeflateDecoder;

use crate::source::{Source, SourceReader};
use crate::{Error, Result};

/// Places kept for readers to go on from: about as many as threads work on one file.
const MAX_CURSORS: usize = 16;

/// Where a deflated member lies. Deflate has no random access: to reach a byte, everything before
/// it is unpacked. Places already reached are kept, so that reading frames in order, by several
/// threads, unpacks little twice.
#[derive(Debug)]
pub(crate) struct Deflated {
    source: Arc<Source>,
    name: String,
    start: u64,
    packed: u64,
    cursors: Mutex<Vec<Cursor>>,
}

/// A place in the unpacked bytes.
#[derive(Debug)]
pub(crate) struct Cursor {
    stream: DeflateDecoder<SourceReader>,
    position: u64,
}

impl Deflated {
    pub(crate) fn new(source: Arc<Source>, name: &str, start: u64, packed: u64) -> Self {
        Deflated { source, name: name.into(), start, packed, cursors: Mutex::default() }
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The kept place nearest before `at`, else the beginning.
    pub(crate) fn cursor(&self, at: u64) -> Cursor {
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let before = cursors.iter().enumerate().filter(|(_, c)| c.position <= at);
        match before.max_by_key(|(_, c)| c.position).map(|(i, _)| i) {
            Some(i) => cursors.swap_remove(i),
            None => {
                let stream = DeflateDecoder::new(self.source.section(self.start, self.packed));
                Cursor { stream, position: 0 }
            }
        }
    }

    /// Keeps a place, in exchange for the oldest one if there are many.
    pub(crate) fn put_back(&self, cursor: Cursor) {
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        if cursors.len() >= MAX_CURSORS {
            cursors.remove(0);
        }
        cursors.push(cursor);
    }
}

impl Cursor {
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Fills `out` from the unpacked byte `at` on, which must not lie before this place.
    pub(crate) fn read(&mut self, member: &Deflated, at: u64, out: &mut [u8]) -> Result<()> {
        let fail = |position: u64, e: std::io::Error| {
            let place = format!("member {:?}, unpacked byte {position}", member.name);
            Error::damaged(member.source.path(), place, format!("cannot unpack: {e}"))
        };
        let mut skipped = [0u8; 4096];
        while self.position < at {
            let n = (at - self.position).min(skipped.len() as u64) as usize;
            self.stream.read_exact(&mut skipped[..n]).map_err(|e| fail(self.position, e))?;
            self.position += n as u64;
        }
        self.stream.read_exact(out).map_err(|e| fail(self.position, e))?;
        self.position += out.len() as u64;
        Ok(())
    }
}
