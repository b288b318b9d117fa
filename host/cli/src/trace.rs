//! `purse trace FILE`: reads a recorded session, and sends it to a card again.

use std::path::{Path, PathBuf};

use host::reader::Reader;
use host::trace::compare::{Difference, Replayed, replay};
use host::trace::decode::{Data, decode};
use host::trace::describe::describe;
use host::trace::{CardLabel, Event, Recorded, Watched, recording};
use serde_json::{Value, json};
use simulation::Error;
use simulation::world::AnyReader;

use crate::{Global, image, output, process, reader, watch};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    purse pay 1 2.50 --at kiosk --pcap pay.pcap       record; Wireshark opens it too\n  \
    purse trace pay.pcap                              every APDU, decoded\n  \
    purse trace session.txt --json                    lines of hexadecimal, > and < as scriptor has them\n  \
    purse trace log.pcap --replay --purse 1           what `purse card log 1` recorded, sent again\n  \
    purse trace log.pcap --replay --image copy.card --ignore balance\n\n\
    Keys, PINs and personalisation data are not in our captures: zeros stand in their place,\n\
    and such commands are not sent again. Exit code 1: an answer differs, or the file is damaged.")]
pub(crate) struct Trace {
    /// The recording: a pcap file, or a text of hexadecimal APDUs
    file: PathBuf,
    /// Only this card of the recording, such as "purse 1"
    #[arg(long, value_name = "NAME")]
    card: Option<String>,
    /// Send the commands to a card, and show which answers differ
    #[arg(long)]
    replay: bool,
    /// The purse to send to
    #[arg(long, value_name = "NUMBER", group = "target", requires = "replay")]
    purse: Option<u64>,
    /// The card image to send to
    #[arg(long, value_name = "FILE", group = "target", requires = "replay")]
    image: Option<PathBuf>,
    /// Field that may differ, by its path or a part of it
    #[arg(long, value_name = "FIELD", requires = "replay")]
    ignore: Vec<String>,
}

impl Trace {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        if !self.replay {
            reader::refuse(global)?;
        }
        let bytes = std::fs::read(&self.file).map_err(|error| refuse(&self.file, &error.to_string()))?;
        let (events, damage) = recording::read(&bytes).map_err(|reason| refuse(&self.file, &reason))?;
        let events = self.chosen(events)?;
        if self.replay {
            if let Some(reason) = damage {
                return Err(refuse(&self.file, &format!("{reason}; nothing was sent")));
            }
            return self.send(&events, global);
        }
        if global.json {
            output::json(&events.iter().map(to_json).collect());
        } else {
            events.iter().enumerate().for_each(|(index, recorded)| tell(index + 1, recorded));
        }
        damage.map_or(Ok(()), |reason| {
            Err(refuse(&self.file, &format!("{reason}; what stands before it is shown")))
        })
    }

    /// The events of the card that was named.
    fn chosen(&self, events: Vec<Recorded>) -> Result<Vec<Recorded>, Error> {
        let mut cards: Vec<CardLabel> = events.iter().map(|recorded| recorded.card).collect();
        cards.sort_unstable();
        cards.dedup();
        let names: Vec<String> = cards.iter().map(|card| format!("{:?}", card.to_string())).collect();
        match &self.card {
            Some(name) => {
                let wanted = |card: &CardLabel| card.to_string().eq_ignore_ascii_case(name);
                let card = cards.into_iter().find(wanted).ok_or_else(|| {
                    refuse(&self.file, &format!("no card is called {name:?}; there are {}", names.join(", ")))
                })?;
                Ok(events.into_iter().filter(|recorded| recorded.card == card).collect())
            }
            None if self.replay && cards.len() > 1 => {
                let reason =
                    format!("several cards were recorded; choose one with --card: {}", names.join(", "));
                Err(refuse(&self.file, &reason))
            }
            None => Ok(events),
        }
    }

    fn send(&self, events: &[Recorded], global: &Global) -> Result<(), Error> {
        let observer = watch::observer(global)?;
        let watched = |reader: AnyReader| Watched::new(reader, CardLabel::UNKNOWN, observer.clone());
        if let Some(reader) = reader::connect(global)? {
            if self.purse.is_some() || self.image.is_some() {
                process::usage("--reader and --purse or --image are two cards; give one");
            }
            return self.compare(&mut watched(reader), events, global);
        }
        match (&self.image, self.purse) {
            (Some(path), _) => {
                let reader = Box::new(image::open(global, path)?);
                self.compare(&mut watched(reader), events, global)
            }
            (None, Some(number)) => {
                let mut world = process::open_watched(global, observer)?;
                self.compare(world.purse(number)?, events, global)
            }
            (None, None) => process::usage(
                "--replay needs a card: --image FILE, --purse NUMBER, or a reader with --reader",
            ),
        }
    }

    fn compare(&self, reader: &mut dyn Reader, events: &[Recorded], global: &Global) -> Result<(), Error> {
        let done = replay(reader, events, &self.ignore)?;
        let Replayed { sent, compared, withheld, differences } = &done;
        if global.json {
            output::json(&json!({
                "sent": sent, "compared": compared, "withheld": withheld,
                "differences": differences.iter().map(difference_to_json).collect::<Value>(),
            }));
        } else {
            differences.iter().for_each(|difference| output::line(in_words(difference)));
            output::line(format_args!("{sent} commands sent, {compared} answers compared"));
        }
        if *withheld > 0 {
            return Err(Error::Mismatch(format!(
                "{withheld} commands were not sent, because their secrets are not in the recording; \
                 {} answers differ",
                differences.len()
            )));
        }
        match differences.len() {
            0 => Ok(()),
            count => Err(Error::Mismatch(format!("{count} fields differ from the recording"))),
        }
    }
}

fn refuse(path: &Path, reason: &str) -> Error {
    Error::File { path: path.into(), reason: reason.into() }
}

fn in_words(difference: &Difference) -> String {
    let Difference { place, command, field, recorded, now } = difference;
    format!("#{place} {command}: {field} = {recorded} was recorded, {now} is answered")
}

fn difference_to_json(difference: &Difference) -> Value {
    let Difference { place, command, field, recorded, now } = difference;
    json!({ "event": place, "command": command, "field": field, "recorded": recorded, "now": now })
}

fn time(recorded: &Recorded) -> Option<String> {
    let at = jiff::SignedDuration::try_from(recorded.at?).ok()?;
    Some(jiff::Timestamp::from_duration(at).ok()?.to_string())
}

fn tell(place: usize, recorded: &Recorded) {
    let time = time(recorded).map_or(String::new(), |time| format!("  {time}"));
    output::line(format_args!("#{place}{time}  {}", recorded.card));
    output::line(match &recorded.event {
        Event::Reset => "reset".into(),
        Event::Exchange { command, answer } => {
            let answer = answer.as_deref().ok_or("no answer is recorded");
            describe(command, answer).trim_end().to_owned()
        }
    });
}

fn to_json(recorded: &Recorded) -> Value {
    let mut value = match &recorded.event {
        Event::Reset => json!({ "event": "reset" }),
        Event::Exchange { command, answer } => {
            let decoded = decode(command, answer.as_deref());
            json!({
                "event": "command", "header": decoded.header,
                "application": decoded.row.map(|row| row.set.trim_end_matches("Command")),
                "command": decoded.row.map(|row| row.name), "request": data_to_json(&decoded.request),
                "status": decoded.status.map(|status| format!("{status:?}")),
                "meaning": decoded.status.and_then(apdu_spec::StatusWord::meaning),
                "response": data_to_json(&decoded.response),
            })
        }
    };
    value["time"] = json!(time(recorded));
    value["card"] = json!(recorded.card.to_string());
    value
}

fn data_to_json(data: &Data) -> Value {
    match data {
        Data::Fields(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Data::Bytes(hex) => json!(hex),
        Data::Withheld(length) => json!({ "withheld": length }),
        Data::Misshapen(length, shape) => json!({ "misshapen": length, "shape": shape }),
    }
}
