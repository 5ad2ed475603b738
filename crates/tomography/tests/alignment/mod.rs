//! Alignment by re-projection, against offsets that are known.

mod angles;
mod bad_input;
mod known;
mod properties;
mod references;

use ndarray::Array3;
use nonius_core::NoProgress;
use nonius_synthetic::{Recording, SyntheticTiltSeries, TiltSeriesParams};
use nonius_tomography::alignment::{Aligned, Aligner, align};
use nonius_tomography::{AbsorbanceParams, Geometry, absorbance};

/// A synthetic series and its absorbances.
struct Made {
    series: SyntheticTiltSeries,
    images: Array3<f32>,
}

impl Made {
    fn new(params: TiltSeriesParams) -> Self {
        let series = params.generate().unwrap();
        let recorded = series.series.images.as_ref().unwrap();
        let images = absorbance(&AbsorbanceParams::default(), recorded.view()).unwrap().absorbance;
        Made { series, images }
    }

    /// Of what records thickness, without a logarithm.
    fn new_of_thickness(params: TiltSeriesParams) -> Self {
        let recording = Recording::Thickness { gain: 1.0 };
        let series = TiltSeriesParams { recording, ..params }.generate().unwrap();
        let images = series.series.images.clone().unwrap();
        Made { series, images }
    }

    fn geometry(&self) -> &Geometry {
        &self.series.series.geometry
    }

    fn align(&self, aligner: &dyn Aligner<f32>) -> Aligned<f32> {
        align(aligner, self.geometry(), self.images.view(), None, &NoProgress).unwrap()
    }

    /// Errors `[j, k]` of every view without the common translation.
    fn errors(&self, offsets: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let truth = &self.series.truth;
        let difference: Vec<[f64; 2]> =
            offsets.iter().zip(&truth.offsets).map(|(o, t)| [o[0] - t[0], o[1] - t[1]]).collect();
        truth.geometry.remove_translation(&difference).unwrap().residuals
    }
}

/// Root mean square of each component.
fn rms(errors: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|d| (errors.iter().map(|e| e[d] * e[d]).sum::<f64>() / errors.len() as f64).sqrt())
}

/// Part of the errors within so many standard errors.
fn coverage(errors: &[[f64; 2]], standard_errors: &[[f64; 2]], sigmas: f64) -> f64 {
    let within =
        errors.iter().flatten().zip(standard_errors.iter().flatten()).filter(|(e, s)| e.abs() < sigmas * *s);
    within.count() as f64 / (2 * errors.len()) as f64
}
