//! One run of the program: its threads, its progress bar, and Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nonius::Progress;

use crate::Usage;
use crate::args::Global;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What every command is given.
pub(crate) struct Session {
    pub(crate) json: bool,
    pub(crate) print_config: bool,
    pub(crate) out: Option<PathBuf>,
    quiet: bool,
    pool: rayon::ThreadPool,
    bar: Mutex<ProgressBar>,
}

impl Session {
    pub(crate) fn new(global: &Global) -> Result<Self> {
        if global.threads == Some(0) {
            return Err(Usage("--threads must be at least 1, got 0".into()).into());
        }
        if let Some(folder) = global.out.as_deref().and_then(Path::parent)
            && !folder.as_os_str().is_empty()
            && !folder.is_dir()
        {
            bail!("--out: there is no folder {}", folder.display());
        }
        listen()?;
        let threads = global.threads.unwrap_or(0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Ok(Session {
            json: global.json,
            print_config: global.print_config,
            out: global.out.clone(),
            quiet: global.quiet,
            pool: pool.context("cannot start threads")?,
            bar: Mutex::new(ProgressBar::hidden()),
        })
    }

    /// Runs `work` where parallel parts use this session's threads.
    pub(crate) fn in_pool<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    /// A remark on standard error, above the bar.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            self.bar().suspend(|| {
                // Where standard error is closed there is nobody to tell.
                let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{text}\n"));
            });
        }
    }

    /// [`nonius::Error::Cancelled`] once Ctrl-C was pressed.
    pub(crate) fn check_cancelled(&self) -> nonius::Result<()> {
        if self.cancelled() { Err(nonius::Error::Cancelled) } else { Ok(()) }
    }

    fn bar(&self) -> MutexGuard<'_, ProgressBar> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first Ctrl-C asks the work to stop, so that it can tidy up; the second stops it.
fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })
    .context("cannot listen for Ctrl-C")
}

impl Progress for Session {
    fn start(&self, what: &str, total: u64) {
        if self.quiet {
            return;
        }
        // Not drawn where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        *self.bar() = bar;
    }

    fn advance(&self, n: u64) {
        self.bar().inc(n);
    }

    fn message(&self, text: &str) {
        self.remark(text);
    }

    fn finish(&self) {
        self.bar().finish_and_clear();
    }

    fn cancelled(&self) -> bool {
        INTERRUPTED.load(Ordering::SeqCst)
    }
}
