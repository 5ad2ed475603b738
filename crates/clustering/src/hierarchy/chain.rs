//! Chains of nearest neighbours.

use nonius_core::{Error, Progress, Result};

use super::tree::Merge;

/// What a distance to a new cluster is made of: those to its two parts, that between the parts, the sizes of the parts and
/// of the other cluster.
pub(super) struct Parts {
    d_ik: f64,
    d_jk: f64,
    d_ij: f64,
    n_i: f64,
    n_j: f64,
    n_k: f64,
}

pub(super) fn complete(p: Parts) -> f64 {
    p.d_ik.max(p.d_jk)
}

pub(super) fn average(p: Parts) -> f64 {
    (p.n_i * p.d_ik + p.n_j * p.d_jk) / (p.n_i + p.n_j)
}

pub(super) fn weighted(p: Parts) -> f64 {
    0.5 * (p.d_ik + p.d_jk)
}

/// In the order of operations of SciPy, whose bits these are.
pub(super) fn ward(p: Parts) -> f64 {
    let t = 1.0 / (p.n_i + p.n_j + p.n_k);
    ((p.n_k + p.n_i) * t * p.d_ik * p.d_ik + (p.n_k + p.n_j) * t * p.d_jk * p.d_jk
        - p.n_k * t * p.d_ij * p.d_ij)
        .sqrt()
}

/// Merges of `n` samples, from the distances of all pairs.
///
/// A chain leads from a cluster to its nearest, to the nearest of that, until two are nearest to one another: they are
/// merged, and what was before them in the chain stays valid. Of several nearest clusters the predecessor in the chain is
/// taken, otherwise that with the lowest number. A merged cluster has the greater number of its parts.
pub(super) fn merges(
    mut distances: Vec<f64>,
    n: usize,
    update: impl Fn(Parts) -> f64,
    progress: &dyn Progress,
) -> Result<Vec<Merge>> {
    let place = |i: usize, j: usize| {
        let (i, j) = (i.min(j), i.max(j));
        i * (2 * n - i - 1) / 2 + j - i - 1
    };
    let mut size = vec![1.0; n];
    let mut active: Vec<usize> = (0..n).collect();
    let mut chain: Vec<usize> = Vec::with_capacity(n);
    let mut merges = Vec::with_capacity(n.saturating_sub(1));
    progress.start("merging clusters", n.saturating_sub(1) as u64);
    while active.len() > 1 {
        if progress.cancelled() {
            progress.finish();
            return Err(Error::Cancelled);
        }
        if chain.is_empty() {
            chain.push(active[0]);
        }
        let (i, j, d_ij) = loop {
            let end = chain[chain.len() - 1];
            let before = chain.len().checked_sub(2).map(|at| chain[at]);
            let (mut nearest, mut least) = match before {
                Some(before) => (before, distances[place(end, before)]),
                None => (active[usize::from(active[0] == end)], f64::INFINITY),
            };
            for &k in active.iter().filter(|&&k| k != end) {
                let d = distances[place(end, k)];
                if d < least {
                    (nearest, least) = (k, d);
                }
            }
            if Some(nearest) == before {
                break (end.min(nearest), end.max(nearest), least);
            }
            chain.push(nearest);
        };
        chain.truncate(chain.len() - 2);
        merges.push(Merge { samples: [i as u32, j as u32], distance: d_ij });
        let (n_i, n_j) = (size[i], size[j]);
        size[j] = n_i + n_j;
        active.remove(active.partition_point(|&k| k < i));
        for &k in active.iter().filter(|&&k| k != j) {
            let parts = Parts {
                d_ik: distances[place(i, k)],
                d_jk: distances[place(j, k)],
                d_ij,
                n_i,
                n_j,
                n_k: size[k],
            };
            distances[place(j, k)] = update(parts);
        }
        progress.advance(1);
    }
    progress.finish();
    Ok(merges)
}
