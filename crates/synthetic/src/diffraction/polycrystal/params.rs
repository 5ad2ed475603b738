//! What a polycrystalline scan is made from.

use nonius_core::{DType, check_not_empty};
use serde::{Deserialize, Serialize};

use crate::diffraction::disk::Disk;
use crate::diffraction::frame::not_negative;
use crate::diffraction::{
    CentralBackground, DiffractionBackground, DiskShape, DiskTexture, FAR, check_vector,
};
use crate::spectrum::check_size;
use crate::{NoiseParams, Result, check};

/// Most positions of a scan: what is true of each takes some hundred bytes.
const MAX_POSITIONS: usize = 1 << 24;
/// Most grains.
const MAX_GRAINS: usize = 1000;
/// Most phases.
const MAX_PHASES: usize = 16;
/// Most reflections of a phase on a frame.
const MAX_REFLECTIONS: f64 = 1e5;
/// Largest strain anywhere.
const MAX_STRAIN: f64 = 0.3;

/// A scan over a polycrystal, as precession nano-beam diffraction records it: sharp spots whose lattice, orientation and
/// brightness belong to a grain, a halo around the direct beam, counting noise, whole numbers.
///
/// Coordinates of the scan are positions `(y, x)`, zero at the first; brightness is told in levels of the output, before
/// it is cut to what its numbers hold. What is drawn at random comes from `seed`.
///
/// The default has the size of the reference document, 90 × 121 frames of 144 × 144 bytes, eleven grains of two phases
/// and a core with superlattice spots.
///
/// **Grains** are the Voronoi cells of seeds that keep apart; each has a phase, a rotation from 0 to π, a mean strain, a
/// tilt, and gradients of these. None at all leaves what an amorphous film shows: direct beam, halo and ring.
///
/// **Lattices.** With ε the strain at a position (real space, on columns `(y, x)`) and θ the rotation, the crystal is its
/// phase's unstrained one deformed by F = R(θ)(1 + ε), so that the rows a, b of its pattern are G = G₀ F⁻¹, where the rows of
/// G₀ are those of the phase. R(θ) turns +x towards +y. Strain is therefore resolved along the axes of the unrotated
/// cell, not of the frame.
///
/// **Brightness** of the reflection at g, relative to the direct beam's place, in a grain of tilt t:
///
/// ```text
/// level = diffracted · S · Z · exp(−g²/2 falloff²) · exp(−½ ((g² + 2 g·t)/relrod²)²) · (1 + thickness · f) · flicker
/// ```
///
/// where ln S is normal for each pair ±g of a phase, ln Z for each reflection of a grain, f a smooth function of the
/// position, from −1 to 1. The second exponential is the distance of the Ewald sphere from a reflection (for a Laue circle
/// centred at −t) in lengths of its rod.
///
/// ```
/// use nonius_core::ReadFrames;
/// use nonius_synthetic::{PolycrystalParams, PolycrystalScan};
///
/// let scan = PolycrystalScan::new(&PolycrystalParams { scan: [6, 8], grains: 3, ..Default::default() })?;
/// assert_eq!(scan.frame::<f32>(47)?.dim(), (144, 144));
/// assert!(scan.truth().labels.iter().all(|label| label.is_some_and(|grain| grain < 3)));
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolycrystalParams {
    /// Positions `(y, x)` of the scan, at most 2²⁴; default 90 × 121.
    pub scan: [usize; 2],
    /// Shape `(y, x)` of the frames; default 144 × 144.
    pub shape: [usize; 2],
    /// Number of grains, at most 1000 and no more than positions; default 11. Without any, nothing is crystalline.
    pub grains: usize,
    /// The crystals that grains are of, 1 to 16; default a rectangular and an oblique cell. Every phase has a grain
    /// if there are as many.
    pub phases: Vec<PhaseParams>,
    /// Width over which a frame at a boundary shows both patterns, positions: their shares change linearly with the
    /// distance from it, from 1 : 0 at half the width on one side to 0 : 1 on the other. 0 is sharp; default 2.
    pub boundary_width: f64,
    /// A round part of the largest grain of the first phase that has superlattice spots; default one of radius 7.
    pub core: Option<CoreParams>,
    /// Each grain's mean ε_xx, ε_yy and ε_xy are drawn evenly from ± this, from 0 to 0.1; default 0.006.
    pub strain: f64,
    /// Their change per position: for each component this size, in a direction of its own, at least 0; default 1e-4.
    pub strain_gradient: f64,
    /// Change of the rotation per position, rad, in a direction of its own, at least 0; default 2e-4.
    pub rotation_gradient: f64,
    /// Where the direct beam falls in the middle of the scan, `(y, x)` px; default (71.2, 72.9).
    pub zero: [f64; 2],
    /// How far the direct beam strays from there, px per axis, at least 0; default 1.5. With u_y, u_x from −1 to 1 along
    /// the scan it is off by `descan · (0.8 u_y + 0.2 sin π u_x, −0.8 u_x + 0.2 cos π u_y)`.
    pub descan: f64,
    /// Radius of the spots, px, from 0.1 to 1e6; default 2.
    pub radius: f64,
    /// Whether and how spots are stretched; default round.
    pub disk: DiskShape,
    /// Stripes in the spots; default none.
    pub texture: Option<DiskTexture>,
    /// Width (standard deviation), px, of the Gaussian by which the detector blurs all, from 0 to 100; default 0.7.
    pub blur: f64,
    /// How bright spots are.
    pub brightness: SpotBrightness,
    /// Levels beside spots; default 6, and a halo of 28 levels and 15 px around the direct beam.
    pub background: DiffractionBackground,
    /// What is amorphous; default a weak ring.
    pub ring: Option<AmorphousRing>,
    /// Counting and readout noise, in levels; `counts_per_unit` is the dose, electrons per level. Default one electron
    /// per level.
    pub noise: NoiseParams,
    /// How many pixels read `hot_value`, whatever falls on them; default 0.
    pub hot_pixels: usize,
    /// Default 255.
    pub hot_value: f64,
    /// How many pixels read 0; default 0.
    pub dead_pixels: usize,
    /// Numbers that frames are of; default 8 bits.
    pub depth: PixelDepth,
    /// How many positions at the end of the scan were not recorded, fewer than there are; default 0. What is true of
    /// them is told nevertheless.
    pub missing: usize,
    /// Default 0.
    pub seed: u64,
}

impl Default for PolycrystalParams {
    fn default() -> Self {
        PolycrystalParams {
            scan: [90, 121],
            shape: [144, 144],
            grains: 11,
            phases: vec![
                PhaseParams::default(),
                PhaseParams { name: "oblique".into(), a: [0.0, 15.8], b: [23.9, -5.9], share: 1.0 },
            ],
            boundary_width: 2.0,
            core: Some(CoreParams::default()),
            strain: 0.006,
            strain_gradient: 1e-4,
            rotation_gradient: 2e-4,
            zero: [71.2, 72.9],
            descan: 1.5,
            radius: 2.0,
            disk: DiskShape::default(),
            texture: None,
            blur: 0.7,
            brightness: SpotBrightness::default(),
            background: DiffractionBackground {
                constant: 6.0,
                gradient: [0.0; 2],
                central: Some(CentralBackground { peak: 28.0, sigma: 15.0 }),
            },
            ring: Some(AmorphousRing::default()),
            noise: NoiseParams::poisson(1.0),
            hot_pixels: 0,
            hot_value: 255.0,
            dead_pixels: 0,
            depth: PixelDepth::default(),
            missing: 0,
            seed: 0,
        }
    }
}

/// A crystal without strain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhaseParams {
    /// What it is called; default "rectangular".
    pub name: String,
    /// First vector `(y, x)` of its pattern at rotation 0, px; default (0, 17.6).
    pub a: [f64; 2],
    /// Second vector, at an angle of at least 6° to the first; default (21.9, 0).
    pub b: [f64; 2],
    /// Share of the grains, above 0, in proportion to those of the others; default 1.
    pub share: f64,
}

impl Default for PhaseParams {
    fn default() -> Self {
        PhaseParams { name: "rectangular".into(), a: [0.0, 17.6], b: [21.9, 0.0], share: 1.0 }
    }
}

/// Where a grain has weak spots between those of its lattice. The core is round, about the position of the grain that
/// lies deepest within it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoreParams {
    /// In positions, at least 0; default 7.
    pub radius: f64,
    /// What is added to the indices `(i, j)` of the lattice's spots; default (½, ½).
    pub offset: [f64; 2],
    /// Brightness of these spots in parts of that of a lattice's, at least 0; default 0.12.
    pub level: f64,
}

impl Default for CoreParams {
    fn default() -> Self {
        CoreParams { radius: 7.0, offset: [0.5; 2], level: 0.12 }
    }
}

/// Brightness of spots; the formula is that of [`PolycrystalParams`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpotBrightness {
    /// Level of the direct beam within its spot, at least 0; default 900, more than 8 bits hold.
    pub direct: f64,
    /// Typical level of a reflection near the direct beam, at least 0; default 150.
    pub diffracted: f64,
    /// Thermal motion and form factors, px, above 0; default 45.
    pub falloff: f64,
    /// Standard deviation of ln S, from 0 to 10; default 0.6.
    pub structure: f64,
    /// Standard deviation of ln Z, from 0 to 10; default 0.3.
    pub zone: f64,
    /// Grains' tilts t are drawn evenly from a circle of this radius, px, at least 0; default 9.
    pub tilt: f64,
    /// Change of the tilt per position, px, in a direction of its own for each grain, at least 0; default 0.1.
    pub bend: f64,
    /// Distance at which the Ewald sphere of an untilted grain leaves reflections by one length of their rods, px, above
    /// 0; default 55.
    pub relrod: f64,
    /// From 0 to 1; default 0.25.
    pub thickness: f64,
    /// Scatter of the beam current from frame to frame, which all levels follow: standard deviation of its logarithm,
    /// from 0 to 1; default 0.02.
    pub flicker: f64,
}

impl Default for SpotBrightness {
    fn default() -> Self {
        SpotBrightness {
            direct: 900.0,
            diffracted: 150.0,
            falloff: 45.0,
            structure: 0.6,
            zone: 0.3,
            tilt: 9.0,
            bend: 0.1,
            relrod: 55.0,
            thickness: 0.25,
            flicker: 0.02,
        }
    }
}

/// A ring with a Gaussian profile around the direct beam.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmorphousRing {
    /// Radius, px, at least 0; default 36.
    pub radius: f64,
    /// Width (standard deviation), px, above 0; the profile ends at 5 of them. Default 4.
    pub width: f64,
    /// Level at its crest, at least 0; default 4.
    pub level: f64,
}

impl Default for AmorphousRing {
    fn default() -> Self {
        AmorphousRing { radius: 36.0, width: 4.0, level: 4.0 }
    }
}

/// Numbers that frames are made of. Levels are rounded, and cut at their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelDepth {
    /// 0 to 255. The default.
    #[default]
    Eight,
    /// 0 to 65 535.
    Sixteen,
}

impl PixelDepth {
    pub(super) fn dtype(self) -> DType {
        match self {
            PixelDepth::Eight => DType::U8,
            PixelDepth::Sixteen => DType::U16,
        }
    }

    pub(super) fn largest(self) -> f64 {
        match self {
            PixelDepth::Eight => 255.0,
            PixelDepth::Sixteen => 65_535.0,
        }
    }
}

fn length(name: &'static str, v: f64) -> Result<()> {
    check(v > 0.0 && v <= FAR, name, "above 0 and at most 1e6", v)
}

impl PolycrystalParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for a field outside the range that stands beside it, strain that
    /// may exceed 0.3 somewhere, and cells of more than 100 000 reflections per frame;
    /// [`Error::Empty`](nonius_core::Error::Empty) for a side of 0.
    pub fn validate(&self) -> Result<()> {
        check_not_empty("scan", &self.scan)?;
        let positions = self.scan[0].checked_mul(self.scan[1]).filter(|n| *n <= MAX_POSITIONS);
        let few = positions.is_some();
        check(few, "scan", "of at most 2^24 positions", format!("{:?}", self.scan))?;
        let positions = positions.unwrap_or(0);
        check_size("shape of a diffraction frame", self.shape)?;
        let grains = self.grains <= MAX_GRAINS.min(positions);
        check(grains, "grains", "at most 1000 and no more than positions", self.grains)?;
        not_negative("boundary_width", self.boundary_width)?;
        if let Some(core) = &self.core {
            not_negative("core radius", core.radius)?;
            check(
                core.offset.iter().all(|o| o.abs() <= 1.0),
                "core offset",
                "between -1 and 1",
                format!("{:?}", core.offset),
            )?;
            not_negative("core level", core.level)?;
        }
        self.validate_strain()?;
        check_vector("zero", self.zero)?;
        check((0.0..=FAR).contains(&self.descan), "descan", "between 0 and 1e6 px", self.descan)?;
        check((0.1..=FAR).contains(&self.radius), "radius", "between 0.1 and 1e6 px", self.radius)?;
        self.disk.validate()?;
        self.texture.map_or(Ok(()), |texture| texture.validate())?;
        check((0.0..=100.0).contains(&self.blur), "blur", "between 0 and 100 px", self.blur)?;
        self.validate_phases()?;
        self.brightness.validate()?;
        self.background.validate()?;
        let least = self.background.least(self.shape);
        check(least >= 0.0, "background", "at least 0 everywhere", least)?;
        if let Some(ring) = &self.ring {
            not_negative("ring radius", ring.radius)?;
            length("ring width", ring.width)?;
            not_negative("ring level", ring.level)?;
        }
        self.noise.validate()?;
        check(self.hot_value.is_finite(), "hot_value", "finite", self.hot_value)?;
        let bad = self.hot_pixels.saturating_add(self.dead_pixels);
        let pixels = self.shape[0] * self.shape[1];
        check(bad <= pixels, "hot_pixels and dead_pixels", "no more than there are pixels", bad)?;
        check(self.missing < positions, "missing", "fewer than there are positions", self.missing)
    }

    fn validate_strain(&self) -> Result<()> {
        check((0.0..=0.1).contains(&self.strain), "strain", "between 0 and 0.1", self.strain)?;
        let largest = self.largest_strain();
        check(
            self.strain_gradient >= 0.0 && largest <= MAX_STRAIN,
            "strain_gradient",
            "at least 0, and strain at most 0.3 across the scan",
            self.strain_gradient,
        )?;
        let turn = (0.0..=1.0).contains(&self.rotation_gradient);
        check(turn, "rotation_gradient", "between 0 and 1 rad", self.rotation_gradient)
    }

    fn validate_phases(&self) -> Result<()> {
        let number = (1..=MAX_PHASES).contains(&self.phases.len());
        check(number, "phases", "1 to 16", self.phases.len())?;
        for phase in &self.phases {
            check_vector("phase a", phase.a)?;
            check_vector("phase b", phase.b)?;
            check(phase.share > 0.0 && phase.share <= FAR, "phase share", "above 0", phase.share)?;
            let area = (phase.a[0] * phase.b[1] - phase.a[1] * phase.b[0]).abs();
            let lengths = phase.a[0].hypot(phase.a[1]) * phase.b[0].hypot(phase.b[1]);
            let cell = || format!("a = {:?}, b = {:?}", phase.a, phase.b);
            check(area > 0.1 * lengths, "phase", "of vectors at an angle of at least 6 degrees", cell())?;
            let reflections = std::f64::consts::PI * self.reach().powi(2) / area;
            check(
                reflections <= MAX_REFLECTIONS,
                "phase",
                "of a cell with at most 100 000 reflections per frame",
                cell(),
            )?;
        }
        Ok(())
    }

    /// No component of the strain exceeds this anywhere.
    fn largest_strain(&self) -> f64 {
        self.strain + self.strain_gradient * (self.scan[0] as f64).hypot(self.scan[1] as f64)
    }

    pub(super) fn spot(&self) -> Disk {
        Disk { radius: self.radius, shape: self.disk, texture: self.texture }
    }

    /// No reflection further than this from the direct beam, by the unstrained cell, can be seen; px.
    pub(super) fn reach(&self) -> f64 {
        let far = |axis: usize| self.zero[axis].abs().max((self.shape[axis] as f64 - self.zero[axis]).abs());
        let corner = far(0).hypot(far(1)) + 2.0 * self.descan + self.spot().reach() + 1.0;
        // The norm of 1 + ε is at most 1 + 2 max |ε_ij|.
        corner * (1.0 + 2.0 * self.largest_strain())
    }
}

impl SpotBrightness {
    /// The exponentials of the brightness of a reflection at `g`, in a grain of this tilt.
    pub(super) fn envelope(&self, g: [f64; 2], tilt: [f64; 2]) -> f64 {
        let g2 = g[0] * g[0] + g[1] * g[1];
        let excitation = (g2 + 2.0 * (g[0] * tilt[0] + g[1] * tilt[1])) / (self.relrod * self.relrod);
        (-0.5 * (g2 / (self.falloff * self.falloff) + excitation * excitation)).exp()
    }

    fn validate(&self) -> Result<()> {
        not_negative("direct", self.direct)?;
        not_negative("diffracted", self.diffracted)?;
        length("falloff", self.falloff)?;
        check((0.0..=10.0).contains(&self.structure), "structure", "between 0 and 10", self.structure)?;
        check((0.0..=10.0).contains(&self.zone), "zone", "between 0 and 10", self.zone)?;
        check((0.0..=FAR).contains(&self.tilt), "tilt", "between 0 and 1e6 px", self.tilt)?;
        check((0.0..=FAR).contains(&self.bend), "bend", "between 0 and 1e6 px", self.bend)?;
        length("relrod", self.relrod)?;
        check((0.0..=1.0).contains(&self.thickness), "thickness", "between 0 and 1", self.thickness)?;
        check((0.0..=1.0).contains(&self.flicker), "flicker", "between 0 and 1", self.flicker)
    }
}
