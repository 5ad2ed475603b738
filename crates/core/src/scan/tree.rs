//! Merging in a fixed order, whoever finishes first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Partial results of parts 0 to n, merged pairwise in a tree whose form depends on n alone. No more of them
/// wait than a few per thread, if parts end roughly in order.
pub(crate) struct MergeTree<P> {
    n: usize,
    /// By level and place within it: node k of level l + 1 is made of 2k and 2k + 1 of level l.
    waiting: Mutex<BTreeMap<(u32, usize), P>>,
}

impl<P> MergeTree<P> {
    pub(crate) fn new(n: usize) -> Self {
        MergeTree { n, waiting: Mutex::new(BTreeMap::new()) }
    }

    /// Takes the result of a part in, and merges upwards as far as neighbours are there.
    pub(crate) fn add(&self, part: usize, result: P, merge: impl Fn(P, P) -> P) {
        let (mut level, mut at, mut result) = (0, part, result);
        loop {
            let n_here = self.n.div_ceil(1 << level);
            if n_here > 1 {
                let sibling = at ^ 1;
                if sibling < n_here {
                    let other = {
                        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                        match waiting.remove(&(level, sibling)) {
                            Some(other) => other,
                            None => {
                                waiting.insert((level, at), result);
                                return;
                            }
                        }
                    };
                    result = if at < sibling { merge(result, other) } else { merge(other, result) };
                }
                at /= 2;
                level += 1;
                continue;
            }
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert((level, at), result);
            return;
        }
    }

    /// What has been taken in so far, merged in the order of the parts.
    pub(crate) fn so_far(&self, merge: impl Fn(P, P) -> P) -> Option<P>
    where
        P: Clone,
    {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes: Vec<(usize, P)> =
            waiting.iter().map(|(&(level, at), p)| (at << level, p.clone())).collect();
        drop(waiting);
        nodes.sort_by_key(|(first, _)| *first);
        nodes.into_iter().map(|(_, p)| p).reduce(merge)
    }

    /// The whole, once every part was taken in.
    pub(crate) fn whole(self) -> Option<P> {
        let mut waiting = self.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        let only = waiting.pop_first().map(|(_, p)| p);
        if waiting.is_empty() { only } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_tree_does_not_depend_on_who_comes_first() {
        let join = |a: String, b: String| format!("({a}{b})");
        for n in 1..20 {
            let grown = |order: &[usize]| {
                let tree = MergeTree::new(n);
                order.iter().for_each(|&k| tree.add(k, format!("{k},"), join));
                tree.whole().unwrap()
            };
            let forward: Vec<usize> = (0..n).collect();
            let backward: Vec<usize> = (0..n).rev().collect();
            let odd_first: Vec<usize> = (0..n).filter(|k| k % 2 == 1).chain((0..n).step_by(2)).collect();
            let expected = grown(&forward);
            assert_eq!(grown(&backward), expected);
            assert_eq!(grown(&odd_first), expected);
            let order: String = expected.chars().filter(|c| !"()".contains(*c)).collect();
            assert_eq!(order, (0..n).map(|k| format!("{k},")).collect::<String>());
        }
    }

    #[test]
    fn what_there_is_so_far_is_in_order() {
        let tree = MergeTree::new(7);
        for k in [4, 0, 6, 1] {
            tree.add(k, k.to_string(), |a, b| a + &b);
        }
        assert_eq!(tree.so_far(|a, b| a + &b).unwrap(), "0146");
        assert!(tree.whole().is_none());
    }
}
