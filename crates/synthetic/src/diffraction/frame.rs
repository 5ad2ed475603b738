//! A diffraction pattern as a detector sees it.

use std::f64::consts::TAU;

use ndarray::Array2;
use rand::Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, DiskShape, DiskTexture};
use super::{FAR, check_vector, lattice_point};
use crate::random::{Purpose, stream};
use crate::spectrum::check_size;
use crate::{NoiseParams, Result, check};

/// Electrons that went elsewhere than into disks, per pixel.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffractionBackground {
    /// In the middle of the frame; default 0.
    pub constant: f64,
    /// Change along `(y, x)` per px; default none. The background must not become negative.
    pub gradient: [f64; 2],
    /// What was scattered by small angles; default none.
    pub central: Option<CentralBackground>,
}

/// A round Gaussian around the central disk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CentralBackground {
    /// Electrons per pixel at its middle; default 10.
    pub peak: f64,
    /// Width (standard deviation), px, above 0; default 20.
    pub sigma: f64,
}

impl Default for CentralBackground {
    fn default() -> Self {
        CentralBackground { peak: 10.0, sigma: 20.0 }
    }
}

/// A diffraction pattern: disks on a lattice, background, and what a detector does to them.
///
/// A pixel holds the electrons that fell on it: the edge of a disk covers pixels by area, exactly, so that a disk moved
/// by a fraction of a pixel is that disk and no interpolation of it.
///
/// ```
/// use nonius_synthetic::{DiffractionParams, NoiseParams};
///
/// let params = DiffractionParams {
///     zero: [60.25, 66.5],
///     electrons: 5000.0,
///     noise: NoiseParams { sigma: 1.0, ..NoiseParams::poisson(1.0) },
///     seed: 3,
///     ..Default::default()
/// };
/// let made = params.generate()?;
/// let k = made.truth.indices.iter().position(|i| *i == [1, 0]).unwrap();
/// assert_eq!(made.truth.positions[k], [80.25, 66.5]);
/// // The share of a pixel is its electrons over those of a pixel in the disk.
/// let disk = 5000.0 / (std::f64::consts::PI * 25.0);
/// assert!((made.truth.clean[[60, 66]] - disk).abs() < 1e-9);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffractionParams {
    /// Shape `(y, x)`; default 128 × 128.
    pub shape: [usize; 2],
    /// Position `(y, x)` of the central disk, px; default (64, 64).
    pub zero: [f64; 2],
    /// First lattice vector `(y, x)`, px; default (20, 0).
    pub a: [f64; 2],
    /// Second lattice vector, px; default (0, 20).
    pub b: [f64; 2],
    /// Indices go from `−max_index` to `max_index`, at most 200; default 10.
    pub max_index: usize,
    /// Disks whose centre is closer to an edge of the frame than this are left out, px. A negative margin admits disks
    /// from beyond the edge. Default: one that admits all which are seen at all.
    pub margin: Option<f64>,
    /// Radius of the disks, px, from 0.1 to 1e6; default 5.
    pub radius: f64,
    /// Whether and how the disks are stretched; default round.
    pub disk: DiskShape,
    /// Stripes in the disks; default none.
    pub texture: Option<DiskTexture>,
    /// Electrons in the central disk, at least 0; default 1000.
    pub electrons: f64,
    /// Width (standard deviation), px, of the Gaussian by which disks get darker with their distance from zero; default
    /// none, all are equal.
    pub falloff: Option<f64>,
    /// Scatter of the disks' electrons, the central one's apart: the standard deviation of their logarithm; default 0.
    pub spread: f64,
    /// Factors by which single disks are brighter or darker, beside all else: index and factor; default none.
    pub factors: Vec<([i32; 2], f64)>,
    /// Default none.
    pub background: DiffractionBackground,
    /// Counting and readout noise, in electrons; default counting noise of single electrons, `poisson(1)`.
    pub noise: NoiseParams,
    /// How many pixels read `hot_value`, whatever falls on them; default 0.
    pub hot_pixels: usize,
    /// Default 10 000.
    pub hot_value: f64,
    /// How many pixels read 0; default 0.
    pub dead_pixels: usize,
    /// Fixes the noise, the bad pixels, the scatter of the disks and their phases; default 0.
    pub seed: u64,
}

impl Default for DiffractionParams {
    fn default() -> Self {
        DiffractionParams {
            shape: [128, 128],
            zero: [64.0; 2],
            a: [20.0, 0.0],
            b: [0.0, 20.0],
            max_index: 10,
            margin: None,
            radius: 5.0,
            disk: DiskShape::default(),
            texture: None,
            electrons: 1000.0,
            falloff: None,
            spread: 0.0,
            factors: Vec::new(),
            background: DiffractionBackground::default(),
            noise: NoiseParams::poisson(1.0),
            hot_pixels: 0,
            hot_value: 10_000.0,
            dead_pixels: 0,
            seed: 0,
        }
    }
}

/// A pattern and what is true of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffractionFrame {
    /// As detected, in electrons.
    pub frame: Array2<f64>,
    /// What it was made from.
    pub truth: DiffractionTruth,
}

/// What is true of a [`DiffractionFrame`].
#[derive(Debug, Clone, PartialEq)]
pub struct DiffractionTruth {
    /// Electrons expected in every pixel.
    pub clean: Array2<f64>,
    /// Indices `(i, j)` of the disks, i fastest.
    pub indices: Vec<[i32; 2]>,
    /// Their centres `(y, x)`, px.
    pub positions: Vec<[f64; 2]>,
    /// Electrons expected in each, without texture, and with what lies outside the frame.
    pub electrons: Vec<f64>,
    /// Pixels that are hot or dead.
    pub bad: Array2<bool>,
}

impl DiffractionParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for a field outside the range that stands beside it,
    /// [`Error::Empty`](nonius_core::Error::Empty) for a side of 0.
    pub fn validate(&self) -> Result<()> {
        check_size("shape of a diffraction frame", self.shape)?;
        check_vector("zero", self.zero)?;
        check_vector("a", self.a)?;
        check_vector("b", self.b)?;
        check(self.max_index <= 200, "max_index", "at most 200", self.max_index)?;
        check(self.margin.is_none_or(f64::is_finite), "margin", "finite", format!("{:?}", self.margin))?;
        let radius = (0.1..=FAR).contains(&self.radius);
        check(radius, "radius", "between 0.1 and 1e6 px", self.radius)?;
        self.disk.validate()?;
        self.texture.map_or(Ok(()), |texture| texture.validate())?;
        not_negative("electrons", self.electrons)?;
        let falloff = self.falloff.unwrap_or(1.0);
        check(falloff > 0.0 && falloff <= FAR, "falloff", "above 0 and at most 1e6 px", falloff)?;
        check((0.0..=10.0).contains(&self.spread), "spread", "between 0 and 10", self.spread)?;
        self.factors.iter().try_for_each(|(_, factor)| not_negative("factors", *factor))?;
        self.background.validate()?;
        self.noise.validate()?;
        check(self.hot_value.is_finite(), "hot_value", "finite", self.hot_value)?;
        let pixels = self.shape[0] * self.shape[1];
        let bad = self.hot_pixels.saturating_add(self.dead_pixels);
        check(bad <= pixels, "hot_pixels and dead_pixels", "no more than there are pixels", bad)
    }

    /// Makes the frame; the same parameters give the same bits.
    ///
    /// # Errors
    /// Those of [`validate`](DiffractionParams::validate); [`Error::Parameter`](nonius_core::Error::Parameter) for a
    /// background that becomes negative, and those of [`NoiseParams::add`].
    pub fn generate(&self) -> Result<DiffractionFrame> {
        self.generate_numbered(0)
    }

    /// Frame `number` of those that differ in nothing but their noise.
    pub(super) fn generate_numbered(&self, number: usize) -> Result<DiffractionFrame> {
        self.validate()?;
        let mut truth = self.truth()?;
        let noise = &mut stream(self.seed, Purpose::FrameNoise, number);
        let mut frame = self.noise.add_from(truth.clean.view(), noise)?;
        let bad = bad_pixels(self.shape, self.hot_pixels + self.dead_pixels, self.seed);
        for (k, pixel) in bad.into_iter().enumerate() {
            frame[pixel] = if k < self.hot_pixels { self.hot_value } else { 0.0 };
            truth.bad[pixel] = true;
        }
        Ok(DiffractionFrame { frame, truth })
    }

    fn truth(&self) -> Result<DiffractionTruth> {
        let disk = Disk { radius: self.radius, shape: self.disk, texture: self.texture };
        let margin = self.margin.unwrap_or(-disk.reach() - 0.5);
        let [h, w] = self.shape;
        let least = self.background.least(self.shape);
        check(least >= 0.0, "background", "at least 0 everywhere", least)?;
        let mut truth = DiffractionTruth {
            clean: self.background.image(self.shape, self.zero),
            indices: Vec::new(),
            positions: Vec::new(),
            electrons: Vec::new(),
            bad: Array2::from_elem((h, w), false),
        };
        let mut rng = stream(self.seed, Purpose::Scene, 0);
        let n = self.max_index as i32;
        for index in (-n..=n).flat_map(|j| (-n..=n).map(move |i| [i, j])) {
            // Drawn for every index, so that a disk keeps its numbers when the lattice moves another out of the frame.
            let (scatter, phase): (f64, f64) = (rng.sample(StandardNormal), rng.gen_range(0.0..TAU));
            let p = lattice_point(self.zero, self.a, self.b, index);
            let within = |c: f64, n: usize| margin <= c && c < n as f64 - margin;
            if !(within(p[0], h) && within(p[1], w)) {
                continue;
            }
            let electrons = self.electrons_of(index, p, scatter);
            disk.add(&mut truth.clean, p, electrons / disk.area(), phase);
            truth.indices.push(index);
            truth.positions.push(p);
            truth.electrons.push(electrons);
        }
        Ok(truth)
    }

    fn electrons_of(&self, index: [i32; 2], position: [f64; 2], scatter: f64) -> f64 {
        let d2 = (position[0] - self.zero[0]).powi(2) + (position[1] - self.zero[1]).powi(2);
        let falloff = self.falloff.map_or(1.0, |sigma| (-0.5 * d2 / (sigma * sigma)).exp());
        let spread = if index == [0, 0] { 1.0 } else { (self.spread * scatter).exp() };
        let named = self.factors.iter().filter(|(i, _)| *i == index).map(|(_, factor)| factor);
        self.electrons * falloff * spread * named.product::<f64>()
    }
}

impl DiffractionBackground {
    pub(super) fn validate(&self) -> Result<()> {
        not_negative("background constant", self.constant)?;
        let gradient = self.gradient;
        check(gradient.iter().all(|g| g.is_finite()), "gradient", "finite", format!("{gradient:?}"))?;
        self.central.map_or(Ok(()), |central| {
            not_negative("central peak", central.peak)?;
            let sigma = central.sigma > 0.0 && central.sigma <= FAR;
            check(sigma, "central sigma", "above 0 and at most 1e6 px", central.sigma)
        })
    }

    fn plane(&self, [h, w]: [usize; 2]) -> impl Fn(f64, f64) -> f64 {
        let DiffractionBackground { constant, gradient, .. } = *self;
        let middle = [(h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0];
        move |y, x| constant + gradient[0] * (y - middle[0]) + gradient[1] * (x - middle[1])
    }

    /// The least value anywhere, apart from what is central, if that is below 0; else 0.
    pub(super) fn least(&self, shape: [usize; 2]) -> f64 {
        // A plane is least in a corner.
        let (plane, [y, x]) = (self.plane(shape), shape.map(|n| n as f64 - 1.0));
        [plane(0.0, 0.0), plane(0.0, x), plane(y, 0.0), plane(y, x)].into_iter().fold(0.0, f64::min)
    }

    /// The background alone, of a pattern around `zero`.
    pub(super) fn image(&self, shape: [usize; 2], zero: [f64; 2]) -> Array2<f64> {
        let (plane, central) =
            (self.plane(shape), self.central.unwrap_or(CentralBackground { peak: 0.0, sigma: 1.0 }));
        // A round Gaussian is a product of one along y and one along x.
        let [along_y, along_x] = [0, 1].map(|axis| -> Vec<f64> {
            let gaussian = |i: usize| (-0.5 * ((i as f64 - zero[axis]) / central.sigma).powi(2)).exp();
            (0..shape[axis]).map(gaussian).collect()
        });
        Array2::from_shape_fn(shape, |(y, x)| {
            plane(y as f64, x as f64) + central.peak * along_y[y] * along_x[x]
        })
    }
}

pub(super) fn not_negative(name: &'static str, v: f64) -> Result<()> {
    check((0.0..=1e15).contains(&v), name, "between 0 and 1e15", v)
}

/// `n` pixels drawn from the seed, none twice.
pub(super) fn bad_pixels([h, w]: [usize; 2], n: usize, seed: u64) -> Vec<[usize; 2]> {
    let mut rng = stream(seed, Purpose::BadPixels, 0);
    // The first steps of a shuffle of all pixels, without the list of them.
    let mut moved = std::collections::HashMap::new();
    let draw = |k: usize| {
        let other = rng.gen_range(k..h * w);
        let drawn = *moved.get(&other).unwrap_or(&other);
        let first = *moved.get(&k).unwrap_or(&k);
        moved.insert(other, first);
        [drawn / w, drawn % w]
    };
    (0..n).map(draw).collect()
}
