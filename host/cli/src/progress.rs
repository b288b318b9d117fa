//! A progress bar, for what takes longer than a second. On standard error, and only
//! where that is a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How long something may take before a bar appears.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows how far something is.
pub(crate) struct Progress {
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), bar: None }
    }

    /// `done` of `total` steps of `what` are done.
    pub(crate) fn tell(&mut self, what: &str, done: u64, total: u64) {
        if self.bar.is_none() && self.begun.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(bar);
        if bar.message() != what {
            bar.set_message(what.to_owned());
        }
        bar.set_length(total);
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>28} {wide_bar} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
