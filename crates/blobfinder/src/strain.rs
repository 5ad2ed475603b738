//! Strain and rotation of a lattice against another.

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use nonius_core::{Error, Result, check_shape, median};
use serde::{Deserialize, Serialize};

use crate::lattice::Lattice;

/// Which axes strain is resolved along.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrainAxes {
    /// The x axis points along this angle, degrees, in the sense of growing `atan2(y, x)`: 0 along the x axis of the
    /// frame, 90 along its y axis (downwards on the screen).
    Angle(f64),
    /// The x axis points along a of the reference.
    AlongA,
}

impl Default for StrainAxes {
    fn default() -> Self {
        StrainAxes::Angle(0.0)
    }
}

/// Parameters of [`strain`] and [`strain_map`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StrainParams {
    /// Axes of the result. Default: those of the frame.
    pub axes: StrainAxes,
    /// Take those vectors of each lattice that lie nearest to the reference's, so that it does not matter which of
    /// the vectors were found. Default: true.
    pub align: bool,
}

impl Default for StrainParams {
    fn default() -> Self {
        StrainParams { axes: StrainAxes::default(), align: true }
    }
}

impl StrainParams {
    /// [`Error::Parameter`] for an angle that is not finite.
    pub fn validate(&self) -> Result<()> {
        match self.axes {
            StrainAxes::Angle(degrees) if !degrees.is_finite() => {
                Err(Error::parameter("axes: angle", "finite", degrees))
            }
            _ => Ok(()),
        }
    }
}

/// Strain and rotation of the crystal whose diffraction pattern has a lattice, against that of a reference.
///
/// Signs: strain is that of real space, so that `xx > 0` is a crystal stretched along x, whose diffraction vectors
/// along x are *shorter* than the reference's. `xy > 0`: the angle between the x and the y axis of the crystal has
/// become smaller. `rotation > 0`: turned from +x towards +y, in the sense of growing `atan2(y, x)`; on the screen,
/// with y downwards, clockwise. Pattern and crystal turn alike; a rotation of the frame against the scan is not
/// undone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strain {
    /// ε_xx.
    pub xx: f64,
    /// ε_yy.
    pub yy: f64,
    /// ε_xy, the component of the tensor: half the engineering shear.
    pub xy: f64,
    /// Rotation, radians, −π < rotation ≤ π.
    pub rotation: f64,
    /// Covariance of `(xx, yy, xy, rotation)`; NaN where that of the lattice is unknown.
    pub covariance: [[f64; 4]; 4],
}

impl Strain {
    /// No strain is known.
    pub const INVALID: Strain = Strain {
        xx: f64::NAN,
        yy: f64::NAN,
        xy: f64::NAN,
        rotation: f64::NAN,
        covariance: [[f64::NAN; 4]; 4],
    };

    /// Standard errors of `(xx, yy, xy, rotation)`.
    pub fn errors(&self) -> [f64; 4] {
        std::array::from_fn(|k| self.covariance[k][k].sqrt())
    }

    /// `xx, yy, xy, rotation`.
    pub fn values(&self) -> [f64; 4] {
        [self.xx, self.yy, self.xy, self.rotation]
    }
}

/// A matrix on columns `(y, x)`.
type Matrix = [[f64; 2]; 2];

fn times(p: Matrix, q: Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| p[i][0] * q[0][j] + p[i][1] * q[1][j]))
}

fn transpose(m: Matrix) -> Matrix {
    [[m[0][0], m[1][0]], [m[0][1], m[1][1]]]
}

fn inverse(m: Matrix) -> Option<Matrix> {
    let determinant = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    let size = (m[0][0].hypot(m[0][1])) * (m[1][0].hypot(m[1][1]));
    (determinant.is_finite() && determinant.abs() > 1e-10 * size).then(|| {
        [[m[1][1] / determinant, -m[0][1] / determinant], [-m[1][0] / determinant, m[0][0] / determinant]]
    })
}

/// Turns columns `(y, x)` by `angle` from +x towards +y.
fn rotation(angle: f64) -> Matrix {
    let (sin, cos) = angle.sin_cos();
    [[cos, sin], [-sin, cos]]
}

/// Strain and rotation of `lattice` against `reference`; only their vectors count.
///
/// With G, G₀ of the rows a, b: `D = G₀⁻¹ G` distorts the pattern (`g = g₀ D` for row vectors), and real space, whose
/// vectors keep their product with those of the pattern, is deformed by `D⁻ᵀ` for rows, that is `F = G⁻¹ G₀` for
/// columns `(y, x)`. `F = R U` with a rotation R and a symmetric U; the strain is `U − 1`, in axes of the reference,
/// the rotation that of R: `tan θ = (F_yx − F_xy)/(F_yy + F_xx)`.
///
/// `covariance`: of `(zero_y, zero_x, a_y, a_x, b_y, b_x)`, as a match has it; None, or NaN: unknown. The reference
/// counts as exact. Propagated to first order, `dU = Rᵀ dF − dθ J U` with J the turn by 90°.
///
/// The result is [`Strain::INVALID`] if the lattice is not finite, its vectors are parallel, or with `align` none of
/// its vectors correspond to those of the reference; without `align`, also where b follows a the other way round.
///
/// ```
/// use nonius_blobfinder::{Lattice, StrainParams, strain};
///
/// let reference = Lattice { zero: [64.0, 64.0], a: [0.0, 20.0], b: [20.0, 0.0] };
/// // The pattern is 1 % smaller along x: the crystal is 1.01 % larger.
/// let lattice = Lattice { a: [0.0, 19.8], ..reference };
/// let found = strain(&lattice, None, &reference, &StrainParams::default())?;
/// assert!((found.xx - 1.0 / 99.0).abs() < 1e-12 && found.yy.abs() < 1e-12 && found.rotation == 0.0);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] as [`StrainParams::validate`], or if the reference's vectors are not finite or parallel.
pub fn strain(
    lattice: &Lattice,
    covariance: Option<&[[f64; 6]; 6]>,
    reference: &Lattice,
    params: &StrainParams,
) -> Result<Strain> {
    params.validate()?;
    Ok(Frame::new(reference, params)?.strain(lattice, covariance))
}

/// A reference and the axes of the result.
struct Frame {
    reference: Lattice,
    /// Rows a, b.
    g0: Matrix,
    align: bool,
    /// From columns in the frame's axes to those of the result.
    turn: Matrix,
}

impl Frame {
    fn new(reference: &Lattice, params: &StrainParams) -> Result<Self> {
        let g0 = [reference.a, reference.b];
        if inverse(g0).is_none() {
            let got = format!("a = {:?}, b = {:?}", reference.a, reference.b);
            return Err(Error::parameter("reference", "finite, of vectors that are not parallel", got));
        }
        let angle = match params.axes {
            StrainAxes::Angle(degrees) => degrees.to_radians(),
            StrainAxes::AlongA => reference.a[0].atan2(reference.a[1]),
        };
        let reference = Lattice { zero: [0.0; 2], ..*reference };
        Ok(Frame { reference, g0, align: params.align, turn: rotation(-angle) })
    }

    fn strain(&self, lattice: &Lattice, covariance: Option<&[[f64; 6]; 6]>) -> Strain {
        let Some((g, mixed)) = self.aligned(lattice) else { return Strain::INVALID };
        let Some(g_inverse) = inverse(g) else { return Strain::INVALID };
        let f = times(g_inverse, self.g0);
        if f[0][0] * f[1][1] - f[0][1] * f[1][0] <= 0.0 {
            return Strain::INVALID;
        }
        let f = self.turned(f);
        // sin and cos of θ, times the trace of U.
        let (s, c) = (f[0][1] - f[1][0], f[0][0] + f[1][1]);
        let theta = s.atan2(c);
        let back = rotation(-theta);
        let u = times(back, f);
        let unknown = [[f64::NAN; 4]; 4];
        let covariance = covariance.map_or(unknown, |all| {
            // By component of a, b as they were given.
            let jacobian: [[f64; 4]; 4] = std::array::from_fn(|component| {
                let mut dg = [[0.0; 2]; 2];
                for row in 0..2 {
                    dg[row][component % 2] = mixed[row][component / 2];
                }
                let df = times(g_inverse, times(dg, times(g_inverse, self.g0))).map(|row| row.map(|v| -v));
                let df = self.turned(df);
                let (ds, dc) = (df[0][1] - df[1][0], df[0][0] + df[1][1]);
                let d_theta = (c * ds - s * dc) / (c * c + s * s);
                let (plain, quarter) = (times(back, df), times([[0.0, 1.0], [-1.0, 0.0]], u));
                let du = |i: usize, j: usize| plain[i][j] - d_theta * quarter[i][j];
                [du(1, 1), du(0, 0), du(0, 1), d_theta]
            });
            std::array::from_fn(|p| {
                std::array::from_fn(|q| {
                    let terms = (0..4).flat_map(|i| (0..4).map(move |j| (i, j)));
                    terms.map(|(i, j)| jacobian[i][p] * all[i + 2][j + 2] * jacobian[j][q]).sum()
                })
            })
        });
        Strain {
            xx: u[1][1] - 1.0,
            yy: u[0][0] - 1.0,
            xy: 0.5 * (u[0][1] + u[1][0]),
            rotation: theta,
            covariance,
        }
    }

    /// Rows a, b of the vectors nearest to the reference's, and what they are made of.
    fn aligned(&self, lattice: &Lattice) -> Option<(Matrix, Matrix)> {
        if !self.align {
            return Some(([lattice.a, lattice.b], [[1.0, 0.0], [0.0, 1.0]]));
        }
        let basis = Lattice { zero: [0.0; 2], ..*lattice }.basis_nearest(&self.reference)?;
        let aligned = basis.of(lattice);
        Some(([aligned.a, aligned.b], basis.rows().map(|row| row.map(f64::from))))
    }

    fn turned(&self, f: Matrix) -> Matrix {
        times(self.turn, times(f, transpose(self.turn)))
    }
}

/// What strain over a scan is measured against.
#[derive(Debug, Clone)]
pub enum StrainReference<'a> {
    /// These vectors.
    Lattice(Lattice),
    /// The median of each component of a, b over the valid lattices of a region (None: all), after every lattice has
    /// been given the vectors nearest to those of one that most correspond to.
    Median(Option<ArrayViewD<'a, bool>>),
    /// The mean, likewise.
    Mean(Option<ArrayViewD<'a, bool>>),
}

/// Strain over a scan: arrays of the scan's shape, NaN where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct StrainMap {
    /// As [`Strain::xx`].
    pub xx: ArrayD<f64>,
    /// As [`Strain::yy`].
    pub yy: ArrayD<f64>,
    /// As [`Strain::xy`].
    pub xy: ArrayD<f64>,
    /// As [`Strain::rotation`], radians.
    pub rotation: ArrayD<f64>,
    /// Standard errors of `(xx, yy, xy, rotation)` on a last axis of 4; NaN throughout where no covariance was given.
    pub errors: ArrayD<f64>,
    /// The vectors that strain was measured against.
    pub reference: Lattice,
}

/// Strain of every lattice of a scan: [`strain`] of the vectors `a`, `b`, arrays of the scan's shape with a last axis
/// `(y, x)`, px.
///
/// `covariance`: that of `(zero, a, b)` with two last axes of 6. Lattices that are not finite, or do not correspond
/// to the reference, give NaN.
///
/// # Errors
/// [`Error::Shape`] if arrays or the region do not belong together; [`Error::Parameter`] as [`strain`], or if no
/// lattice of the region is valid.
pub fn strain_map(
    a: ArrayViewD<'_, f64>,
    b: ArrayViewD<'_, f64>,
    covariance: Option<ArrayViewD<'_, f64>>,
    reference: &StrainReference<'_>,
    params: &StrainParams,
) -> Result<StrainMap> {
    params.validate()?;
    let scan: Vec<usize> = a.shape().split_last().map_or(vec![], |(_, scan)| scan.to_vec());
    let with = |tail: &[usize]| [&scan, tail].concat();
    check_shape("a", &with(&[2]), a.shape())?;
    check_shape("b", &with(&[2]), b.shape())?;
    if let Some(covariance) = &covariance {
        check_shape("covariance", &with(&[6, 6]), covariance.shape())?;
    }
    let n: usize = scan.iter().product();
    let vectors = |of: &ArrayViewD<'_, f64>| -> Vec<[f64; 2]> {
        let flat: Vec<f64> = of.iter().copied().collect();
        flat.chunks_exact(2).map(|v| [v[0], v[1]]).collect()
    };
    let lattices: Vec<Lattice> =
        vectors(&a).into_iter().zip(vectors(&b)).map(|(a, b)| Lattice { zero: [0.0; 2], a, b }).collect();
    let reference = match reference {
        StrainReference::Lattice(lattice) => *lattice,
        StrainReference::Median(region) => typical(&lattices, region.as_ref(), &scan, median)?,
        StrainReference::Mean(region) => typical(&lattices, region.as_ref(), &scan, mean)?,
    };
    let frame = Frame::new(&reference, params)?;
    let covariances: Option<Vec<f64>> = covariance.map(|c| c.iter().copied().collect());
    let strains: Vec<Strain> = (0..n)
        .map(|k| {
            let own = covariances
                .as_ref()
                .map(|all| std::array::from_fn(|p| std::array::from_fn(|q| all[36 * k + 6 * p + q])));
            frame.strain(&lattices[k], own.as_ref())
        })
        .collect();
    let plane = |k: usize| spread(&scan, strains.iter().map(|s| s.values()[k]));
    let errors = spread(&with(&[4]), strains.iter().flat_map(Strain::errors));
    Ok(StrainMap { xx: plane(0), yy: plane(1), xy: plane(2), rotation: plane(3), errors, reference })
}

fn spread(shape: &[usize], values: impl Iterator<Item = f64>) -> ArrayD<f64> {
    let mut array = ArrayD::from_elem(IxDyn(shape), f64::NAN);
    array.iter_mut().zip(values).for_each(|(to, value)| *to = value);
    array
}

/// So many lattices are asked to which others correspond.
const TRIED: usize = 32;

/// One lattice for many, component by component.
fn typical(
    lattices: &[Lattice],
    region: Option<&ArrayViewD<'_, bool>>,
    scan: &[usize],
    of: fn(Vec<f64>) -> f64,
) -> Result<Lattice> {
    if let Some(region) = region {
        check_shape("region", scan, region.shape())?;
    }
    let inside: Vec<bool> = region.map_or(vec![true; lattices.len()], |r| r.iter().copied().collect());
    let valid = lattices.iter().zip(&inside).filter(|(l, i)| **i && l.try_inverse().is_some());
    let valid: Vec<&Lattice> = valid.map(|(l, _)| l).collect();
    // One that most others correspond to, lest a stray lattice decide.
    let aligned = |first: &Lattice| -> Vec<Lattice> {
        valid.iter().filter_map(|l| Some(l.basis_nearest(first)?.of(l))).collect()
    };
    let mut most: Vec<Lattice> = vec![];
    for first in valid.iter().take(TRIED) {
        let own = aligned(first);
        if own.len() > most.len() {
            most = own;
        }
        if 2 * most.len() > valid.len() {
            break;
        }
    }
    if most.is_empty() {
        return Err(Error::parameter("reference", "a region with a valid lattice", "one without"));
    }
    let mut components: [Vec<f64>; 4] = Default::default();
    for lattice in &most {
        for (component, value) in components.iter_mut().zip([lattice.a, lattice.b].as_flattened()) {
            component.push(*value);
        }
    }
    let [ay, ax, by, bx] = components.map(of);
    Ok(Lattice { zero: [0.0; 2], a: [ay, ax], b: [by, bx] })
}

fn mean(values: Vec<f64>) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
