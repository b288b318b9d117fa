//! `purse card serve` in the background, and what it tells.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::Place;

/// How long something may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `purse card serve`; it ends with this.
pub(crate) struct Serving {
    pub(crate) child: Child,
    told: Receiver<Value>,
}

impl Serving {
    /// Serves purses of the place, with more arguments.
    pub(crate) fn start(place: &Place, purses: &[u64], more: &[&str]) -> Self {
        let mut command = place.command(&["--json", "card", "serve"]);
        for purse in purses {
            command.arg("--image").arg(place.card(*purse));
        }
        command.args(more);
        Self::spawn(command)
    }

    /// Runs what serves, and listens to it.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("serve");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in out.lines() {
                let value = serde_json::from_str(&line.expect("a line")).expect("JSON");
                if tell.send(value).is_err() {
                    break;
                }
            }
        });
        Self { child, told }
    }

    /// The next event of this name.
    pub(crate) fn until(&self, event: &str) -> Value {
        loop {
            let told = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {event}"));
            if told["event"] == event {
                return told;
            }
        }
    }

    /// The address where it listens, for `--reader`.
    pub(crate) fn address(&self) -> String {
        self.until("listening")["address"].as_str().expect("an address").to_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
