//! Two noisy frames that do not wrap, filtered to what they have in common.

use ndarray::{Array2, ArrayView2, s};
use nonius_core::{Border, Real, RealFft2, Result, Window, fast_length, overlap_range};

use crate::spectral::{CrossSpectrum, Rings, omega};

/// Pixels of mirrored border that a filtered frame is given.
const BORDER: usize = 16;

/// Variance ratio from which filtering is worth its rough edges.
const WORTHWHILE: f64 = 2.0;

/// Fewest pixels along an axis of the overlap from which spectra are estimated.
const FEWEST: usize = 16;

/// Two images filtered for each other.
pub(crate) struct CoherentImages<F> {
    pub(crate) reference: Array2<F>,
    pub(crate) moving: Array2<F>,
    /// Fisher information of their displacement per pixel that they share, px⁻².
    pub(crate) information: [[f64; 2]; 2],
}

/// Both images multiplied, frequency by frequency, by the square root of the coherence weights that the
/// overlap at displacement `shift` shows. Least squares on the results then weights frequencies by
/// `γ²/(1−γ²)` over the scene's spectrum, the best that two noisy images allow.
///
/// The borders that the filter spoils are cut off both. None if all that would gain nothing or the overlap is
/// too small to tell.
pub(crate) fn coherent_images<F: Real>(
    [reference, moving]: [&Array2<F>; 2],
    shift: [f64; 2],
) -> Result<Option<CoherentImages<F>>> {
    let whole = shift.map(f64::round);
    let (h, w) = reference.dim();
    let rows = overlap_range(h, moving.nrows(), whole[0]);
    let columns = overlap_range(w, moving.ncols(), whole[1]);
    if rows.len() < FEWEST || columns.len() < FEWEST {
        return Ok(None);
    }
    let shape = (quick_length_within(rows.len()), quick_length_within(columns.len()));
    let fft = RealFft2::<F>::new(shape)?;
    let rings = Rings::new(shape);
    let spectrum = |image: ArrayView2<'_, F>, top: f64, left: f64| -> Result<_> {
        let (top, left) = (top as usize, left as usize);
        let crop = image.slice(s![top..top + shape.0, left..left + shape.1]);
        let mean = F::of(crop.mean().map_or(0.0, F::f64));
        let (wy, wx): (Vec<F>, Vec<F>) = (Window::Hann.samples(shape.0), Window::Hann.samples(shape.1));
        let mut out = fft.spectrum();
        let fill = |y: usize, row: &mut [F]| {
            for x in 0..row.len() {
                row[x] = (crop[[y, x]] - mean) * wy[y] * wx[x];
            }
        };
        fft.forward_rows(fill, &mut out, &mut fft.scratch())?;
        Ok(out)
    };
    let (top, left) = (rows.start as f64, columns.start as f64);
    let [f, g] =
        [spectrum(reference.view(), top - whole[0], left - whole[1])?, spectrum(moving.view(), top, left)?];
    let cross = CrossSpectrum {
        fft: &fft,
        rings: &rings,
        reference: &f,
        moving: &g,
        cross: &mut fft.spectrum(),
        whitened: false,
    };
    let model = cross.model([shift[0] - whole[0], shift[1] - whole[1]], 1.0);
    let border = (2.0 * model.filter_reach(&rings)).ceil() as usize;
    let kept = |n: usize| n.saturating_sub(2 * border) as f64 / n as f64;
    if model.coherence_gain() * kept(rows.len()) * kept(columns.len()) < WORTHWHILE {
        return Ok(None);
    }
    let weight = model.weight_at(&rings);
    let filter = |image: &Array2<F>| -> Result<Array2<F>> {
        let (h, w) = image.dim();
        Ok(filtered(image, &weight)?.slice(s![border..h - border, border..w - border]).to_owned())
    };
    Ok(Some(CoherentImages {
        reference: filter(reference)?,
        moving: filter(moving)?,
        information: cross.information_per_pixel(&model),
    }))
}

/// The image filtered by the square root of `weight(frequency)`, mirrored beyond its border.
fn filtered<F: Real>(image: &Array2<F>, weight: &impl Fn(f64) -> f64) -> Result<Array2<F>> {
    let (h, w) = image.dim();
    let (hp, wp) = (fast_length(h + 2 * BORDER), fast_length(w + 2 * BORDER));
    let fft = RealFft2::<F>::new((hp, wp))?;
    let (mut spectrum, mut scratch) = (fft.spectrum(), fft.scratch());
    let mirrored = |y: usize, row: &mut [F]| {
        let y = Border::Mirror.index(y as isize - BORDER as isize, h);
        for (x, v) in row.iter_mut().enumerate() {
            *v = image[[y, Border::Mirror.index(x as isize - BORDER as isize, w)]];
        }
    };
    fft.forward_rows(mirrored, &mut spectrum, &mut scratch)?;
    for (kx, column) in spectrum.chunks_exact_mut(hp).enumerate() {
        for (ky, v) in column.iter_mut().enumerate() {
            let frequency = omega(kx, wp).hypot(omega(ky, hp)) / std::f64::consts::TAU;
            *v *= F::of(weight(frequency).sqrt() / (hp * wp) as f64);
        }
    }
    let mut out = Array2::zeros((h, w));
    fft.inverse_rows(&mut spectrum, &mut scratch, |y, row| {
        if (BORDER..BORDER + h).contains(&y) {
            out.row_mut(y - BORDER).iter_mut().zip(&row[BORDER..]).for_each(|(o, &v)| *o = v);
        }
    })?;
    Ok(out)
}

/// The largest quick transform length that is not above `n`.
fn quick_length_within(n: usize) -> usize {
    (1..=n).rev().find(|&m| fast_length(m) == m).unwrap_or(1)
}

/// `A M A`.
pub(crate) fn sandwich(a: [[f64; 2]; 2], m: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let times = |a: [[f64; 2]; 2], b: [[f64; 2]; 2]| -> [[f64; 2]; 2] {
        std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
    };
    times(times(a, m), a)
}
