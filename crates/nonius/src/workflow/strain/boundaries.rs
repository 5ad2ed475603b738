//! Which grain a frame at a boundary belongs to.

use std::collections::{BTreeMap, VecDeque};

use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, ArrayView1, ArrayView2};
use nonius_blobfinder::Peak;
use nonius_clustering::{FeaturePlan, Graph, LabelMap, Neighbors, scale};
use nonius_core::{PassParams, Progress, Result, Roi, Selection, pass};
use serde::{Deserialize, Serialize};

use super::{Crystals, RegionParams, Regions};

/// How frames at boundaries are given to the grains beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BoundaryParams {
    /// How many steps from a boundary a frame may show more than one grain. 0: regions stay as they are. Default: 2.
    pub width: usize,
}

impl Default for BoundaryParams {
    fn default() -> Self {
        BoundaryParams { width: 2 }
    }
}

/// How far from a frame, in widths, frames of one grain alone are looked for.
const REACH: usize = 4;
/// Grains that a frame may be shared by.
const MOST_GRAINS: usize = 3;

/// Gives frames at boundaries between grains to the grain that has the greatest share of them.
///
/// A frame there shows the patterns of several grains at once. With v_g the mean feature vector of the nearest frames that
/// grain g has to itself, its own is `Σ α_g v_g`, `α_g ≥ 0` by least squares, and the frame belongs to the grain of the
/// greatest α, that is to that grain's region which is nearest. A region keeps at least one frame.
///
/// # Errors
/// [`Error::Frame`](nonius_core::Error::Frame), [`Error::Cancelled`](nonius_core::Error::Cancelled).
pub fn settle_boundaries(
    selection: &Selection<'_>,
    regions: &Regions,
    crystals: &Crystals,
    params: &BoundaryParams,
    region_params: &RegionParams,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<LabelMap> {
    let labels = &regions.labels;
    let graph = Neighborhood::new(&Graph::grid(labels.roi(), Neighbors::Direct)?);
    let grain: Vec<Option<usize>> =
        labels.labels().iter().map(|label| label.and_then(|l| crystals.grain_of_region(l))).collect();
    let depth = graph.steps_to_boundary(&grain, (REACH + 1) * params.width);
    let mixed = |k: usize| grain[k].is_some() && depth[k] < params.width;
    if !(0..grain.len()).any(mixed) {
        return Ok(labels.clone());
    }
    // Features of all frames that take part, one row each.
    let part: Vec<usize> = (0..grain.len()).filter(|&k| depth[k] < usize::MAX).collect();
    let roi = labels.roi().subset(part.iter().copied())?;
    let features = features(selection, &roi, &regions.spots, region_params, pass_params, progress)?;
    let mut row = vec![None; grain.len()];
    let is_whole = |row: ArrayView1<'_, f64>| row.iter().all(|v| v.is_finite());
    part.iter().enumerate().filter(|(r, _)| is_whole(features.row(*r))).for_each(|(r, &k)| row[k] = Some(r));

    let mut settled = labels.labels().to_vec();
    let mut sizes = labels.sizes();
    for k in (0..grain.len()).filter(|&k| mixed(k)) {
        let Some(own) = row[k] else { continue };
        let around = graph.within(k, REACH * params.width);
        let mut pure: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &j in around.iter().filter(|&&j| depth[j] >= params.width && row[j].is_some()) {
            // The nearest come first.
            if let (Some(g), Some(r)) = (grain[j], row[j]) {
                let of = pure.entry(g).or_default();
                if of.len() < 12 {
                    of.push(r);
                }
            }
        }
        let Some(best) = greatest_share(features.view(), own, &pure) else { continue };
        if grain[k] == Some(best) {
            continue;
        }
        let nearest = around.iter().find(|&&j| grain[j] == Some(best)).and_then(|&j| labels.labels()[j]);
        if let (Some(from), Some(to)) = (settled[k], nearest)
            && sizes[from] > 1
        {
            sizes[from] -= 1;
            sizes[to] += 1;
            settled[k] = Some(to);
        }
    }
    LabelMap::new(labels.roi().clone(), settled)
}

fn features(
    selection: &Selection<'_>,
    roi: &Roi,
    spots: &[Peak],
    params: &RegionParams,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<Array2<f64>> {
    let positions: Vec<[i64; 2]> = spots.iter().map(|p| p.center.map(i64::from)).collect();
    let scan = selection.scan();
    let plan = FeaturePlan::new(scan.frame_shape(), &positions, &params.features)?;
    let mut features = pass(&scan.select(Some(roi))?, &plan, pass_params, progress)?;
    // A frame with NaN does not keep the others from being scaled.
    let bad = features.mapv(|v| !v.is_finite());
    features.zip_mut_with(&bad, |v, bad| *v = if *bad { 0.0 } else { *v });
    let mut features = scale(features, &params.scaling)?.features;
    features.zip_mut_with(&bad, |v, bad| *v = if *bad { f64::NAN } else { *v });
    Ok(features)
}

/// The grain of the greatest share α of row `own`; None if fewer than two grains have frames of their own nearby.
fn greatest_share(
    features: ArrayView2<'_, f64>,
    own: usize,
    pure: &BTreeMap<usize, Vec<usize>>,
) -> Option<usize> {
    let mut grains: Vec<(usize, &Vec<usize>)> = pure.iter().map(|(g, rows)| (*g, rows)).collect();
    grains.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    grains.truncate(MOST_GRAINS);
    if grains.len() < 2 {
        return None;
    }
    let means: Vec<Vec<f64>> = grains
        .iter()
        .map(|(_, rows)| {
            let sum = |c: usize| rows.iter().map(|&r| features[[r, c]]).sum::<f64>();
            (0..features.ncols()).map(|c| sum(c) / rows.len() as f64).collect()
        })
        .collect();
    let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
    let frame = features.row(own).to_vec();
    let n = means.len();
    let gram = DMatrix::from_fn(n, n, |i, j| dot(&means[i], &means[j]));
    let moments = DVector::from_fn(n, |i, _| dot(&means[i], &frame));
    let shares = not_negative(&gram, &moments)?;
    let best = (0..n).max_by(|&i, &j| shares[i].total_cmp(&shares[j]).then(grains[j].0.cmp(&grains[i].0)))?;
    Some(grains[best].0)
}

/// Least squares with coefficients that are not negative, for a few of them: the best of all subsets that have none.
fn not_negative(gram: &DMatrix<f64>, moments: &DVector<f64>) -> Option<Vec<f64>> {
    let n = moments.len();
    let mut best: Option<(f64, Vec<f64>)> = None;
    for subset in 1..1usize << n {
        let members: Vec<usize> = (0..n).filter(|i| subset >> i & 1 == 1).collect();
        let m = members.len();
        let a = DMatrix::from_fn(m, m, |i, j| gram[(members[i], members[j])]);
        let b = DVector::from_fn(m, |i, _| moments[members[i]]);
        let Some(x) = a.cholesky().map(|c| c.solve(&b)) else { continue };
        if x.iter().any(|v| *v < 0.0 || !v.is_finite()) {
            continue;
        }
        // What the fit takes off the sum of squares.
        let gain = x.dot(&b);
        if best.as_ref().is_none_or(|(least, _)| gain > *least) {
            let mut all = vec![0.0; n];
            members.iter().zip(x.iter()).for_each(|(&i, v)| all[i] = *v);
            best = Some((gain, all));
        }
    }
    best.map(|(_, shares)| shares)
}

/// Neighbours of every sample.
struct Neighborhood {
    first: Vec<usize>,
    neighbors: Vec<u32>,
}

impl Neighborhood {
    fn new(graph: &Graph) -> Self {
        let n = graph.n_samples();
        let mut first = vec![0; n + 1];
        for edge in graph.edges() {
            edge.iter().for_each(|&k| first[k as usize + 1] += 1);
        }
        (0..n).for_each(|k| first[k + 1] += first[k]);
        let (mut next, mut neighbors) = (first.clone(), vec![0; 2 * graph.edges().len()]);
        for &[i, j] in graph.edges() {
            for (from, to) in [(i, j), (j, i)] {
                neighbors[next[from as usize]] = to;
                next[from as usize] += 1;
            }
        }
        Neighborhood { first, neighbors }
    }

    fn of(&self, k: usize) -> impl Iterator<Item = usize> + '_ {
        self.neighbors[self.first[k]..self.first[k + 1]].iter().map(|&j| j as usize)
    }

    /// Steps from each sample to one that has a neighbour in another grain; beyond `most`: `usize::MAX`.
    fn steps_to_boundary(&self, grain: &[Option<usize>], most: usize) -> Vec<usize> {
        let mut steps = vec![usize::MAX; grain.len()];
        let is_at_boundary = |k: &usize| {
            grain[*k].is_some() && self.of(*k).any(|j| grain[j].is_some() && grain[j] != grain[*k])
        };
        let mut reached: VecDeque<usize> = (0..grain.len()).filter(is_at_boundary).collect();
        reached.iter().for_each(|&k| steps[k] = 0);
        while let Some(k) = reached.pop_front() {
            for j in self.of(k) {
                if steps[j] == usize::MAX && grain[j].is_some() && steps[k] < most {
                    steps[j] = steps[k] + 1;
                    reached.push_back(j);
                }
            }
        }
        steps
    }

    /// Samples up to `steps` from `k`, the nearest first.
    fn within(&self, k: usize, steps: usize) -> Vec<usize> {
        let mut seen = std::collections::HashSet::from([k]);
        let mut found = vec![k];
        let mut done = 0;
        for _ in 0..steps {
            let layer = done..found.len();
            done = found.len();
            for i in layer {
                for j in self.of(found[i]) {
                    if seen.insert(j) {
                        found.push(j);
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_not_negative() {
        // f = 2 u − v for nearly parallel u and v: the best without a minus is u alone.
        let (u, v) = ([1.0, 0.0], [0.9, 0.5]);
        let f = [2.0 * u[0] - v[0], 2.0 * u[1] - v[1]];
        let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
        let gram = DMatrix::from_row_slice(2, 2, &[dot(u, u), dot(u, v), dot(u, v), dot(v, v)]);
        let shares = not_negative(&gram, &DVector::from_vec(vec![dot(u, f), dot(v, f)])).unwrap();
        assert!((shares[0] - 1.1).abs() < 1e-12 && shares[1] == 0.0);
        let f = [0.3 * u[0] + 0.7 * v[0], 0.3 * u[1] + 0.7 * v[1]];
        let shares = not_negative(&gram, &DVector::from_vec(vec![dot(u, f), dot(v, f)])).unwrap();
        assert!((shares[0] - 0.3).abs() < 1e-12 && (shares[1] - 0.7).abs() < 1e-12);
    }

    #[test]
    fn steps_are_counted_from_boundaries() {
        let graph = Neighborhood::new(&Graph::grid(&Roi::all(&[1, 7]), Neighbors::Direct).unwrap());
        let grain = [0, 0, 0, 1, 1, 1, 1].map(Some);
        assert_eq!(graph.steps_to_boundary(&grain, 2), [2, 1, 0, 0, 1, 2, usize::MAX]);
        assert_eq!(graph.within(3, 2), [3, 2, 4, 1, 5]);
    }
}
