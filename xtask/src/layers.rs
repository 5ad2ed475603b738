//! Who may know whom: the graph of ARCHITECTURE.md as a table.

use std::collections::BTreeSet;

use serde_json::json;

use crate::metadata::{Kind, Metadata, text};

/// Each crate with the crates of this workspace that it may depend on. Rows of
/// crates that are planned stand here before the crates do.
const LAYERS: &[(&str, &[&str])] = &[
    ("nonius-core", &[]),
    ("nonius-synthetic", &["nonius-core"]),
    ("nonius-io", &["nonius-core"]),
    ("nonius-registration", &["nonius-core"]),
    ("nonius-chi2", &["nonius-core"]),
    ("nonius-blobfinder", &["nonius-core"]),
    ("nonius-clustering", &["nonius-core"]),
    // Alignment measures shifts between images; that is registration's work.
    ("nonius-tomography", &["nonius-core", "nonius-registration"]),
    (
        "nonius",
        &[
            "nonius-core",
            "nonius-synthetic",
            "nonius-io",
            "nonius-registration",
            "nonius-chi2",
            "nonius-blobfinder",
            "nonius-clustering",
            "nonius-tomography",
        ],
    ),
    ("nonius-cli", &["nonius"]),
    ("pynonius", &["nonius"]),
    ("xtask", &[]),
];

/// Crates that compute: they take array views and never open a file.
const METHODS: &[&str] =
    &["nonius-registration", "nonius-chi2", "nonius-blobfinder", "nonius-clustering", "nonius-tomography"];

/// Crates at a border where pixels pass as slices and shapes, so that a second
/// ndarray behind them does no harm.
const ON_ANOTHER_NDARRAY: &[&str] = &["hdf5-reader", "hdf5-writer", "hdf5-metno", "numpy"];

/// Packages that sound like a C library and are none.
const NO_C_LIBRARY: &[&str] = &["js-sys", "linux-raw-sys", "rayon-core", "windows-sys"];

/// Packages by which build scripts compile or find C libraries.
const C_BUILDERS: &[&str] = &["bindgen", "cc", "cmake", "pkg-config", "vcpkg"];

fn allowed(name: &str) -> &'static [&'static str] {
    let row = LAYERS.iter().find(|(crate_name, _)| *crate_name == name);
    row.unwrap_or_else(|| panic!("{name} has no row in LAYERS, {}", file!())).1
}

/// Tests may also use images of known truth, except below the crate that makes them.
fn allowed_in_tests(name: &str) -> impl Iterator<Item = &'static str> {
    let above_synthetic = !["nonius-core", "nonius-synthetic", "xtask"].contains(&name);
    allowed(name).iter().copied().chain(above_synthetic.then_some("nonius-synthetic"))
}

#[test]
fn dependencies_follow_the_table() {
    let metadata = Metadata::read();
    let mut turned = Vec::new();
    for member in metadata.members() {
        let name = text(&member["name"]);
        for (dependency, kind) in metadata.arrows_between_members(member) {
            let fits = match kind {
                Kind::Dev => allowed_in_tests(&name).any(|allowed| allowed == dependency),
                Kind::Normal | Kind::Build => allowed(&name).contains(&dependency.as_str()),
            };
            if !fits {
                turned.push(format!("{name} -> {dependency} ({kind:?})"));
            }
        }
    }
    assert!(turned.is_empty(), "arrows that the table does not have: {turned:?}");
}

#[test]
fn the_table_itself_keeps_the_rules() {
    let rows: BTreeSet<_> = LAYERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows.len(), LAYERS.len(), "a crate has two rows");
    let mut between_methods = Vec::new();
    for method in METHODS {
        assert!(!allowed(method).contains(&"nonius-io"), "{method} may open files");
        let others = allowed(method).iter().filter(|name| METHODS.contains(name));
        between_methods.extend(others.map(|other| (*method, *other)));
    }
    assert_eq!(between_methods, [("nonius-tomography", "nonius-registration")]);
    // A row names only rows above it, so arrows never turn.
    for (row, (name, dependencies)) in LAYERS.iter().enumerate() {
        for dependency in *dependencies {
            assert!(LAYERS[..row].iter().any(|(above, _)| above == dependency), "{name} -> {dependency}");
        }
    }
}

#[test]
fn newer_ndarray_stays_at_the_borders() {
    let users = Metadata::read().users_of("ndarray", "0.17");
    let strangers: Vec<_> =
        users.iter().filter(|user| !ON_ANOTHER_NDARRAY.contains(&user.as_str())).collect();
    assert!(strangers.is_empty(), "these depend on ndarray 0.17 and may not: {strangers:?}");
}

#[test]
fn plain_builds_need_no_c_library() {
    let metadata = Metadata::read();
    let mut members: Vec<_> = metadata.default_members().map(|id| (id, false)).collect();
    members.push((metadata.member_named("nonius-registration"), true));
    for (member, with_dev) in members {
        let packages = metadata.reachable(member, with_dev).into_iter();
        let found: Vec<_> = packages.filter(|id| metadata.wants_c(id)).collect();
        assert!(found.is_empty(), "{member} reaches C libraries: {found:?}");
    }
}

impl Metadata {
    fn wants_c(&self, id: &str) -> bool {
        let package = self.package(id);
        let name = text(&package["name"]);
        let builds_c = self.build_dependencies(id).any(|builder| C_BUILDERS.contains(&builder));
        (builds_c || !package["links"].is_null() || name.ends_with("-sys"))
            && !NO_C_LIBRARY.contains(&name.as_str())
    }
}

#[test]
fn a_c_library_is_recognised() {
    let package = |id: &str| json!({"id": id, "name": id, "links": null});
    let linking = json!({"id": "hdf5", "name": "hdf5", "links": "hdf5"});
    let to_cc = json!({"pkg": "cc", "dep_kinds": [{"kind": "build"}]});
    let metadata = Metadata::from_json(&json!({
        "packages": [package("z-sys"), linking, package("alloca"), package("cc"), package("plain")],
        "resolve": {"nodes": [{"id": "alloca", "deps": [to_cc]}]},
        "workspace_members": [],
        "workspace_default_members": [],
    }));
    for (id, expected) in [("z-sys", true), ("hdf5", true), ("alloca", true), ("plain", false)] {
        assert_eq!(metadata.wants_c(id), expected, "{id}");
    }
}
