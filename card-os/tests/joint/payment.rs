//! A payment with both cards torn, what the terminals make of it, and the account at the end.

use apdu_spec::element::Kind;
use apdu_spec::element::{Counter, Random};
use apdu_spec::purse::{GetBalance, GetPurseData, PreviousByNt, PreviousRequest};
use apdu_spec::record::{Counterpart, LogEntry};
use apdu_spec::sam::GetSamData;

use crate::account::Account;
use crate::pairs::Trial;
use crate::party::{Aim, NO_ANSWER, Party};
use crate::scene::{Parties, Scene};
use crate::support::{GROUP, VERSION, sam_id};
use crate::terminal::{Progress, collect, insist, pay, resolve, take_over};

/// The payment that is torn, and the one after it.
const MINOR: u32 = 100;
const NEXT: u32 = 7;

/// The terminal has written its journal.
pub const JOURNAL: Trial = Trial {
    transaction,
    torn: |scene, purse, sam| {
        let (mut parties, progress) = torn(scene, purse, sam);
        let entry = stands(&mut parties, scene, progress);
        if let Some(intent) = progress.intent {
            insist(&mut parties, Parties::restart, |p| resolve(&mut p.purse, &mut p.sam, intent));
        }
        go_on(&mut parties, |p| (&mut p.purse, &mut p.sam));
        finish(parties, scene, entry);
    },
};

/// It has not, or the terminal is gone with it: the purse turns up elsewhere.
pub const NO_JOURNAL: Trial = Trial {
    transaction,
    torn: |scene, purse, sam| {
        let (mut parties, progress) = torn(scene, purse, sam);
        let entry = stands(&mut parties, scene, progress);
        go_on(&mut parties, |p| (&mut p.purse, &mut p.other));
        finish(parties, scene, entry);
    },
};

fn transaction(parties: &mut Parties) {
    let _ = pay(&mut parties.purse, &mut parties.sam, MINOR, &mut Progress::default());
}

/// The payment, and power for both cards after it.
fn torn(scene: &Scene, purse: Aim, sam: Aim) -> (Parties, Progress) {
    let (mut parties, mut progress) = (scene.wake((purse, sam)), Progress::default());
    let end = pay(&mut parties.purse, &mut parties.sam, MINOR, &mut progress);
    assert!(matches!(end, Ok(()) | Err(NO_ANSWER)), "{end:?}");
    parties.restart();
    (parties, progress)
}

pub fn balance(purse: &mut Party) -> i64 {
    purse.execute::<GetBalance>(&()).unwrap().balance.0.into()
}

/// The purse stands before or after the payment, after it where it had answered, and has a
/// receipt exactly where it has paid; the PSAM knows of it what it has answered. That receipt.
fn stands(parties: &mut Parties, scene: &Scene, progress: Progress) -> Option<LogEntry> {
    let mut calm = scene.wake((None, None));
    let (before, after) = (balance(&mut calm.purse), balance(&mut parties.purse));
    let paid = after == before - i64::from(MINOR);
    assert!(paid || after == before, "neither old nor new");
    assert!(paid || !progress.debited, "answered and forgot");
    let open = parties.sam.execute::<GetSamData>(&()).unwrap().open;
    assert!(progress.intent.is_none() || progress.debited || open == 1, "an order that left is known");
    assert!(!progress.credited || open == 0, "credited, and forgot");
    let counterpart = Counterpart { sam: sam_id(), challenge: Random([9; 8]) };
    let number = progress.intent.map_or_else(|| last_nt(&mut parties.purse), |intent| intent.nt_iep);
    let request = PreviousRequest { group: GROUP, version: VERSION, counterpart, number };
    let previous = parties.purse.execute::<PreviousByNt>(&request).unwrap();
    let entry = previous.to_receipt().unwrap().filter(|entry| entry.order.amount.get() == MINOR);
    assert_eq!(entry.is_some(), paid, "a receipt exactly where value moved");
    entry
}

fn last_nt(purse: &mut Party) -> Counter {
    purse.execute::<GetPurseData>(&()).unwrap().nt
}

/// The next payment, here or elsewhere; first its PSAM takes over what the purse holds.
fn go_on(parties: &mut Parties, with: fn(&mut Parties) -> (&mut Party, &mut Party)) {
    let mut progress = Progress::default();
    insist(parties, Parties::restart, |parties| {
        let (purse, sam) = with(parties);
        if let Some(intent) = progress.intent {
            return resolve(purse, sam, intent);
        }
        take_over(purse, sam)?;
        pay(purse, sam, NEXT, &mut progress)
    });
}

/// Both PSAMs hand in what they have, and everything is where it should be.
fn finish(mut parties: Parties, scene: &Scene, entry: Option<LogEntry>) {
    let mut account: Account = scene.account.clone();
    insist(&mut parties, Parties::restart, |p| take_over(&mut p.purse, &mut p.other));
    for batch in [
        insist(&mut parties, Parties::restart, |p| collect(&mut p.sam)),
        insist(&mut parties, Parties::restart, |p| collect(&mut p.other)),
    ] {
        batch.inspect(|(trailer, records)| account.book(trailer, records));
    }
    assert!(entry.is_none_or(|entry| entry.kind == Kind::Purchase && account.has(entry.s6)));
    assert_eq!(account.loaded, balance(&mut parties.purse) + account.payments(), "the money equation");
}
