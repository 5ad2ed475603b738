//! Images in, results out: the only crate that knows a file format.
//!
//! Images and stacks come from NPY, NPZ, FITS, TIFF, PNG, MRC and HDF5; NPY, FITS, TIFF, PNG, BLO and HDF5 (in the
//! layout EMD 1.0, [`write_hdf5`]) are written.
//! No C library takes part, unless a feature asks for it (below).
//!
//! ```
//! use ndarray::Array3;
//! use nonius_core::ReadFrames;
//! use nonius_io::{Stack, read_image, write_npy};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("series.npy");
//! write_npy(&path, &Array3::from_shape_fn((3, 4, 5), |(k, y, x)| (100 * k + 10 * y + x) as f32))?;
//!
//! // One frame, by the selector that also works on the command line:
//! let image = read_image::<f64>(&format!("{}[2]", path.display()))?;
//! assert_eq!(image.pixels[(1, 4)], 214.0);
//!
//! // All frames, one in memory at a time:
//! let stack = Stack::open(&path)?;
//! let frame: ndarray::Array2<f32> = stack.frame(1)?;
//! assert_eq!(frame[(0, 3)], 103.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Scans**, as 4D-STEM records them, are opened by [`open_scan`], which finds the format from the content:
//!
//! | format | axes with a scale | mapped frames can be lent |
//! | --- | --- | --- |
//! | raw: a layout of one's own, or `.rpl` | | several at once |
//! | NPY 1 to 3, NPZ | | several at once, not in Fortran order |
//! | BLO, 8 and 16 bits (`write_blo` writes it) | scan, frame | one by one |
//! | MIB, single and series with `.hdr`; 8, 16, 32 bits; raw counters of one chip | | 8 bits, one by one |
//! | MRC stacks | frame | several at once |
//! | TIFF, FITS: stacks, or one image per file | | no |
//! | EMPAD: `.raw` with `.xml` | | one by one |
//! | TVIPS 1 and 2, continued files | frame, for images | one by one |
//! | TIA `.ser` | scan, frame | one by one |
//! | DM3, DM4 | scan, frame | several at once |
//! | HDF5: EMD 0 and 1, py4DSTEM, Prismatic, HyperSpy, fpd, EBSD, NeXus, or any dataset | scan, frame | no |
//!
//! Lent means without a copy: pixels in the byte order of the machine, at an address that suits their type.
//! All others are copied, and their bytes swapped on the way.
//!
//! ```
//! use ndarray::Array4;
//! use nonius_core::{Missing, ReadFrames, ScanParams};
//! use nonius_io::{ScanOptions, open_scan, write_npy};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("scan.npy");
//! write_npy(&path, &Array4::from_shape_fn((2, 3, 8, 8), |(j, i, y, x)| (100 * j + 10 * i + x * y) as u16))?;
//!
//! let file = open_scan(&path, &ScanOptions::default())?;
//! assert_eq!((file.scan.shape(), file.scan.frame_shape()), (&[2, 3][..], (8, 8)));
//! assert_eq!(file.scan.frames().frame::<f32>(5)?[(7, 7)], 169.0);
//!
//! // Another shape than the file says; what has no frame is left out and counted.
//! let scan = ScanParams { shape: Some(vec![7]), missing: Missing::Skip, ..Default::default() };
//! let file = open_scan(&path, &ScanOptions { scan, ..Default::default() })?;
//! assert_eq!(file.warnings[0].to_string(), "1 positions of the scan have no frame");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Tilt series** are read by [`open_tilt_series`]: projections in HDF5, in the layout of mumott, or a stack of any
//! format with its tilt angles; [`TiltSeriesWriter`] writes them, [`read_geometry`] knows `.geo` files.
//!
//! What a file contains: [`describe`]. Which part of it is meant: [`Selector`]. Opening without reading:
//! [`open`]. Images are converted from the stored type while they are read; [`Stack`]s and scans deliver it.
//!
//! **Files are not trusted.** Every length is compared with the length of the file before memory is
//! taken; a file cut anywhere, or with any byte changed, gives an [`Error`] that says where, or an
//! image, and never a panic (`cargo xtask fuzz`). Checksums are verified where a whole array is read (NPZ, PNG).
//!
//! **Not read:** HDF5 with Blosc or Zstandard filters, virtual and external datasets (but see below),
//! FITS tables and tile-compressed FITS, TIFF with JPEG or Zstandard compression or with packed 10, 12, 14-bit
//! samples, complex numbers of any format; raw MIB frames of several chips,
//! Norpix SEQ, K2IS, FRMS6. EMPAD and raw MIB counters follow published readers and were not compared with a
//! recorded file.
//!
//! **Cut files** deliver the frames that are whole if [`ScanOptions::scan`] lets others be missing. Not so DM and NPZ, which
//! say behind the pixels what these are, NPY in Fortran order, where every frame is cut with the file, TIFF and FITS.
//!
//! **HDF5 through the C library:** feature `hdf5` takes the one of the system (Debian: `libhdf5-dev`; found by
//! pkg-config, or in the folder `HDF5_DIR`), `hdf5-static` compiles one from source (CMake 3.26 or later and a C
//! compiler). Then that library reads, and brings the filters installed as its plug-ins (Blosc, Zstandard), virtual
//! datasets and external links; files or datasets that it declines are read in Rust as before, as LZF and bitshuffle
//! are where it has no plug-in. Pixels are the same. It reads with one thread at a time, and is not safe
//! against damaged files: these may end the process.
//!
//! **Writing** goes to a temporary name in the same folder, which is renamed when complete
//! ([`write_atomically`]): an interrupted program leaves the old file or the new one.

mod array;
mod atomic;
mod color;
mod deflated;
mod dtype;
mod element;
mod error;
mod fits;
mod fits_card;
mod hdf5;
mod header;
mod mrc;
mod npy;
mod npz;
mod numbers_out;
mod open;
mod png_image;
mod scan;
mod selector;
mod source;
mod stack;
mod tiff_directory;
mod tiff_page;
mod tilt;
mod wcs;
mod write_fits;
mod write_image;
mod write_npy;
mod write_png;
mod write_scan;
mod write_tiff;

pub use atomic::write_atomically;
pub use element::{Element, FileInfo, describe};
pub use error::{Error, Result};
pub use hdf5::{AttributeValue, Hdf5File, Hdf5Number, write_hdf5};
pub use header::{Card, Header, Value};
pub use nonius_core::DType;
pub use open::{Format, Image, ImageFile, open, read_array, read_image};
pub use scan::{
    Access, BloParams, OutOfRange, RawLayout, ScanFile, ScanFormat, ScanOptions, ScanWarning, open_scan,
    open_scan_files, write_blo,
};
pub use selector::{Index, Selector};
pub use stack::Stack;
pub use tilt::{
    AlignmentRecord, GeometryFile, TiltFormat, TiltSeriesFile, TiltSeriesOptions, TiltSeriesWriter,
    open_tilt_series, read_geometry, read_offsets, write_geometry, write_volume,
};
pub use wcs::tangent_plane;
pub use write_fits::{FitsPixel, write_fits};
pub use write_image::write_image;
pub use write_npy::{NpyNumber, write_npy};
pub use write_png::{write_png_gray, write_png_rgb};
pub use write_scan::{write_hdf5_scan, write_npy_scan};
pub use write_tiff::{TiffPixel, write_tiff, write_tiff_stack};
