//! A recorded session again, on a card: what it answers now beside what was answered then.
//!
//! MACs and random numbers differ on every card that is no copy with the same generator;
//! their fields can be passed over by name.

use apdu_spec::StatusWord;

use super::decode::{Data, decode};
use super::describe::{bytes, title};
use super::{Event, Recorded};
use crate::Error;
use crate::reader::Reader;

/// An answer that is not the recorded one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which event of the recording, from 1.
    pub place: usize,
    /// The command.
    pub command: String,
    /// The field, `status word`, or `answer` where it has no declared fields.
    pub field: String,
    /// As recorded.
    pub recorded: String,
    /// As answered now.
    pub now: String,
}

/// What came of a replay.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Replayed {
    /// Commands that were sent.
    pub sent: usize,
    /// Answers that were compared.
    pub compared: usize,
    /// Commands that were not sent, because zeros stand where their secrets were.
    pub withheld: usize,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Sends what was recorded to the card in `reader` and compares. `ignore` names fields that
/// may differ: a whole path, its end (`nt`), or its beginning (`statement`). A command with
/// secrets that were withheld is not sent: zeros in their place would personalise a card
/// with keys of zero.
pub fn replay(reader: &mut dyn Reader, events: &[Recorded], ignore: &[String]) -> Result<Replayed, Error> {
    let mut done = Replayed::default();
    for (index, recorded) in events.iter().enumerate() {
        match &recorded.event {
            Event::Reset => reader.reset()?,
            Event::Exchange { command, .. } if recorded.withheld && has_secret(command) => done.withheld += 1,
            Event::Exchange { command, answer } => {
                let now = reader.transmit(command)?;
                done.sent += 1;
                if let Some(answer) = answer {
                    done.compared += 1;
                    let mut differences = compare(command, answer, &now);
                    differences
                        .retain(|difference| !ignore.iter().any(|name| names(name, &difference.field)));
                    differences.iter_mut().for_each(|difference| difference.place = index + 1);
                    done.differences.extend(differences);
                }
            }
        }
    }
    Ok(done)
}

/// Whether it is the command, not the answer, whose secrets were withheld.
fn has_secret(command: &[u8]) -> bool {
    super::redact::command(&mut command.to_vec())
}

/// Whether a field is the one that `name` means, or stands in it.
fn names(name: &str, field: &str) -> bool {
    field == name
        || field.strip_suffix(name).is_some_and(|front| front.ends_with('.'))
        || field.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

/// Where two answers to one command differ: field by field where both have the declared
/// shape. Secrets are never compared.
#[must_use]
pub fn compare(command: &[u8], recorded: &[u8], now: &[u8]) -> Vec<Difference> {
    let (then, now) = (decode(command, Some(recorded)), decode(command, Some(now)));
    let name = then.row.map_or_else(|| then.header.clone(), title);
    let difference = |field: &str, recorded: String, now: String| Difference {
        place: 0,
        command: name.clone(),
        field: field.into(),
        recorded,
        now,
    };
    if then.status != now.status {
        let word = |status: Option<StatusWord>| status.map_or("none".into(), |status| status.to_string());
        return vec![difference("status word", word(then.status), word(now.status))];
    }
    match (&then.response, &now.response) {
        (Data::Fields(before), Data::Fields(after)) if same_names(before, after) => before
            .iter()
            .zip(after)
            .filter(|(before, after)| before != after)
            .map(|((field, before), (_, after))| difference(field, before.clone(), after.clone()))
            .collect(),
        (before, after) if before == after => Vec::new(),
        (before, after) => vec![difference("answer", in_words(before), in_words(after))],
    }
}

fn same_names(before: &[(String, String)], after: &[(String, String)]) -> bool {
    before.iter().map(|(name, _)| name).eq(after.iter().map(|(name, _)| name))
}

fn in_words(data: &Data) -> String {
    match data {
        Data::Fields(fields) if fields.is_empty() => "nothing".into(),
        Data::Fields(fields) => format!("{} fields", fields.len()),
        Data::Bytes(hex) => hex.clone(),
        Data::Withheld(length) => format!("{}, not shown", bytes(*length)),
        Data::Misshapen(length, shape) => format!("{} of no {shape}", bytes(*length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(command: &str, then: &str, now: &str) -> Vec<[String; 3]> {
        let [command, then, now] = [command, then, now].map(|text| hex::decode(text).unwrap());
        compare(&command, &then, &now).into_iter().map(|d| [d.field, d.recorded, d.now]).collect()
    }

    #[test]
    fn field_by_field() {
        let balance = |cents: &str| format!("0000{cents}00003A9803D2029000");
        assert!(differences("905C000000", &balance("04E2"), &balance("04E2")).is_empty());
        assert_eq!(
            differences("905C000000", &balance("04E2"), &balance("04E3")),
            [["balance", "1250", "1251"]]
        );
        let words = differences("905C000000", &balance("04E2"), "6985");
        assert!(words[0][0] == "status word" && words[0][2].contains("another command"), "{words:?}");
        assert_eq!(differences("905C000000", "0000019000", "00029000")[0][0], "answer");
        assert_eq!(differences("00CA9F7F00", "019000", "029000"), [["answer", "01", "02"]]);
    }

    #[test]
    fn names_of_fields() {
        for (name, field, same) in [
            ("nt", "statement.position.nt", true),
            ("statement", "statement.position.nt", true),
            ("position.nt", "statement.position.nt", true),
            ("t", "statement.position.nt", false),
            ("state", "statement.position.nt", false),
            ("s1", "s1", true),
        ] {
            assert_eq!(names(name, field), same, "{name} {field}");
        }
    }
}
