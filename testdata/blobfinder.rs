//! Reads the goldens of disk finding and lattices: a `manifest.json` of cases and the `.npz` archives that they name.
//!
//! Not a crate: a test binary takes it in by path, once. Cases come from `testdata/blobfinder` and, where it is there,
//! from the full set of the shared reference data beside the checkout.
//!
//! ```ignore
//! cases::each("correlate.fast", |case| {
//!     let frame = case.input::<Ix2>("frame");
//!     let refineds = measure(&frame, case.pattern());
//!     case.check_rows("refineds", &refineds, |row| inside[row]);
//! });
//! ```

#[path = "golden.rs"]
pub(crate) mod golden;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ndarray::{Array, ArrayBase, ArrayD, Axis, Data, Dimension};
use serde_json::Value;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// One case of a manifest with the arrays of its archive.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    json: &'a Value,
    archive: &'a HashMap<String, ArrayD<f64>>,
}

/// Hands every case of `operation` to `check`, those of this repository and then those of the shared reference data. An
/// operation without a case in either is a failure, so is a missing file.
pub(crate) fn each(operation: &str, check: impl FnMut(Case<'_>)) {
    each_of(&[operation], check);
}

/// [`each`] for several operations at once; each of them must have a case.
#[allow(clippy::print_stderr, reason = "a reader of the output wants to know what was compared")]
pub(crate) fn each_of(operations: &[&str], mut check: impl FnMut(Case<'_>)) {
    let own = Path::new(REPOSITORY).join("testdata/blobfinder");
    let shared = Path::new(REPOSITORY).join("../shared/goldens/blobfinder");
    let mut total = vec![0; operations.len()];
    for (folder, what) in [(own, "of this repository"), (shared, "of the shared reference data")] {
        if !folder.join("manifest.json").exists() {
            eprintln!("{operations:?}: no cases {what}, which are absent");
            continue;
        }
        let counts = each_in(&folder, operations, &mut check);
        for (operation, (count, total)) in operations.iter().zip(counts.iter().zip(&mut total)) {
            eprintln!("{operation}: {count} cases {what}");
            *total += count;
        }
    }
    for (operation, total) in operations.iter().zip(total) {
        assert!(total > 0, "no case of {operation}");
    }
}

fn each_in(folder: &Path, operations: &[&str], check: &mut impl FnMut(Case<'_>)) -> Vec<usize> {
    let text = fs::read_to_string(folder.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("a manifest is JSON");
    let mut archives: HashMap<&str, HashMap<String, ArrayD<f64>>> = HashMap::new();
    let mut counts = vec![0; operations.len()];
    for json in manifest["cases"].as_array().expect("a manifest has cases") {
        let Some(at) = operations.iter().position(|o| json["operation"] == **o) else { continue };
        let file = json["file"].as_str().expect("a case names its file");
        let archive = archives.entry(file).or_insert_with(|| golden::npz(&folder.join(file)));
        check(Case { json, archive });
        counts[at] += 1;
    }
    counts
}

#[allow(dead_code, reason = "each part of a crate uses what its cases have")]
impl Case<'_> {
    pub(crate) fn id(&self) -> &str {
        self.json["id"].as_str().unwrap_or("a case without a name")
    }

    pub(crate) fn operation(&self) -> &str {
        self.json["operation"].as_str().unwrap_or_default()
    }

    /// `match`, `compat`, `defect` or `formula`.
    pub(crate) fn status(&self) -> &str {
        self.json["status"].as_str().expect("a case has a status")
    }

    pub(crate) fn is(&self, status: &str) -> bool {
        self.status() == status
    }

    pub(crate) fn params(&self) -> &Value {
        &self.json["params"]
    }

    /// A parameter; null if the case does not have it.
    pub(crate) fn param(&self, name: &str) -> &Value {
        &self.json["params"][name]
    }

    pub(crate) fn pattern(&self) -> Value {
        self.param("pattern").clone()
    }

    /// A parameter that is a number.
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.param(name).as_f64().unwrap_or_else(|| panic!("{}: no number {name}", self.id()))
    }

    /// A parameter that is a list of numbers.
    #[track_caller]
    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        numbers(self.param(name)).unwrap_or_else(|| panic!("{}: no numbers {name}", self.id()))
    }

    /// What the reference was measured to do against the truth; one number or several.
    #[track_caller]
    pub(crate) fn measured(&self, name: &str) -> Vec<f64> {
        let value = &self.json["measured"][name];
        let one = value.as_f64().map(|v| vec![v]);
        one.or_else(|| numbers(value)).unwrap_or_else(|| panic!("{}: no measured {name}", self.id()))
    }

    pub(crate) fn has_input(&self, name: &str) -> bool {
        !self.json["inputs"][name].is_null()
    }

    pub(crate) fn has_output(&self, name: &str) -> bool {
        !self.json["outputs"][name].is_null()
    }

    /// An input in double precision, whatever it was recorded in; see the parameter `precision`.
    #[track_caller]
    pub(crate) fn input<D: Dimension>(&self, name: &str) -> Array<f64, D> {
        self.array("inputs", name)
    }

    /// What the reference gave.
    #[track_caller]
    pub(crate) fn output<D: Dimension>(&self, name: &str) -> Array<f64, D> {
        self.array("outputs", name)
    }

    #[track_caller]
    fn array<D: Dimension>(&self, kind: &str, name: &str) -> Array<f64, D> {
        let entry = &self.json[kind][name];
        let key = entry.as_str().or_else(|| entry["key"].as_str());
        let key = key.unwrap_or_else(|| panic!("{}: no {name} in the {kind}", self.id()));
        let array = self.archive.get(key).unwrap_or_else(|| panic!("{}: no member {key}", self.id()));
        let axes = array.ndim();
        array
            .clone()
            .into_dimensionality()
            .unwrap_or_else(|_| panic!("{}: {name} has {axes} axes", self.id()))
    }

    /// Fails unless `found` is within the tolerance of output `name`.
    #[track_caller]
    pub(crate) fn check<S: Data<Elem = f64>, D: Dimension>(&self, name: &str, found: &ArrayBase<S, D>) {
        self.check_rows(name, found, |_| true);
    }

    /// [`check`](Self::check) of those rows, along the first axis, that `chosen` names.
    #[track_caller]
    pub(crate) fn check_rows<S: Data<Elem = f64>, D: Dimension>(
        &self,
        name: &str,
        found: &ArrayBase<S, D>,
        chosen: impl Fn(usize) -> bool,
    ) {
        let expected: ArrayD<f64> = self.output(name);
        assert_eq!(found.shape(), expected.shape(), "{} {name}: the shape", self.id());
        let rows: Vec<usize> = (0..expected.len_of(Axis(0))).filter(|&row| chosen(row)).collect();
        let heights = ["heights", "peak_values"].into_iter().find(|h| self.has_output(h));
        // One height per element, where the elements belong to peaks one by one.
        let heights =
            heights.map(|h| self.output::<ndarray::IxDyn>(h)).filter(|h| h.shape() == expected.shape());
        let pick = |array: ArrayD<f64>| array.select(Axis(0), &rows).iter().copied().collect::<Vec<_>>();
        let tolerance = Tolerance { json: &self.json["outputs"][name]["tolerance"] };
        let found = pick(found.to_owned().into_dyn());
        let verdict = tolerance.verdict(&found, &pick(expected), heights.map(pick).as_deref());
        if let Err(why) = verdict {
            panic!("{} ({}), {name}: {why}", self.id(), self.status());
        }
    }
}

fn numbers(list: &Value) -> Option<Vec<f64>> {
    list.as_array()?.iter().map(Value::as_f64).collect()
}

/// What the manifest says of how well an output must be met.
struct Tolerance<'a> {
    json: &'a Value,
}

impl Tolerance<'_> {
    fn number(&self, kind: &str) -> Option<f64> {
        self.json[kind].as_f64()
    }

    /// Whether every element is met, or as many of them as must be; else the worst of those that are not.
    fn verdict(&self, found: &[f64], expected: &[f64], heights: Option<&[f64]>) -> Result<(), String> {
        if self.json["up_to_permutation"] == true {
            return self.labels(found, expected);
        }
        self.enough(found, expected)?;
        let fractions = ["min_fraction_exact", "min_fraction_equal"];
        if fractions.iter().any(|f| self.number(f).is_some()) && self.number("abs").is_none() {
            // Of the rest nothing is said.
            return Ok(());
        }
        let greatest = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let mut worst: Option<(f64, String)> = None;
        for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
            let per_height = self.number("abs_per_height").map_or(0.0, |t| {
                t * heights.map_or_else(|| panic!("abs_per_height without heights"), |h| h[i].abs())
            });
            let allowed = self.number("abs").unwrap_or(0.0)
                + self.number("rel").unwrap_or(0.0) * e.abs()
                + self.number("rel_to_max").unwrap_or(0.0) * greatest
                + per_height;
            let off = (f - e).abs();
            let same = f == e || (f.is_nan() && e.is_nan()) || off <= allowed;
            // A NaN against a number counts as infinitely far.
            let off = if off.is_nan() { f64::INFINITY } else { off };
            if !same && worst.as_ref().is_none_or(|(w, _)| off > *w) {
                worst = Some((
                    off,
                    format!("element {i} is {f}, expected {e}: off by {off:e}, allowed {allowed:e}"),
                ));
            }
        }
        worst.map_or(Ok(()), |(_, why)| Err(why))
    }

    /// The fractions that must agree to 1e-4, or altogether.
    fn enough(&self, found: &[f64], expected: &[f64]) -> Result<(), String> {
        for (kind, within) in [("min_fraction_exact", 1e-4), ("min_fraction_equal", 0.0)] {
            let Some(least) = self.number(kind) else { continue };
            let agree = found
                .iter()
                .zip(expected)
                .filter(|(f, e)| f == e || (f.is_nan() && e.is_nan()) || (*f - *e).abs() <= within);
            let (agree, all) = (agree.count(), expected.len());
            if (agree as f64) < least * all as f64 {
                return Err(format!("{agree} of {all} elements agree, expected {least} of them"));
            }
        }
        Ok(())
    }

    /// Labels after the renumbering that suits them best, taken greedily: the pair that most elements have goes first.
    fn labels(&self, found: &[f64], expected: &[f64]) -> Result<(), String> {
        let mut pairs: HashMap<(u64, u64), usize> = HashMap::new();
        for (f, e) in found.iter().zip(expected) {
            *pairs.entry((f.to_bits(), e.to_bits())).or_default() += 1;
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|&(pair, count)| (std::cmp::Reverse(count), pair));
        let (mut taken, mut agree) = (Vec::new(), 0);
        for ((f, e), count) in pairs {
            if !taken.iter().any(|&(tf, te)| tf == f || te == e) {
                taken.push((f, e));
                agree += count;
            }
        }
        let least = self.number("min_fraction_equal").unwrap_or(1.0);
        if agree as f64 >= least * expected.len() as f64 {
            return Ok(());
        }
        Err(format!("{agree} of {} labels agree after renumbering, expected {least} of them", expected.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::Tolerance;
    use serde_json::json;

    /// The reader itself: a tolerance that never fails would make every golden pass.
    #[test]
    fn tolerances_hold_and_fail() {
        let ok = |json, f: &[f64], e: &[f64], h: Option<&[f64]>| {
            Tolerance { json: &json }.verdict(f, e, h).is_ok()
        };
        let nan = f64::NAN;
        assert!(ok(json!({"exact": true}), &[1.0, nan], &[1.0, nan], None));
        assert!(!ok(json!({"exact": true}), &[1.0 + 1e-15], &[1.0], None));
        assert!(!ok(json!({"abs": 1.0}), &[nan], &[1.0], None));
        assert!(!ok(json!({"abs": 1.0}), &[f64::INFINITY], &[f64::NEG_INFINITY], None));
        assert!(ok(json!({"abs": 0.1, "rel": 0.01}), &[10.15], &[10.0], None));
        assert!(!ok(json!({"abs": 0.1, "rel": 0.01}), &[10.25], &[10.0], None));
        assert!(ok(json!({"rel_to_max": 0.1}), &[0.9, 10.0], &[0.0, 10.0], None));
        assert!(!ok(json!({"rel_to_max": 0.1}), &[1.1, 10.0], &[0.0, 10.0], None));
        assert!(ok(json!({"abs_per_height": 0.1}), &[1.9], &[1.0], Some(&[10.0])));
        assert!(!ok(json!({"abs_per_height": 0.1}), &[1.9], &[1.0], Some(&[8.0])));
        let grid = json!({"abs": 0.05, "min_fraction_exact": 0.5});
        assert!(ok(grid.clone(), &[1.04, 2.0], &[1.0, 2.0], None));
        assert!(!ok(grid.clone(), &[1.04, 2.04], &[1.0, 2.0], None));
        assert!(!ok(grid, &[1.06, 2.0], &[1.0, 2.0], None));
        assert!(ok(json!({"min_fraction_equal": 0.5}), &[0.0, 1.0], &[1.0, 1.0], None));
        let labels = json!({"up_to_permutation": true, "min_fraction_equal": 0.75});
        assert!(ok(labels.clone(), &[0., 0., 1., 1.], &[1., 1., 0., 1.], None));
        assert!(!ok(labels, &[0., 1., 0., 1.], &[1., 1., 0., 0.], None));
    }
}
