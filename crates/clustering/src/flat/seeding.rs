//! Where centres start.

use std::collections::HashSet;

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Progress, Result, Rows};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// [`Error::Parameter`] unless there are `n_clusters ≥ 1` rows that differ.
pub(super) fn check_n_clusters(features: ArrayView2<'_, f64>, n_clusters: usize) -> Result<()> {
    let n = features.nrows();
    if n_clusters == 0 || n_clusters > n {
        let got = format!("{n_clusters} for {n} samples");
        return Err(Error::parameter("n_clusters", "at least 1 and at most the number of samples", got));
    }
    let mut different = HashSet::new();
    for row in features.outer_iter() {
        // Both zeros are one number.
        different.insert(row.iter().map(|v| (v + 0.0).to_bits()).collect::<Vec<_>>());
        if different.len() == n_clusters {
            return Ok(());
        }
    }
    let got = format!("{n_clusters} for {} different rows", different.len());
    Err(Error::parameter("n_clusters", "at most the number of rows of features that differ", got))
}

/// Samples for which distances are computed at a time.
const CHUNK: usize = 1024;

/// Greedy k-means++: samples far from one another, as centres. `rows` measures squared distances.
pub(super) fn spread_centers(
    rows: &Rows,
    n_clusters: usize,
    seed: u64,
    start: usize,
    progress: &dyn Progress,
) -> Result<Array2<f64>> {
    let n = rows.n_rows();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    // Streams of different starts do not overlap.
    (0..start).for_each(|_| random.jump());
    let mut centers = Array2::zeros((n_clusters, rows.width()));
    let first = rows.row(random.gen_range(0..n));
    let mut nearest = vec![f64::INFINITY; n];
    let mut total = approach(rows, &first, &vec![f64::INFINITY; n], &mut nearest);
    let mut place =
        |k: usize, row: Vec<f64>| centers.row_mut(k).iter_mut().zip(row).for_each(|(c, v)| *c = v);
    place(0, first);
    let n_trials = 2 + (n_clusters as f64).ln() as usize;
    let (mut trial, mut best) = (vec![0.0; n], vec![0.0; n]);
    for k in 1..n_clusters {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let mut best_total = f64::INFINITY;
        let mut best_row = Vec::new();
        for draw in 0..n_trials {
            let row = rows.row(drawn(&nearest, random.r#gen::<f64>() * total));
            let trial_total = approach(rows, &row, &nearest, &mut trial);
            if draw == 0 || trial_total < best_total {
                std::mem::swap(&mut trial, &mut best);
                (best_total, best_row) = (trial_total, row);
            }
        }
        std::mem::swap(&mut nearest, &mut best);
        total = best_total;
        place(k, best_row);
    }
    Ok(centers)
}

/// Squared distance of every sample to the nearest of its centres so far and `center`. Result: their sum.
fn approach(rows: &Rows, center: &[f64], nearest: &[f64], with_center: &mut [f64]) -> f64 {
    with_center.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
        let start = chunk * CHUNK;
        rows.distances(center, start..start + out.len(), out);
        out.iter_mut().zip(&nearest[start..]).for_each(|(d, nearest)| *d = d.min(*nearest));
    });
    with_center.iter().sum()
}

/// The sample at which the sum of `weights` exceeds `sum`; where rounding leaves none, the last with a weight.
fn drawn(weights: &[f64], sum: f64) -> usize {
    let mut so_far = 0.0;
    let mut last = 0;
    for (i, w) in weights.iter().enumerate() {
        so_far += w;
        if *w > 0.0 {
            last = i;
            if so_far > sum {
                return i;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let weights = [0.0, 1.0, 0.0, 3.0, 0.0];
        let expected = [(0.0, 1), (0.999, 1), (1.0, 3), (3.999, 3), (4.0, 3), (f64::NAN, 3)];
        for (sum, i) in expected {
            assert_eq!(drawn(&weights, sum), i, "{sum}");
        }
        assert_eq!(drawn(&[0.0, 0.0], 0.0), 0);
    }
}
