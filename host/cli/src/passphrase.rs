//! The passphrase of the vault: from a file, from the environment, or from a terminal without echo.
//! Never from the command line, where everybody on the machine can read it.

use std::io::{IsTerminal as _, stdin};
use std::path::{Path, PathBuf};

use background::Error;
use background::vault::Passphrase;
use zeroize::Zeroizing;

use crate::Global;

/// Where the passphrase can be.
const VARIABLE: &str = "PURSE_PASSPHRASE";
/// Where a new one can be.
const NEW_VARIABLE: &str = "PURSE_NEW_PASSPHRASE";

/// The passphrase of the vault in `--data`.
pub(crate) fn current(global: &Global) -> Result<Passphrase, Error> {
    let missing = || Error::NoPassphrase(global.data.join("vault.json"));
    match given(global.passphrase_file.as_deref(), VARIABLE)? {
        Some(passphrase) => Ok(passphrase),
        None => typed("Passphrase of the vault: ")?.ok_or_else(missing),
    }
}

/// A new passphrase; typed twice, where it is typed.
pub(crate) fn new(file: Option<&Path>) -> Result<Passphrase, Error> {
    if let Some(passphrase) = given(file, NEW_VARIABLE)? {
        return Ok(passphrase);
    }
    let differ = "the two are not the same; nothing was changed";
    let missing =
        "which passphrase shall it be? Give --new-file FILE or PURSE_NEW_PASSPHRASE, or call from a terminal";
    let first = typed("New passphrase: ")?.ok_or(Error::BadOrder(missing))?;
    let again = typed("The same again: ")?.ok_or(Error::BadOrder(missing))?;
    if first == again { Ok(first) } else { Err(Error::BadOrder(differ)) }
}

/// The one of a file, else that of the environment.
fn given(file: Option<&Path>, variable: &str) -> Result<Option<Passphrase>, Error> {
    let text = match file {
        Some(path) => {
            let refuse = |source| Error::Io { path: PathBuf::from(path), source };
            Some(Zeroizing::new(std::fs::read_to_string(path).map_err(refuse)?))
        }
        None => std::env::var(variable).ok().map(Zeroizing::new),
    };
    let Some(text) = text else { return Ok(None) };
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Passphrase::new(line.into()).map(Some).ok_or(Error::BadOrder("the passphrase that was given is empty"))
}

/// The one that a person types; none where nobody is there.
fn typed(prompt: &str) -> Result<Option<Passphrase>, Error> {
    if !stdin().is_terminal() {
        return Ok(None);
    }
    let refuse = |source| Error::Io { path: PathBuf::from("the terminal"), source };
    rpassword::prompt_password(prompt).map(Passphrase::new).map_err(refuse)
}
