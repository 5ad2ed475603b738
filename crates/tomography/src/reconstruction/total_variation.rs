use nonius_core::Real;
use rayon::prelude::*;

use super::objective::TotalVariation;

/// Adds the gradient of `λ Σ √(|∇f|² + ε²) − ε` over all voxels to `gradient` and returns the sum, for a volume of
/// shape `(X, Y, Z, C)`. Differences are those to the next voxel; across the last one there is none.
pub(super) fn add_total_variation<F: Real>(
    volume: &[F],
    [n_x, n_y, n_z, channels]: [usize; 4],
    TotalVariation { weight, smoothing }: TotalVariation,
    gradient: &mut [F],
    partial: &mut Vec<f64>,
) -> f64 {
    let strides = [n_y * n_z * channels, n_z * channels, channels];
    let size = [n_x, n_y, n_z];
    // Differences to the next voxel along each axis, and the length of their vector.
    let slope = |at: usize, voxel: [usize; 3]| {
        let differences = [0, 1, 2].map(|axis| {
            if voxel[axis] + 1 < size[axis] { (volume[at + strides[axis]] - volume[at]).f64() } else { 0.0 }
        });
        let square: f64 = differences.iter().map(|d| d * d).sum();
        (differences, (square + smoothing * smoothing).sqrt())
    };
    gradient
        .par_chunks_mut(strides[0])
        .enumerate()
        .map(|(x, slab)| {
            let mut sum = 0.0;
            for (within, value) in slab.iter_mut().enumerate() {
                let at = x * strides[0] + within;
                let voxel = [x, within / strides[1], within / channels % n_z];
                let (differences, length) = slope(at, voxel);
                sum += length - smoothing;
                let mut change = -differences.iter().sum::<f64>() / length;
                for axis in 0..3 {
                    if voxel[axis] > 0 {
                        let mut before = voxel;
                        before[axis] -= 1;
                        let (differences, length) = slope(at - strides[axis], before);
                        change += differences[axis] / length;
                    }
                }
                *value += F::of(weight * change);
            }
            weight * sum
        })
        .collect_into_vec(partial);
    partial.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_is_the_change_of_the_sum() {
        let dim = [3, 4, 2, 2];
        let volume: Vec<f64> = (0..48).map(|i| ((i * 17) % 23) as f64 * 0.1).collect();
        let terms = TotalVariation { weight: 0.7, smoothing: 0.05 };
        let value = |volume: &[f64]| add_total_variation(volume, dim, terms, &mut [0.0; 48], &mut Vec::new());
        let mut gradient = [0.0; 48];
        let _ = add_total_variation(&volume, dim, terms, &mut gradient, &mut Vec::new());
        for at in 0..48 {
            let moved = |by: f64| {
                let mut volume = volume.clone();
                volume[at] += by;
                value(&volume)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            // Central differences: 1e-10 over the cube of the smoothing.
            assert!((gradient[at] - expected).abs() < 1e-6, "{at}: {} {expected}", gradient[at]);
        }
    }
}
