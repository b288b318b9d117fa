//! What a scheme consists of: a file that a person can read, `scheme.json`.

use std::path::Path;

use apdu_spec::element::{AcquirerId, Amount, Currency, ProviderId, SamId, SamNumber};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Version of the file.
const VERSION: u32 = 2;

/// A scheme: one issuer, one acquirer, its terminals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scheme {
    version: u32,
    /// Whether it is a demonstration: its keys are no secret, and it issues nothing of worth.
    pub demo: bool,
    /// Number of the issuer.
    pub provider: u32,
    /// Number of the acquirer.
    pub acquirer: u32,
    /// ISO 4217 numeric code.
    pub currency: u16,
    /// Decimal places of the minor unit.
    pub exponent: u8,
    /// Number of the load terminal.
    pub load_terminal: u32,
    /// What the load terminal may give of the operator's money in a day on one person's word,
    /// minor units; noted with its registration.
    pub operator_limit: u32,
    /// Number of the transfer card.
    pub transfer_card: u32,
    /// Payment terminals.
    pub terminals: Vec<TerminalEntry>,
    /// The last number that was given to a purse in turn, from 1; orders may name others.
    pub purses: u64,
}

/// A payment terminal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TerminalEntry {
    /// Name, by which a person calls it; also its merchant's name.
    pub name: String,
    /// Number of its PSAM.
    pub sam: u32,
    /// How its batches travel.
    pub connection: Connection,
}

/// How a terminal is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// Hands its batches in over a line.
    Online,
    /// Never connected: emptied with a transfer card.
    Never,
}

impl Scheme {
    /// A scheme in this currency with terminals of these names.
    #[must_use]
    pub fn new(currency: Currency, terminals: &[(&str, Connection)]) -> Self {
        let entry = |(number, (name, connection)): (u32, &(&str, Connection))| TerminalEntry {
            name: (*name).into(),
            sam: number,
            connection: *connection,
        };
        Self {
            version: VERSION,
            demo: true,
            provider: 9_276,
            acquirer: 5_001,
            currency: currency.code,
            exponent: currency.exponent,
            load_terminal: 900,
            operator_limit: 5_000,
            transfer_card: 800,
            terminals: (1..).zip(terminals).map(entry).collect(),
            purses: 0,
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let refuse = |reason: String| Error::File { path: path.into(), reason };
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let scheme: Self = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if scheme.version != VERSION {
            return Err(refuse(format!("version {} is not known here", scheme.version)));
        }
        let numbers = [scheme.provider, scheme.acquirer, scheme.load_terminal, scheme.transfer_card];
        let sams = scheme.terminals.iter().map(|terminal| terminal.sam);
        if numbers.into_iter().chain(sams).any(|number| SamNumber::new(number).is_none()) {
            return Err(refuse("a number is above 16,777,215".into()));
        }
        Ok(scheme)
    }

    /// Writes the file anew; a crash leaves the old one or the new one.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let fresh = path.with_extension("new");
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Order(error.to_string()))?;
        std::fs::write(&fresh, text + "\n").map_err(Error::file(&fresh))?;
        std::fs::rename(&fresh, path).map_err(Error::file(path))
    }

    /// The issuer. Numbers are checked when the file is read.
    #[must_use]
    pub fn provider(&self) -> ProviderId {
        ProviderId::new(self.provider).unwrap_or_default()
    }

    /// The acquirer.
    #[must_use]
    pub fn acquirer(&self) -> AcquirerId {
        AcquirerId::new(self.acquirer).unwrap_or_default()
    }

    /// What the load terminal may give of the operator's money in a day; the greatest amount where
    /// the file says more.
    #[must_use]
    pub fn operator_limit(&self) -> Amount {
        Amount::new(self.operator_limit).unwrap_or(Amount::MAX)
    }

    /// Currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        Currency { code: self.currency, exponent: self.exponent }
    }

    /// A module of this acquirer.
    #[must_use]
    pub fn module(&self, number: u32) -> SamId {
        SamId { acquirer: self.acquirer(), number: SamNumber::new(number).unwrap_or_default() }
    }

    /// The terminal of this name.
    pub fn terminal(&self, name: &str) -> Result<&TerminalEntry, Error> {
        self.terminals.iter().find(|terminal| terminal.name == name).ok_or_else(|| {
            let names: Vec<_> = self.terminals.iter().map(|terminal| terminal.name.as_str()).collect();
            Error::NoTerminal(name.into(), names.join(", "))
        })
    }
}
