//! Order files: CSV, one card a line. The whole file is checked before anything is written;
//! what is wrong is named with its line.

use std::collections::BTreeMap;
use std::path::Path;

use apdu_spec::element::{Algorithm, Amount, Currency, Date, Pin, ProviderId};
use apdu_spec::personalisation::{Function, LegacyView};
use background::Vault;

use super::{COUNTRY, CardOrder, PinOrder, SHORT_BANK};
use crate::Error;
use crate::statement::minor_units;

/// The columns that there are. Those of [`REQUIRED`] must be in every file.
pub const FIELDS: [&str; 17] = [
    "number",
    "provider",
    "currency",
    "maximum",
    "overdraft",
    "limit",
    "algorithm",
    "versions",
    "expiry",
    "pin",
    "pin_tries",
    "pin_load_limit",
    "view",
    "short_bank_code",
    "bank_code",
    "account",
    "attempts",
];
/// The columns that must be there.
pub const REQUIRED: [&str; 4] = ["provider", "currency", "maximum", "limit"];
/// Wrong PINs in a row that block it, where the order does not say.
const TRIES: u8 = 3;

/// What the columns are called in a file, by field.
#[derive(Clone, Default, Debug)]
pub struct Columns(BTreeMap<String, String>);

impl Columns {
    /// Sets one column, as `field=name`.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (field, name) = assignment.split_once('=').ok_or("write it as field=name")?;
        if !FIELDS.contains(&field) {
            return Err(format!("the fields are {}", FIELDS.join(", ")));
        }
        self.0.insert(field.into(), name.into());
        Ok(())
    }

    fn name<'c>(&'c self, field: &'c str) -> &'c str {
        self.0.get(field).map_or(field, String::as_str)
    }
}

/// What an order has to fit.
#[derive(Debug)]
pub struct Terms<'a> {
    /// The issuer.
    pub provider: ProviderId,
    /// Currency of the scheme.
    pub currency: Currency,
    /// Keys that there are.
    pub vault: &'a Vault,
    /// Group of the purchase keys.
    pub group: u8,
    /// Today.
    pub today: Date,
}

/// A line of an order.
#[derive(Clone, Debug)]
pub struct OrderLine {
    /// Line of the file, from 1.
    pub line: u64,
    /// Number of the purse; nothing for the next one that is free.
    pub number: Option<u64>,
    /// What is ordered.
    pub order: CardOrder,
}

/// Reads an order and checks all of it.
pub fn read(path: &Path, text: &[u8], columns: &Columns, terms: &Terms<'_>) -> Result<Vec<OrderLine>, Error> {
    let refuse = |line, reason: String| Error::OrderFile { path: path.into(), line, reason };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text);
    let headers = reader.headers().map_err(|error| refuse(1, error.to_string()))?.clone();
    let first = line_of(text, headers.position());
    let places = places(&headers, columns).map_err(|reason| refuse(first, reason))?;
    let mut lines: Vec<OrderLine> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| refuse(line_of(text, error.position()), error.to_string()))?;
        let line = line_of(text, record.position());
        let fields = Fields { record: &record, places: &places };
        let (number, order) = fields.order(terms).map_err(|reason| refuse(line, reason))?;
        let twice = lines.iter().find(|other| number.is_some() && other.number == number);
        if let Some((other, number)) = twice.zip(number) {
            return Err(refuse(line, format!("card number {number} is in line {} already", other.line)));
        }
        lines.push(OrderLine { line, number, order });
    }
    if lines.is_empty() {
        return Err(refuse(first, "there is no line after the head".into()));
    }
    Ok(lines)
}

/// The line of what was read from here: notes and empty lines before it are passed over.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    let (line, byte) = position.map_or((1, 0), |position| (position.line(), position.byte()));
    let rest = usize::try_from(byte).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let passed = |line: &&[u8]| line.starts_with(b"#") || line.iter().all(|byte| b"\r\n".contains(byte));
    line + rest.split_inclusive(|byte| *byte == b'\n').take_while(passed).count() as u64
}

/// Where each field is.
fn places(headers: &csv::StringRecord, columns: &Columns) -> Result<BTreeMap<&'static str, usize>, String> {
    let mut places = BTreeMap::new();
    for (index, name) in headers.iter().enumerate() {
        let field = FIELDS.into_iter().find(|field| columns.name(field) == name);
        let known = || FIELDS.map(|field| columns.name(field)).join(", ");
        let field = field.ok_or_else(|| match name.contains([';', '\t']) {
            true => "columns are separated by commas, amounts have a point: 200.00".to_owned(),
            false => format!("there is no column {name:?} in an order; there are {}", known()),
        })?;
        if places.insert(field, index).is_some() {
            return Err(format!("column {name:?} is there twice"));
        }
    }
    match REQUIRED.into_iter().find(|field| !places.contains_key(field)) {
        Some(field) => Err(format!("column {:?} is missing", columns.name(field))),
        None => Ok(places),
    }
}

/// The fields of a line.
struct Fields<'r> {
    record: &'r csv::StringRecord,
    places: &'r BTreeMap<&'static str, usize>,
}

impl Fields<'_> {
    /// What is in a field; an empty one is not there.
    fn get(&self, field: &str) -> Option<&str> {
        let place = self.places.get(field)?;
        self.record.get(*place).filter(|text| !text.is_empty())
    }

    fn must(&self, field: &str) -> Result<&str, String> {
        self.get(field).ok_or_else(|| format!("{field} is empty"))
    }

    /// A number of a range; `else_` where the field is empty.
    fn number(&self, field: &str, range: std::ops::RangeInclusive<u64>, else_: u64) -> Result<u64, String> {
        let Some(text) = self.get(field) else { return Ok(else_) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            format!("{field}: {text:?} is no number from {} to {}", range.start(), range.end())
        })
    }

    fn amount(&self, field: &str, currency: Currency) -> Result<Option<Amount>, String> {
        let Some(text) = self.get(field) else { return Ok(None) };
        let minor = minor_units(text, currency.exponent).map_err(|reason| format!("{field}: {reason}"))?;
        let amount = u32::try_from(minor).ok().and_then(Amount::new);
        let most = || currency.show(i32::MAX.into());
        amount.map(Some).ok_or_else(|| format!("{field}: {text} is not between 0 and {}", most()))
    }

    fn order(&self, terms: &Terms<'_>) -> Result<(Option<u64>, CardOrder), String> {
        let most = (1 << 40) - 1; // five bytes
        let number = self.get("number").map(|_| self.number("number", 1..=most, 0)).transpose()?;
        let (provider, currency) = (self.must("provider")?, self.must("currency")?);
        if provider.parse() != Ok(terms.provider.get()) {
            return Err(format!("provider {provider:?} is not known here; the issuer is {}", terms.provider));
        }
        let code = terms.currency.code.to_string();
        if currency != code && Some(currency) != terms.currency.letters() {
            let letters = terms.currency.letters().unwrap_or(&code);
            return Err(format!(
                "currency {currency:?} is not known here; the scheme's is {letters} ({code})"
            ));
        }
        let amount = |field| self.amount(field, terms.currency);
        let needed = |field| amount(field)?.ok_or_else(|| format!("{field} is empty"));
        let order = CardOrder {
            maximum: needed("maximum")?,
            overdraft: amount("overdraft")?.unwrap_or_default(),
            limit: needed("limit")?,
            versions: self.versions(terms)?,
            expiry: self.expiry(terms.today)?,
            pin: self.pin(amount("pin_load_limit")?)?,
            legacy: self.legacy(terms.today)?,
            attempts: self.attempts()?,
        };
        Ok((number, order.checked()?))
    }

    /// Key versions, one or two, that the vault has, of the algorithm that is ordered.
    fn versions(&self, terms: &Terms<'_>) -> Result<Vec<u8>, String> {
        let text = self.get("versions");
        let wrong = |text: &str| format!("versions: {text:?} is none, such as 1 or 1+2");
        let parse = |text: &str| {
            let all: Result<Vec<u8>, _> = text.split('+').map(|part| part.trim().parse()).collect();
            all.ok()
                .filter(|all| all.len() == 1 || (all.len() == 2 && all[0] != all[1]))
                .ok_or_else(|| wrong(text))
        };
        let versions = text.map(parse).transpose()?;
        let all = versions.clone().unwrap_or_else(|| terms.vault.newest_versions());
        let algorithm = match self.get("algorithm") {
            None => None,
            Some("aes-cmac") => Some(Algorithm::AesCmac),
            Some("retail-mac") => Some(Algorithm::RetailMac),
            Some(other) => {
                return Err(format!("algorithm: {other:?} is none; there are aes-cmac, retail-mac"));
            }
        };
        for version in &all {
            let keys = [(Function::Load, 0), (Function::Certificate, 0), (Function::Purchase, terms.group)];
            for (function, group) in keys {
                let key = terms.vault.reference(function, group, *version);
                let key = key.map_err(|_| format!("versions: the vault has no keys of version {version}"))?;
                if algorithm.is_some_and(|algorithm| algorithm != key.algorithm) {
                    return Err(format!("algorithm: keys of version {version} are for another algorithm"));
                }
            }
        }
        Ok(versions.unwrap_or_default())
    }

    fn expiry(&self, today: Date) -> Result<Option<Date>, String> {
        let Some(text) = self.get("expiry") else { return Ok(None) };
        let day: jiff::civil::Date =
            text.parse().map_err(|_| format!("expiry: {text:?} is no date (YYYY-MM-DD)"))?;
        let days = day.since(jiff::civil::Date::constant(1970, 1, 1)).map(|span| span.get_days());
        let date = days.ok().and_then(|days| u16::try_from(days).ok()).map(Date);
        let date = date.ok_or_else(|| format!("expiry: {text} is out of range"))?;
        if date < today { Err(format!("expiry: {text} is over")) } else { Ok(Some(date)) }
    }

    fn pin(&self, load_limit: Option<Amount>) -> Result<Option<PinOrder>, String> {
        let tries = self.number("pin_tries", 1..=15, TRIES.into())?;
        let pin = match self.get("pin") {
            None if self.get("pin_tries").is_some() || load_limit.is_some() => {
                return Err("pin is empty, and there is something about it".into());
            }
            None => return Ok(None),
            Some("random") => None,
            // Not repeated in the error: it may be one with a slip of the finger.
            Some(digits) => Some(Pin::new(digits).map_err(|_| "pin: neither 4 to 12 digits nor \"random\"")?),
        };
        let tries = u8::try_from(tries).unwrap_or(TRIES);
        Ok(Some(PinOrder { pin, tries, load_limit: load_limit.unwrap_or_default() }))
    }

    fn legacy(&self, today: Date) -> Result<Option<LegacyView>, String> {
        let mut views = 0;
        for view in self.get("view").into_iter().flat_map(|text| text.split(['+', ' '])) {
            views |= match view.trim() {
                "geldkarte" => LegacyView::GELDKARTE,
                "quick" => LegacyView::QUICK,
                other => {
                    return Err(format!(
                        "view: {other:?} is none; there are geldkarte, quick, geldkarte+quick"
                    ));
                }
            };
        }
        let account = ["short_bank_code", "bank_code", "account"];
        if let (0, Some(field)) = (views, account.into_iter().find(|field| self.get(field).is_some())) {
            return Err(format!("{field} is for a view, and view is empty"));
        }
        let number = |field, else_| self.number(field, 0..=u64::MAX, else_);
        let short_bank = number("short_bank_code", SHORT_BANK)?;
        let (bank, account) = (number("bank_code", 0)?, number("account", 0)?);
        let view = LegacyView::new(views, short_bank, bank, account, COUNTRY, today)?;
        Ok(Some(view).filter(|view| view.views != 0))
    }

    fn attempts(&self) -> Result<Option<u8>, String> {
        let attempts = self.number("attempts", 0..=255, 0)?;
        Ok(u8::try_from(attempts).ok().filter(|attempts| *attempts > 0))
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
