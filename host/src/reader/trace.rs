//! Tells what passes between a terminal and a card: every APDU decoded from the
//! catalogue, keys and personalisation data shown by their length only.

use std::fmt::Write as _;

use apdu_spec::declare::{DATA_MAX, Row, Shape};
use apdu_spec::{Apdu, StatusWord, catalog};

use super::Reader;
use crate::Error;

/// A reader around a reader; `tell` gets the text of each exchange.
pub struct Traced<R, T> {
    reader: R,
    tell: T,
}

impl<R, T> std::fmt::Debug for Traced<R, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traced")
    }
}

impl<R, T> Traced<R, T> {
    /// Traces what passes through `reader`.
    pub const fn new(reader: R, tell: T) -> Self {
        Self { reader, tell }
    }
}

impl<R: Reader, T: FnMut(&str)> Reader for Traced<R, T> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.reader.transmit(command);
        match &answer {
            Ok(answer) => (self.tell)(&describe(command, answer)),
            Err(error) => (self.tell)(&format!("{}  <- {error}\n", describe_command(command))),
        }
        answer
    }

    fn reset(&mut self) -> Result<(), Error> {
        (self.tell)("reset\n");
        self.reader.reset()
    }
}

/// An exchange in words: several lines, the last one ended.
#[must_use]
pub fn describe(command: &[u8], answer: &[u8]) -> String {
    let mut text = describe_command(command);
    let Some((data, [high, low])) = answer.split_last_chunk::<2>() else {
        text.push_str("  <- no status word\n");
        return text;
    };
    let status = StatusWord(u16::from_be_bytes([*high, *low]));
    let _ = writeln!(text, "  <- {status}");
    if let Some(row) = Apdu::parse(command).ok().and_then(|apdu| catalog::find(&apdu))
        && status == StatusWord::OK
    {
        fields(&mut text, &row.response, data);
    }
    text
}

fn describe_command(command: &[u8]) -> String {
    let Ok(apdu) = Apdu::parse(command) else {
        return format!("-> {} bytes that are no command APDU\n", command.len());
    };
    let header = format!("{:02X} {:02X} {:02X} {:02X}", apdu.cla, apdu.ins, apdu.p1, apdu.p2);
    let Some(row) = catalog::find(&apdu) else {
        return format!("-> {header} ({} data bytes), not in the catalogue\n", apdu.data.len());
    };
    let mut text = format!("-> {header}  {}\n", title(row));
    let mut buffer = [0; DATA_MAX + 2];
    if let Ok(body) = row.body(&apdu, &mut buffer) {
        fields(&mut text, &row.request, body);
    }
    text
}

/// Application and command.
fn title(row: &Row) -> String {
    format!("{} {}", row.set.trim_end_matches("Command"), row.name)
}

fn fields(text: &mut String, shape: &Shape, bytes: &[u8]) {
    let mut lines = String::new();
    let shown = (shape.visit)(bytes, &mut |name, value| {
        let _ = writeln!(lines, "     {name} = {value:?}");
    });
    match shown {
        Ok(()) => text.push_str(&lines),
        Err(_) => {
            let _ = writeln!(text, "     {} bytes that are no {}", bytes.len(), shape.name);
        }
    }
}
