//! The transform of a complex array with any number of axes.

use std::sync::Arc;

use ndarray::{ArrayViewMut, Axis, Dimension};
use num_complex::Complex;
use rustfft::{Fft, FftDirection, FftPlanner};

use crate::error::{check_not_empty, check_shape};
use crate::{Real, Result};

/// Lanes that are gathered together: one cache line of the innermost axis feeds all of them.
const LANES: usize = 8;

/// Transforms complex arrays of one shape in place, along every axis; unnormalised.
///
/// For real images of two axes [`RealFft2`](crate::RealFft2) takes less than half the time.
#[derive(Clone)]
pub struct FftNd<F: Real> {
    shape: Vec<usize>,
    forward: Vec<Arc<dyn Fft<F>>>,
    inverse: Vec<Arc<dyn Fft<F>>>,
}

impl<F: Real> FftNd<F> {
    /// Plans transforms of arrays of this shape.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) if a side is 0.
    pub fn new(shape: &[usize]) -> Result<Self> {
        check_not_empty("shape of a transform", shape)?;
        let mut planner = FftPlanner::new();
        let mut plan = |direction| shape.iter().map(|&n| planner.plan_fft(n, direction)).collect();
        Ok(FftNd {
            shape: shape.to_vec(),
            forward: plan(FftDirection::Forward),
            inverse: plan(FftDirection::Inverse),
        })
    }

    /// Transforms `data` in place.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the array has another shape than the plan.
    pub fn forward<D: Dimension>(&self, data: ArrayViewMut<'_, Complex<F>, D>) -> Result<()> {
        self.process(&self.forward, data)
    }

    /// Transforms `data` back in place, without the factor 1/N.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the array has another shape than the plan.
    pub fn inverse<D: Dimension>(&self, data: ArrayViewMut<'_, Complex<F>, D>) -> Result<()> {
        self.process(&self.inverse, data)
    }

    fn process<D: Dimension>(
        &self,
        plans: &[Arc<dyn Fft<F>>],
        mut data: ArrayViewMut<'_, Complex<F>, D>,
    ) -> Result<()> {
        check_shape("array", &self.shape, data.shape())?;
        let zero = Complex::new(F::zero(), F::zero());
        for (axis, plan) in plans.iter().enumerate() {
            let n = self.shape[axis];
            if n == 1 {
                continue;
            }
            let mut lanes = vec![zero; LANES * n];
            let mut scratch = vec![zero; plan.get_inplace_scratch_len()];
            let mut pending: Vec<ndarray::ArrayViewMut1<'_, Complex<F>>> = Vec::with_capacity(LANES);
            let mut flush = |pending: &mut Vec<ndarray::ArrayViewMut1<'_, Complex<F>>>| {
                let count = pending.len();
                for i in 0..n {
                    for (l, lane) in pending.iter().enumerate() {
                        lanes[l * n + i] = lane[i];
                    }
                }
                plan.process_with_scratch(&mut lanes[..count * n], &mut scratch);
                for i in 0..n {
                    for (l, lane) in pending.iter_mut().enumerate() {
                        lane[i] = lanes[l * n + i];
                    }
                }
                pending.clear();
            };
            for lane in data.lanes_mut(Axis(axis)) {
                pending.push(lane);
                if pending.len() == LANES {
                    flush(&mut pending);
                }
            }
            if !pending.is_empty() {
                flush(&mut pending);
            }
        }
        Ok(())
    }
}

impl<F: Real> std::fmt::Debug for FftNd<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FftNd").field("shape", &self.shape).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn equals_the_sum() {
        let shape = [3, 4, 5];
        let f = Array3::from_shape_fn(shape, |(z, y, x)| {
            Complex::new((z * 7 + y * 3 + x * x) as f64 % 5.0, (z + 2 * y * x) as f64 % 3.0)
        });
        let plan = FftNd::<f64>::new(&shape).unwrap();
        let mut spectrum = f.clone();
        plan.forward(spectrum.view_mut()).unwrap();
        for ((kz, ky, kx), &value) in spectrum.indexed_iter() {
            let sum: Complex<f64> = f
                .indexed_iter()
                .map(|((z, y, x), &v)| {
                    let turns = (kz * z) as f64 / 3.0 + (ky * y) as f64 / 4.0 + (kx * x) as f64 / 5.0;
                    v * Complex::cis(-2.0 * std::f64::consts::PI * turns)
                })
                .sum();
            assert!((sum - value).norm() < 1e-10);
        }
        plan.inverse(spectrum.view_mut()).unwrap();
        assert!(spectrum.iter().zip(&f).all(|(a, b)| (a / 60.0 - b).norm() < 1e-12));
    }
}
