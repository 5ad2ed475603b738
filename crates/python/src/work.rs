//! Long work: in the threads of one pool, without the interpreter, and to be stopped by Ctrl-C.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use nonius::{NoProgress, Progress, Scan};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::errors::{Failure, Outcome};

/// How often signals are looked for and progress is told.
const BEAT: Duration = Duration::from_millis(50);

/// The threads of this process: a pool does not survive a fork.
struct Threads {
    process: u32,
    asked: usize,
    pool: Option<Arc<ThreadPool>>,
}

static THREADS: RwLock<Threads> = RwLock::new(Threads { process: 0, asked: 0, pool: None });

fn pool() -> Outcome<Arc<ThreadPool>> {
    let process = std::process::id();
    {
        let threads = THREADS.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = threads.pool.as_ref().filter(|_| threads.process == process) {
            return Ok(pool.clone());
        }
    }
    let mut threads = THREADS.write().unwrap_or_else(PoisonError::into_inner);
    let pool = built(threads.asked)?;
    if let Some(of_parent) = threads.pool.replace(pool.clone())
        && threads.process != process
    {
        // Its threads are not in this process, and waiting for them would never end.
        std::mem::forget(of_parent);
    }
    threads.process = process;
    Ok(pool)
}

fn built(n: usize) -> Outcome<Arc<ThreadPool>> {
    let builder = ThreadPoolBuilder::new().num_threads(n).thread_name(|i| format!("pynonius-{i}"));
    let pool = builder.build().map_err(|error| Failure::input(format!("no threads: {error}")))?;
    Ok(Arc::new(pool))
}

/// Uses `n` threads from now on; `None` is as many as there are cores.
#[pyfunction]
#[pyo3(signature = (n=None))]
pub(crate) fn set_threads(n: Option<i64>) -> Outcome<()> {
    let asked = match n {
        None => 0,
        Some(n) => usize::try_from(n)
            .ok()
            .filter(|n| (1..=4096).contains(n))
            .ok_or_else(|| Failure::Core(nonius::Error::parameter("n", "between 1 and 4096", n)))?,
    };
    let pool = built(asked)?;
    let mut threads = THREADS.write().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some(before) = threads.pool.take()
        && threads.process != process
    {
        std::mem::forget(before);
    }
    *threads = Threads { process, asked, pool: Some(pool) };
    Ok(())
}

/// How many threads long work uses.
#[pyfunction]
pub(crate) fn get_threads() -> Outcome<usize> {
    Ok(pool()?.current_num_threads())
}

thread_local! {
    /// Whether long work of this thread stays in it, and the pool that is this thread alone.
    static ALONE: Cell<bool> = const { Cell::new(false) };
    static ONLY_THIS: OnceCell<ThreadPool> = const { OnceCell::new() };
}

/// Long work of this thread stays in this thread if `alone`: for those who bring threads or processes of their own.
/// Returns what it was before.
#[pyfunction]
pub(crate) fn stay_in_thread(alone: bool) -> bool {
    ALONE.replace(alone)
}

/// Runs `work` in this thread, also what would be cut into pieces for several.
fn alone<T: Send>(work: impl FnOnce(&dyn Progress) -> Outcome<T> + Send) -> Outcome<T> {
    ONLY_THIS.with(|pool| {
        if pool.get().is_none() {
            let made = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            let made = made.map_err(|error| Failure::input(format!("no pool of one thread: {error}")))?;
            // Nobody else can have set it: it is this thread's.
            let _ = pool.set(made);
        }
        match pool.get() {
            Some(pool) => pool.install(|| work(&NoProgress)),
            None => Err(Failure::input("no pool of one thread".to_owned())),
        }
    })
}

/// What the work told since it was last asked.
#[derive(Default)]
struct Told {
    begun: Option<(String, u64)>,
    advanced: u64,
    finished: bool,
}

#[derive(Default)]
struct Watch {
    told: Mutex<Told>,
    stop: AtomicBool,
}

impl Watch {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Watch {
    fn start(&self, what: &str, total: u64) {
        *self.told() = Told { begun: Some((what.to_owned(), total)), ..Told::default() };
    }

    fn advance(&self, n: u64) {
        self.told().advanced += n;
    }

    fn finish(&self) {
        self.told().finished = true;
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A bar as tqdm has them, made anew for each stage of the work.
struct Bar<'a> {
    make: &'a Py<PyAny>,
    bar: Option<Py<PyAny>>,
}

impl Bar<'_> {
    fn tell(&mut self, py: Python<'_>, told: Told) -> PyResult<()> {
        if let Some((what, total)) = told.begun {
            self.close(py)?;
            let keywords = PyDict::new(py);
            keywords.set_item("total", total)?;
            keywords.set_item("desc", what)?;
            self.bar = Some(self.make.call(py, (), Some(&keywords))?);
        }
        if let Some(bar) = self.bar.as_ref().filter(|_| told.advanced > 0) {
            bar.call_method1(py, "update", (told.advanced,))?;
        }
        if told.finished { self.close(py) } else { Ok(()) }
    }

    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        self.bar.take().map_or(Ok(()), |bar| bar.call_method0(py, "close").map(drop))
    }
}

/// Runs `work` in the pool and without the interpreter. Meanwhile this thread looks for signals and tells
/// `progress`, something that is called as `tqdm.tqdm` is.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&dyn Progress) -> Outcome<T> + Send,
) -> Outcome<T> {
    if ALONE.get() {
        return py.detach(|| alone(work));
    }
    let pool = pool()?;
    let watch = Watch::default();
    let mut bar = progress.as_ref().map(|make| Bar { make, bar: None });
    let mut interruption: Option<PyErr> = None;
    let outcome = py.detach(|| {
        let (sender, receiver) = mpsc::sync_channel(1);
        let watch = &watch;
        pool.in_place_scope(|scope| {
            scope.spawn(move |_| {
                // Nobody listens only if this thread panicked.
                let _ = sender.send(work(watch));
            });
            loop {
                let waited = receiver.recv_timeout(BEAT);
                if interruption.is_none() {
                    let told = std::mem::take(&mut *watch.told());
                    let looked = Python::attach(|py| {
                        py.check_signals()?;
                        bar.as_mut().map_or(Ok(()), |bar| bar.tell(py, told))
                    });
                    interruption = looked.err();
                    watch.stop.store(interruption.is_some(), Ordering::Relaxed);
                }
                match waited {
                    Ok(outcome) => return Some(outcome),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The work panicked; the end of the scope says so.
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
        })
    });
    if let Some(bar) = bar.as_mut() {
        bar.close(py)?;
    }
    match (interruption, outcome) {
        (Some(error), _) => Err(error.into()),
        (None, Some(outcome)) => outcome,
        (None, None) => Err(Failure::input("the work was given up".to_owned())),
    }
}

/// Fewest values for which it pays to wake the pool, which takes 20 µs.
const WORTH_THE_POOL: usize = 1 << 14;

/// [`run`], of work that looks at about `n_values`: at few, it is done before the pool would have begun.
pub(crate) fn run_of_size<T: Send>(
    py: Python<'_>,
    n_values: usize,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&dyn Progress) -> Outcome<T> + Send,
) -> Outcome<T> {
    if progress.is_none() && n_values < WORTH_THE_POOL {
        return py.detach(|| alone(work));
    }
    run(py, progress, work)
}

/// [`run_of_size`], for a pass over a scan.
pub(crate) fn over<T: Send>(
    py: Python<'_>,
    scan: &Scan<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&dyn Progress) -> Outcome<T> + Send,
) -> Outcome<T> {
    let (h, w) = scan.frame_shape();
    run_of_size(py, scan.len().saturating_mul(h).saturating_mul(w), progress, work)
}

/// Short work, in this thread and without the interpreter.
pub(crate) fn here<T: Send>(py: Python<'_>, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    py.detach(work)
}
