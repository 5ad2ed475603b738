//! What a file says about its pixels, in its own words and order.

use serde::Serialize;

/// One statement of a header: a FITS card, a TIFF tag, a field of an MRC header, a PNG text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// The name as the format spells it: `CRVAL1`, `ImageDescription`, `ISPG`.
    pub keyword: String,
    /// What it says.
    pub value: Value,
    /// The remark beside it; for FITS `COMMENT` and `HISTORY` the whole text. Often empty.
    pub comment: String,
}

/// The value of a [`Card`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Logical(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or exponent.
    Real(f64),
    /// Text.
    Text(String),
    /// A keyword without a value.
    Undefined,
}

/// The cards of a header, in the order of the file; a keyword may occur several times.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Header {
    /// The cards.
    pub cards: Vec<Card>,
}

impl Header {
    /// The value of the first card with this keyword.
    pub fn find(&self, keyword: &str) -> Option<&Value> {
        self.cards.iter().find(|c| c.keyword == keyword).map(|c| &c.value)
    }

    /// Adds a card at the end.
    pub fn push(&mut self, keyword: impl Into<String>, value: impl Into<Value>, comment: impl Into<String>) {
        self.cards.push(Card { keyword: keyword.into(), value: value.into(), comment: comment.into() });
    }
}

impl Value {
    /// The whole number; also of a real value that is whole.
    pub fn integer(&self) -> Option<i64> {
        match *self {
            Value::Integer(v) => Some(v),
            Value::Real(v) if v.fract() == 0.0 && v.abs() < 9e15 => Some(v as i64),
            _ => None,
        }
    }

    /// The number.
    pub fn real(&self) -> Option<f64> {
        match *self {
            Value::Integer(v) => Some(v as f64),
            Value::Real(v) => Some(v),
            _ => None,
        }
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(v) => Some(v),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Logical(v) => write!(f, "{v}"),
            Value::Integer(v) => write!(f, "{v}"),
            Value::Real(v) => write!(f, "{v:?}"),
            Value::Text(v) => f.write_str(v),
            Value::Undefined => Ok(()),
        }
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Logical(v)
    }
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Integer(v)
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Value::Real(v)
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Text(v.into())
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::Text(v)
    }
}
