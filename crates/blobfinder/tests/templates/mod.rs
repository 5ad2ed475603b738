//! Masks, templates, peaks on an image, pictures.

mod golden;
mod known;
mod peaks;
mod pictures;

use ndarray::{Array2, Ix2};
use nonius_blobfinder::{Template, TemplateKind, TemplateParams};
use serde_json::Value;

use crate::cases::Case;

/// The template of a golden case.
pub(crate) fn template(case: Case<'_>) -> Template {
    let pattern = case.pattern();
    let number = |name: &str| pattern[name].as_f64();
    let template = if pattern["type"] == "UserTemplate" {
        Template::from_image(case.input::<Ix2>("template").view(), None, number("search")).unwrap()
    } else {
        Template::new(&template_params(&pattern)).unwrap()
    };
    assert_eq!(template.crop_size() as u64, pattern["crop_size"].as_u64().unwrap(), "{}", case.id());
    template
}

pub(crate) fn template_params(pattern: &Value) -> TemplateParams {
    let number = |name: &str| pattern[name].as_f64();
    let kind = match pattern["type"].as_str().unwrap() {
        "Circular" => TemplateKind::Circular,
        "RadialGradient" => TemplateKind::RadialGradient,
        "BackgroundSubtraction" => TemplateKind::BackgroundSubtraction,
        "RadialGradientBackgroundSubtraction" => TemplateKind::RadialGradientBackgroundSubtraction,
        other => panic!("no template {other}"),
    };
    TemplateParams {
        kind,
        radius: number("radius").unwrap(),
        radius_outer: number("radius_outer"),
        search: number("search"),
        delta: number("delta").unwrap_or(1.0),
        ellipse: None,
    }
}

/// The template in the middle of an image, where the reference has it.
pub(crate) fn centered(template: &Template, shape: (usize, usize)) -> Array2<f64> {
    template.mask(shape, [(shape.0 / 2) as f64, (shape.1 / 2) as f64])
}
