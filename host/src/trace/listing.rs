//! A recording as text: lines of hexadecimal, as people write them down and as scriptor
//! prints them.
//!
//! ```text
//! # a comment             > RESET      or  reset
//! > 00 A4 04 00 ...       a command    < 6F 11 ... 90 00 : words      its answer
//! ```
//!
//! Without any `>` each line is a command, whose answer is not known; with them, a line
//! that has neither mark goes on with the line before.

use super::{CardLabel, Event, Recorded};

/// Which line an unmarked one goes on with.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Nothing,
    Command,
    Answer,
    /// The answer to a reset, or none.
    Passed,
}

/// Reads a listing; the error names the line.
pub fn read(text: &str) -> Result<Vec<Recorded>, String> {
    let marked = text.lines().any(|line| line.trim_start().starts_with('>'));
    let mut events = Vec::new();
    let mut last = Last::Nothing;
    for (number, line) in text.lines().enumerate() {
        take(&mut events, &mut last, line.trim(), marked)
            .map_err(|reason| format!("line {}: {reason}", number + 1))?;
    }
    if events.is_empty() {
        return Err("there are no APDUs in it".into());
    }
    Ok(events.into_iter().map(recorded).collect())
}

const fn recorded(event: Event) -> Recorded {
    Recorded { at: None, card: CardLabel::UNKNOWN, event, withheld: false }
}

fn take(events: &mut Vec<Event>, last: &mut Last, line: &str, marked: bool) -> Result<(), String> {
    // scriptor says which protocol it uses.
    if line.is_empty() || line.starts_with('#') || line.starts_with("Using ") {
        return Ok(());
    }
    let command =
        line.strip_prefix('>').or((!marked && !line.starts_with('<')).then_some(line)).map(str::trim);
    if command.is_some_and(|command| command.eq_ignore_ascii_case("reset")) {
        events.push(Event::Reset);
        *last = Last::Passed;
    } else if let Some(command) = command {
        events.push(Event::Exchange { command: bytes(command)?, answer: None });
        *last = Last::Command;
    } else if let Some(answer) = line.strip_prefix('<') {
        *last = take_answer(events, *last, answer.trim())?;
    } else {
        go_on(events, *last, line)?;
    }
    Ok(())
}

fn take_answer(events: &mut [Event], last: Last, text: &str) -> Result<Last, String> {
    if last == Last::Passed || text.starts_with("KO") {
        return Ok(Last::Passed);
    }
    match events.last_mut() {
        Some(Event::Exchange { answer, .. }) if answer.is_none() => {
            *answer = Some(bytes(words_off(text))?);
            Ok(Last::Answer)
        }
        _ => Err("an answer without a command before it".into()),
    }
}

fn go_on(events: &mut [Event], last: Last, text: &str) -> Result<(), String> {
    let more = bytes(words_off(text))?;
    match (last, events.last_mut()) {
        (Last::Command, Some(Event::Exchange { command, .. })) => command.extend(more),
        (Last::Answer, Some(Event::Exchange { answer: Some(answer), .. })) => answer.extend(more),
        (Last::Passed, _) => {}
        _ => return Err("a line without > or < and nothing before it".into()),
    }
    Ok(())
}

/// scriptor puts the meaning of a status word behind a colon.
fn words_off(text: &str) -> &str {
    text.split_once(" :").map_or(text, |(hex, _)| hex)
}

/// Hexadecimal digits; blanks and colons between bytes do not count.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != ':').collect();
    hex::decode(&digits).map_err(|error| match error {
        hex::FromHexError::InvalidHexCharacter { c, .. } => format!("{c:?} is no hexadecimal digit"),
        _ => "an odd number of hexadecimal digits".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<Event> {
        read(text).unwrap().into_iter().map(|recorded| recorded.event).collect()
    }

    fn exchange(command: &[u8], answer: Option<&[u8]>) -> Event {
        Event::Exchange { command: command.to_vec(), answer: answer.map(<[u8]>::to_vec) }
    }

    #[test]
    fn what_scriptor_prints() {
        let text = "Using T=1 protocol\n> RESET\n< OK: 3B 80 80 01 01 \n> 90 5C 00 00 00\n\
            < 00 00 04 E2 00 00 3A 98 03 D2 02 \n90 00 : Normal processing.\n> 00 84 00 00 00\n< KO: gone\n";
        let balance = [0, 0, 4, 0xE2, 0, 0, 0x3A, 0x98, 3, 0xD2, 2, 0x90, 0];
        let wanted = [
            Event::Reset,
            exchange(&[0x90, 0x5C, 0, 0, 0], Some(&balance)),
            exchange(&[0, 0x84, 0, 0, 0], None),
        ];
        assert_eq!(events(text), wanted);
    }

    #[test]
    fn plain_lines_are_commands() {
        let wanted = [
            exchange(&[0x90, 0x5C, 0, 0, 0], None),
            Event::Reset,
            exchange(&[0, 0x84, 0, 0], Some(&[0x90, 0])),
        ];
        assert_eq!(events("# balance\n90:5C:00:00:00\n\nreset\n0084 0000\n< 9000"), wanted);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, reason) in [
            ("905C\nzz", "line 2: 'z' is no"),
            ("905", "line 1: an odd number"),
            ("> 905C\n< 9000\n< 9000", "line 3: an answer without"),
            ("< 9000", "line 1: an answer without"),
            ("9000\n> 905C", "line 1: a line without"),
            ("# nothing\n", "no APDUs"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
