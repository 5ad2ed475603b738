//! Times of both sides, taken in turns, and their ratio pair by pair.

use anyhow::Result;

use super::worker::Worker;

/// One turn takes about this many seconds, where one call takes less.
const TURN: f64 = 0.1;

/// More calls than this make a turn no steadier.
const MOST_REPEATS: usize = 10_000;

/// Seconds per call of either side, in pairs.
pub(crate) struct Turns {
    repeat_ours: usize,
    repeat_reference: usize,
    pub(crate) ours: Vec<f64>,
    pub(crate) reference: Vec<f64>,
}

impl Turns {
    /// First calls, whose times count for nothing but the length of a turn.
    pub(crate) fn warm_up(ours: &mut Worker, reference: &mut Worker) -> Result<Self> {
        Ok(Self {
            repeat_ours: repeats(ours)?,
            repeat_reference: repeats(reference)?,
            ours: Vec::new(),
            reference: Vec::new(),
        })
    }

    pub(crate) fn take(&mut self, pairs: usize, ours: &mut Worker, reference: &mut Worker) -> Result<()> {
        for pair in 0..pairs {
            // Who goes first changes, so that a drift favours neither.
            if pair % 2 == 0 {
                self.ours.push(ours.time(self.repeat_ours)?);
                self.reference.push(reference.time(self.repeat_reference)?);
            } else {
                self.reference.push(reference.time(self.repeat_reference)?);
                self.ours.push(ours.time(self.repeat_ours)?);
            }
        }
        Ok(())
    }

    /// How many times faster we were, pair by pair.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        self.reference.iter().zip(&self.ours).map(|(reference, ours)| reference / ours).collect()
    }
}

fn repeats(worker: &mut Worker) -> Result<usize> {
    // The very first call pays for pages and caches.
    worker.time(1)?;
    let seconds = worker.time(2)?;
    Ok(((TURN / seconds.max(1e-9)) as usize).clamp(1, MOST_REPEATS))
}

/// One case with what was found.
pub(crate) struct Measurement {
    pub(crate) name: String,
    pub(crate) workload: &'static str,
    pub(crate) size: usize,
    pub(crate) dtype: &'static str,
    pub(crate) n_threads: usize,
    /// Seconds that our plan took to make, once, outside the times.
    pub(crate) setup: f64,
    pub(crate) difference: f64,
    pub(crate) agrees: bool,
    /// Distances from the truth, where the workload has one.
    pub(crate) error_ours: Option<f64>,
    pub(crate) error_reference: Option<f64>,
    pub(crate) turns: Turns,
}

impl Measurement {
    /// For the terminal, as it comes.
    pub(crate) fn line(&self) -> String {
        let verdict = match (self.agrees, Spread::of(&self.turns.ratios())) {
            (true, Some(ratio)) => format!("{:.2} times as fast", ratio.median),
            _ => "DISAGREES, not timed".to_owned(),
        };
        format!("  {:<40} difference {:<8.1e} {verdict}", self.name, self.difference)
    }
}

/// Median, quartiles and extremes.
#[derive(Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of no values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        // Linear between neighbours, as numpy.quantile does.
        let quantile = |q: f64| {
            let position = q * last as f64;
            let below = position.floor() as usize;
            let above = (below + 1).min(last);
            sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
        };
        Some(Self {
            min: quantile(0.0),
            lower: quantile(0.25),
            median: quantile(0.5),
            upper: quantile(0.75),
            max: quantile(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_numpy() {
        // numpy.quantile([4, 1, 3, 2], [0, .25, .5, .75, 1])
        let expected = Spread { min: 1.0, lower: 1.75, median: 2.5, upper: 3.25, max: 4.0 };
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]), Some(expected));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_ratio_above_one_means_that_we_are_faster() {
        let turns = Turns { repeat_ours: 1, repeat_reference: 1, ours: vec![1.0], reference: vec![4.0] };
        assert_eq!(turns.ratios(), [4.0]);
    }
}
