//! A frame with marks over it.

use ndarray::{Array2, s};
use nonius_blobfinder::{Color, Drawing, Mark};
use nonius_core::{Result, check_not_empty};

use super::Picture;
use super::canvas::{Anchor, Canvas, SCALE};
use super::colors::{ColorScale, FAINT, INK, Rgb};

/// Longest side of the frame, pixels of the picture.
const SIDE: usize = 880;
const EDGE: f64 = 20.0;
const ABOVE: f64 = 24.0;
const BELOW: f64 = 26.0;
/// Frames of few columns still leave room for what is written about them.
const LEAST_WIDTH: f64 = 300.0;
/// Beyond this a text is cut off.
const LONGEST_TEXT: f64 = 640.0;
/// Width of lines and of the seam around them, pixels of the picture.
const LINE: f64 = 2.6;
const SEAM: f64 = 1.3;
/// An arrow's head, pixels of the picture: half its width is 0.4 of it.
const HEAD: f64 = 15.0;

/// A frame as gray levels with circles, dots, arrows and squares over it: what
/// [`draw_match`](nonius_blobfinder::draw_match) says.
///
/// Small frames are enlarged by a whole factor, so that all their pixels are alike; large ones are averaged over blocks.
/// Lines are anti-aliased and have a seam of the opposite brightness, to be seen on disks as well as beside them. What
/// lies outside the frame is cut off.
///
/// ```
/// use ndarray::Array2;
/// use nonius::blobfinder::{Lattice, PictureParams, draw_match};
///
/// let frame = Array2::from_shape_fn((64, 64), |(y, x)| (y * x) as f32);
/// let lattice = Lattice { zero: [32.0, 32.0], a: [16.0, 0.0], b: [0.0, 18.0] };
/// let drawing = draw_match(frame.view(), &lattice, &[], &[], &[], &PictureParams::default())?;
/// let picture = nonius::plot::MarkedFrame { title: "a ramp".into(), remark: String::new(), drawing }.draw()?;
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MarkedFrame {
    /// Stands above it.
    pub title: String,
    /// Stands below it, in small letters.
    pub remark: String,
    /// The frame and its marks.
    pub drawing: Drawing,
}

impl MarkedFrame {
    /// Draws it.
    ///
    /// # Errors
    /// [`nonius_core::Error::Empty`] for a frame without pixels.
    pub fn draw(&self) -> Result<Picture> {
        let image = &self.drawing.image;
        check_not_empty("frame", image.shape())?;
        let mut raster = Raster::new(image);
        for drawn in &self.drawing.marks {
            raster.mark(&drawn.mark, drawn.color, drawn.opacity);
        }
        let (rows, columns) = raster.pixels.dim();
        let [height, width] = [rows, columns].map(|n| n as f64 / SCALE as f64);
        // Widths of the letters are about half their height.
        let written = 7.4 * self.title.chars().count().max(self.remark.chars().count()) as f64;
        let room = width.max(LEAST_WIDTH).max(written.min(LONGEST_TEXT));
        let mut canvas = Canvas::new(2.0 * EDGE + room, EDGE + ABOVE + height + BELOW + 0.5 * EDGE);
        let at = (EDGE, EDGE + ABOVE - 8.0);
        canvas.pixels(at, (rows, columns), |y, x| raster.pixels[[y, x]].map(|v| v.round() as u8));
        canvas.outline(at, (width, height));
        canvas.text((at.0, at.1 - 8.0), Anchor::Start, 13, INK, &self.title);
        canvas.text((at.0, at.1 + height + 17.0), Anchor::Start, 12, FAINT, &self.remark);
        Ok(canvas.finish())
    }
}

/// Pixels of the picture, and how many of them one of the frame has along an axis.
struct Raster {
    pixels: Array2<[f64; 3]>,
    zoom: f64,
}

impl Raster {
    /// The frame in gray levels.
    fn new(image: &Array2<f64>) -> Self {
        let scale = ColorScale::gray(image.view());
        let (h, w) = image.dim();
        let longest = h.max(w);
        let gray = |v: f64, place: (usize, usize)| scale.color(v, place).map(f64::from);
        if longest <= SIDE {
            let factor = SIDE / longest;
            let pixels = Array2::from_shape_fn((h * factor, w * factor), |(y, x)| {
                gray(image[[y / factor, x / factor]], (y, x))
            });
            return Raster { pixels, zoom: factor as f64 };
        }
        let block = longest.div_ceil(SIDE);
        let span = |k: usize, n: usize| k * block..((k + 1) * block).min(n);
        let pixels = Array2::from_shape_fn((h.div_ceil(block), w.div_ceil(block)), |(y, x)| {
            gray(mean(image.slice(s![span(y, h), span(x, w)]).iter().copied()), (y, x))
        });
        Raster { pixels, zoom: 1.0 / block as f64 }
    }

    fn mark(&mut self, mark: &Mark, color: Color, opacity: f64) {
        let opacity = if opacity.is_nan() { 0.0 } else { opacity.clamp(0.0, 1.0) };
        let zoom = self.zoom;
        // Zero of a frame is the centre of its first pixel.
        let place = |p: [f64; 2]| p.map(|c| (c + 0.5) * zoom);
        match *mark {
            Mark::Circle { center, radius } => {
                let (center, radius) = (place(center), (radius * zoom).max(2.0 * LINE));
                self.ink(around(center, radius), color, opacity, |p| {
                    (distance(p, center) - radius).abs() - 0.5 * LINE
                });
            }
            Mark::Dot { center, radius } => {
                let (center, radius) = (place(center), (radius * zoom).clamp(LINE, 3.0 * LINE));
                self.ink(around(center, radius), color, opacity, |p| distance(p, center) - radius);
            }
            Mark::Square { center, half_side } => {
                let (center, half) = (place(center), (half_side * zoom).max(2.0 * LINE));
                self.ink(around(center, half), color, opacity, |p| {
                    let far = (p[0] - center[0]).abs().max((p[1] - center[1]).abs());
                    (far - half).abs() - 0.5 * LINE
                });
            }
            Mark::Arrow { from, to } => self.arrow(place(from), place(to), color, opacity),
            // What later versions know is not drawn rather than drawn wrongly.
            _ => {}
        }
    }

    /// Arrows shorter than their line is wide would be blots.
    fn arrow(&mut self, from: [f64; 2], to: [f64; 2], color: Color, opacity: f64) {
        let length = distance(from, to);
        if length < LINE {
            return;
        }
        let along = [0, 1].map(|axis| (to[axis] - from[axis]) / length);
        let head = HEAD.min(0.5 * length);
        // Distance along the arrow from its tip backwards, and across it.
        let box_of = [[from[0].min(to[0]), from[1].min(to[1])], [from[0].max(to[0]), from[1].max(to[1])]];
        let margin = 0.5 * head + LINE;
        let region = [box_of[0].map(|c| c - margin), box_of[1].map(|c| c + margin)];
        self.ink(region, color, opacity, |p| {
            let d = [p[0] - to[0], p[1] - to[1]];
            let back = -(d[0] * along[0] + d[1] * along[1]);
            let across = (d[0] * along[1] - d[1] * along[0]).abs();
            // The shaft ends within the head.
            let beyond = (0.7 * head - back).max(back - length).max(0.0);
            let shaft = beyond.hypot(across) - 0.5 * LINE;
            // Half a triangle: two sides, as planes.
            let slope = 0.4;
            let side = (across - slope * back) / f64::hypot(1.0, slope);
            shaft.min(side.max(back - head))
        });
    }

    /// Blends `color` over where `outside(p)`, the signed distance of a shape in pixels, is below zero, and a seam around it.
    fn ink(&mut self, region: [[f64; 2]; 2], color: Rgb, opacity: f64, outside: impl Fn([f64; 2]) -> f64) {
        let seam = if luminance(color) < 0.2 { [255.0; 3] } else { [0.0; 3] };
        let color = color.map(f64::from);
        let (h, w) = self.pixels.dim();
        let range = |axis: usize, n: usize| {
            let low = (region[0][axis] - SEAM - 2.0).floor().clamp(0.0, n as f64) as usize;
            low..(region[1][axis] + SEAM + 2.0).ceil().clamp(0.0, n as f64) as usize
        };
        for y in range(0, h) {
            for x in range(1, w) {
                let d = outside([y as f64 + 0.5, x as f64 + 0.5]);
                let shares = [(seam, 0.6 * coverage(d - SEAM)), (color, coverage(d))];
                for (ink, share) in shares {
                    let share = share * opacity;
                    let pixel = &mut self.pixels[[y, x]];
                    *pixel = std::array::from_fn(|c| pixel[c] * (1.0 - share) + ink[c] * share);
                }
            }
        }
    }
}

/// Share of a pixel within an edge at signed distance `d` of its centre.
fn coverage(d: f64) -> f64 {
    (0.5 - d).clamp(0.0, 1.0)
}

fn around(center: [f64; 2], reach: f64) -> [[f64; 2]; 2] {
    [center.map(|c| c - reach - LINE), center.map(|c| c + reach + LINE)]
}

fn distance(p: [f64; 2], q: [f64; 2]) -> f64 {
    (p[0] - q[0]).hypot(p[1] - q[1])
}

/// How bright a colour is to the eye, 0 to 1 (coefficients of Rec. 709, gamma 2).
fn luminance(color: Rgb) -> f64 {
    let [r, g, b] = color.map(|c| (f64::from(c) / 255.0).powi(2));
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// Mean of the finite values; NaN if there is none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.filter(|v| v.is_finite()).fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    sum / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use nonius_blobfinder::DrawnMark;

    fn drawn(shape: (usize, usize), marks: &[Mark], opacity: f64) -> Raster {
        let mut raster = Raster::new(&Array2::zeros(shape));
        marks.iter().for_each(|mark| raster.mark(mark, [255, 0, 0], opacity));
        raster
    }

    #[test]
    fn marks_stand_where_they_are_told() {
        // 11 pixels of the picture per pixel of the frame.
        let circle = Mark::Circle { center: [40.0, 20.0], radius: 8.0 };
        let raster = drawn((80, 80), &[circle], 1.0);
        assert_eq!(raster.zoom, 11.0);
        let at = |y: f64, x: f64| raster.pixels[[(11.0 * (y + 0.5)) as usize, (11.0 * (x + 0.5)) as usize]];
        assert_eq!(at(40.0, 28.0), [255.0, 0.0, 0.0]);
        assert_eq!(at(32.0, 20.0), [255.0, 0.0, 0.0]);
        let ground = at(0.0, 0.0);
        assert_eq!((at(40.0, 20.0), at(40.0, 24.0)), (ground, ground));
        let raster = drawn((80, 80), &[Mark::Arrow { from: [10.0, 10.0], to: [10.0, 30.0] }], 0.5);
        let at = |y: f64, x: f64| raster.pixels[[(11.0 * (y + 0.5)) as usize, (11.0 * (x + 0.5)) as usize]];
        assert!(at(10.0, 20.0)[0] > at(10.0, 20.0)[1]);
        assert_eq!(at(10.0, 31.0), at(0.0, 0.0));
    }

    #[test]
    fn the_unseen_and_the_outlying_do_no_harm() {
        let marks = [
            Mark::Circle { center: [-500.0, 3.0], radius: 9.0 },
            Mark::Arrow { from: [-1e9, 0.0], to: [1e9, 1e9] },
            Mark::Square { center: [2.0, 2.0], half_side: 0.0 },
            Mark::Dot { center: [1e300, 0.0], radius: 1e300 },
        ];
        for shape in [(1, 1), (3, 700), (2000, 5)] {
            drawn(shape, &marks, 1.0);
        }
        let unseen = drawn((9, 9), &marks[2..3], f64::NAN);
        assert!(unseen.pixels.iter().all(|p| *p == unseen.pixels[[0, 0]]));
        let drawn = |mark| DrawnMark { mark, color: [0, 0, 255], opacity: 1.0 };
        let drawing =
            Drawing { image: Array2::from_elem((2, 2), f64::NAN), marks: marks.map(drawn).to_vec() };
        let empty = Drawing { image: Array2::zeros((0, 3)), marks: Vec::new() };
        let draw = |drawing| MarkedFrame { title: String::new(), remark: String::new(), drawing }.draw();
        assert!(draw(drawing).is_ok() && draw(empty).is_err());
    }
}
