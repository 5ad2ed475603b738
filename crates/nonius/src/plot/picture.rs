//! A finished picture.

use std::path::Path;

use crate::io;

/// A finished picture, encoded as PNG.
#[derive(Debug, Clone)]
pub struct Picture {
    png: Vec<u8>,
}

impl Picture {
    pub(crate) fn new(png: Vec<u8>) -> Self {
        Picture { png }
    }

    /// The bytes of the PNG file.
    pub fn png(&self) -> &[u8] {
        &self.png
    }

    /// Writes the PNG file; an existing one is replaced when the new one is complete.
    ///
    /// # Errors
    /// [`io::Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        io::write_atomically(path, |file| std::io::Write::write_all(file, &self.png))
    }
}
