//! Statements of a real stored-value card, read from CSV: one line an event, oldest
//! first, the balance after it. Column names are configurable, so that exports of other
//! schemes can be read.

use std::path::Path;

use apdu_spec::element::Time;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Which columns hold what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Columns {
    /// Which statement a line belongs to.
    pub statement: String,
    /// Day, `YYYY-MM-DD`.
    pub date: String,
    /// Time, `hh:mm` or `hh:mm:ss`, taken as UTC.
    pub time: String,
    /// Kind of the line: the merchant, or one of the kinds below.
    pub kind: String,
    /// What was charged.
    pub charge: String,
    /// What was credited.
    pub credit: String,
    /// Balance after the line.
    pub balance: String,
}

impl Default for Columns {
    fn default() -> Self {
        let [statement, date, time, kind, charge, credit, balance] =
            ["statement", "date", "time", "kind", "charge", "credit", "balance"].map(String::from);
        Self { statement, date, time, kind, charge, credit, balance }
    }
}

impl Columns {
    /// Sets one column, as `field=name`.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (field, name) = assignment.split_once('=').ok_or("write it as field=name")?;
        let place = match field {
            "statement" => &mut self.statement,
            "date" => &mut self.date,
            "time" => &mut self.time,
            "kind" => &mut self.kind,
            "charge" => &mut self.charge,
            "credit" => &mut self.credit,
            "balance" => &mut self.balance,
            _ => return Err("the fields are statement, date, time, kind, charge, credit, balance".into()),
        };
        *place = name.into();
        Ok(())
    }
}

/// A line of a statement. Amounts are minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Line of the file, from 1.
    pub number: u64,
    /// When.
    pub time: Time,
    /// Kind.
    pub kind: String,
    /// What was charged.
    pub charge: u32,
    /// What was credited.
    pub credit: u32,
    /// Balance after it.
    pub balance: i32,
}

/// One stretch of one card's life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// Its name in the file.
    pub name: String,
    /// Its lines, oldest first; one at least.
    pub lines: Vec<Line>,
    /// Balance before the first line, minor units.
    pub opening: i32,
}

/// Reads a file of statements. Every line is checked before any is lived: shape,
/// amounts, order of time, and that the balances chain.
pub fn read(path: &Path, columns: &Columns, exponent: u8) -> Result<Vec<Statement>, Error> {
    let refuse = |line, reason: String| Error::Statement { path: path.into(), line, reason };
    let file = std::fs::File::open(path).map_err(Error::file(path))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|error| refuse(1, error.to_string()))?.clone();
    let places = Places::find(&headers, columns).map_err(|reason| refuse(1, reason))?;
    let mut statements: Vec<Statement> = Vec::new();
    for record in reader.records() {
        let record = record
            .map_err(|error| refuse(error.position().map_or(0, csv::Position::line), error.to_string()))?;
        let number = record.position().map_or(0, csv::Position::line);
        let (name, line) = places.line(&record, number, exponent).map_err(|reason| refuse(number, reason))?;
        append(&mut statements, name, line).map_err(|reason| refuse(number, reason))?;
    }
    if statements.is_empty() {
        return Err(refuse(1, "there is no line after the head".into()));
    }
    Ok(statements)
}

/// Adds a line to its statement, which must be the last one or a new one.
fn append(statements: &mut Vec<Statement>, name: &str, line: Line) -> Result<(), String> {
    let change = i64::from(line.credit) - i64::from(line.charge);
    if let Some(statement) = statements.last_mut().filter(|statement| statement.name == name) {
        let last = statement.lines.last().ok_or("an empty statement")?;
        if i64::from(last.balance) + change != i64::from(line.balance) {
            return Err(format!(
                "the balance does not follow from line {}: expected {} minor units, found {}",
                last.number,
                i64::from(last.balance) + change,
                line.balance
            ));
        }
        if line.time < last.time {
            return Err(format!("it is earlier than line {}; sort oldest first", last.number));
        }
        statement.lines.push(line);
        return Ok(());
    }
    if statements.iter().any(|statement| statement.name == name) {
        return Err(format!("statement {name} has ended before; keep its lines together"));
    }
    let opening = i32::try_from(i64::from(line.balance) - change)
        .map_err(|_| "the opening balance is out of range".to_string())?;
    statements.push(Statement { name: name.into(), lines: vec![line], opening });
    Ok(())
}

/// Where the columns are.
struct Places {
    statement: usize,
    date: usize,
    time: usize,
    kind: usize,
    charge: usize,
    credit: usize,
    balance: usize,
}

impl Places {
    fn find(headers: &csv::StringRecord, columns: &Columns) -> Result<Self, String> {
        let place = |name: &str| {
            headers.iter().position(|header| header == name).ok_or_else(|| {
                let found: Vec<_> = headers.iter().collect();
                format!("there is no column {name:?}; there are {}; see --column", found.join(", "))
            })
        };
        Ok(Self {
            statement: place(&columns.statement)?,
            date: place(&columns.date)?,
            time: place(&columns.time)?,
            kind: place(&columns.kind)?,
            charge: place(&columns.charge)?,
            credit: place(&columns.credit)?,
            balance: place(&columns.balance)?,
        })
    }

    fn line<'r>(
        &self,
        record: &'r csv::StringRecord,
        number: u64,
        exponent: u8,
    ) -> Result<(&'r str, Line), String> {
        let field = |place: usize| record.get(place).ok_or("a field is missing");
        let amount = |place| {
            let minor = minor_units(field(place)?, exponent)?;
            u32::try_from(minor).map_err(|_| format!("{minor} minor units is no amount"))
        };
        let (charge, credit) = (amount(self.charge)?, amount(self.credit)?);
        if charge > 0 && credit > 0 {
            return Err("it charges and credits at once".into());
        }
        let kind = field(self.kind)?;
        if kind.is_empty() {
            return Err("the kind is empty".into());
        }
        let balance = minor_units(field(self.balance)?, exponent)?;
        let balance = i32::try_from(balance).map_err(|_| "the balance is out of range")?;
        let time = time(field(self.date)?, field(self.time)?)?;
        let line = Line { number, time, kind: kind.into(), charge, credit, balance };
        Ok((field(self.statement)?, line))
    }
}

/// Minor units of a decimal number: exact, no floating point.
pub fn minor_units(text: &str, exponent: u8) -> Result<i64, String> {
    let refuse = || format!("{text:?} is no amount with at most {exponent} decimals");
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent = usize::from(exponent);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > exponent || !all_digits(whole) || !all_digits(part) {
        return Err(refuse());
    }
    let minor: i64 = format!("{whole}{part:0<exponent$}").parse().map_err(|_| refuse())?;
    Ok(if negative { -minor } else { minor })
}

/// Date and time, taken as UTC.
fn time(date: &str, time: &str) -> Result<Time, String> {
    let civil: jiff::civil::DateTime = format!("{date}T{time}")
        .parse()
        .map_err(|_| format!("{date:?} {time:?} is no date (YYYY-MM-DD) and time (hh:mm)"))?;
    let timestamp = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
    let seconds = timestamp.timestamp().as_second();
    u32::try_from(seconds).map(Time).map_err(|_| format!("{date} is before 1970 or after 2106"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Statement>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("statements.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, &Columns::default(), 2).map_err(|error| error.to_string())
    }

    const HEAD: &str = "statement,date,time,kind,charge,credit,balance\n";

    #[test]
    fn amounts_are_exact() {
        assert_eq!(minor_units("3.1", 2), Ok(310));
        assert_eq!(minor_units("-0.25", 2), Ok(-25));
        assert_eq!(minor_units("7", 0), Ok(7));
        for wrong in ["", "-", ".5", "1.234", "1,50", "1e3", "--1", "99999999999999999999"] {
            assert!(minor_units(wrong, 2).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_opening_balance_follows_from_the_first_line() {
        let statements = read_text(&format!("{HEAD}A,2014-07-28,07:44,rail,3.70,0.00,1.85\n")).unwrap();
        assert_eq!(statements[0].opening, 555);
        assert_eq!(statements[0].lines[0].time, Time(1_406_533_440));
    }

    #[test]
    fn broken_lines_are_named() {
        let first = "A,2014-07-28,07:44,rail,3.70,0.00,1.85\n";
        for (line, reason) in [
            ("A,2014-07-28,08:00,rail,1.00,0.00,1.85", "does not follow"),
            ("A,2014-07-28,07:00,rail,1.00,0.00,0.85", "earlier"),
            ("A,2014-07-28,08:00,rail,1.00,1.00,1.85", "charges and credits"),
            ("A,2014-13-28,08:00,rail,1.00,0.00,0.85", "no date"),
            ("A,2014-07-28,08:00,rail,x,0.00,0.85", "no amount"),
            ("A,2014-07-28,08:00,rail,-1.00,0.00,2.85", "no amount"),
            ("A,2014-07-28,08:00,,1.00,0.00,0.85", "kind is empty"),
            ("A,2014-07-28,08:00,rail,1.00", "fields"),
        ] {
            let error = read_text(&format!("{HEAD}{first}{line}\n")).unwrap_err();
            assert!(error.contains("line 3") && error.contains(reason), "{line}: {error}");
        }
        assert!(read_text(HEAD).unwrap_err().contains("no line"));
        assert!(read_text("a,b\n1,2\n").unwrap_err().contains("no column \"statement\""));
    }
}
