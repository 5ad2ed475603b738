use nalgebra::{Matrix3, Vector3};
use nonius_core::Result;

use super::Scan;

/// A mass that changes by more than this, relative, has left the view in part.
const MAX_MASS_SPREAD: f64 = 0.02;

/// The constant of `c + x cos θ + z sin θ` fitted to the centre of mass.
pub(super) fn estimate(scan: &Scan) -> Result<Option<[f64; 2]>> {
    let model: Vec<Vector3<f64>> = scan.angles.iter().map(|a| Vector3::new(1.0, a.cos(), a.sin())).collect();
    let normal: Matrix3<f64> = model.iter().map(|row| row * row.transpose()).sum();
    let eigen = normal.symmetric_eigenvalues();
    if model.len() < 4 || eigen.min() <= 1e-3 * eigen.max() {
        return Ok(None);
    }
    let inverse = normal.try_inverse().expect("a matrix with eigenvalues above 0");
    scan.over_rows(|row| {
        let Some(footprint) = scan.in_view(row)? else { return Ok(None) };
        let (mut masses, mut centers) = (vec![], vec![]);
        for (line, inside) in footprint.image.rows().into_iter().zip(footprint.inside.rows()) {
            let (mut mass, mut first) = (0.0, 0.0);
            for (x, (v, inside)) in line.iter().zip(inside).enumerate() {
                if *inside {
                    mass += v;
                    first += x as f64 * v;
                }
            }
            masses.push(mass);
            centers.push(first / mass);
        }
        let n = masses.len() as f64;
        let mean = masses.iter().sum::<f64>() / n;
        let spread = (masses.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Written so that NaN, of no mass, fails.
        let steady = spread < MAX_MASS_SPREAD * mean;
        if !steady {
            return Ok(None);
        }
        let fit: Vector3<f64> =
            inverse * model.iter().zip(&centers).map(|(m, c)| m * *c).sum::<Vector3<f64>>();
        let left: f64 = model.iter().zip(&centers).map(|(m, c)| (c - m.dot(&fit)).powi(2)).sum();
        let error = (left / (n - 3.0) * inverse[(0, 0)]).sqrt();
        Ok(fit.x.is_finite().then_some([fit.x, error]))
    })
}
