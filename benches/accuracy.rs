//! How far estimates scatter, against the Cramér–Rao bound, and how often their error bars hold the truth.
//!
//! `cargo xtask accuracy` starts this program; it prints the table and leaves `accuracy.md`,
//! `accuracy.json` and `accuracy.png` in the folder given by `--out` (default `target/accuracy`). `--draws N` sets the number
//! of draws per row (default 300), `--rows TEXT` keeps the rows whose name contains TEXT; those of disks begin with
//! `disks`, then come `strain scan` and `recorded frames`.

#[path = "accuracy_disks.rs"]
mod disks;

use std::fmt::Write as _;

use ndarray::{Array2, ArrayView2};
use nonius::chi2::{Chi2Image, Chi2Params, CorrelatedNoise, NoiseSpectrum, chi2_shift};
use nonius::core::invert_symmetric;
use nonius::plot::{AccuracyChart, AccuracyRow};
use nonius::registration::{MaskedParams, RegistrationParams, RegistrationPlan, Status, register_masked};
use nonius::synthetic::{Content, ImagePairParams, Motion, NoiseParams, Scene, SceneParams};
use rayon::prelude::*;

/// Errors beyond this are wrong peaks, counted apart, px.
const OUTLIER: f64 = 1.5;

/// Largest displacement drawn along an axis, px.
const REACH: f64 = 4.0;

/// One row: a scene with its noise, and how it is registered.
struct Row {
    scene: &'static str,
    what: &'static str,
    sigma: f64,
    pair: fn(f64) -> ImagePairParams,
    estimator: Estimator,
    /// Valid pixels of the moving image; all if there are none.
    mask: Option<fn(usize, usize) -> bool>,
    /// Factor on the moving image's noise, pixel by pixel.
    uneven: Option<fn(usize, usize) -> f64>,
    /// What is said of the noise's spectrum.
    spectrum: Spectrum,
}

#[derive(Clone, Copy)]
enum Spectrum {
    Unknown,
    /// As it is.
    True,
    /// From noise alone, 128 × 128 px of it.
    BlankRegion,
}

#[derive(Clone, Copy)]
enum Estimator {
    /// As a mask, if there is one, by `register_masked`.
    Registration(RegistrationParams),
    Chi2(Chi2Params),
}

/// What the draws of a row came to.
#[derive(Default)]
struct Tally {
    squares: f64,
    bounds: f64,
    claimed: f64,
    within: [f64; 2],
    values: f64,
    outliers: usize,
    not_converged: usize,
}

fn scene(pair: fn([f64; 2], f64, u64) -> ImagePairParams, sigma: f64) -> ImagePairParams {
    pair([0.0; 2], sigma, 0)
}

fn rows() -> Vec<Row> {
    let periodic = RegistrationParams::periodic();
    let default = RegistrationParams::default();
    let a = |s| scene(ImagePairParams::scene_a, s);
    let b = |s| scene(ImagePairParams::scene_b, s);
    let ab = |s| scene(ImagePairParams::scene_ab, s);
    let c = |s| scene(ImagePairParams::scene_c, s);
    let c_both = |s: f64| ImagePairParams {
        reference_noise: NoiseParams::white(s),
        ..scene(ImagePairParams::scene_c, s)
    };
    let c_swapped = |s: f64| ImagePairParams {
        reference_noise: NoiseParams::white(s),
        moving_noise: NoiseParams::white(0.0),
        ..scene(ImagePairParams::scene_c, s)
    };
    let c_blurred = |s: f64| ImagePairParams {
        moving_noise: NoiseParams::blurred(s, 1.0),
        ..scene(ImagePairParams::scene_c, s)
    };
    let a_blurred = |s: f64| ImagePairParams {
        moving_noise: NoiseParams::blurred(s, 1.0),
        ..scene(ImagePairParams::scene_a, s)
    };
    let texture_both = |s: f64| ImagePairParams { reference_noise: NoiseParams::white(s), ..texture_pair(s) };
    let c_large = |s: f64| ImagePairParams {
        scene: SceneParams { shape: [160, 144], ..scene(ImagePairParams::scene_c, s).scene },
        reference_noise: NoiseParams::white(s),
        ..scene(ImagePairParams::scene_c, s)
    };
    let row = |scene, what, sigma, pair, params| {
        let estimator = Estimator::Registration(params);
        Row { scene, what, sigma, pair, estimator, mask: None, uneven: None, spectrum: Spectrum::Unknown }
    };
    let masked =
        |scene, what, sigma, pair, mask| Row { mask: Some(mask), ..row(scene, what, sigma, pair, default) };
    let chi2 = |scene, what, sigma, pair, params| Row {
        estimator: Estimator::Chi2(params),
        ..row(scene, what, sigma, pair, default)
    };
    let uneven = |row: Row| Row { mask: Some(half), uneven: Some(tenfold), ..row };
    let wraps = Chi2Params::periodic();
    let crops = Chi2Params::default();
    let allowed = |params| Chi2Params { correlated_noise: CorrelatedNoise::Sandwich, ..params };
    let white = |params| Chi2Params { correlated_noise: CorrelatedNoise::Whiten, ..params };
    let told = |spectrum, row: Row| Row { spectrum, ..row };
    let a_07 = |s: f64| ImagePairParams {
        moving_noise: NoiseParams::blurred(s, 0.7),
        ..scene(ImagePairParams::scene_a, s)
    };
    let a_2 = |s: f64| ImagePairParams {
        moving_noise: NoiseParams::blurred(s, 2.0),
        ..scene(ImagePairParams::scene_a, s)
    };
    let c_07 = |s: f64| ImagePairParams {
        moving_noise: NoiseParams::blurred(s, 0.7),
        ..scene(ImagePairParams::scene_c, s)
    };
    let c_2 = |s: f64| ImagePairParams {
        moving_noise: NoiseParams::blurred(s, 2.0),
        ..scene(ImagePairParams::scene_c, s)
    };
    vec![
        row("A", "periodic, noise in the moving image", 0.033, a, periodic),
        row("A", "periodic, noise in the moving image", 0.1, a, periodic),
        row("A", "periodic, noise in the moving image", 1.0, a, periodic),
        row("A", "periodic, noise in the moving image", 3.0, a, periodic),
        row("B", "Gaussian source, declared periodic", 0.01, b, periodic),
        row("B", "Gaussian source, declared periodic", 0.333, b, periodic),
        row("Ab", "periodic, noise in both", 0.1, ab, periodic),
        row("Ab", "periodic, noise in both", 1.0, ab, periodic),
        row("A blurred noise", "periodic, noise blurred by 1 px", 0.1, a_blurred, periodic),
        row("C", "content enters and leaves, default", 0.033, c, default),
        row("C", "content enters and leaves, default", 0.1, c, default),
        row("C", "content enters and leaves, default", 0.333, c, default),
        row("C", "content enters and leaves, default", 1.0, c, default),
        row("C swapped", "noise in the reference, default", 0.1, c_swapped, default),
        row("C swapped", "noise in the reference, default", 1.0, c_swapped, default),
        row("C both", "noise in both, default", 0.1, c_both, default),
        row("C both", "noise in both, default", 1.0, c_both, default),
        row("C blurred noise", "noise blurred by 1 px, default", 0.1, c_blurred, default),
        row("texture", "power law to 0.35 cycles per px, default", 0.033, texture_pair, default),
        row("texture", "power law to 0.35 cycles per px, default", 0.333, texture_pair, default),
        row("texture both", "the same, noise in both", 0.333, texture_both, default),
        row("C both 160×144", "noise in both, default, searched at half the size", 0.333, c_large, default),
        masked("C masked", "a sixth of the moving image hidden in one piece", 0.1, c, one_piece),
        masked("C masked", "a sixth of the moving image hidden in one piece", 0.333, c, one_piece),
        masked("C masked both", "the same, noise in both", 0.333, c_both, one_piece),
        masked("C masked dense", "every third pixel hidden", 0.1, c, every_third),
        chi2("χ² A", "σ given, periodic", 0.033, a, wraps),
        chi2("χ² A", "σ given, periodic", 1.0, a, wraps),
        chi2("χ² A", "σ given, periodic", 3.0, a, wraps),
        chi2("χ² B", "σ given, periodic", 0.01, b, wraps),
        chi2("χ² B", "σ given, periodic", 0.333, b, wraps),
        chi2("χ² C", "σ given, default", 0.033, c, crops),
        chi2("χ² C", "σ given, default", 0.1, c, crops),
        chi2("χ² C", "σ given, default", 1.0, c, crops),
        chi2("χ² C swapped", "noise in the reference, its σ given", 0.1, c_swapped, crops),
        chi2("χ² C both", "noise in both, their σ given", 0.333, c_both, crops),
        uneven(chi2("χ² A uneven", "σ varies tenfold, half the pixels hidden, periodic", 0.1, a, wraps)),
        uneven(chi2("χ² C uneven", "σ varies tenfold, half the pixels hidden, default", 0.1, c, crops)),
        chi2("χ² A blurred .7", "correlated noise allowed for, periodic", 0.1, a_07, allowed(wraps)),
        chi2("χ² A blurred 2", "correlated noise allowed for, periodic", 0.1, a_2, allowed(wraps)),
        chi2("χ² C blurred .7", "correlated noise allowed for, default", 0.1, c_07, allowed(crops)),
        chi2("χ² C blurred 2", "correlated noise allowed for, default", 0.1, c_2, allowed(crops)),
        told(
            Spectrum::BlankRegion,
            chi2("χ² A blank .7", "allowed for by a blank region", 0.1, a_07, allowed(wraps)),
        ),
        told(
            Spectrum::BlankRegion,
            chi2("χ² A blank 2", "allowed for by a blank region", 0.1, a_2, allowed(wraps)),
        ),
        told(
            Spectrum::BlankRegion,
            chi2("χ² C blank .7", "allowed for by a blank region", 0.1, c_07, allowed(crops)),
        ),
        told(
            Spectrum::BlankRegion,
            chi2("χ² C blank 2", "allowed for by a blank region", 0.1, c_2, allowed(crops)),
        ),
        told(
            Spectrum::True,
            chi2("χ² A whitened .7", "noise blurred by 0.7 px, periodic", 0.1, a_07, white(wraps)),
        ),
        told(
            Spectrum::True,
            chi2("χ² A whitened 2", "noise blurred by 2 px, periodic", 0.1, a_2, white(wraps)),
        ),
        told(
            Spectrum::True,
            chi2("χ² C whitened .7", "noise blurred by 0.7 px, default", 0.1, c_07, white(crops)),
        ),
        told(
            Spectrum::True,
            chi2("χ² C whitened 2", "noise blurred by 2 px, default", 0.1, c_2, white(crops)),
        ),
        told(
            Spectrum::BlankRegion,
            chi2("χ² A whitened by a region .7", "as a blank region says", 0.1, a_07, white(wraps)),
        ),
        told(
            Spectrum::BlankRegion,
            chi2("χ² A whitened by a region 2", "as a blank region says", 0.1, a_2, white(wraps)),
        ),
        told(
            Spectrum::BlankRegion,
            chi2("χ² C whitened by a region .7", "as a blank region says", 0.1, c_07, white(crops)),
        ),
        told(
            Spectrum::BlankRegion,
            chi2("χ² C whitened by a region 2", "as a blank region says", 0.1, c_2, white(crops)),
        ),
        row("A overlap", "scene A taken for a frame that does not wrap", 0.1, a, default),
        row("B overlap", "Gaussian source, default", 0.1, b, default),
    ]
}

fn one_piece(y: usize, x: usize) -> bool {
    !((8..34).contains(&y) && (20..46).contains(&x))
}

fn every_third(y: usize, x: usize) -> bool {
    // No pattern that a displacement could repeat.
    !(y * 7919 + x * 104_729 + y * x * 31).is_multiple_of(3)
}

fn half(y: usize, x: usize) -> bool {
    (y * 7919 + x * 104_729 + y * x * 31) % 97 < 48
}

/// Noise levels from 0.3 to 3.
fn tenfold(y: usize, x: usize) -> f64 {
    0.3 * 10_f64.powf(0.5 + 0.5 * (0.2 * y as f64 + 0.13 * x as f64).sin())
}

fn texture_pair(s: f64) -> ImagePairParams {
    let mut pair = scene(ImagePairParams::scene_c, s);
    pair.scene.content = Content::Texture { exponent: 2.0, cutoff: 0.35 };
    pair
}

impl Row {
    /// Registers one draw: errors, bound and covariance, or None for a wrong peak.
    fn draw(&self, seed: u64, plan: &RegistrationPlan<f64>) -> nonius::core::Result<(Draw, Status)> {
        let pair = (self.pair)(self.sigma);
        let shift = displacement(seed);
        let scene = Scene::new(&pair.scene, seed)?;
        let mut images =
            scene.pair(&Motion::shift(shift), &pair.reference_noise, &pair.moving_noise, seed)?;
        let sigma = pair.reference_noise.sigma.hypot(pair.moving_noise.sigma);
        let uneven = self.uneven.unwrap_or(|_, _| 1.0);
        if self.uneven.is_some() {
            let clean = scene.view(&Motion::shift(shift))?;
            for ((y, x), v) in images.moving.indexed_iter_mut() {
                *v = clean[[y, x]] + uneven(y, x) * (*v - clean[[y, x]]);
            }
        }
        let (reference, moving) = (images.reference.view(), images.moving.view());
        let sigmas = Array2::from_shape_fn(moving.dim(), |(y, x)| sigma * uneven(y, x));
        let mask = self.mask.map(|valid| Array2::from_shape_fn(moving.dim(), |(y, x)| valid(y, x)));
        let bound = bound(&scene, shift, sigmas.view(), mask.as_ref())?;
        let (found, covariance, status) = match (self.estimator, &mask) {
            (Estimator::Chi2(params), mask) => {
                let levels = [pair.reference_noise.sigma, pair.moving_noise.sigma];
                let mut images = [Chi2Image::new(reference), Chi2Image::new(moving)];
                for (image, level) in images.iter_mut().zip(levels).filter(|(_, level)| *level > 0.0) {
                    *image = image.with_sigma(level);
                }
                if self.uneven.is_some() {
                    images[1] = images[1].with_sigmas(sigmas.view());
                }
                let spectrum = self.spectrum.of(&pair.moving_noise, moving.dim(), seed)?;
                images[1].spectrum = spectrum.as_ref();
                if let Some(mask) = mask {
                    images[1] = images[1].with_mask(mask.view());
                }
                let found = chi2_shift(&images[0], &images[1], &params)?;
                (found.shift, found.covariance, found.status)
            }
            (Estimator::Registration(_), None) => {
                let found = plan.register(reference, moving)?;
                (found.shift, found.covariance, found.status)
            }
            (Estimator::Registration(_), Some(mask)) => {
                let params = MaskedParams::default();
                let found = register_masked(reference, moving, None, Some(mask.view()), &params)?;
                (found.shift, found.covariance, found.status)
            }
        };
        let error = [found[0] - shift[0], found[1] - shift[1]];
        Ok((Draw { error, bound, variance: [covariance[0][0], covariance[1][1]] }, status))
    }
}

impl Spectrum {
    fn of(
        self,
        noise: &NoiseParams,
        shape: (usize, usize),
        seed: u64,
    ) -> nonius::core::Result<Option<NoiseSpectrum>> {
        match self {
            Spectrum::Unknown => Ok(None),
            Spectrum::True => NoiseSpectrum::new(noise.power_spectrum([shape.0, shape.1])?.view()).map(Some),
            Spectrum::BlankRegion => {
                let blank = noise.add(Array2::zeros((128, 128)).view(), seed + 1_000_000)?;
                NoiseSpectrum::from_blank_region(blank.view(), shape).map(Some)
            }
        }
    }
}

struct Draw {
    error: [f64; 2],
    bound: [f64; 2],
    variance: [f64; 2],
}

/// A displacement in ±[`REACH`], the same for every row.
fn displacement(seed: u64) -> [f64; 2] {
    // Weyl sequences of two irrational numbers fill the square evenly.
    let fraction = |step: f64| ((seed + 1) as f64 * step).fract();
    [0.754_877_666_246_692_7, 0.569_840_290_998_053_2].map(|step| REACH * (2.0 * fraction(step) - 1.0))
}

/// Cramér–Rao bound of the displacement of a known scene, from differences of the scene itself (a crop has
/// no transform that knows what lies beside it), for white noise of this size.
fn bound(
    scene: &Scene,
    shift: [f64; 2],
    sigmas: ArrayView2<'_, f64>,
    mask: Option<&Array2<bool>>,
) -> nonius::core::Result<[f64; 2]> {
    let step = 1e-3;
    let slope = |axis: usize| -> nonius::core::Result<Array2<f64>> {
        let (mut low, mut high) = (shift, shift);
        low[axis] -= step;
        high[axis] += step;
        let mut slope =
            (scene.view(&Motion::shift(high))? - scene.view(&Motion::shift(low))?) / (2.0 * step) / sigmas;
        if let Some(mask) = mask {
            slope.zip_mut_with(mask, |s, &valid| *s = if valid { *s } else { 0.0 });
        }
        Ok(slope)
    };
    let (y, x) = (slope(0)?, slope(1)?);
    let product = |a: &Array2<f64>, b: &Array2<f64>| (a * b).sum();
    let information = [[product(&y, &y), product(&y, &x)], [product(&y, &x), product(&x, &x)]];
    let inverse = invert_symmetric(information).expect("a scene with structure");
    Ok([inverse[0][0], inverse[1][1]])
}

fn tally(row: &Row, draws: u64) -> Tally {
    let shape = (row.pair)(row.sigma).scene.shape;
    let params = match row.estimator {
        Estimator::Registration(params) => params,
        Estimator::Chi2(_) => RegistrationParams::default(),
    };
    let plan = RegistrationPlan::new((shape[0], shape[1]), params).expect("parameters that can be");
    let results: Vec<_> = (0..draws)
        .into_par_iter()
        .map(|seed| row.draw(seed, &plan).expect("images that can be registered"))
        .collect();
    let mut tally = Tally::default();
    for (draw, status) in results {
        tally.not_converged += usize::from(status != Status::Converged);
        if draw.error[0].hypot(draw.error[1]) < OUTLIER {
            for axis in 0..2 {
                tally.squares += draw.error[axis].powi(2);
                tally.bounds += draw.bound[axis];
                tally.claimed += draw.variance[axis];
                for (n_sigma, within) in [1.0, 2.0].iter().zip(&mut tally.within) {
                    *within += f64::from(draw.error[axis].abs() <= n_sigma * draw.variance[axis].sqrt());
                }
                tally.values += 1.0;
            }
        } else {
            tally.outliers += 1;
        }
    }
    tally
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|a| a != name);
    arguments.next().and_then(|_| arguments.next())
}

#[allow(clippy::print_stdout, reason = "a program")]
fn main() -> anyhow::Result<()> {
    let draws = argument("--draws").and_then(|n| n.parse().ok()).unwrap_or(300);
    let only = argument("--rows").unwrap_or_default();
    let out = std::path::PathBuf::from(argument("--out").unwrap_or_else(|| "target/accuracy".into()));
    let mut table = format!(
        "Errors over {draws} draws per row, 64×64 px unless said, displacements within ±{REACH} px; an honest 1σ bar holds the \
         truth in 68.3 %, a 2σ bar in 95.4 % (sampling error about 2 %).\n\n\
         | scene | σ | bound, px | RMS ÷ bound | claimed ÷ bound | 1σ, % | 2σ, % | beyond {OUTLIER} px | flagged |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    print!("{table}");
    let mut records = Vec::new();
    let mut chart =
        AccuracyChart { title: format!("Accuracy of shifts, {draws} draws per row"), rows: Vec::new() };
    for row in rows().iter().filter(|r| r.scene.contains(&only)) {
        let t = tally(row, draws);
        let bound = (t.bounds / t.values).sqrt();
        let (rms, claimed) = ((t.squares / t.bounds).sqrt(), (t.claimed / t.bounds).sqrt());
        let within = t.within.map(|w| 100.0 * w / t.values);
        let mut line = String::new();
        let _ = writeln!(
            line,
            "| {}: {} | {} | {bound:.4} | {rms:.2} | {claimed:.2} | {:.1} | {:.1} | {} | {} |",
            row.scene, row.what, row.sigma, within[0], within[1], t.outliers, t.not_converged
        );
        print!("{line}");
        table += &line;
        chart.rows.push(AccuracyRow {
            name: format!("{}, σ {}", row.scene, row.sigma),
            rms_over_bound: rms,
            claimed_over_bound: claimed,
            within_1_sigma: within[0],
        });
        records.push(serde_json::json!({
            "scene": row.scene, "what": row.what, "sigma": row.sigma, "draws": draws, "bound_px": bound,
            "rms_over_bound": rms, "claimed_over_bound": claimed, "within_1_sigma": within[0],
            "within_2_sigma": within[1], "outliers": t.outliers, "flagged": t.not_converged,
        }));
    }
    let report = disks::tables(draws, &only)?;
    table += &report.table;
    records.extend(report.records);
    std::fs::create_dir_all(&out)?;
    std::fs::write(out.join("accuracy.md"), &table)?;
    if let Ok(picture) = chart.draw() {
        std::fs::write(out.join("accuracy.png"), picture.png())?;
    }
    Ok(std::fs::write(out.join("accuracy.json"), serde_json::to_string_pretty(&records)?)?)
}
