//! Many copies of one small image.

use std::collections::HashSet;
use std::ops::Range;

use multiversion::multiversion;
use ndarray::{Array2, Array3, ArrayView2, ArrayViewMut2, Axis};
use serde::{Deserialize, Serialize};

use super::shapes::{Around, Edge};
use crate::{Error, Result, Sample, check_finite, check_not_empty, check_positive, check_shape};

/// Elements that a stack may have: 2 GiB.
const MAX_ELEMENTS: usize = 1 << 28;

/// What becomes of copies that the border of the frame cuts off. A copy is cut if any pixel of it that is not 0 lies
/// outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutMasks {
    /// They keep the weights that lie inside. One of sum 0 then no longer is.
    #[default]
    Keep,
    /// The negative weights that lie inside are scaled so that the sum is 0. Copies of which no negative or no positive
    /// weight lies inside are left out.
    Rebalance,
    /// They are left out.
    Drop,
    /// They are an error.
    Error,
}

/// [`Stamps`], and what there is to say about their places.
#[derive(Debug, Clone)]
pub struct PlacedStamps {
    /// One layer for every copy that was not left out.
    pub stamps: Stamps,
    /// Copies, by their number in the list of corners, of which a part lies outside the frame.
    pub cut: Vec<usize>,
    /// Copies that lie outside as a whole.
    pub outside: Vec<usize>,
    /// Copies that were left out, so that there is no layer for them.
    pub dropped: Vec<usize>,
    /// Copies whose corner is that of an earlier one.
    pub repeated: Vec<usize>,
}

/// Masks of the shape of a frame, each of which holds copies of one small template: as many positions as there are, in
/// the memory of one.
///
/// What of a copy lies outside the frame is left out. No positions make an empty stack. Pixels where the template is 0
/// are not stored; the others are pieces of rows, whose weights all copies share.
#[derive(Debug, Clone)]
pub struct Stamps {
    shape: (usize, usize),
    n_layers: usize,
    weights: Vec<f64>,
    groups: Vec<Group>,
}

/// Copies of the same runs. All of them lie inside the frame.
#[derive(Debug, Clone)]
struct Group {
    runs: Vec<Run>,
    copies: Vec<Copied>,
}

/// Consecutive pixels of a row, counted from the place of a copy.
#[derive(Debug, Clone)]
struct Run {
    y: usize,
    x: usize,
    weights: Range<usize>,
}

#[derive(Debug, Clone)]
struct Copied {
    y: usize,
    x: usize,
    layer: usize,
}

/// The pixels of a template that are not 0.
struct Pattern {
    /// First row and column that have such pixels.
    origin: [usize; 2],
    /// Rows and columns from there to the last.
    size: [usize; 2],
    /// Counted from the origin.
    runs: Vec<Run>,
}

/// Where a copy comes to lie.
enum Fate {
    Inside(Copied),
    /// What is left of its runs, counted from the corner of the frame.
    Cut(Vec<Run>),
    Outside,
}

impl Stamps {
    /// One layer per element of `corners`: where pixel (0, 0) of the template goes in a frame of `shape`.
    ///
    /// # Errors
    /// [`Error::Empty`] or [`Error::NotFinite`] for such a template.
    pub fn new(template: Array2<f64>, shape: (usize, usize), corners: &[[i64; 2]]) -> Result<Self> {
        let layers: Vec<usize> = (0..corners.len()).collect();
        Stamps::in_layers(template, shape, corners, &layers)
    }

    /// The same with a layer for every corner; copies in one layer add up. There are as many layers as the greatest of
    /// them asks for.
    ///
    /// # Errors
    /// As [`new`](Stamps::new); [`Error::Shape`] if the lists differ in length; [`Error::Parameter`] for a layer of 2²⁸
    /// or more.
    pub fn in_layers(
        template: Array2<f64>,
        shape: (usize, usize),
        corners: &[[i64; 2]],
        layers: &[usize],
    ) -> Result<Self> {
        check_shape("layers of stamps", &[corners.len()], &[layers.len()])?;
        let n_layers = layers.iter().max().map_or(0, |&layer| layer.saturating_add(1));
        if n_layers > MAX_ELEMENTS {
            return Err(Error::parameter("layers of stamps", "below 2^28", n_layers - 1));
        }
        let (mut stamps, pattern) = Stamps::empty(template, shape)?;
        for (&corner, &layer) in corners.iter().zip(layers) {
            stamps.place(pattern.fate(shape, corner, layer), layer);
        }
        stamps.n_layers = n_layers;
        Ok(stamps)
    }

    /// One layer per element of `corners`, those that the border cuts off treated as `policy` says.
    ///
    /// ```
    /// use ndarray::array;
    /// use nonius_core::masks::{CutMasks, Stamps};
    ///
    /// // A pixel less its neighbours; the second copy has lost the one on its right.
    /// let template = array![[-0.5, 1.0, -0.5]];
    /// let placed = Stamps::bordered(template, (1, 6), &[[0, 1], [0, 4]], CutMasks::Rebalance)?;
    /// assert_eq!(placed.cut, [1]);
    /// assert_eq!(placed.stamps.sums(array![[0.0, 1.0, 5.0, 1.0, 2.0, 7.0]].view())?, [4.0, 5.0]);
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Stamps::new); [`Error::Parameter`] for a copy that is cut under [`CutMasks::Error`].
    pub fn bordered(
        template: Array2<f64>,
        shape: (usize, usize),
        corners: &[[i64; 2]],
        policy: CutMasks,
    ) -> Result<PlacedStamps> {
        let (mut stamps, pattern) = Stamps::empty(template, shape)?;
        let (mut cut, mut outside, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
        for (k, &corner) in corners.iter().enumerate() {
            let layer = stamps.n_layers;
            let fate = match pattern.fate(shape, corner, layer) {
                inside @ Fate::Inside(_) => Some(inside),
                whole_or_part => {
                    let is_cut = matches!(whole_or_part, Fate::Cut(_));
                    if is_cut {
                        cut.push(k)
                    } else {
                        outside.push(k)
                    };
                    match (policy, whole_or_part) {
                        (CutMasks::Keep, fate) => Some(fate),
                        (CutMasks::Rebalance, Fate::Cut(runs)) => stamps.rebalanced(runs).map(Fate::Cut),
                        (CutMasks::Rebalance | CutMasks::Drop, _) => None,
                        (CutMasks::Error, _) => {
                            let got = format!("corner {corner:?} of number {k} in a frame of {shape:?}");
                            return Err(Error::parameter(
                                "position of a mask",
                                "such that no pixel is cut off",
                                got,
                            ));
                        }
                    }
                }
            };
            match fate {
                Some(fate) => {
                    stamps.place(fate, layer);
                    stamps.n_layers += 1;
                }
                None => dropped.push(k),
            }
        }
        let mut seen = HashSet::new();
        let repeated = (0..corners.len()).filter(|&k| !seen.insert(corners[k])).collect();
        Ok(PlacedStamps { stamps, cut, outside, dropped, repeated })
    }

    /// Hard disks around whole positions `(y, x)`, one layer each.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a radius that is not above 0 and at most 4096.
    pub fn disks(shape: (usize, usize), centers: &[[i64; 2]], radius: f64) -> Result<Self> {
        check_positive("radius", radius)?;
        if radius > 4096.0 {
            return Err(Error::parameter("radius", "at most 4096", radius));
        }
        let reach = radius.ceil();
        let side = 2 * reach as usize + 1;
        let around = Around { center: [reach, reach], ellipse: None };
        let corners: Vec<_> = centers.iter().map(|c| c.map(|c| c.saturating_sub(reach as i64))).collect();
        Stamps::new(around.disk((side, side), radius, Edge::Hard), shape, &corners)
    }

    /// A stack without layers, and the template whose weights it has.
    fn empty(template: Array2<f64>, shape: (usize, usize)) -> Result<(Self, Pattern)> {
        check_not_empty("template", template.shape())?;
        check_finite("template", template.view())?;
        let (mut weights, mut runs) = (Vec::new(), Vec::<Run>::new());
        for ((y, x), &weight) in template.indexed_iter().filter(|(_, w)| **w != 0.0) {
            weights.push(weight);
            match runs.last_mut().filter(|run| run.y == y && run.x + run.weights.len() == x) {
                Some(run) => run.weights.end += 1,
                None => runs.push(Run { y, x, weights: weights.len() - 1..weights.len() }),
            }
        }
        let pattern = Pattern::new(runs);
        let whole = Group { runs: pattern.runs.clone(), copies: Vec::new() };
        Ok((Stamps { shape, n_layers: 0, weights, groups: vec![whole] }, pattern))
    }

    fn place(&mut self, fate: Fate, layer: usize) {
        match fate {
            Fate::Inside(copy) => self.groups[0].copies.push(copy),
            Fate::Cut(runs) => self.groups.push(Group { runs, copies: vec![Copied { y: 0, x: 0, layer }] }),
            Fate::Outside => {}
        }
    }

    /// The same runs with weights of their own, whose sum is 0.
    fn rebalanced(&mut self, mut runs: Vec<Run>) -> Option<Vec<Run>> {
        let weights = || runs.iter().flat_map(|run| self.weights[run.weights.clone()].iter().copied());
        let positive: f64 = weights().filter(|w| *w > 0.0).sum();
        let negative: f64 = weights().filter(|w| *w < 0.0).sum();
        if positive == 0.0 || negative == 0.0 {
            return None;
        }
        for run in &mut runs {
            let first = self.weights.len();
            for k in run.weights.clone() {
                let w = self.weights[k];
                self.weights.push(if w < 0.0 { w * (positive / -negative) } else { w });
            }
            run.weights = first..self.weights.len();
        }
        Some(runs)
    }

    /// Number of masks.
    pub fn len(&self) -> usize {
        self.n_layers
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.n_layers == 0
    }

    /// Shape `(y, x)` of every mask.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Number of products that [`sums`](Stamps::sums) takes: pixels that are not 0, over all copies.
    pub fn n_weights(&self) -> usize {
        let of_runs = |group: &Group| group.runs.iter().map(|run| run.weights.len()).sum::<usize>();
        self.groups.iter().map(|group| of_runs(group) * group.copies.len()).sum()
    }

    /// Sum of mask × frame, one per mask.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another shape.
    pub fn sums<T: Sample>(&self, frame: ArrayView2<'_, T>) -> Result<Vec<f64>> {
        check_shape("frame", &[self.shape.0, self.shape.1], frame.shape())?;
        let mut sums = vec![0.0; self.n_layers];
        let frame = frame.as_standard_layout();
        add_sums(self, frame.as_slice().unwrap_or_default(), [0, 0], &mut sums);
        Ok(sums)
    }

    /// The same for pixels of any type in C order, written to `sums`, with all masks moved by `shift` `(y, x)` px:
    /// positive y moves them down. What comes to lie outside is left out; what was cut off before stays so.
    ///
    /// Products and sums are `f64`, in an order that depends on nothing but the mask.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many pixels as a frame has, and as many sums as masks.
    pub fn sums_into<T: Sample>(&self, frame: &[T], shift: [i64; 2], sums: &mut [f64]) -> Result<()> {
        check_shape("pixels of a frame", &[self.shape.0.saturating_mul(self.shape.1)], &[frame.len()])?;
        check_shape("sums of masks", &[self.n_layers], &[sums.len()])?;
        sums.fill(0.0);
        add_sums(self, frame, shift, sums);
        Ok(())
    }

    /// All masks `(layer, y, x)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if they would take more than 2 GiB.
    pub fn dense(&self) -> Result<Array3<f64>> {
        let (h, w) = self.shape;
        check_elements(self.n_layers.saturating_mul(h).saturating_mul(w))?;
        let mut stack = Array3::zeros((self.n_layers, h, w));
        for group in &self.groups {
            for copy in &group.copies {
                self.add_to(stack.index_axis_mut(Axis(0), copy.layer), group, copy);
            }
        }
        Ok(stack)
    }

    /// The sum of all masks: the weights of a virtual detector whose signal is the sum of all masks' signals.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a frame of more than 2 GiB.
    pub fn total(&self) -> Result<Array2<f64>> {
        check_elements(self.shape.0.saturating_mul(self.shape.1))?;
        let mut total = Array2::zeros(self.shape);
        for group in &self.groups {
            group.copies.iter().for_each(|copy| self.add_to(total.view_mut(), group, copy));
        }
        Ok(total)
    }

    fn add_to(&self, mut mask: ArrayViewMut2<'_, f64>, group: &Group, copy: &Copied) {
        for run in &group.runs {
            for (k, weight) in self.weights[run.weights.clone()].iter().enumerate() {
                mask[[copy.y + run.y, copy.x + run.x + k]] += weight;
            }
        }
    }
}

fn check_elements(n: usize) -> Result<()> {
    if n <= MAX_ELEMENTS {
        return Ok(());
    }
    Err(Error::parameter("stack of masks", "at most 2 GiB", format!("{n} elements")))
}

impl Pattern {
    /// `runs` in C order, counted from the corner of the template.
    fn new(mut runs: Vec<Run>) -> Self {
        let end = |run: &Run| run.x + run.weights.len();
        let origin = [runs.first().map_or(0, |run| run.y), runs.iter().map(|run| run.x).min().unwrap_or(0)];
        let size = [
            runs.last().map_or(0, |run| run.y + 1 - origin[0]),
            runs.iter().map(end).max().unwrap_or(0) - origin[1],
        ];
        for run in &mut runs {
            (run.y, run.x) = (run.y - origin[0], run.x - origin[1]);
        }
        Pattern { origin, size, runs }
    }

    /// Where a copy comes to lie whose corner is at `corner` in a frame of `shape`.
    fn fate(&self, shape: (usize, usize), corner: [i64; 2], layer: usize) -> Fate {
        let place = [0, 1].map(|axis| corner[axis].saturating_add(self.origin[axis] as i64));
        if let [Ok(y), Ok(x)] = place.map(usize::try_from)
            && y.saturating_add(self.size[0]) <= shape.0
            && x.saturating_add(self.size[1]) <= shape.1
        {
            return Fate::Inside(Copied { y, x, layer });
        }
        let left: Vec<Run> = self.runs.iter().filter_map(|run| clip(run, shape, place)).collect();
        if left.is_empty() { Fate::Outside } else { Fate::Cut(left) }
    }
}

/// What of `run` lies in a frame of `shape` if its copy is at `place`, counted from the corner of the frame.
#[inline(always)]
fn clip(run: &Run, shape: (usize, usize), place: [i64; 2]) -> Option<Run> {
    let y = place[0].saturating_add(run.y as i64);
    let x = place[1].saturating_add(run.x as i64);
    let (start, end) = (x.max(0), x.saturating_add(run.weights.len() as i64).min(shape.1 as i64));
    if !(0..shape.0 as i64).contains(&y) || start >= end {
        return None;
    }
    let weight_at = |column: i64| run.weights.start + (column - x) as usize;
    Some(Run { y: y as usize, x: start as usize, weights: weight_at(start)..weight_at(end) })
}

/// Adds Σ mask × frame of every layer, all masks moved by `shift`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_sums<T: Sample>(stamps: &Stamps, frame: &[T], shift: [i64; 2], sums: &mut [f64]) {
    let width = stamps.shape.1;
    for group in &stamps.groups {
        for run in &group.runs {
            let weights = &stamps.weights[run.weights.clone()];
            if shift == [0, 0] {
                let offset = run.y * width + run.x;
                let places = group.copies.iter().map(|c| (offset + c.y * width + c.x, c.layer));
                add_products(weights, frame, places, sums);
                continue;
            }
            let moved = |c: &Copied| {
                let part = clip(
                    run,
                    stamps.shape,
                    [shift[0].saturating_add(c.y as i64), shift[1].saturating_add(c.x as i64)],
                )?;
                Some((part.y * width + part.x, part.weights, c.layer))
            };
            let is_whole = |part: &Range<usize>| part.len() == run.weights.len();
            let parts = || group.copies.iter().filter_map(moved);
            let whole = parts().filter(|(_, part, _)| is_whole(part)).map(|(at, _, layer)| (at, layer));
            add_products(weights, frame, whole, sums);
            for (at, part, layer) in parts().filter(|(_, part, _)| !is_whole(part)) {
                add_products(&stamps.weights[part], frame, std::iter::once((at, layer)), sums);
            }
        }
    }
}

/// Adds Σ weight × pixel from each of the places on, to the sum of its layer.
#[inline(always)]
fn add_products<T: Sample>(
    weights: &[f64],
    frame: &[T],
    places: impl Iterator<Item = (usize, usize)>,
    sums: &mut [f64],
) {
    // Short rows are the rule, and known lengths are several times as fast.
    macro_rules! of_length {
        ($($n:literal)*) => {
            match weights.len() {
                $($n => {
                    let Some(weights) = weights.first_chunk::<$n>() else { return };
                    for (at, layer) in places {
                        let Some(pixels) = frame[at..].first_chunk::<$n>() else { return };
                        let mut sum = 0.0;
                        for i in 0..$n {
                            sum += weights[i] * pixels[i].real::<f64>();
                        }
                        sums[layer] += sum;
                    }
                })*
                n => {
                    for (at, layer) in places {
                        sums[layer] += long_row(weights, &frame[at..at + n]);
                    }
                }
            }
        };
    }
    of_length!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

/// Σ weight × pixel in eight sums.
#[inline(always)]
fn long_row<T: Sample>(weights: &[f64], pixels: &[T]) -> f64 {
    let ((eights, rest), (pixels, of_rest)) = (weights.as_chunks::<8>(), pixels.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (w, p) in eights.iter().zip(pixels) {
        for i in 0..8 {
            sums[i] += w[i] * p[i].real::<f64>();
        }
    }
    sums.iter().sum::<f64>() + rest.iter().zip(of_rest).map(|(w, p)| w * p.real::<f64>()).sum::<f64>()
}
