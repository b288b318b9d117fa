//! The shell of `purse apdu`: history, completion, and errors that do not end it.

use std::path::{Path, PathBuf};

use host::trace::redact;
use host::trace::script::{Step, parse};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};
use simulation::Error;

use super::complete::Names;
use super::session::Session;
use crate::output;

const HELP: &str = "An APDU in hexadecimal, or a command with its fields: ReadRecord record=1\n\
    reset                      switches the card off and on\n\
    expect 9000 balance=1250   says where the last answer is another one\n\
    help, quit                 Tab completes names and fields; Ctrl-D ends";

/// Reads lines from the terminal until it ends. A line that is wrong, or that the card
/// does not like, is said and the next one read.
pub(crate) fn run(session: &mut Session<'_>, history: Option<&Path>) -> Result<(), Error> {
    let terminal = |error: ReadlineError| Error::Order(format!("the terminal cannot be used: {error}"));
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
    let mut editor = Editor::<Names, DefaultHistory>::with_config(config).map_err(terminal)?;
    editor.set_helper(Some(Names));
    let history = history.map(Into::into).or_else(default_history);
    if let Some(path) = &history {
        // The first time there is none.
        let _ = editor.load_history(path);
    }
    output::line("`help` shows what can be typed; Ctrl-D ends.");
    loop {
        match editor.readline("apdu> ") {
            Ok(line) => {
                if matches!(line.trim(), "quit" | "exit") {
                    break;
                }
                if may_be_kept(&line) {
                    let _ = editor.add_history_entry(&line);
                }
                take(session, &line);
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        }
    }
    if let Some(path) = history {
        keep(&mut editor, &path);
    }
    Ok(())
}

fn take(session: &mut Session<'_>, line: &str) {
    if line.trim() == "help" {
        output::line(HELP);
        return;
    }
    let done = parse(line).map_err(Error::Order).and_then(|step| session.take("the last answer", step));
    if let Err(error) = done {
        output::complain_plainly(&error);
    }
}

/// A line goes into the history unless it is blank, or its command carries a key, a PIN or
/// what may be one. A line that is wrong may be one with a key too.
fn may_be_kept(line: &str) -> bool {
    match parse(line) {
        Ok(Step::Nothing) => false,
        Ok(Step::Send(mut command)) => !redact::command(&mut command),
        Ok(Step::Reset | Step::Expect(..)) => true,
        Err(_) => !line.chars().any(|letter| letter.is_ascii_digit()),
    }
}

fn keep(editor: &mut Editor<Names, DefaultHistory>, path: &Path) {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let saved = folder.map_err(ReadlineError::from).and_then(|()| editor.save_history(path));
    if let Err(error) = saved {
        output::complain_plainly(&format!("the history is not kept: {}: {error}", path.display()));
    }
}

/// Where programs keep what they remember of a user: the XDG base directory
/// specification's state directory, on Windows LOCALAPPDATA.
fn default_history() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME")
        .or_else(|| folder("LOCALAPPDATA"))
        .or_else(|| folder("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("purse/apdu-history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_keys_are_not_kept() {
        for line in ["GetBalance", "905C000000", "reset", "expect 9000", "nonsense"] {
            assert!(may_be_kept(line), "{line}");
        }
        for line in [
            "",
            "# note",
            "CreditCancellation secret=000102030405060708090A0B0C0D0E0F",
            "CreditCancellation secret=0001",
            "80E2800003 8101 A5",
            "0020008004 31323334",
            "00 20 00 80 04 31 32 33 3",
        ] {
            assert!(!may_be_kept(line), "{line}");
        }
    }
}
