//! Which two vectors stand for a lattice.

use std::f64::consts::PI;

use nonius_core::{Error, Result};

use super::{Lattice, cross, dot, length};

/// Vectors of the same lattice as whole-numbered sums of others: `a' = m_a a + m_b b`, `b' = n_a a + n_b b`, determinant ±1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnimodularBasis {
    rows: [[i32; 2]; 2],
}

impl UnimodularBasis {
    /// The vectors as they are.
    pub const SAME: UnimodularBasis = UnimodularBasis { rows: [[1, 0], [0, 1]] };

    /// `[[m_a, m_b], [n_a, n_b]]`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the determinant is neither 1 nor −1, so that the lattice would be another.
    pub fn new(rows: [[i32; 2]; 2]) -> Result<Self> {
        if determinant(rows).abs() == 1 {
            Ok(UnimodularBasis { rows })
        } else {
            Err(Error::parameter("basis", "a matrix of determinant ±1", format!("{rows:?}")))
        }
    }

    /// `[[m_a, m_b], [n_a, n_b]]`.
    pub fn rows(&self) -> [[i32; 2]; 2] {
        self.rows
    }

    /// The lattice with these vectors.
    pub fn of(&self, lattice: &Lattice) -> Lattice {
        let [a, b] = self.rows.map(|row| combined(lattice, row));
        Lattice { zero: lattice.zero, a, b }
    }

    /// What an index `(i, j)` becomes: `(i, j)·[[m_a, m_b], [n_a, n_b]]⁻¹`.
    pub fn indices(&self, [i, j]: [f64; 2]) -> [f64; 2] {
        let sign = determinant(self.rows) as f64;
        let [[ma, mb], [na, nb]] = self.rows.map(|row| row.map(f64::from));
        [sign * (i * nb - j * na), sign * (j * ma - i * mb)]
    }
}

fn determinant([[ma, mb], [na, nb]]: [[i32; 2]; 2]) -> i64 {
    i64::from(ma) * i64::from(nb) - i64::from(mb) * i64::from(na)
}

fn combined(lattice: &Lattice, [m, n]: [i32; 2]) -> [f64; 2] {
    std::array::from_fn(|axis| f64::from(m) * lattice.a[axis] + f64::from(n) * lattice.b[axis])
}

/// Lengths and cosines that differ by less than this part are equal.
const EQUAL: f64 = 1e-9;

impl Lattice {
    /// The vectors that stand for this lattice: `|a| ≤ |b|`, the two shortest there are; b follows a by an angle in
    /// (60°, 120°] in the sense of growing `atan2(y, x)`; a points into the half-plane x > 0 (or along +y).
    ///
    /// Where several pairs qualify because lengths are equal (to 1e-9), the one whose a lies nearest to +x is taken; of
    /// two at the same angle on either side, that with y > 0; then the greatest angle between a and b. Close to such a
    /// tie, as for square and hexagonal cells with noise, the choice may change from frame to frame: there
    /// [`basis_nearest`](Self::basis_nearest) to one of them keeps maps smooth.
    ///
    /// None if the vectors are parallel or not finite, or so long beside their cell (beyond 2³¹) that whole numbers run
    /// out.
    pub fn reduced_basis(&self) -> Option<UnimodularBasis> {
        self.try_inverse()?;
        let [u, v] = self.shortest()?;
        let w = [v[0].checked_sub(u[0])?, v[1].checked_sub(u[1])?];
        let (shorter, longer) = (length(combined(self, u)), length(combined(self, v)));
        let mut best: Option<([f64; 3], [[i32; 2]; 2])> = None;
        let signed = [u, v, w].into_iter().flat_map(|[m, n]| [[m, n], [-m, -n]]);
        for p in signed.clone() {
            for q in signed.clone() {
                let (a, b) = (combined(self, p), combined(self, q));
                let cosine = dot(a, b) / (length(a) * length(b));
                let is_shortest = length(a) <= shorter * (1.0 + EQUAL) && length(b) <= longer * (1.0 + EQUAL);
                let forward = is_forward(a);
                let angle = (-0.5 - EQUAL..0.5 - EQUAL).contains(&cosine) && cross(a, b) > 0.0;
                if !(is_shortest && forward && angle && determinant([p, q]).abs() == 1) {
                    continue;
                }
                let phi = a[0].atan2(a[1]);
                let rank = [phi.abs(), -phi, cosine];
                if best.as_ref().is_none_or(|(least, _)| precedes(rank, *least)) {
                    best = Some((rank, [p, q]));
                }
            }
        }
        best.map(|(_, rows)| UnimodularBasis { rows })
    }

    /// The same lattice with the vectors of [`reduced_basis`](Self::reduced_basis).
    ///
    /// # Errors
    /// [`Error::Parameter`] if the vectors are parallel or not finite.
    pub fn reduced(&self) -> Result<Lattice> {
        let got = || format!("a = {:?}, b = {:?}", self.a, self.b);
        self.reduced_basis()
            .map(|basis| basis.of(self))
            .ok_or_else(|| Error::parameter("lattice", "finite, of vectors that are not parallel", got()))
    }

    /// The vectors of this lattice that lie nearest to those of `reference`, each rounded to whole indices. None if they
    /// make no basis: the lattices are too different to be told which vector is which, or one is invalid.
    pub fn basis_nearest(&self, reference: &Lattice) -> Option<UnimodularBasis> {
        let inverse = Lattice { zero: [0.0; 2], ..*self }.try_inverse()?;
        let whole = |v: [f64; 2]| inverse.indices(v).map(|i| i.round_ties_even() as i32);
        UnimodularBasis::new([whole(reference.a), whole(reference.b)]).ok()
    }

    /// Whether both are the same lattice, whatever their vectors: those of the other are whole-numbered sums of these, to
    /// `tolerance` px per vector, and its zero is a lattice point, to `tolerance` px.
    pub fn is_equivalent(&self, other: &Lattice, tolerance: f64) -> bool {
        let Some(basis) = self.basis_nearest(other) else {
            return false;
        };
        let own = basis.of(self);
        let near = |u: [f64; 2], v: [f64; 2]| length([u[0] - v[0], u[1] - v[1]]) <= tolerance;
        let zero = own.try_inverse().map(|i| i.indices(other.zero).map(f64::round));
        near(own.a, other.a)
            && near(own.b, other.b)
            && zero.is_some_and(|index| near(own.position(index), other.zero))
    }

    /// The two shortest vectors, |a| ≤ |b|, b following a; of either sign and any of several equal ones. For loops that only
    /// want the size and shape of the cell. None as [`reduced_basis`](Self::reduced_basis).
    pub(crate) fn shortened(&self) -> Option<Lattice> {
        self.try_inverse()?;
        let (mut u, mut v) = (self.a, self.b);
        for _ in 0..200 {
            if dot(v, v) < dot(u, u) {
                (u, v) = (v, u);
            }
            let steps = (dot(u, v) / dot(u, u)).round();
            if steps == 0.0 {
                let sign = cross(u, v).signum();
                return Some(Lattice { a: u, b: v.map(|c| sign * c), ..*self });
            }
            v = [v[0] - steps * u[0], v[1] - steps * u[1]];
        }
        None
    }

    /// Lagrange's and Gauss's reduction: the two shortest vectors as sums of a and b, at an angle of at most 90°.
    fn shortest(&self) -> Option<[[i32; 2]; 2]> {
        let (mut u, mut v) = ([1_i32, 0], [0_i32, 1]);
        if length(self.a) > length(self.b) {
            (u, v) = (v, u);
        }
        // Each round shortens the longer vector; numbers of 32 bits are spent in far fewer.
        for _ in 0..200 {
            let (p, q) = (combined(self, u), combined(self, v));
            let steps = (dot(p, q) / dot(p, p)).round();
            if steps.abs() > f64::from(i32::MAX) {
                return None;
            }
            let less = |v: i32, u: i32| v.checked_sub((steps as i32).checked_mul(u)?);
            let shorter = [less(v[0], u[0])?, less(v[1], u[1])?];
            if length(combined(self, shorter)) >= length(p) * (1.0 - 1e-15) {
                let obtuse = dot(p, combined(self, shorter)) < 0.0;
                return Some([u, if obtuse { [-shorter[0], -shorter[1]] } else { shorter }]);
            }
            (u, v) = (shorter, u);
        }
        None
    }
}

/// In the half-plane x > 0, or along +y; directions within 1e-9 of the y axis count as on it.
fn is_forward([y, x]: [f64; 2]) -> bool {
    if x.abs() <= EQUAL * y.abs() { y > 0.0 } else { x > 0.0 }
}

/// Lexicographic, with numbers equal to 1e-9.
fn precedes(one: [f64; 3], other: [f64; 3]) -> bool {
    for (p, q) in one.into_iter().zip(other) {
        if (p - q).abs() > EQUAL * PI {
            return p < q;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(a: [f64; 2], b: [f64; 2]) -> Lattice {
        Lattice { zero: [0.0; 2], a, b }
    }

    fn angle(lattice: &Lattice) -> f64 {
        (dot(lattice.a, lattice.b) / (length(lattice.a) * length(lattice.b))).acos().to_degrees()
    }

    proptest! {
        #[test]
        fn every_basis_of_a_lattice_reduces_to_the_same(
            phi in 0.0..6.3_f64, r in 3.0..40.0_f64, t in 20.0..160.0_f64, s in 3.0..40.0_f64,
            m in -4..5_i32, n in -4..5_i32, flip in any::<bool>(),
        ) {
            let t = t.to_radians();
            let lattice = of([r * phi.sin(), r * phi.cos()], [s * (phi + t).sin(), s * (phi + t).cos()]);
            let reduced = lattice.reduced().unwrap();
            prop_assert!(length(reduced.a) <= length(reduced.b) * (1.0 + 1e-9));
            prop_assert!(angle(&reduced) > 60.0 - 1e-6 && angle(&reduced) <= 120.0 + 1e-6);
            prop_assert!(reduced.signed_area() > 0.0 && is_forward(reduced.a));
            prop_assert!((reduced.signed_area() / lattice.signed_area().abs() - 1.0).abs() < 1e-9);
            // Shear along b, then along a; perhaps swap.
            let sheared = UnimodularBasis::new([[1, m], [n, m * n + 1]]).unwrap();
            let swap = UnimodularBasis::new([[0, 1], [1, 0]]).unwrap();
            let other = if flip { swap.of(&sheared.of(&lattice)) } else { sheared.of(&lattice) };
            let again = other.reduced().unwrap();
            for axis in 0..2 {
                prop_assert!((again.a[axis] - reduced.a[axis]).abs() < 1e-6);
                prop_assert!((again.b[axis] - reduced.b[axis]).abs() < 1e-6);
            }
            prop_assert!(other.is_equivalent(&lattice, 1e-6));
            let short = other.shortened().unwrap();
            prop_assert!((length(short.a) - length(reduced.a)).abs() < 1e-6);
            prop_assert!((length(short.b) - length(reduced.b)).abs() < 1e-6 && short.signed_area() > 0.0);
        }

        #[test]
        fn indices_follow_the_vectors(m in -4..5_i32, n in -4..5_i32, i in -9.0..9.0_f64, j in -9.0..9.0_f64) {
            let lattice = Lattice { zero: [3.0, 4.0], a: [11.0, 2.0], b: [-1.0, 9.0] };
            let basis = UnimodularBasis::new([[m * n + 1, m], [n, 1]]).unwrap();
            let (p, q) = (lattice.position([i, j]), basis.of(&lattice).position(basis.indices([i, j])));
            prop_assert!(length([p[0] - q[0], p[1] - q[1]]) < 1e-9);
        }
    }

    #[test]
    fn ties_are_broken_by_rule() {
        // Square: a along +x, b downwards.
        let square = of([10.0, 0.0], [0.0, -10.0]).reduced().unwrap();
        assert_eq!((square.a, square.b), ([0.0, 10.0], [10.0, 0.0]));
        // On its corner: both at 45°, the one with y > 0.
        let corner = of([7.0, 7.0], [7.0, -7.0]).reduced().unwrap();
        assert_eq!((corner.a, corner.b), ([7.0, 7.0], [7.0, -7.0]));
        // Hexagonal: 120°, not 60°, a along +x.
        let h = 10.0 * 0.75_f64.sqrt();
        let hexagonal = of([0.0, 10.0], [h, 5.0]).reduced().unwrap();
        assert!((angle(&hexagonal) - 120.0).abs() < 1e-6);
        assert!((hexagonal.a[1] - 10.0).abs() < 1e-9 && hexagonal.a[0].abs() < 1e-9);
    }

    #[test]
    fn no_lattice_no_reduction() {
        assert!(of([1.0, 2.0], [2.0, 4.0]).reduced().is_err());
        assert!(of([0.0, 0.0], [2.0, 4.0]).reduced().is_err());
        assert!(Lattice::INVALID.reduced().is_err());
        assert!(UnimodularBasis::new([[2, 0], [0, 1]]).is_err());
        assert!(of([1.0, 0.0], [0.0, 1.0]).basis_nearest(&of([7.3, 0.0], [14.0, 0.0])).is_none());
    }
}
