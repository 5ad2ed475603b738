//! Which pixels of an image the sample covers, and the noise of the others.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis, Zip, s};
use nonius_core::tilt_series::Geometry;
use nonius_core::{
    Border, Error, Real, Result, check_shape, fill_missing, gaussian_filter, gaussian_kernel, median,
};
use rayon::prelude::*;

/// Standard deviation px of the Gaussian under which the sample is told from air.
const SMOOTHING: f64 = 1.0;

/// Fewer pixels than this say nothing about air.
const ENOUGH: usize = 16;

/// Side of the blocks within which noise may be correlated.
const BLOCK: usize = 4;

/// An image in double precision and what is known of its air.
pub(crate) struct Footprint {
    /// Values, missing ones filled from their neighbours, less the pedestal.
    pub(crate) image: Array2<f64>,
    /// The pixels that the sample covers.
    pub(crate) inside: Array2<bool>,
    /// Mean of the air, which was subtracted; 0 without air.
    pub(super) pedestal: f64,
    /// Pixels that it is the mean of.
    pub(super) n_air: usize,
    /// Standard deviation of one pixel.
    pub(super) noise: f64,
    /// Σ (block sum)² and Σ value² over blocks of air: their ratio is 1 for noise that pixels do not share.
    blocks: [f64; 2],
    /// False if every pixel is missing.
    pub(super) measured: bool,
}

/// Checks the shapes, and finds the footprint in every image.
pub(super) fn footprints<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    threshold: Option<f64>,
) -> Result<Vec<Footprint>> {
    check_stack(geometry, images, weights)?;
    (0..geometry.len())
        .into_par_iter()
        .map(|i| {
            let weight = weights.as_ref().map(|w| w.index_axis(Axis(0), i));
            let (image, valid) = measured(images.index_axis(Axis(0), i), weight)
                .map_err(|error| Error::Frame { index: i, reason: error.to_string() })?;
            Footprint::of(image, &valid, threshold)
        })
        // The first failure in the series is reported, whichever thread met it first.
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

/// [`Error::Shape`] unless images and weights are of the geometry's shape.
pub(super) fn check_stack<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
) -> Result<()> {
    geometry.validate()?;
    check_shape("images", &geometry.stack_shape(), images.shape())?;
    weights.map_or(Ok(()), |weights| check_shape("weights", &geometry.stack_shape(), weights.shape()))
}

/// How much more the noise of a sum varies than that of pixels which know nothing of each other, at least 1;
/// from the air of all images.
pub(super) fn noise_correlation(footprints: &[Footprint]) -> f64 {
    let [blocks, pixels] = footprints.iter().fold([0.0; 2], |s, f| [s[0] + f.blocks[0], s[1] + f.blocks[1]]);
    if pixels > 0.0 { (blocks / pixels).max(1.0) } else { 1.0 }
}

/// The image with neighbours' values where the weight is 0, and where it is not.
pub(super) fn measured<F: Real>(
    image: ArrayView2<'_, F>,
    weight: Option<ArrayView2<'_, F>>,
) -> Result<(Array2<f64>, Array2<bool>)> {
    let Some(weight) = weight else {
        nonius_core::check_finite("image", image)?;
        return Ok((in_order(image, |_, v| v.f64()), Array2::from_elem(image.dim(), true)));
    };
    if let Some(bad) = weight.iter().find(|w| !(w.is_finite() && **w >= F::zero())) {
        return Err(Error::parameter("weights", "finite and not negative", bad));
    }
    let valid = in_order(weight, |_, w| w > F::zero());
    let values = in_order(image, |at, v| if valid[at] { v.f64() } else { 0.0 });
    Ok((fill_missing(values.view(), valid.view())?, valid))
}

/// Each value made into another, in C order whatever the order of the view.
fn in_order<F: Real, T>(image: ArrayView2<'_, F>, f: impl Fn((usize, usize), F) -> T) -> Array2<T> {
    Array2::from_shape_fn(image.dim(), |at| f(at, image[at]))
}

impl Footprint {
    /// Of an image without missing pixels.
    pub(crate) fn of_whole(image: Array2<f64>, threshold: Option<f64>) -> Result<Self> {
        let valid = Array2::from_elem(image.dim(), true);
        Footprint::of(image, &valid, threshold)
    }

    /// The sample is where the smoothed image exceeds the air by `threshold` standard deviations of its noise,
    /// and one pixel beyond; everywhere without a threshold.
    fn of(image: Array2<f64>, valid: &Array2<bool>, threshold: Option<f64>) -> Result<Self> {
        let shape = image.dim();
        let mut footprint = Footprint {
            noise: roughness(&image, valid),
            image,
            inside: Array2::from_elem(shape, true),
            pedestal: 0.0,
            n_air: 0,
            blocks: [0.0; 2],
            measured: valid.iter().any(|ok| *ok),
        };
        let Some(threshold) = threshold else { return Ok(footprint) };
        let smooth = gaussian_filter(footprint.image.view(), SMOOTHING, Border::Nearest)?;
        let gain: f64 = gaussian_kernel(SMOOTHING)?.iter().map(|w| w * w).sum();
        let mut air = darkest_side(&footprint.image);
        let mut noise = footprint.noise;
        // Of an image that is flat rounding leaves traces.
        let traces = 1e-12 * footprint.image.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        // Air tells the noise, and noise what is air: three rounds settle it.
        for _ in 0..3 {
            let level = (threshold * gain * noise).max(traces);
            footprint.inside = widened(&smooth.mapv(|v| (v - air).abs() > level));
            let outside: Vec<f64> = Zip::from(&footprint.image)
                .and(&footprint.inside)
                .and(valid)
                .map_collect(|v, inside, ok| (!inside && *ok).then_some(*v))
                .into_iter()
                .flatten()
                .collect();
            if outside.len() < ENOUGH {
                footprint.inside.fill(true);
                return Ok(footprint);
            }
            air = outside.iter().sum::<f64>() / outside.len() as f64;
            noise = 1.4826 * median(outside.iter().map(|v| (v - air).abs()));
            (footprint.pedestal, footprint.noise, footprint.n_air) = (air, noise, outside.len());
        }
        footprint.image -= air;
        footprint.blocks = footprint.air_blocks(valid);
        Ok(footprint)
    }

    fn air_blocks(&self, valid: &Array2<bool>) -> [f64; 2] {
        let mut sums = [0.0; 2];
        let size = (BLOCK, BLOCK);
        Zip::from(self.image.exact_chunks(size))
            .and(self.inside.exact_chunks(size))
            .and(valid.exact_chunks(size))
            .for_each(|values, inside, valid| {
                if inside.iter().all(|inside| !inside) && valid.iter().all(|ok| *ok) {
                    sums[0] += values.sum().powi(2);
                    sums[1] += values.iter().map(|v| v * v).sum::<f64>();
                }
            });
        sums
    }
}

/// Noise of one pixel from second differences along both axes, robustly: slopes do not count, nor do edges
/// while they are few. 0 for images too small to tell.
fn roughness(image: &Array2<f64>, valid: &Array2<bool>) -> f64 {
    let mut differences = Vec::with_capacity(2 * image.len());
    for axis in 0..2 {
        for (values, ok) in image.lanes(Axis(axis)).into_iter().zip(valid.lanes(Axis(axis))) {
            for (v, ok) in values.windows(3).into_iter().zip(ok.windows(3)) {
                if ok.iter().all(|ok| *ok) {
                    differences.push((v[0] - 2.0 * v[1] + v[2]).abs());
                }
            }
        }
    }
    if differences.is_empty() { 0.0 } else { 1.4826 * median(differences) / 6_f64.sqrt() }
}

/// The least of the medians of the four sides, two pixels wide: there is air beside a sample that is in view
/// across the axis, even where it leaves the view along it.
fn darkest_side(image: &Array2<f64>) -> f64 {
    let (j, k) = image.dim();
    let (dj, dk) = (j.min(2), k.min(2));
    let sides = [
        image.slice(s![..dj, ..]),
        image.slice(s![j - dj.., ..]),
        image.slice(s![.., ..dk]),
        image.slice(s![.., k - dk..]),
    ];
    sides.iter().map(|side| median(side.iter().copied())).fold(f64::INFINITY, f64::min)
}

/// The mask and all pixels that touch it.
fn widened(mask: &Array2<bool>) -> Array2<bool> {
    let (n_j, n_k) = mask.dim();
    Array2::from_shape_fn((n_j, n_k), |(j, k)| {
        let near = s![j.saturating_sub(1)..(j + 2).min(n_j), k.saturating_sub(1)..(k + 2).min(n_k)];
        mask.slice(near).iter().any(|inside| *inside)
    })
}
