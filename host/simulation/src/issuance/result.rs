//! The result of one card, and its line in a result file.

use host::reader::meter::Traffic;
use host::terminal::personalise::Personalised;

use crate::Error;

/// The head of a result file.
pub(super) const HEAD: &str = "line,purse,id,card,result,reason,apdus,bytes";

/// How it went with one card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was personalised.
    Issued,
    /// It had been begun, and was finished.
    Finished,
    /// It was finished before.
    Already,
    /// It was not, and why.
    Failed(String),
}

/// The result of one card.
#[derive(Clone, Debug)]
pub struct CardResult {
    /// Line of the order.
    pub line: u64,
    /// Number of the purse.
    pub purse: u64,
    /// Its identity.
    pub id: String,
    /// What its management keys are diversified with, hexadecimal; empty where it did not say.
    pub card: String,
    /// How it went.
    pub outcome: Outcome,
    /// What passed.
    pub traffic: Traffic,
}

impl Outcome {
    const GOOD: [Self; 3] = [Self::Issued, Self::Finished, Self::Already];

    /// In a word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Finished => "finished",
            Self::Already => "already",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether the card is good.
    #[must_use]
    pub fn is_done(&self) -> bool {
        Self::GOOD.contains(self)
    }
}

impl From<Personalised> for Outcome {
    fn from(how: Personalised) -> Self {
        match how {
            Personalised::New => Self::Issued,
            Personalised::Finished => Self::Finished,
            Personalised::Already => Self::Already,
        }
    }
}

impl CardResult {
    /// Its line in a result file.
    pub(super) fn to_csv(&self) -> Result<String, Error> {
        let Self { line, purse, id, card, outcome, traffic } = self;
        let reason = if let Outcome::Failed(reason) = outcome { reason.as_str() } else { "" };
        let fields = [
            line.to_string(),
            purse.to_string(),
            id.clone(),
            card.clone(),
            outcome.word().into(),
            reason.replace('\n', " "),
            traffic.apdus.to_string(),
            traffic.bytes.to_string(),
        ];
        let lost =
            |error: &dyn std::fmt::Display| Error::Order(format!("a result cannot be written: {error}"));
        let mut text = csv::Writer::from_writer(Vec::new());
        text.write_record(fields).map_err(|error| lost(&error))?;
        let bytes = text.into_inner().map_err(|error| lost(&error))?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().into())
    }
}

/// Line and purse of a result that is a good one.
pub(super) fn done_in(line: &str) -> Option<(u64, u64)> {
    let fields: Vec<_> = line.split(',').collect();
    let word = fields.get(4)?;
    let good = Outcome::GOOD.iter().any(|outcome| outcome.word() == *word);
    let number = |place: usize| fields.get(place)?.parse().ok();
    number(0).zip(number(1)).filter(|_| good)
}
