//! Weak spots between those of a lattice.

use ndarray::{Array1, Array3, ArrayD};
use nonius_blobfinder::{DiskIntegrator, Lattice, Template, index_grid};
use nonius_clustering::{Overlap, merge_rows};
use nonius_core::{Error, PassParams, Progress, Result, Selection, pass};

use super::{FrameLattices, FrameParams};

/// How bright the places of a superlattice are: arrays of the scan's shape, NaN where no lattice is.
#[derive(Debug, Clone, PartialEq)]
pub struct SuperlatticeMaps {
    /// Mean over the superlattice's places of what a spot there has above its surroundings, less the same over places halfway
    /// along a, b and their sum that do not belong to it: what the halo of the direct beam leaves is alike there. In units of
    /// the pixels, per spot.
    pub signal: ArrayD<f64>,
    /// Its standard error, from the scatter among places.
    pub errors: ArrayD<f64>,
}

/// Measures the places `(i, j) + offset` of every frame's lattice, for all whole i, j up to the greatest index that frames
/// were refined with: `[0.5, 0.5]` where a cell has doubled along both diagonals.
///
/// # Errors
/// [`Error::Parameter`] without offsets, or for one that is whole; [`Error::Frame`], [`Error::Cancelled`].
pub fn measure_superlattice(
    selection: &Selection<'_>,
    frames: &FrameLattices,
    offsets: &[[f64; 2]],
    params: &FrameParams,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<SuperlatticeMaps> {
    let is_whole = |offset: &&[f64; 2]| !offset.iter().any(|v| v.is_finite() && v.fract() != 0.0);
    if offsets.is_empty() {
        return Err(Error::parameter("offsets of a superlattice", "at least one", 0));
    }
    if let Some(whole) = offsets.iter().find(is_whole) {
        let must_be = "such that one index is not whole";
        return Err(Error::parameter("offset of a superlattice", must_be, format!("{whole:?}")));
    }
    let template = Template::new(&params.template)?;
    let scan = selection.scan();
    let reach = params.refine.max_index as i32;
    let margin = params.refine.margin.unwrap_or(template.search());
    let whole = |v: f64| (v - v.round()).abs() < 1e-9;
    let belongs = |h: &[f64; 2]| offsets.iter().any(|o| whole(h[0] - o[0]) && whole(h[1] - o[1]));
    let mut beside = vec![[0.5, 0.0], [0.0, 0.5], [0.5, 0.5]];
    beside.retain(|h| !belongs(h));
    let around = |offsets: &[[f64; 2]]| -> Vec<[f64; 2]> {
        let grid = index_grid(-reach..=reach, -reach..=reach);
        let all = grid.iter().flat_map(|i| offsets.iter().map(|o| [0, 1].map(|k| f64::from(i[k]) + o[k])));
        all.filter(|index| index.iter().any(|v| v.abs() >= 1.0)).collect()
    };
    let (places, beside) = (around(offsets), around(&beside));

    let mut parts = Vec::new();
    for region in &frames.regions {
        let inside = |index: &[f64; 2]| {
            let p = region.start.position(*index);
            let (h, w) = scan.frame_shape();
            margin <= p[0] && p[0] < h as f64 - margin && margin <= p[1] && p[1] < w as f64 - margin
        };
        let kept = |of: &[[f64; 2]]| of.iter().copied().filter(inside).collect::<Vec<_>>();
        let (places, beside) = (kept(&places), kept(&beside));
        if places.len() < 2 {
            continue;
        }
        let indices = [&places[..], &beside].concat();
        let of_frame = |sample: usize| {
            let lattice = region.refined.lattice(sample);
            if lattice.is_finite() { lattice } else { region.start }
        };
        let lattices: Vec<Lattice> = (0..region.roi.len()).map(of_frame).collect();
        let centers = Array3::from_shape_fn((lattices.len(), indices.len(), 2), |(sample, k, axis)| {
            lattices[sample].position(indices[k])[axis].round_ties_even() as i32
        });
        let integrator = DiskIntegrator::new(&template, centers.view())?;
        let sums = pass(&scan.select(Some(&region.roi))?, &integrator, pass_params, progress)?;
        let (mut signal, mut errors) = (Vec::new(), Vec::new());
        for (sample, row) in sums.outer_iter().enumerate() {
            let row: Vec<f64> = row.iter().copied().collect();
            let (at, off) = row.split_at(places.len());
            let ([s, ds], [c, dc]) = (mean_and_error(at), mean_and_error(off));
            let found = region.refined.lattice(sample).is_finite();
            signal.push(if found { s - c } else { f64::NAN });
            errors.push(if found { ds.hypot(dc) } else { f64::NAN });
        }
        parts.push((&region.roi, Array1::from_vec(signal).into_dyn(), Array1::from_vec(errors).into_dyn()));
    }
    let merged = |of: &dyn Fn(usize) -> ArrayD<f64>| -> Result<ArrayD<f64>> {
        if parts.is_empty() {
            return Ok(ArrayD::from_elem(scan.shape(), f64::NAN));
        }
        let rows: Vec<ArrayD<f64>> = (0..parts.len()).map(of).collect();
        let all = parts.iter().zip(&rows).map(|((roi, _, _), rows)| (*roi, rows.view()));
        Ok(merge_rows(scan.shape(), all, Overlap::Error)?.values)
    };
    Ok(SuperlatticeMaps {
        signal: merged(&|k| parts[k].1.clone())?,
        errors: merged(&|k| parts[k].2.clone())?,
    })
}

/// 0 and 0 without values.
fn mean_and_error(values: &[f64]) -> [f64; 2] {
    if values.len() < 2 {
        return [0.0; 2];
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    [mean, (variance / n).sqrt()]
}
