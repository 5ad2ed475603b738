//! One number from the samples of a pixel.

use nonius_core::Real;

use crate::dtype::Encoding;
use crate::{Error, Result};

/// Weights of red, green and blue in [`Channel::Luminance`], as in scikit-image's `rgb2gray`
/// (ITU-R BT.709 rounded to four digits); they add up to 1.
pub(crate) const LUMINANCE: [f64; 3] = [0.2125, 0.7154, 0.0721];

/// What is taken from a pixel of several samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Channel {
    At(usize),
    /// The weighted sum of the first three, as stored: no gamma is undone.
    Luminance,
}

impl Channel {
    /// The channel that `key` names. Without a key: the only one, the luminance of a colour image, or
    /// the first beside an alpha channel; a remark says so.
    pub(crate) fn choose(
        selector: &str,
        names: &[String],
        key: Option<&str>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let colour = names.starts_with(&["red".into(), "green".into(), "blue".into()]);
        let choices = || {
            let luminance = if colour { ", luminance" } else { "" };
            format!("its channels are {}{luminance}", names.join(", "))
        };
        match key {
            Some("luminance") if colour => Ok(Channel::Luminance),
            Some(key) => match names.iter().position(|n| n == key) {
                Some(at) => Ok(Channel::At(at)),
                None if names.len() == 1 => Err(Error::selection(
                    selector,
                    format!("no channel {key:?}: the image has one sample per pixel"),
                )),
                None => Err(Error::selection(selector, format!("no channel {key:?}; {}", choices()))),
            },
            None if names.len() == 1 => Ok(Channel::At(0)),
            None if colour => {
                warnings.push(format!("colour image, luminance taken; {}", choices()));
                Ok(Channel::Luminance)
            }
            None if names[0] == "gray" => {
                warnings.push(format!("only channel \"gray\" taken; {}", choices()));
                Ok(Channel::At(0))
            }
            None => {
                let problem =
                    format!("{} samples per pixel: add \":\" and a channel; {}", names.len(), choices());
                Err(Error::selection(selector, problem))
            }
        }
    }

    /// The first sample that takes part.
    pub(crate) fn first(self) -> usize {
        match self {
            Channel::At(k) => k,
            Channel::Luminance => 0,
        }
    }

    /// How much sample `k` counts.
    pub(crate) fn weight(self, k: usize) -> f64 {
        match self {
            Channel::At(at) => f64::from(u8::from(at == k)),
            Channel::Luminance => LUMINANCE.get(k).copied().unwrap_or(0.0),
        }
    }

    /// Pixels from `stored`, where `n` samples of each lie side by side.
    pub(crate) fn pick<F: Real>(self, n: usize, encoding: Encoding, stored: &[u8], out: &mut [F]) {
        let put_one = |k: usize, out: &mut [F]| {
            encoding.decode(stored, |i, v| {
                if i % n == k && i / n < out.len() {
                    out[i / n] = v;
                }
            });
        };
        match self {
            Channel::At(k) if n == 1 => {
                debug_assert_eq!(k, 0);
                encoding.decode(&stored[..out.len() * encoding.dtype.size()], |i, v| out[i] = v);
            }
            Channel::At(k) => put_one(k, out),
            Channel::Luminance => {
                let mut rgb = [0.0f64; 3];
                encoding.decode(stored, |i, v: f64| {
                    if i % n < 3 {
                        rgb[i % n] = v;
                    }
                    if i % n == 2 && i / n < out.len() {
                        out[i / n] = F::of(luminance(rgb));
                    }
                });
            }
        }
    }

    /// The stored bytes of one sample of each pixel, of which `n` lie side by side; nothing of a
    /// [luminance](Channel::Luminance), which is not stored.
    pub(crate) fn pick_stored(self, n: usize, size: usize, stored: &[u8], out: &mut [u8]) {
        let Channel::At(k) = self else { return };
        let samples = stored.chunks_exact(size).skip(k).step_by(n);
        out.chunks_exact_mut(size).zip(samples).for_each(|(o, sample)| o.copy_from_slice(sample));
    }

    /// Adds one colour plane to `out`; planes come in order, the first that counts overwrites.
    pub(crate) fn add_plane<F: Real>(self, plane: usize, encoding: Encoding, stored: &[u8], out: &mut [F]) {
        let weight = self.weight(plane);
        let first = plane == self.first();
        encoding.decode(&stored[..out.len() * encoding.dtype.size()], |i, v: f64| {
            let before = if first { 0.0 } else { out[i].f64() };
            out[i] = F::of(before + weight * v);
        });
    }
}

/// The weighted sum, written so that three equal values give that value exactly.
fn luminance([r, g, b]: [f64; 3]) -> f64 {
    g + LUMINANCE[0] * (r - g) + LUMINANCE[2] * (b - g)
}

/// Names of `n` samples: colours if it is a colour image, numbers otherwise.
pub(crate) fn channel_names(n: usize, colour: bool) -> Vec<String> {
    let known: &[&str] = match (n, colour) {
        (1, _) => &["gray"],
        (3, true) => &["red", "green", "blue"],
        (4, true) => &["red", "green", "blue", "alpha"],
        _ => &[],
    };
    if known.is_empty() {
        (0..n).map(|k| k.to_string()).collect()
    } else {
        known.iter().map(|s| s.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gray_stored_as_colour_stays_exact() {
        assert_eq!((0..=65_535).map(f64::from).find(|&v| luminance([v; 3]) != v), None);
    }

    #[test]
    fn weights_add_up_to_one() {
        assert!((LUMINANCE.iter().sum::<f64>() - 1.0).abs() < 1e-15); // rounding of two additions
    }
}
