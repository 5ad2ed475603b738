//! Two images before and after registration.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Result, check_not_empty};

use super::Picture;
use super::canvas::{Anchor, Canvas};
use super::colors::{ColorScale, INK};
use super::heat::{ABOVE, BELOW, Fitted};

/// Side of the square that each image fits in.
const SIDE: f64 = 240.0;
const GAP: f64 = 22.0;
const EDGE: f64 = 22.0;

/// Reference, moving image, their difference, and the difference that is left once the moving image is
/// shifted back: four panels beside one another.
///
/// `registered` is the moving image shifted by `−shift`, NaN where it has no content. Both differences
/// have one scale; below each stands its root mean square. Where shapes differ, the common upper left part
/// is compared.
///
/// # Errors
/// [`nonius_core::Error::Empty`].
pub fn before_and_after(
    reference: ArrayView2<'_, f64>,
    moving: ArrayView2<'_, f64>,
    registered: ArrayView2<'_, f64>,
    title: &str,
) -> Result<Picture> {
    for (what, shape) in
        [("reference", reference.dim()), ("moving", moving.dim()), ("registered", registered.dim())]
    {
        check_not_empty(what, &[shape.0, shape.1])?;
    }
    let before = difference(moving, reference);
    let after = difference(registered, reference);
    let grays = ColorScale::gray(reference);
    let differences = ColorScale::diverging(before.view());
    let panels = [
        (reference.to_owned(), grays, "reference", shape(reference)),
        (moving.to_owned(), ColorScale::gray(moving), "moving", shape(moving)),
        (before.clone(), differences, "moving − reference, before", spread(&before)),
        (after.clone(), differences, "moving − reference, after", spread(&after)),
    ];
    let panels =
        panels.map(|(image, scale, title, remark)| (Fitted::new(image.view(), SIDE), scale, title, remark));

    // Narrow images still need room for what is written above them.
    let step = panels.iter().map(|p| p.0.size().0).fold(180.0, f64::max) + GAP;
    let height = panels.iter().map(|p| p.0.size().1).fold(0.0, f64::max);
    let mut canvas = Canvas::new(2.0 * EDGE + 4.0 * step - GAP, EDGE + 26.0 + ABOVE + height + BELOW);
    canvas.text((EDGE, EDGE + 8.0), Anchor::Start, 15, INK, title);
    for (i, (image, scale, title, remark)) in panels.iter().enumerate() {
        image.draw(&mut canvas, (EDGE + i as f64 * step, EDGE + 24.0 + ABOVE), *scale, title, remark);
    }
    Ok(canvas.finish())
}

fn difference(moving: ArrayView2<'_, f64>, reference: ArrayView2<'_, f64>) -> Array2<f64> {
    let common = (moving.dim().0.min(reference.dim().0), moving.dim().1.min(reference.dim().1));
    Array2::from_shape_fn(common, |at| moving[at] - reference[at])
}

fn shape(image: ArrayView2<'_, f64>) -> String {
    format!("{} × {} px", image.dim().0, image.dim().1)
}

/// "rms 0.123", of the finite pixels.
fn spread(image: &Array2<f64>) -> String {
    let (sum, n) =
        image.iter().filter(|v| v.is_finite()).fold((0.0, 0usize), |(sum, n), v| (sum + v * v, n + 1));
    if n == 0 {
        return "nothing in common".into();
    }
    let rms = (sum / n as f64).sqrt();
    let digits = if rms > 0.0 { (2.0 - rms.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
    if rms > 0.0 && rms < 1e-6 { format!("rms {rms:.1e}") } else { format!("rms {rms:.digits$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_inputs_make_pictures() {
        let image = Array2::from_shape_fn((7, 3000), |(y, x)| (y + x) as f64);
        let missing = Array2::from_elem((2, 2), f64::NAN);
        assert!(before_and_after(image.view(), image.view(), missing.view(), "long").is_ok());
        let empty = Array2::<f64>::zeros((0, 4));
        assert!(before_and_after(empty.view(), image.view(), image.view(), "").is_err());
    }

    #[test]
    fn the_spread_has_three_digits() {
        assert_eq!(spread(&Array2::from_elem((2, 2), -0.12345)), "rms 0.123");
        assert_eq!(spread(&Array2::from_elem((2, 2), 1234.5)), "rms 1234");
        assert_eq!(spread(&Array2::zeros((2, 2))), "rms 0");
    }
}
