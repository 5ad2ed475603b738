//! Reads goldens: a `manifest.json` of cases and the `.npz` archives that they name.
//!
//! Not a crate: test modules take it in by path. Cases come from `testdata/registration` and, where it is
//! there, from the full set of the shared reference data beside the checkout.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use ndarray::{ArrayD, Dimension, ShapeBuilder, Zip};
use num_complex::Complex;
use serde_json::Value;

#[allow(dead_code, reason = "clustering has no cases of a manifest")]
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// One case of a manifest with the arrays of its archive.
#[allow(dead_code, reason = "clustering has no cases of a manifest")]
pub(crate) struct Case<'a> {
    json: &'a Value,
    archive: &'a HashMap<String, Vec<u8>>,
}

/// Hands every case of `group` to `check`. A group without a case is a failure, so is a missing file.
#[allow(dead_code, reason = "clustering has no cases of a manifest")]
#[allow(clippy::print_stderr, reason = "a reader of the output wants to know what was compared")]
pub(crate) fn each(group: &str, check: impl Fn(&Case<'_>)) {
    let own = Path::new(REPOSITORY).join("testdata/registration");
    let n = each_in(&own, group, &check);
    eprintln!("{group}: {n} cases");
    let shared = Path::new(REPOSITORY).join("../shared/goldens/registration");
    if shared.join("manifest.json").exists() {
        let n = each_in(&shared, group, &check);
        eprintln!("{group}: {n} cases of the shared reference data");
    } else {
        eprintln!(
            "{group}: the shared reference data, ../shared, are absent: only the cases of this repository"
        );
    }
}

#[allow(dead_code, reason = "clustering has no cases of a manifest")]
fn each_in(folder: &Path, group: &str, check: &impl Fn(&Case<'_>)) -> usize {
    let text = fs::read_to_string(folder.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("a manifest is JSON");
    let cases = manifest["cases"].as_array().expect("a manifest has cases");
    let mut archives: HashMap<&str, HashMap<String, Vec<u8>>> = HashMap::new();
    let mut count = 0;
    for json in cases.iter().filter(|json| json["group"] == group) {
        let file = json["file"].as_str().expect("a case names its file");
        let archive = archives.entry(file).or_insert_with(|| {
            unpack(&fs::read(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}")))
                .unwrap_or_else(|| panic!("{file} is no archive of stored or deflated members"))
        });
        check(&Case { json, archive });
        count += 1;
    }
    assert!(count > 0, "no case of {group} in {}", folder.display());
    count
}

#[allow(dead_code, reason = "each crate uses what its cases have")]
impl Case<'_> {
    pub(crate) fn id(&self) -> &str {
        self.json["id"].as_str().unwrap_or("a case without a name")
    }

    /// `match`, `context` or `defect`.
    pub(crate) fn status(&self) -> &str {
        self.json["status"].as_str().expect("a case has a status")
    }

    /// A parameter; null if the case does not have it.
    pub(crate) fn param(&self, name: &str) -> &Value {
        &self.json["params"][name]
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.json["scalars"][name].as_f64().unwrap_or_else(|| panic!("{}: no scalar {name}", self.id()))
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        numbers(&self.json["scalars"][name]).unwrap_or_else(|| panic!("{}: no list {name}", self.id()))
    }

    pub(crate) fn truth(&self) -> Vec<f64> {
        numbers(&self.json["truth_yx"]).unwrap_or_else(|| panic!("{}: no truth", self.id()))
    }

    pub(crate) fn is_complex(&self, name: &str) -> bool {
        self.keys(name).is_array()
    }

    /// A real array, in double precision.
    pub(crate) fn real<D: Dimension>(&self, name: &str) -> ndarray::Array<f64, D> {
        let key = self.keys(name).as_str().unwrap_or_else(|| panic!("{}: {name} is not real", self.id()));
        self.array(key).into_dimensionality().expect("as many axes as the test takes")
    }

    /// A complex array, from its two parts.
    pub(crate) fn complex<D: Dimension>(&self, name: &str) -> ndarray::Array<Complex<f64>, D> {
        let key = |part: usize| {
            self.keys(name)[part].as_str().unwrap_or_else(|| panic!("{}: {name} is not complex", self.id()))
        };
        let (re, im) = (self.array(key(0)), self.array(key(1)));
        let both = Zip::from(&re).and(&im).map_collect(|&re, &im| Complex::new(re, im));
        both.into_dimensionality().expect("as many axes as the test takes")
    }

    /// Key or keys of an input or an output.
    fn keys(&self, name: &str) -> &Value {
        let keys = ["inputs", "outputs"].map(|kind| &self.json[kind][name]);
        keys.into_iter().find(|k| !k.is_null()).unwrap_or_else(|| panic!("{}: no array {name}", self.id()))
    }

    fn array(&self, key: &str) -> ArrayD<f64> {
        let bytes = self.archive.get(key).unwrap_or_else(|| panic!("{}: no member {key}", self.id()));
        npy(bytes).unwrap_or_else(|| panic!("{}: {key} holds another type", self.id()))
    }

    /// Fails unless `found` is within the case's tolerance of `expected`.
    #[track_caller]
    pub(crate) fn close(&self, what: &str, found: f64, expected: f64) {
        let tolerance = |kind: &str| self.json["tolerance"][kind].as_f64().unwrap_or(0.0);
        let allowed = tolerance("abs").max(tolerance("rel") * expected.abs());
        let difference = (found - expected).abs();
        assert!(
            difference <= allowed || (found.is_nan() && expected.is_nan()),
            "{} {what}: {found}, expected {expected}: off by {difference:e}, allowed {allowed:e}",
            self.id()
        );
    }

    /// [`close`](Self::close) for every element.
    #[track_caller]
    pub(crate) fn all_close<D: Dimension>(
        &self,
        what: &str,
        found: &ndarray::Array<f64, D>,
        expected: &ndarray::Array<f64, D>,
    ) {
        assert_eq!(found.shape(), expected.shape(), "{} {what}", self.id());
        for (&found, &expected) in found.iter().zip(expected) {
            self.close(what, found, expected);
        }
    }
}

#[allow(dead_code, reason = "clustering has no cases of a manifest")]
fn numbers(list: &Value) -> Option<Vec<f64>> {
    list.as_array()?.iter().map(Value::as_f64).collect()
}

/// An NPY file of little-endian numbers, in double precision.
pub(crate) fn npy(bytes: &[u8]) -> Option<ArrayD<f64>> {
    let long = bytes.get(6)? > &1;
    let length = u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?) as usize;
    let length = if long { u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize } else { length };
    let start = if long { 12 } else { 10 };
    let header = std::str::from_utf8(bytes.get(start..start + length)?).ok()?;
    let data = &bytes[start + length..];
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches(['\'', ':', ' ']));
    let size = |dtype: &str| dtype[2..].parse::<usize>().ok();
    let dtype = after("descr")?.split('\'').next()?;
    let values: Vec<f64> = match dtype {
        "|u1" | "|b1" => data.iter().map(|&v| f64::from(v)).collect(),
        "<u2" => data.chunks_exact(2).map(|v| u16::from_le_bytes(v.try_into().unwrap()).into()).collect(),
        "<i4" => data.chunks_exact(4).map(|v| i32::from_le_bytes(v.try_into().unwrap()).into()).collect(),
        "<i8" => data.chunks_exact(8).map(|v| i64::from_le_bytes(v.try_into().unwrap()) as f64).collect(),
        "<f4" => data
            .chunks_exact(size(dtype)?)
            .map(|v| f32::from_le_bytes(v.try_into().unwrap()).into())
            .collect(),
        "<f8" => data.chunks_exact(size(dtype)?).map(|v| f64::from_le_bytes(v.try_into().unwrap())).collect(),
        _ => return None,
    };
    let shape = after("shape")?.trim_start_matches('(').split(')').next()?;
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    ArrayD::from_shape_vec(shape.set_f(after("fortran_order")?.starts_with("True")), values).ok()
}

/// The arrays of an NPZ file by name.
#[allow(dead_code, reason = "not every crate has archives of its own")]
pub(crate) fn npz(path: &Path) -> HashMap<String, ArrayD<f64>> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let members = unpack(&bytes).unwrap_or_else(|| panic!("{}: no archive", path.display()));
    members.into_iter().filter_map(|(name, bytes)| Some((name, npy(&bytes)?))).collect()
}

/// The members of a ZIP archive by name without `.npy`, unpacked.
fn unpack(zip: &[u8]) -> Option<HashMap<String, Vec<u8>>> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(zip.get(at..at + 2)?.try_into().ok()?) as usize);
    let u32_at = |at: usize| Some(u32::from_le_bytes(zip.get(at..at + 4)?.try_into().ok()?) as usize);
    let end = zip.windows(4).rposition(|w| w == b"PK\x05\x06")?;
    let mut at = u32_at(end + 16)?;
    let mut members = HashMap::new();
    for _ in 0..u16_at(end + 10)? {
        let (method, packed, size) = (u16_at(at + 10)?, u32_at(at + 20)?, u32_at(at + 24)?);
        let (name, extra, comment) = (u16_at(at + 28)?, u16_at(at + 30)?, u16_at(at + 32)?);
        let header = u32_at(at + 42)?;
        let key = std::str::from_utf8(zip.get(at + 46..at + 46 + name)?).ok()?.trim_end_matches(".npy");
        // The local header has a name and an extra field of its own.
        let start = header + 30 + u16_at(header + 26)? + u16_at(header + 28)?;
        let data = zip.get(start..start + packed)?;
        let unpacked = match method {
            0 => data.to_vec(),
            8 => {
                let mut out = Vec::with_capacity(size);
                flate2::read::DeflateDecoder::new(data).read_to_end(&mut out).ok()?;
                out
            }
            _ => return None,
        };
        members.insert(key.to_owned(), unpacked);
        at += 46 + name + extra + comment;
    }
    Some(members)
}
