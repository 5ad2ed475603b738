//! Parameters in a TOML file: one table per command.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::align::AlignConfig;
use crate::chi2::Chi2Config;
use crate::output::print;
use crate::peaks::PeaksConfig;
use crate::reconstruct::ReconstructConfig;
use crate::register::RegisterConfig;
use crate::stats::StatsConfig;
use crate::strain::StrainConfig;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) register: RegisterConfig,
    pub(crate) chi2: Chi2Config,
    pub(crate) stats: StatsConfig,
    pub(crate) peaks: PeaksConfig,
    pub(crate) strain: StrainConfig,
    pub(crate) align: AlignConfig,
    pub(crate) reconstruct: ReconstructConfig,
}

impl Config {
    /// The parameters in `file`; the defaults without one.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self> {
        let Some(path) = file else { return Ok(Config::default()) };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{}: cannot read", path.display()))?;
        let wrong = |e: toml::de::Error| Usage(format!("{}: {}", path.display(), e.to_string().trim_end()));
        Ok(toml::from_str(&text).map_err(wrong)?)
    }
}

/// A table for `--config` to read, on standard output.
pub(crate) fn print_table(name: &str, parameters: &impl Serialize) -> Result<()> {
    print(&toml::to_string(&BTreeMap::from([(name, parameters)]))?)
}
