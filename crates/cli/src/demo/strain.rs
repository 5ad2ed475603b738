//! The 4D-STEM part of the demo: a polycrystal whose lattices are known everywhere.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ndarray::{Array3, ArrayD};
use nonius::blobfinder::Lattice;
use nonius::core::ScanParams;
use nonius::io::{BloParams, read_array, write_blo};
use nonius::plot::{Map, MapColors};
use nonius::synthetic::{PolycrystalParams, PolycrystalScan, PolycrystalTruth};
use nonius::{Progress, Scan};

use super::{Compared, DemoArgs, Section};
use crate::args::{Cli, Command};
use crate::register::RowStatus;
use crate::session::Session;
use crate::strain::{StrainConfig, strain};

const ABOUT: &str = "A 4D-STEM scan over eleven grains of two phases: precession patterns with spots of a few dozen \
                     electrons. Of each grain the vectors a and b are compared in the frame nearest to its middle; maps, \
                     and a report to look around in, stand beside.";

pub(crate) fn run(session: &Session, folder: &Path, args: &DemoArgs) -> Result<Vec<Section>> {
    let files = folder.join("strain");
    std::fs::create_dir_all(&files).with_context(|| format!("cannot make folder {}", files.display()))?;
    let all = PolycrystalParams::default();
    let settings = match args.quick {
        true => PolycrystalParams { scan: [18, 24], grains: 3, core: None, ..all },
        false => all,
    };
    session.start("making a scan", 1);
    let made = PolycrystalScan::new(&settings)?;
    let truth = made.truth().clone();
    let path = files.join("polycrystal.blo");
    let shape = Some(settings.scan.to_vec());
    let scan = Scan::new(Box::new(made), &ScanParams { shape, ..Default::default() })?;
    write_blo(&path, &scan, &BloParams::default())?;
    session.advance(1);
    session.finish();
    session.check_cancelled()?;

    let text = |path: &Path| path.display().to_string();
    let out = folder.join("strain.h5");
    let mut words = vec!["nonius".to_owned(), "strain".to_owned(), text(&path)];
    for phase in &settings.phases {
        let [[ay, ax], [by, bx]] = [phase.a, phase.b];
        words.extend(["--cell".to_owned(), format!("{ay},{ax},{by},{bx}")]);
    }
    words.extend(["--out".to_owned(), text(&out)]);
    let Command::Strain(given) = Cli::try_parse_from(&words)?.command else {
        bail!("{} is no measurement of strain", words.join(" "));
    };
    let config = given.applied_to(StrainConfig::default())?;
    strain(session, &config, &given.scan()?, None, Some(&out))?;

    let array = |name: &str| -> Result<ArrayD<f64>> {
        Ok(read_array::<f64>(&format!("{}:/strain/{name}/data", out.display()))?)
    };
    let vectors = [("a", array("a")?, array("a_errors")?), ("b", array("b")?, array("b_errors")?)];
    let rows: Vec<Compared> =
        (0..truth.grains.len()).flat_map(|grain| compared(&truth, grain, &vectors)).collect();
    let mut section = Section::of("polycrystal, BLO", ABOUT, words.join(" "), &rows);
    let axes = [0, 1].map(|k| scan.axes()[k].clone());
    let percent = array("strain_xx")?.mapv(|v| 1.0 * v).into_dimensionality()?;
    let map = Map { title: "ε_xx / %".into(), values: percent, axes, colors: MapColors::Signed }.draw()?;
    section
        .pictures
        .push((map, "Strain along x of every frame, against the unstrained cell of its phase.".into()));
    let scatter = section.scatter()?;
    scatter.write(folder.join("strain_truth.png"))?;
    section.pictures.push((scatter, "True and found.".into()));
    Ok(vec![section])
}

/// Both vectors of a grain in the frame nearest to its middle; none if it lies outside the scan.
fn compared(
    truth: &PolycrystalTruth,
    grain: usize,
    vectors: &[(&str, ArrayD<f64>, ArrayD<f64>); 2],
) -> Vec<Compared> {
    let own = truth.boundary_distance.indexed_iter().filter(|(p, _)| truth.labels[*p] == Some(grain));
    let Some(((y, x), _)) = own.max_by(|a, b| a.1.total_cmp(b.1)) else { return Vec::new() };
    let found = |of: &ArrayD<f64>| [0, 1].map(|axis| of[[y, x, axis]]);
    let pair = |of: &Array3<f64>| [0, 1].map(|axis| of[[y, x, axis]]);
    let lattice = Lattice { zero: [0.0; 2], a: found(&vectors[0].1), b: found(&vectors[1].1) };
    let expected = Lattice { zero: [0.0; 2], a: pair(&truth.a), b: pair(&truth.b) };
    // The truth in terms of the vectors that were found, whose errors are known.
    let Some(basis) = expected.basis_nearest(&lattice) else { return Vec::new() };
    let expected = basis.of(&expected);
    [expected.a, expected.b]
        .into_iter()
        .zip(vectors)
        .map(|(truth, (name, value, errors))| Compared {
            image: format!("grain {grain}, frame ({y}, {x}), {name}"),
            truth,
            found: found(value),
            sigma: found(errors),
            status: RowStatus::Converged,
        })
        .collect()
}
