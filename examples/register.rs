//! How far did the content move from one image to the other, and how sure is that?
//!
//! ```text
//! cargo run --release --example register                        two synthetic images
//! cargo run --release --example register -- night.fits[1] later.fits[1]
//! ```

// An example speaks to whoever runs it.
#![allow(clippy::print_stdout)]

use anyhow::{Result, bail};
use ndarray::Array2;
use nonius::io::read_image;
use nonius::registration::{RegistrationParams, register};
use nonius::synthetic::{Boundary, Content, ImagePairParams, Motion, NoiseParams, SceneParams};

/// Reference, moving image and, where it is known, the true shift.
type Pair = (Array2<f64>, Array2<f64>, Option<[f64; 2]>);

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let (reference, moving, truth) = match &paths[..] {
        [] => synthetic()?,
        [reference, moving] => {
            (read_image::<f64>(reference)?.pixels, read_image::<f64>(moving)?.pixels, None)
        }
        _ => bail!("expected no path, or those of a reference and a moving image"),
    };

    let found = register(reference.view(), moving.view(), &RegistrationParams::default())?;

    println!("shift of the moving image's content, px; {:?}, score {:.3}", found.status, found.score);
    println!("        true       found       error       sigma");
    for (axis, name) in ["dy", "dx"].into_iter().enumerate() {
        let (shift, sigma) = (found.shift[axis], found.errors()[axis]);
        match truth {
            Some(truth) => {
                println!(
                    "{name}  {:+9.4}   {shift:+9.4}   {:+9.4}   {sigma:9.4}",
                    truth[axis],
                    shift - truth[axis]
                )
            }
            None => println!("{name}          ?   {shift:+9.4}           ?   {sigma:9.4}"),
        }
    }
    Ok(())
}

/// Two noisy exposures of extended emission whose content moved by (2.7, −1.4) px: some of it leaves the
/// frame, and other content enters.
fn synthetic() -> Result<Pair> {
    let noise = NoiseParams::white(0.1);
    let pair = ImagePairParams {
        scene: SceneParams {
            shape: [128, 128],
            content: Content::ExtendedEmission { exponent: 3.0, cutoff: 0.35 },
            boundary: Boundary::Open { margin: 8 },
            ..Default::default()
        },
        motion: Motion::shift([2.7, -1.4]),
        reference_noise: noise,
        moving_noise: noise,
        seed: 1,
    }
    .generate()?;
    Ok((pair.reference, pair.moving, Some(pair.truth.shift)))
}
