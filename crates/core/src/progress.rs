//! Progress and cancellation of long work.

/// What long work tells about itself, and where it asks whether to stop.
///
/// The program draws it as a bar, Python maps it to its own; [`NoProgress`] does nothing. One object
/// serves several threads at once.
pub trait Progress: Sync {
    /// Work on `total` items begins; `what` names it ("registering frames").
    fn start(&self, what: &str, total: u64) {
        let _ = (what, total);
    }

    /// `n` more items are done.
    fn advance(&self, n: u64) {
        let _ = n;
    }

    /// A remark worth a line ("continuing from iteration 12").
    fn message(&self, text: &str) {
        let _ = text;
    }

    /// The work that began last is over.
    fn finish(&self) {}

    /// True once the caller wants the work to stop; it then returns
    /// [`Error::Cancelled`](crate::Error::Cancelled) soon and leaves nothing half-done.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Tells nobody, never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}

/// Passes on whether to stop, and nothing else: for parts of work whose own steps the caller is not to count.
#[derive(Clone, Copy)]
pub struct Silent<'a>(pub &'a dyn Progress);

impl Progress for Silent<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_work_can_be_stopped() {
        struct Stop;
        impl Progress for Stop {
            fn advance(&self, _: u64) {
                panic!("it is to be silent");
            }
            fn cancelled(&self) -> bool {
                true
            }
        }
        Silent(&Stop).advance(1);
        assert!(Silent(&Stop).cancelled() && !Silent(&NoProgress).cancelled());
    }
}
