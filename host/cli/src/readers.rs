//! `purse readers`: the PC/SC readers that are attached, and what is in them.

use simulation::Error;

use crate::Global;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse readers\n  purse --reader \"Virtual PCD 00 00\" card show")]
pub(crate) struct Readers {}

#[cfg(not(feature = "pcsc"))]
impl Readers {
    #[allow(clippy::unused_self)] // like the other commands
    pub(crate) fn run(&self, _: &Global) -> Result<(), Error> {
        Err(crate::reader::without_pcsc())
    }
}

#[cfg(feature = "pcsc")]
impl Readers {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        use crate::output;
        let attached = host::reader::pcsc::attached()?;
        if global.json {
            output::json(&attached.iter().map(to_json).collect());
        } else if attached.is_empty() {
            output::line("No reader is attached.");
        } else {
            let rows = attached.iter().map(|reader| [reader.name.clone(), in_words(&reader.slot)]).collect();
            output::line(output::table(["reader", "card"], 2, rows));
        }
        Ok(())
    }
}

#[cfg(feature = "pcsc")]
use host::reader::pcsc::{Attached, Slot};

#[cfg(feature = "pcsc")]
fn in_words(slot: &Slot) -> String {
    match slot {
        Slot::Empty => "none".into(),
        Slot::Mute => "mute".into(),
        Slot::Card { atr, taken: false } => format!("ATR {}", hex::encode_upper(atr)),
        Slot::Card { atr, taken: true } => format!("ATR {}, held by another program", hex::encode_upper(atr)),
    }
}

#[cfg(feature = "pcsc")]
fn to_json(reader: &Attached) -> serde_json::Value {
    let (card, atr, taken) = match &reader.slot {
        Slot::Empty => ("none", None, false),
        Slot::Mute => ("mute", None, false),
        Slot::Card { atr, taken } => ("present", Some(hex::encode_upper(atr)), *taken),
    };
    serde_json::json!({ "reader": reader.name, "card": card, "atr": atr, "taken": taken })
}
