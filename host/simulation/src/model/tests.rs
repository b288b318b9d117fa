//! The model against itself: what it must refuse, one life of every kind, and its own
//! invariants after every step of random lives.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::oracle::{Line, Place};
use super::*;

const MAXIMUM: Minor = 100;

/// Two purses with 50 each, two PSAMs.
fn model() -> Model {
    let mut model = Model::default();
    for purse in 0..2 {
        model.apply(Event::PurseIssued { range: (-5, MAXIMUM) }).expect("issued");
        model.apply(Event::SamInstalled).expect("installed");
        let (session, kind, amount) = ((purse, 1), Kind::Load, 50);
        let load = Event::Authorised { session, kind, amount, approved: true, freed: 0 };
        all(&mut model, &[Event::SessionOpened { purse }, load, Event::Executed { purse }]);
    }
    model
}

fn all(model: &mut Model, events: &[Event]) {
    for event in events {
        model.apply(*event).unwrap_or_else(|refused| panic!("{event:?}: {refused:?}"));
        check(model, event);
    }
}

fn check(model: &Model, event: &Event) {
    assert!(model.equation().holds(), "{event:?}: {:?}", model.equation());
    assert_eq!(model.completeness(), [], "{event:?}");
}

/// Where the first payment of purse 0 is known.
fn place(model: &Model) -> Place {
    model.place((0, 2), model.entry((0, 2)).expect("paid"))
}

/// Purse 0 pays `amount` at PSAM 0 in its session `nt`.
fn pay(nt: usize, amount: Minor) -> [Event; 3] {
    let open = Event::PurchaseOpened { sam: 0, session: (0, nt), amount, freed: 0 };
    [Event::SessionOpened { purse: 0 }, open, Event::Executed { purse: 0 }]
}

#[test]
fn a_payment_goes_the_whole_way_and_counts_once() {
    let mut model = model();
    all(&mut model, &pay(2, 7));
    assert_eq!(place(&model), Place::Kept);
    all(&mut model, &[Event::Credited { purchase: (0, 1) }]);
    assert_eq!(place(&model), Place::Kept);
    let (sam, batch) = (0, 1);
    let arrived = Event::BatchArrived { sam, batch };
    // Another PSAM takes the receipt over, and hands it in as well.
    let receipt = [Event::ReceiptStored { sam: 1, commit: (0, 2) }, Event::BatchClosed { sam: 1 }];
    all(&mut model, &[Event::BatchClosed { sam }]);
    assert_eq!(model.apply(Event::Acknowledged { sam, batch }), Err(Refused::EvidenceLost));
    all(&mut model, &[arrived, arrived, Event::Acknowledged { sam, batch }]);
    all(&mut model, &receipt);
    all(&mut model, &[Event::BatchArrived { sam: 1, batch }]);
    assert_eq!(model.ledger().collect::<Vec<_>>(), [((0, 2), 7, Line::Booked)]);
    assert_eq!(model.equation().booked, 7);
}

#[test]
fn a_lost_answer_is_a_claim_until_the_purse_speaks() {
    let mut model = model();
    all(&mut model, &pay(2, 7));
    let (purchase, sam, batch) = ((0, 1), 0, 1);
    assert_eq!(model.apply(Event::Completed { purchase }), Err(Refused::Untrue));
    all(&mut model, &[Event::BatchClosed { sam }, Event::BatchArrived { sam, batch }]);
    assert_eq!(model.opening(purchase).map(|of| of.outcome), Ok(Outcome::Claimed));
    assert_eq!(model.line((0, 2)), None);
    all(&mut model, &[Event::ReceiptStored { sam: 1, commit: (0, 2) }, Event::BatchClosed { sam: 1 }]);
    all(&mut model, &[Event::BatchArrived { sam: 1, batch }]);
    assert_eq!(place(&model), Place::Background);
}

#[test]
fn receipts_are_not_freed_before_somebody_keeps_them() {
    let mut model = model();
    all(&mut model, &pay(2, 7));
    let open = Event::PurchaseOpened { sam: 1, session: (0, 3), amount: 1, freed: 2 };
    all(&mut model, &[Event::SessionOpened { purse: 0 }, open]);
    let before = model.clone();
    assert_eq!(model.apply(Event::Executed { purse: 0 }), Err(Refused::EvidenceLost));
    assert_eq!(model, before, "what is refused changes nothing");
    // The load is confirmed by its S6, the purchase kept by a PSAM.
    all(&mut model, &[Event::Reported { commit: (0, 1) }, Event::Credited { purchase: (0, 1) }]);
    all(&mut model, &[Event::Executed { purse: 0 }]);
}

#[test]
fn a_late_statement_disturbs_no_later_session() {
    let mut model = model();
    let open = |sam, nt| Event::PurchaseOpened { sam, session: (0, nt), amount: 1, freed: 0 };
    let opened = Event::SessionOpened { purse: 0 };
    all(&mut model, &[opened, opened, open(0, 3), open(1, 2), Event::Executed { purse: 0 }]);
    assert_eq!(model.purses[0].log[1].order.purchase, Some((0, 1)));
}

#[test]
fn a_load_is_reversed_by_the_word_of_the_purse_alone() {
    let mut model = model();
    let (session, kind, amount) = ((0, 2), Kind::Load, 20);
    let load = Event::Authorised { session, kind, amount, approved: true, freed: 0 };
    let conclude = |moved| Event::Concluded { session, moved };
    all(&mut model, &[Event::SessionOpened { purse: 0 }, load, load]);
    assert_eq!(model.purses[0].shadow, 70, "the same S1 gets the same S2, booked once");
    let other = Event::Authorised { session, kind, amount: 21, approved: true, freed: 0 };
    assert_eq!(model.apply(other), Err(Refused::Conflict));
    assert_eq!(model.apply(conclude(false)), Err(Refused::Untrue), "the session may still commit");
    all(&mut model, &[Event::SessionEnded { purse: 0 }]);
    assert_eq!(model.apply(Event::Executed { purse: 0 }), Err(Refused::NoSession));
    all(&mut model, &[conclude(false)]);
    assert_eq!(model.purses[0].shadow, 50);
}

#[test]
fn a_purchase_is_cancelled_once_and_after_its_void() {
    let mut model = model();
    all(&mut model, &pay(2, 7));
    let purchase = (0, 1);
    all(&mut model, &[Event::Credited { purchase }]);
    assert_eq!(model.apply(Event::Cancelled { purse: 0 }), Err(Refused::Untrue));
    all(&mut model, &[Event::Voided { purchase }, Event::Voided { purchase }, Event::Cancelled { purse: 0 }]);
    assert_eq!(model.apply(Event::Cancelled { purse: 0 }), Err(Refused::NoSession));
    let (sam, batch) = (0, 1);
    all(&mut model, &[Event::ReceiptStored { sam, commit: (0, 3) }, Event::BatchClosed { sam }]);
    all(&mut model, &[Event::BatchArrived { sam, batch }]);
    assert_eq!(model.line((0, 2)), Some(Line::Cancelled));
    assert_eq!((model.equation().booked, model.purses[0].shadow), (0, 50));
}

#[test]
fn the_dead_leave_named_losses() {
    let mut model = model();
    all(&mut model, &pay(2, 7));
    all(&mut model, &[Event::PurseDestroyed { purse: 0 }]);
    assert_eq!(place(&model), Place::InDoubt);
    all(&mut model, &[Event::SamDestroyed { sam: 0 }]);
    assert_eq!(place(&model), Place::Lost);
}

/// Any event with small numbers, true or not.
fn any(random: &mut ChaCha12Rng) -> Event {
    let mut below = |limit: u32| (random.next_u32() % limit) as usize;
    let (purse, sam) = (below(2), below(2));
    let (nt, nv, batch) = (1 + below(9), 1 + below(8), 1 + below(4));
    let (session, commit, purchase) = ((purse, nt), (purse, nv), (sam, 1 + below(6)));
    let amount = 1 + below(30) as Minor;
    let (approved, freed) = (below(4) > 0, below(4));
    let kind = if below(3) > 0 { Kind::Load } else { Kind::Unload };
    match below(46) {
        0..=7 => Event::SessionOpened { purse },
        8 => Event::SessionEnded { purse },
        9..=11 => Event::Authorised { session, kind, amount, approved, freed },
        12..=14 => Event::Executed { purse },
        15 => Event::Reported { commit },
        16..=17 => Event::Concluded { session, moved: approved },
        18..=25 => Event::PurchaseOpened { sam, session, amount, freed },
        26..=29 => Event::Executed { purse },
        30..=32 => Event::Credited { purchase },
        33 => Event::Completed { purchase },
        34 => Event::Claimed { purchase },
        35..=36 => Event::ReceiptStored { sam, commit },
        37 => Event::Voided { purchase },
        38 => Event::Cancelled { purse },
        39 => Event::BatchClosed { sam },
        40..=42 => Event::BatchArrived { sam, batch },
        43 => Event::Acknowledged { sam, batch },
        44 => Event::SessionEnded { purse },
        // Rare: few lives have an end.
        45 if below(20) == 0 => Event::PurseDestroyed { purse },
        45 if below(20) == 0 => Event::SamDestroyed { sam },
        _ => Event::SessionOpened { purse },
    }
}

#[test]
fn random_lives_keep_both_lines_and_forget_nothing() {
    let (mut happened, mut refused) = (0, 0);
    for seed in 0..400 {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let mut model = model();
        for step in 0..400 {
            let event = any(&mut random);
            let before = model.clone();
            match model.apply(event) {
                Ok(()) => happened += 1,
                Err(_) => {
                    assert_eq!(model, before, "seed {seed}, step {step}: {event:?} was refused");
                    refused += 1;
                }
            }
            check(&model, &event);
        }
    }
    println!("{happened} events happened, {refused} were refused");
    assert!(happened > 20_000 && refused > 20_000);
}

#[test]
fn the_model_stays_small() {
    let files = [include_str!("mod.rs"), include_str!("oracle.rs"), include_str!("rules.rs")];
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines: usize = files.iter().map(|file| file.lines().filter(code).count()).sum();
    println!("{lines} lines of code");
    assert!(lines <= 500, "the model has {lines} lines of code");
}
