//! Days and times as people write them, read. `element::time` writes them.

use crate::wire::Malformed;

/// Days since 1970-01-01 of `YYYY-MM-DD`, Gregorian, up to 2149-06-06.
pub(crate) fn day(text: &str) -> Result<u16, Malformed> {
    let mut parts = text.split('-');
    let mut next = |width| digits(parts.next().ok_or(Malformed)?, width);
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    if parts.next().is_some()
        || year < 1970
        || !(1..=12).contains(&month)
        || day == 0
        || day > length(year, month)
    {
        return Err(Malformed);
    }
    // Years begin in March, so that a leap day is the last day of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    u16::try_from(days - 719_468).map_err(|_| Malformed)
}

/// Seconds since 1970-01-01T00:00:00Z of `YYYY-MM-DDThh:mm:ssZ`.
pub(crate) fn second(text: &str) -> Result<u64, Malformed> {
    let (date, time) = text.strip_suffix('Z').and_then(|text| text.split_once('T')).ok_or(Malformed)?;
    let mut parts = time.split(':');
    let mut next = |below| {
        digits(parts.next().ok_or(Malformed)?, 2)
            .and_then(|number| if number < below { Ok(number) } else { Err(Malformed) })
    };
    let (hour, minute, second) = (next(24)?, next(60)?, next(60)?);
    if parts.next().is_some() {
        return Err(Malformed);
    }
    Ok(u64::from(day(date)?) * 86_400 + u64::from(hour * 3_600 + minute * 60 + second))
}

/// A number of exactly so many digits.
fn digits(text: &str, width: usize) -> Result<u32, Malformed> {
    if text.len() != width || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    text.parse().map_err(|_| Malformed)
}

/// Days of a month.
const fn length(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::{Date, Time};
    extern crate std;
    use std::string::ToString;

    #[test]
    fn every_day_that_is_written_can_be_read() {
        for number in 0..=u16::MAX {
            assert_eq!(day(&Date(number).to_string()), Ok(number));
        }
        for number in [0, 951_827_696, u32::MAX] {
            assert_eq!(second(&Time(number).to_string()), Ok(number.into()));
        }
    }

    #[test]
    fn what_is_no_day() {
        for text in [
            "",
            "1969-12-31",
            "2149-06-07",
            "2027-02-29",
            "2100-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-01-00",
            "2027-1-1",
            "2027-01-01-01",
            "+027-01-01",
        ] {
            assert_eq!(day(text), Err(Malformed), "{text}");
        }
        for text in ["2027-01-01", "2027-01-01T24:00:00Z", "2027-01-01T00:00Z", "2027-01-01T00:00:00"] {
            assert_eq!(second(text), Err(Malformed), "{text}");
        }
    }
}
