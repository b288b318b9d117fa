//! What a person types to a card, line by line: APDUs in hexadecimal, commands of the
//! catalogue with their fields, and a few words.
//!
//! ```text
//! # a comment                               reset
//! 00 A4 04 00 06 F05055525345               Select occurrence=0 aid=purse
//! GetBalance                                expect 9000 balance=1250
//! ```

use apdu_spec::declare::{DATA_MAX, Row};
use apdu_spec::{StatusWord, catalog, text};

use super::decode::{Data, decode};
use super::listing;

/// Longest command APDU that is sent: extended, with 65,535 data bytes.
const COMMAND_MAX: usize = 65_544;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing: a blank line or a comment.
    Nothing,
    /// Send this command APDU.
    Send(Vec<u8>),
    /// Switch the card off and on.
    Reset,
    /// The last answer must have this status word and these fields.
    Expect(StatusWord, Vec<(String, String)>),
}

/// Words that a line may begin with besides the names of commands.
pub const WORDS: [&str; 2] = ["reset", "expect"];

/// Reads one line; the error says what is wrong and what could stand there.
pub fn parse(line: &str) -> Result<Step, String> {
    let line = line.split_once('#').map_or(line, |(code, _)| code).trim();
    let mut words = line.split_whitespace();
    match words.next() {
        None => Ok(Step::Nothing),
        Some(word) if word.eq_ignore_ascii_case("reset") => match words.next() {
            None => Ok(Step::Reset),
            Some(more) => Err(format!("`reset` stands alone, without {more:?}")),
        },
        Some(word) if word.eq_ignore_ascii_case("expect") => expectation(words),
        Some(word) => match catalog::find_by_name(word) {
            Some(row) => typed(row, words),
            None => raw(line, word),
        },
    }
}

fn typed<'l>(row: &Row, words: impl Iterator<Item = &'l str>) -> Result<Step, String> {
    let (mut body, mut apdu) = ([0; DATA_MAX + 2], [0; DATA_MAX + 6]);
    let body = text::request(row, words, &mut body)
        .map_err(|error| format!("{}: {error}; `purse spec {}` shows its fields", row.name, row.name))?;
    let apdu = row.frame(body, &mut apdu).map_err(|error| format!("{}: {error}", row.name))?;
    Ok(Step::Send(apdu.to_vec()))
}

fn raw(line: &str, word: &str) -> Result<Step, String> {
    match listing::bytes(line) {
        Ok(bytes) if bytes.len() > COMMAND_MAX => Err(format!("{} bytes are no command APDU", bytes.len())),
        Ok(bytes) => Ok(Step::Send(bytes)),
        Err(_) if !word.chars().all(|letter| letter.is_ascii_hexdigit()) => Err(unknown(word)),
        Err(reason) => Err(format!("no hexadecimal APDU: {reason}")),
    }
}

fn unknown(word: &str) -> String {
    let lower = word.to_lowercase();
    let alike = |row: &&Row| {
        let name = row.name.to_lowercase();
        name.contains(&lower)
            || lower.contains(&name)
            || lower.len() >= 4 && name.starts_with(lower.get(..4).unwrap_or("?"))
    };
    let names: Vec<_> = catalog::rows().filter(alike).map(|row| row.name).take(4).collect();
    let advice = if names.is_empty() {
        "`purse spec` lists all commands".into()
    } else {
        format!("perhaps {}", names.join(", "))
    };
    format!("{word:?} is neither a command of the catalogue nor hexadecimal; {advice}")
}

fn expectation<'l>(mut words: impl Iterator<Item = &'l str>) -> Result<Step, String> {
    let usage = "write `expect 9000`, with field=value behind it if you like";
    let status = words.next().filter(|word| word.len() == 4).ok_or(usage)?;
    let status = u16::from_str_radix(status, 16).map_err(|_| usage)?;
    let field = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let fields = words.map(field).collect::<Option<Vec<_>>>().ok_or(usage)?;
    Ok(Step::Expect(StatusWord(status), fields))
}

/// Whether the last exchange is as expected; the error says what differs.
pub fn check(
    last: Option<(&[u8], &[u8])>,
    status: StatusWord,
    fields: &[(String, String)],
) -> Result<(), String> {
    let (command, answer) = last.ok_or("nothing has been sent yet that an answer could be expected of")?;
    let decoded = decode(command, Some(answer));
    if decoded.status != Some(status) {
        let found = decoded.status.map_or("none".into(), |status| status.to_string());
        return Err(format!("status word {status} expected, {found} answered"));
    }
    let Data::Fields(found) = decoded.response else {
        return if fields.is_empty() { Ok(()) } else { Err("the answer has no declared fields".into()) };
    };
    fields.iter().try_for_each(|(name, wanted)| match found.iter().find(|(field, _)| field == name) {
        Some((_, value)) if value.eq_ignore_ascii_case(wanted) => Ok(()),
        Some((_, value)) => Err(format!("{name} = {wanted} expected, {value} answered")),
        None => {
            let names: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
            Err(format!(
                "the answer has no field {name:?}; it has {}",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            ))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_right() {
        assert_eq!(parse("  # nothing"), Ok(Step::Nothing));
        assert_eq!(parse("RESET # now"), Ok(Step::Reset));
        assert_eq!(parse("90 5c 00:00 00"), Ok(Step::Send(vec![0x90, 0x5C, 0, 0, 0])));
        assert_eq!(parse("getbalance"), Ok(Step::Send(vec![0x90, 0x5C, 0, 0, 0])));
        let balance = vec![("balance".into(), "1".into())];
        assert_eq!(parse("expect 9000 balance=1"), Ok(Step::Expect(StatusWord::OK, balance)));
    }

    #[test]
    fn lines_that_are_wrong() {
        for (line, words) in [
            ("balance", &["GetBalance"][..]),
            ("InitialiseIep", &["perhaps Initialize"]),
            ("xyzzy", &["purse spec"]),
            ("905", &["odd number"]),
            ("90 5x", &["'x' is no hexadecimal digit"]),
            ("GetBalance now", &["GetBalance: `now` is no assignment"]),
            ("ReadRecord", &["`record` is missing", "purse spec ReadRecord"]),
            ("expect", &["expect 9000"]),
            ("expect 90000", &["expect 9000"]),
            ("expect 9000 balance", &["field=value"]),
            ("reset card", &["stands alone"]),
        ] {
            let error = parse(line).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{line}: {error}");
        }
    }

    #[test]
    fn expectations() {
        let command = hex::decode("905C000000").unwrap();
        let answer = hex::decode("000004E200003A9803D2029000").unwrap();
        let last = Some((&command[..], &answer[..]));
        let fields = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert_eq!(check(last, StatusWord::OK, &fields("currency.code", "978")), Ok(()));
        assert!(check(last, StatusWord::OK, &fields("balance", "1")).unwrap_err().contains("1250 answered"));
        assert!(check(last, StatusWord::OK, &fields("money", "1")).unwrap_err().contains("it has balance"));
        assert!(check(last, StatusWord::WRONG_MAC, &[]).unwrap_err().contains("9302"));
        assert!(check(None, StatusWord::OK, &[]).is_err());
    }
}
