//! Where a sampled peak has its top.

use ndarray::ArrayView2;

use crate::Real;

/// Offset `(y, x)` px of the extremum of the second-order Taylor expansion about the centre of a
/// 3 × 3 patch, `δ = −H⁻¹g`.
///
/// ```text
/// f_y  = (f₊₀ − f₋₀)/2      f_yy = f₊₀ − 2f₀₀ + f₋₀      f_yx = (f₊₊ + f₋₋ − f₊₋ − f₋₊)/4
/// ```
///
/// None if the Hessian is singular or an element is not finite. The offset of a saddle or of a
/// minimum is returned too: look at the patch if it may be one.
///
/// ```
/// // f = −(y − 0.25)² − (x + 0.5)², exact for a quadratic
/// let f = |y: f64, x: f64| -(y - 0.25_f64).powi(2) - (x + 0.5_f64).powi(2);
/// let patch = [-1.0, 0.0, 1.0].map(|y| [-1.0, 0.0, 1.0].map(|x| f(y, x)));
/// let [dy, dx] = nonius_core::taylor_peak(&patch).unwrap();
/// assert!((dy - 0.25).abs() < 1e-12 && (dx + 0.5).abs() < 1e-12);
/// ```
pub fn taylor_peak<F: Real>(patch: &[[F; 3]; 3]) -> Option<[f64; 2]> {
    let f = patch.map(|row| row.map(F::f64));
    quadratic_extremum(
        [0.5 * (f[2][1] - f[0][1]), 0.5 * (f[1][2] - f[1][0])],
        [f[2][1] - 2.0 * f[1][1] + f[0][1], f[1][2] - 2.0 * f[1][1] + f[1][0]],
        0.25 * (f[2][2] + f[0][0] - f[2][0] - f[0][2]),
    )
}

/// Offset `(y, x)` px of the extremum of the paraboloid that fits all nine values of a 3 × 3 patch in
/// the least-squares sense: quieter than [`taylor_peak`] on noisy maps, less true on pointed peaks.
///
/// None if the paraboloid has no extremum or an element is not finite.
pub fn paraboloid_peak<F: Real>(patch: &[[F; 3]; 3]) -> Option<[f64; 2]> {
    let f = patch.map(|row| row.map(F::f64));
    let row = |y: usize| f[y][0] + f[y][1] + f[y][2];
    let column = |x: usize| f[0][x] + f[1][x] + f[2][x];
    quadratic_extremum(
        [(row(2) - row(0)) / 6.0, (column(2) - column(0)) / 6.0],
        [(row(2) - 2.0 * row(1) + row(0)) / 3.0, (column(2) - 2.0 * column(1) + column(0)) / 3.0],
        0.25 * (f[2][2] + f[0][0] - f[2][0] - f[0][2]),
    )
}

/// `−H⁻¹g` for the Hessian with this diagonal and mixed derivative.
fn quadratic_extremum(g: [f64; 2], diagonal: [f64; 2], mixed: f64) -> Option<[f64; 2]> {
    let determinant = diagonal[0] * diagonal[1] - mixed * mixed;
    let offset = [
        (mixed * g[1] - diagonal[1] * g[0]) / determinant,
        (mixed * g[0] - diagonal[0] * g[1]) / determinant,
    ];
    offset.iter().all(|v| v.is_finite()).then_some(offset)
}

/// Centre of mass `(y, x)` in px of an image of weights, zero at the centre of the first pixel.
///
/// None if the weights sum to 0 or are not finite. Negative weights count as they stand.
///
/// ```
/// use ndarray::array;
/// assert_eq!(nonius_core::center_of_mass(array![[0., 1.], [0., 3.]].view()), Some([0.75, 1.0]));
/// ```
pub fn center_of_mass<F: Real>(weights: ArrayView2<'_, F>) -> Option<[f64; 2]> {
    let (mut total, mut y_sum, mut x_sum) = (0.0, 0.0, 0.0);
    for (y, row) in weights.outer_iter().enumerate() {
        let (mut row_total, mut row_x) = (0.0, 0.0);
        for (x, w) in row.iter().enumerate() {
            row_total += w.f64();
            row_x += x as f64 * w.f64();
        }
        total += row_total;
        y_sum += y as f64 * row_total;
        x_sum += row_x;
    }
    let center = [y_sum / total, x_sum / total];
    center.iter().all(|v| v.is_finite()).then_some(center)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn both_are_exact_on_a_tilted_paraboloid() {
        // Mixed term included: a sign error there moves the result.
        let f = |y: f64, x: f64| -2.0 * (y - 0.3).powi(2) - (x + 0.2).powi(2) + 1.1 * (y - 0.3) * (x + 0.2);
        let patch = [-1.0, 0.0, 1.0].map(|y| [-1.0, 0.0, 1.0].map(|x| f(y, x)));
        for found in [taylor_peak(&patch).unwrap(), paraboloid_peak(&patch).unwrap()] {
            assert!((found[0] - 0.3).abs() < 1e-12 && (found[1] + 0.2).abs() < 1e-12);
        }
    }

    #[test]
    fn flat_or_not_finite_is_none() {
        assert_eq!(taylor_peak(&[[1.0; 3]; 3]), None);
        assert_eq!(paraboloid_peak(&[[f64::NAN; 3]; 3]), None);
        assert_eq!(center_of_mass(Array2::<f64>::zeros((3, 3)).view()), None);
    }
}
