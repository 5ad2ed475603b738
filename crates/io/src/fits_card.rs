//! One card of a FITS header: 80 characters, read and written.

use crate::header::{Card, Header, Value};

/// Characters of a card.
pub(crate) const CARD: usize = 80;

/// Reads a card and adds it to `header`. Unreadable values are kept as text; blank cards are left out.
pub(crate) fn append(card: &[u8; CARD], header: &mut Header) {
    let text: String = card.iter().map(|&b| if b.is_ascii() { b as char } else { '?' }).collect();
    let keyword = text[..8].trim_end();
    let hierarch = text.strip_prefix("HIERARCH ").and_then(|t| t.split_once('='));
    if let Some((words, rest)) = hierarch {
        let (value, comment) = value_and_comment(rest);
        header.push(words.trim(), value, comment);
        return;
    }
    if keyword == "CONTINUE" && continue_text(&text[8..], header) {
        return;
    }
    let commentary = matches!(keyword, "COMMENT" | "HISTORY" | "");
    if &text[8..10] == "= " && !commentary {
        let (value, comment) = value_and_comment(&text[10..]);
        header.push(keyword, value, comment);
    } else if !text.trim().is_empty() {
        header.push(keyword, Value::Undefined, text[8..].trim_end());
    }
}

/// Adds a CONTINUE card's text to the card before, if that ends in `&`.
fn continue_text(rest: &str, header: &mut Header) -> bool {
    let (Value::Text(more), comment) = value_and_comment(rest) else { return false };
    let Some(Card { value: Value::Text(text), comment: before, .. }) = header.cards.last_mut() else {
        return false;
    };
    if !text.ends_with('&') {
        return false;
    }
    text.pop();
    text.push_str(&more);
    if !comment.is_empty() {
        if !before.is_empty() {
            before.push(' ');
        }
        before.push_str(&comment);
    }
    true
}

fn value_and_comment(text: &str) -> (Value, String) {
    let text = text.trim_start();
    let (value, rest) = match text.strip_prefix('\'') {
        Some(quoted) => {
            let (inside, rest) = unquote(quoted);
            (Value::Text(inside), rest)
        }
        None => {
            let (value, rest) = text.split_at(text.find('/').unwrap_or(text.len()));
            (number(value.trim()), rest)
        }
    };
    let comment = rest.split_once('/').map_or("", |(_, c)| c.trim());
    (value, comment.to_string())
}

/// The text up to the closing quote, `''` standing for one, and what follows. Trailing blanks do not
/// count.
fn unquote(quoted: &str) -> (String, &str) {
    let mut inside = String::new();
    let mut rest = quoted;
    while let Some((before, after)) = rest.split_once('\'') {
        inside.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                inside.push('\'');
                rest = after;
            }
            None => return (inside.trim_end().to_string(), after),
        }
    }
    inside.push_str(rest);
    (inside.trim_end().to_string(), "")
}

fn number(text: &str) -> Value {
    match text {
        "" => Value::Undefined,
        "T" => Value::Logical(true),
        "F" => Value::Logical(false),
        _ => {
            let looks_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
            let real = || text.replace(['D', 'd'], "E").parse().ok().filter(|_| looks_like_a_number);
            text.parse()
                .map(Value::Integer)
                .ok()
                .or_else(|| real().map(Value::Real))
                .unwrap_or_else(|| text.into())
        }
    }
}

/// The card as 80 characters; several for text that needs CONTINUE.
pub(crate) fn format(card: &Card) -> Vec<[u8; CARD]> {
    let ascii =
        |s: &str| s.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect::<String>();
    let (keyword, comment) = (ascii(&card.keyword.to_uppercase()), ascii(&card.comment));
    let start = if keyword.len() <= 8 { format!("{keyword:<8}= ") } else { format!("HIERARCH {keyword} = ") };
    let value = match &card.value {
        Value::Undefined if ["COMMENT", "HISTORY", ""].contains(&keyword.as_str()) => {
            return commentary(&keyword, &comment);
        }
        Value::Undefined => String::new(),
        Value::Logical(v) => format!("{:>20}", if *v { "T" } else { "F" }),
        Value::Integer(v) => format!("{v:>20}"),
        // FITS has no NaN or infinity: an undefined value.
        Value::Real(v) if !v.is_finite() => String::new(),
        Value::Real(v) => format!("{:>20}", format!("{v:?}").replace('e', "E")),
        Value::Text(v) => return text(&start, &ascii(v).replace('\'', "''"), &comment),
    };
    let comment = if comment.is_empty() { comment } else { format!(" / {comment}") };
    vec![padded(&format!("{start}{value}{comment}"))]
}

fn commentary(keyword: &str, comment: &str) -> Vec<[u8; CARD]> {
    if comment.is_empty() {
        return vec![padded(keyword)];
    }
    comment
        .as_bytes()
        .chunks(72)
        .map(|part| padded(&format!("{keyword:<8}{}", String::from_utf8_lossy(part))))
        .collect()
}

fn text(start: &str, mut quoted: &str, comment: &str) -> Vec<[u8; CARD]> {
    let comment = if comment.is_empty() { String::new() } else { format!(" / {comment}") };
    let mut start = start.to_string();
    let mut cards = Vec::new();
    // Two quotes and an ampersand beside the text; a pair of quotes is not torn apart.
    while start.len() + quoted.len() + 2 > CARD && start.len() + 4 < CARD {
        let mut cut = CARD - 3 - start.len();
        if quoted[..cut].bytes().rev().take_while(|&b| b == b'\'').count() % 2 == 1 {
            cut -= 1;
        }
        cards.push(padded(&format!("{start}'{}&'", &quoted[..cut])));
        quoted = &quoted[cut..];
        start = "CONTINUE  ".into();
    }
    cards.push(padded(&format!("{start}'{quoted:<8}'{comment}")));
    cards
}

fn padded(text: &str) -> [u8; CARD] {
    let mut card = [b' '; CARD];
    let n = text.len().min(CARD);
    card[..n].copy_from_slice(&text.as_bytes()[..n]);
    card
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cards: &[&str]) -> Vec<Card> {
        let mut header = Header::default();
        cards.iter().for_each(|c| append(&padded(c), &mut header));
        header.cards
    }

    #[track_caller]
    fn check(card: &str, keyword: &str, value: Value, comment: &str) {
        assert_eq!(read(&[card]), [Card { keyword: keyword.into(), value, comment: comment.into() }]);
    }

    #[test]
    fn every_kind_of_value() {
        check("BITPIX  =                  -32 / bits", "BITPIX", Value::Integer(-32), "bits");
        check("CRVAL1  =        1.5D+02", "CRVAL1", Value::Real(150.0), "");
        check("EXTEND  =                    T", "EXTEND", Value::Logical(true), "");
        check("OBJECT  = 'O''Hara / x'   / who", "OBJECT", "O'Hara / x".into(), "who");
        check("EMPTY   =                      / nothing", "EMPTY", Value::Undefined, "nothing");
        check("COMMENT = is not a value", "COMMENT", Value::Undefined, "= is not a value");
        check("HISTORY flat-fielded", "HISTORY", Value::Undefined, "flat-fielded");
        check("HIERARCH ESO DET CHIP = 3 / n", "ESO DET CHIP", Value::Integer(3), "n");
        check("OPEN    = 'no closing quote", "OPEN", "no closing quote".into(), "");
    }

    #[test]
    fn long_text_is_continued() {
        let card =
            Card { keyword: "LONG".into(), value: "it's ".repeat(40).trim_end().into(), comment: "c".into() };
        let mut header = Header::default();
        let cards = format(&card);
        assert!(cards.len() > 2);
        cards.iter().for_each(|c| append(c, &mut header));
        assert_eq!(header.cards, [card]);
    }

    #[test]
    fn written_cards_read_back() {
        for value in
            [Value::Integer(i64::MIN), Value::Real(-1.25e-300), Value::Logical(false), "a 'b'".into()]
        {
            let card = Card { keyword: "KEY".into(), value, comment: "remark".into() };
            let mut header = Header::default();
            format(&card).iter().for_each(|c| append(c, &mut header));
            assert_eq!(header.cards, [card]);
        }
    }
}
