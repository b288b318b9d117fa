//! A cancellation with both cards torn: void at the PSAM, credit at the purse.

use apdu_spec::StatusWord;
use apdu_spec::element::SamCounter;

use crate::pairs::Trial;
use crate::party::{Aim, NO_ANSWER};
use crate::payment::balance;
use crate::scene::{Parties, Scene};
use crate::terminal::{cancel, collect, insist, take_over};

/// What was paid and is taken back.
pub const MINOR: u32 = 400;

/// The terminal tries again.
pub const AGAIN: Trial = Trial { transaction, torn: |scene, purse, sam| torn(scene, purse, sam, true) };

/// It does not: the background system refunds what is voided and not credited.
pub const LEFT: Trial = Trial { transaction, torn: |scene, purse, sam| torn(scene, purse, sam, false) };

/// Takes the first payment of the PSAM back.
fn first(parties: &mut Parties, revealed: &mut bool) -> Result<(), StatusWord> {
    cancel(&mut parties.purse, &mut parties.sam, SamCounter(1), revealed)
}

fn transaction(parties: &mut Parties) {
    let _ = first(parties, &mut false);
}

fn torn(scene: &Scene, purse: Aim, sam: Aim, again: bool) {
    let (mut parties, mut revealed) = (scene.wake((purse, sam)), false);
    let end = first(&mut parties, &mut revealed);
    assert!(matches!(end, Ok(()) | Err(NO_ANSWER)), "{end:?}");
    parties.restart();
    let (loaded, minor) = (scene.account.loaded, i64::from(MINOR));
    let credited = balance(&mut parties.purse) == loaded;
    assert!(credited || balance(&mut parties.purse) == loaded - minor, "neither old nor new");
    assert!(credited || end.is_err(), "answered and forgot");
    if again {
        insist(&mut parties, Parties::restart, |parties| first(parties, &mut revealed));
        parties.restart();
        assert_eq!(balance(&mut parties.purse), loaded, "taken back once");
    }
    let mut account = scene.account.clone();
    insist(&mut parties, Parties::restart, |p| take_over(&mut p.purse, &mut p.other));
    for batch in [
        insist(&mut parties, Parties::restart, |p| collect(&mut p.sam)),
        insist(&mut parties, Parties::restart, |p| collect(&mut p.other)),
    ] {
        batch.inspect(|(trailer, records)| account.book(trailer, records));
    }
    let credited = if credited || again { minor } else { 0 };
    assert_eq!(account.cancelled(), credited, "the purse says what it has taken back");
    assert!(account.voided() == minor || !revealed, "the secret left before the void");
    let refund = account.voided() - account.cancelled();
    assert_eq!(loaded, balance(&mut parties.purse) + account.payments() + refund, "the money equation");
}
