//! What is drawn with: lines, dots, text and pixels, in units of half a pixel of the picture.

use kuva::RasterBackend;
use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::Picture;
use super::colors::{INK, Rgb};

/// Pixels of the picture per unit.
pub(crate) const SCALE: usize = 2;

/// Which point of a text its place means, along its line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

pub(crate) struct Canvas {
    scene: Scene,
}

fn color(c: Rgb) -> Color {
    Color::Rgb(c[0], c[1], c[2])
}

impl Canvas {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Canvas { scene: Scene::new(width.ceil(), height.ceil()) }
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, size: u32, ink: Rgb, text: &str) {
        self.any_text((x, y), anchor, size, ink, text, None);
    }

    /// Text that reads upwards.
    pub(crate) fn text_up(&mut self, (x, y): (f64, f64), size: u32, text: &str) {
        self.any_text((x, y), Anchor::Middle, size, INK, text, Some(-90.0));
    }

    fn any_text(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        size: u32,
        ink: Rgb,
        text: &str,
        rotate: Option<f64>,
    ) {
        let anchor = match anchor {
            Anchor::Start => TextAnchor::Start,
            Anchor::Middle => TextAnchor::Middle,
            Anchor::End => TextAnchor::End,
        };
        // Between dollars kuva reads mathematics.
        let content = text.replace('$', "\\$");
        let color = Some(color(ink));
        self.scene.add(Primitive::Text { x, y, content, size, anchor, rotate, bold: false, color });
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Rgb, width: f64) {
        self.any_line(from, to, ink, width, None);
    }

    pub(crate) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), ink: Rgb) {
        self.any_line(from, to, ink, 1.0, Some("4,3".into()));
    }

    fn any_line(
        &mut self,
        (x1, y1): (f64, f64),
        (x2, y2): (f64, f64),
        ink: Rgb,
        stroke_width: f64,
        stroke_dasharray: Option<String>,
    ) {
        let stroke = color(ink);
        self.scene.add(Primitive::Line { x1, y1, x2, y2, stroke, stroke_width, stroke_dasharray });
    }

    pub(crate) fn dot(&mut self, (cx, cy): (f64, f64), r: f64, ink: Rgb) {
        let fill = color(ink);
        self.scene.add(Primitive::Circle {
            cx,
            cy,
            r,
            fill,
            fill_opacity: None,
            stroke: None,
            stroke_width: None,
        });
    }

    pub(crate) fn ring(&mut self, (cx, cy): (f64, f64), r: f64, ink: Rgb) {
        let stroke = Some(color(ink));
        self.scene.add(Primitive::Circle {
            cx,
            cy,
            r,
            fill: Color::None,
            fill_opacity: None,
            stroke,
            stroke_width: Some(1.4),
        });
    }

    pub(crate) fn outline(&mut self, (x, y): (f64, f64), (width, height): (f64, f64)) {
        // Along the outer side of the pixels' border, so that none is covered.
        let (x0, y0, x1, y1) = (x - 0.25, y - 0.25, x + width + 0.25, y + height + 0.25);
        for (a, b) in [((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x1, y1), (x0, y1)), ((x0, y1), (x0, y0))]
        {
            self.line(a, b, [150; 3], 0.5);
        }
    }

    /// Fills `rows × columns` pixels of the picture, the first at `(x, y)`, which is rounded to a pixel.
    pub(crate) fn pixels(
        &mut self,
        (x, y): (f64, f64),
        (rows, columns): (usize, usize),
        at: impl Fn(usize, usize) -> Rgb,
    ) {
        let unit = 1.0 / SCALE as f64;
        let snap = |v: f64| (v * SCALE as f64).round() * unit;
        let (left, top) = (snap(x), snap(y));
        let (mut xs, mut ys, mut ws, mut hs, mut fills) = (vec![], vec![], vec![], vec![], vec![]);
        for row in 0..rows {
            let mut column = 0;
            while column < columns {
                let ink = at(row, column);
                let end = (column + 1..columns).find(|&c| at(row, c) != ink).unwrap_or(columns);
                xs.push(left + column as f64 * unit);
                ys.push(top + row as f64 * unit);
                ws.push((end - column) as f64 * unit);
                hs.push(unit);
                fills.push(color(ink));
                column = end;
            }
        }
        self.scene.add(Primitive::RectBatch { x: xs, y: ys, w: ws, h: hs, fills });
    }

    pub(crate) fn finish(self) -> Picture {
        let png = RasterBackend { scale: SCALE as f32 }.render_scene(&self.scene);
        // It fails for sizes that no layout here has.
        Picture::new(png.expect("a canvas has a size that can be encoded"))
    }
}
