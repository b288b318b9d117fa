//! `--trace` and `--pcap`: the observer of all readers. It prints exchanges and writes
//! them to a capture, without keys, PINs and personalisation data.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use host::trace::describe::describe;
use host::trace::{CardLabel, Observer, SharedObserver, gsmtap, pcap};
use simulation::Error;

use crate::{Global, output, process};

/// Where exchanges are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Print {
    /// To standard error, with the card's name: beside what the command itself prints.
    Aside,
    /// To standard output: they are what was asked for.
    Answer,
    /// Nowhere.
    Nowhere,
}

/// The observer that `--trace` and `--pcap` ask for.
pub(crate) fn observer(global: &Global) -> Result<Option<SharedObserver>, Error> {
    observer_with(global, if global.trace { Print::Aside } else { Print::Nowhere })
}

/// The observer that prints there, and writes the capture of `--pcap`.
pub(crate) fn observer_with(global: &Global, print: Print) -> Result<Option<SharedObserver>, Error> {
    let capture = global.pcap.as_deref().map(Capture::create).transpose()?;
    if print == Print::Nowhere && capture.is_none() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Mutex::new(Watcher { print, capture }))))
}

/// Commands that drive no card of their own say so.
pub(crate) fn refuse(global: &Global, command: &str) -> Result<(), Error> {
    if global.trace || global.pcap.is_some() {
        return Err(Error::Order(format!("`purse {command}` has no --trace and no --pcap")));
    }
    Ok(())
}

struct Watcher {
    print: Print,
    capture: Option<Capture>,
}

impl Watcher {
    fn tell(&self, card: CardLabel, text: &str) {
        match self.print {
            Print::Aside => {
                let _ = write!(std::io::stderr(), "{card} {text}");
            }
            Print::Answer => output::line(text.trim_end()),
            Print::Nowhere => {}
        }
    }
}

impl Observer for Watcher {
    fn exchange(&mut self, card: CardLabel, command: &[u8], answer: Result<&[u8], &host::Error>) {
        if self.print != Print::Nowhere {
            let answer = answer.map_err(ToString::to_string);
            self.tell(
                card,
                &describe(command, answer.as_ref().map(|bytes| &**bytes).map_err(|lost| &**lost)),
            );
        }
        if let Some(capture) = &mut self.capture {
            capture.add(|number| gsmtap::exchange(card, number, command, answer.ok()));
        }
    }

    fn reset(&mut self, card: CardLabel) {
        self.tell(card, "reset\n");
        if let Some(capture) = &mut self.capture {
            capture.add(|number| gsmtap::reset(card, number));
        }
    }
}

/// Whether a file is empty or a capture.
fn may_be_replaced(path: &Path) -> std::io::Result<bool> {
    let mut first = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut first)?;
    Ok(first.is_empty() || pcap::is_capture(&first))
}

/// A capture that is being written, packet by packet: what is in it survives a kill.
struct Capture {
    path: PathBuf,
    file: Option<File>,
    number: u32,
}

impl Capture {
    /// A new capture. It takes the place of an older capture, never of another file.
    fn create(path: &Path) -> Result<Self, Error> {
        let refuse = |reason: String| Error::File { path: path.into(), reason };
        // A pipe, to a Wireshark that looks on, has nothing in it to be kept.
        let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file());
        if is_file && !may_be_replaced(path).map_err(|error| refuse(error.to_string()))? {
            return Err(refuse("this is no capture, and is not written over; choose another name".into()));
        }
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).open(path);
        let begun = opened.and_then(|mut file| file.write_all(&pcap::head()).map(|()| file));
        let file = begun.map_err(|error| refuse(error.to_string()))?;
        Ok(Self { path: path.into(), file: Some(file), number: 0 })
    }

    /// Appends a packet. The first failure is told and ends the capture, not the command:
    /// value may be on its way.
    fn add(&mut self, packet: impl FnOnce(u32) -> Vec<u8>) {
        let Some(file) = &mut self.file else { return };
        self.number = self.number.wrapping_add(1);
        if let Err(error) = pcap::write(file, process::instant(), &packet(self.number)) {
            output::complain_plainly(&format!("{}: {error}; the capture ends here", self.path.display()));
            self.file = None;
        }
    }
}
