//! HDF5 read by a library in Rust.

use std::path::{Path, PathBuf};

use hdf5_reader::messages::datatype::Datatype;
use hdf5_reader::{
    ByteOrder, Dataset as Data, H5Type, Hdf5File as File, OpenOptions, SliceInfo, SliceInfoElem,
};
use nonius_core::DType;

use super::container::{Attribute, Container, Dataset, FEW, Members};
use super::filters;
use crate::dtype::Encoding;
use crate::{Error, Result};

/// A file unfolds to at most this many times its size, or this many bytes.
pub(crate) const EXPANSION: u64 = 1100;
pub(crate) const LEAST_ROOM: u64 = 16 << 20;

pub(crate) struct PureFile {
    path: PathBuf,
    file: File,
}

impl std::fmt::Debug for PureFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PureFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl PureFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let len = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?.len();
        let room = usize::try_from(len.saturating_mul(EXPANSION).max(LEAST_ROOM)).unwrap_or(usize::MAX);
        let options = OpenOptions::default();
        let options = OpenOptions {
            max_chunk_bytes: options.max_chunk_bytes.min(room),
            max_read_bytes: options.max_read_bytes.min(room),
            max_object_header_bytes: options.max_object_header_bytes.min(room),
            ..options
        };
        let options = options.with_filter_registry(filters::registry());
        let file = File::open_with_options(path, options).map_err(|e| error(path, "HDF5 header", e))?;
        Ok(PureFile { path: path.into(), file })
    }

    fn group(&self, path: &str) -> Option<hdf5_reader::group::Group> {
        match path.trim_matches('/') {
            "" => self.file.root_group().ok(),
            inner => self.file.group(inner).ok(),
        }
    }
}

/// The library's error as one of ours.
fn error(path: &Path, place: &str, error: hdf5_reader::error::Error) -> Error {
    use hdf5_reader::error::Error as E;
    match error {
        E::Io(e) => Error::io(path, format!("read {place}"), e),
        E::Context { source, .. } => self::error(path, place, *source),
        E::UnsupportedFilter(filter) => {
            let hint = "gzip, shuffle, fletcher32, szip, lzf, lz4 and bitshuffle are read; repack the file";
            Error::unsupported(path, format!("{place}: HDF5 filter {filter}"), hint)
        }
        E::UnexpectedEof { offset, needed, available } => Error::Truncated {
            path: path.into(),
            what: place.into(),
            offset,
            needed,
            length: offset.saturating_add(available),
        },
        other => Error::damaged(path, place, other.to_string()),
    }
}

fn is_missing(error: &hdf5_reader::error::Error) -> bool {
    use hdf5_reader::error::Error as E;
    match error {
        E::Context { source, .. } => is_missing(source),
        other => matches!(other, E::DatasetNotFound(_) | E::GroupNotFound(_)),
    }
}

impl Container for PureFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn members(&self, path: &str) -> Members {
        let names = self.group(path).and_then(|g| g.member_names().ok());
        names.map_or_else(Members::default, |(groups, datasets)| Members { groups, datasets }.sorted())
    }

    fn attribute(&self, object: &str, name: &str) -> Option<Attribute> {
        let found = match self.group(object) {
            Some(group) => group.attribute(name).ok()?,
            None => self.file.dataset(object.trim_matches('/')).ok()?.attribute(name).ok()?,
        };
        if found.num_elements().ok()? > FEW {
            return None;
        }
        match &found.datatype {
            Datatype::String { .. } | Datatype::VarLen { .. } => {
                let texts = found.read_strings().or_else(|_| found.read_string().map(|s| vec![s])).ok()?;
                Some(Attribute::Text(texts))
            }
            Datatype::Enum { base, .. } => {
                let encoding = encoding(base)?;
                Some(Attribute::Numbers(numbers(encoding, &found.raw_data)))
            }
            other => Some(Attribute::Numbers(numbers(encoding(other)?, &found.raw_data))),
        }
    }

    fn values(&self, dataset: &str) -> Option<Attribute> {
        let data = self.file.dataset(dataset.trim_matches('/')).ok()?;
        if data.num_elements().ok()? > FEW {
            return None;
        }
        match data.dtype() {
            Datatype::String { .. } | Datatype::VarLen { .. } => {
                Some(Attribute::Text(data.read_strings().ok()?))
            }
            other => Some(Attribute::Numbers(numbers(encoding(other)?, &data.read_raw_bytes().ok()?))),
        }
    }

    fn dataset(&self, path: &str) -> Result<Box<dyn Dataset>> {
        let inner = path.trim_matches('/');
        let data = self.file.dataset(inner).map_err(|e| match is_missing(&e) {
            true => Error::selection(format!("{}:{path}", self.path.display()), "there is no such dataset"),
            false => error(&self.path, path, e),
        })?;
        let Some(encoding) = encoding(data.dtype()) else {
            let what = format!("dataset {path} of type {:?}", data.dtype());
            return Err(Error::unsupported(&self.path, what, "numbers and truth values are read"));
        };
        let sizes =
            |sizes: &[u64]| sizes.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>();
        let Some(shape) = sizes(data.shape()) else {
            return Err(Error::damaged(
                &self.path,
                path,
                format!("shape {:?} is beyond memory", data.shape()),
            ));
        };
        let chunk = data.chunks().map(|c| c.into_iter().map(|n| n as usize).collect::<Vec<_>>());
        let chunk = chunk.filter(|c| c.len() == shape.len() && !c.contains(&0));
        Ok(Box::new(PureDataset { data, shape, encoding, chunk }))
    }
}

/// How numbers of an HDF5 type are stored; None if it is not one.
fn encoding(datatype: &Datatype) -> Option<Encoding> {
    let (dtype, order) = match datatype {
        Datatype::FixedPoint { size, signed, byte_order } => {
            let dtype = match (size, signed) {
                (1, false) => DType::U8,
                (1, true) => DType::I8,
                (2, false) => DType::U16,
                (2, true) => DType::I16,
                (4, false) => DType::U32,
                (4, true) => DType::I32,
                (8, false) => DType::U64,
                (8, true) => DType::I64,
                _ => return None,
            };
            (dtype, byte_order)
        }
        Datatype::FloatingPoint { size, byte_order } => {
            let dtype = match size {
                2 => DType::F16,
                4 => DType::F32,
                8 => DType::F64,
                _ => return None,
            };
            (dtype, byte_order)
        }
        // Truth values, as h5py writes them.
        Datatype::Enum { base, .. } => match **base {
            Datatype::FixedPoint { size: 1, .. } => return Some(Encoding::plain(DType::Bool, false)),
            _ => return None,
        },
        _ => return None,
    };
    Some(Encoding::plain(dtype, *order == ByteOrder::BigEndian))
}

fn numbers(encoding: Encoding, bytes: &[u8]) -> Vec<f64> {
    let mut out = Vec::with_capacity(bytes.len() / encoding.dtype.size());
    encoding.decode(bytes, |_, v: f64| out.push(v));
    out
}

struct PureDataset {
    data: Data,
    shape: Vec<usize>,
    encoding: Encoding,
    chunk: Option<Vec<usize>>,
}

impl std::fmt::Debug for PureDataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PureDataset").field("name", &self.data.name()).finish_non_exhaustive()
    }
}

/// The bytes of a number, whatever its type.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Stored<const N: usize>([u8; N]);

impl<const N: usize> H5Type for Stored<N> {
    fn hdf5_type() -> Datatype {
        Datatype::Opaque { size: N as u32, tag: String::new() }
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> hdf5_reader::error::Result<Self> {
        let bytes =
            bytes.first_chunk().ok_or_else(|| hdf5_reader::error::Error::InvalidData("cut number".into()))?;
        Ok(Stored(*bytes))
    }

    fn element_size(_: &Datatype) -> usize {
        N
    }

    fn decode_vec(raw: &[u8], _: &Datatype, count: usize) -> Option<hdf5_reader::error::Result<Vec<Self>>> {
        let (numbers, _) = raw.as_chunks::<N>();
        (numbers.len() >= count).then(|| Ok(numbers[..count].iter().map(|&b| Stored(b)).collect()))
    }

    fn native_copy_compatible(_: &Datatype) -> bool {
        // An array of bytes is stored as it lies in memory.
        true
    }
}

impl Dataset for PureDataset {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn chunk(&self) -> Option<&[usize]> {
        self.chunk.as_deref()
    }

    fn read(&self, start: &[usize], count: &[usize]) -> std::result::Result<Vec<u8>, String> {
        let selections = start.iter().zip(count).map(|(&start, &count)| SliceInfoElem::Slice {
            start: start as u64,
            end: start as u64 + count as u64,
            step: 1,
        });
        let selection = SliceInfo { selections: selections.collect() };
        macro_rules! bytes {
            ($n:literal) => {{
                let found = self.data.read_slice::<Stored<$n>>(&selection).map_err(|e| e.to_string())?;
                found.into_raw_vec_and_offset().0.into_iter().flat_map(|s| s.0).collect()
            }};
        }
        Ok(match self.encoding.dtype.size() {
            1 => bytes!(1),
            2 => bytes!(2),
            4 => bytes!(4),
            _ => bytes!(8),
        })
    }
}
