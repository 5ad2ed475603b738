//! How alike two labellings are.

use std::collections::HashMap;

use nonius_core::{Result, check_shape};

/// The Rand index of two labellings of the same samples, adjusted for chance: 1 if they are the same but for the numbers
/// of clusters, about 0 if they have nothing in common, negative if less than that.
///
/// ```text
/// share of pairs of samples on which they agree (together in both, or apart in both),
/// less what is expected at random, over the greatest that could be
/// ```
///
/// Noise counts as a cluster of its own. 1 for no samples, and for two labellings that both have all samples in one cluster
/// or all apart.
///
/// ```
/// use nonius_clustering::adjusted_rand_index;
///
/// let a = [Some(0), Some(0), Some(1), Some(1)];
/// assert_eq!(adjusted_rand_index(&a, &[Some(7), Some(7), Some(2), Some(2)])?, 1.0);
/// assert_eq!(adjusted_rand_index(&a, &[Some(0), Some(1), Some(0), Some(1)])?, -0.5);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](nonius_core::Error::Shape) unless both have as many labels.
///
/// # Source
/// L. Hubert and P. Arabie, *Comparing partitions*, J. Classif. 2 (1985) 193.
pub fn adjusted_rand_index(a: &[Option<usize>], b: &[Option<usize>]) -> Result<f64> {
    check_shape("labels", &[a.len()], &[b.len()])?;
    let (mut of_a, mut of_b, mut of_both) = (HashMap::new(), HashMap::new(), HashMap::new());
    for (a, b) in a.iter().zip(b) {
        *of_a.entry(a).or_insert(0i128) += 1;
        *of_b.entry(b).or_insert(0i128) += 1;
        *of_both.entry((a, b)).or_insert(0i128) += 1;
    }
    // Ordered pairs that are together.
    let together = |n: &i128| n * (n - 1);
    let in_a: i128 = of_a.values().map(together).sum();
    let in_b: i128 = of_b.values().map(together).sum();
    let in_both: i128 = of_both.values().map(together).sum();
    let all = together(&(a.len() as i128));
    let (only_a, only_b) = (in_a - in_both, in_b - in_both);
    if only_a == 0 && only_b == 0 {
        return Ok(1.0);
    }
    let in_neither = all - in_both - only_a - only_b;
    let [both, a, b, neither] = [in_both, only_a, only_b, in_neither].map(|n| n as f64);
    Ok(2.0 * (both * neither - a * b) / ((both + a) * (a + neither) + (both + b) * (b + neither)))
}
