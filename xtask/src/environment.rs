//! Virtual environments with the reference packages at fixed versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps;

/// The packages of one or several workloads, or of the tests of the Python package.
pub(crate) struct Environment {
    pub(crate) name: &'static str,
    pub(crate) pins: &'static [&'static str],
}

/// Those of `cargo xtask compare`; each has a script of its name in `xtask/compare/`.
pub(crate) const OF_WORKLOADS: &[Environment] = &[
    Environment {
        name: "registration",
        pins: &["numpy==2.4.6", "scipy==1.17.1", "scikit-image==0.26.0", "image_registration==0.2.10"],
    },
    Environment {
        name: "blobfinder",
        // LiberTEM 0.16 asks for hdbscan as an extra only.
        pins: &[
            "libertem==0.16.0",
            "libertem-blobfinder==0.6.1",
            "hdbscan==0.8.44",
            "numba==0.68.1",
            "numpy==2.4.6",
        ],
    },
    Environment {
        name: "clustering",
        pins: &[
            "scikit-learn==1.9.1",
            "libertem==0.16.0",
            "libertem-blobfinder==0.6.1",
            "hdbscan==0.8.44",
            "numba==0.68.1",
            "scipy==1.17.1",
            "numpy==2.4.6",
        ],
    },
];

/// That in which the Python package is built and tested, with the packages that its functions are compared with.
pub(crate) const OF_PYNONIUS: Environment = Environment {
    name: "pynonius",
    pins: &[
        "maturin==1.16.0",
        "pytest==9.2.0",
        "pytest-xdist==3.8.0",
        "mypy==2.4.1",
        "numpy==2.4.6",
        "scipy==1.17.1",
        "scikit-image==0.26.0",
        "scikit-learn==1.9.1",
        "image_registration==0.2.10",
        "libertem==0.16.0",
        "libertem-blobfinder==0.6.1",
        "hdbscan==0.8.44",
        "numba==0.68.1",
        "dask[array]==2026.8.0",
        "distributed==2026.8.0",
        "matplotlib==3.11.2",
    ],
};

impl Environment {
    pub(crate) fn script(&self) -> String {
        format!("{}.py", self.name)
    }

    /// The environment's interpreter; the environment is made anew unless it
    /// was finished with these pins.
    pub(crate) fn prepare(&self, folder: &Path, python: &str) -> Result<PathBuf> {
        let home = folder.join(format!("env-{}", self.name));
        let interpreter = home.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        let stamp = home.join("pins.txt");
        let pins = self.pins.join("\n");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
            return Ok(interpreter);
        }
        eprintln!("making the environment `{}`: {}", self.name, self.pins.join(", "));
        steps::show(Command::new(python).args(["-m", "venv", "--clear"]).arg(&home))
            .context("a virtual environment needs Python 3 with its venv module (Debian: python3-venv)")?;
        let mut install = Command::new(&interpreter);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(self.pins);
        steps::show(&mut install)
            .context("the pinned packages need Python 3.11 or newer, and a network the first time")?;
        fs::write(&stamp, pins)?;
        Ok(interpreter)
    }
}
