//! Numbers of LiberTEM and LiberTEM-blobfinder: `testdata/clustering`.

use std::collections::HashMap;

use ndarray::{Array2, ArrayD, Axis, s};
use nonius_clustering::{FeatureParams, FeaturePlan, Scaling, VirtualDetectors, scale, with_coordinates};
use nonius_core::masks::{CutMasks, Edge, TemplateKind, TemplateParams, disk, ring};
use nonius_core::{NoProgress, PassParams, Roi, pass};

use crate::golden::{archive, close, greatest, roi, scan};

const RADII: [(&str, f64, f64); 3] = [("r0", 1.5, 2.5), ("r1", 2.0, 3.0), ("r2", 3.7, 5.2)];

const KINDS: [(&str, TemplateKind); 4] = [
    ("circular", TemplateKind::Circular),
    ("radial_gradient", TemplateKind::RadialGradient),
    ("background_subtraction", TemplateKind::BackgroundSubtraction),
    ("radial_gradient_background_subtraction", TemplateKind::RadialGradientBackgroundSubtraction),
];

fn params(kind: TemplateKind, radius: f64, outer: f64) -> TemplateParams {
    TemplateParams { radius_outer: Some(outer), ..TemplateParams::new(kind, radius) }
}

#[test]
fn templates() {
    let golden = archive("masks.npz");
    for (r, radius, outer) in RADII {
        for (name, kind) in KINDS {
            let expected = &golden[&format!("{r}_{name}_template")];
            let template = params(kind, radius, outer);
            let c = template.crop_size();
            assert_eq!(expected.shape(), [2 * c + 1, 2 * c + 1], "{r} {name}");
            // There, the last kind is off the middle where the outer radius is no whole number.
            let center = if kind == TemplateKind::RadialGradientBackgroundSubtraction {
                outer + 1.0 + ((2 * c + 1) as f64 - (2.0 * outer + 2.0).ceil()).div_euclid(2.0)
            } else {
                c as f64
            };
            let found = template.mask((2 * c + 1, 2 * c + 1), [center, center]);
            close(&format!("{r} {name}"), &found.into_dyn(), expected, 1e-12 * greatest(expected));
        }
    }
}

#[test]
fn disks_and_rings() {
    let golden = archive("masks.npz");
    let (shape, center) = ((40, 52), [20.2, 25.7]);
    for (r, radius, outer) in RADII {
        let masks = [
            ("disk_hard", disk(shape, center, radius, Edge::Hard)),
            ("disk_soft", disk(shape, center, radius, Edge::AntiAliased)),
            ("ring_hard", ring(shape, center, radius, outer, Edge::Hard)),
            ("ring_soft", ring(shape, center, radius, outer, Edge::AntiAliased)),
        ];
        for (name, mask) in masks {
            close(name, &mask.unwrap().into_dyn(), &golden[&format!("{r}_{name}")], 1e-12);
        }
    }
}

fn plan(golden: &HashMap<String, ArrayD<f64>>, radius: f64, outer: f64) -> FeaturePlan {
    let peaks: Vec<[i64; 2]> =
        golden["peaks"].rows().into_iter().map(|p| [p[0] as i64, p[1] as i64]).collect();
    let template = params(TemplateKind::BackgroundSubtraction, radius, outer);
    FeaturePlan::new((40, 52), &peaks, &FeatureParams { template, border: CutMasks::Keep }).unwrap()
}

#[test]
fn stacks_and_features() {
    let golden = archive("masks.npz");
    let scan = scan(&golden["data"], "u16");
    let used = roi(&golden["roi"]);
    for (r, radius, outer) in RADII {
        let expected = |part: &str| &golden[&format!("{r}_{part}")];
        let plan = plan(&golden, radius, outer);
        let mut stack = plan.placed().stamps.dense().unwrap();
        let coordinates = expected("stack_coords");
        let values = expected("stack_values");
        // There, zeros within the square of the template are stored as well.
        assert_eq!(plan.placed().stamps.n_weights(), values.iter().filter(|v| **v != 0.0).count(), "{r}");
        for (at, value) in coordinates.axis_iter(Axis(1)).zip(values) {
            let element = &mut stack[[at[0] as usize, at[1] as usize, at[2] as usize]];
            assert!((*element - value).abs() <= 1e-12 * greatest(values));
            *element = 0.0;
        }
        assert!(stack.iter().all(|v| *v == 0.0), "{r}: no other pixel has a weight");

        let features = |roi: Option<&Roi>| {
            pass(&scan.select(roi).unwrap(), &plan, &PassParams::default(), &NoProgress).unwrap()
        };
        let (all, some) = (features(None), features(Some(&used)));
        let map = expected("features_f64");
        let rows = map.to_shape((42, 22)).unwrap().into_owned();
        close(&format!("{r} features"), &all.clone().into_dyn(), &rows.into_dyn(), 1e-12 * greatest(map));
        let single = 1e-4 * greatest(map);
        close(&format!("{r} in f32"), &all.clone().into_dyn(), expected("features_all_raw"), single);
        close(&format!("{r} of a region"), &some.clone().into_dyn(), expected("features_roi_raw"), single);
        for k in 0..22 {
            let spread = used.spread(some.column(k), f64::NAN).unwrap();
            let padded = expected("features_roi_padded").index_axis(Axis(2), k).to_owned();
            close(&format!("{r} padded"), &spread.into_owned(), &padded, single);
        }

        let scaled = scale(all.clone(), &Scaling::MeanAbsolute).unwrap();
        let with_position = with_coordinates(scaled.features, &Roi::all(&[6, 7]), 0.2).unwrap();
        let expected = expected("scaled_with_coords");
        close(
            &format!("{r} scaled"),
            &with_position.t().to_owned().into_dyn(),
            expected,
            1e-10 * greatest(expected),
        );
        // Masks that lie outside.
        assert_eq!(scaled.dead_columns, plan.placed().outside);

        let dark_field = VirtualDetectors::new(&[plan.dark_field().unwrap()]);
        let signal =
            pass(&scan.select(None).unwrap(), &dark_field, &PassParams::default(), &NoProgress).unwrap();
        let total = all.sum_axis(Axis(1)).insert_axis(Axis(1));
        close("dark field", &signal.into_dyn(), &total.into_dyn(), 1e-10 * greatest(map));
    }
}

#[test]
fn features_of_the_pipeline_from_what_they_were_scaled_of() {
    // Columns of the golden features are scaled: the mean of their absolute values is 1, or 0 where one is dead.
    let golden = archive("pipeline.npz");
    let features: Array2<f64> = golden["features"].clone().into_dimensionality().unwrap();
    let scaled = scale(features.slice(s![.., ..36]).to_owned(), &Scaling::default()).unwrap();
    assert!(scaled.scales.scales.iter().all(|scale| (scale - 1.0).abs() < 1e-12));
    let all = with_coordinates(scaled.features, &Roi::all(&[24, 30]), 0.2).unwrap();
    close("features", &all.into_dyn(), &features.into_dyn(), 1e-10);
}
