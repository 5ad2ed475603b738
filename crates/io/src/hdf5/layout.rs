//! Which dataset of an HDF5 file is the scan: the layouts of the programs that write such files.

use nonius_core::Axis;

use super::container::{Attribute, Container};
use crate::{Error, Result};

/// Groups are searched no deeper and no wider than this.
const DEPTH: usize = 8;
const WIDTH: usize = 4096;

/// The scan of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Layout {
    /// Name of the layout.
    pub(crate) layout: &'static str,
    /// Path of the dataset.
    pub(crate) dataset: String,
    /// Axes of the dataset that are scan and frame; the others have length 1.
    pub(crate) kept: Vec<usize>,
    /// Shape of the scan where the dataset counts its frames along one axis.
    pub(crate) scan_shape: Option<Vec<usize>>,
    /// Calibration of the axes kept.
    pub(crate) axes: Option<Vec<Axis>>,
}

impl Layout {
    fn new(layout: &'static str, dataset: String, n_axes: usize) -> Self {
        Layout { layout, dataset, kept: (0..n_axes).collect(), scan_shape: None, axes: None }
    }
}

/// The dataset that somebody named, with the calibration that its layout has, if it is of one.
pub(crate) fn named(file: &dyn Container, dataset: &str) -> Result<Layout> {
    let dataset = format!("/{}", dataset.trim_matches('/'));
    let n_axes = file.dataset(&dataset)?.shape().len();
    match detect(file) {
        Ok(found) if found.dataset == dataset => Ok(found),
        _ => Ok(Layout {
            axes: dim_axes(file, parent(&dataset), n_axes),
            ..Layout::new("dataset", dataset, n_axes)
        }),
    }
}

/// The scan that the layout of the file means.
pub(crate) fn detect(file: &dyn Container) -> Result<Layout> {
    let layouts = [emd_1, emd_0, prismatic, py4dstem, hyperspy, fpd, ebsd, nexus];
    if let Some(found) = layouts.iter().find_map(|layout| layout(file)) {
        return Ok(found);
    }
    let datasets: Vec<String> = all_datasets(file)
        .into_iter()
        .filter(|path| file.dataset(path).is_ok_and(|d| d.shape().len() >= 2))
        .collect();
    match &datasets[..] {
        [] => {
            let hint = "a scan is a dataset of numbers with two axes or more";
            Err(Error::unsupported(file.path(), "an HDF5 file without a scan", hint))
        }
        [only] => named_plainly(file, only),
        several => {
            let shown = several.iter().take(12).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if several.len() > 12 { ", …" } else { "" };
            let example = format!("{}:{}", file.path().display(), several[0]);
            let problem = format!("holds {shown}{more}: choose one, as in {example}");
            Err(Error::selection(file.path().display(), problem))
        }
    }
}

fn named_plainly(file: &dyn Container, dataset: &str) -> Result<Layout> {
    let n_axes = file.dataset(dataset)?.shape().len();
    Ok(Layout {
        axes: dim_axes(file, parent(dataset), n_axes),
        ..Layout::new("dataset", dataset.into(), n_axes)
    })
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Number of axes of a dataset if it is one of numbers with frames.
fn n_axes(file: &dyn Container, dataset: &str) -> Option<usize> {
    file.dataset(dataset).ok().map(|d| d.shape().len()).filter(|&n| n >= 2)
}

/// All groups from the root on, parents first.
pub(crate) fn all_groups(file: &dyn Container) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut at = 0;
    while at < found.len() && found.len() < WIDTH {
        let group = found[at].clone();
        if group.matches('/').count() < DEPTH {
            found.extend(file.members(&group).groups.into_iter().map(|name| format!("{group}/{name}")));
        }
        at += 1;
    }
    found
}

/// All datasets below the root.
pub(crate) fn all_datasets(file: &dyn Container) -> Vec<String> {
    let in_group = |group: String| {
        file.members(&group)
            .datasets
            .into_iter()
            .map(move |name| format!("{group}/{name}"))
            .collect::<Vec<_>>()
    };
    all_groups(file).into_iter().flat_map(in_group).take(WIDTH).collect()
}

/// emdfile, py4DSTEM from 0.14 on: groups of type "array" with `data` and `dim0` on.
fn emd_1(file: &dyn Container) -> Option<Layout> {
    let kind =
        |group: &str| file.attribute(group, "emd_group_type").and_then(|a| a.text().map(str::to_owned));
    (kind("")? == "file").then_some(())?;
    let arrays = all_groups(file).into_iter().filter(|g| kind(g).as_deref() == Some("array"));
    let candidates = arrays.filter_map(|g| Some((n_axes(file, &format!("{g}/data"))?, g)));
    // Of several arrays the one of most axes is the scan, the first of those.
    let (n, group) = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    let axes = dim_axes(file, &group, n);
    Some(Layout { axes, ..Layout::new("EMD 1.0", format!("{group}/data"), n) })
}

/// NCEM: groups of type 1 with `data` and `dim1` on.
fn emd_0(file: &dyn Container) -> Option<Layout> {
    let is_array = |group: &String| {
        file.attribute(group, "emd_group_type").and_then(|a| a.number()).is_some_and(|n| n == 1.0)
    };
    let candidates = all_groups(file)
        .into_iter()
        .filter(is_array)
        .filter_map(|g| Some((n_axes(file, &format!("{g}/data"))?, g)));
    let (n, group) = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some(Layout { axes: dim_axes(file, &group, n), ..Layout::new("EMD 0", format!("{group}/data"), n) })
}

/// The first array of `…/data/datacubes` with this name.
fn datacube(file: &dyn Container, layout: &'static str, root: &str, name: &str) -> Option<Layout> {
    let cubes = format!("{root}/data/datacubes");
    let mut groups = file.members(&cubes).groups;
    groups.sort();
    let group = groups.into_iter().map(|g| format!("{cubes}/{g}"));
    let (n, group) = group.into_iter().find_map(|g| Some((n_axes(file, &format!("{g}/{name}"))?, g)))?;
    Some(Layout { axes: dim_axes(file, &group, n), ..Layout::new(layout, format!("{group}/{name}"), n) })
}

fn prismatic(file: &dyn Container) -> Option<Layout> {
    datacube(file, "Prismatic", "/4DSTEM_simulation", "datacube")
}

/// py4DSTEM up to 0.13.
fn py4dstem(file: &dyn Container) -> Option<Layout> {
    datacube(file, "py4DSTEM", "/4DSTEM_experiment", "data")
}

fn hyperspy(file: &dyn Container) -> Option<Layout> {
    (file.attribute("", "file_format")?.text()? == "HyperSpy").then_some(())?;
    let mut groups = file.members("/Experiments").groups;
    groups.sort();
    let group = groups.into_iter().map(|g| format!("/Experiments/{g}"));
    let (n, group) = group.into_iter().find_map(|g| Some((n_axes(file, &format!("{g}/data"))?, g)))?;
    let data = file.dataset(&format!("{group}/data")).ok()?;
    let axis = |k: usize| {
        let of = |name: &str| file.attribute(&format!("{group}/axis-{k}"), name);
        let text = |name: &str| of(name).and_then(|a| a.text().map(str::to_owned));
        let scale = of("scale")?.number()?;
        let unit = text("units").filter(|u| !u.is_empty() && u != "None" && !u.starts_with('_'));
        Some(Axis {
            name: text("name").filter(|n| !n.is_empty()).unwrap_or_else(|| format!("axis {k}")),
            size: data.shape()[k],
            scale,
            offset: of("offset")?.number()?,
            unit: unit.unwrap_or_else(|| "px".into()),
        })
    };
    Some(Layout { axes: (0..n).map(axis).collect(), ..Layout::new("HyperSpy", format!("{group}/data"), n) })
}

/// fpd: `(scan y, scan x, colour, y, x)`; a colour axis of length 1 goes.
fn fpd(file: &dyn Container) -> Option<Layout> {
    file.attribute("", "fpd_version")?;
    let dataset = "/fpd_expt/fpd_data/data";
    let data = file.dataset(dataset).ok()?;
    let n = data.shape().len();
    let kept = (0..n).filter(|&axis| n != 5 || axis != 2 || data.shape()[2] != 1).collect();
    Some(Layout { kept, ..Layout::new("fpd", dataset.into(), n) })
}

/// kikuchipy and EDAX: patterns along one axis, the shape of the scan in the header.
fn ebsd(file: &dyn Container) -> Option<Layout> {
    let mut groups = file.members("").groups;
    groups.sort();
    groups.into_iter().find_map(|scan| {
        let group = format!("/{scan}/EBSD");
        let dataset = ["Data/patterns", "Data/Pattern"].map(|name| format!("{group}/{name}"));
        let dataset = dataset.into_iter().find(|path| n_axes(file, path) == Some(3))?;
        let n = file.dataset(&dataset).ok()?.shape()[0];
        let length = |name: &str| file.values(&format!("{group}/Header/{name}")).and_then(|v| v.length());
        let scan_shape = match (length("n_rows"), length("n_columns")) {
            (Some(rows), Some(columns)) if rows.checked_mul(columns) == Some(n) => Some(vec![rows, columns]),
            _ => None,
        };
        Some(Layout { scan_shape, ..Layout::new("EBSD", dataset, 3) })
    })
}

/// NeXus: the NXdata group whose attribute `signal` names a dataset, or that holds a dataset with `signal = 1`.
fn nexus(file: &dyn Container) -> Option<Layout> {
    let class = |group: &str| file.attribute(group, "NX_class").and_then(|a| a.text().map(str::to_owned));
    let groups = all_groups(file).into_iter().filter(|g| class(g).as_deref() == Some("NXdata"));
    let candidates = groups.filter_map(|group| {
        let named = file.attribute(&group, "signal").and_then(|a| a.text().map(str::to_owned));
        let marked = || {
            let is_signal = |name: &String| {
                file.attribute(&format!("{group}/{name}"), "signal").is_some_and(|a| match &a {
                    Attribute::Numbers(n) => n.first() == Some(&1.0),
                    Attribute::Text(t) => t.first().is_some_and(|t| t == "1"),
                })
            };
            file.members(&group).datasets.into_iter().find(is_signal)
        };
        let dataset = format!("{group}/{}", named.or_else(marked)?);
        Some((n_axes(file, &dataset)?, group, dataset))
    });
    let (n, group, dataset) = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some(Layout { axes: nexus_axes(file, &group, &dataset, n), ..Layout::new("NeXus", dataset, n) })
}

/// The axes named by the attribute `axes`: of the group a list, of a dataset one text with colons.
fn nexus_axes(file: &dyn Container, group: &str, dataset: &str, n: usize) -> Option<Vec<Axis>> {
    let names = match file.attribute(group, "axes").or_else(|| file.attribute(dataset, "axes"))? {
        Attribute::Text(names) if names.len() == 1 && n > 1 => {
            names[0].trim_matches(['[', ']']).split([':', ',']).map(|s| s.trim().to_owned()).collect()
        }
        Attribute::Text(names) => names,
        Attribute::Numbers(_) => return None,
    };
    if names.len() != n {
        return None;
    }
    let data = file.dataset(dataset).ok()?;
    let axis = |(name, &size): (String, &usize)| {
        let values = file.values(&format!("{group}/{name}"));
        let unit = file.attribute(&format!("{group}/{name}"), "units");
        let line = values.as_ref().and_then(|v| straight(v, size));
        match line {
            Some((offset, scale)) => Axis { name, size, scale, offset, unit: unit_of(unit) },
            // An axis without a name has a dot.
            None => Axis::pixels(if name == "." { String::new() } else { name }, size),
        }
    };
    Some(names.into_iter().zip(data.shape()).map(axis).collect())
}

/// `dim0` (or `dim1`) on beside a dataset: start and next value, or one value per element.
fn dim_axes(file: &dyn Container, group: &str, n: usize) -> Option<Vec<Axis>> {
    let names = file.members(group);
    let first = if names.datasets.iter().any(|d| d == "dim0") { 0 } else { 1 };
    let shape = names.datasets.iter().find_map(|d| {
        let data = file.dataset(&format!("{group}/{d}")).ok()?;
        (data.shape().len() == n && n > 1).then(|| data.shape().to_vec())
    })?;
    let axis = |k: usize| {
        let dim = format!("{group}/dim{}", first + k);
        let text = |name: &str| file.attribute(&dim, name);
        let (offset, scale) = straight(&file.values(&dim)?, shape[k])?;
        let name = text("name").and_then(|a| a.text().map(|t| t.trim_matches(['\'', ' ']).to_owned()));
        Some(Axis {
            name: name.filter(|n| !n.is_empty()).unwrap_or_else(|| format!("axis {k}")),
            size: shape[k],
            scale,
            offset,
            unit: unit_of(text("units")),
        })
    };
    (0..n).map(axis).collect()
}

/// Offset and step of coordinates: of two values the second is the next one, wherever the axis ends.
fn straight(values: &Attribute, size: usize) -> Option<(f64, f64)> {
    let Attribute::Numbers(values) = values else { return None };
    match values[..] {
        [start, next] if size != 2 || next != start => Some((start, next - start)),
        [start, .., end] if values.len() == size => Some((start, (end - start) / (size - 1) as f64)),
        [start] if size == 1 => Some((start, 1.0)),
        _ => None,
    }
    .filter(|(offset, scale)| offset.is_finite() && scale.is_finite())
}

/// A unit as people write it: without brackets and marks of mathematics.
fn unit_of(unit: Option<Attribute>) -> String {
    let unit = unit.as_ref().and_then(Attribute::text).unwrap_or_default();
    let plain = unit.trim_matches(['[', ']', ' ', '\'']).replace('_', "");
    match &plain[..] {
        "" | "pixels" | "pixel" => "px".into(),
        "nm^-1" => "1/nm".into(),
        "A^-1" | "Å^-1" => "1/Å".into(),
        "A" => "Å".into(),
        _ => plain,
    }
}
