//! Single operations: `cargo bench -p system-tests --bench purchase`. Each command on its
//! own, in the middle of an otherwise real purchase.

use apdu_spec::aid::Aid;
use divan::{Bencher, black_box};
use system_tests::scheme::amount;
use system_tests::till::{CommandBytes, Purse, Reader, Sam, purchase};

fn main() {
    divan::main();
}

/// A purse and a PSAM, with nothing open between them.
fn pair() -> (Purse, Sam) {
    let mut purse = Purse::new(1);
    purse.load(100_000);
    (purse, Sam::new(1))
}

fn stated(purse: &mut Reader, sam: &mut Sam, command: &mut CommandBytes) {
    let challenge = *sam.reader.exchange(command.get_challenge());
    purse.send(command.select(Aid::PURSE));
    command.initialize_iep(&sam.id(), &challenge);
}

fn stated_to_psam(purse: &mut Reader, sam: &mut Sam, command: &mut CommandBytes) {
    stated(purse, sam, command);
    let initialized = purse.exchange(command);
    command.initialize_psam(initialized, amount(100));
}

fn ordered(purse: &mut Reader, sam: &mut Sam, command: &mut CommandBytes) {
    stated_to_psam(purse, sam, command);
    let opened = sam.reader.exchange(command);
    command.debit_iep(opened);
}

fn debited(purse: &mut Reader, sam: &mut Sam, command: &mut CommandBytes) {
    stated_to_psam(purse, sam, command);
    let opened = sam.reader.exchange(command);
    let executed = purse.exchange(command.debit_iep(opened));
    command.credit_psam(opened, executed);
}

/// Times the command that `prepare` leads up to, sent to the purse or to the PSAM.
fn command(bencher: Bencher<'_, '_>, to_purse: bool, prepare: fn(&mut Reader, &mut Sam, &mut CommandBytes)) {
    bencher
        .with_inputs(|| {
            let (mut purse, mut sam) = pair();
            let mut command = CommandBytes::default();
            prepare(&mut purse.reader, &mut sam, &mut command);
            (purse, sam, command)
        })
        .bench_local_refs(|(purse, sam, command)| {
            let reader = if to_purse { &mut purse.reader } else { &mut sam.reader };
            reader.send(black_box(command)).len()
        });
}

#[divan::bench]
fn select_purse(bencher: Bencher<'_, '_>) {
    command(bencher, true, |_, _, command| {
        command.select(Aid::PURSE);
    });
}

#[divan::bench]
fn initialize_iep_for_purchase(bencher: Bencher<'_, '_>) {
    command(bencher, true, stated);
}

#[divan::bench]
fn initialize_psam_for_purchase(bencher: Bencher<'_, '_>) {
    command(bencher, false, stated_to_psam);
}

#[divan::bench]
fn debit_iep_for_purchase(bencher: Bencher<'_, '_>) {
    command(bencher, true, ordered);
}

#[divan::bench]
fn credit_psam_for_purchase(bencher: Bencher<'_, '_>) {
    command(bencher, false, debited);
}

#[divan::bench]
fn balance(bencher: Bencher<'_, '_>) {
    command(bencher, true, |purse, _, command| {
        purse.send(command.select(Aid::PURSE));
        command.get_balance();
    });
}

#[divan::bench]
fn whole_purchase(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(pair)
        .bench_local_refs(|(purse, sam)| purchase(&mut purse.reader, sam, black_box(amount(100))));
}
