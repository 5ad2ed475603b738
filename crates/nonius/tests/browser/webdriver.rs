//! A browser driven by the W3C WebDriver protocol, as far as the tests need it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How an element is named in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium without a window, with a profile of its own, as one session of a chromedriver of its own.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// None if there is no `chromedriver` to be started.
    pub(crate) fn start() -> Option<Browser> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(|line| line.ok()).find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?
                .trim_end_matches('.')
                .parse()
                .ok()
        });
        // Else it would wait for somebody to read on.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Browser {
            driver,
            port: port.expect("a port of chromedriver"),
            session: String::new(),
            _profile: profile,
        };
        let folder = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--force-device-scale-factor=1",
            "--window-size=1500,1100",
            &folder,
        ];
        let options = json!({ "args": arguments });
        // What the page says on its console can be asked for.
        let logs = json!({ "browser": "ALL" });
        let wanted =
            json!({ "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs });
        let session = browser.call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        Some(browser)
    }

    /// What stands under `value` in the answer.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.ask(method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        assert!(value.get("error").is_none(), "{method} {path}: {} {}", value["error"], value["message"]);
        value
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} {}{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.session,
            self.port,
            body.len(),
        )?;
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while stream.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        let answer: Value = serde_json::from_slice(&answer)?;
        Ok(answer["value"].clone())
    }

    pub(crate) fn open(&self, page: &Path) {
        self.call("POST", "/url", &json!({ "url": format!("file://{}", page.display()) }));
    }

    /// What the body of a function returns.
    pub(crate) fn evaluate(&self, body: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": body, "args": [] }))
    }

    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.evaluate(&format!("return document.querySelector({}).textContent", json!(selector)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) {
        let started = Instant::now();
        while self.evaluate(&format!("return Boolean({expression})")) != true {
            assert!(started.elapsed() < PATIENCE, "never became true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Moves the pointer to a place `(x, y)` from the upper left corner of an element, and clicks if told to.
    pub(crate) fn point(&self, selector: &str, (x, y): (f64, f64), click: bool) {
        let corner = format!(
            "const e = document.querySelector({}); e.scrollIntoView({{block: 'nearest'}}); \
             const r = e.getBoundingClientRect(); return [r.left + e.clientLeft, r.top + e.clientTop]",
            json!(selector)
        );
        let corner = self.evaluate(&corner);
        let at = |k: usize, d: f64| (corner[k].as_f64().unwrap() + d).round() as i64;
        let mut actions = vec![json!({ "type": "pointerMove", "duration": 0, "x": at(0, x), "y": at(1, y) })];
        if click {
            actions.push(json!({ "type": "pointerDown", "button": 0 }));
            actions.push(json!({ "type": "pointerUp", "button": 0 }));
        }
        let pointer = json!({ "type": "pointer", "id": "mouse", "actions": actions });
        self.call("POST", "/actions", &json!({ "actions": [pointer] }));
    }

    /// Clicks in the middle of an element.
    pub(crate) fn click(&self, selector: &str) {
        let found = self.call("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        let id = found[ELEMENT].as_str().expect("an element");
        self.call("POST", &format!("/element/{id}/click"), &json!({}));
    }

    /// Presses and releases a key: a character, or one of the codes of WebDriver.
    pub(crate) fn press(&self, keys: &[char]) {
        let down = keys.iter().map(|key| json!({ "type": "keyDown", "value": key.to_string() }));
        let up = keys.iter().rev().map(|key| json!({ "type": "keyUp", "value": key.to_string() }));
        let keys = json!({ "type": "key", "id": "keyboard", "actions": down.chain(up).collect::<Vec<_>>() });
        self.call("POST", "/actions", &json!({ "actions": [keys] }));
    }

    /// Complaints of the page: errors of its script, sources that were refused.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.call("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// A picture of what the window shows, as base64 of a PNG file.
    pub(crate) fn screenshot(&self) -> String {
        self.call("GET", "/screenshot", &Value::Null).as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This ends the browser; chromedriver goes on.
        let _ = self.ask("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
