//! Exhaustive tearing: every command in every kind of state, cut in every write in every tear.
//!
//! # What is a case
//!
//! A *deed* is a command in a *situation*. Its writes are recorded once; then for each write
//! and each [`Tear`](card_os::sim::Tear) of it the image is made as the cut leaves it, and
//! the card is powered up. It must stand as before or as after that write, in all that it
//! keeps and in all that it tells; the second power-up must write nothing; a whole
//! transaction must follow, and its result must last while two more blocks are filled. What a
//! command wrote behind its answer changes nothing, so a cut there always leaves the new
//! state; and a chip that fails in front of the answer lets no answer leave. Log, receipt and
//! balance of a purse are one record: a receipt is there exactly where value has moved.
//!
//! With `double`, the power-up after each cut is recorded in turn, and every write of it cut
//! in every tear.
//!
//! Every tear is a case and is made. Those that leave the same image are powered up once. What
//! power-up makes of them is read back: cells, ends of logs, the records that the torn write
//! holds, all that it wrote, what still wavers, and what is left of the torn write. Where all that
//! is the same, only the first is asked on: memory tells torn bytes apart by nothing else, since
//! what is no valid entry is passed over. What is left of a program is, of each unit, whether it
//! is erased or as it should be; but a program that misses a unit is no entry in any reading, and where
//! power-up has written behind it nothing depends on it any more. Each number is
//! counted: cases, power-ups, and cards asked on.
//!
//! # Which states
//!
//! Each applet's file searches breadth first, with all commands that change something, over
//! an exact key (counters cut off where they no longer matter), and gives each state a
//! *class*. For a purse that is: sign of the balance and its bounds, receipts held (0, 1, some,
//! 15, 16), log empty, short or full, kind of the last value commit, and whether a session was
//! opened since; counters at their maximum and one before. For a PSAM: open purchases (0, 1,
//! some, 8), entries, closed batches (0, some, 4), the last entry. For a transfer card: parcels
//! and downloads on board, and released before. Card management has a list (`domain.rs`). Handlers
//! branch on nothing else that is kept. Memory below them branches on where in its block the command writes and on
//! what reclaiming is due; so every state is *aged* while its memory goes round (`ages.rs`), and
//! the sorts of the writes that the command then makes (new block, record, seal, copies, erasure,
//! ...) are its *sequence*.
//!
//! # Which deeds
//!
//! * Of each sequence (command, how it ended, sorts of its writes; how many entries of one sort
//!   follow on each other left out, since each is cut by itself) one deed is swept
//!   with every image powered up, on flash and on EEPROM.
//! * Of each sequence in each class, and of each number of entries on end, one is swept on
//!   flash with one image of each *shape* powered up. The shape of a torn program is what each
//!   of its units is: erased, as it should be, neither; and the weakness of a weak one. The
//!   shape of a torn erasure is what is left of the block's openings, and the last unit that is not
//!   erased. Memory reads nothing else of either before it passes them over; that it does not is
//!   what the first group shows, where every image is powered up. What the memory is made of, and the
//!   block that a commit has given up, are no part of an applet's state.
//! * Deeds that write the same on the same image, as commands do that only let memory reclaim, are
//!   cut once and counted each.
//!
//! The bounded run leaves the classes out: every command, however it ends, with every number
//! of writes, in all states young and old, and in one that is followed entry by entry
//! through a whole block.
//!
//! # Twice
//!
//! With `double` the power-up behind each cut is cut in turn, of one deed of each sequence: every
//! pair of tears is a case. Behind first cuts of the same shape, of which power-up made the same
//! with the same writes, the second cuts are the same: they are made once, one image of each shape
//! is powered up, and each is counted.
//!
//! # Commands
//!
//!     cargo test -p card-os --test sweep -- --nocapture                           # some ages
//!     SWEEP=full cargo test --release -p card-os --test sweep -- --nocapture      # all of the above
//!     SWEEP=double SWEEP_SHARD=1/8 cargo test --release -p card-os --test sweep -- --nocapture
//!
//! A shard takes each eighth task, that is the deeds of one state at one age on one technology;
//! shards may run in any order, and again. It says how many of its tasks are done, and
//! `SWEEP_DONE=n` goes on behind them; tasks are swept on all cores in order.

#![allow(unreachable_pub)] // a test has no outside
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod ages;
mod cut;
mod deed;
mod digest;
mod domain;
mod explore;
mod kept;
mod personalisation;
mod purse;
mod run;
mod sam;
mod station;
#[path = "../support/mod.rs"]
mod support;
mod transfer;

use run::sweep;

#[test]
fn purse() {
    sweep("purse", purse::situations(), purse::COMMANDS);
}

#[test]
fn psam() {
    sweep("PSAM", sam::situations(), sam::COMMANDS);
}

#[test]
fn transfer_card() {
    sweep("transfer card", transfer::situations(), transfer::COMMANDS);
}

#[test]
fn store_data() {
    sweep("STORE DATA", personalisation::situations(), personalisation::COMMANDS);
}

#[test]
fn card_management() {
    sweep("card management", domain::situations(), domain::COMMANDS);
}

/// A second cut in the power-up, of one payment and its seal; the long run does so of all deeds.
#[test]
fn a_purchase_cut_twice() {
    let paid = purse::situations().into_iter().find(|situation| situation.class.contains("log 2"));
    let paid = paid.expect("a purse that has paid");
    let debit = purse::COMMANDS.iter().find(|command| command.name == "DEBIT IEP").expect("listed");
    let deed = deed::Deed::record(&paid, debit);
    let tally = deed.sweep(&deed.standings(), cut::Look::Twice);
    println!("a purchase cut twice: {tally}");
    assert!(tally.cases > 10_000);
}

#[test]
fn creation() {
    let mut tally = personalisation::create(&station::Chip::new(), true);
    tally += personalisation::create(&personalisation::whole(card_os::applets::AppletKind::Purse), false);
    println!("creation of a card: {tally}");
}
