//! Start values from the neighbours on the scan's grid.

use ndarray::{ArrayD, Axis, IxDyn};
use nonius_core::{PassParams, Progress, Real, Result, Roi, Selection, check_shape, median, pass};

use super::refine::{LatticeRefiner, RefinedLattices};
use crate::Lattice;

/// Neighbours that explain fewer disks than this part of what the best of them does tell nothing.
const AS_GOOD: f64 = 0.75;
/// A frame that explains fewer disks than this part of what its neighbours do may have lost some.
const FEWER: f64 = 0.9;
/// A lattice that explains fewer disks than this part of what the better tenth of all frames does may be an accident.
const CREDIBLE: f64 = 0.5;
/// Places that differ from those looked at before by less are the same, px.
const SAME: f64 = 0.5;
/// Places that differ from the neighbours' by more are in doubt, px: as far as a disk may be from its place.
const DOUBTFUL: f64 = 3.0;

impl<F: Real> LatticeRefiner<F> {
    /// Looks anew at frames that have no lattice or a doubtful one, from where their neighbours on the scan's grid have
    /// theirs: [`neighbor_rounds`](crate::RefineParams::neighbor_rounds) times at most. `found` is what a pass of this
    /// refiner over `selection` made.
    ///
    /// In each round the start of a frame is the median, component by component, of the lattices of its neighbours, one
    /// step away along axes of the scan (eight on a grid of two), of those that explain about as many disks as the best
    /// of them. The frame is looked at if it has no lattice, has fewer disks than they do, or has places more than 3 px
    /// from theirs; what comes of it is kept if it explains more disks, or as many more closely. So a lattice that turns
    /// or wanders too far for one start is followed from where that start holds, and a border between grains stays. From
    /// one frame to the next no disk may move by more than the matching's tolerance, nor be further than a disk is looked
    /// for; where the pattern wanders by more than half a cell at once, it is matched a cell off, and only a
    /// [`ZeroShift`](crate::ZeroShift) helps. All frames of a round see the same state, that of the round before: results
    /// do not depend on threads.
    ///
    /// # Errors
    /// As [`refine_lattices`](crate::refine_lattices); [`Error::Shape`](nonius_core::Error::Shape) if `found` is not of
    /// this selection.
    pub fn from_neighbors(
        &self,
        mut found: RefinedLattices,
        selection: &Selection<'_>,
        pass_params: &PassParams,
        progress: &dyn Progress,
    ) -> Result<RefinedLattices> {
        check_shape("lattices", &[selection.len()], &[found.zero.nrows()])?;
        check_shape("selector", &[selection.len(), self.indices.len()], found.selector.shape())?;
        let grid = Grid::new(selection);
        let mut looked_from: Vec<Lattice> = (0..selection.len()).map(|k| *self.start_of(k)).collect();
        for round in 1..=u32::try_from(self.params.neighbor_rounds).unwrap_or(u32::MAX) {
            let state = State::of(self, &found);
            let proposals = (0..selection.len()).filter_map(|k| {
                let Proposal { start, explained } = state.proposal(k, &grid)?;
                let news = self.greatest_difference(&start, &looked_from[k]) > SAME;
                let doubtful = state.lattices[k].is_none_or(|own| {
                    (state.explained[k] as f64) < FEWER * explained
                        || self.greatest_difference(&start, &own) > DOUBTFUL
                });
                (news && doubtful).then_some((k, start))
            });
            let (samples, starts): (Vec<usize>, Vec<Lattice>) = proposals.unzip();
            if samples.is_empty() {
                break;
            }
            let mut used = ArrayD::from_elem(IxDyn(selection.scan().shape()), false);
            let places = used.as_slice_mut().expect("a new array is contiguous");
            samples.iter().for_each(|&k| places[selection.roi().position(k)] = true);
            let again = selection.scan().select(Some(&Roi::from_mask(used.view())))?;
            let refiner = self.of_samples(&samples).with_starts(&starts)?;
            let anew = pass(&again, &refiner, pass_params, progress)?;
            let mut gained = false;
            for (i, (&k, start)) in samples.iter().zip(starts).enumerate() {
                looked_from[k] = start;
                if is_better(&anew, i, &found, k) {
                    found.replace(k, &anew, i);
                    found.round[k] = round;
                    gained = true;
                }
            }
            if !gained {
                break;
            }
        }
        Ok(found)
    }

    /// The same for some of the samples.
    fn of_samples(&self, samples: &[usize]) -> Self {
        let zero_shift = self.finder.zero_shift().of_samples(samples);
        let mut some = self.clone();
        some.finder = some.finder.with_zero_shift(zero_shift);
        some
    }

    /// Between the places of two lattices that are looked at, px.
    fn greatest_difference(&self, one: &Lattice, other: &Lattice) -> f64 {
        let difference = |&index: &[f64; 2]| {
            let (p, q) = (one.position(index), other.position(index));
            (p[0] - q[0]).hypot(p[1] - q[1])
        };
        self.indices.iter().map(difference).fold(0.0, f64::max)
    }
}

/// What a round begins with.
struct State {
    /// The frames' lattices, their zero shifts taken off; none where none was found.
    lattices: Vec<Option<Lattice>>,
    /// How many disks each explains.
    explained: Vec<usize>,
    /// How many make a lattice credible.
    enough: f64,
}

impl State {
    fn of<F: Real>(refiner: &LatticeRefiner<F>, found: &RefinedLattices) -> Self {
        let lattice = |k: usize| {
            let (lattice, shift) = (found.lattice(k), refiner.finder.zero_shift().of(k));
            let zero = [lattice.zero[0] - shift[0], lattice.zero[1] - shift[1]];
            lattice.is_finite().then_some(Lattice { zero, ..lattice })
        };
        let lattices: Vec<_> = (0..found.zero.nrows()).map(lattice).collect();
        let explained: Vec<usize> = (0..lattices.len()).map(|k| n_explained(found, k)).collect();
        let mut sorted = explained.clone();
        sorted.sort_unstable();
        let of_better_tenth = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(0);
        State { lattices, explained, enough: CREDIBLE * of_better_tenth as f64 }
    }

    /// What its neighbours suggest for sample k.
    fn proposal(&self, k: usize, grid: &Grid) -> Option<Proposal> {
        let credible = |&j: &usize| self.lattices[j].is_some() && self.explained[j] as f64 >= self.enough;
        let mut good: Vec<usize> = grid.neighbors(k).filter(credible).collect();
        let most = good.iter().map(|&j| self.explained[j]).max()? as f64;
        good.retain(|&j| self.explained[j] as f64 >= AS_GOOD * most);
        let lattices: Vec<Lattice> = good.iter().filter_map(|&j| self.lattices[j]).collect();
        let pair = |of: fn(&Lattice) -> [f64; 2]| {
            [0, 1].map(|axis| median(lattices.iter().map(|lattice| of(lattice)[axis])))
        };
        Some(Proposal {
            start: Lattice { zero: pair(|l| l.zero), a: pair(|l| l.a), b: pair(|l| l.b) },
            explained: median(good.iter().map(|&j| self.explained[j] as f64)),
        })
    }
}

/// Medians over neighbours.
struct Proposal {
    start: Lattice,
    explained: f64,
}

/// Which samples stand beside which.
struct Grid<'a> {
    roi: &'a Roi,
    /// Of every position of the scan, if it is used.
    sample_of: Vec<Option<usize>>,
}

impl<'a> Grid<'a> {
    fn new(selection: &'a Selection<'_>) -> Self {
        let roi = selection.roi();
        let mut sample_of = vec![None; roi.shape().iter().product()];
        (0..roi.len()).for_each(|k| sample_of[roi.position(k)] = Some(k));
        Grid { roi, sample_of }
    }

    /// Samples at most one step away along every axis.
    fn neighbors(&self, k: usize) -> impl Iterator<Item = usize> + '_ {
        let shape = self.roi.shape();
        let here = self.roi.position(k);
        let n_steps = 3_usize.pow(shape.len() as u32);
        (0..n_steps).filter_map(move |mut steps| {
            // Digits of `steps` to base 3 are the steps along the axes, the last axis first.
            let (mut rest, mut stride, mut there) = (here, 1, 0);
            for &n in shape.iter().rev() {
                let along = (rest % n + steps % 3).checked_sub(1).filter(|i| *i < n)?;
                there += along * stride;
                (rest, steps, stride) = (rest / n, steps / 3, stride * n);
            }
            if there == here { None } else { self.sample_of[there] }
        })
    }
}

fn n_explained(found: &RefinedLattices, k: usize) -> usize {
    found.selector.row(k).iter().filter(|belongs| **belongs).count()
}

/// Whether sample i of `anew` explains more than sample k of `found`.
fn is_better(anew: &RefinedLattices, i: usize, found: &RefinedLattices, k: usize) -> bool {
    if !anew.lattice(i).is_finite() || !found.lattice(k).is_finite() {
        return anew.lattice(i).is_finite();
    }
    let (more, before) = (n_explained(anew, i), n_explained(found, k));
    more > before || (more == before && anew.error[i] < found.error[k])
}

impl RefinedLattices {
    /// Puts sample `from` of `other` in place of sample `to`.
    fn replace(&mut self, to: usize, other: &RefinedLattices, from: usize) {
        for (own, other) in [(&mut self.zero, &other.zero), (&mut self.a, &other.a), (&mut self.b, &other.b)]
        {
            own.row_mut(to).assign(&other.row(from));
        }
        self.covariance.index_axis_mut(Axis(0), to).assign(&other.covariance.index_axis(Axis(0), from));
        self.selector.row_mut(to).assign(&other.selector.row(from));
        self.error[to] = other.error[from];
        self.disks.replace(to, &other.disks, from);
    }
}
