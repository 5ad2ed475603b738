//! What an earlier result knows.

use anyhow::{Context, Result, bail};
use ndarray::{Array2, Ix2, IxDyn};
use nonius::Roi;
use nonius::blobfinder::{Peak, PeakStatus};
use nonius::clustering::LabelMap;
use nonius::core::Selection;
use nonius::io;
use nonius::workflow::strain::Deviation;

/// The first stages of an earlier run.
pub(super) struct Earlier {
    pub(super) deviation: Deviation,
    pub(super) spots: Vec<Peak>,
    pub(super) labels: LabelMap,
}

pub(super) fn read(file: &str, selection: &Selection<'_>) -> Result<Earlier> {
    let named = || format!("--resume {file}");
    let image = |name: &str| -> Result<Array2<f64>> {
        let array = io::read_array::<f64>(&format!("{file}:/strain/{name}/data")).with_context(named)?;
        let shape = array.shape().to_vec();
        let what = || format!("--resume {file}: expected an image {name}, got an array of shape {shape:?}");
        array.into_dimensionality::<Ix2>().with_context(what)
    };
    let frame = selection.scan().frame_shape();
    let (sum, deviation) = (image("sum")?, image("deviation")?);
    for map in [&sum, &deviation] {
        if map.dim() != frame {
            bail!("--resume {file}: its frames are {:?}, those of the scan {frame:?}", map.dim());
        }
    }
    let spots = image("spots")?;
    if spots.ncols() != 2 {
        bail!("--resume {file}: expected spots of two columns y, x, got {}", spots.ncols());
    }
    let labels = io::read_array::<f64>(&format!("{file}:/strain/regions/data")).with_context(named)?;
    let scan = selection.scan().shape();
    if labels.shape() != scan {
        bail!("--resume {file}: its scan is {:?}, not {scan:?}", labels.shape());
    }
    Ok(Earlier {
        deviation: Deviation { n_frames: selection.len() as u64, sum, deviation },
        spots: spots.rows().into_iter().map(|row| spot([row[0], row[1]])).collect(),
        labels: label_map(selection.roi(), &labels).with_context(named)?,
    })
}

fn spot(refined: [f64; 2]) -> Peak {
    Peak {
        center: refined.map(|c| c.round() as i32),
        refined,
        height: f64::NAN,
        elevation: f64::NAN,
        covariance: [[f64::NAN; 2]; 2],
        status: PeakStatus::Found,
    }
}

fn label_map(roi: &Roi, numbers: &ndarray::Array<f64, IxDyn>) -> Result<LabelMap> {
    let of_samples = roi.gather(numbers.view())?;
    let labels = of_samples.iter().map(|&v| if v >= 0.0 { v as i64 } else { -1 }).collect::<Vec<_>>();
    let labels = labels.iter().map(|&k| usize::try_from(k).ok()).collect();
    Ok(LabelMap::new(roi.clone(), labels)?)
}
