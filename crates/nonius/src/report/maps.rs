//! Maps of a report and the ranges of their colours.

use ndarray::Array2;
use nonius_core::{Error, Result, check_not_empty, check_shape};
use serde_json::{Value, json};

use crate::plot::MapColors;

/// Part of the values beyond each end of a robust range.
const BEYOND: f64 = 0.01;

/// One value per position of a scan.
///
/// ```
/// use ndarray::array;
/// use nonius::report::{MapColors, ReportMap};
/// let map = ReportMap {
///     description: "from the lattice of each frame".into(),
///     colors: MapColors::Signed,
///     ..ReportMap::new("ε_xx", "%", array![[0.1, -0.2], [f32::NAN, 0.0]])
/// };
/// assert_eq!(map.values.dim(), (2, 2));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReportMap {
    /// What it is called: "ε_xx", "label".
    pub name: String,
    /// Unit of the values; empty if they have none.
    pub unit: String,
    /// What it shows and where it comes from, in a sentence or two.
    pub description: String,
    /// The values `(y, x)`, kept exactly; where not finite, there is none.
    pub values: Array2<f32>,
    /// Where values may be trusted. The others are hatched, can be read nevertheless, and set no range. None: everywhere.
    pub valid: Option<Array2<bool>>,
    /// What colours mean.
    pub colors: MapColors,
    /// Values at the ends of the colours. None: a robust range, which leaves 1 % of the values beyond each end, about
    /// zero for [`MapColors::Signed`]. The reader can switch to the full range.
    pub range: Option<[f64; 2]>,
}

impl ReportMap {
    /// A map of amounts, all of them valid, in a robust range.
    pub fn new(name: impl Into<String>, unit: impl Into<String>, values: Array2<f32>) -> Self {
        ReportMap {
            name: name.into(),
            unit: unit.into(),
            description: String::new(),
            values,
            valid: None,
            colors: MapColors::default(),
            range: None,
        }
    }

    /// A map of labels, such as the clusters that frames belong to; label k is called `names[k]`, or by its number if there
    /// are not as many names.
    pub fn labels(name: impl Into<String>, labels: &Array2<Option<usize>>, names: &[&str]) -> Self {
        let n = labels.iter().flatten().max().map_or(0, |k| k.saturating_add(1));
        let called = |k: usize| names.get(k).map_or_else(|| k.to_string(), |name| (*name).to_owned());
        // Names of labels beyond what a map can hold would only take memory.
        let names = (0..n.min(MAX_CATEGORIES + 1)).map(called).collect();
        let values = labels.mapv(|label| label.map_or(f32::NAN, |k| k as f32));
        ReportMap { colors: MapColors::Categories(names), ..ReportMap::new(name, "", values) }
    }

    /// Checks everything but the shape.
    pub(super) fn validate(&self, shape: &[usize]) -> Result<()> {
        check_not_empty("map", self.values.shape())?;
        check_shape("map", shape, self.values.shape())?;
        if let Some(valid) = &self.valid {
            check_shape("valid positions of a map", shape, valid.shape())?;
        }
        if let Some([low, high]) = self.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Err(Error::parameter(
                "range of a map",
                "two finite numbers, rising",
                format!("{low}, {high}"),
            ));
        }
        match &self.colors {
            MapColors::Cyclic { period } if !(*period > 0.0 && period.is_finite()) => {
                Err(Error::parameter("period of a map", "finite and above 0", period))
            }
            MapColors::Categories(names) => {
                let few = names.len() <= MAX_CATEGORIES;
                let known = |v: f32| v >= 0.0 && v.fract() == 0.0 && (v as usize) < names.len();
                match self.values.iter().find(|v| v.is_finite() && !known(**v)) {
                    _ if !few => Err(Error::parameter("names of a map", "at most 65 536", names.len())),
                    Some(v) => Err(Error::parameter("category", "the number of a name", v)),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// What the page needs to know beside the values.
    pub(super) fn head(&self) -> Value {
        let trusted = self.trusted();
        let full = extremes(&trusted);
        let range = self.range.unwrap_or_else(|| robust_range(trusted, &self.colors));
        let (colors, names, period) = match &self.colors {
            MapColors::Amount => ("amount", None, None),
            MapColors::Signed => ("signed", None, None),
            MapColors::Cyclic { period } => ("cyclic", None, Some(period)),
            MapColors::Categories(names) => ("categories", Some(names), None),
        };
        let full = match self.colors {
            MapColors::Signed => symmetric(full),
            _ => full,
        };
        json!({
            "name": self.name, "unit": self.unit, "description": self.description, "colors": colors,
            "names": names, "period": period, "range": wide(range), "full": wide(full),
        })
    }

    fn trusted(&self) -> Vec<f64> {
        let valid = |place| self.valid.as_ref().is_none_or(|valid| valid[place]);
        let trusted = self.values.indexed_iter().filter(|(place, v)| v.is_finite() && valid(*place));
        trusted.map(|(_, &v)| f64::from(v)).collect()
    }
}

const MAX_CATEGORIES: usize = 65_536;

fn extremes(values: &[f64]) -> [f64; 2] {
    let [low, high] =
        values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], &v| [l.min(v), h.max(v)]);
    if low <= high { [low, high] } else { [0.0; 2] }
}

fn robust_range(mut values: Vec<f64>, colors: &MapColors) -> [f64; 2] {
    let mut quantile = |part: f64| {
        let k = (part * values.len().saturating_sub(1) as f64).round() as usize;
        if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(k, f64::total_cmp).1 }
    };
    match colors {
        MapColors::Cyclic { period } => [0.0, *period],
        MapColors::Signed => symmetric([quantile(BEYOND), quantile(1.0 - BEYOND)]),
        MapColors::Amount | MapColors::Categories(_) => [quantile(BEYOND), quantile(1.0 - BEYOND)],
    }
}

fn symmetric([low, high]: [f64; 2]) -> [f64; 2] {
    let size = low.abs().max(high.abs());
    [-size, size]
}

/// A range that is not empty.
fn wide([low, high]: [f64; 2]) -> [f64; 2] {
    let half = f64::max(0.5, 1e-6 * low.abs());
    if low < high { [low, high] } else { [low - half, high + half] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn ranges_leave_the_extreme_and_the_doubtful_out() {
        let mut values = Array2::from_shape_fn((20, 10), |(y, x)| (10 * y + x) as f32);
        values[(0, 0)] = -1e9;
        values[(3, 3)] = f32::NAN;
        let map = ReportMap::new("m", "", values.clone());
        assert_eq!(map.head()["range"], json!([2.0, 197.0]));
        assert_eq!(map.head()["full"], json!([-1e9, 199.0]));
        let signed = ReportMap { colors: MapColors::Signed, ..map.clone() };
        assert_eq!(signed.head()["range"], json!([-197.0, 197.0]));
        assert_eq!(signed.head()["full"], json!([-1e9, 1e9]));
        let mut valid = Array2::from_elem((20, 10), true);
        valid[(0, 0)] = false;
        let masked = ReportMap { valid: Some(valid), ..map.clone() };
        assert_eq!(masked.head()["full"], json!([1.0, 199.0]));
        let cyclic = ReportMap { colors: MapColors::Cyclic { period: 180.0 }, ..map.clone() };
        assert_eq!(cyclic.head()["range"], json!([0.0, 180.0]));
        assert_eq!(ReportMap { range: Some([3.0, 4.0]), ..map }.head()["range"], json!([3.0, 4.0]));
        let none = ReportMap::new("m", "", array![[f32::NAN]]);
        assert_eq!(none.head()["range"], json!([-0.5, 0.5]));
        let constant = ReportMap::new("m", "", array![[7.0, 7.0]]);
        assert_eq!(constant.head()["full"], json!([6.5, 7.5]));
    }

    #[test]
    fn maps_that_make_no_sense_are_refused() {
        let map = |values| ReportMap::new("m", "", values);
        let good = map(array![[0.0, 1.0]]);
        assert!(good.validate(&[1, 2]).is_ok());
        assert!(good.validate(&[2, 1]).is_err());
        assert!(map(Array2::zeros((0, 2))).validate(&[0, 2]).is_err());
        assert!(ReportMap { valid: Some(array![[true]]), ..good.clone() }.validate(&[1, 2]).is_err());
        for range in [[1.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0], [0.0, f64::INFINITY]] {
            assert!(ReportMap { range: Some(range), ..good.clone() }.validate(&[1, 2]).is_err());
        }
        for period in [0.0, -1.0, f64::NAN] {
            let colors = MapColors::Cyclic { period };
            assert!(ReportMap { colors, ..good.clone() }.validate(&[1, 2]).is_err());
        }
        for bad in [2.0, -1.0, 0.5, 1e30] {
            let colors = MapColors::Categories(vec!["a".into(), "b".into()]);
            let named = |v: f32| ReportMap { colors: colors.clone(), ..map(array![[v, f32::NAN]]) };
            assert!(named(1.0).validate(&[1, 2]).is_ok() && named(bad).validate(&[1, 2]).is_err());
        }
    }

    #[test]
    fn labels_have_names() {
        let map = ReportMap::labels("grain", &array![[Some(0), None, Some(2)]], &["first"]);
        assert_eq!(map.colors, MapColors::Categories(vec!["first".into(), "1".into(), "2".into()]));
        assert!(map.validate(&[1, 3]).is_ok() && map.values[(0, 1)].is_nan());
        let many = ReportMap::labels("grain", &array![[Some(usize::MAX)]], &[]);
        assert!(many.validate(&[1, 1]).is_err());
    }
}
