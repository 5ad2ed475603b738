//! Which samples are neighbours.

mod completion;
mod components;

use ndarray::{ArrayD, IxDyn};
use nonius_core::{Error, Result, Roi};
use serde::{Deserialize, Serialize};

pub use completion::{CompletedGraph, Disconnected};
pub use components::Components;

/// Samples that a graph may have: the nodes of their tree still have numbers of 32 bits.
const MAX_SAMPLES: usize = 1 << 31;

/// Which positions of a scan are neighbours of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbors {
    /// Those that differ by one step along one axis: four in a plane, two on a line, six in a volume.
    #[default]
    #[serde(alias = "four", alias = "six")]
    Direct,
    /// Also those that differ by one step along several axes: eight in a plane, 26 in a volume.
    #[serde(alias = "eight")]
    Diagonal,
}

impl Neighbors {
    /// Steps along the axes of a scan to those neighbours that come later in row-major order.
    pub fn offsets(self, n_axes: usize) -> Vec<Vec<isize>> {
        let mut steps = vec![Vec::new()];
        for _ in 0..n_axes {
            steps = steps.iter().flat_map(|s| [-1, 0, 1].map(|d| [s.as_slice(), &[d]].concat())).collect();
        }
        let later = |step: &&Vec<isize>| step.iter().find(|d| **d != 0) == Some(&1);
        let near =
            |step: &&Vec<isize>| self == Neighbors::Diagonal || step.iter().filter(|d| **d != 0).count() == 1;
        steps.iter().filter(later).filter(near).cloned().collect()
    }
}

/// Which samples are neighbours: an undirected graph without loops, nodes 0 to `n_samples − 1`.
///
/// ```
/// use nonius_clustering::{Graph, Neighbors};
/// use nonius_core::Roi;
///
/// assert_eq!(Graph::grid(&Roi::all(&[90, 121]), Neighbors::Direct)?.edges().len(), 21_569);
/// let roi = Roi::from_mask(ndarray::array![[true, false, true], [true, true, false]].into_dyn().view());
/// // Samples 0 1 / 2 3: only used positions are nodes.
/// assert_eq!(Graph::grid(&roi, Neighbors::Direct)?.edges(), [[0, 2], [2, 3]]);
/// assert_eq!(Graph::grid(&roi, Neighbors::Diagonal)?.edges(), [[0, 2], [0, 3], [1, 3], [2, 3]]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    n_samples: usize,
    /// The smaller node first, ascending, each once.
    edges: Vec<[u32; 2]>,
}

impl Graph {
    /// The samples of a region of interest, joined where their positions are neighbours. An edge needs both ends used.
    ///
    /// # Errors
    /// [`Error::Empty`] for a region without positions, [`Error::Parameter`] for one of more than 2³¹.
    pub fn grid(roi: &Roi, neighbors: Neighbors) -> Result<Self> {
        Graph::from_offsets(roi, &neighbors.offsets(roi.shape().len()))
    }

    /// The same for any neighbourhood: steps along the axes of the scan, slowest first; each holds backwards as well.
    ///
    /// # Errors
    /// As [`grid`](Graph::grid); [`Error::Parameter`] for a step that has not one number per axis or leads nowhere.
    pub fn from_offsets(roi: &Roi, offsets: &[Vec<isize>]) -> Result<Self> {
        check_size(roi.len())?;
        let shape = roi.shape();
        if let Some(step) = offsets.iter().find(|s| s.len() != shape.len() || s.iter().all(|d| *d == 0)) {
            let must_be = "one number per axis of the scan, not all 0";
            return Err(Error::parameter("offset", must_be, format!("{step:?} in {shape:?}")));
        }
        let mut sample_at = ArrayD::from_elem(IxDyn(shape), None);
        if let Some(sample_at) = sample_at.as_slice_mut() {
            (0..roi.len()).for_each(|i| sample_at[roi.position(i)] = Some(i as u32));
        }
        let mut edges = Vec::new();
        let mut neighbor = vec![0; shape.len()];
        for (index, sample) in sample_at.indexed_iter() {
            let Some(sample) = *sample else { continue };
            for step in offsets {
                let inside = (0..shape.len()).all(|axis| {
                    let to = index[axis].checked_add_signed(step[axis]);
                    neighbor[axis] = to.unwrap_or(usize::MAX);
                    neighbor[axis] < shape[axis]
                });
                if let Some(other) = inside.then(|| sample_at[neighbor.as_slice()]).flatten() {
                    edges.push([sample, other]);
                }
            }
        }
        Ok(Graph::new(roi.len(), edges))
    }

    /// Any edges between `n_samples` samples, in any order and either direction; twice is once, and loops are left out.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an end that is no sample, for no samples or more than 2³¹.
    pub fn from_edges(n_samples: usize, edges: impl IntoIterator<Item = [usize; 2]>) -> Result<Self> {
        check_size(n_samples)?;
        let node = |[a, b]: [usize; 2]| {
            if a.max(b) < n_samples {
                return Ok([a as u32, b as u32]);
            }
            let got = format!("{:?} of {n_samples} samples", [a, b]);
            Err(Error::parameter("edge", "between two of the samples", got))
        };
        Ok(Graph::new(n_samples, edges.into_iter().map(node).collect::<Result<_>>()?))
    }

    fn new(n_samples: usize, mut edges: Vec<[u32; 2]>) -> Self {
        edges.iter_mut().for_each(|edge| edge.sort_unstable());
        edges.retain(|[a, b]| a != b);
        edges.sort_unstable();
        edges.dedup();
        Graph { n_samples, edges }
    }

    /// Number of nodes; above 0.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Every edge once, the smaller node first, in ascending order.
    pub fn edges(&self) -> &[[u32; 2]] {
        &self.edges
    }

    /// Neighbours of every node, ascending.
    pub(crate) fn neighbors(&self) -> Vec<Vec<u32>> {
        let mut lists = vec![Vec::new(); self.n_samples];
        for &[a, b] in &self.edges {
            lists[a as usize].push(b);
            lists[b as usize].push(a);
        }
        lists.iter_mut().for_each(|list| list.sort_unstable());
        lists
    }
}

fn check_size(n_samples: usize) -> Result<()> {
    match n_samples {
        0 => Err(Error::Empty { what: "region of interest", got: vec![0] }),
        n if n > MAX_SAMPLES => Err(Error::parameter("number of samples", "at most 2^31", n)),
        _ => Ok(()),
    }
}
