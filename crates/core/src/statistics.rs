//! Statistics of plain numbers: those that are built up value by value and merged, and the median.

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

/// The median of the finite values: the middle one, or the mean of the middle two. NaN if none is finite.
///
/// What is not finite is left out rather than sorted to an end, so that pixels or frames without a value do not move the
/// median of those that have one.
///
/// ```
/// use nonius_core::median;
/// assert_eq!(median([4.0, 1.0, f64::NAN, 2.0]), 2.0);
/// assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
/// ```
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return f64::NAN;
    }
    let (middle, is_even) = (finite.len() / 2, finite.len().is_multiple_of(2));
    let (below, &mut upper, _) = finite.select_nth_unstable_by(middle, f64::total_cmp);
    if !is_even {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Half of each, for their sum may overflow.
    0.5 * lower + 0.5 * upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_what_is_finite() {
        let rows: [(&[f64], f64); 7] = [
            (&[3.0], 3.0),
            (&[5.0, -1.0], 2.0),
            (&[2.0, 9.0, 2.0], 2.0),
            (&[4.0, 1.0, 3.0, 2.0], 2.5),
            (&[f64::INFINITY, 1.0, f64::NAN, 3.0, f64::NEG_INFINITY, 8.0], 3.0),
            (&[f64::MAX, f64::MAX], f64::MAX),
            (&[-0.0, 0.0, 0.0], 0.0),
        ];
        for (values, expected) in rows {
            assert_eq!(median(values.iter().copied()), expected, "{values:?}");
            assert_eq!(median(values.iter().rev().copied()), expected, "{values:?}");
        }
        assert!(median([]).is_nan() && median([f64::NAN, f64::INFINITY]).is_nan());
    }

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
