//! The χ² part of the demo: the noise of every pixel is known.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Parser;
use nonius::Progress;
use nonius::io::write_npy;
use nonius::synthetic::{Boundary, Content, ImagePairParams, Motion, NoiseParams, SceneParams};

use super::{Compared, DemoArgs, Section};
use crate::args::{Cli, Command};
use crate::chi2::{Chi2Config, measure};
use crate::session::Session;

const ABOUT: &str = "A texture that a camera counted photons of, about 400 per pixel, against a model free of noise. \
                     The standard deviation of every pixel is a third image; errors follow from it alone.";

pub(crate) fn run(session: &Session, folder: &Path, _args: &DemoArgs) -> Result<Vec<Section>> {
    session.start("fitting by χ²", 1);
    let section = section(session, folder)?;
    session.advance(1);
    session.finish();
    Ok(vec![section])
}

fn section(session: &Session, folder: &Path) -> Result<Section> {
    let files = folder.join("chi2");
    std::fs::create_dir_all(&files).with_context(|| format!("cannot make folder {}", files.display()))?;
    let pair = ImagePairParams {
        scene: SceneParams {
            shape: [96, 112],
            content: Content::Texture { exponent: 3.0, cutoff: 0.3 },
            boundary: Boundary::Open { margin: 8 },
            amplitude: 80.0,
            background: 400.0,
        },
        motion: Motion::shift([1.37, -2.62]),
        moving_noise: NoiseParams::poisson(1.0),
        seed: 51,
        ..Default::default()
    }
    .generate()?;
    let [reference, moving, sigma] =
        ["reference.npy", "moving.npy", "sigma.npy"].map(|name| files.join(name));
    write_npy(&reference, &pair.reference)?;
    write_npy(&moving, &pair.moving)?;
    write_npy(&sigma, &pair.truth.moving_sigma)?;

    let text = |path: &Path| path.display().to_string();
    let drawn = text(&folder.join("chi2.png"));
    let words =
        ["nonius", "chi2", &text(&reference), &text(&moving), "--err", &text(&sigma), "--picture", &drawn];
    let Command::Chi2(args) = Cli::try_parse_from(words)?.command else {
        bail!("{} is no χ² fit", words.join(" "));
    };
    let config = args.applied_to(Chi2Config::default())?;
    let found = measure(session, &config, &args.files(&config)?)?;

    let row = Compared {
        image: "moving.npy".into(),
        truth: pair.truth.shift,
        found: [found.dy, found.dx],
        sigma: [found.edy, found.edx],
        status: found.status.into(),
    };
    let mut section = Section::of("photon counts by χ², NPY", ABOUT, words.join(" "), &[row]);
    let caption = "χ² about the best fit, with the regions that hold the truth at 1, 2 and 3 σ.";
    section.pictures.extend(found.picture.map(|picture| (picture, caption.into())));
    let scatter = section.scatter()?;
    scatter.write(folder.join("chi2_truth.png"))?;
    section.pictures.push((scatter, "True and found.".into()));
    Ok(section)
}
