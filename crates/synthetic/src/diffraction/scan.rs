//! A scan over a strained crystal.

use std::f64::consts::TAU;
use std::ops::Range;

use ndarray::{Array3, ArrayView3};
use nonius_core::{DType, Error, FrameSource, PixelsMut, check_frames, check_room, check_shape};
use serde::{Deserialize, Serialize};

use super::{DiffractionFrame, DiffractionParams, check_vector};
use crate::{Result, check};

/// A scan whose lattice changes smoothly from place to place.
///
/// With `s_y`, `s_x` from 0 to 1 along the scan, the distortion of the pattern is `D = 1 + E`,
///
/// ```text
/// E_yy = strain · sin 2π s_x          E_yx = strain/2 · sin 2π (s_y + s_x) + rotation · cos 2π s_y
/// E_xx = strain · cos 2π s_y          E_xy = strain/2 · sin 2π (s_y + s_x) − rotation · cos 2π s_y
/// ```
///
/// and `a`, `b` there are the rows of G₀ D, where the rows of G₀ are those of `frame`. The central disk wanders by
/// `descan · (sin 2π s_x, cos 2π s_y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffractionScanParams {
    /// Positions `(y, x)` of the scan; default 8 × 8.
    pub scan: [usize; 2],
    /// The pattern without distortion.
    pub frame: DiffractionParams,
    /// Largest strain of the pattern, from 0 to 0.5; default 0.02.
    pub strain: f64,
    /// Largest rotation in rad, from 0 to 0.5; default 0.01.
    pub rotation: f64,
    /// How far the central disk wanders, px; default 1.
    pub descan: f64,
}

impl Default for DiffractionScanParams {
    fn default() -> Self {
        DiffractionScanParams {
            scan: [8, 8],
            frame: DiffractionParams::default(),
            strain: 0.02,
            rotation: 0.01,
            descan: 1.0,
        }
    }
}

/// Frames of a scan with lattices that are known. Each is made when it is asked for, and has the same bits whoever asks,
/// and when; pixels are `f32`, row by row of the scan.
///
/// ```
/// use nonius_core::ReadFrames;
/// use nonius_synthetic::{DiffractionScan, DiffractionScanParams};
///
/// let scan = DiffractionScan::new(&DiffractionScanParams { scan: [3, 4], ..Default::default() })?;
/// let frame = scan.frame::<f32>(7)?;
/// assert_eq!(frame.dim(), (128, 128));
/// assert_eq!(scan.zero().dim(), (3, 4, 2));
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DiffractionScan {
    frame: DiffractionParams,
    zero: Array3<f64>,
    a: Array3<f64>,
    b: Array3<f64>,
}

impl DiffractionScan {
    /// The scan that `params` describe.
    ///
    /// # Errors
    /// [`Error::Parameter`] for strain, rotation or descan outside their ranges, those of
    /// [`DiffractionParams::validate`], [`Error::Empty`] for a scan without positions.
    pub fn new(params: &DiffractionScanParams) -> Result<Self> {
        let DiffractionScanParams { scan: [ny, nx], ref frame, strain, rotation, descan } = *params;
        check((0.0..=0.5).contains(&strain), "strain", "between 0 and 0.5", strain)?;
        check((0.0..=0.5).contains(&rotation), "rotation", "between 0 and 0.5 rad", rotation)?;
        check((0.0..=1e4).contains(&descan), "descan", "between 0 and 1e4 px", descan)?;
        crate::spectrum::check_size("scan", params.scan)?;
        let field = |of: &dyn Fn(f64, f64) -> [f64; 2]| {
            Array3::from_shape_fn((ny, nx, 2), |(y, x, axis)| {
                of(y as f64 / ny as f64, x as f64 / nx as f64)[axis]
            })
        };
        // The row vector v D.
        let distorted = |[vy, vx]: [f64; 2], sy: f64, sx: f64| {
            let shear = 0.5 * strain * (TAU * (sy + sx)).sin();
            let turn = rotation * (TAU * sy).cos();
            let (e_yy, e_xx) = (strain * (TAU * sx).sin(), strain * (TAU * sy).cos());
            let (e_yx, e_xy) = (shear + turn, shear - turn);
            [vy * (1.0 + e_yy) + vx * e_xy, vy * e_yx + vx * (1.0 + e_xx)]
        };
        let wandering = |sy: f64, sx: f64| {
            [frame.zero[0] + descan * (TAU * sx).sin(), frame.zero[1] + descan * (TAU * sy).cos()]
        };
        let zero = field(&wandering);
        let a = field(&|sy, sx| distorted(frame.a, sy, sx));
        let b = field(&|sy, sx| distorted(frame.b, sy, sx));
        DiffractionScan::with_lattices(frame, zero, a, b)
    }

    /// A scan of which every lattice is given: `zero`, `a` and `b` are of shape `(scan y, scan x, 2)`. All else is that
    /// of `frame`, and the noise of each frame its own.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the arrays agree in shape, [`Error::Parameter`] for a vector that is not within 1e6 px
    /// and those of [`DiffractionParams::validate`].
    pub fn with_lattices(
        frame: &DiffractionParams,
        zero: Array3<f64>,
        a: Array3<f64>,
        b: Array3<f64>,
    ) -> Result<Self> {
        frame.validate()?;
        let (ny, nx, _) = zero.dim();
        for (name, field) in [("zero of a scan", &zero), ("a of a scan", &a), ("b of a scan", &b)] {
            check_shape(name, &[ny, nx, 2], field.shape())?;
            field.rows().into_iter().try_for_each(|v| check_vector(name, [v[0], v[1]]))?;
        }
        Ok(DiffractionScan { frame: frame.clone(), zero, a, b })
    }

    /// Positions `(y, x)` of the scan.
    pub fn scan_shape(&self) -> (usize, usize) {
        (self.zero.dim().0, self.zero.dim().1)
    }

    /// True position of the central disk, `(scan y, scan x, 2)`, px.
    pub fn zero(&self) -> ArrayView3<'_, f64> {
        self.zero.view()
    }

    /// True first vector.
    pub fn a(&self) -> ArrayView3<'_, f64> {
        self.a.view()
    }

    /// True second vector.
    pub fn b(&self) -> ArrayView3<'_, f64> {
        self.b.view()
    }

    /// Frame `index` with its truth, in double precision.
    ///
    /// # Errors
    /// [`Error::Frame`] if there is no such frame, and those of [`DiffractionParams::generate`].
    pub fn frame_with_truth(&self, index: usize) -> Result<DiffractionFrame> {
        let (ny, nx) = self.scan_shape();
        if index >= ny * nx {
            return Err(Error::Frame { index, reason: format!("there are {} frames", ny * nx) });
        }
        let at = |field: &Array3<f64>| [0, 1].map(|axis| field[[index / nx, index % nx, axis]]);
        let (zero, a, b) = (at(&self.zero), at(&self.a), at(&self.b));
        DiffractionParams { zero, a, b, ..self.frame.clone() }.generate_numbered(index)
    }
}

impl FrameSource for DiffractionScan {
    fn n_frames(&self) -> usize {
        self.zero.dim().0 * self.zero.dim().1
    }

    fn frame_shape(&self) -> (usize, usize) {
        (self.frame.shape[0], self.frame.shape[1])
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        check_frames(&frames, self.n_frames())?;
        let pixels = self.frame.shape[0] * self.frame.shape[1];
        check_room(frames.start, &out, DType::F32, frames.len() * pixels)?;
        let PixelsMut::F32(out) = out else { return Ok(()) };
        for (index, out) in frames.zip(out.chunks_mut(pixels)) {
            out.iter_mut().zip(&self.frame_with_truth(index)?.frame).for_each(|(o, &v)| *o = v as f32);
        }
        Ok(())
    }
}
