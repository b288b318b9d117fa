//! An exchange in words: several lines.
//!
//! ```text
//! -> 90 5C 00 00  Purse GetBalance
//!   <- 9000 (done)
//!      balance = 1250
//! ```

use std::fmt::Write as _;

use apdu_spec::declare::Row;

use super::decode::{Data, Decoded, decode};

/// An exchange in words, the last line ended; `lost` is why no answer came.
#[must_use]
pub fn describe(command: &[u8], answer: Result<&[u8], &str>) -> String {
    let Decoded { header, row, request, status, response } = decode(command, answer.ok());
    let name = match (row, &request) {
        (Some(row), _) => title(row),
        (None, Data::Misshapen(..)) => "no command APDU".into(),
        (None, _) => "not in the catalogue".into(),
    };
    let mut text = format!("-> {header}  {name}\n");
    write_data(&mut text, &request);
    let _ = match (status, answer) {
        (Some(status), _) => writeln!(text, "  <- {status}"),
        (None, Err(lost)) => writeln!(text, "  <- {lost}"),
        (None, Ok(_)) => writeln!(text, "  <- no status word"),
    };
    write_data(&mut text, &response);
    text
}

/// Application and command.
#[must_use]
pub fn title(row: &Row) -> String {
    format!("{} {}", row.set.trim_end_matches("Command"), row.name)
}

/// So many bytes, in words.
pub(super) fn bytes(count: usize) -> String {
    if count == 1 { "1 byte".into() } else { format!("{count} bytes") }
}

fn write_data(text: &mut String, data: &Data) {
    let _ = match data {
        Data::Fields(fields) => {
            fields.iter().try_for_each(|(name, value)| writeln!(text, "     {name} = {value}"))
        }
        Data::Bytes(hex) => writeln!(text, "     {hex}"),
        Data::Withheld(length) => writeln!(text, "     ({}, not shown)", bytes(*length)),
        Data::Misshapen(length, shape) => writeln!(text, "     {} of no {shape}", bytes(*length)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(command: &str, answer: &str) -> String {
        describe(&hex::decode(command).unwrap(), Ok(&hex::decode(answer).unwrap()))
    }

    #[test]
    fn names_fields_and_words() {
        assert_eq!(
            told("905C000000", "000004E200003A9803D2029000"),
            "-> 90 5C 00 00  Purse GetBalance\n  <- 9000 (done)\n     balance = 1250\n     \
             maximum = 15000\n     currency.code = 978\n     currency.exponent = 2\n"
        );
        assert!(told("00B2010C00", "6A83").contains("record = 1\n  <- 6A83 (there is no such record)"));
        assert!(told("905C000000", "00019000").contains("2 bytes of no BalanceResponse"));
        assert!(
            told("90", "").contains("no command APDU\n     1 byte of no command APDU\n  <- no status word")
        );
        assert!(describe(&[0x90, 0x5C, 0, 0], Err("gone")).contains("<- gone"));
        assert!(told("00A4080C023F00", "6A82").contains("not in the catalogue\n     3F00\n"));
    }

    #[test]
    fn secrets_are_not_told() {
        let told = told("0020008104C0FFEE33", "9000") + &told("80E2880307810104C0FFEE01", "9000");
        assert!(!told.contains("C0FFEE") && told.contains("(4 bytes, not shown)"), "{told}");
        assert!(told.contains("group = Key\n     length = 4\n     content = (4 bytes, not shown)"), "{told}");
    }
}
