//! The file that a report is written to.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array2, Array3, array};
use nonius::blobfinder::{
    Lattice, RefineParams, RefinedLattices, Template, TemplateKind, TemplateParams, ZeroShift,
    refine_lattices,
};
use nonius::core::{Axis, Error, Scan, ScanParams};
use nonius::report::{
    FrameMatch, FramePictureParams, FrameSpot, MapColors, ReportFrames, ReportMap, ReportTable, ScanReport,
};
use nonius::synthetic::{PolycrystalParams, PolycrystalScan};
use nonius::{NoProgress, Progress, io};
use serde_json::Value;

use crate::made;

fn axes(ny: usize, nx: usize) -> [Axis; 2] {
    [Axis::pixels("scan y", ny), Axis::pixels("scan x", nx)]
}

fn text(report: &ScanReport<'_>) -> String {
    let mut page = Vec::new();
    report.write_to(&mut page, &NoProgress).unwrap();
    String::from_utf8(page).unwrap()
}

/// What stands in the element of this id.
fn element<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("id=\"{id}\">")).unwrap_or_else(|| panic!("no {id}"));
    rest.split_once("</script>").unwrap().0
}

fn head(page: &str) -> Value {
    serde_json::from_str(element(page, "report")).unwrap()
}

fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no digit"),
    };
    let digits: Vec<u32> = text.trim_end_matches('=').bytes().map(|c| u32::from(digit(c))).collect();
    let of = |group: &[u32]| -> Vec<u8> {
        let bits = (0..4).fold(0, |bits, i| bits << 6 | group.get(i).copied().unwrap_or(0));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(of).collect()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn inflated(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(&decoded(text)[..]).read_to_end(&mut out).unwrap();
    out
}

fn small() -> PolycrystalScan {
    let params = PolycrystalParams {
        scan: [5, 7],
        shape: [96, 100],
        zero: [48.0, 50.0],
        grains: 3,
        ..Default::default()
    };
    PolycrystalScan::new(&params).unwrap()
}

#[test]
fn a_page_needs_nothing_beside_it() {
    let made = small();
    let scan = made::scan_of(&made);
    let page = text(&made::report(&made, &scan, FramePictureParams::default()));
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
    for foreign in ["http:", "https:", "//cdn", "@import", "url(", "<link", " srcset=", "{{", "}}\n"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // The only sources are pictures within the page.
    for source in page.split(" src=").skip(1) {
        assert!(source.starts_with("\"data:image/png;base64,"), "{}", &source[..40]);
    }
    for (opened, closed) in [
        ("<script", "</script>"),
        ("<table", "</table>"),
        ("<figure", "</figure>"),
        ("<section", "</section>"),
    ] {
        assert_eq!(page.matches(opened).count(), page.matches(closed).count(), "{opened}");
    }
    // What needs no script: the facts, the table, the pictures.
    for told in [
        "<td class=\"l\">positions</td><td>5 × 7</td>",
        "<h2>Grains</h2>",
        "Grain 0, with a and b.",
        "<h1>Grains of a simulated film</h1>",
    ] {
        assert!(page.contains(told), "{told}");
    }
}

#[test]
fn values_are_kept_exactly() {
    let made = small();
    let scan = made::scan_of(&made);
    let report = made::report(&made, &scan, FramePictureParams::default());
    let page = text(&report);
    let head = head(&page);
    assert_eq!(head["axes"][0]["size"], 5);
    for (k, map) in report.maps.iter().enumerate() {
        let kept = numbers(&decoded(element(&page, &format!("map-{k}"))));
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        assert!(kept.len() == 35 && kept.iter().zip(&map.values).all(same), "{}", map.name);
        assert_eq!(head["maps"][k]["name"], map.name);
        assert_eq!(head["maps"][k]["masked"], map.valid.is_some());
        if let Some(valid) = &map.valid {
            let kept = decoded(element(&page, &format!("valid-{k}")));
            assert!(kept.iter().zip(valid).all(|(a, b)| (*a == 1) == *b));
        }
    }
    assert_eq!(head["maps"][0]["names"], serde_json::json!(["grain 0", "grain 1", "grain 2"]));
}

#[test]
fn frames_are_kept_with_their_lattices() {
    let made = small();
    let scan = made::scan_of(&made);
    let page = text(&made::report(&made, &scan, FramePictureParams::default()));
    assert_eq!(head(&page)["frames"]["binning"], 1);
    assert_eq!(head(&page)["frames"]["stride"], 1);
    for (y, x) in [(0, 0), (3, 4), (4, 6)] {
        let texts: Vec<&str> = element(&page, &format!("frames-{y}")).split(' ').collect();
        assert_eq!(texts.len(), 7);
        let record = inflated(texts[x]);
        let expected = made.frame_with_truth(7 * y + x).unwrap();
        let numbers = numbers(&record[..record.len() - 96 * 100]);
        let n = numbers[8] as usize;
        assert_eq!(numbers.len(), 9 + 6 * n);
        assert_eq!([numbers[2], numbers[3]], [0, 1].map(|axis| made.truth().zero[[y, x, axis]] as f32));
        assert_eq!([numbers[4], numbers[5]], [0, 1].map(|axis| made.truth().a[[y, x, axis]] as f32));
        let whole = |spot: &&nonius::synthetic::PolycrystalSpot| {
            spot.grain == made.truth().labels[(y, x)] && spot.index == spot.index.map(f64::round)
        };
        assert_eq!(n, expected.spots.iter().filter(whole).count());
        // ln(v − least + 1) in 62 steps, rounded.
        let steps = f64::from(numbers[1] - numbers[0]).ln_1p() / 62.0;
        for (&q, &v) in record[record.len() - 9600..].iter().zip(&expected.frame) {
            let back = f64::from(numbers[0]) + (f64::from(q - 1) * steps).exp_m1();
            let error = (back - f64::from(v)).abs();
            assert!(error <= 0.53 * steps * (f64::from(v) + 1.0), "{back} {v}");
        }
    }
}

#[test]
fn what_is_kept_depends_on_the_room() {
    let made = small();
    let scan = made::scan_of(&made);
    let page = |params: FramePictureParams| text(&made::report(&made, &scan, params));
    let kept = |page: &str| {
        let frames = head(page)["frames"].clone();
        (frames["binning"].as_u64().unwrap(), frames["stride"].as_u64().unwrap())
    };
    let rows = |page: &str| page.matches("id=\"frames-").count();
    let whole = page(FramePictureParams::default());
    let room = |part: f64| FramePictureParams {
        max_megabytes: part * whole.len() as f64 / 1e6,
        ..Default::default()
    };
    assert_eq!((kept(&whole), rows(&whole)), ((1, 1), 5));
    // 100 px may not become fewer than 64: only whole frames, fewer of them.
    let thinned = page(room(0.36));
    assert_eq!((kept(&thinned), rows(&thinned)), ((1, 2), 3));
    assert_eq!(kept(&page(room(1e-6))), (1, 7));
    let fixed = FramePictureParams { binning: Some(3), stride: Some(4), ..Default::default() };
    let page_of_it = page(fixed);
    assert_eq!((kept(&page_of_it), rows(&page_of_it)), ((3, 4), 2));
    let record = inflated(element(&page_of_it, "frames-4").split(' ').nth(1).unwrap());
    let n = numbers(&record[..36])[8] as usize;
    assert_eq!(record.len(), 36 + 24 * n + 32 * 34);

    let large = PolycrystalParams {
        scan: [3, 3],
        shape: [256, 256],
        zero: [128.0; 2],
        grains: 1,
        ..Default::default()
    };
    let made = PolycrystalScan::new(&large).unwrap();
    let scan = made::scan_of(&made);
    let of = |part: f64| {
        let params = FramePictureParams { max_megabytes: part, ..Default::default() };
        kept(&text(&made::report(&made, &scan, params)))
    };
    assert_eq!((of(50.0), of(0.2), of(0.08), of(0.03)), ((1, 1), (2, 1), (4, 1), (4, 2)));
}

#[test]
fn a_report_of_the_documents_size_is_of_a_sensible_size() {
    // A part of it, at the full size of frames: rows are alike.
    let made = PolycrystalScan::new(&PolycrystalParams { scan: [3, 121], ..Default::default() }).unwrap();
    let scan = made::scan_of(&made);
    let params = FramePictureParams { max_megabytes: 60.0 * 3.0 / 90.0, ..Default::default() };
    let page = text(&made::report(&made, &scan, params));
    let frames = &head(&page)["frames"];
    assert_eq!((frames["binning"].as_u64(), frames["stride"].as_u64()), (Some(2), Some(1)));
    let of_frames: usize = (0..3).map(|y| element(&page, &format!("frames-{y}")).len()).sum();
    // As much as all rows take.
    let megabytes = of_frames as f64 * 30.0 / 1e6;
    assert!((40.0..58.0).contains(&megabytes), "{megabytes}");
}

#[test]
fn positions_without_a_frame_have_none() {
    let params = PolycrystalParams { missing: 9, ..small().params().clone() };
    let made = PolycrystalScan::new(&params).unwrap();
    let scan = made::scan_of(&made);
    let page = text(&made::report(&made, &scan, FramePictureParams::default()));
    let texts: Vec<&str> =
        (0..5).flat_map(|y| element(&page, &format!("frames-{y}")).split(' ').collect::<Vec<_>>()).collect();
    assert_eq!(texts.iter().filter(|text| **text == "-").count(), 9);
    assert!(texts[..26].iter().all(|text| text.len() > 100) && texts[26..].iter().all(|text| *text == "-"));
}

#[test]
fn threads_do_not_matter() {
    let made = small();
    let scan = made::scan_of(&made);
    let report = made::report(&made, &scan, FramePictureParams::default());
    let with = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| text(&report))
    };
    assert!(with(1) == with(3));
}

#[test]
fn text_cannot_break_the_page() {
    let evil = "</script><script>alert(1)</script><!-- \u{2028} & \"quoted\" 'too' {{title}} {{nothing}}";
    let mut report = ScanReport::new(
        evil,
        [
            Axis { unit: evil.into(), name: evil.into(), scale: f64::NAN, ..Axis::pixels("", 1) },
            Axis { unit: evil.into(), scale: f64::INFINITY, ..Axis::pixels("x", 2) },
        ],
    );
    report.text.push(evil.into());
    report.facts.push([evil.into(), evil.into()]);
    report
        .maps
        .push(ReportMap { description: evil.into(), ..ReportMap::new(evil, evil, array![[1.0, f32::NAN]]) });
    report.maps.push(ReportMap::labels(evil, &array![[Some(0), None]], &[evil]));
    let rows = vec![vec![evil.into()]];
    report.tables.push(ReportTable { title: evil.into(), columns: vec![evil.into()], rows });
    let picture = nonius::plot::Map {
        title: "m".into(),
        values: Array2::zeros((2, 2)),
        axes: axes(2, 2),
        colors: MapColors::Amount,
    };
    report.pictures.push((picture.draw().unwrap(), evil.into()));
    let page = text(&report);
    assert!(!page.contains("<script>alert") && !page.contains("<!--"));
    // As many scripts as the report has without evil: head, maps, the program.
    assert_eq!(page.matches("</script>").count(), 4);
    assert_eq!(head(&page)["maps"][0]["name"], evil);
    assert_eq!(head(&page)["axes"][0]["scale"], Value::Null);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let map = |h, w| ReportMap::new("m", "", Array2::zeros((h, w)));
    let with = |maps: Vec<ReportMap>| ScanReport { maps, ..ScanReport::new("r", axes(3, 4)) };
    assert!(with(vec![map(3, 4)]).validate().is_ok());
    assert!(matches!(with(vec![]).validate(), Err(Error::Parameter { name: "maps", .. })));
    assert!(matches!(with(vec![map(3, 4), map(4, 3)]).validate(), Err(Error::Shape { .. })));
    let empty = ScanReport { maps: vec![map(0, 4)], ..ScanReport::new("r", axes(0, 4)) };
    assert!(matches!(empty.validate(), Err(Error::Empty { .. })));
    let cyclic = ReportMap { colors: MapColors::Cyclic { period: 0.0 }, ..map(3, 4) };
    assert!(with(vec![cyclic]).validate().is_err());
    let ragged = ReportTable { title: String::new(), columns: vec!["a".into()], rows: vec![vec![]] };
    assert!(ScanReport { tables: vec![ragged], ..with(vec![map(3, 4)]) }.validate().is_err());

    let frames = Array3::<u8>::zeros((12, 5, 5));
    let scan = |shape: &[usize]| {
        Scan::new(Box::new(frames.view()), &ScanParams { shape: Some(shape.to_vec()), ..Default::default() })
            .unwrap()
    };
    let (fits, turned, line) = (scan(&[3, 4]), scan(&[4, 3]), scan(&[12]));
    fn of<'a>(scan: &'a Scan<'a>, params: FramePictureParams) -> Option<ReportFrames<'a>> {
        Some(ReportFrames { scan, matches: None, params })
    }
    let default = FramePictureParams::default;
    let framed = |frames| ScanReport { frames, ..with(vec![map(3, 4)]) }.validate();
    assert!(framed(of(&fits, default())).is_ok());
    assert!(matches!(framed(of(&turned, default())), Err(Error::Shape { .. })));
    assert!(matches!(framed(of(&line, default())), Err(Error::Shape { .. })));
    let long = ScanReport {
        maps: vec![map(1, 12)],
        frames: of(&line, default()),
        ..ScanReport::new("r", axes(1, 12))
    };
    assert!(long.validate().is_ok() && text(&long).contains("frames-0"));
    for bad in [
        FramePictureParams { max_megabytes: 0.0, ..default() },
        FramePictureParams { max_megabytes: f64::NAN, ..default() },
        FramePictureParams { binning: Some(0), ..default() },
        FramePictureParams { stride: Some(0), ..default() },
        FramePictureParams { radius: 0.0, ..default() },
        FramePictureParams { stretch: -1.0, ..default() },
    ] {
        assert!(matches!(framed(of(&fits, bad)), Err(Error::Parameter { .. })), "{bad:?}");
    }
    // A stride and binning beyond everything leave one block of one frame.
    let huge = FramePictureParams { binning: Some(usize::MAX), stride: Some(usize::MAX), ..default() };
    let page = text(&ScanReport { frames: of(&fits, huge), ..with(vec![map(3, 4)]) });
    assert_eq!(inflated(element(&page, "frames-0")).len(), 37);
}

#[test]
fn lattices_that_were_not_found_are_no_obstacle() {
    let frames = Array3::<f32>::from_elem((2, 5, 5), f32::NAN);
    let params = ScanParams { shape: Some(vec![1, 2]), ..Default::default() };
    let scan = Scan::new(Box::new(frames), &params).unwrap();
    let nan = [f64::NAN; 2];
    let spot = FrameSpot { index: nan, refined: [f64::INFINITY, 0.0], opacity: f64::NAN, matched: true };
    let matches =
        Box::new(move |k| (k == 1).then(|| FrameMatch { zero: nan, a: nan, b: nan, spots: vec![spot] }));
    let frames = ReportFrames { scan: &scan, matches: Some(matches), params: FramePictureParams::default() };
    let maps = vec![ReportMap::new("m", "", array![[f32::INFINITY, f32::NAN]])];
    let page = text(&ScanReport { maps, frames: Some(frames), ..ScanReport::new("r", axes(1, 2)) });
    let texts: Vec<&str> = element(&page, "frames-0").split(' ').collect();
    assert_eq!((inflated(texts[0]).len(), inflated(texts[1]).len()), (36 + 25, 36 + 24 + 25));
}

#[test]
fn refined_lattices_become_matches() {
    let params =
        PolycrystalParams { scan: [2, 3], grains: 1, strain: 0.0, descan: 0.0, ..Default::default() };
    let made = PolycrystalScan::new(&params).unwrap();
    let scan = made::scan_of(&made);
    let vector = |of: &Array3<f64>| [0, 1].map(|axis| of[[0, 0, axis]]);
    let truth = made.truth();
    let start = Lattice { zero: vector(&truth.zero), a: vector(&truth.a), b: vector(&truth.b) };
    let template = Template::new(&TemplateParams::new(TemplateKind::BackgroundSubtraction, 2.5)).unwrap();
    let refine = RefineParams { max_index: 3, ..Default::default() };
    let found = refine_lattices::<f64>(
        &scan.select(None).unwrap(),
        &template,
        &start,
        &refine,
        ZeroShift::None,
        &Default::default(),
        &NoProgress,
    )
    .unwrap();
    for sample in 0..6 {
        let matched = FrameMatch::of_sample(&found, sample).unwrap();
        assert_eq!((matched.zero, matched.a), (found.lattice(sample).zero, found.lattice(sample).a));
        assert_eq!(matched.spots.len(), found.indices.len());
        let n_matched = matched.spots.iter().filter(|spot| spot.matched).count();
        assert_eq!(n_matched, found.selector.row(sample).iter().filter(|s| **s).count());
        assert!(n_matched > 5, "{n_matched}");
        for spot in matched.spots.iter().filter(|spot| spot.matched) {
            assert!((0.0..=1.0).contains(&spot.opacity));
            for axis in 0..2 {
                let [i, j] = spot.index;
                let calculated = matched.zero[axis] + i * matched.a[axis] + j * matched.b[axis];
                // Matching's tolerance is 3 px.
                assert!((spot.refined[axis] - calculated).abs() < 3.1);
            }
        }
        assert!(matched.spots.iter().any(|spot| spot.matched && spot.opacity == 1.0));
    }
    let fewer = RefinedLattices { a: Array2::zeros((5, 2)), ..found.clone() };
    assert!(matches!(FrameMatch::of_sample(&fewer, 0), Err(Error::Shape { what: "a of a match", .. })));
    assert!(matches!(FrameMatch::of_sample(&found, 6), Err(Error::Parameter { name: "sample", .. })));
}

/// Asks to stop at the second row.
#[derive(Default)]
struct Stop(AtomicU64);

impl Progress for Stop {
    fn advance(&self, n: u64) {
        self.0.fetch_add(n, Ordering::SeqCst);
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

#[test]
fn a_file_is_complete_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let made = small();
    let scan = made::scan_of(&made);
    let report = made::report(&made, &scan, FramePictureParams::default());
    let stop = Stop::default();
    let stopped = report.write(&path, &stop);
    assert!(matches!(stopped, Err(io::Error::Scan { reason: Error::Cancelled, .. })), "{stopped:?}");
    assert_eq!((path.exists(), stop.0.into_inner()), (false, 7));
    report.write(&path, &NoProgress).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap() == text(&report));
    let nothing = ScanReport::new("r", axes(3, 4)).write(&path, &NoProgress);
    assert!(matches!(nothing, Err(io::Error::Scan { reason: Error::Parameter { .. }, .. })));
    assert!(report.write(folder.path(), &NoProgress).is_err());
}

#[test]
fn parameters_are_read_from_files() {
    let read: FramePictureParams = serde_json::from_str(r#"{"max-megabytes": 20.0, "stride": 2}"#).unwrap();
    assert_eq!(read, FramePictureParams { max_megabytes: 20.0, stride: Some(2), ..Default::default() });
    assert!(serde_json::from_str::<FramePictureParams>(r#"{"strides": 2}"#).is_err());
}
