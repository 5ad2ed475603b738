//! Statistics that are built up value by value and merged.

use serde::{Deserialize, Serialize};

/// Count, mean, variance, least and greatest of the values seen so far.
///
/// The mean and the sum of squared deviations are updated as differences from the running mean, so
/// nothing is lost when the mean is large against the spread. Two partial results merge to what one pass
/// over all values would have given, to rounding. NaN values are counted apart and take no other part.
///
/// # Source
/// B. P. Welford, Technometrics 4, 419 (1962); merging: T. F. Chan, G. H. Golub, R. J. LeVeque,
/// The American Statistician 37, 242 (1983).
///
/// ```
/// use nonius_core::RunningStatistics;
/// let mut left: RunningStatistics = [1.0, 2.0].into_iter().collect();
/// let right: RunningStatistics = [3.0, 6.0].into_iter().collect();
/// left.merge(&right);
/// assert_eq!((left.count(), left.mean(), left.variance(), left.max()), (4, 3.0, 3.5, 6.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunningStatistics {
    count: u64,
    nan: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for RunningStatistics {
    fn default() -> Self {
        RunningStatistics {
            count: 0,
            nan: 0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl RunningStatistics {
    /// Takes one value in.
    pub fn push(&mut self, value: f64) {
        if value.is_nan() {
            self.nan += 1;
            return;
        }
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Takes in all that `other` saw.
    pub fn merge(&mut self, other: &RunningStatistics) {
        self.nan += other.nan;
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = RunningStatistics { nan: self.nan, ..*other };
            return;
        }
        let total = (self.count + other.count) as f64;
        let between = other.mean - self.mean;
        self.squares += other.squares + between * between * self.count as f64 * other.count as f64 / total;
        self.mean += between * other.count as f64 / total;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Values seen, NaN not counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// NaN values seen.
    pub fn nan_count(&self) -> u64 {
        self.nan
    }

    /// Mean; NaN if nothing was seen.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.mean }
    }

    /// Mean squared deviation from the mean (divisor n); NaN if nothing was seen.
    pub fn variance(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.squares / self.count as f64 }
    }

    /// Square root of the [`variance`](Self::variance).
    pub fn standard_deviation(&self) -> f64 {
        self.variance().sqrt()
    }

    /// Least value; +∞ if nothing was seen.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// Greatest value; −∞ if nothing was seen.
    pub fn max(&self) -> f64 {
        self.max
    }
}

impl Extend<f64> for RunningStatistics {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        values.into_iter().for_each(|v| self.push(v));
    }
}

impl FromIterator<f64> for RunningStatistics {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut statistics = RunningStatistics::default();
        statistics.extend(values);
        statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_mean_hides_no_spread() {
        let s: RunningStatistics = (0..1000).map(|i| 1e9 + f64::from(i % 2)).collect();
        assert!((s.variance() - 0.25).abs() < 1e-9);
    }

    #[test]
    fn merging_in_any_grouping_is_one_pass() {
        let values: Vec<f64> = (0..97).map(|i| f64::from((i * i) % 31) - 4.0).collect();
        let whole: RunningStatistics = values.iter().copied().collect();
        for cut in [0, 1, 40, 97] {
            let mut a: RunningStatistics = values[..cut].iter().copied().collect();
            a.merge(&values[cut..].iter().copied().collect());
            assert_eq!((a.count(), a.min(), a.max()), (whole.count(), whole.min(), whole.max()));
            assert!(
                (a.mean() - whole.mean()).abs() < 1e-12 && (a.variance() - whole.variance()).abs() < 1e-11
            );
        }
    }

    #[test]
    fn nothing_and_nan() {
        let mut s = RunningStatistics::default();
        assert!(s.mean().is_nan() && s.variance().is_nan());
        s.push(f64::NAN);
        assert_eq!((s.count(), s.nan_count()), (0, 1));
    }
}
