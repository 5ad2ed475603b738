//! A report in Chromium, by real events of pointer and keyboard.
//!
//! Needs `chromium` and `chromedriver` (Debian: chromium, chromium-driver); `cargo xtask test` runs it where they are.
//! With `NONIUS_SCREENSHOTS` naming a folder, pictures of the page are left there, to look at.

mod webdriver;

use ndarray::Array2;
use nonius::NoProgress;
use nonius::report::{FramePictureParams, ReportMap, ScanReport};
use nonius::synthetic::{PolycrystalParams, PolycrystalScan};
use serde_json::json;

use crate::made;
use webdriver::Browser;

/// Keys as WebDriver writes them.
mod key {
    pub(super) const SHIFT: char = '\u{e008}';
    pub(super) const PAGE_UP: char = '\u{e00e}';
    pub(super) const PAGE_DOWN: char = '\u{e00f}';
    pub(super) const LEFT: char = '\u{e012}';
    pub(super) const RIGHT: char = '\u{e014}';
    pub(super) const DOWN: char = '\u{e015}';
    pub(super) const SPACE: char = ' ';
}

struct Page {
    browser: Browser,
    _folder: tempfile::TempDir,
}

impl Page {
    fn of(report: &ScanReport<'_>) -> Page {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        report.write(&path, &NoProgress).unwrap();
        let browser = Browser::start().expect("chromedriver (Debian: chromium, chromium-driver)");
        browser.open(&path);
        browser.wait("document.documentElement.dataset.ready");
        Page { browser, _folder: folder }
    }

    /// The middle of a position on the map, in its CSS pixels.
    fn place(&self, y: usize, x: usize) -> (f64, f64) {
        let [ny, nx, height, width] = ["ny", "nx", "size.height", "size.width"]
            .map(|name| self.browser.evaluate(&format!("return {name}")).as_f64().unwrap());
        ((x as f64 + 0.5) * width / nx, (y as f64 + 0.5) * height / ny)
    }

    /// What is read at the position that is pointed at or selected: y, x and value.
    fn reading(&self) -> (f64, f64, f64) {
        let read = self.browser.evaluate("const d = readout.dataset; return [+d.y, +d.x, +d.value]");
        let of = |k: usize| read[k].as_f64().unwrap_or(f64::NAN);
        (of(0), of(1), of(2))
    }

    fn pixel(&self, canvas: &str, (x, y): (f64, f64)) -> [u8; 4] {
        let pixel = format!(
            "return Array.from({canvas}.getContext('2d').getImageData({} * devicePixelRatio, {} * devicePixelRatio, 1, 1).data)",
            x.floor(),
            y.floor()
        );
        let pixel = self.browser.evaluate(&pixel);
        [0, 1, 2, 3].map(|k| pixel[k].as_u64().unwrap() as u8)
    }

    fn left_for_looking(&self, name: &str) {
        let Some(folder) = std::env::var_os("NONIUS_SCREENSHOTS") else { return };
        let file = std::path::Path::new(&folder).join(format!("{name}.png.base64"));
        std::fs::write(file, self.browser.screenshot()).unwrap();
    }

    #[track_caller]
    fn complains_of_nothing(&self) {
        assert_eq!(self.browser.complaints(), Vec::<String>::new());
    }
}

fn scan(params: PolycrystalParams) -> PolycrystalScan {
    PolycrystalScan::new(&PolycrystalParams { scan: [24, 32], grains: 5, ..params }).unwrap()
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn maps_are_chosen_read_and_clicked() {
    let made = scan(PolycrystalParams::default());
    let scan = made::scan_of(&made);
    let report = made::report(&made, &scan, FramePictureParams::default());
    let page = Page::of(&report);
    let browser = &page.browser;
    page.left_for_looking("labels");

    // Every map by its radio button; the pointer reads it.
    for (k, map) in report.maps.iter().enumerate() {
        browser.click(&format!("#maps label:nth-of-type({})", k + 1));
        browser.wait(&format!("document.documentElement.dataset.map === '{k}'"));
        assert!(browser.text("#map-name").starts_with(&map.name));
        for (y, x) in [(0, 0), (7, 13), (23, 31)] {
            browser.point("#map", page.place(y, x), false);
            let read = page.reading();
            assert_eq!(
                (read.0, read.1, read.2 as f32),
                (y as f64, x as f64, map.values[(y, x)]),
                "{}",
                map.name
            );
            let text = browser.text("#readout");
            assert!(text.starts_with(&format!("y {y}, x {x} ({} nm, {} nm): ", 4 * y, 4 * x)), "{text}");
            let of_unit = if map.unit == "°" { "°".into() } else { format!(" {}", map.unit) };
            assert!(map.unit.is_empty() || text.contains(&of_unit), "{text}");
        }
    }

    // By keys, too: first among the buttons, then from the map.
    browser.evaluate("document.querySelector('#maps input:checked').focus()");
    browser.press(&[key::DOWN]);
    browser.wait("document.documentElement.dataset.map === '0'");
    browser.press(&[key::DOWN]);
    browser.wait("document.documentElement.dataset.map === '1'");
    browser.evaluate("document.querySelector('#map').focus()");
    browser.press(&[key::PAGE_UP]);
    browser.press(&[key::PAGE_UP]);
    browser.wait(&format!("document.documentElement.dataset.map === '{}'", report.maps.len() - 1));
    browser.press(&[key::PAGE_DOWN]);
    browser.wait("document.documentElement.dataset.map === '0'");

    // A click opens the frame, with the lattice and all values there.
    browser.point("#map", page.place(5, 9), true);
    browser.wait("document.documentElement.dataset.frame === '5,9'");
    assert_eq!(browser.text("#frame-name"), "Frame at y 5, x 9 (20 nm, 36 nm)");
    let about = browser.text("#frame-about");
    let truth = made.truth();
    let vector =
        |of: &ndarray::Array3<f64>| format!("({:.2}, {:.2})", of[[5, 9, 0]], of[[5, 9, 1]]).replace('-', "−");
    for told in [
        format!("zero {}", vector(&truth.zero)),
        format!("a {}", vector(&truth.a)),
        " positions matched".into(),
    ] {
        assert!(about.contains(&told), "{about}: {told}");
    }
    let values = browser.text("#values");
    assert!(values.contains(&format!("grain {}", truth.labels[(5, 9)].unwrap())), "{values}");
    assert_eq!(browser.evaluate("return document.querySelectorAll('#values tr').length"), report.maps.len());
    page.left_for_looking("frame");

    // Arrows move on, with Shift by ten, and stop at the edge.
    for (keys, expected) in [
        (vec![key::RIGHT], "5,10"),
        (vec![key::DOWN], "6,10"),
        (vec![key::SHIFT, key::DOWN], "16,10"),
        (vec![key::SHIFT, key::DOWN], "23,10"),
        (vec![key::SHIFT, key::LEFT], "23,0"),
    ] {
        browser.press(&keys);
        browser.wait(&format!("document.documentElement.dataset.frame === '{expected}'"));
    }
    page.complains_of_nothing();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn pictures_show_what_they_should() {
    let made = scan(PolycrystalParams { missing: 40, ..Default::default() });
    let scan = made::scan_of(&made);
    let mut report = made::report(&made, &scan, FramePictureParams::default());
    // Known values: a ramp with a hole, an outlier, and a place that is not valid.
    let mut ramp = Array2::from_shape_fn((24, 32), |(_, x)| x as f32);
    (ramp[(3, 3)], ramp[(4, 4)], ramp[(5, 5)]) = (f32::NAN, 1e6, 16.0);
    let valid = Array2::from_shape_fn((24, 32), |at| at != (5, 5));
    report.maps.insert(
        0,
        ReportMap { valid: Some(valid), range: Some([0.0, 31.0]), ..ReportMap::new("ramp", "mm", ramp) },
    );
    let page = Page::of(&report);
    let browser = &page.browser;

    // Ends of viridis at the ends of the range; holes and doubts are transparent, hatched by what lies behind.
    assert_eq!(page.pixel("map", page.place(10, 0)), [68, 1, 84, 255]);
    assert_eq!(page.pixel("map", page.place(10, 31)), [253, 231, 37, 255]);
    assert_eq!(page.pixel("map", page.place(4, 4)), [253, 231, 37, 255]);
    assert_eq!((page.pixel("map", page.place(3, 3))[3], page.pixel("map", page.place(5, 5))[3]), (0, 0));
    assert_eq!(browser.text("#counts"), "1 above, 1 not valid, 1 without a value");
    browser.point("#map", page.place(3, 3), false);
    assert!(browser.text("#readout").ends_with(": no value"));
    browser.point("#map", page.place(5, 5), false);
    assert!(browser.text("#readout").ends_with(": 16 mm (not valid)"));
    let ticks =
        browser.evaluate("return Array.from(document.querySelectorAll('#ticks span'), t => t.textContent)");
    assert_eq!(ticks, json!(["0", "10", "20", "30"]));

    // The switch, by the keyboard: the outlier takes the whole range.
    browser.evaluate("document.querySelector('#full-range').focus()");
    browser.press(&[key::SPACE]);
    browser.wait("document.querySelector('#full-range').checked");
    assert_eq!(page.pixel("map", page.place(10, 31)), [68, 1, 84, 255]);
    assert_eq!(browser.text("#counts"), "1 not valid, 1 without a value");
    page.left_for_looking("outlier");

    // A third of 32 positions of 4 nm is 42.7 nm: the bar has 20, which are 5 positions.
    assert_eq!(browser.text("#scale-bar span"), "20 nm");
    let bar = browser
        .evaluate("return document.querySelector('#scale-bar b').getBoundingClientRect().width / zoom.x");
    assert!((bar.as_f64().unwrap() - 5.0).abs() < 1e-6);

    // The frame: the direct beam is the brightest, the corner is not; the lattice covers it.
    browser.click("#marks");
    browser.point("#map", page.place(2, 2), true);
    browser.wait("document.documentElement.dataset.frame === '2,2'");
    let zoom = browser.evaluate("return shown.zoom").as_f64().unwrap();
    let zero = [0, 1].map(|axis| (made.truth().zero[[2, 2, axis]] + 0.5) * zoom);
    assert_eq!(page.pixel("frame", (zero[1], zero[0])), [255, 255, 255, 255]);
    let corner = page.pixel("frame", (3.0, 3.0));
    assert!(corner[0] < 160 && corner[0] == corner[2], "{corner:?}");
    browser.point("#frame", (zero[1], zero[0]), false);
    let text = browser.text("#frame-readout");
    assert!(text.contains("about 255; index (") && text.contains("0.0"), "{text}");
    browser.click("#marks");
    let a = [0, 1].map(|axis| zero[axis] + 0.5 * zoom * made.truth().a[[2, 2, axis]]);
    let sky_blue = page.pixel("frame", (a[1], a[0]));
    // Edges of lines are mixed with what lies beside them.
    assert!(sky_blue.iter().zip([86u8, 180, 233]).all(|(c, e)| c.abs_diff(e) < 25), "{sky_blue:?}");
    for kind in ["root", "linear"] {
        browser.evaluate(&format!("const s = document.querySelector('#brightness'); s.value = '{kind}'; s.dispatchEvent(new Event('change'))"));
        assert!(page.pixel("frame", (3.0, 3.0))[0] < corner[0]);
        page.left_for_looking(kind);
    }

    // Where nothing was recorded.
    browser.point("#map", page.place(23, 30), true);
    browser.wait("document.documentElement.dataset.frame === '23,30'");
    assert_eq!(browser.text("#frame-about"), "No frame was recorded here.");
    assert_eq!(browser.evaluate("return pattern.hidden"), true);
    page.complains_of_nothing();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn fewer_frames_are_said_to_be_fewer() {
    let made = scan(PolycrystalParams::default());
    let scan = made::scan_of(&made);
    let params = FramePictureParams { stride: Some(4), binning: Some(2), ..Default::default() };
    let page = Page::of(&made::report(&made, &scan, params));
    let browser = &page.browser;
    browser.point("#map", page.place(9, 31), true);
    browser.wait("document.documentElement.dataset.frame === '8,28'");
    let about = browser.text("#frame-about");
    assert!(
        about.starts_with("Frames of every 4th position are in this file; shown is that of y 8, x 28"),
        "{about}"
    );
    let kept = browser.text("#kept");
    assert!(
        kept.starts_with(
            "Every 4th frame along either axis is in this file, 144 × 144 px, averaged over 2 × 2"
        ),
        "{kept}"
    );
    page.left_for_looking("thinned");
    page.complains_of_nothing();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn maps_stand_alone_without_frames() {
    // And where nothing is crystalline, without a single value in most of them.
    let params = PolycrystalParams { scan: [24, 32], grains: 0, ..Default::default() };
    let made = PolycrystalScan::new(&params).unwrap();
    let scan = made::scan_of(&made);
    let mut report = made::report(&made, &scan, FramePictureParams::default());
    report.frames = None;
    report.title = "</title><script>document.documentElement.dataset.ready = 'hacked'</script>".into();
    report.maps[0].name = "<b>bold</b>".into();
    let page = Page::of(&report);
    let browser = &page.browser;
    assert_eq!(browser.evaluate("return document.documentElement.dataset.ready"), "true");
    assert_eq!(browser.text("#map-name"), "<b>bold</b>");
    browser.point("#map", page.place(3, 5), true);
    assert_eq!(browser.text("#frame-name"), "y 3, x 5 (12 nm, 20 nm)");
    assert_eq!(browser.evaluate("return pattern.hidden"), true);
    assert_eq!(browser.text("#categories"), "none: 768");
    browser.click("#maps label:nth-of-type(3)");
    assert_eq!(browser.text("#counts"), "768 without a value");
    page.left_for_looking("alone");
    page.complains_of_nothing();
}
