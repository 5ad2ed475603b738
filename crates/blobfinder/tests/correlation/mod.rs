//! Disks looked for around positions.

mod golden;
mod known;
mod normalized;
mod properties;

use ndarray::Array2;
use nonius_blobfinder::{CorrelationParams, CorrelationPlan, Peak, Template, TemplateKind, TemplateParams};

/// Every kind of template by formula.
const KINDS: [TemplateKind; 4] = [
    TemplateKind::Circular,
    TemplateKind::RadialGradient,
    TemplateKind::BackgroundSubtraction,
    TemplateKind::RadialGradientBackgroundSubtraction,
];

fn template(kind: TemplateKind, radius: f64) -> Template {
    Template::new(&TemplateParams::new(kind, radius)).unwrap()
}

fn find(
    frame: &Array2<f64>,
    template: &Template,
    params: &CorrelationParams,
    positions: &[[i32; 2]],
) -> Vec<Peak> {
    let plan = CorrelationPlan::<f64>::new(frame.dim(), std::slice::from_ref(template), params).unwrap();
    plan.run(frame.view(), positions).unwrap()
}

/// A disk of 100 above a level of 10, the template's own edge.
fn disk(shape: (usize, usize), center: [f64; 2], radius: f64) -> Array2<f64> {
    template(TemplateKind::Circular, radius).mask(shape, center).mapv(|v| 100.0 * v + 10.0)
}
