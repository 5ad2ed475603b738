//! A process that computes on request: one JSON object per line, in and out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::steps::root;

/// Variables by which numerical libraries are told how many threads to start.
const THREAD_VARIABLES: &[&str] = &[
    "RAYON_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "PYFFTW_NUM_THREADS",
];

pub(crate) struct Worker {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    pub(crate) fn start(program: &Path, arguments: &[&Path], n_threads: usize) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped());
        for variable in THREAD_VARIABLES {
            command.env(variable, n_threads.to_string());
        }
        let mut process = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let requests = process.stdin.take().context("a worker without standard input")?;
        let answers = process.stdout.take().context("a worker without standard output")?;
        Ok(Self { process, requests, answers: BufReader::new(answers) })
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests, "{request}").context("the worker has ended")?;
        let mut answer = String::new();
        ensure!(self.answers.read_line(&mut answer)? > 0, "the worker ended without an answer");
        let answer: Value = serde_json::from_str(&answer).with_context(|| format!("answer {answer:?}"))?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(answer),
        }
    }

    /// Seconds per call, as the mean over `repeat` calls.
    pub(crate) fn time(&mut self, repeat: usize) -> Result<f64> {
        let answer = self.ask(&json!({"do": "run", "repeat": repeat}))?;
        let seconds = answer["seconds"].as_f64().with_context(|| format!("no time in {answer}"))?;
        Ok(seconds / repeat as f64)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Failing here means that it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_answer_an_error_and_an_end_are_told_apart() {
        let script = r#"read a; echo '{"seconds": 3.0}'; read a; echo '{"error": "no such workload"}'"#;
        let mut worker = Worker::start(Path::new("sh"), &[Path::new("-c"), Path::new(script)], 1).unwrap();
        assert_eq!(worker.time(2).unwrap(), 1.5);
        assert_eq!(worker.ask(&json!({})).unwrap_err().to_string(), "no such workload");
        assert!(worker.ask(&json!({})).unwrap_err().to_string().contains("ended"));
    }
}
