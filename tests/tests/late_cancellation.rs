//! A purchase that is taken back at its terminal after another one has brought the receipt in.
//! The merchant was not paid for it meanwhile. Counted on the cards it is no payment, also once no
//! card remembers it.

mod place;

use host::reader::virtual_reader::VirtualReader;
use host::terminal::PaymentTerminal;
use host::terminal::journal::FileJournal;
use place::{NOW, Place, amount};
use simulation::World;

/// Another terminal takes all receipts of the purse over.
fn relieve(place: &mut Place, number: u32) {
    let mut reader = |path: &str| {
        let random = Box::new(place.random());
        VirtualReader::open(&place.data.join(path), random, false).expect("a card")
    };
    let (sam, mut purse) = (reader(&format!("sams/{number}.card")), reader("cards/purse-1.card"));
    let home = place.data.join(format!("terminals/{number}"));
    std::fs::create_dir_all(&home).expect("a directory");
    let journal = FileJournal::open(&home.join("journal"), false).expect("a journal");
    let mut terminal = PaymentTerminal::start(Box::new(sam), Box::new(journal)).expect("a terminal");
    terminal.relieve(&mut purse).expect("relieved");
}

fn collect_and_clear(world: &mut World, terminals: &[&str]) {
    for name in terminals {
        world.collect(name).expect("collected");
    }
    world.clear(NOW).expect("cleared");
}

#[test]
fn what_another_psam_has_handed_in_is_not_paid_out_while_its_own_can_take_it_back() {
    let mut place = Place::new();
    let mut world = place.world();
    let receipt = world.pay(1, "kiosk", amount(100), NOW).expect("paid");
    drop(world);
    relieve(&mut place, 2);

    let mut world = place.world();
    world.collect("bakery").expect("collected");
    let cleared = world.clear(NOW).expect("cleared");
    assert_eq!((cleared.stored.len(), cleared.settlement), (1, None));
    world.cancel(1, "kiosk", receipt.nt_psam).expect("taken back");
    collect_and_clear(&mut world, &["kiosk"]);
    assert_eq!(world.equation().expect("counted").difference(), 0);
    // The log of the purse forgets the cancellation.
    for _ in 0..20 {
        world.pay(1, "bakery", amount(1), NOW).expect("paid");
    }
    collect_and_clear(&mut world, &["bakery", "kiosk"]);
    let exceptions = world.background().exceptions().expect("a list");
    assert!(exceptions.is_empty(), "{exceptions:?}");
    let equation = world.equation().expect("counted");
    assert_eq!((equation.difference(), equation.balances), (0, 5_000 - 20), "{equation:?}");
}
