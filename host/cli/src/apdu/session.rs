//! One session with one card: steps go in, the last exchange is remembered, because
//! `expect` asks for it.

use host::reader::Reader;
use host::trace::script::{Step, check};
use serde_json::{Value, json};
use simulation::Error;

use crate::output;

/// A session. What passes is printed by the reader's observer.
pub(crate) struct Session<'r> {
    reader: &'r mut dyn Reader,
    last: Option<(Vec<u8>, Vec<u8>)>,
    values: Vec<Value>,
    untouched: bool,
}

impl<'r> Session<'r> {
    pub(crate) const fn new(reader: &'r mut dyn Reader) -> Self {
        Self { reader, last: None, values: Vec::new(), untouched: true }
    }

    /// Whether nothing has been done yet.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// Takes one step; `place` is where it stands, for the error.
    pub(crate) fn take(&mut self, place: &str, step: Step) -> Result<(), Error> {
        self.untouched &= step == Step::Nothing;
        match step {
            Step::Nothing => {}
            Step::Reset => {
                self.last = None;
                self.reader.reset()?;
            }
            Step::Send(command) => {
                let answer = self.reader.transmit(&command)?;
                self.values.push(json!({
                    "command": hex::encode_upper(&command), "answer": hex::encode_upper(&answer),
                }));
                self.last = Some((command, answer));
            }
            Step::Expect(status, fields) => {
                let last = self.last.as_ref().map(|(command, answer)| (&command[..], &answer[..]));
                check(last, status, &fields)
                    .map_err(|reason| Error::Mismatch(format!("{place}: {reason}")))?;
            }
        }
        Ok(())
    }

    /// Prints all exchanges as JSON.
    pub(crate) fn print(&self) {
        output::json(&json!(self.values));
    }
}
