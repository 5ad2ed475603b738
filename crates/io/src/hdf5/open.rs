//! Which library reads a file.

use std::path::Path;

use super::container::Container;
use super::pure::PureFile;
use crate::Result;

/// The file at `path`, read in Rust.
#[cfg(not(feature = "hdf5"))]
pub(crate) fn open(path: &Path) -> Result<Box<dyn Container>> {
    Ok(Box::new(PureFile::open(path)?))
}

/// The file at `path`, read by the C library; what that declines, file or dataset, is read in Rust, and errors are
/// those of the reader in Rust.
///
/// So nothing is lost by the feature: a C library without plug-ins has no LZF and no bitshuffle, and an older one
/// than the file's writer may not know its layout.
#[cfg(feature = "hdf5")]
pub(crate) fn open(path: &Path) -> Result<Box<dyn Container>> {
    match super::c_library::LibraryFile::open(path) {
        Ok(library) => Ok(Box::new(either::Either { library, pure: PureFile::open(path) })),
        Err(_) => Ok(Box::new(PureFile::open(path)?)),
    }
}

#[cfg(feature = "hdf5")]
mod either {
    use std::path::Path;

    use crate::Result;
    use crate::hdf5::c_library::LibraryFile;
    use crate::hdf5::container::{Attribute, Container, Dataset, Members};
    use crate::hdf5::pure::PureFile;

    /// A file that the C library opens, and perhaps the reader in Rust.
    #[derive(Debug)]
    pub(super) struct Either {
        pub(super) library: LibraryFile,
        pub(super) pure: Result<PureFile>,
    }

    impl Container for Either {
        fn path(&self) -> &Path {
            self.library.path()
        }

        fn members(&self, path: &str) -> Members {
            self.library.members(path)
        }

        fn attribute(&self, object: &str, name: &str) -> Option<Attribute> {
            let in_rust = || self.pure.as_ref().ok()?.attribute(object, name);
            self.library.attribute(object, name).or_else(in_rust)
        }

        fn values(&self, dataset: &str) -> Option<Attribute> {
            let in_rust = || self.pure.as_ref().ok()?.values(dataset);
            self.library.values(dataset).or_else(in_rust)
        }

        fn dataset(&self, path: &str) -> Result<Box<dyn Dataset>> {
            self.library.dataset(path).or_else(|declined| match &self.pure {
                Ok(pure) => pure.dataset(path),
                Err(_) => Err(declined),
            })
        }
    }
}
