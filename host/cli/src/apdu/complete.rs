//! Completion from the catalogue: names of commands, then their fields, then codes.

use apdu_spec::aid::Aid;
use apdu_spec::catalog;
use apdu_spec::declare::{Field, Row};
use apdu_spec::form::Form;
use host::trace::script::WORDS;
use rustyline::completion::{Completer, Pair};
use rustyline::{Context, Helper};

/// Completes the line of a shell.
pub(crate) struct Names;

impl Completer for Names {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, words) = candidates(line.get(..pos).unwrap_or_default());
        let pair = |word: String| Pair { display: word.clone(), replacement: word };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

impl rustyline::hint::Hinter for Names {
    type Hint = String;
}
impl rustyline::highlight::Highlighter for Names {}
impl rustyline::validate::Validator for Names {}
impl Helper for Names {}

/// Where the word at the end of `line` begins, and what could stand there.
fn candidates(line: &str) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |place| place + 1);
    let (before, word) = line.split_at(start);
    let Some(command) = before.split_whitespace().next() else { return (start, commands(word)) };
    let Some(row) = catalog::find_by_name(command) else { return (start, Vec::new()) };
    match word.split_once('=') {
        None => {
            let mut paths = Vec::new();
            collect(row.request.fields, "", &mut paths);
            let used: Vec<_> = before.split_whitespace().filter_map(|word| word.split_once('=')).collect();
            paths.retain(|path| path.starts_with(word) && !used.iter().any(|(name, _)| name == path));
            (start, paths.into_iter().map(|path| path + "=").collect())
        }
        Some((path, value)) => {
            let names = form_at(row.request.fields, path).map_or(Vec::new(), values);
            (start + path.len() + 1, matching(&names, value).into_iter().map(|name| name + " ").collect())
        }
    }
}

fn commands(word: &str) -> Vec<String> {
    let more = |row: &Row| if row.request.fields.is_empty() { "" } else { " " };
    let rows = catalog::rows().map(|row| format!("{}{}", row.name, more(row)));
    let words = WORDS.into_iter().chain(["help", "quit"]).map(str::to_owned);
    let names: Vec<_> = rows.chain(words).collect();
    matching(&names.iter().map(String::as_str).collect::<Vec<_>>(), word)
}

/// Names that begin with `word`, whatever the case of its letters.
fn matching(names: &[&str], word: &str) -> Vec<String> {
    let begins = |name: &&&str| name.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word));
    names.iter().filter(begins).map(|name| (*name).to_owned()).collect()
}

/// The paths of all leaves.
fn collect(fields: &[Field], front: &str, paths: &mut Vec<String>) {
    for field in fields {
        let path = format!("{front}{}", field.name);
        match field.form {
            Form::Group(fields) => collect(fields, &format!("{path}."), paths),
            _ => paths.push(path),
        }
    }
}

fn form_at(fields: &'static [Field], path: &str) -> Option<&'static Form> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let field = fields.iter().find(|field| field.name == first)?;
    match (rest, &field.form) {
        (None, form) => Some(form),
        (Some(rest), Form::Group(fields)) => form_at(fields, rest),
        _ => None,
    }
}

fn values(form: &Form) -> Vec<&'static str> {
    match form {
        Form::Code { names, .. } => names.iter().map(|(name, _)| *name).collect(),
        Form::Aid => Aid::NAMED.iter().map(|(name, _)| *name).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> (usize, String) {
        let (start, words) = candidates(line);
        (start, words.join("|"))
    }

    #[test]
    fn commands_fields_and_codes() {
        assert_eq!(at("getb"), (0, "GetBalance".into()));
        assert_eq!(
            at("re"),
            (0, "ReadRecord |ResetPin |ReadTrailer |ReadParcel |ReadDownload |ReleaseRecords |ReadBinary |ReadFileRecord |reset".into())
        );
        assert_eq!(at("Select "), (7, "occurrence=|aid=".into()));
        assert_eq!(at("Select aid=purse "), (17, "occurrence=".into()));
        assert_eq!(at("Select aid=p"), (11, "purse |psam ".into()));
        assert_eq!(at("StoreData group=K"), (16, "KeyFloor |Key ".into()));
        assert_eq!(at("InitializeIep counterpart.s").1, "counterpart.sam.acquirer=|counterpart.sam.number=");
        for line in ["zz ", "GetBalance ", "Select aid=purse x.y=", "Select é=é", "Sélect aid="] {
            assert!(at(line).1.len() < 20, "{line}");
        }
    }
}
