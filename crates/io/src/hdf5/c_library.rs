//! HDF5 read by the C library.
//!
//! It knows filters that are installed as its plug-ins, virtual datasets and external links; it holds one lock for
//! all threads, and was not written for files that somebody made to break it.

use std::path::{Path, PathBuf};

use hdf5::filters::Filter;
use hdf5::types::{FixedAscii, FixedUnicode, FloatSize, IntSize, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{
    Container as Values, Dataset as Data, File, Group, H5Type, Hyperslab, LocationType, SliceOrIndex,
};
use nonius_core::DType;

use super::container::{Attribute, Container, Dataset, FEW, Members};
use crate::dtype::Encoding;
use crate::{Error, Result};

/// The longest text of a fixed length that is read.
const LONGEST: usize = 4096;

#[derive(Debug)]
pub(crate) struct LibraryFile {
    path: PathBuf,
    file: File,
}

impl LibraryFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::damaged(path, "HDF5 header", e.to_string()))?;
        Ok(LibraryFile { path: path.into(), file })
    }

    fn group(&self, path: &str) -> Option<Group> {
        match path.trim_matches('/') {
            "" => self.file.group("/").ok(),
            inner => self.file.group(inner).ok(),
        }
    }

    fn data(&self, path: &str) -> hdf5::Result<Data> {
        self.file.dataset(path.trim_matches('/'))
    }
}

impl Container for LibraryFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn members(&self, path: &str) -> Members {
        let mut members = Members::default();
        let Some(group) = self.group(path) else { return members };
        for name in group.member_names().unwrap_or_default() {
            match group.loc_type_by_name(&name) {
                Ok(LocationType::Group) => members.groups.push(name),
                Ok(LocationType::Dataset) => members.datasets.push(name),
                _ => {}
            }
        }
        members.sorted()
    }

    fn attribute(&self, object: &str, name: &str) -> Option<Attribute> {
        let found = match self.group(object) {
            Some(group) => group.attr(name).ok()?,
            None => self.data(object).ok()?.attr(name).ok()?,
        };
        values(&found)
    }

    fn values(&self, dataset: &str) -> Option<Attribute> {
        let data = self.data(dataset).ok()?;
        missing_filter(&data).is_none().then(|| values(&data))?
    }

    fn dataset(&self, path: &str) -> Result<Box<dyn Dataset>> {
        let damaged = |e: hdf5::Error| Error::damaged(&self.path, path, e.to_string());
        let data = self.data(path).map_err(damaged)?;
        if let Some(filter) = missing_filter(&data) {
            let what = format!("{path}: HDF5 filter {filter}");
            return Err(Error::unsupported(&self.path, what, "the C library finds no plug-in for it"));
        }
        let descriptor = data.dtype().and_then(|t| t.to_descriptor()).map_err(damaged)?;
        let Some(dtype) = dtype(&descriptor) else {
            let what = format!("dataset {path} of type {descriptor}");
            return Err(Error::unsupported(&self.path, what, "numbers and truth values are read"));
        };
        let shape = data.get_shape().map_err(damaged)?;
        let chunk = data.chunk().filter(|c| c.len() == shape.len() && !c.contains(&0));
        Ok(Box::new(LibraryDataset { data, shape, dtype, chunk }))
    }
}

/// Number of the first filter of a dataset for which nothing is installed.
fn missing_filter(data: &Data) -> Option<i64> {
    let filters = data.filters();
    filters.iter().find(|f| !f.is_available()).map(|f: &Filter| i64::from(f.id()))
}

/// Type of the numbers; None if they are none.
fn dtype(descriptor: &TypeDescriptor) -> Option<DType> {
    Some(match descriptor {
        TypeDescriptor::Integer(IntSize::U1) => DType::I8,
        TypeDescriptor::Integer(IntSize::U2) => DType::I16,
        TypeDescriptor::Integer(IntSize::U4) => DType::I32,
        TypeDescriptor::Integer(IntSize::U8) => DType::I64,
        TypeDescriptor::Unsigned(IntSize::U1) => DType::U8,
        TypeDescriptor::Unsigned(IntSize::U2) => DType::U16,
        TypeDescriptor::Unsigned(IntSize::U4) => DType::U32,
        TypeDescriptor::Unsigned(IntSize::U8) => DType::U64,
        TypeDescriptor::Float(FloatSize::U2) => DType::F16,
        TypeDescriptor::Float(FloatSize::U4) => DType::F32,
        TypeDescriptor::Float(FloatSize::U8) => DType::F64,
        TypeDescriptor::Boolean => DType::Bool,
        TypeDescriptor::Enum(of) if of.size == IntSize::U1 => DType::Bool,
        _ => return None,
    })
}

/// Value of an attribute or a small dataset.
fn values(found: &Values) -> Option<Attribute> {
    if found.size() as u64 > FEW {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // The library does not turn one character set into another.
    macro_rules! texts {
        ($t:ty) => {
            Attribute::Text(found.read_raw::<$t>().ok()?.iter().map(|t| text(t.as_bytes())).collect())
        };
    }
    let descriptor = found.dtype().and_then(|t| t.to_descriptor()).ok()?;
    Some(match descriptor {
        TypeDescriptor::VarLenAscii => texts!(VarLenAscii),
        TypeDescriptor::VarLenUnicode => texts!(VarLenUnicode),
        TypeDescriptor::FixedAscii(n) if n <= LONGEST => texts!(FixedAscii<LONGEST>),
        TypeDescriptor::FixedUnicode(n) if n <= LONGEST => texts!(FixedUnicode<LONGEST>),
        TypeDescriptor::Integer(_)
        | TypeDescriptor::Unsigned(_)
        | TypeDescriptor::Float(_)
        | TypeDescriptor::Boolean
        | TypeDescriptor::Enum(_) => Attribute::Numbers(found.read_raw::<f64>().ok()?),
        _ => return None,
    })
}

#[derive(Debug)]
struct LibraryDataset {
    data: Data,
    shape: Vec<usize>,
    dtype: DType,
    chunk: Option<Vec<usize>>,
}

impl LibraryDataset {
    /// The bytes of a box of elements as numbers of type T.
    fn bytes<T: H5Type + bytemuck::NoUninit>(
        &self,
        start: &[usize],
        count: &[usize],
    ) -> std::result::Result<Vec<u8>, String> {
        let ranges = start.iter().zip(count).map(|(&s, &n)| SliceOrIndex::from(s..s + n));
        let chosen = Hyperslab::from(ranges.collect::<Vec<_>>());
        // The whole gives the array its number of axes without naming a type of the library's ndarray.
        let found = match count == self.shape {
            true => self.data.read_dyn::<T>(),
            false => self.data.read_slice(chosen),
        };
        let numbers = found.map_err(|e| e.to_string())?.into_raw_vec_and_offset().0;
        Ok(bytemuck::cast_slice(&numbers).to_vec())
    }
}

impl Dataset for LibraryDataset {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The library gives numbers in the order of this machine, whatever that in the file is.
    fn encoding(&self) -> Encoding {
        Encoding::plain(self.dtype, cfg!(target_endian = "big"))
    }

    fn chunk(&self) -> Option<&[usize]> {
        self.chunk.as_deref()
    }

    fn read(&self, start: &[usize], count: &[usize]) -> std::result::Result<Vec<u8>, String> {
        match self.dtype {
            // Any number but 0 is true: as a truth value of Rust, others than 0 and 1 must not be read.
            DType::Bool | DType::I8 => self.bytes::<i8>(start, count),
            DType::U8 => self.bytes::<u8>(start, count),
            DType::U16 => self.bytes::<u16>(start, count),
            DType::I16 => self.bytes::<i16>(start, count),
            DType::U32 => self.bytes::<u32>(start, count),
            DType::I32 => self.bytes::<i32>(start, count),
            DType::U64 => self.bytes::<u64>(start, count),
            DType::I64 => self.bytes::<i64>(start, count),
            DType::F16 => self.bytes::<half::f16>(start, count),
            DType::F32 => self.bytes::<f32>(start, count),
            DType::F64 => self.bytes::<f64>(start, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hdf5::layout::{all_datasets, all_groups};
    use crate::hdf5::pure::PureFile;
    use crate::hdf5::{AttributeValue, Hdf5File, Hdf5Scan, scan_of, write_hdf5};
    use nonius_core::{Axis, FrameSource, PixelBuffer};

    /// What the C library declined of a file: paths of datasets, with the reason.
    type Declined = Vec<(String, String)>;

    /// Fails unless both readers find the same groups, datasets, attributes, values and pixels at `path`.
    fn compare(path: &Path) -> Declined {
        let (c, rust) = (LibraryFile::open(path).unwrap(), PureFile::open(path).unwrap());
        let mut declined = Vec::new();
        let groups = all_groups(&rust);
        assert_eq!(all_groups(&c), groups);
        for group in &groups {
            assert_eq!(c.members(group), rust.members(group), "{group}");
        }
        let datasets = all_datasets(&rust);
        assert_eq!(all_datasets(&c), datasets);
        for object in groups.iter().chain(&datasets) {
            let names = match c.group(object) {
                Some(group) => group.attr_names(),
                None => c.data(object).and_then(|data| data.attr_names()),
            };
            for name in names.unwrap_or_default() {
                assert_eq!(c.attribute(object, &name), rust.attribute(object, &name), "{object}: {name}");
            }
            assert_eq!(c.attribute(object, "no such attribute"), None);
        }
        for dataset in &datasets {
            match (c.dataset(dataset), rust.dataset(dataset)) {
                (Ok(a), Ok(b)) => {
                    assert_eq!((a.shape(), a.chunk()), (b.shape(), b.chunk()), "{dataset}");
                    let (here, there) = (a.encoding(), b.encoding());
                    assert_eq!((here.dtype, here.delivered()), (there.dtype, there.delivered()), "{dataset}");
                    assert_eq!(c.values(dataset), rust.values(dataset), "{dataset}");
                    if b.shape().len() >= 2 {
                        compare_pixels(&c, &rust, dataset);
                    }
                }
                (Err(reason), Ok(_)) => declined.push((dataset.clone(), reason.to_string())),
                (Ok(_), Err(reason)) => panic!("{dataset}: only the C library opens it: {reason}"),
                (Err(_), Err(_)) => assert_eq!(c.values(dataset), rust.values(dataset), "{dataset}"),
            }
        }
        declined
    }

    fn compare_pixels(c: &dyn Container, rust: &dyn Container, dataset: &str) {
        let [mut here, mut there] = [PixelBuffer::default(), PixelBuffer::default()];
        let scans = [scan_of(c, Some(dataset)).unwrap(), scan_of(rust, Some(dataset)).unwrap()];
        assert_same_scan(&scans);
        let [a, b] = scans.map(|s| s.frames);
        let ((h, w), n) = (a.frame_shape(), a.n_frames());
        // The whole, each frame, and every part that crosses rows.
        for first in 0..n {
            for last in [first + 1, (first + 4).min(n), n] {
                let len = (last - first) * h * w;
                let read = a.read(first..last, here.room(a.dtype(), len));
                let other = b.read(first..last, there.room(b.dtype(), len));
                match (read, other) {
                    (Ok(()), Ok(())) => {
                        let bytes = |buffer: &mut PixelBuffer| buffer.room(a.dtype(), len).bytes().to_vec();
                        assert_eq!(bytes(&mut here), bytes(&mut there), "{dataset}: {first}..{last}");
                    }
                    (read, other) => panic!("{dataset}: {read:?} and {other:?}"),
                }
            }
        }
    }

    #[track_caller]
    fn assert_same_scan([a, b]: &[Hdf5Scan; 2]) {
        assert_eq!((&a.shape, a.frames.frame_shape()), (&b.shape, b.frames.frame_shape()));
        assert_eq!((&a.scan_axes, &a.frame_axes), (&b.scan_axes, &b.frame_axes));
        assert_eq!(format!("{:?}", a.metadata), format!("{:?}", b.metadata));
        assert_eq!(a.frames.frames_per_chunk(), b.frames.frames_per_chunk());
    }

    fn testdata() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/io/hdf5")
    }

    #[test]
    fn both_readers_find_the_same_in_every_file() {
        let mut n_files = 0;
        for entry in std::fs::read_dir(testdata()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            n_files += 1;
            for (dataset, reason) in compare(&path) {
                // Plug-ins that are not installed, and the newest layout, for libraries before it.
                let allowed = match &name[..] {
                    "filters.h5" => ["32000", "32001", "32004", "32008"].iter().any(|id| reason.contains(id)),
                    "latest.h5" => hdf5::library_version() < (1, 12, 0),
                    _ => false,
                };
                assert!(allowed, "{name}: {dataset}: {reason}");
            }
            if !["filters.h5", "latest.h5"].contains(&&name[..]) {
                let [c, rust]: [Box<dyn Container>; 2] =
                    [Box::new(LibraryFile::open(&path).unwrap()), Box::new(PureFile::open(&path).unwrap())];
                assert_same_scan(&[scan_of(&*c, None).unwrap(), scan_of(&*rust, None).unwrap()]);
            }
        }
        assert!(n_files >= 8, "{n_files} files were compared");
    }

    #[test]
    fn both_readers_find_the_same_in_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("written.h5");
        let axis = |name: &str, size, scale| Axis {
            name: name.into(),
            size,
            scale,
            offset: -1.5,
            unit: "1/Å".into(),
        };
        let axes = [axis("Rx", 3, 0.5), axis("Ry", 4, 2.0), axis("Qx", 5, 0.1), axis("Qy", 6, 0.1)];
        let shape = (3, 4, 5, 6);
        let value = |(i, j, y, x): (usize, usize, usize, usize)| 60000 - 7 * (4 * i + j) + 3 * y + x;
        let whole = ndarray::Array4::from_shape_fn(shape, |at| value(at) as u16);
        let real = ndarray::Array4::from_shape_fn(shape, |at| value(at) as f64 / 7.0);
        let signed = ndarray::Array4::from_shape_fn(shape, |at| value(at) as i32 - 60000);
        let mut file = Hdf5File::new("scan");
        file.attribute("text", "ångström, µ");
        file.attribute("number", -0.125);
        file.attribute("several", AttributeValue::from("one"));
        file.array("whole", whole.view().into_dyn(), &axes, "counts").unwrap();
        file.array("real", real.view().into_dyn(), &axes, "").unwrap();
        file.array("signed", signed.view().into_dyn(), &axes, "").unwrap();
        write_hdf5(&path, file).unwrap();
        assert_eq!(compare(&path), []);
    }

    #[test]
    fn both_readers_find_the_same_in_what_the_library_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("written.h5");
        let file = File::create(&path).unwrap();
        let group = file.create_group("z").unwrap().create_group("a").unwrap();
        group.link_soft("/z", "round").unwrap();
        let numbers: Vec<i16> = (0..7 * 5 * 6).map(|k| (37 * k % 1001 - 500) as i16).collect();
        let packed = group.new_dataset::<i16>().shape((7.., 5, 6)).chunk((3, 5, 4));
        let packed = packed.shuffle().deflate(4).fletcher32();
        let data = packed.create("packed").unwrap();
        data.write_raw(&numbers).unwrap();
        let truth = file.new_dataset::<bool>().shape((2, 3, 4)).create("truth").unwrap();
        truth.write_raw(&(0..24).map(|k| k % 3 == 0).collect::<Vec<bool>>()).unwrap();
        file.new_dataset::<u8>().shape((2, 3, 4)).create("never written").unwrap();
        let attribute = data.new_attr::<FixedAscii<9>>().create("fixed").unwrap();
        attribute.write_scalar(&FixedAscii::<9>::from_ascii("a text").unwrap()).unwrap();
        data.new_attr::<[i64; 3]>().create("array").unwrap();
        data.new_attr::<f32>()
            .shape(4)
            .create("floats")
            .unwrap()
            .write_raw(&[0.5f32, -1.5, 2.0, 8.0])
            .unwrap();
        // Written when the last handle goes, those of builders among them.
        drop((attribute, truth, data, packed, group, file));
        assert_eq!(compare(&path), []);
    }

    #[test]
    fn what_only_the_library_reads_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let numbers: Vec<u16> = (0..4 * 5 * 6).collect();
        let data = File::create(at("data.h5")).unwrap();
        let counts = data.new_dataset::<u16>().shape((4, 5, 6)).create("counts").unwrap();
        counts.write_raw(&numbers).unwrap();
        drop((counts, data));
        let index = File::create(at("index.h5")).unwrap();
        index.link_external("data.h5", "/counts", "linked").unwrap();
        let whole = || Hyperslab::from((0..4usize, 0..5usize, 0..6usize));
        let of = index.new_dataset::<u16>().shape((4, 5, 6));
        of.virtual_map("data.h5", "counts", (4, 5, 6), whole(), (4, 5, 6), whole())
            .create("virtual")
            .unwrap();
        drop(index);
        for dataset in ["linked", "virtual"] {
            assert!(PureFile::open(&at("index.h5")).and_then(|f| scan_of(&f, Some(dataset))).is_err());
            let scan = crate::hdf5::open_scan(&at("index.h5"), Some(dataset)).unwrap();
            let mut read = vec![0u16; numbers.len()];
            scan.frames.read(0..4, nonius_core::PixelsMut::U16(&mut read)).unwrap();
            assert_eq!(read, numbers, "{dataset}");
        }
    }

    #[test]
    fn what_is_no_file_of_hdf5_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.h5");
        std::fs::write(&path, "not HDF5").unwrap();
        assert!(LibraryFile::open(&path).is_err());
        assert!(LibraryFile::open(&folder.path().join("nothing.h5")).is_err());
    }
}
