//! Where a correlation map is greatest, and how clearly.

use multiversion::multiversion;
use nonius_core::{Real, paraboloid_peak};

/// A rectangle of a correlation map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Map<'a, F> {
    /// From the rectangle's first element on, rows `stride` apart.
    values: &'a [F],
    stride: usize,
    rows: usize,
    columns: usize,
}

impl<'a, F: Real> Map<'a, F> {
    /// `rows × columns` elements of `values`, from element `(y, x)` on; None if there are none.
    pub(crate) fn new(
        values: &'a [F],
        stride: usize,
        [y, x]: [usize; 2],
        rows: usize,
        columns: usize,
    ) -> Option<Self> {
        let values = values.get(y * stride + x..)?;
        (rows > 0 && columns > 0).then_some(Map { values, stride, rows, columns })
    }

    fn row(&self, y: usize) -> &'a [F] {
        &self.values[y * self.stride..][..self.columns]
    }

    pub(crate) fn at(&self, [y, x]: [usize; 2]) -> F {
        self.values[y * self.stride + x]
    }

    /// The first maximum in row-major order.
    pub(crate) fn maximum(&self) -> [usize; 2] {
        let greatest = |row: &[F]| row.iter().fold(F::neg_infinity(), |m, &v| if v > m { v } else { m });
        let (mut best, mut at) = (F::neg_infinity(), 0);
        for y in 0..self.rows {
            let in_row = greatest(self.row(y));
            if in_row > best {
                (best, at) = (in_row, y);
            }
        }
        [at, self.row(at).iter().position(|v| *v == best).unwrap_or(0)]
    }

    /// Whether `(y, x)` is in the outermost row or column.
    pub(crate) fn at_edge(&self, [y, x]: [usize; 2]) -> bool {
        y == 0 || x == 0 || y + 1 == self.rows || x + 1 == self.columns
    }

    /// Centre of mass of the window of up to `radius` pixels around `(y, x)`, its least value subtracted; the window
    /// is square and within the map.
    pub(crate) fn center_of_mass(&self, [y, x]: [usize; 2], radius: usize) -> [f64; 2] {
        let r = radius.min(y).min(x).min(self.rows - y - 1).min(self.columns - x - 1);
        let window = || (y - r..=y + r).flat_map(|v| (x - r..=x + r).map(move |u| [v, u]));
        let least = window().map(|at| self.at(at).f64()).fold(f64::INFINITY, f64::min);
        let (mut mass, mut moment) = (0.0, [0.0; 2]);
        for at in window() {
            let w = self.at(at).f64() - least;
            mass += w;
            moment[0] += w * (at[0] as f64 - y as f64);
            moment[1] += w * (at[1] as f64 - x as f64);
        }
        let center = [y as f64, x as f64];
        if mass > 0.0 { [center[0] + moment[0] / mass, center[1] + moment[1] / mass] } else { center }
    }

    /// Vertex of the least-squares paraboloid through the 3 × 3 neighbours of the maximum `(y, x)`, no further than a
    /// pixel from it; `(y, x)` itself at the edge and where the paraboloid has no maximum.
    pub(crate) fn paraboloid(&self, at @ [y, x]: [usize; 2]) -> [f64; 2] {
        let center = [y as f64, x as f64];
        if self.at_edge(at) {
            return center;
        }
        let patch: [[F; 3]; 3] =
            std::array::from_fn(|v| std::array::from_fn(|u| self.at([y + v - 1, x + u - 1])));
        let side = |v: usize| patch[v][0] + patch[v][1] + patch[v][2];
        let two = F::of(2.0);
        let curved_down = side(0) - two * side(1) + side(2) < F::zero()
            && [0, 1, 2].iter().fold(F::zero(), |s, &v| s + patch[v][0] - two * patch[v][1] + patch[v][2])
                < F::zero();
        match paraboloid_peak(&patch) {
            Some([dy, dx]) if curved_down => {
                [center[0] + dy.clamp(-1.0, 1.0), center[1] + dx.clamp(-1.0, 1.0)]
            }
            _ => center,
        }
    }

    /// Slope of the tightest cone that has its tip at height `height` over `tip` and stays above the map from 1.5 px on:
    /// `min (height − c(p)) / |p − tip|`, not below 0; 0 if no pixel is that far.
    pub(crate) fn elevation(&self, height: F, tip: [f64; 2]) -> f64 {
        let mut least = F::infinity();
        for y in 0..self.rows {
            let dy = F::of(y as f64 - tip[0]);
            least = least.min(least_slope(self.row(y), height, dy * dy, F::of(tip[1])));
        }
        // Signed squares of slopes.
        let slope = least.f64();
        if slope.is_finite() && slope > 0.0 { slope.sqrt() } else { 0.0 }
    }
}

/// Least of `(height − c)·|height − c| / d²` along a row, where `d² = dy² + (x − x₀)² ≥ 1.5²`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn least_slope<F: Real>(row: &[F], height: F, dy2: F, x0: F) -> F {
    const LANES: usize = 8;
    let near = F::of(2.25);
    let slope = |value: F, x: F| {
        let d2 = dy2 + (x - x0) * (x - x0);
        let fall = height - value;
        if d2 >= near { fall * fall.abs() / d2 } else { F::infinity() }
    };
    let mut least = [F::infinity(); LANES];
    let mut x: [F; LANES] = std::array::from_fn(|l| F::of(l as f64));
    let step = F::of(LANES as f64);
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            let s = slope(chunk[l], x[l]);
            least[l] = if s < least[l] { s } else { least[l] };
            x[l] += step;
        }
    }
    for (l, &value) in rest.iter().enumerate() {
        let s = slope(value, x[l]);
        least[l] = if s < least[l] { s } else { least[l] };
    }
    least.into_iter().fold(F::infinity(), |m, s| if s < m { s } else { m })
}
