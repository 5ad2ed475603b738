//! `pynonius.plot`: pictures as arrays `(y, x, 3)` of bytes.

use std::io::Cursor;

use ndarray::{Array3, Ix2, Ix3};
use nonius::blobfinder::{Drawing, DrawnMark, Mark};
use nonius::core::Axis;
use nonius::plot::{
    AccuracyChart, AccuracyRow, Chi2Surface, Curve, CurveChart, CurvePanel, CurveStyle, Map, MapColors,
    MarkedFrame, OffsetChart, Panel, PanelRow, Panels, Picture, ShiftPoint, ShiftScatter, before_and_after,
};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::arrays::{Input, in_their_precision};
use crate::errors::{Failure, Outcome};
use crate::params::{Spelling::Underscores, of_object};
use crate::records::{ToPython, record};
use crate::work;

type Any<'py> = Bound<'py, PyAny>;

/// Most rows, columns or panels of one picture: more could not be told apart.
const MOST_PARTS: usize = 256;

fn check_parts(name: &'static str, n: usize) -> Outcome<()> {
    if n <= MOST_PARTS {
        return Ok(());
    }
    Err(nonius::Error::parameter(name, "at most 256", n).into())
}

/// The pixels of a picture.
fn pixels<'py>(py: Python<'py>, draw: impl FnOnce() -> Outcome<Picture> + Send) -> Outcome<Any<'py>> {
    let pixels = work::here(py, || {
        let damaged = |error: png::DecodingError| Failure::input(format!("picture: {error}"));
        let picture = draw()?;
        let mut decoder = png::Decoder::new(Cursor::new(picture.png()));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(damaged)?;
        let (color, _) = reader.output_color_type();
        let (h, w) = (reader.info().height as usize, reader.info().width as usize);
        let mut bytes = vec![0; reader.output_buffer_size().unwrap_or_default()];
        reader.next_frame(&mut bytes).map_err(damaged)?;
        let samples = color.samples();
        // Gray pictures have one sample for all three colours; opacity is everywhere full.
        let sample = |k: usize| if samples < 3 { 0 } else { k };
        Ok(Array3::from_shape_fn((h, w, 3), |(y, x, k)| bytes[(y * w + x) * samples + sample(k)]))
    })?;
    Ok(pixels.to_python(py)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Colors {
    Amount,
    Signed,
    Cyclic(f64),
    Categories(Vec<String>),
}

/// What colours of a map mean.
pub(crate) fn colors_of(given: &Any<'_>) -> Outcome<MapColors> {
    Ok(match of_object(given, Underscores)? {
        Colors::Amount => MapColors::Amount,
        Colors::Signed => MapColors::Signed,
        Colors::Cyclic(period) => MapColors::Cyclic { period },
        Colors::Categories(names) => MapColors::Categories(names),
    })
}

#[pyfunction]
fn draw_map<'py>(
    py: Python<'py>,
    values: Any<'py>,
    title: String,
    axes: Option<Any<'py>>,
    colors: Any<'py>,
) -> Outcome<Any<'py>> {
    let values = Input::<f64>::new("values", &values)?.view::<Ix2>()?.to_owned();
    let axes: [Axis; 2] = match axes {
        Some(axes) => of_object(&axes, Underscores)?,
        None => [Axis::pixels("y", values.nrows()), Axis::pixels("x", values.ncols())],
    };
    let colors = colors_of(&colors)?;
    pixels(py, || Ok(Map { title, values, axes, colors }.draw()?))
}

#[pyfunction]
fn draw_chi2_surface<'py>(
    py: Python<'py>,
    chi2: Any<'py>,
    center: Any<'py>,
    reach: Any<'py>,
    errors: Any<'py>,
    title: String,
    remark: String,
) -> Outcome<Any<'py>> {
    let errors = Input::<f64>::new("errors", &errors)?;
    nonius::core::check_shape("errors", &[2, 2], errors.shape())?;
    let rows = errors.rows::<2>()?;
    let mut levels = [0.0; 3];
    for (k, level) in levels.iter_mut().enumerate() {
        *level = nonius::chi2::delta_chi2((k + 1) as f64, 2)?;
    }
    let chart = Chi2Surface {
        title,
        remark,
        chi2: Input::<f64>::new("chi2", &chi2)?.view::<Ix2>()?.to_owned(),
        center: Input::<f64>::new("center", &center)?.point()?,
        reach: Input::<f64>::new("reach", &reach)?.point()?,
        levels,
        errors: [rows[0], rows[1]],
    };
    pixels(py, || Ok(chart.draw()?))
}

/// As many rows as `found` has.
fn rows_of(name: &'static str, rows: &Any<'_>, n: usize) -> Outcome<Vec<[f64; 2]>> {
    let rows = Input::<f64>::new(name, rows)?;
    nonius::core::check_shape(name, &[n, 2], rows.shape())?;
    rows.rows()
}

#[pyfunction]
fn draw_shifts<'py>(
    py: Python<'py>,
    found: Any<'py>,
    errors: Option<Any<'py>>,
    truth: Option<Any<'py>>,
    title: String,
) -> Outcome<Any<'py>> {
    let found = Input::<f64>::new("found", &found)?.rows::<2>()?;
    let n = found.len();
    let errors = errors.map(|errors| rows_of("errors", &errors, n)).transpose()?;
    let truth = truth.map(|truth| rows_of("truth", &truth, n)).transpose()?;
    let point = |k: usize| ShiftPoint {
        found: found[k],
        errors: errors.as_ref().map_or([f64::NAN; 2], |errors| errors[k]),
        truth: truth.as_ref().map(|truth| truth[k]),
    };
    let chart = ShiftScatter { title, points: (0..n).map(point).collect() };
    pixels(py, || Ok(chart.draw()?))
}

#[pyfunction]
fn draw_before_and_after<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    registered: Any<'py>,
    title: String,
) -> Outcome<Any<'py>> {
    let reference = Input::<f64>::new("reference", &reference)?;
    let moving = Input::<f64>::new("moving", &moving)?;
    let registered = Input::<f64>::new("registered", &registered)?;
    let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
    let registered = registered.view::<Ix2>()?;
    pixels(py, || Ok(before_and_after(reference, moving, registered, &title)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Style {
    Line,
    Dots,
    Dashes,
}

/// A panel: its title, the names of its axes, and its curves: name, x, y and style.
type PanelOfCurves<'py> = (String, String, String, Vec<(String, Any<'py>, Any<'py>, Any<'py>)>);

#[pyfunction]
fn draw_curves<'py>(py: Python<'py>, panels: Vec<PanelOfCurves<'py>>, title: String) -> Outcome<Any<'py>> {
    check_parts("panels", panels.len())?;
    let mut chart = CurveChart { title, panels: vec![] };
    for (title, x_name, y_name, given) in panels {
        check_parts("curves", given.len())?;
        let mut curves = Vec::new();
        for (name, x, y, style) in given {
            let (x, y) = (Input::<f64>::new("x", &x)?, Input::<f64>::new("y", &y)?);
            nonius::core::check_shape("y", &[x.slice()?.len()], y.shape())?;
            let points = x.slice()?.iter().zip(y.slice()?).map(|(&x, &y)| [x, y]).collect();
            let style = match of_object(&style, Underscores)? {
                Style::Line => CurveStyle::Line,
                Style::Dots => CurveStyle::Dots,
                Style::Dashes => CurveStyle::Dashes,
            };
            curves.push(Curve { name, points, style });
        }
        chart.panels.push(CurvePanel { title, x_name, y_name, curves });
    }
    pixels(py, || Ok(chart.draw()?))
}

#[pyfunction]
fn draw_offsets<'py>(
    py: Python<'py>,
    found: Any<'py>,
    errors: Option<Any<'py>>,
    start: Option<Any<'py>>,
    truth: Option<Any<'py>>,
    title: String,
) -> Outcome<Any<'py>> {
    let found = Input::<f64>::new("found", &found)?.rows::<2>()?;
    let n = found.len();
    let errors = errors.map(|errors| rows_of("errors", &errors, n)).transpose()?;
    let start = start.map(|start| rows_of("start", &start, n)).transpose()?;
    let truth = truth.map(|truth| rows_of("truth", &truth, n)).transpose()?;
    let errors = errors.unwrap_or_else(|| vec![[f64::NAN; 2]; n]);
    let chart = OffsetChart { title, found, errors, start, truth };
    pixels(py, || Ok(chart.draw()?))
}

/// Rows of (image, title, remark).
#[pyfunction]
fn draw_images<'py>(
    py: Python<'py>,
    rows: Vec<Vec<(Any<'py>, String, String)>>,
    title: String,
    one_scale: bool,
) -> Outcome<Any<'py>> {
    check_parts("rows", rows.len())?;
    let mut chart = Panels { title, rows: vec![], one_scale };
    for row in rows {
        check_parts("images of a row", row.len())?;
        let mut panels = Vec::new();
        for (image, title, remark) in row {
            let image = Input::<f64>::new("image", &image)?.view::<Ix2>()?.to_owned();
            panels.push(Panel { title, remark, image });
        }
        chart.rows.push(PanelRow { panels });
    }
    pixels(py, || Ok(chart.draw()?))
}

/// Three cuts through each of several volumes.
#[pyfunction]
fn draw_slices<'py>(
    py: Python<'py>,
    volumes: Vec<(Any<'py>, String)>,
    title: String,
    one_scale: bool,
) -> Outcome<Any<'py>> {
    check_parts("volumes", volumes.len())?;
    let mut chart = Panels { title, rows: vec![], one_scale };
    for (volume, name) in volumes {
        let row = in_their_precision!((volume) F => PanelRow::through(volume.view::<Ix3>()?, &name)?);
        chart.rows.push(row);
    }
    pixels(py, || Ok(chart.draw()?))
}

/// Rows of (name, rms over bound, claimed over bound, % within 1 sigma).
#[pyfunction]
fn draw_accuracy(py: Python<'_>, rows: Vec<(String, f64, f64, f64)>, title: String) -> Outcome<Any<'_>> {
    check_parts("rows", rows.len())?;
    let row = |(name, rms_over_bound, claimed_over_bound, within_1_sigma)| AccuracyRow {
        name,
        rms_over_bound,
        claimed_over_bound,
        within_1_sigma,
    };
    let chart = AccuracyChart { title, rows: rows.into_iter().map(row).collect() };
    pixels(py, || Ok(chart.draw()?))
}

/// A mark of a drawing in plain words.
pub(crate) struct PlainMark(pub(crate) DrawnMark);

record!("pynonius.blobfinder", DrawnMark, PlainMark as r {
    kind = match r.0.mark {
        Mark::Circle { .. } => "circle",
        Mark::Dot { .. } => "dot",
        Mark::Arrow { .. } => "arrow",
        Mark::Square { .. } => "square",
        _ => "other",
    },
    at = match r.0.mark {
        Mark::Circle { center, .. } | Mark::Dot { center, .. } | Mark::Square { center, .. } => center,
        Mark::Arrow { from, .. } => from,
        _ => [f64::NAN; 2],
    },
    to = match r.0.mark { Mark::Arrow { to, .. } => Some(Place(to)), _ => None },
    radius = match r.0.mark {
        Mark::Circle { radius, .. } | Mark::Dot { radius, .. } => Some(radius),
        Mark::Square { half_side, .. } => Some(half_side),
        _ => None,
    },
    color = r.0.color.map(i64::from),
    opacity = r.0.opacity,
});

struct Place([f64; 2]);

impl ToPython for Place {
    fn to_python(self, py: Python<'_>) -> PyResult<Any<'_>> {
        self.0.to_python(py)
    }
}

/// Marks as [`PlainMark`] has them, as `pynonius.blobfinder.DrawnMark` or as tuples.
fn marks(given: &Any<'_>) -> Outcome<Vec<DrawnMark>> {
    given.try_iter()?.map(|item| mark(&item?)).collect()
}

fn mark(given: &Any<'_>) -> Outcome<DrawnMark> {
    let part = |k: usize| given.get_item(k);
    let kind: String = part(0)?.extract()?;
    let at = Input::<f64>::new("at", &part(1)?)?.point()?;
    let radius = || part(3)?.extract::<f64>();
    let mark = match kind.as_str() {
        "circle" => Mark::Circle { center: at, radius: radius()? },
        "dot" => Mark::Dot { center: at, radius: radius()? },
        "square" => Mark::Square { center: at, half_side: radius()? },
        "arrow" => Mark::Arrow { from: at, to: Input::<f64>::new("to", &part(2)?)?.point()? },
        _ => {
            let must_be = "\"circle\", \"dot\", \"square\" or \"arrow\"";
            return Err(nonius::Error::parameter("kind of a mark", must_be, kind).into());
        }
    };
    let color = Input::<u8>::new("color", &part(4)?)?.point()?;
    Ok(DrawnMark { mark, color, opacity: part(5)?.extract()? })
}

#[pyfunction]
fn draw_marked_frame<'py>(
    py: Python<'py>,
    image: Any<'py>,
    marks: Any<'py>,
    title: String,
    remark: String,
) -> Outcome<Any<'py>> {
    let image = Input::<f64>::new("image", &image)?.view::<Ix2>()?.to_owned();
    let frame = MarkedFrame { title, remark, drawing: Drawing { image, marks: self::marks(&marks)? } };
    pixels(py, || Ok(frame.draw()?))
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for function in [
        wrap_pyfunction!(draw_map, module)?,
        wrap_pyfunction!(draw_chi2_surface, module)?,
        wrap_pyfunction!(draw_shifts, module)?,
        wrap_pyfunction!(draw_before_and_after, module)?,
        wrap_pyfunction!(draw_curves, module)?,
        wrap_pyfunction!(draw_offsets, module)?,
        wrap_pyfunction!(draw_images, module)?,
        wrap_pyfunction!(draw_slices, module)?,
        wrap_pyfunction!(draw_accuracy, module)?,
        wrap_pyfunction!(draw_marked_frame, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
