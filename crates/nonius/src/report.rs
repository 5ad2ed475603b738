//! Results as one HTML file that needs no network and nothing beside it: text, tables and pictures ([`Report`]), and maps
//! over a scan to look around in ([`ScanReport`]).

mod base64;
mod frames;
mod maps;
mod scan;

use std::fmt::Write as _;
use std::path::Path;

use crate::io;
use crate::plot::Picture;

pub use crate::plot::MapColors;
use base64::base64;
pub use frames::{FrameMatch, FramePictureParams, FrameSpot, ReportFrames};
pub use maps::ReportMap;
pub use scan::{ReportTable, ScanReport};

/// A page under construction: parts stand in the order in which they are added.
///
/// All text is escaped; `title` and headings too.
///
/// ```
/// use nonius::report::Report;
/// let mut report = Report::new("Drift of a stage");
/// report.heading("Frames 0 to 9");
/// report.text("Each against the first.");
/// report.table(&["frame", "dy / px"], &[vec!["1".into(), "0.25".into()]]);
/// assert!(report.html().contains("<td>0.25</td>"));
/// ```
#[derive(Debug, Clone)]
pub struct Report {
    title: String,
    body: String,
}

impl Report {
    /// An empty page.
    pub fn new(title: &str) -> Self {
        Report { title: title.into(), body: String::new() }
    }

    /// Begins a section.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(text));
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    /// A command line or other text in its own lines.
    pub fn code(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre>{}</pre>", escaped(text));
    }

    /// A table; cells that begin like a number stand to the right.
    pub fn table<C: AsRef<str>>(&mut self, columns: &[C], rows: &[Vec<String>]) {
        self.body.push_str("<div class=\"wide\"><table>\n<tr>");
        for column in columns {
            let _ = write!(self.body, "<th scope=\"col\">{}</th>", escaped(column.as_ref()));
        }
        self.body.push_str("</tr>\n");
        for row in rows {
            self.body.push_str("<tr>");
            for cell in row {
                let left = if is_number(cell) { "" } else { " class=\"l\"" };
                let _ = write!(self.body, "<td{left}>{}</td>", escaped(cell));
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</table></div>\n");
    }

    /// A picture, with a caption that also stands for it where it cannot be seen.
    pub fn picture(&mut self, picture: &Picture, caption: &str) {
        let caption = escaped(caption);
        let data = base64(picture.png());
        let _ = writeln!(
            self.body,
            "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{data}\">\n\
             <figcaption>{caption}</figcaption></figure>"
        );
    }

    /// The page.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n{}\
             <footer>nonius {}</footer>\n</body></html>\n",
            self.body,
            env!("CARGO_PKG_VERSION")
        )
    }

    /// Writes the page; an existing file is replaced when the new one is complete.
    ///
    /// # Errors
    /// [`io::Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        io::write_atomically(path, |file| std::io::Write::write_all(file, self.html().as_bytes()))
    }
}

const STYLE: &str = "\
body{max-width:68rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-top:1px solid #ddd;padding-top:1rem}\
pre{background:#f4f4f2;padding:.7rem 1rem;overflow-x:auto;font-size:.85rem}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}\
th,td{padding:.2rem .8rem;border-bottom:1px solid #e4e4e4;text-align:right;white-space:nowrap}\
td.l,th:first-child{text-align:left}\
figure{margin:1.2rem 0}img{max-width:100%;height:auto}figcaption,footer{color:#666;font-size:.9rem}\
footer{margin-top:3rem}";

fn is_number(cell: &str) -> bool {
    cell.trim_start_matches(['+', '-', '−', '±', ' ']).starts_with(|c: char| c.is_ascii_digit())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_the_page() {
        let mut report = Report::new("<script>");
        report.table(&["a\"b"], &[vec!["<b>".into()]]);
        let html = report.html();
        assert!(!html.contains("<script>") && !html.contains("<b>") && html.contains("a&quot;b"));
    }
}
