//! Numbers to colours.

use ndarray::ArrayView2;

pub(crate) type Rgb = [u8; 3];

/// Black text and axes, a little softer than black.
pub(crate) const INK: Rgb = [34, 34, 34];
/// Remarks, grids.
pub(crate) const FAINT: Rgb = [120, 120, 120];
pub(crate) const GRID: Rgb = [225, 225, 225];
/// Blue and orange of Okabe and Ito's palette, distinct to every kind of colour vision.
pub(crate) const BLUE: Rgb = [0, 114, 178];
pub(crate) const ORANGE: Rgb = [213, 94, 0];
/// What a missing pixel is hatched with.
const MISSING: [Rgb; 2] = [[203, 203, 190], [232, 232, 222]];

/// Blue over white to red, after ColorBrewer's RdBu.
pub(crate) const DIVERGING: [Rgb; 9] = [
    [5, 48, 97],
    [33, 102, 172],
    [67, 147, 195],
    [146, 197, 222],
    [247, 247, 247],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
    [103, 0, 31],
];

/// Dark blue over green to yellow, even to the eye: matplotlib's viridis.
pub(crate) const EVEN: [Rgb; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// White over blue, black and red to white again, in the manner of matplotlib's twilight: directions a quarter of the
/// period apart differ in brightness or in hue that every colour vision tells apart.
pub(crate) const CYCLIC: [Rgb; 9] = [
    [226, 217, 226],
    [159, 188, 202],
    [99, 134, 190],
    [93, 66, 158],
    [47, 20, 55],
    [122, 34, 78],
    [178, 84, 83],
    [204, 157, 134],
    [226, 217, 226],
];

/// For labels: Okabe and Ito's palette, then the same darker and lighter. Neighbours in the list differ in brightness.
pub(crate) const CATEGORIES: [Rgb; 21] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [240, 228, 66],
    [204, 121, 167],
    [86, 180, 233],
    [213, 94, 0],
    [0, 66, 110],
    [250, 205, 120],
    [0, 92, 66],
    [249, 243, 170],
    [126, 62, 98],
    [176, 219, 245],
    [128, 56, 0],
    [110, 170, 215],
    [140, 97, 0],
    [120, 205, 180],
    [150, 140, 20],
    [232, 190, 212],
    [30, 108, 150],
    [242, 160, 110],
];

/// A colour table with the range that it spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ColorScale {
    /// Black at the first number, white at the second.
    Gray(f64, f64),
    /// Blue at minus this number, white at 0, red at plus.
    Diverging(f64),
    /// Dark at the first number, bright at the second.
    Even(f64, f64),
    /// The same, by the square root of the height above the first number.
    Root(f64, f64),
    /// Once around between the two numbers, and on beyond them.
    Cyclic(f64, f64),
    /// A colour of its own for each whole number below this.
    Categories(usize),
}

impl ColorScale {
    /// Gray from the darkest to the brightest pixel, but for the most extreme half percent.
    pub(crate) fn gray(image: ArrayView2<'_, f64>) -> Self {
        let (low, high) = (quantile(image, 0.005, |v| v), quantile(image, 0.995, |v| v));
        if high > low { ColorScale::Gray(low, high) } else { ColorScale::Gray(low - 0.5, low + 0.5) }
    }

    /// Symmetric about zero, up to the size that half a percent of the pixels exceeds.
    pub(crate) fn diverging(image: ArrayView2<'_, f64>) -> Self {
        let size = quantile(image, 0.995, f64::abs);
        ColorScale::Diverging(if size > 0.0 { size } else { 1.0 })
    }

    /// From the least to the greatest value, but for the most extreme half percent; by the square root where the
    /// greatest stand high above most.
    pub(crate) fn map(image: ArrayView2<'_, f64>) -> Self {
        let [low, middle, high] = [0.005, 0.5, 0.995].map(|part| quantile(image, part, |v| v));
        match high - low {
            range if range.is_nan() || range <= 0.0 => ColorScale::Even(low - 0.5, low + 0.5),
            range if middle - low < 0.1 * range => ColorScale::Root(low, high),
            _ => ColorScale::Even(low, high),
        }
    }

    /// Around once per period: from minus half of it if there are negative values, else from 0.
    pub(crate) fn cyclic(image: ArrayView2<'_, f64>, period: f64) -> Self {
        let period = if period > 0.0 && period.is_finite() { period } else { 1.0 };
        if image.iter().any(|v| *v < 0.0) {
            ColorScale::Cyclic(-0.5 * period, 0.5 * period)
        } else {
            ColorScale::Cyclic(0.0, period)
        }
    }

    /// First and last number of the range.
    pub(crate) fn range(self) -> (f64, f64) {
        match self {
            ColorScale::Gray(low, high) | ColorScale::Even(low, high) | ColorScale::Root(low, high) => {
                (low, high)
            }
            ColorScale::Cyclic(low, high) => (low, high),
            ColorScale::Diverging(size) => (-size, size),
            ColorScale::Categories(n) => (-0.5, n.max(1) as f64 - 0.5),
        }
    }

    /// The colour of `value`; beyond the range that of its end. `place` tells where hatches go.
    pub(crate) fn color(self, value: f64, place: (usize, usize)) -> Rgb {
        if !value.is_finite() {
            return MISSING[(place.0 + place.1) / 4 % 2];
        }
        let (low, high) = self.range();
        let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
        match self {
            ColorScale::Gray(..) => [(255.0 * t).round() as u8; 3],
            ColorScale::Diverging(_) => interpolate(&DIVERGING, t),
            ColorScale::Even(..) => interpolate(&EVEN, t),
            ColorScale::Root(..) => interpolate(&EVEN, t.sqrt()),
            ColorScale::Cyclic(..) => interpolate(&CYCLIC, ((value - low) / (high - low)).rem_euclid(1.0)),
            ColorScale::Categories(_) => CATEGORIES[value.round().max(0.0) as usize % CATEGORIES.len()],
        }
    }
}

fn interpolate(table: &[Rgb], t: f64) -> Rgb {
    let x = t * (table.len() - 1) as f64;
    let i = (x as usize).min(table.len() - 2);
    let part = x - i as f64;
    let mix = |a: u8, b: u8| (a as f64 * (1.0 - part) + b as f64 * part).round() as u8;
    std::array::from_fn(|c| mix(table[i][c], table[i + 1][c]))
}

/// The number below which this part of the finite values of `f(pixel)` lies; 0 if there is none. Of large
/// images every so many-th pixel is looked at.
fn quantile(image: ArrayView2<'_, f64>, part: f64, f: impl Fn(f64) -> f64) -> f64 {
    // A prime step would miss no column; an odd one beside an even width misses none either.
    let step = (image.len() / 500_000) | 1;
    let mut values: Vec<f64> = image.iter().step_by(step).map(|&v| f(v)).filter(|v| v.is_finite()).collect();
    if values.is_empty() {
        return 0.0;
    }
    let k = (part * (values.len() - 1) as f64).round() as usize;
    *values.select_nth_unstable_by(k, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_hot_pixel_does_not_set_the_range() {
        let mut image = Array2::from_shape_fn((40, 50), |(y, x)| ((y * 50 + x) % 100) as f64);
        image[(3, 4)] = 1e9;
        image[(5, 4)] = f64::NAN;
        assert_eq!(ColorScale::gray(image.view()), ColorScale::Gray(0.0, 99.0));
        image -= 60.0;
        assert_eq!(ColorScale::diverging(image.view()), ColorScale::Diverging(60.0));
    }

    #[test]
    fn constant_and_empty_of_numbers_have_a_range_too() {
        let image = Array2::from_elem((3, 3), 7.0);
        assert_eq!(ColorScale::gray(image.view()), ColorScale::Gray(6.5, 7.5));
        let image = Array2::from_elem((3, 3), f64::NAN);
        assert_eq!(ColorScale::diverging(image.view()), ColorScale::Diverging(1.0));
        assert_eq!(ColorScale::Diverging(1.0).color(f64::NAN, (0, 0)), MISSING[0]);
    }

    #[test]
    fn zero_is_white_and_ends_are_ends() {
        let scale = ColorScale::Diverging(2.0);
        assert_eq!(scale.color(0.0, (0, 0)), DIVERGING[4]);
        assert_eq!(scale.color(9.0, (0, 0)), DIVERGING[8]);
        assert_eq!(scale.color(-9.0, (0, 0)), DIVERGING[0]);
    }
}
