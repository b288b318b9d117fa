//! Audit: whether anybody else has changed the books.
//!
//! Each transaction that changes rows ends with an entry in table `chain`: which rows, and a MAC
//! over each of them before and after (`row`, `entry`). An entry is under a MAC of its own, its
//! link, which covers the link before it, so that the last one stands for all (`keeper`). The
//! keys come from the vault (`vault::books`). The last link and its number, which only rises, are
//! the [`head`]; it is kept in a file outside of the database as well, and settlements print it,
//! so that it can be kept on paper.
//!
//! * `opening` takes the cheap look: tables, indexes and triggers are this program's, the end of
//!   the chain is this vault's and goes on from the head in the file.
//! * `settlement` looks before money leaves at every row that was changed since the last
//!   settlement, and at every payment that it is about to pay. It costs what was changed since.
//! * [`verify`](verify::verify) looks at everything: it replays the chain, compares every row, checks
//!   every MAC of the evidence, and derives postings, balances and settlements anew.
//! * [`restore`] takes up the books where a backup left them, for a reason that stays in them.
//!
//! # What is covered
//!
//! Whoever writes to the database, its schema or its files without the vault: any row that was
//! edited, deleted, made up, swapped or brought back, any entry of the chain that was, a row that
//! was edited and then taken up by a genuine transaction, a tail of the chain that was cut, an
//! older database in the place of the newer one, a vault in the place of another.
//!
//! # What is not covered
//!
//! * Somebody who holds the vault: he makes any MAC.
//! * Somebody who brings back the database *and* the file of its head, both as old as each other.
//!   Only a head that somebody else keeps (on paper, or a copy of the file for
//!   `purse background verify --head`) shows that.
//! * A row that is changed and put back between two looks. What the program did with it
//!   meanwhile is in the books, and its evidence with it.
//! * The last moments before the power fails. The head reaches the operating system before any
//!   answer leaves, and the disk at each settlement. A process that dies leaves it one entry behind
//!   at most; a machine that loses power may leave it as far behind as its system is slow to
//!   write, and somebody who also had a copy of the database from just then could bring that back.
//!   He cannot go behind the last settlement.

mod compare;
pub(crate) mod entry;
mod evidence;
pub mod finding;
pub mod head;
pub(crate) mod keeper;
mod ledger;
pub(crate) mod opening;
mod replay;
pub mod restore;
pub(crate) mod row;
pub(crate) mod settlement;
pub mod verify;

use entry::Entry;

use crate::error::Error;
use crate::vault::Vault;

/// A backup that was taken up.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Restoration {
    /// The entry of the chain that took it up; entries between `kept` and this one are lost.
    pub entry: i64,
    /// The last entry that the backup had.
    pub kept: i64,
    /// When.
    pub time: String,
    /// Why.
    pub reason: String,
}

/// Reads bytes as an entry of the chain, as a row and as places of a head, and keeps nothing: for the
/// fuzzer, since somebody else may have written them. Errors: those of the vault alone.
#[doc(hidden)]
pub fn read_any(bytes: &[u8], vault: &Vault) -> Result<(), Error> {
    let entry = Entry { number: 1, name: entry::BEGIN.to_owned(), changes: bytes.to_vec(), link: [0; 32] };
    drop(entry.changes());
    row::values(bytes).for_each(drop);
    let _ = head::Head::among(bytes, &vault.books_key()?);
    Ok(())
}
