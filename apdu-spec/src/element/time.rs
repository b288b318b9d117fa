//! Days and times, UTC.

use core::fmt;

use crate::transparent;

/// A day: 2 bytes, days since 1970-01-01 (DEXP_IEP and the like).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub u16);

/// A point in time, UTC: 4 bytes, seconds since 1970-01-01T00:00:00Z (DTHR).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u32);

impl Time {
    /// The day this point lies in.
    #[must_use]
    pub const fn date(self) -> Date {
        #[allow(clippy::cast_possible_truncation)] // 2^32 / 86,400 is below 2^16
        Date((self.0 / 86_400) as u16)
    }
}

impl Date {
    /// Year, month (1 to 12) and day (1 to 31) of the Gregorian calendar.
    #[must_use]
    pub const fn civil(self) -> (u32, u32, u32) {
        // Years begin in March, so that a leap day is the last day of its year.
        let days = self.0 as u32 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (era * 400 + year_of_era + next_year, month, day)
    }
}

/// `YYYY-MM-DD`
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `YYYY-MM-DDThh:mm:ssZ`
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0 % 86_400;
        write!(f, "{}T{:02}:{:02}:{:02}Z", self.date(), second / 3_600, second / 60 % 60, second % 60)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

transparent!(Date(u16 as Date), Time(u32 as Time));

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    #[test]
    fn calendar() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Time(951_827_696).to_string(), "2000-02-29T12:34:56Z");
        assert_eq!(Time(u32::MAX).to_string(), "2106-02-07T06:28:15Z");
        assert_eq!(Date(u16::MAX).to_string(), "2149-06-06");
    }
}
