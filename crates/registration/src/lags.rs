//! The whole-pixel displacement of frames that do not wrap.

use ndarray::Array2;
use nonius_core::{Real, RealFft2, RealFft2Scratch, Result, fast_length};
use num_complex::Complex;

/// Search over whole-pixel displacements of frames of one shape, in single precision: it only has to
/// find the right pixel.
///
/// For every displacement the overlapping parts are compared by their correlation coefficient ρ and the
/// logarithm of the likelihood ratio that it amounts to with n pixels, `−n ln(1 − ρ²)`: a small overlap
/// that agrees by chance does not beat a large one that agrees well.
#[derive(Debug)]
pub(crate) struct LagSearch {
    shape: (usize, usize),
    fft: RealFft2<f32>,
    /// Largest displacement along y and x.
    limit: [usize; 2],
    /// Fewest pixels that an overlap must have.
    fewest: f64,
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct LagScratch {
    reference: Array2<f32>,
    moving: Array2<f32>,
    spectra: [Vec<Complex<f32>>; 2],
    scores: Array2<f32>,
    fft: RealFft2Scratch<f32>,
}

/// A displacement that stands out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lag {
    pub(crate) lag: [isize; 2],
    pub(crate) score: f32,
}

const NOT_ALLOWED: f32 = f32::NEG_INFINITY;

impl LagSearch {
    pub(crate) fn new(shape: (usize, usize), min_overlap: f64, max_shift: Option<f64>) -> Result<Self> {
        let limit = [shape.0, shape.1].map(|n| {
            let by_overlap = ((1.0 - min_overlap) * n as f64).floor();
            by_overlap.min(max_shift.unwrap_or(f64::INFINITY).floor()) as usize
        });
        let padded = |n: usize, limit: usize| fast_length(n + limit);
        Ok(LagSearch {
            shape,
            fft: RealFft2::new((padded(shape.0, limit[0]), padded(shape.1, limit[1])))?,
            limit,
            fewest: min_overlap * (shape.0 * shape.1) as f64,
        })
    }

    /// Largest displacement along y and x that is considered.
    pub(crate) fn limit(&self) -> [usize; 2] {
        self.limit
    }

    pub(crate) fn scratch(&self) -> LagScratch {
        LagScratch {
            reference: Array2::zeros(self.shape),
            moving: Array2::zeros(self.shape),
            spectra: [self.fft.spectrum(), self.fft.spectrum()],
            scores: Array2::zeros((2 * self.limit[0] + 1, 2 * self.limit[1] + 1)),
            fft: self.fft.scratch(),
        }
    }

    /// The displacements whose scores stand out from their neighbours', best first, at most `most`.
    ///
    /// The images' mean and deviation should be about 0 and 1, for the sake of rounding.
    pub(crate) fn best<F: Real>(
        &self,
        reference: &Array2<F>,
        moving: &Array2<F>,
        most: usize,
        scratch: &mut LagScratch,
    ) -> Result<Vec<Lag>> {
        scratch.reference.zip_mut_with(reference, |o, v| *o = v.f64() as f32);
        scratch.moving.zip_mut_with(moving, |o, v| *o = v.f64() as f32);
        let [f, g] = &mut scratch.spectra;
        let w = self.shape.1;
        for (image, spectrum) in [(&scratch.reference, &mut *f), (&scratch.moving, &mut *g)] {
            let pad =
                |y: usize, row: &mut [f32]| match image.as_slice().and_then(|s| s.get(y * w..(y + 1) * w)) {
                    Some(pixels) => {
                        row[..w].copy_from_slice(pixels);
                        row[w..].fill(0.0);
                    }
                    None => row.fill(0.0),
                };
            self.fft.forward_rows(pad, spectrum, &mut scratch.fft)?;
        }
        let (h2, w2) = self.fft.shape();
        let norm = 1.0 / (h2 * w2) as f32;
        for (f, g) in f.iter_mut().zip(g.iter()) {
            *f = f.conj() * g * norm;
        }
        let [limit_y, limit_x] = self.limit;
        let (reference, moving, scores) = (&scratch.reference, &scratch.moving, &mut scratch.scores);
        let mut sums = OverlapSums::new(reference, moving);
        let mut best = 0.0_f32;
        // Rows arrive as displacements 0, 1, …, then −…, −1.
        self.fft.inverse_rows(f, &mut scratch.fft, |y, row| {
            let dy = if y <= limit_y { y as isize } else { y as isize - h2 as isize };
            if dy.unsigned_abs() > limit_y {
                return;
            }
            sums.move_to(dy);
            let out = scores.row_mut((dy + limit_y as isize) as usize);
            let out = out.into_slice().expect("scores in C order");
            let (negative, positive) = out.split_at_mut(limit_x);
            sums.correlations(0, &row[..=limit_x], self.fewest, positive);
            sums.correlations(-(limit_x as isize), &row[w2 - limit_x..], self.fewest, negative);
            for (i, score) in out.iter_mut().enumerate() {
                *score = sums.score(i as isize - limit_x as isize, *score, 0.5 * best);
                best = best.max(*score);
            }
        })?;
        Ok(self.stand_out(&scratch.scores, most))
    }

    /// Local maxima of the scores.
    fn stand_out(&self, scores: &Array2<f32>, most: usize) -> Vec<Lag> {
        let best = scores.iter().copied().fold(NOT_ALLOWED, f32::max);
        let mut found: Vec<Lag> = Vec::new();
        if best <= 0.0 {
            return found;
        }
        let (rows, columns) = scores.dim();
        let at = |y: isize, x: isize| {
            let inside = y >= 0 && x >= 0 && (y as usize) < rows && (x as usize) < columns;
            if inside { scores[[y as usize, x as usize]] } else { NOT_ALLOWED }
        };
        for ((y, x), &score) in scores.indexed_iter().filter(|(_, s)| **s >= 0.5 * best) {
            let (y, x) = (y as isize, x as isize);
            let neighbours = (-1..=1).flat_map(|i| (-1..=1).map(move |j| (i, j))).filter(|&n| n != (0, 0));
            let top = neighbours.into_iter().all(|(i, j)| {
                let other = at(y + i, x + j);
                other < score || (other == score && (i, j) > (0, 0))
            });
            if top {
                let lag = [y - self.limit[0] as isize, x - self.limit[1] as isize];
                let place = found.iter().position(|l| score > l.score).unwrap_or(found.len());
                found.insert(place, Lag { lag, score });
                found.truncate(most);
            }
        }
        found
    }
}

/// Sums of both images and of their squares over the overlap at a displacement, by columns: rows enter
/// and leave as the displacement along y changes, columns by running sums.
struct OverlapSums<'a> {
    reference: &'a Array2<f32>,
    moving: &'a Array2<f32>,
    /// Rows of the reference and of the moving image that overlap.
    rows: [std::ops::Range<usize>; 2],
    /// Per image: sums and sums of squares of each column over these rows.
    columns: [[Vec<f64>; 2]; 2],
    /// Running sums of these along x.
    running: [[Vec<f64>; 2]; 2],
}

impl<'a> OverlapSums<'a> {
    fn new(reference: &'a Array2<f32>, moving: &'a Array2<f32>) -> Self {
        let zeros = |n: usize| [vec![0.0; n], vec![0.0; n]];
        let (w1, w2) = (reference.ncols(), moving.ncols());
        OverlapSums {
            reference,
            moving,
            rows: [0..0, 0..0],
            columns: [zeros(w1), zeros(w2)],
            running: [zeros(w1 + 1), zeros(w2 + 1)],
        }
    }

    /// Brings the sums to displacement `dy`.
    fn move_to(&mut self, dy: isize) {
        let (h1, h2) = (self.reference.nrows() as isize, self.moving.nrows() as isize);
        let clip = |from: isize, to: isize| from.max(0) as usize..to.max(from.max(0)) as usize;
        // Row y of the moving image lies on row y − dy of the reference.
        let moving = clip(dy, (h1 + dy).min(h2));
        let reference = clip(-dy, (h2 - dy).min(h1));
        for (which, (image, rows)) in
            [(self.reference, reference), (self.moving, moving)].into_iter().enumerate()
        {
            let old = std::mem::replace(&mut self.rows[which], rows.clone());
            let columns = &mut self.columns[which];
            let kept = old.start.max(rows.start)..old.end.min(rows.end);
            if kept.len() * 2 < rows.len() {
                // Little in common: begin anew, which also ends the rounding of what came before.
                columns.iter_mut().for_each(|c| c.fill(0.0));
                rows.for_each(|y| add_row(columns, image, y, 1.0));
            } else {
                (old.start..kept.start)
                    .chain(kept.end..old.end)
                    .for_each(|y| add_row(columns, image, y, -1.0));
                (rows.start..kept.start)
                    .chain(kept.end..rows.end)
                    .for_each(|y| add_row(columns, image, y, 1.0));
            }
            for (running, column) in self.running[which].iter_mut().zip(columns.iter()) {
                let mut sum = 0.0;
                for (r, c) in running[1..].iter_mut().zip(column) {
                    sum += c;
                    *r = sum;
                }
            }
        }
    }

    /// Squared correlation coefficients at displacements `first`, `first + 1`, … (all of one sign) for the
    /// sums of products in `products`: 0 for ρ ≤ 0, [`NOT_ALLOWED`] where fewer than `fewest` pixels overlap.
    fn correlations(&self, first: isize, products: &[f32], fewest: f64, out: &mut [f32]) {
        let w = self.moving.ncols();
        let rows = self.rows[0].len() as f64;
        let last = first + products.len() as isize;
        // The overlap is columns dx.. of one image and ..w − |dx| of the other.
        let (ahead, behind, from) =
            if first >= 0 { (1, 0, first as usize) } else { (0, 1, (1 - last) as usize) };
        let n = products.len();
        let [tail, tail2] = [0, 1].map(|order| &self.running[ahead][order]);
        let [head, head2] = [0, 1].map(|order| &self.running[behind][order]);
        let (all, all2) = (tail[w], tail2[w]);
        for i in 0..n {
            let away = if first >= 0 { from + i } else { from + n - 1 - i };
            let count = (w - away) as f64 * rows;
            let (s1, q1) = (head[w - away], head2[w - away]);
            let (s2, q2) = (all - tail[away], all2 - tail2[away]);
            let covariance = products[i] as f64 - s1 * s2 / count;
            let (v1, v2) = (q1 - s1 * s1 / count, q2 - s2 * s2 / count);
            let structured = covariance > 0.0 && v1 > 1e-5 * q1 && v2 > 1e-5 * q2;
            let rho2 = if structured { (covariance * covariance / (v1 * v2)).min(1.0 - 1e-6) } else { 0.0 };
            out[i] = if count >= fewest && count >= 4.0 { rho2 as f32 } else { NOT_ALLOWED };
        }
    }

    /// `−n ln(1 − ρ²)` at displacement `dx`; 0 where that is certainly below `least`.
    fn score(&self, dx: isize, rho2: f32, least: f32) -> f32 {
        if rho2 == NOT_ALLOWED {
            return NOT_ALLOWED;
        }
        let n = (self.moving.ncols() - dx.unsigned_abs()) as f32 * self.rows[0].len() as f32;
        // −ln(1 − x) ≤ x/(1 − x)
        if n * rho2 < least * (1.0 - rho2) { 0.0 } else { n * -(1.0 - rho2).ln() }
    }
}

fn add_row(columns: &mut [Vec<f64>; 2], image: &Array2<f32>, y: usize, sign: f64) {
    let row = image.row(y);
    let row = row.to_slice().expect("images in C order");
    let [sums, squares] = columns;
    for ((s, q), &v) in sums.iter_mut().zip(squares).zip(row) {
        let v = v as f64;
        *s += sign * v;
        *q += sign * v * v;
    }
}
