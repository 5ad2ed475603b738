//! Windows that bring an image to zero at its border.

use serde::{Deserialize, Serialize};

use crate::Real;

/// A separable window; the image is multiplied by `w(y)·w(x)`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Ones. The default.
    #[default]
    None,
    /// `½ − ½ cos(2π(i + ½)/n)`: falls to zero along the whole length; 3/8 of the light is left per axis.
    Hann,
    /// Ones in the middle and half a Hann window at either end over this part of the length, 0 to 1.
    Tukey(f64),
}

impl Window {
    /// The window along an axis of `n` pixels, symmetric about its middle. A Tukey part outside 0…1 is
    /// taken as the nearer of the two.
    ///
    /// ```
    /// use nonius_core::Window;
    /// let w: Vec<f64> = Window::Hann.samples(4);
    /// assert!((w[0] - w[3]).abs() < 1e-12 && w[0] < w[1]);
    /// assert_eq!(Window::Tukey(0.0).samples::<f64>(3), Window::None.samples(3));
    /// ```
    pub fn samples<F: Real>(self, n: usize) -> Vec<F> {
        let taper = match self {
            Window::None => 0.0,
            Window::Hann => 1.0,
            Window::Tukey(part) if part.is_nan() => 0.0,
            Window::Tukey(part) => part.clamp(0.0, 1.0),
        };
        let ramp = 0.5 * taper * n as f64;
        (0..n)
            .map(|i| {
                let from_end = (i as f64 + 0.5).min(n as f64 - i as f64 - 0.5);
                let rise = if from_end < ramp {
                    0.5 - 0.5 * (std::f64::consts::PI * from_end / ramp).cos()
                } else {
                    1.0
                };
                F::of(rise)
            })
            .collect()
    }
}
