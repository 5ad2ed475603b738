//! The tilt series of the demo: jitter that is known, found by alignment.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ndarray::Array1;
use nonius::Progress;
use nonius::io::TiltSeriesWriter;
use nonius::plot::OffsetChart;
use nonius::synthetic::{AngleRange, TiltScheme, TiltSeriesParams};

use super::{Compared, DemoArgs, Section};
use crate::align::{AlignConfig, measure};
use crate::args::{Cli, Command};
use crate::reconstruct::{ReconstructConfig, measure as reconstruct};
use crate::register::RowStatus;
use crate::session::Session;

const ABOUT: &str = "Absorption images of a cell with inclusions over half a turn, each displaced by up to 2 px along j and 1.5 px \
                     along k, with noise of 0.2 % of the beam. Pairs are (j, k): offsets that align the images, less the translation \
                     of the sample that no alignment can know. The volume is reconstructed with them; the result is in the layout of mumott.";

pub(crate) fn run(session: &Session, folder: &Path, args: &DemoArgs) -> Result<Vec<Section>> {
    let files = folder.join("tomography");
    std::fs::create_dir_all(&files).with_context(|| format!("cannot make folder {}", files.display()))?;
    session.start("making a tilt series", 1);
    let all = TiltSeriesParams { seed: 61, ..Default::default() };
    let params = match args.quick {
        true => TiltSeriesParams {
            volume_shape: [24, 24, 20],
            projection_shape: [24, 20],
            scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(24) },
            ..all
        },
        false => all,
    };
    let made = params.generate()?;
    let path = files.join("tilt_series.h5");
    let [j, k] = [0, 1].map(|axis| made.truth.offsets.iter().map(|o| o[axis]).collect::<Array1<f64>>());
    let mut file = TiltSeriesWriter::new(&made.series)?;
    file.array("truth", "j_offset", j.view().into_dyn());
    file.array("truth", "k_offset", k.view().into_dyn());
    file.array("truth", "volume", made.truth.volume.view().into_dyn());
    file.write(&path)?;
    session.advance(1);
    session.finish();
    session.check_cancelled()?;

    let text = |path: &Path| path.display().to_string();
    let (aligned, volume) = (folder.join("tomography.h5"), folder.join("tomography_volume.h5"));
    let align = ["nonius", "align", &text(&path), "--out", &text(&aligned)].map(str::to_owned);
    let Command::Align(given) = Cli::try_parse_from(&align)?.command else {
        bail!("{} is no alignment", align.join(" "));
    };
    let config = given.applied_to(AlignConfig::default())?;
    let found = measure(session, &config, &given.files(Some(&aligned))?)?;
    let again = ["nonius", "reconstruct", &text(&aligned), "--out", &text(&volume)].map(str::to_owned);
    let Command::Reconstruct(given) = Cli::try_parse_from(&again)?.command else {
        bail!("{} is no reconstruction", again.join(" "));
    };
    let config = given.applied_to(ReconstructConfig::default())?;
    let reconstructed = reconstruct(session, &config, &given.projections()?, Some(&volume), given.picture())?;

    // What is true, moved by the translation that lies between it and what was found.
    let pair = |j: &[f64], k: &[f64], i: usize| [j[i], k[i]];
    let offsets: Vec<[f64; 2]> =
        (0..found.offsets.j.len()).map(|i| pair(&found.offsets.j, &found.offsets.k, i)).collect();
    let errors: Vec<[f64; 2]> =
        (0..offsets.len()).map(|i| pair(&found.standard_errors.j, &found.standard_errors.k, i)).collect();
    let misses: Vec<[f64; 2]> =
        offsets.iter().zip(&made.truth.offsets).map(|(f, t)| [f[0] - t[0], f[1] - t[1]]).collect();
    let misses = made.truth.geometry.remove_translation(&misses)?.residuals;
    let truth: Vec<[f64; 2]> = offsets.iter().zip(&misses).map(|(f, e)| [f[0] - e[0], f[1] - e[1]]).collect();
    let rows: Vec<Compared> = (0..offsets.len())
        .map(|i| Compared {
            image: format!("projection {i}"),
            truth: truth[i],
            found: offsets[i],
            sigma: errors[i],
            status: RowStatus::Converged,
        })
        .collect();
    let commands = format!("{}\n$ {}", align.join(" "), again.join(" "));
    let mut section = Section::of("tilt series, HDF5", ABOUT, commands, &rows);
    for drawn in found.drawn.iter().filter(|drawn| ["slices", "sinogram"].contains(&drawn.name)) {
        section.pictures.push((drawn.picture.clone(), drawn.caption.into()));
    }
    let chart = OffsetChart {
        title: "tilt_series.h5: true and found".into(),
        found: offsets,
        errors,
        start: None,
        truth: Some(truth),
    };
    let chart = chart.draw()?;
    chart.write(folder.join("tomography_truth.png"))?;
    section.pictures.push((chart, "True and found.".into()));
    if let Some(picture) = reconstructed.drawn {
        section.pictures.push((picture, "The volume of the second command.".into()));
    }
    Ok(vec![section])
}
