//! Numbers of libertem-blobfinder 0.6.1.

use std::collections::HashMap;
use std::path::Path;

use ndarray::{ArrayD, Ix2};
use nonius_blobfinder::compatible::{FullMatchParams, difference_clusters, full_match};
use nonius_blobfinder::{
    AffineTransformation, Lattice, LatticeMatch, LatticePoint, LatticeSearchParams, Loss, MatchParams,
    MatchStatus, affine_match, cartesian_array, fast_match, fit_lattice, index_grid, polar_array,
    search_lattices,
};
use serde_json::Value;

use crate::cases::golden as archive;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/blobfinder/lattice");

/// A case of the manifest with its arrays.
struct Case<'a> {
    json: &'a Value,
    arrays: &'a HashMap<String, ArrayD<f64>>,
}

/// Hands every case of an operation to `check`, of which there must be `n`.
fn each(operation: &str, n: usize, check: impl Fn(&Case<'_>)) {
    let text = std::fs::read_to_string(format!("{FOLDER}/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("a manifest is JSON");
    let cases = manifest["cases"].as_array().expect("a manifest has cases");
    let of_operation: Vec<&Value> = cases.iter().filter(|c| c["operation"] == operation).collect();
    assert_eq!(of_operation.len(), n, "{operation}");
    for json in of_operation {
        let file = json["file"].as_str().expect("a case names its file");
        let arrays = archive::npz(&Path::new(FOLDER).join(file));
        check(&Case { json, arrays: &arrays });
    }
}

impl Case<'_> {
    fn id(&self) -> &str {
        self.json["id"].as_str().expect("a case has a name")
    }

    fn status(&self) -> &str {
        self.json["status"].as_str().expect("a case has a status")
    }

    fn param(&self, name: &str) -> &Value {
        &self.json["params"][name]
    }

    fn vector(&self, group: &str, name: &str) -> [f64; 2] {
        let list = if group.is_empty() { self.param(name) } else { &self.param(group)[name] };
        [0, 1].map(|x| list[x].as_f64().unwrap_or_else(|| panic!("{}: no vector {name}", self.id())))
    }

    fn lattice(&self, group: &str) -> Lattice {
        Lattice { zero: self.vector(group, "zero"), a: self.vector(group, "a"), b: self.vector(group, "b") }
    }

    fn try_array(&self, kind: &str, name: &str) -> Option<&ArrayD<f64>> {
        Some(&self.arrays[self.json[kind][name]["key"].as_str()?])
    }

    fn array(&self, kind: &str, name: &str) -> &ArrayD<f64> {
        self.try_array(kind, name).unwrap_or_else(|| panic!("{}: no {name}", self.id()))
    }

    fn rows(&self, kind: &str, name: &str) -> Vec<[f64; 2]> {
        let array = self.array(kind, name).view().into_dimensionality::<Ix2>().expect("rows");
        array.outer_iter().map(|row| [row[0], row[1]]).collect()
    }

    fn points(&self) -> Vec<LatticePoint> {
        let name = if self.try_array("inputs", "refineds").is_some() { "refineds" } else { "centers" };
        let weights = self.array("inputs", "elevations");
        let rows = self.rows("inputs", name);
        rows.into_iter().zip(weights).map(|(p, &e)| LatticePoint::new(p).with_weight(e)).collect()
    }

    /// Fails unless each of `found` is within the output's tolerance.
    #[track_caller]
    fn close<'f>(&self, name: &str, found: impl IntoIterator<Item = &'f f64>) {
        let expected = self.array("outputs", name);
        let tolerance = &self.json["outputs"][name]["tolerance"];
        let allowed = if tolerance["exact"] == true { 0.0 } else { tolerance["abs"].as_f64().expect("abs") };
        let found: Vec<f64> = found.into_iter().copied().collect();
        assert_eq!(found.len(), expected.len(), "{} {name}", self.id());
        for (f, e) in found.iter().zip(expected) {
            let same = f == e || (f.is_nan() && e.is_nan());
            assert!(
                same || (f - e).abs() <= allowed,
                "{} {name}: {found:?}, expected {expected:?}",
                self.id()
            );
        }
    }

    fn close_match(&self, prefix: &str, found: &LatticeMatch) {
        self.close(&format!("{prefix}zero"), &found.lattice.zero);
        self.close(&format!("{prefix}a"), &found.lattice.a);
        self.close(&format!("{prefix}b"), &found.lattice.b);
        self.close(&format!("{prefix}selector"), &flags(&found.selector));
        self.close(&format!("{prefix}indices"), found.indices.iter().flatten());
        self.close(&format!("{prefix}error"), [&found.error]);
    }

    fn matcher(&self, name: &str) -> Option<f64> {
        self.param("matcher")[name].as_f64()
    }
}

fn flags(selector: &[bool]) -> Vec<f64> {
    selector.iter().map(|&s| f64::from(u8::from(s))).collect()
}

#[test]
fn polar_vectors() {
    each("make_polar / make_cartesian", 1, |case| {
        let vectors = case.array("inputs", "cartesian");
        let polar = polar_array(vectors.view()).unwrap();
        case.close("polar", &polar);
        case.close("back", &cartesian_array(polar.view()).unwrap());
    });
}

#[test]
fn positions_within_a_frame() {
    each("frame_peaks", 1, |case| {
        let size = |name: &str| case.param(name).as_u64().unwrap() as usize;
        // The ranges leave out their ends.
        let range = |axis: usize| {
            let ends = &case.param("indices")[axis];
            ends[0].as_i64().unwrap() as i32..=ends[1].as_i64().unwrap() as i32 - 1
        };
        let margin = case.param("r").as_f64().unwrap();
        let grid = index_grid(range(0), range(1));
        let peaks = case.lattice("").frame_peaks((size("fy"), size("fx")), margin, &grid);
        let indices: Vec<f64> = peaks.indices.iter().flatten().map(|&i| f64::from(i)).collect();
        case.close("indices", &indices);
        case.close("peaks", peaks.positions.iter().flatten());
    });
}

#[test]
fn fractional_indices() {
    each("get_indices", 1, |case| {
        let lattice = case.lattice("");
        let indices: Vec<[f64; 2]> =
            case.rows("inputs", "points").into_iter().map(|p| lattice.indices(p).unwrap()).collect();
        case.close("indices", indices.iter().flatten());
    });
}

#[test]
fn affine_transformations() {
    each("affine transformation between point sets", 1, |case| {
        let rows = |m: &Value| [0, 1, 2].map(|r| [0, 1, 2].map(|c| m[r][c].as_f64().unwrap()));
        let center = case.vector("", "center");
        let from = case.rows("inputs", "ref");
        let noisy = case.rows("inputs", "noisy");
        let given = AffineTransformation { matrix: rows(case.param("matrix")), center };
        let carried: Vec<[f64; 2]> = from.iter().map(|&p| given.apply(p)).collect();
        case.close("transformed", carried.iter().flatten());
        let fit = AffineTransformation::fit(&from, &noisy, None, center).unwrap();
        case.close("fit", fit.matrix.iter().flatten());
        // There the weight multiplies the rows.
        let squares: Vec<f64> = case.array("inputs", "weights").iter().map(|w| w * w).collect();
        let weighted = AffineTransformation::fit(&from, &noisy, Some(&squares), center).unwrap();
        case.close("fit_weighted", weighted.matrix.iter().flatten());
        case.close("fixed_point", &given.fixed_point().unwrap());
    });
}

#[test]
fn matches_from_a_start() {
    each("fastmatch", 8, |case| {
        let params = MatchParams {
            tolerance: case.matcher("tolerance").unwrap(),
            min_weight: case.matcher("min_weight").unwrap(),
            min_match: case.matcher("min_match").unwrap() as usize,
            ..MatchParams::default()
        };
        let points = case.points();
        let found = fast_match(&points, &case.lattice("start"), &params).unwrap();
        if case.status() == "match" {
            case.close_match("", &found);
        } else {
            // One infinite weight: that point is ignored, the others make the lattice.
            let infinite = points.iter().position(|p| p.weight.is_infinite()).expect("an infinite weight");
            assert_eq!(found.status, MatchStatus::Matched);
            assert!(!found.selector[infinite] && found.n_points() == 24);
            assert!(found.lattice.is_equivalent(&case.lattice("truth"), 0.3));
        }
    });
}

#[test]
fn fits_of_given_indices() {
    each("affinematch", 3, |case| {
        let (points, indices) = (case.points(), case.rows("inputs", "indices"));
        let found = affine_match(&points, &indices, Loss::Square).unwrap();
        if case.status() == "match" {
            case.close_match("", &found);
        } else {
            // Two points: no lattice, but the solution of least norm is there for who asks.
            assert_eq!(found.status, MatchStatus::TooFewPoints);
            let fit = fit_lattice(&points, &indices, Loss::Square).unwrap();
            assert_eq!(fit.rank, 2);
            case.close("zero", &fit.lattice.zero);
            case.close("a", &fit.lattice.a);
            case.close("b", &fit.lattice.b);
        }
    });
}

fn full_match_params(case: &Case<'_>) -> FullMatchParams {
    let plain = FullMatchParams::default();
    FullMatchParams {
        tolerance: case.matcher("tolerance").unwrap_or(plain.tolerance),
        min_delta: case.matcher("min_delta").unwrap_or(plain.min_delta),
        max_delta: case.matcher("max_delta"),
        ..plain
    }
}

fn given_vectors(case: &Case<'_>) -> Vec<[f64; 2]> {
    let list = case.param("cand").as_array().cloned().unwrap_or_default();
    list.iter().map(|v| [0, 1].map(|x| v[x].as_f64().unwrap())).collect()
}

#[test]
fn searches_of_the_package() {
    each("full_match", 9, |case| {
        let params = full_match_params(case);
        let centers = case.rows("inputs", "centers");
        let zero = case.param("zero").as_array().map(|z| [0, 1].map(|x| z[x].as_f64().unwrap()));
        let found = full_match(&case.points(), Some(&centers), zero, &given_vectors(case), &params).unwrap();
        case.close("n_matches", [&(found.matches.len() as f64)]);
        case.close("unmatched", &flags(&found.unmatched));
        case.close("weak", &flags(&found.weak));
        for (k, matched) in found.matches.iter().enumerate() {
            if case.status() == "match" {
                case.close_match(&format!("match{k}_"), matched);
            } else {
                let of = |name: &str| -> [f64; 2] {
                    let v = case.array("outputs", &format!("match{k}_{name}"));
                    [v[0], v[1]]
                };
                let expected = Lattice { zero: of("zero"), a: of("a"), b: of("b") };
                assert!(matched.lattice.is_equivalent(&expected, 1e-7), "{} {matched:?}", case.id());
            }
        }
    });
}

#[test]
fn clusters_of_the_package() {
    each("full_match", 9, |case| {
        if case.try_array("outputs", "vectors").is_none() {
            return;
        }
        let params = full_match_params(case);
        let strong = case.points().into_iter().filter(|p| p.weight >= params.min_weight);
        let points: Vec<[f64; 2]> = strong.map(|p| p.position).collect();
        let found = difference_clusters(&points, &params).unwrap();
        case.close("vectors", found.vectors.iter().flatten());
        case.close("candidates", found.candidates.iter().flatten());

        let clusters = found.clusters.expect("enough points for clusters");
        let labels = case.array("outputs", "labels");
        // The number that each of our labels most often has there.
        let mut pairs: HashMap<(Option<usize>, i64), usize> = HashMap::new();
        for (own, &other) in clusters.labels.iter().zip(labels) {
            *pairs.entry((*own, other as i64)).or_default() += 1;
        }
        let most = |own: &Option<usize>| {
            let of_own = pairs.iter().filter(|((label, _), _)| label == own);
            of_own.max_by_key(|((_, other), count)| (**count, *other)).map(|((_, other), _)| *other)
        };
        let n = labels.len() as f64;
        let equal =
            clusters.labels.iter().zip(labels).filter(|(own, o)| most(own) == Some(**o as i64)).count();
        assert!(equal as f64 >= 0.95 * n, "{}: {equal} of {n} labels", case.id());
        let probabilities = case.array("outputs", "probabilities");
        let near = clusters.probabilities.iter().zip(probabilities).filter(|(p, q)| (*p - *q).abs() <= 1e-6);
        let near = near.count();
        assert!(near as f64 >= 0.9 * n, "{}: {near} of {n} probabilities", case.id());
    });
}

#[test]
fn the_default_search_finds_the_true_lattices_of_the_package_s_cases() {
    each("full_match", 9, |case| {
        let params = LatticeSearchParams { candidates: given_vectors(case), ..Default::default() };
        let found = search_lattices(&case.points(), &params).unwrap();
        let truth = case.param("truth").as_array().unwrap();
        // Where the package makes a second lattice of the outliers, there is none.
        assert_eq!(found.lattices.len(), truth.len(), "{} {:?}", case.id(), found.lattices);
        for truth in truth {
            let of = |name: &str| [0, 1].map(|x| truth[name][x].as_f64().unwrap());
            let truth = Lattice { zero: of("zero"), a: of("a"), b: of("b") };
            let any = found.lattices.iter().any(|l| l.matched.lattice.is_equivalent(&truth, 0.4));
            assert!(any, "{}: {:?}", case.id(), found.lattices);
        }
    });
}
