//! `purse background`: whether anybody else has changed the books, and going on from a backup.

use background::audit::finding::Finding;
use background::audit::verify::Verification;
use serde_json::json;
use simulation::Error;
use simulation::world::Books;

use crate::progress::Progress;
use crate::{Global, output, process};

#[derive(clap::Args)]
pub(crate) struct Background {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Look at every row, every MAC and every sum of the books, and name what was changed
    #[command(after_help = "Examples:\n  purse background verify\n  \
        purse background verify --json\n  \
        purse background verify --head /media/usb/background.head\n\n\
        Each transaction ends with an entry in a chain, whose head is kept in background.head (or\n\
        --head FILE, which may be on another disk, or a copy that somebody has kept). Rows that were\n\
        edited, deleted, made up or brought back are named, and entries that are missing. What is not\n\
        seen: somebody who holds the vault; database and head brought back together, unless you know a\n\
        later head, which `purse clear` prints.\n\n\
        Exit codes: 0 clean, 1 something was found.")]
    Verify,
    /// Go on from a backup, which lacks what came after it
    #[command(after_help = "Examples:\n  \
        purse background accept-restore --reason \"disk died\"\n  \
        purse background accept-restore --reason \"machine lost, head too\" --last 1234\n\n\
        Bring the files of the backup back first. Reason and time stay in the books, and the number of the\n\
        chain goes on behind everything that is lost. Collect again what was collected since: batches that\n\
        were acknowledged are gone from their PSAMs, but not from the journals of their terminals.")]
    AcceptRestore {
        /// Why; it stays in the books
        #[arg(long)]
        reason: String,
        /// Number of the last head that anybody remembers, from paper for instance
        #[arg(long, value_name = "NUMBER")]
        last: Option<i64>,
    },
}

impl Background {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let books =
            Books::open(&global.data, global.head.as_deref(), &mut || crate::passphrase::current(global))?;
        match &self.action {
            Action::Verify => verify(&books, global),
            Action::AcceptRestore { reason, last } => {
                let restoration = books.accept_restore(reason, *last, process::now())?;
                if global.json {
                    output::json(&json!({ "restoration": restoration }));
                } else {
                    let (kept, entry) = (restoration.kept, restoration.entry);
                    output::line(format_args!("The books go on from entry {kept}, as entry {entry}."));
                }
                Ok(())
            }
        }
    }
}

fn verify(books: &Books, global: &Global) -> Result<(), Error> {
    let mut progress = Progress::new();
    let seen = books.verify(&mut |what, done, total| progress.tell(what, done, total))?;
    drop(progress);
    if global.json {
        output::json(&json!({ "clean": seen.findings.is_empty(), "books": seen }));
    } else {
        print(&seen);
    }
    match seen.findings.as_slice() {
        [] => Ok(()),
        [found] => Err(Error::Mismatch(format!("the books were changed: {found}"))),
        [first, rest @ ..] => {
            Err(Error::Mismatch(format!("the books were changed: {first}; and {} more", rest.len())))
        }
    }
}

fn print(seen: &Verification) {
    seen.findings.iter().map(Finding::to_string).for_each(output::line);
    for restoration in &seen.restorations {
        let (entry, kept, time, reason) =
            (restoration.entry, restoration.kept, &restoration.time, &restoration.reason);
        output::line(format_args!("entry {entry} took up a backup that ends at {kept}, {time}: {reason}"));
    }
    let verdict = if seen.findings.is_empty() { "all as it was left" } else { "not as they were left" };
    output::line(format_args!(
        "{} rows under {} entries, {verdict}; head {}",
        seen.rows, seen.entries, seen.head
    ));
}
