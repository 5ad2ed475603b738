//! One open file, read at given positions from any thread.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nonius_core::{DType, PixelBuffer};

use crate::{Error, Result};

/// No file may unfold to more than this many bytes in memory per byte on disk. Deflate reaches
/// 1032 : 1, and one byte of a bilevel image becomes eight `f64`; a claim beyond is a damaged header.
const MAX_EXPANSION: u128 = 65_536;

/// An open file and its length at opening.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        let open = || -> io::Result<(File, u64)> {
            let kind = std::fs::metadata(path)?;
            if !kind.is_file() {
                let reason = if kind.is_dir() { "it is a folder" } else { "it is not a regular file" };
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            Ok((File::open(path)?, kind.len()))
        };
        let (file, len) = open().map_err(|e| Error::io(path, "open", e))?;
        Ok(Arc::new(Source { path: path.into(), file, len }))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// [`Error::Truncated`] unless `needed` bytes follow `offset`.
    pub(crate) fn check_range(&self, what: &str, offset: u64, needed: u64) -> Result<()> {
        if offset.checked_add(needed).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        Err(Error::Truncated { path: self.path.clone(), what: what.into(), offset, needed, length: self.len })
    }

    /// Fills `out` from byte `offset` on.
    pub(crate) fn read_at(&self, what: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        self.check_range(what, offset, out.len() as u64)?;
        read_exact_at(&self.file, out, offset).map_err(|e| {
            Error::io(&self.path, format!("read {what}, {} bytes at byte {offset}", out.len()), e)
        })
    }

    /// `len` bytes from byte `offset` on, in a vector that is made only if the file has them.
    pub(crate) fn bytes(&self, what: &str, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.check_range(what, offset, len)?;
        let mut out = self.allocate(what, len as u128)?;
        self.read_at(what, offset, &mut out)?;
        Ok(out)
    }

    /// `n` zeros for something unfolded from this file.
    ///
    /// [`Error::Damaged`] if no file of this length could hold so much, [`Error::TooLarge`] if memory
    /// does not suffice.
    pub(crate) fn allocate<T: bytemuck::Zeroable + Clone>(&self, what: &str, n: u128) -> Result<Vec<T>> {
        let bytes = n.saturating_mul(size_of::<T>() as u128);
        if bytes > MAX_EXPANSION * self.len as u128 {
            let problem =
                format!("claims {bytes} bytes of pixels, which a file of {} bytes cannot hold", self.len);
            return Err(Error::damaged(&self.path, what, problem));
        }
        let too_large = || Error::TooLarge { path: self.path.clone(), what: what.into(), bytes };
        let n = usize::try_from(n).map_err(|_| too_large())?;
        let mut out = Vec::new();
        out.try_reserve_exact(n).map_err(|_| too_large())?;
        out.resize(n, T::zeroed());
        Ok(out)
    }

    /// Room for `n` pixels of `dtype` as delivered, under the conditions of [`allocate`](Self::allocate).
    pub(crate) fn allocate_pixels(&self, what: &str, dtype: DType, n: u128) -> Result<PixelBuffer> {
        Ok(match dtype.delivered() {
            DType::I8 => PixelBuffer::I8(self.allocate(what, n)?),
            DType::U16 => PixelBuffer::U16(self.allocate(what, n)?),
            DType::I16 => PixelBuffer::I16(self.allocate(what, n)?),
            DType::U32 => PixelBuffer::U32(self.allocate(what, n)?),
            DType::I32 => PixelBuffer::I32(self.allocate(what, n)?),
            DType::U64 => PixelBuffer::U64(self.allocate(what, n)?),
            DType::I64 => PixelBuffer::I64(self.allocate(what, n)?),
            DType::F16 | DType::F32 => PixelBuffer::F32(self.allocate(what, n)?),
            DType::F64 => PixelBuffer::F64(self.allocate(what, n)?),
            DType::Bool | DType::U8 => PixelBuffer::U8(self.allocate(what, n)?),
        })
    }

    /// A reader with a position of its own, for decoders that want one.
    pub(crate) fn reader(self: &Arc<Self>) -> SourceReader {
        SourceReader { source: self.clone(), position: 0, end: self.len }
    }

    /// A reader of `len` bytes from `offset` on; both must lie within the file.
    pub(crate) fn section(self: &Arc<Self>, offset: u64, len: u64) -> SourceReader {
        SourceReader { source: self.clone(), position: offset, end: (offset + len).min(self.len) }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                out = &mut out[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

/// A [`Source`] as a stream.
#[derive(Debug)]
pub(crate) struct SourceReader {
    source: Arc<Source>,
    position: u64,
    end: u64,
}

impl Read for SourceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = (out.len() as u64).min(self.end.saturating_sub(self.position)) as usize;
        read_exact_at(&self.source.file, &mut out[..n], self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for SourceReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
