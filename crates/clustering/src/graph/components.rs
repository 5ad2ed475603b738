//! Parts of a graph that no edge joins.

use super::Graph;

/// The connected components of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Number of components.
    pub n: usize,
    /// Component of every node, numbered by their smallest nodes.
    pub of_sample: Vec<usize>,
}

impl Graph {
    /// The connected components.
    ///
    /// ```
    /// use nonius_clustering::Graph;
    /// let components = Graph::from_edges(5, [[0, 3], [2, 1]])?.components();
    /// assert_eq!((components.n, components.of_sample), (3, vec![0, 1, 1, 0, 2]));
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    pub fn components(&self) -> Components {
        // Trees whose roots are their smallest nodes.
        let mut parent: Vec<u32> = (0..self.n_samples as u32).collect();
        for &[a, b] in &self.edges {
            let (a, b) = (root(&mut parent, a), root(&mut parent, b));
            parent[a.max(b) as usize] = a.min(b);
        }
        let mut n = 0;
        let mut of_sample = vec![0; self.n_samples];
        for i in 0..self.n_samples {
            let root = root(&mut parent, i as u32) as usize;
            if root == i {
                of_sample[i] = n;
                n += 1;
            } else {
                of_sample[i] = of_sample[root];
            }
        }
        Components { n, of_sample }
    }
}

/// The root of a node's tree; the way there is halved.
fn root(parent: &mut [u32], mut node: u32) -> u32 {
    while parent[node as usize] != node {
        let above = parent[parent[node as usize] as usize];
        parent[node as usize] = above;
        node = above;
    }
    node
}
