//! The workspace as `cargo metadata` tells it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::steps::cargo;

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Dev,
    Build,
}

impl Kind {
    /// `null` means normal.
    fn from_json(kind: &Value) -> Self {
        match kind.as_str() {
            None => Self::Normal,
            Some("dev") => Self::Dev,
            Some("build") => Self::Build,
            Some(other) => panic!("cargo metadata knows a new kind of dependency, {other}"),
        }
    }
}

/// Packages, and who depends on whom with the default features on this platform.
pub(crate) struct Metadata {
    packages: BTreeMap<String, Value>,
    /// Ids of a package and of one that it depends on, and what for.
    arrows: Vec<(String, String, Vec<Kind>)>,
    members: BTreeSet<String>,
    default_members: BTreeSet<String>,
}

impl Metadata {
    pub(crate) fn read() -> Self {
        let host = cargo(["--version", "--verbose"]).output().expect("cargo runs").stdout;
        let host = String::from_utf8(host).expect("cargo prints text");
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
        let output = cargo(["metadata", "--format-version", "1", "--filter-platform", host]).output();
        let output = output.expect("cargo metadata runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self::from_json(&serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON"))
    }

    pub(crate) fn from_json(json: &Value) -> Self {
        let packages = array(&json["packages"]).map(|package| (text(&package["id"]), package.clone()));
        let arrows = array(&json["resolve"]["nodes"]).flat_map(|node| {
            array(&node["deps"]).map(move |dependency| {
                let kinds = array(&dependency["dep_kinds"]).map(|kind| Kind::from_json(&kind["kind"]));
                (text(&node["id"]), text(&dependency["pkg"]), kinds.collect())
            })
        });
        Self {
            packages: packages.collect(),
            arrows: arrows.collect(),
            members: array(&json["workspace_members"]).map(text).collect(),
            default_members: array(&json["workspace_default_members"]).map(text).collect(),
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Value> {
        self.members.iter().map(|id| &self.packages[id])
    }

    pub(crate) fn default_members(&self) -> impl Iterator<Item = &str> {
        self.default_members.iter().map(String::as_str)
    }

    pub(crate) fn member_named(&self, name: &str) -> &str {
        let mut members = self.members();
        let member = members.find(|member| member["name"] == name);
        member.unwrap_or_else(|| panic!("no member {name}"))["id"].as_str().expect("an id is text")
    }

    /// Names of the members that a member's manifest names, with the kind of each.
    pub(crate) fn arrows_between_members(&self, member: &Value) -> Vec<(String, Kind)> {
        let names: BTreeSet<_> = self.members().map(|member| text(&member["name"])).collect();
        array(&member["dependencies"])
            .map(|dependency| (text(&dependency["name"]), Kind::from_json(&dependency["kind"])))
            .filter(|(name, _)| names.contains(name))
            .collect()
    }

    /// Names of the packages that have a direct dependency on a version of a package.
    pub(crate) fn users_of(&self, name: &str, version_prefix: &str) -> BTreeSet<String> {
        let is_it = |id: &str| {
            let package = &self.packages[id];
            package["name"] == name && text(&package["version"]).starts_with(version_prefix)
        };
        let users = self.arrows.iter().filter(|(_, dependency, _)| is_it(dependency));
        users.map(|(user, _, _)| text(&self.packages[user]["name"])).collect()
    }

    pub(crate) fn package(&self, id: &str) -> &Value {
        &self.packages[id]
    }

    /// Names of what a package's build script uses, on this platform and with these features.
    pub(crate) fn build_dependencies<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        let arrows =
            self.arrows.iter().filter(move |(user, _, kinds)| user == id && kinds.contains(&Kind::Build));
        arrows.filter_map(|(_, dependency, _)| self.packages[dependency]["name"].as_str())
    }

    /// Ids of every package that is built for `start`, its development
    /// dependencies included if asked for.
    pub(crate) fn reachable<'a>(&'a self, start: &'a str, with_dev: bool) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::from([start]);
        let mut waiting = vec![start];
        while let Some(id) = waiting.pop() {
            for (_, dependency, kinds) in self.arrows.iter().filter(|(user, _, _)| user == id) {
                // Development dependencies of a dependency are never built.
                let built = kinds.iter().any(|kind| *kind != Kind::Dev || (with_dev && id == start));
                if built && found.insert(dependency) {
                    waiting.push(dependency);
                }
            }
        }
        found
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
