//! The frames of a scan over a polycrystal.

use std::ops::Range;

use ndarray::Array2;
use nonius_core::{Border, DType, Error, FrameSource, PixelsMut, check_frames, check_room, gaussian_filter};
use rand::Rng;
use rand_distr::StandardNormal;

use super::grains::{row_times, shares};
use super::params::PolycrystalParams;
use super::reflections::{Reflection, Reflections};
use super::truth::PolycrystalTruth;
use crate::Result;
use crate::diffraction::frame::bad_pixels;
use crate::poisson::PoissonTables;
use crate::random::{Purpose, stream};

/// Rings end at so many widths from their crest, where 4e-6 of it are left.
const RING_REACH: f64 = 5.0;

/// Frames of a polycrystal with lattices that are known. Each is made when it is asked for, and has the same bits whoever
/// asks, and when; pixels are 8 or 16 bits, row by row of the scan.
#[derive(Debug, Clone)]
pub struct PolycrystalScan {
    params: PolycrystalParams,
    truth: PolycrystalTruth,
    /// Of each phase.
    reflections: Vec<Reflections>,
    /// Hot ones first.
    bad: Vec<[usize; 2]>,
    poisson: PoissonTables,
}

/// A frame and what is true of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PolycrystalFrame {
    /// As recorded.
    pub frame: Array2<u16>,
    /// Levels expected in every pixel, before noise, rounding and cuts.
    pub clean: Array2<f64>,
    /// Pixels that are hot or dead.
    pub bad: Array2<bool>,
    /// Where spots are, and how bright, the direct beam first; also of those that are too faint to be seen.
    pub spots: Vec<PolycrystalSpot>,
}

/// A spot of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolycrystalSpot {
    /// The grain it belongs to; None for the direct beam.
    pub grain: Option<usize>,
    /// Indices `(i, j)`, fractional for superlattice spots.
    pub index: [f64; 2],
    /// Its centre `(y, x)`, px.
    pub position: [f64; 2],
    /// Expected level within it, before the detector's blur.
    pub level: f64,
    /// Phase of its stripes, if it has such, rad.
    pub texture_phase: f64,
}

impl PolycrystalScan {
    /// The scan that `params` describe.
    ///
    /// # Errors
    /// Those of [`PolycrystalParams::validate`].
    pub fn new(params: &PolycrystalParams) -> Result<Self> {
        params.validate()?;
        Ok(PolycrystalScan {
            truth: PolycrystalTruth::new(params),
            reflections: (0..params.phases.len()).map(|phase| Reflections::new(params, phase)).collect(),
            bad: bad_pixels(params.shape, params.hot_pixels + params.dead_pixels, params.seed),
            poisson: PoissonTables::new(),
            params: params.clone(),
        })
    }

    /// What it was made from.
    pub fn params(&self) -> &PolycrystalParams {
        &self.params
    }

    /// What is true at every position, those without a frame included.
    pub fn truth(&self) -> &PolycrystalTruth {
        &self.truth
    }

    /// Positions `(y, x)` of the scan.
    pub fn scan_shape(&self) -> (usize, usize) {
        (self.params.scan[0], self.params.scan[1])
    }

    /// Frame `index` with its truth.
    ///
    /// # Errors
    /// [`Error::Frame`] if there is no such frame, [`Error::Parameter`] for more than 1e9 counts in a pixel.
    pub fn frame_with_truth(&self, index: usize) -> Result<PolycrystalFrame> {
        check_frames(&(index..index.saturating_add(1)), self.n_frames())?;
        let spots = self.spots(index);
        let clean = self.clean(index, &spots)?;
        let mut frame = Array2::zeros(clean.dim());
        let recorded = self.recorded(index, &clean)?;
        frame.iter_mut().zip(&recorded).for_each(|(o, &v)| *o = v as u16);
        let mut bad = Array2::from_elem(clean.dim(), false);
        self.bad.iter().for_each(|&pixel| bad[pixel] = true);
        Ok(PolycrystalFrame { frame, clean, bad, spots })
    }

    fn position(&self, index: usize) -> (usize, usize) {
        (index / self.params.scan[1], index % self.params.scan[1])
    }

    /// Beam current of a frame, 1 on average.
    fn current(&self, index: usize) -> f64 {
        let normal: f64 = stream(self.params.seed, Purpose::Flicker, index).sample(StandardNormal);
        (self.params.brightness.flicker * normal).exp()
    }

    fn spots(&self, index: usize) -> Vec<PolycrystalSpot> {
        let PolycrystalParams { brightness, shape, boundary_width, .. } = &self.params;
        let place = self.position(index);
        let at = [place.0 as f64, place.1 as f64];
        let zero = [0, 1].map(|axis| self.truth.zero[[place.0, place.1, axis]]);
        let current = self.current(index);
        let reach = self.params.spot().reach() + 0.5;
        let seen = |p: [f64; 2]| (0..2).all(|k| -reach <= p[k] && p[k] <= shape[k] as f64 - 1.0 + reach);
        let direct = current * brightness.direct;
        let mut spots = vec![PolycrystalSpot {
            grain: None,
            index: [0.0; 2],
            position: zero,
            level: direct,
            texture_phase: 0.0,
        }];
        for (k, share) in shares(&self.truth.grains, at, *boundary_width) {
            let grain = &self.truth.grains[k];
            let phase = &self.params.phases[grain.phase];
            let (deformed, tilt) = (grain.to_pattern(at), grain.tilt_at(at));
            let mut add = |reflection: &Reflection, factor: f64| {
                let [i, j] = reflection.index;
                let g = row_times([0, 1].map(|axis| i * phase.a[axis] + j * phase.b[axis]), deformed);
                let position = [zero[0] + g[0], zero[1] + g[1]];
                if seen(position) {
                    let (strength, texture_phase) = reflection.strength(&self.params, k);
                    let level = factor * strength * brightness.envelope(g, tilt);
                    let (grain, index) = (Some(k), reflection.index);
                    spots.push(PolycrystalSpot { grain, index, position, level, texture_phase });
                }
            };
            let factor = share * current * self.truth.thickness[place] * brightness.diffracted;
            let Reflections { lattice, superlattice } = &self.reflections[grain.phase];
            lattice.iter().for_each(|reflection| add(reflection, factor));
            if self.truth.superlattice[place] && self.truth.labels[place] == Some(k) {
                let level = self.params.core.map_or(0.0, |core| core.level);
                superlattice.iter().for_each(|reflection| add(reflection, factor * level));
            }
        }
        spots
    }

    /// Levels expected in every pixel.
    fn clean(&self, index: usize, spots: &[PolycrystalSpot]) -> Result<Array2<f64>> {
        let PolycrystalParams { shape, ring, blur, .. } = self.params;
        let zero = spots[0].position;
        let mut clean = self.params.background.image(shape, zero);
        if let Some(ring) = ring {
            for ((y, x), v) in clean.indexed_iter_mut() {
                let r = ((y as f64 - zero[0]).powi(2) + (x as f64 - zero[1]).powi(2)).sqrt();
                let t = (r - ring.radius) / ring.width;
                if t.abs() < RING_REACH {
                    *v += ring.level * (-0.5 * t * t).exp();
                }
            }
        }
        clean *= self.current(index);
        let disk = self.params.spot();
        for spot in spots {
            disk.add(&mut clean, spot.position, spot.level, spot.texture_phase);
        }
        if blur > 0.0 { gaussian_filter(clean.view(), blur, Border::Mirror) } else { Ok(clean) }
    }

    /// Whole levels as recorded.
    fn recorded(&self, index: usize, clean: &Array2<f64>) -> Result<Array2<f64>> {
        let noise = &mut stream(self.params.seed, Purpose::FrameNoise, index);
        let mut frame = self
            .params
            .noise
            .add_counted(clean.view(), noise, |mean, noise| self.poisson.sample(mean, noise))?;
        for (k, &pixel) in self.bad.iter().enumerate() {
            frame[pixel] = if k < self.params.hot_pixels { self.params.hot_value } else { 0.0 };
        }
        let largest = self.params.depth.largest();
        frame.mapv_inplace(|v| v.round().clamp(0.0, largest));
        Ok(frame)
    }
}

impl FrameSource for PolycrystalScan {
    fn n_frames(&self) -> usize {
        self.params.scan[0] * self.params.scan[1] - self.params.missing
    }

    fn frame_shape(&self) -> (usize, usize) {
        (self.params.shape[0], self.params.shape[1])
    }

    fn dtype(&self) -> DType {
        self.params.depth.dtype()
    }

    fn read(&self, frames: Range<usize>, mut out: PixelsMut<'_>) -> Result<()> {
        check_frames(&frames, self.n_frames())?;
        let pixels = self.params.shape[0] * self.params.shape[1];
        check_room(frames.start, &out, self.dtype(), frames.len() * pixels)?;
        for (k, index) in frames.enumerate() {
            let recorded = self.recorded(index, &self.clean(index, &self.spots(index))?)?;
            let recorded = recorded.iter();
            match out.reborrow().slice(k * pixels..(k + 1) * pixels) {
                PixelsMut::U8(out) => out.iter_mut().zip(recorded).for_each(|(o, &v)| *o = v as u8),
                PixelsMut::U16(out) => out.iter_mut().zip(recorded).for_each(|(o, &v)| *o = v as u16),
                _ => return Err(Error::Frame { index, reason: "room of another type".into() }),
            }
        }
        Ok(())
    }
}
