//! Correlation of frames with a template, and the place of its maximum.

mod crop;
mod direct;
mod disk_fit;
mod full;
mod map;
mod normalized;
mod params;
mod upsampled;

pub use disk_fit::{DiskEdge, FitParams, PixelNoise};
pub use params::{Border, CorrelationParams, Method, Refinement};

use std::fmt;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Error, Real, RealFft2, Result, TrigonometricPolynomial, check_finite, check_not_empty, check_shape,
};
use num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::Template;
use crate::intensity::finite_range;
use crop::{Crop, CropScratch};
use direct::Direct;
use disk_fit::{Fitted, Models, Outline, Place, Window, fit_disk};
use full::{Full, FullScratch};
use map::Map;
use normalized::{Normalized, NormalizedScratch};
use upsampled::{Sampled, UpsampleScratch, greatest_sample};

/// A disk that was looked for around one position of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Pixel `(y, x)` of the greatest correlation; it may lie outside the frame.
    pub center: [i32; 2],
    /// Position `(y, x)` in px, zero at the centre of the first pixel.
    pub refined: [f64; 2],
    /// Correlation at `center`.
    pub height: f64,
    /// Slope of the tightest cone above the correlation, per px: how sharp and how unrivalled the peak is. 0: not at
    /// all. It is the weight of a peak where a lattice is fitted.
    pub elevation: f64,
    /// Covariance of `refined`, px², order `(y, x)`; NaN where the refinement gives none.
    pub covariance: [[f64; 2]; 2],
    /// Whether `refined` may be believed.
    pub status: PeakStatus,
}

/// What came of looking for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PeakStatus {
    /// A maximum within the window.
    Found,
    /// The window is constant, empty, or masked altogether: `center` and `refined` are the position that was asked,
    /// height and elevation 0.
    NoSignal,
    /// The maximum stands at the edge of the window, so that the disk may lie beyond.
    AtEdge,
    /// The fit found no disk brighter than its surroundings near the maximum: `refined` is the paraboloid's.
    NotFitted,
}

const UNKNOWN: [[f64; 2]; 2] = [[f64::NAN; 2]; 2];

/// Greatest absolute coordinate of a position that is looked at.
const FARTHEST: i32 = 1 << 24;

/// Looks for disks around given positions of frames of one shape.
///
/// Pixels that are masked or not finite count as the least value of the window, and are left out of fits. Positions
/// may lie anywhere, also outside the frame.
///
/// ```
/// use ndarray::Array2;
/// use nonius_blobfinder::{CorrelationPlan, PeakStatus, Template, TemplateKind, TemplateParams};
///
/// let template = Template::new(&TemplateParams::new(TemplateKind::Circular, 5.0))?;
/// let frame = template.mask((64, 64), [30.25, 33.5]).mapv(|v| (100.0 * v + 10.0) as f32);
/// let plan = CorrelationPlan::<f32>::new((64, 64), &[template], &Default::default())?;
/// let peak = plan.run(frame.view(), &[[32, 32]])?[0];
/// assert_eq!(peak.status, PeakStatus::Found);
/// assert!((peak.refined[0] - 30.25).abs() < 1e-3 && (peak.refined[1] - 33.5).abs() < 1e-3);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CorrelationPlan<F: Real> {
    shape: (usize, usize),
    params: CorrelationParams,
    /// s = ⌈search⌉, the greatest of all templates.
    half: usize,
    outlines: Vec<Outline>,
    live: Option<Vec<bool>>,
    /// In place of the parameters' transform of intensities.
    function: Option<Function<F>>,
    engine: Engine<F>,
    /// The transform whose polynomial a window's map is.
    window: RealFft2<F>,
}

/// What a caller does to pixel values.
#[derive(Clone)]
struct Function<F>(Arc<Transform<F>>);

type Transform<F> = dyn Fn(&mut [F], F) + Send + Sync;

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function")
    }
}

#[derive(Debug, Clone)]
enum Engine<F: Real> {
    Crop(Crop<F>),
    Full(Full<F>),
    Direct(Direct<F>),
    Coefficients(Coefficients),
}

/// Correlation coefficients, by whichever method.
#[derive(Debug, Clone)]
struct Coefficients {
    engine: Normalized,
    /// Shape of what is transformed: the frame, or a window.
    shape: (usize, usize),
    /// How far a template reaches.
    reach: usize,
}

/// Working memory of one thread for a [`CorrelationPlan`].
#[derive(Debug)]
pub struct CorrelationScratch<F: Real> {
    /// The frame with its intensities transformed, or a window of it.
    transformed: Vec<F>,
    windows: [Vec<F>; 2],
    crop: Option<CropScratch<F>>,
    full: Option<FullScratch<F>>,
    /// Which rows of a whole map are looked at.
    rows: Vec<bool>,
    coefficients: Option<NormalizedScratch>,
    spectrum: Vec<Complex<F>>,
    upsample: UpsampleScratch,
    fit: Window,
    /// Where disks were found before any was fitted, and which of them are neighbours of the one in question.
    found: Vec<[f64; 2]>,
    others: Vec<[f64; 2]>,
    /// Those that were asked which edge disks have and which noise pixels, with the fits of a ramp and of areas.
    asked: Vec<(usize, [Option<Fitted>; 2])>,
}

impl<F: Real> CorrelationPlan<F> {
    /// For frames of `shape` `(y, x)`. One template serves all positions; or there is one for each.
    ///
    /// # Errors
    /// [`Error::Empty`] if a side or the number of templates is 0, [`Error::Parameter`].
    pub fn new(shape: (usize, usize), templates: &[Template], params: &CorrelationParams) -> Result<Self> {
        check_not_empty("frame", &[shape.0, shape.1])?;
        check_not_empty("templates", &[templates.len()])?;
        params.validate()?;
        let half = templates.iter().map(Template::crop_size).fold(1, usize::max);
        let masks = |shape: (usize, usize)| -> Vec<Array2<f64>> {
            let center = [(shape.0 / 2) as f64, (shape.1 / 2) as f64];
            templates.iter().map(|t| t.mask(shape, center)).collect()
        };
        let engine = match params.method {
            _ if params.normalized => {
                Engine::Coefficients(Coefficients::new(shape, templates, half, params.method)?)
            }
            Method::Crop => Engine::Crop(Crop::new(2 * half, &masks((2 * half, 2 * half)))),
            Method::Full => Engine::Full(Full::new(shape, &masks(shape))?),
            Method::Direct { steps } => {
                Engine::Direct(Direct::new(steps, half, &masks((2 * half + 1, 2 * half + 1))))
            }
        };
        Ok(CorrelationPlan {
            shape,
            params: params.clone(),
            half,
            outlines: templates.iter().map(Outline::of).collect(),
            live: None,
            function: None,
            engine,
            window: RealFft2::new((2 * half, 2 * half))?,
        })
    }

    /// Leaves out the pixels where `live` is false: dead ones, the shadow of a beam stop.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn with_mask(mut self, live: ArrayView2<'_, bool>) -> Result<Self> {
        check_shape("detector mask", &[self.shape.0, self.shape.1], live.shape())?;
        self.live = Some(live.iter().copied().collect());
        Ok(self)
    }

    /// Transforms pixel values by `function` before they are correlated, in place of
    /// [`intensity`](CorrelationParams::intensity). Fits see the pixels as they are.
    ///
    /// It is called with the values of a window around a position in row-major order, or with those of the frame for the
    /// methods that take it whole, and with the least of them, which missing pixels have been given. What it makes not
    /// finite becomes the least of the rest. It is called by many threads at once, and must answer the same to the same
    /// values.
    ///
    /// ```
    /// use nonius_blobfinder::{CorrelationPlan, Refinement, Template, TemplateKind, TemplateParams};
    ///
    /// let template = Template::new(&TemplateParams::new(TemplateKind::Circular, 5.0))?;
    /// let frame = template.mask((64, 64), [30.0, 33.0]).mapv(|v| 100.0 * v + 10.0);
    /// let params = nonius_blobfinder::CorrelationParams { refinement: Refinement::Paraboloid, ..Default::default() };
    /// let plan = CorrelationPlan::<f64>::new((64, 64), &[template], &params)?
    ///     .with_intensity(|values, least| values.iter_mut().for_each(|v| *v = (*v - least).powf(0.3)));
    /// assert_eq!(plan.run(frame.view(), &[[32, 32]])?[0].center, [30, 33]);
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    pub fn with_intensity(mut self, function: impl Fn(&mut [F], F) + Send + Sync + 'static) -> Self {
        self.function = Some(Function(Arc::new(function)));
        self
    }

    /// Shape `(y, x)` of the frames.
    pub fn frame_shape(&self) -> (usize, usize) {
        self.shape
    }

    /// How disks are looked for.
    pub fn params(&self) -> &CorrelationParams {
        &self.params
    }

    /// Working memory for one thread.
    pub fn scratch(&self) -> CorrelationScratch<F> {
        let area = match &self.engine {
            Engine::Crop(_) | Engine::Full(_) => (2 * self.half).pow(2),
            Engine::Direct(direct) => direct.window().max(direct.side()).pow(2),
            Engine::Coefficients(of) => of.shape.0 * of.shape.1,
        };
        let window = || vec![F::zero(); area];
        CorrelationScratch {
            transformed: Vec::new(),
            windows: [window(), window()],
            crop: if let Engine::Crop(crop) = &self.engine { Some(crop.scratch()) } else { None },
            full: if let Engine::Full(full) = &self.engine { Some(full.scratch()) } else { None },
            rows: Vec::new(),
            coefficients: if let Engine::Coefficients(of) = &self.engine {
                Some(of.engine.scratch())
            } else {
                None
            },
            spectrum: self.window.spectrum(),
            upsample: UpsampleScratch::default(),
            fit: Window::default(),
            found: Vec::new(),
            others: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// One peak for each of `positions` `(y, x)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the frame has another shape than the plan's, [`Error::Parameter`] if there are several
    /// templates and not one for each position, or a position is more than 2²⁴ px away.
    pub fn run(&self, frame: ArrayView2<'_, F>, positions: &[[i32; 2]]) -> Result<Vec<Peak>> {
        check_shape("frame", &[self.shape.0, self.shape.1], frame.shape())?;
        let frame = frame.as_standard_layout();
        let mut peaks = Vec::with_capacity(positions.len());
        let pixels = frame.as_slice().expect("a standard layout is contiguous");
        self.run_with(pixels, positions, &mut self.scratch(), &mut peaks)?;
        Ok(peaks)
    }

    /// As [`run`](Self::run), of a frame's pixels in row-major order; `peaks` are replaced.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with(
        &self,
        frame: &[F],
        positions: &[[i32; 2]],
        scratch: &mut CorrelationScratch<F>,
        peaks: &mut Vec<Peak>,
    ) -> Result<()> {
        check_shape("pixels of the frame", &[self.shape.0 * self.shape.1], &[frame.len()])?;
        if self.outlines.len() > 1 && self.outlines.len() != positions.len() {
            return Err(Error::parameter("templates", "one, or one for each position", self.outlines.len()));
        }
        if let Some(p) = positions.iter().find(|p| p.iter().any(|c| !(-FARTHEST..=FARTHEST).contains(c))) {
            return Err(Error::parameter("position", "within 2^24 px", format!("{p:?}")));
        }
        peaks.clear();
        match &self.engine {
            Engine::Crop(crop) => self.in_windows(crop, frame, positions, scratch, peaks),
            Engine::Full(full) => self.in_whole_maps(full, frame, positions, scratch, peaks)?,
            Engine::Direct(direct) => self.by_sums(direct, frame, positions, scratch, peaks),
            Engine::Coefficients(of) => self.by_coefficients(of, frame, positions, scratch, peaks)?,
        }
        if let Refinement::Fit(fit) = &self.params.refinement {
            scratch.found.clear();
            scratch
                .found
                .extend(peaks.iter().filter(|p| p.status != PeakStatus::NoSignal).map(|p| p.refined));
            let models = self.likeliest(fit, frame, peaks, scratch);
            for (k, peak) in peaks.iter_mut().enumerate() {
                if peak.status == PeakStatus::NoSignal {
                    continue;
                }
                let asked = scratch.asked.iter().find(|(asked, _)| *asked == k).map(|(_, fits)| *fits);
                let fits = asked.unwrap_or_else(|| self.fitted(fit, frame, k, peak, models, scratch));
                let fitted = fits[usize::from(models.edges[1])];
                match fitted {
                    Some(fitted) => {
                        peak.refined = fitted.position;
                        peak.covariance = fitted.covariance;
                    }
                    None if peak.status == PeakStatus::Found => peak.status = PeakStatus::NotFitted,
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn template_of(&self, k: usize) -> usize {
        if self.outlines.len() > 1 { k } else { 0 }
    }

    fn in_windows(
        &self,
        crop: &Crop<F>,
        frame: &[F],
        positions: &[[i32; 2]],
        scratch: &mut CorrelationScratch<F>,
        peaks: &mut Vec<Peak>,
    ) {
        let side = 2 * self.half;
        let corner = |p: [i32; 2]| p.map(|c| c - self.half as i32);
        let CorrelationScratch { windows, crop: crop_scratch, spectrum, upsample, .. } = scratch;
        let crop_scratch = crop_scratch.as_mut().expect("scratch of a plan of windows");
        // Windows share a transform where they share a template.
        let together = if self.outlines.len() > 1 { 1 } else { 2 };
        for (group, pair) in positions.chunks(together).enumerate() {
            let mut signal = [false; 2];
            for (which, window) in windows.iter_mut().enumerate() {
                match pair.get(which) {
                    Some(&p) => signal[which] = self.cut(frame, corner(p), side, window),
                    None => window.fill(F::zero()),
                }
            }
            crop.correlate(self.template_of(group), windows, crop_scratch);
            for (which, &p) in pair.iter().enumerate() {
                if !signal[which] {
                    // LiberTEM-blobfinder finds the first of all that are equal.
                    peaks.push(no_signal(if self.params.border == Border::Zero { corner(p) } else { p }));
                    continue;
                }
                let map = Map::new(&windows[which], side, [0, 0], side, side).expect("a window has pixels");
                let at = map.maximum();
                let refined = if self.needs_spectrum() {
                    crop.spectrum_of(which, crop_scratch, spectrum);
                    self.interpolated(&self.window, spectrum, at, map.paraboloid(at), upsample)
                } else {
                    self.refined(&map, at)
                };
                peaks.push(self.peak(&map, at, refined, corner(p)));
            }
        }
    }

    fn in_whole_maps(
        &self,
        full: &Full<F>,
        frame: &[F],
        positions: &[[i32; 2]],
        scratch: &mut CorrelationScratch<F>,
        peaks: &mut Vec<Peak>,
    ) -> Result<()> {
        let (h, w) = self.shape;
        let CorrelationScratch { transformed, windows, rows, full: full_scratch, upsample, .. } = scratch;
        let full_scratch = full_scratch.as_mut().expect("scratch of a plan of whole frames");
        if !self.load_whole(full, frame, transformed, full_scratch)? {
            peaks.extend(positions.iter().map(|&p| no_signal(p)));
            return Ok(());
        }
        let s = self.half as i32;
        let rows_of = |p: [i32; 2]| {
            let (low, size) = self.window_in_frame(p);
            low[0]..low[0] + size[0]
        };
        let several = self.outlines.len() > 1;
        // Of a map, only the rows that windows cross are made.
        rows.clear();
        rows.resize(h, false);
        if !several {
            positions.iter().for_each(|&p| rows[rows_of(p)].fill(true));
            full.correlate(0, |y| rows[y], self.needs_spectrum(), full_scratch)?;
        }
        for (k, &p) in positions.iter().enumerate() {
            if several {
                full.correlate(k, |y| rows_of(p).contains(&y), self.needs_spectrum(), full_scratch)?;
            }
            let (low, size) = self.window_in_frame(p);
            let side = 2 * self.half;
            let (map, corner) = if self.params.border == Border::Zero {
                let corner = p.map(|c| c - s);
                copy_window(&full_scratch.map, self.shape, corner, side, &mut windows[0], F::zero());
                (Map::new(&windows[0], side, [0, 0], side, side), corner)
            } else {
                (Map::new(&full_scratch.map, w, low, size[0], size[1]), low.map(|c| c as i32))
            };
            let Some(map) = map else {
                peaks.push(no_signal(p));
                continue;
            };
            let at = map.maximum();
            let in_frame = [0, 1].map(|axis| at[axis] as i32 + corner[axis]);
            let inside =
                in_frame[0] >= 0 && in_frame[1] >= 0 && in_frame[0] < h as i32 && in_frame[1] < w as i32;
            let refined = if self.needs_spectrum() && inside {
                let start = map.paraboloid(at);
                let start = [0, 1].map(|axis| start[axis] + f64::from(corner[axis]));
                let center = in_frame.map(|c| c as usize);
                let found =
                    self.interpolated(full.transform(), &full_scratch.product, center, start, upsample);
                [0, 1].map(|axis| found[axis] - f64::from(corner[axis]))
            } else {
                self.refined(&map, at)
            };
            peaks.push(self.peak(&map, at, refined, corner));
        }
        Ok(())
    }

    /// Hands the frame with its intensities transformed to `full`; false if it is constant.
    fn load_whole(
        &self,
        full: &Full<F>,
        frame: &[F],
        transformed: &mut Vec<F>,
        scratch: &mut FullScratch<F>,
    ) -> Result<bool> {
        let w = self.shape.1;
        let row_of = |y: usize| y * w..(y + 1) * w;
        if self.live.is_none()
            && self.function.is_none()
            && let (Some([least, greatest]), true) = finite_range(frame)
        {
            // Row by row on their way into the transform, while they are in the cache.
            let fill = |y: usize, row: &mut [F]| {
                row.copy_from_slice(&frame[row_of(y)]);
                self.params.intensity.apply(row, least);
            };
            full.load(fill, scratch)?;
            return Ok(least < greatest);
        }
        let signal = self.transform(self.seen(frame, transformed));
        full.load(|y, row| row.copy_from_slice(&transformed[row_of(y)]), scratch)?;
        Ok(signal)
    }

    fn by_sums(
        &self,
        direct: &Direct<F>,
        frame: &[F],
        positions: &[[i32; 2]],
        scratch: &mut CorrelationScratch<F>,
        peaks: &mut Vec<Peak>,
    ) {
        let CorrelationScratch { transformed, windows, .. } = scratch;
        if !self.transform(self.seen(frame, transformed)) {
            peaks.extend(positions.iter().map(|&p| no_signal(p)));
            return;
        }
        let (side, window) = (direct.side(), direct.window());
        let [pixels, map] = windows;
        for (k, &p) in positions.iter().enumerate() {
            copy_window(
                transformed,
                self.shape,
                p.map(|c| c - (window / 2) as i32),
                window,
                pixels,
                F::zero(),
            );
            let map = &mut map[..side * side];
            direct.correlate(self.template_of(k), &pixels[..window * window], map);
            let [first, ..] = *map else { unreachable!("a map has an element") };
            if map.iter().all(|v| *v == first) {
                peaks.push(no_signal(p));
                continue;
            }
            let corner = p.map(|c| c - (side / 2) as i32);
            let map = Map::new(map, side, [0, 0], side, side).expect("a map has elements");
            let at = map.maximum();
            peaks.push(self.peak(&map, at, self.refined(&map, at), corner));
        }
    }

    fn by_coefficients(
        &self,
        of: &Coefficients,
        frame: &[F],
        positions: &[[i32; 2]],
        scratch: &mut CorrelationScratch<F>,
        peaks: &mut Vec<Peak>,
    ) -> Result<()> {
        let CorrelationScratch { transformed, windows, coefficients, .. } = scratch;
        let coefficients = coefficients.as_mut().expect("scratch of a plan of coefficients");
        let [pixels, map] = windows;
        let whole = self.params.method == Method::Full;
        let mut signal = whole && {
            self.seen(frame, transformed);
            self.load(of, transformed, coefficients)?
        };
        for (k, &p) in positions.iter().enumerate() {
            let template = self.template_of(k);
            let (map, corner) = if whole {
                if signal && (k == 0 || self.outlines.len() > 1) {
                    of.engine.correlate(template, [0, 0], self.shape, false, coefficients, map)?;
                }
                let (low, size) = self.window_in_frame(p);
                (Map::new(map, self.shape.1, low, size[0], size[1]), low.map(|c| c as i32))
            } else {
                let (side, reach) = (of.shape.0, of.reach);
                let n = side - 2 * reach;
                let corner = p.map(|c| c - (n / 2) as i32);
                self.window(frame, corner.map(|c| c - reach as i32), side, F::nan(), pixels);
                signal = self.load(of, pixels, coefficients)?;
                if signal {
                    of.engine.correlate(template, [reach; 2], (n, n), true, coefficients, map)?;
                }
                (Map::new(map, n, [0, 0], n, n), corner)
            };
            let map = map.filter(|map| signal && map.at(map.maximum()) > F::of(normalized::LEAST));
            peaks.push(map.map_or_else(
                || no_signal(p),
                |map| {
                    let at = map.maximum();
                    self.peak(&map, at, self.refined(&map, at), corner)
                },
            ));
        }
        Ok(())
    }

    /// Transforms the intensities of a window or frame whose missing pixels are not finite, and hands it to
    /// coefficients; false if it is constant.
    fn load(&self, of: &Coefficients, pixels: &mut [F], scratch: &mut NormalizedScratch) -> Result<bool> {
        scratch.missing.clear();
        scratch.missing.extend(pixels.iter().map(|v| !v.is_finite()));
        let signal = self.transform(pixels);
        if signal {
            of.engine.load(pixels, scratch)?;
        }
        Ok(signal)
    }

    /// The part of the frame that is no further than the search from a position: first pixel and size.
    fn window_in_frame(&self, p: [i32; 2]) -> ([usize; 2], [usize; 2]) {
        let s = match self.params.method {
            Method::Direct { steps } => steps as i32,
            _ => self.half as i32,
        };
        let within = |c: i32, n: usize| c.clamp(0, n as i32) as usize;
        let low = [within(p[0] - s, self.shape.0), within(p[1] - s, self.shape.1)];
        let high = [within(p[0] + s, self.shape.0), within(p[1] + s, self.shape.1)];
        (low, [high[0] - low[0], high[1] - low[1]])
    }

    /// Cuts a window out and transforms it; false if it is constant.
    fn cut(&self, frame: &[F], corner: [i32; 2], side: usize, window: &mut [F]) -> bool {
        let beyond = if self.params.border == Border::Zero { F::zero() } else { F::nan() };
        self.window(frame, corner, side, beyond, window);
        self.transform(window)
    }

    /// A window of the frame, `beyond` outside of it, NaN where pixels are masked.
    fn window(&self, frame: &[F], corner: [i32; 2], side: usize, beyond: F, window: &mut [F]) {
        copy_window(frame, self.shape, corner, side, window, beyond);
        let Some(live) = &self.live else { return };
        for (i, v) in window.iter_mut().enumerate() {
            let (y, x) = (corner[0] + (i / side) as i32, corner[1] + (i % side) as i32);
            let inside = y >= 0 && x >= 0 && y < self.shape.0 as i32 && x < self.shape.1 as i32;
            if inside && !live[y as usize * self.shape.1 + x as usize] {
                *v = F::nan();
            }
        }
    }

    /// A copy of the frame, NaN where pixels are masked.
    fn seen<'a>(&self, frame: &[F], out: &'a mut Vec<F>) -> &'a mut [F] {
        out.clear();
        out.extend_from_slice(frame);
        for (v, _) in out.iter_mut().zip(self.live.iter().flatten()).filter(|(_, live)| !**live) {
            *v = F::nan();
        }
        out
    }

    /// Transforms intensities; pixels that are not finite become the least of the others. False if all are the same.
    fn transform(&self, values: &mut [F]) -> bool {
        let (range, all_finite) = finite_range(values);
        let Some([least, greatest]) = range else {
            values.fill(F::zero());
            return false;
        };
        if !all_finite {
            values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = least);
        }
        let Some(Function(function)) = &self.function else {
            self.params.intensity.apply(values, least);
            return least < greatest;
        };
        function(values, least);
        let (range, all_finite) = finite_range(values);
        let [least, greatest] = range.unwrap_or_default();
        if !all_finite {
            values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = least);
        }
        least < greatest
    }

    fn needs_spectrum(&self) -> bool {
        matches!(
            self.params.refinement,
            Refinement::Continuous | Refinement::Upsampled { .. } | Refinement::Envelope { .. }
        )
    }

    /// Refinement within the map alone; a fit starts from the paraboloid.
    fn refined(&self, map: &Map<'_, F>, at: [usize; 2]) -> [f64; 2] {
        match self.params.refinement {
            Refinement::Pixel => at.map(|c| c as f64),
            Refinement::CenterOfMass { radius } => map.center_of_mass(at, radius),
            Refinement::Envelope { .. } => map.center_of_mass(at, 2),
            _ => map.paraboloid(at),
        }
    }

    /// Refinement by the polynomial whose half spectrum is given.
    fn interpolated(
        &self,
        transform: &RealFft2<F>,
        spectrum: &[Complex<F>],
        at: [usize; 2],
        start: [f64; 2],
        scratch: &mut UpsampleScratch,
    ) -> [f64; 2] {
        let shape = transform.shape();
        match self.params.refinement {
            Refinement::Upsampled { factor } => {
                greatest_sample(spectrum, shape, at, factor, Sampled::Map, scratch)
            }
            Refinement::Envelope { factor } => {
                greatest_sample(spectrum, shape, at, factor, Sampled::Envelope, scratch)
            }
            _ => {
                let found = TrigonometricPolynomial::new(transform, spectrum).maximum(start, 1.0);
                if found.converged { found.position } else { start }
            }
        }
    }

    /// `refined` is in coordinates of the map, whose first element stands at `corner` of the frame.
    fn peak(&self, map: &Map<'_, F>, at: [usize; 2], refined: [f64; 2], corner: [i32; 2]) -> Peak {
        let height = map.at(at);
        // LiberTEM-blobfinder's cone stands on the centre of mass even where it upsamples.
        let tip = match self.params.refinement {
            Refinement::Envelope { .. } => map.center_of_mass(at, 2),
            _ => refined,
        };
        Peak {
            center: [0, 1].map(|axis| at[axis] as i32 + corner[axis]),
            refined: [0, 1].map(|axis| refined[axis] + f64::from(corner[axis])),
            height: height.f64(),
            elevation: map.elevation(height, tip),
            covariance: UNKNOWN,
            status: if map.at_edge(at) { PeakStatus::AtEdge } else { PeakStatus::Found },
        }
    }

    /// The disk fitted to the pixels around peak `k`, see [`fit_disk`].
    fn fitted(
        &self,
        params: &FitParams,
        frame: &[F],
        k: usize,
        peak: &Peak,
        models: Models,
        scratch: &mut CorrelationScratch<F>,
    ) -> [Option<Fitted>; 2] {
        let outline = &self.outlines[self.template_of(k)];
        // What was found twice is no neighbour.
        let distances = outline.extent()..outline.reach(params.margin);
        let [y, x] = peak.refined;
        scratch.others.clear();
        scratch
            .others
            .extend(scratch.found.iter().filter(|o| distances.contains(&(o[0] - y).hypot(o[1] - x))));
        let (live, others) = (self.live.as_deref(), &scratch.others[..]);
        let place = Place { frame, shape: self.shape, live, start: peak.refined, others };
        fit_disk(&place, outline, models, params, &mut scratch.fit)
    }

    /// The edge and the noise at which the clearest disks are likeliest, as far as the parameters leave them open.
    /// Disks that were fitted for it are kept in the scratch.
    fn likeliest(
        &self,
        params: &FitParams,
        frame: &[F],
        peaks: &[Peak],
        scratch: &mut CorrelationScratch<F>,
    ) -> Models {
        let edges = match params.edge {
            DiskEdge::Ramp => [true, false],
            DiskEdge::Area => [false, true],
            DiskEdge::Auto => [true, self.outlines.iter().any(|o| matches!(o, Outline::Disk(_)))],
        };
        let mut models = Models { edges, counting: params.noise != PixelNoise::Uniform };
        scratch.asked.clear();
        if edges != [true; 2] && params.noise != PixelNoise::Auto {
            return models;
        }
        let [mut unlikeliness, if_uniform] = self.ask(params, frame, peaks, models, scratch);
        let least = |of: [f64; 2]| of[0].min(of[1]);
        // Uniform noise is asked about the disks that the other found: only if it is likelier even so, are they fitted
        // anew.
        if params.noise == PixelNoise::Auto && least(if_uniform) < least(unlikeliness) {
            models.counting = false;
            scratch.asked.clear();
            [unlikeliness, _] = self.ask(params, frame, peaks, models, scratch);
        }
        let area = unlikeliness[1] < unlikeliness[0];
        Models { edges: [!area, area], ..models }
    }

    /// How unlikely the clearest disks are with either edge, infinitely if the models have it not: at the models' noise,
    /// and at uniform noise.
    fn ask(
        &self,
        params: &FitParams,
        frame: &[F],
        peaks: &[Peak],
        models: Models,
        scratch: &mut CorrelationScratch<F>,
    ) -> [[f64; 2]; 2] {
        const ASKED: usize = 8;
        let mut order: Vec<usize> =
            (0..peaks.len()).filter(|&k| peaks[k].status == PeakStatus::Found).collect();
        // Of equal ones the order must not depend on that of the positions.
        let key = |k: usize| (peaks[k].elevation, peaks[k].refined[0], peaks[k].refined[1]);
        order.sort_by(|&a, &b| key(b).partial_cmp(&key(a)).expect("elevations and positions are finite"));
        let mut sums = [models.edges.map(|asked| if asked { 0.0 } else { f64::INFINITY }); 2];
        for &k in order.iter().take(ASKED) {
            let fits = self.fitted(params, frame, k, &peaks[k], models, scratch);
            if (0..2).all(|edge| fits[edge].is_some() == models.edges[edge]) {
                for (edge, fit) in fits.iter().enumerate() {
                    let Some(fit) = fit else { continue };
                    sums[0][edge] += fit.unlikeliness;
                    sums[1][edge] += fit.if_uniform;
                }
            }
            scratch.asked.push((k, fits));
        }
        sums
    }
}

/// Correlation of a whole image, as it is, with a template: element `(y, x)` belongs to a disk centred there. It wraps
/// around the image's edges.
///
/// Where an image spans orders of magnitude, transform it first ([`Intensity::transform`](crate::Intensity::transform)).
/// [`find_peaks`](crate::find_peaks) finds its maxima.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotFinite`].
pub fn correlation_map<F: Real>(image: ArrayView2<'_, F>, template: &Template) -> Result<Array2<F>> {
    check_not_empty("image", image.shape())?;
    check_finite("image", image)?;
    let (h, w) = image.dim();
    let full = Full::new((h, w), &[template.mask((h, w), [(h / 2) as f64, (w / 2) as f64])])?;
    let mut scratch = full.scratch();
    full.load(|y, row| row.iter_mut().zip(image.row(y)).for_each(|(to, v)| *to = *v), &mut scratch)?;
    full.correlate(0, |_| true, false, &mut scratch)?;
    Ok(Array2::from_shape_vec((h, w), scratch.map).expect("a map of the image's shape"))
}

/// Correlation coefficients of a whole image, as it is, with a template, −1 to 1: as [`correlation_map`], but gain,
/// offset and slow backgrounds do not count, nor do pixels that are not `live` or not finite, nor what is beyond the
/// image's edges. See [`CorrelationParams::normalized`].
///
/// ```
/// use ndarray::{Array2, s};
/// use nonius_blobfinder::{Template, TemplateKind, TemplateParams, normalized_correlation_map};
///
/// let template = Template::new(&TemplateParams::new(TemplateKind::Circular, 5.0))?;
/// let mut image = template.mask((64, 64), [30.0, 33.0]).mapv(|v| 7.0 * v - 2.0);
/// // The holder of a beam stop.
/// image.slice_mut(s![29..32, 33..]).fill(1e6);
/// let mut live = Array2::from_elem((64, 64), true);
/// live.slice_mut(s![29..32, 33..]).fill(false);
/// let map = normalized_correlation_map(image.view(), &template, Some(live.view()))?;
/// assert!((map[[30, 33]] - 1.0_f64).abs() < 1e-9 && map.iter().all(|c| *c <= map[[30, 33]]));
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`]; [`Error::Shape`] for a mask of another shape.
pub fn normalized_correlation_map<F: Real>(
    image: ArrayView2<'_, F>,
    template: &Template,
    live: Option<ArrayView2<'_, bool>>,
) -> Result<Array2<F>> {
    check_not_empty("image", image.shape())?;
    if let Some(live) = live {
        check_shape("detector mask", image.shape(), live.shape())?;
    }
    let of = Coefficients::new(image.dim(), std::slice::from_ref(template), 0, Method::Full)?;
    let mut scratch = of.engine.scratch();
    scratch.missing.extend(image.iter().map(|v| !v.is_finite()));
    for (missing, live) in scratch.missing.iter_mut().zip(live.iter().flatten()) {
        *missing |= !live;
    }
    of.engine.load(
        image.as_standard_layout().as_slice().expect("a standard layout is contiguous"),
        &mut scratch,
    )?;
    let mut map = vec![F::zero(); image.len()];
    of.engine.correlate(0, [0, 0], image.dim(), false, &mut scratch, &mut map)?;
    Ok(Array2::from_shape_vec(image.dim(), map).expect("a map of the image's shape"))
}

impl Coefficients {
    /// For frames of `shape`, of which whole-frame maps are made, or maps of windows.
    fn new(shape: (usize, usize), templates: &[Template], half: usize, method: Method) -> Result<Self> {
        let reach = templates.iter().map(Template::domain_radius).fold(0.0, f64::max).floor() as usize;
        let n = 2 * reach + 1;
        let masks = templates.iter().map(|template| {
            let radius = template.domain_radius();
            let place = |i: usize| i as f64 - reach as f64;
            let domain = Array2::from_shape_fn((n, n), |(y, x)| place(y).hypot(place(x)) <= radius);
            (template.mask((n, n), [reach as f64; 2]), domain)
        });
        let masks: Vec<_> = masks.collect();
        // In windows templates stay within.
        let (shape, margin) = match method {
            Method::Full => (shape, reach),
            Method::Crop => ((2 * (half + reach), 2 * (half + reach)), 0),
            Method::Direct { steps } => ((2 * (steps + reach) + 1, 2 * (steps + reach) + 1), 0),
        };
        Ok(Coefficients { engine: Normalized::new(shape, margin, reach, &masks)?, shape, reach })
    }
}

fn no_signal(position: [i32; 2]) -> Peak {
    Peak {
        center: position,
        refined: position.map(f64::from),
        height: 0.0,
        elevation: 0.0,
        covariance: UNKNOWN,
        status: PeakStatus::NoSignal,
    }
}

/// Copies `side × side` pixels from `corner` on; pixels outside of the frame are `beyond`.
fn copy_window<F: Real>(
    frame: &[F],
    (h, w): (usize, usize),
    corner: [i32; 2],
    side: usize,
    window: &mut [F],
    beyond: F,
) {
    let within = |c: i32, n: usize| i64::from(c).clamp(0, n as i64) as usize;
    let columns = within(corner[1], w)..within(corner[1].saturating_add(side as i32), w);
    for (v, row) in window.chunks_exact_mut(side).take(side).enumerate() {
        let y = corner[0] + v as i32;
        if y < 0 || y >= h as i32 || columns.is_empty() {
            row.fill(beyond);
            continue;
        }
        let first = (columns.start as i32 - corner[1]) as usize;
        row[..first].fill(beyond);
        row[first..first + columns.len()].copy_from_slice(&frame[y as usize * w..][columns.clone()]);
        row[first + columns.len()..].fill(beyond);
    }
}
