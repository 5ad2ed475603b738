//! `--picture`: χ² around the best fit.

use ndarray::Array2;
use nonius::Result;
use nonius::chi2::{Chi2Image, CorrelatedNoise, chi2_surface, delta_chi2};
use nonius::core::{Frame, Status};
use nonius::plot::{Chi2Surface, Picture};

use super::args::Chi2Config;
use super::outcome::{Found, Limits};
use crate::output::{sigma, signed};

/// None if there is no best fit.
pub(crate) fn draw(
    [reference, moving]: &[Chi2Image<'_, f64>; 2],
    config: &Chi2Config,
    found: &Found,
) -> Result<Option<Picture>> {
    let errors = [found.edy, found.edx];
    if found.status == Status::Undetermined || !errors.iter().all(|e| e.is_finite() && *e > 0.0) {
        return Ok(None);
    }
    let mut params = config.fit;
    if let Some(grid) = &config.compatible {
        params.offset = grid.zeromean;
    }
    // Beyond the third contour, which reaches to 3.44 σ.
    let most = if params.frame == Frame::Overlap { 0.5 } else { f64::INFINITY };
    let reach = errors.map(|e| (4.2 * e).min(most));
    // As fine as the eye needs, unless images are large.
    let n = ((3e8 / moving.image.len() as f64).sqrt() as usize).clamp(21, 45) | 1;
    let center = [found.dy, found.dx];
    let mut chi2 = chi2_surface(reference, moving, &params, center, reach, n)?;
    let scale = if found.scaled_by_residuals { found.reduced_chi2 } else { 1.0 };
    let mut levels = [0.0; 3];
    for (i, level) in levels.iter_mut().enumerate() {
        *level = scale * delta_chi2(1.0 + i as f64, 2)?;
    }
    // Interpolation of a noisy reference pulls χ² away from the best fit, which allows for that; and noise in
    // common has other contours.
    let mut remark = String::new();
    let least = chi2.iter().copied().fold(f64::INFINITY, f64::min);
    let pulled = chi2[(n / 2, n / 2)] - least > 0.25 * levels[0];
    if let Some(covariance) =
        found.covariance.filter(|_| pulled || params.correlated_noise != CorrelatedNoise::Ignore)
    {
        chi2 = bowl(covariance, reach, n) * scale;
        remark = "Δχ² as the covariance of the fit implies it, not sampled".into();
    }
    let Limits { x, y } = found.errors;
    let [dy, dx] = center.map(signed);
    let title = format!("dy = {dy} ± {} px, dx = {dx} ± {} px", sigma(found.edy), sigma(found.edx));
    let surface =
        Chi2Surface { title: title.replace('-', "−"), remark, chi2, center, reach, levels, errors: [y, x] };
    surface.draw().map(Some)
}

/// `dᵀ C⁻¹ d` at n × n displacements up to `reach`.
fn bowl(c: [[f64; 2]; 2], reach: [f64; 2], n: usize) -> Array2<f64> {
    let determinant = c[0][0] * c[1][1] - c[0][1] * c[1][0];
    let along = |i: usize, axis: usize| reach[axis] * (2.0 * i as f64 / (n - 1) as f64 - 1.0);
    Array2::from_shape_fn((n, n), |(i, j)| {
        let (y, x) = (along(i, 0), along(j, 1));
        (c[1][1] * y * y - 2.0 * c[0][1] * x * y + c[0][0] * x * x) / determinant
    })
}
