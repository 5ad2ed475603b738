//! Poisson numbers by the million.

use rand::{Rng, RngCore};
use rand_distr::{Distribution, Poisson};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Tables are this much apart in their mean.
const STEP: f64 = 0.25;
/// Beyond the mean of the last table numbers come from `rand_distr`.
const N_TABLES: usize = 256;
/// Entries of a table; with a mean of 64, one of 10¹² numbers is greater.
const N: usize = 128;

/// Poisson numbers of any mean, for means below 64 several times as fast as `rand_distr`'s, and others for the same
/// seed.
///
/// Numbers of a mean on the grid are drawn from tables (alias method: Walker 1977, Vose 1991), and to them those for the rest
/// of the mean are added: numbers of mean ¼, each count of which is kept with a probability.
#[derive(Debug, Clone)]
pub(crate) struct PoissonTables {
    tables: Vec<[Entry; N]>,
}

/// Entry k yields k if a number below 2³² is below `threshold`, else `alias`.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    threshold: u32,
    alias: u8,
}

impl PoissonTables {
    pub(crate) fn new() -> Self {
        PoissonTables { tables: (0..N_TABLES).map(|k| table(STEP * k as f64)).collect() }
    }

    /// A number; 0 for a mean of 0, or below it by rounding.
    pub(crate) fn sample(&self, mean: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
        // Negative ones become 0.
        let below = (mean / STEP) as usize;
        let Some(table) = self.tables.get(below) else {
            return Poisson::new(mean).map_or(0.0, |distribution| distribution.sample(rng));
        };
        let kept = mean / STEP - below as f64;
        let more = (0..draw(&self.tables[1], rng)).filter(|_| rng.r#gen::<f64>() < kept).count();
        f64::from(draw(table, rng)) + more as f64
    }
}

fn draw(table: &[Entry; N], rng: &mut Xoshiro256PlusPlus) -> u8 {
    let bits = rng.next_u64();
    let k = (bits >> 57) as u8;
    let Entry { threshold, alias } = table[usize::from(k)];
    if (bits as u32) < threshold { k } else { alias }
}

fn table(mean: f64) -> [Entry; N] {
    let mut p = (-mean).exp();
    // How often each number is drawn of N.
    let mut heights: Vec<f64> = Vec::with_capacity(N);
    for k in 0..N {
        heights.push(N as f64 * p);
        p *= mean / (k + 1) as f64;
    }
    let mut entries: [Entry; N] = std::array::from_fn(|k| Entry { threshold: u32::MAX, alias: k as u8 });
    let (mut low, mut high): (Vec<usize>, Vec<usize>) = (0..N).partition(|&k| heights[k] < 1.0);
    while let (Some(k), Some(&fills)) = (low.pop(), high.last()) {
        entries[k] = Entry { threshold: (heights[k] * 2f64.powi(32)) as u32, alias: fills as u8 };
        heights[fills] -= 1.0 - heights[k];
        if heights[fills] < 1.0 {
            high.pop();
            low.push(fills);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn numbers_are_of_their_distribution() {
        let tables = PoissonTables::new();
        let rng = &mut stream(5, Purpose::Noise, 0);
        for mean in [0.03f64, 0.25, 1.1, 9.99, 31.7, 63.9, 64.0, 300.0] {
            let n = 400_000;
            let mut counts = vec![0usize; 1000];
            (0..n).for_each(|_| counts[tables.sample(mean, rng) as usize] += 1);
            // Pearson's χ² over the numbers that are expected at least 10 times.
            let mut p = (-mean).exp();
            let (mut chi2, mut likely, mut rest) = (0.0, 0.0, n as f64);
            for (k, &count) in counts.iter().enumerate() {
                let expected = n as f64 * p;
                if expected >= 10.0 {
                    chi2 += (count as f64 - expected).powi(2) / expected;
                    likely += 1.0;
                    rest -= count as f64;
                }
                p *= mean / (k + 1) as f64;
            }
            // χ² scatters by √(2 n) about n.
            assert!((chi2 - likely).abs() < 4.0 * (2.0 * likely).sqrt(), "{mean}: {chi2} of {likely}");
            assert!((0.0..100.0).contains(&rest), "{mean}: {rest}");
        }
        assert_eq!((tables.sample(0.0, rng), tables.sample(-1e-12, rng)), (0.0, 0.0));
    }
}
