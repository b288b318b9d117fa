//! Who could not do their part, and why. One broken participant stops nobody else: the error is
//! kept beside what the others have done, and told at the end.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::Error;

/// Somebody who could not do their part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Failure {
    /// Who: a terminal by its name, a card, a batch.
    pub participant: String,
    /// Why, and what to do.
    pub error: String,
}

impl Failure {
    /// This participant failed with this error.
    pub fn new(participant: impl Into<String>, error: impl Display) -> Self {
        Self { participant: participant.into(), error: error.to_string() }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.participant, self.error)
    }
}

/// An error that names all of them, where there are any.
pub fn verdict(failures: Vec<Failure>) -> Result<(), Error> {
    if failures.is_empty() { Ok(()) } else { Err(Error::Unfinished(failures)) }
}

/// Failures, one a line.
pub(crate) fn lines(failures: &[Failure]) -> String {
    failures.iter().map(|failure| format!("\n  {failure}")).collect()
}
