//! The correlation coefficient of two masked images at single whole-pixel displacements, without transforms.

use multiversion::multiversion;
use ndarray::Array2;
use nonius_core::{Real, Status, taylor_peak};

use crate::masked::{MaskedImage, likelihood};
use crate::result::Registration;

/// A local maximum of the correlation coefficient over whole-pixel displacements.
#[derive(Debug, Clone)]
pub(crate) struct Peak {
    pub(crate) lag: [isize; 2],
    /// Correlation coefficient.
    pub(crate) value: f64,
    /// `−n ln(1 − ρ²)`.
    pub(crate) likelihood: f64,
    /// Pixels that overlap.
    overlap: f64,
    /// Sums of every block at the displacements around this one.
    patch: [Vec<Sums>; 9],
}

/// Both images with 0 where they have no pixel, and their masks as 0 and 1.
pub(crate) struct Neighbourhood {
    images: [Array2<f32>; 2],
    masks: [Array2<f32>; 2],
}

/// Blocks of the reference along each axis that are left out in turn to see how the result scatters.
const BLOCKS: usize = 8;

/// Sums over the pixels that are valid in both images.
#[derive(Debug, Clone, Copy, Default)]
struct Sums([f64; 6]);

impl Sums {
    fn add(&mut self, other: &Sums, sign: f64) {
        self.0.iter_mut().zip(other.0).for_each(|(s, o)| *s += sign * o);
    }

    /// Correlation coefficient; 0 where either image has no contrast.
    fn correlation(&self) -> f64 {
        let [n, s1, s2, q1, q2, product] = self.0;
        let (v1, v2) = (q1 - s1 * s1 / n, q2 - s2 * s2 / n);
        let contrast = n >= 4.0 && v1 > 1e-6 * q1 && v2 > 1e-6 * q2;
        if contrast { ((product - s1 * s2 / n) / (v1 * v2).sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
    }
}

impl Neighbourhood {
    pub(crate) fn new<F: Real>(fixed: &MaskedImage<F>, other: &MaskedImage<F>) -> Self {
        Neighbourhood {
            images: [fixed, other].map(|part| part.image.mapv(|v| v.f64() as f32)),
            masks: [fixed, other].map(|part| part.mask.mapv(|ok| f32::from(u8::from(ok)))),
        }
    }

    /// Sums at a displacement for every block of the reference, rows of blocks one after another.
    fn blocks(&self, [dy, dx]: [isize; 2]) -> Vec<Sums> {
        let mut blocks = vec![Sums::default(); BLOCKS * BLOCKS];
        let ((h1, w1), (h2, w2)) = (self.images[0].dim(), self.images[1].dim());
        // Pixel r of the reference lies on pixel r + d of the moving image.
        let within = |n1: usize, n2: usize, d: isize| {
            let end = (n2 as isize - d).clamp(0, n1 as isize);
            ((-d).clamp(0, end) as usize)..end as usize
        };
        let columns = within(w1, w2, dx);
        for y in within(h1, h2, dy) {
            let moving_y = y.wrapping_add_signed(dy);
            let still = [&self.images[0], &self.masks[0]].map(|a| line(a, y));
            let moving = [&self.images[1], &self.masks[1]].map(|a| line(a, moving_y));
            for block in 0..BLOCKS {
                let edge = |b: usize| (b * w1 / BLOCKS).clamp(columns.start, columns.end);
                let (first, end) = (edge(block), edge(block + 1));
                let (from, to) = (first.wrapping_add_signed(dx), end.wrapping_add_signed(dx));
                let sums = if first < end {
                    row_sums(still.map(|row| &row[first..end]), moving.map(|row| &row[from..to]))
                } else {
                    Sums::default()
                };
                blocks[(y * BLOCKS / h1) * BLOCKS + block].add(&sums, 1.0);
            }
        }
        blocks
    }

    /// The maximum that is reached uphill from a displacement; None if nothing overlaps there.
    pub(crate) fn peak_from(&self, start: [isize; 2]) -> Option<Peak> {
        const MOVES: usize = 16;
        let mut seen: Vec<([isize; 2], Vec<Sums>)> = Vec::new();
        let mut lag = start;
        for _ in 0..MOVES {
            for place in around(lag) {
                if seen.iter().all(|(l, _)| *l != place) {
                    seen.push((place, self.blocks(place)));
                }
            }
            let blocks = |place: [isize; 2]| &seen.iter().find(|(l, _)| *l == place).expect("seen").1;
            let value = |place: [isize; 2]| total(blocks(place)).correlation();
            // The first of equal ones, the centre before all.
            let best = around(lag).into_iter().fold(lag, |a, b| if value(b) > value(a) { b } else { a });
            if best == lag {
                let sums = total(blocks(lag));
                let patch = around(lag).map(|place| blocks(place).clone());
                let (value, overlap) = (sums.correlation(), sums.0[0]);
                let likelihood = likelihood(value, overlap);
                return (value > 0.0).then_some(Peak { lag, value, likelihood, overlap, patch });
            }
            lag = best;
        }
        None
    }
}

impl Peak {
    /// The maximum below the pixel from the neighbouring displacements alone, where nothing can be
    /// interpolated: that of the Taylor expansion of ln ρ. Its covariance is what leaving out one block of
    /// pixels after the other changes (jackknife), and how far the expansion of ρ itself lies off.
    pub(crate) fn registration(&self) -> Registration {
        let whole = self.lag.map(|d| d as f64);
        let mut result = Registration {
            shift: whole,
            covariance: [[1.0 / 12.0, 0.0], [0.0, 1.0 / 12.0]],
            score: self.value,
            overlap: self.overlap as usize,
            status: Status::AtSearchLimit,
            runner_up: None,
        };
        let totals: Vec<Sums> = self.patch.iter().map(|blocks| total(blocks)).collect();
        let expand = |sums: &dyn Fn(usize) -> Sums, of: fn(f64) -> f64| {
            let values: [[f64; 3]; 3] =
                std::array::from_fn(|i| std::array::from_fn(|j| of(sums(3 * i + j).correlation())));
            taylor_peak(&values).filter(|d| d.iter().all(|v| v.abs() <= 1.0))
        };
        let logarithm: fn(f64) -> f64 = |rho| rho.max(1e-3).ln();
        let all = |place: usize| totals[place];
        let (Some(below), Some(other)) = (expand(&all, logarithm), expand(&all, |rho| rho)) else {
            return result;
        };
        result.shift = [whole[0] + below[0], whole[1] + below[1]];
        result.status = Status::Converged;
        let scattered: Vec<[f64; 2]> = (0..BLOCKS * BLOCKS)
            .filter(|&block| self.patch.iter().all(|blocks| blocks[block].0[0] > 0.0))
            .filter_map(|block| {
                let without = |place: usize| {
                    let mut sums = totals[place];
                    sums.add(&self.patch[place][block], -1.0);
                    sums
                };
                expand(&without, logarithm)
            })
            .collect();
        let n = scattered.len() as f64;
        if n < 4.0 {
            return result;
        }
        let mean = [0, 1].map(|a| scattered.iter().map(|d| d[a]).sum::<f64>() / n);
        result.covariance = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let products = scattered.iter().map(|d| (d[i] - mean[i]) * (d[j] - mean[j]));
                (n - 1.0) / n * products.sum::<f64>() + 0.25 * (below[i] - other[i]) * (below[j] - other[j])
            })
        });
        result
    }
}

/// The displacements around one, by rows, itself in the middle.
fn around([dy, dx]: [isize; 2]) -> [[isize; 2]; 9] {
    std::array::from_fn(|i| [dy + i as isize / 3 - 1, dx + i as isize % 3 - 1])
}

fn total(blocks: &[Sums]) -> Sums {
    let mut sum = Sums::default();
    blocks.iter().for_each(|block| sum.add(block, 1.0));
    sum
}

fn line(array: &Array2<f32>, y: usize) -> &[f32] {
    let w = array.ncols();
    &array.as_slice().expect("images in C order")[y * w..(y + 1) * w]
}

/// Sums over a piece of a row of both images and masks.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn row_sums([f, m]: [&[f32]; 2], [g, k]: [&[f32]; 2]) -> Sums {
    const LANES: usize = 8;
    let n = f.len();
    let (m, g, k) = (&m[..n], &g[..n], &k[..n]);
    let mut sums = [[0.0_f32; LANES]; 6];
    let whole = n - n % LANES;
    let add = |sums: &mut [[f32; LANES]; 6], l: usize, f: f32, m: f32, g: f32, k: f32| {
        let terms = [m * k, f * k, m * g, f * f * k, m * g * g, f * g];
        for t in 0..6 {
            sums[t][l] += terms[t];
        }
    };
    for start in (0..whole).step_by(LANES) {
        let block = |v: &[f32]| -> [f32; LANES] { v[start..start + LANES].try_into().expect("as many") };
        let (f, m, g, k) = (block(f), block(m), block(g), block(k));
        for l in 0..LANES {
            add(&mut sums, l, f[l], m[l], g[l], k[l]);
        }
    }
    for x in whole..n {
        add(&mut sums, x - whole, f[x], m[x], g[x], k[x]);
    }
    Sums(sums.map(|lanes| lanes.iter().map(|v| *v as f64).sum()))
}
