//! What the texts of the parameters mean: templates, positions, masks, lattices.

use std::path::Path;

use anyhow::{Context, Result, bail};
use ndarray::{Array2, Ix2};
use nonius::blobfinder::{Lattice, Template, TemplateKind, TemplateParams};
use nonius::io;

use super::args::PeaksConfig;
use crate::Usage;

const KINDS: &str =
    "circular, radial-gradient, background-subtraction, radial-gradient-background-subtraction or a file";

/// The template by name, or from an image.
pub(crate) fn template(config: &PeaksConfig) -> Result<Template> {
    let name = &config.template;
    let made = match kind(name) {
        Some(kind) => {
            let Some(radius) = config.radius else {
                return Err(
                    Usage(format!("--radius: a template {name} needs the radius of the disks, px")).into()
                );
            };
            if config.radius_outer.is_some() && !kind.has_ring() {
                return Err(Usage(format!("--radius-outer: a template {name} has no ring")).into());
            }
            let delta = config.delta.unwrap_or(TemplateParams::default().delta);
            let (radius_outer, search) = (config.radius_outer, config.search);
            Template::new(&TemplateParams { kind, radius, radius_outer, search, delta, ellipse: None })?
        }
        None => {
            let given = [
                ("--radius", config.radius),
                ("--radius-outer", config.radius_outer),
                ("--delta", config.delta),
            ];
            let image = io::read_image::<f64>(name)
                .with_context(|| format!("--template {name}: expected {KINDS}"))?
                .pixels;
            if let Some((option, _)) = given.iter().find(|(_, value)| value.is_some()) {
                let said = format!("{option}: the template is an image, which has a shape of its own");
                return Err(Usage(said).into());
            }
            Template::from_image(image.view(), None, config.search)
                .with_context(|| format!("--template {name}"))?
        }
    };
    Ok(if config.compatible { made.compatible() } else { made })
}

fn kind(name: &str) -> Option<TemplateKind> {
    serde_json::from_value(serde_json::Value::String(name.into())).ok()
}

/// Positions `(y, x)` px: rows of two numbers, separated by commas, semicolons or blanks, or an array.
pub(crate) fn positions(text: &str) -> Result<Vec<[f64; 2]>> {
    let extension = Path::new(text).extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
    let found = if ["csv", "txt", "tsv", "dat"].contains(&&extension[..]) {
        let all =
            std::fs::read_to_string(text).with_context(|| format!("--positions {text}: cannot read"))?;
        rows(&all).with_context(|| format!("--positions {text}"))?
    } else {
        let array = io::read_array::<f64>(text).with_context(|| format!("--positions {text}"))?;
        let shape = array.shape().to_vec();
        match array.into_dimensionality::<Ix2>() {
            Ok(rows) if rows.ncols() == 2 => rows.rows().into_iter().map(|r| [r[0], r[1]]).collect(),
            _ => {
                bail!("--positions {text}: expected an array of two columns y, x, got one of shape {shape:?}")
            }
        }
    };
    if found.is_empty() {
        bail!("--positions {text}: there is no position in it");
    }
    if let Some(p) = found.iter().flatten().find(|v| !v.is_finite()) {
        bail!("--positions {text}: expected finite numbers, got {p}");
    }
    Ok(found)
}

fn rows(text: &str) -> Result<Vec<[f64; 2]>> {
    let mut found = Vec::new();
    for (k, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let separated = |c: char| c == ',' || c == ';' || c.is_whitespace();
        let cells: Vec<&str> = line.split(separated).filter(|cell| !cell.is_empty()).collect();
        match (&cells[..], cells.iter().map(|c| c.parse().ok()).collect::<Option<Vec<f64>>>().as_deref()) {
            ([], _) => {}
            (_, Some(&[y, x])) => found.push([y, x]),
            // Names of the columns.
            (_, None) if k == 0 => {}
            _ => bail!("line {}: expected two numbers y,x, got {:?}", k + 1, line.trim()),
        }
    }
    Ok(found)
}

/// Where the detector counts.
pub(crate) fn mask(text: &str, shape: (usize, usize)) -> Result<Array2<bool>> {
    let image = io::read_image::<f64>(text).with_context(|| format!("--mask {text}"))?.pixels;
    if image.dim() != shape {
        bail!("--mask {text}: expected the frames' shape {shape:?}, got {:?}", image.dim());
    }
    // NaN in a mask is nothing used.
    let live = image.mapv(|v| v != 0.0 && !v.is_nan());
    if live.iter().all(|v| !v) {
        bail!("--mask {text}: no pixel counts");
    }
    Ok(live)
}

/// Where a lattice comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Start {
    /// The peaks of the summed frame.
    Auto,
    Given(Lattice),
}

pub(crate) fn lattice(text: &str) -> Result<Start> {
    if text == "auto" {
        return Ok(Start::Auto);
    }
    let numbers = text.split(',').map(|n| n.trim().parse().ok()).collect::<Option<Vec<f64>>>();
    match numbers.as_deref() {
        Some(&[zy, zx, ay, ax, by, bx]) => {
            let lattice = Lattice { zero: [zy, zx], a: [ay, ax], b: [by, bx] };
            // Whether its vectors span a cell.
            lattice.indices(lattice.zero).with_context(|| format!("--lattice {text}"))?;
            Ok(Start::Given(lattice))
        }
        _ => {
            let said = format!("--lattice {text}: expected auto or six numbers zero y,x, a y,x, b y,x, px");
            Err(Usage(said).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_many_kinds_are_read() {
        let text = "y,x\n1,2\n\n # a remark\n 3.5 ; -4 # another\n5\t6e1\n";
        assert_eq!(rows(text).unwrap(), [[1.0, 2.0], [3.5, -4.0], [5.0, 60.0]]);
        for (text, said) in [("1,2\ny,x", "line 2"), ("1,2,3", "line 1"), ("7", "line 1")] {
            assert!(rows(text).unwrap_err().to_string().contains(said), "{text}");
        }
    }

    #[test]
    fn lattices_have_six_numbers() {
        let expected = Lattice { zero: [64.0, 63.5], a: [16.0, 0.0], b: [-1.0, 17.0] };
        assert_eq!(lattice("64,63.5, 16,0,-1,17").unwrap(), Start::Given(expected));
        assert_eq!(lattice("auto").unwrap(), Start::Auto);
        assert!(lattice("64,64").is_err() && lattice("automatic").is_err());
    }
}
