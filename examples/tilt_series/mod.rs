//! What both examples of alignment share: a scan with what is known of it, and the table of errors stage by stage.

use anyhow::{Context, Result};
use ndarray::Array3;
use nonius::NoProgress;
use nonius::core::tilt_series::{Geometry, TiltSeries};
use nonius::io::{TiltSeriesOptions, open_tilt_series, read_offsets};
use nonius::plot::{OffsetChart, PanelRow, Panels};
use nonius::synthetic::TiltSeriesParams;
use nonius::tomography::{AbsorbanceParams, Reference};
use nonius::workflow::tomography::{
    LineIntegralParams, LineIntegrals, ReconstructionParams, line_integrals, reconstruct_series,
};

/// A scan whose offsets are forgotten, and the offsets to compare with.
pub(crate) struct Scan {
    pub(crate) name: String,
    /// All offsets 0.
    pub(crate) geometry: Geometry,
    pub(crate) integrals: LineIntegrals<f32>,
    /// Offsets that are true, or that the file came with.
    reference: Option<Vec<[f64; 2]>>,
}

/// Root-mean-square errors along j and k, and the loss of 20 MITRA iterations, of one stage.
struct Stage {
    name: String,
    errors: Option<[f64; 2]>,
    loss: f64,
    /// What mumott 2.3 prints for the same stage on a scan like the simulated one, as published and with its smoothing
    /// kept within the images.
    published: &'static str,
}

impl Scan {
    pub(crate) fn simulated(params: &TiltSeriesParams) -> Result<Self> {
        let made = params.generate()?;
        Scan::new("simulated scan".into(), &made.series, Some(made.truth.offsets))
    }

    /// A file of projections. Its group `truth` says what is true, if there is one; else its own offsets are compared
    /// with, if it has any.
    pub(crate) fn recorded(path: &str) -> Result<Self> {
        let options = TiltSeriesOptions { skip_scattering: true, ..Default::default() };
        let file = open_tilt_series::<f32>(path, &options)?;
        file.warnings.iter().for_each(|warning| println!("note: {warning}"));
        let own = file.series.geometry.offsets();
        let reference = match read_offsets(path, "truth") {
            Ok(truth) if truth.len() == own.len() => {
                println!("compared with the group truth of the file");
                Some(truth)
            }
            _ if own.iter().flatten().any(|offset| *offset != 0.0) => {
                println!("compared with the offsets in the file");
                Some(own)
            }
            _ => None,
        };
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        Scan::new(name, &file.series, reference)
    }

    fn new(name: String, series: &TiltSeries<f32>, reference: Option<Vec<[f64; 2]>>) -> Result<Self> {
        let n = series.geometry.len();
        let geometry = series.geometry.clone().with_offsets(&vec![[0.0; 2]; n])?;
        // Where the sample reaches the border there is no air to take the beam from.
        let integrals = line_integrals(series, &LineIntegralParams::default()).or_else(|said| {
            println!("note: {said}; the beam is taken as the 99.9th percentile of each image");
            let reference = Reference::Percentile { percentile: 99.9, per_projection: true };
            let absorbance = AbsorbanceParams { reference, ..Default::default() };
            line_integrals(series, &LineIntegralParams { absorbance, ..Default::default() })
        });
        let integrals = integrals.with_context(|| name.clone())?;
        let [_, j, k] = geometry.stack_shape();
        println!("{name}: {n} projections of {j} × {k} px\n");
        Ok(Scan { name, geometry, integrals, reference })
    }

    pub(crate) fn images(&self) -> ndarray::ArrayView3<'_, f32> {
        self.integrals.images.view()
    }

    pub(crate) fn weights(&self) -> Option<ndarray::ArrayView3<'_, f32>> {
        self.integrals.weights.as_ref().map(|weights| weights.view())
    }

    /// 20 iterations of MITRA with these offsets: the volume and the last loss.
    fn reconstructed(&self, offsets: &[[f64; 2]]) -> Result<(Array3<f32>, f64)> {
        let geometry = self.geometry.clone().with_offsets(offsets)?;
        let params = ReconstructionParams::default();
        let found = reconstruct_series(&geometry, &self.integrals, &params, &NoProgress)?;
        Ok((found.volume, found.losses.last().copied().unwrap_or(f64::NAN)))
    }

    /// The reference, moved by the translation of the sample that lies between it and `offsets`.
    fn reference_beside(&self, offsets: &[[f64; 2]]) -> Result<Option<Vec<[f64; 2]>>> {
        let Some(reference) = &self.reference else { return Ok(None) };
        let errors: Vec<[f64; 2]> =
            offsets.iter().zip(reference).map(|(o, r)| [o[0] - r[0], o[1] - r[1]]).collect();
        let left = self.geometry.remove_translation(&errors)?.residuals;
        Ok(Some(offsets.iter().zip(&left).map(|(o, e)| [o[0] - e[0], o[1] - e[1]]).collect()))
    }
}

/// The stages of an alignment, as they are done.
#[derive(Default)]
pub(crate) struct Stages {
    stages: Vec<Stage>,
}

impl Stages {
    pub(crate) fn add(
        &mut self,
        scan: &Scan,
        name: &str,
        offsets: &[[f64; 2]],
        published: &'static str,
    ) -> Result<()> {
        let beside = scan.reference_beside(offsets)?;
        let rms = |axis: usize, reference: &[[f64; 2]]| {
            let squares: f64 = offsets.iter().zip(reference).map(|(o, r)| (o[axis] - r[axis]).powi(2)).sum();
            (squares / offsets.len() as f64).sqrt()
        };
        let errors = beside.map(|reference| [rms(0, &reference), rms(1, &reference)]);
        let loss = scan.reconstructed(offsets)?.1;
        self.stages.push(Stage { name: name.into(), errors, loss, published });
        Ok(())
    }

    /// The reference's own row, if there is one, and the table.
    pub(crate) fn print(mut self, scan: &Scan, published: &'static str) -> Result<()> {
        if let Some(reference) = &scan.reference {
            self.add(scan, "reference", reference, published)?;
        }
        println!(
            "\n{:<26} {:>9} {:>9} {:>11}   mumott 2.3, align_single_axis.h5: as published | smoothing within images",
            "stage", "rms j", "rms k", "loss"
        );
        for Stage { name, errors, loss, published } in &self.stages {
            let [j, k] = errors.map_or(["–".into(), "–".into()], |e| e.map(|e| format!("{e:.4}")));
            println!("{name:<26} {j:>9} {k:>9} {loss:>11.5}   {published}");
        }
        println!("\nErrors in px, without the translation that no alignment can know.");
        Ok(())
    }
}

/// Cuts through the volume before and after, and the offsets beside the reference, as `name_*.png` in the folder for
/// temporary files.
pub(crate) fn draw(scan: &Scan, name: &str, offsets: &[[f64; 2]], errors: &[[f64; 2]]) -> Result<()> {
    let zero = vec![[0.0; 2]; offsets.len()];
    let mut rows = vec![
        PanelRow::through(scan.reconstructed(offsets)?.0.view(), "aligned")?,
        PanelRow::through(scan.reconstructed(&zero)?.0.view(), "unaligned")?,
    ];
    if let Some(reference) = scan.reference_beside(offsets)? {
        rows.push(PanelRow::through(scan.reconstructed(&reference)?.0.view(), "reference")?);
    }
    let slices = Panels { title: scan.name.clone(), rows, one_scale: true }.draw()?;
    let chart = OffsetChart {
        title: scan.name.clone(),
        found: offsets.to_vec(),
        errors: errors.to_vec(),
        start: None,
        truth: scan.reference_beside(offsets)?,
    };
    for (what, picture) in [("slices", slices), ("offsets", chart.draw()?)] {
        let path = std::env::temp_dir().join(format!("{name}_{what}.png"));
        picture.write(&path)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
