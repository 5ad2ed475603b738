//! A displacement with error bars from χ²: found beside true.
//!
//! ```text
//! cargo run --release --example chi2_shift                        two simulations
//! cargo run --release --example chi2_shift -- night.fits[1] later.fits[1]
//! ```
//!
//! The noise of recorded images is taken as unknown here, so that residuals scale the errors. A picture of χ²
//! about each best fit is written to the folder for temporary files.

// An example speaks to whoever runs it.
#![allow(clippy::print_stdout)]

use anyhow::{Result, bail};
use ndarray::Array2;
use nonius::chi2::{Chi2Image, Chi2Params, chi2_shift, chi2_surface, delta_chi2};
use nonius::io::read_image;
use nonius::plot::Chi2Surface;
use nonius::synthetic::{ImagePairParams, NoiseParams};

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    match &paths[..] {
        [] => {
            rolled()?;
            fractional()
        }
        [reference, moving] => {
            let (reference, moving) =
                (read_image::<f64>(reference)?.pixels, read_image::<f64>(moving)?.pixels);
            show("the two files", &reference, Chi2Image::new(moving.view()), &Chi2Params::default(), None)
        }
        _ => bail!("expected no path, or those of a reference and a moving image"),
    }
}

/// Every pixel of a periodic scene, 5 rows down and 9 columns to the left, where 9 columns enter again.
fn rolled() -> Result<()> {
    const SIGMA: f64 = 0.1;
    let scene = ImagePairParams::scene_a([0.0; 2], 0.0, 1).generate()?.reference;
    let (h, w) = scene.dim();
    let moved = Array2::from_shape_fn((h, w), |(y, x)| scene[[(y + h - 5) % h, (x + 9) % w]]);
    let moving = NoiseParams::white(SIGMA).add(moved.view(), 2)?;
    let moving = Chi2Image::new(moving.view()).with_sigma(SIGMA);
    show("a periodic scene, rolled", &scene, moving, &Chi2Params::periodic(), Some([5.0, -9.0]))
}

/// A fraction of a pixel; some content leaves the frame, and other content enters.
fn fractional() -> Result<()> {
    let pair = ImagePairParams::scene_c([1.37, -2.62], 0.1, 3).generate()?;
    let moving = Chi2Image::new(pair.moving.view()).with_sigmas(pair.truth.moving_sigma.view());
    show("a fraction of a pixel", &pair.reference, moving, &Chi2Params::default(), Some(pair.truth.shift))
}

fn show(
    name: &str,
    reference: &Array2<f64>,
    moving: Chi2Image<'_, f64>,
    params: &Chi2Params,
    truth: Option<[f64; 2]>,
) -> Result<()> {
    let reference = Chi2Image::new(reference.view());
    let found = chi2_shift(&reference, &moving, params)?;
    println!("{name}: {:?}, χ² per degree of freedom {:.3}", found.status, found.reduced_chi2());
    println!("        true       found       error       sigma");
    for (axis, name) in ["dy", "dx"].into_iter().enumerate() {
        let (shift, sigma) = (found.shift[axis], found.standard_errors()[axis]);
        match truth.map(|t| t[axis]) {
            Some(t) => println!("{name}  {t:+9.4}   {shift:+9.4}   {:+9.4}   {sigma:9.4}", shift - t),
            None => println!("{name}          ?   {shift:+9.4}           ?   {sigma:9.4}"),
        }
    }

    let reach = found.standard_errors().map(|s| (4.2 * s).min(0.5));
    if reach.iter().all(|r| *r > 0.0) {
        let chi2 = chi2_surface(&reference, &moving, params, found.shift, reach, 41)?;
        let scale = if found.scaled_by_residuals { found.reduced_chi2() } else { 1.0 };
        let mut levels = [1.0, 2.0, 3.0];
        for level in &mut levels {
            *level = scale * delta_chi2(*level, 2)?;
        }
        let title = name.to_owned();
        let remark = String::new();
        let surface =
            Chi2Surface { title, remark, chi2, center: found.shift, reach, levels, errors: found.errors };
        let path = std::env::temp_dir().join(format!("{}.png", name.replace([' ', ','], "_")));
        surface.draw()?.write(&path)?;
        println!("χ² about it: {}\n", path.display());
    }
    Ok(())
}
