//! Commands run one after another, each with its name, its time and a way to repeat it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The cargo that started us, in the root of the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command whose output is shown as it comes.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("starting {}", line(command)))?;
    if !status.success() {
        bail!("failed: {}", line(command));
    }
    Ok(())
}

/// Builds the bench target `name` as benches are built, and says where it is.
///
/// Started through cargo, it would find itself in the folder of its package
/// and not in the root.
pub(crate) fn built_bench(name: &str) -> Result<PathBuf> {
    let mut command = cargo(["bench", "--package", "nonius", "--bench", name, "--no-run"]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("starting {}", line(&command)))?;
    ensure!(output.status.success(), "failed: {}", line(&command));
    let messages = String::from_utf8(output.stdout)?;
    let mut executables = messages.lines().filter_map(|message| {
        let message: Value = serde_json::from_str(message).ok()?;
        let executable = message["executable"].as_str().map(PathBuf::from);
        executable.filter(|_| message["target"]["name"] == name)
    });
    executables.next_back().with_context(|| format!("cargo did not say where it put the bench {name}"))
}

/// Steps of one workflow and the time they took.
pub(crate) struct Steps {
    started: Instant,
    n_done: usize,
    skipped: Vec<String>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), n_done: 0, skipped: Vec::new() }
    }

    /// A step that says one line when all is well, and everything when it is not.
    pub(crate) fn quiet(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let started = Instant::now();
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{name}: starting {}", line(command)))?;
        if !output.status.success() {
            eprint!("{}", String::from_utf8_lossy(&output.stdout));
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
        }
        self.finish(name, command, output.status.success(), started.elapsed())
    }

    /// A step whose output is the point of it.
    pub(crate) fn shown(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let started = Instant::now();
        let status = command
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("{name}: starting {}", line(command)))?;
        self.finish(name, command, status.success(), started.elapsed())
    }

    /// A step that this machine lacks something for; the summary repeats it.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        eprintln!("  {name:<28} skipped: {reason}");
        self.skipped.push(name.to_owned());
    }

    pub(crate) fn summary(&self) {
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!("{} steps passed in {seconds:.0} s", self.n_done);
        if !self.skipped.is_empty() {
            eprintln!("NOT TESTED on this machine: {}", self.skipped.join(", "));
        }
    }

    fn finish(&mut self, name: &str, command: &Command, passed: bool, time: Duration) -> Result<()> {
        let word = if passed { "ok" } else { "FAILED" };
        eprintln!("  {name:<28} {word:<6} {:>6.1} s", time.as_secs_f64());
        if !passed {
            bail!("{name} failed; to repeat this step alone:\n\n    {}\n", line(command));
        }
        self.n_done += 1;
        Ok(())
    }
}

/// The command as one would type it in the root of the workspace.
fn line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())))
    });
    // The cargo that started us is given by its full path.
    let program = PathBuf::from(command.get_program());
    let program = program.file_name().map(|name| name.to_string_lossy().into_owned());
    let arguments = command.get_args().map(|argument| quoted(&argument.to_string_lossy()));
    variables.chain(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("'{word}'") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_one_would_type_it() {
        let mut command = Command::new("some/where/cargo");
        command.args(["doc", "--lib"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line(&command), "RUSTDOCFLAGS='-D warnings' cargo doc --lib");
    }

    #[test]
    fn a_failing_step_names_the_command() {
        let error = Steps::new().quiet("version", &mut cargo(["--no-such-option"])).unwrap_err();
        assert!(error.to_string().contains("cargo --no-such-option"), "{error}");
    }
}
