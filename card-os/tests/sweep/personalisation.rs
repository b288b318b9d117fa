//! Creation and personalisation: a card that was torn in STORE DATA goes on from there, and
//! one that was torn while it was created is created again.

use apdu_spec::StatusWord;
use apdu_spec::element::Algorithm;
use apdu_spec::purse::GetPurseData;
use apdu_spec::security_domain::{DataBlock, LAST};
use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::memory::MemoryError;
use card_os::sim::tears;

use crate::cut::{Tally, torn};
use crate::deed::{Command, Situation, Subject};
use crate::station::{Chip, Recorder, Station};
use crate::support;
use crate::support::office::{Line as _, Office, initial_keys, personalise};

fn blocks(kind: AppletKind) -> Vec<DataBlock> {
    support::personalisation(kind, Algorithm::AesCmac, support::iep(), support::sam_id())
}

/// A card of a kind, personalised.
pub fn whole(kind: AppletKind) -> Box<Chip> {
    let mut station = Station::create(kind, Box::default());
    personalise(&mut station, kind.aid(), &blocks(kind));
    station.power_off().chip
}

/// A channel in which the next STORE DATA are for the purse.
fn addressed(station: &mut Station) -> Office {
    let mut office = Office::open(station, &initial_keys()).unwrap();
    office.address(station, AppletKind::Purse.aid()).unwrap();
    office
}

/// STORE DATA, which ends the deed.
fn store(station: &mut Station, block: &DataBlock) -> Result<(), StatusWord> {
    addressed(station).store(station, block)
}

/// A purse on its way through personalisation; notes are the blocks that it has.
#[derive(Clone)]
pub struct Unfinished;

impl Subject for Unfinished {
    const KIND: AppletKind = AppletKind::Purse;
    type Notes = usize;

    fn aftermath(station: &mut Station, _: &usize) -> Vec<u8> {
        let mut told = Vec::new();
        let finished = station.note::<GetPurseData>(&(), &mut told).is_some();
        let mut office = addressed(station);
        for block in blocks(Self::KIND) {
            assert_eq!(office.store(station, &block).is_ok(), !finished);
        }
        assert_eq!(station.choose(Self::KIND.aid()), StatusWord::OK);
        told.extend(crate::purse::Purse::aftermath(station, &()));
        told
    }
}

pub const COMMANDS: &[Command<Unfinished>] = &[
    Command {
        name: "STORE DATA",
        writes: true,
        run: |station, done| store(station, &blocks(AppletKind::Purse)[*done]),
    },
    Command {
        name: "STORE DATA, last too early",
        writes: true,
        run: |station, done| {
            let mut block = blocks(AppletKind::Purse)[*done].clone();
            block.last = LAST;
            match store(station, &block) {
                // Stored all the same.
                Err(StatusWord::CONDITIONS_NOT_SATISFIED) => Ok(()),
                other => other,
            }
        },
    },
    Command {
        name: "STORE DATA, not of this application",
        writes: false,
        run: |station, _| store(station, &blocks(AppletKind::Transfer)[0]),
    },
];

pub fn situations() -> Vec<Situation<Unfinished>> {
    let all = blocks(AppletKind::Purse);
    let after = |done: usize| {
        let mut station = Station::create(AppletKind::Purse, Box::default());
        let mut office = addressed(&mut station);
        all[..done].iter().for_each(|block| office.store(&mut station, block).unwrap());
        Situation { chip: station.power_off().chip, notes: done, class: format!("{done} data groups") }
    };
    (0..all.len()).map(after).collect()
}

/// Tears the creation of a card on `chip` in every write. On a new chip there is then no card
/// or the new one; a used one must not be looked at before it has been created again, which
/// works in either case.
pub fn create(chip: &Chip, new: bool) -> Tally {
    let kinds = &[AppletKind::Purse];
    let writes = Card::create(Recorder::new(Box::new(chip.clone()), true), kinds).unwrap().power_off().writes;
    let mut tally = Tally { deeds: 1, writes: writes.len(), ..Tally::default() };
    let mut chip = chip.clone();
    for write in &writes {
        for tear in tears(chip.technology(), write.interrupted(&chip)) {
            let torn = torn(&chip, write, tear);
            if new && let Err(error) = Card::open(Recorder::new(torn.clone(), false)) {
                assert_eq!(error, MemoryError::NotFormatted, "{tear:?}");
            }
            let mut station = Station::create(AppletKind::Purse, torn);
            personalise(&mut station, AppletKind::Purse.aid(), &blocks(AppletKind::Purse));
            tally.cases += 1;
            tally.powered += 1;
        }
        write.apply(&mut chip).unwrap();
    }
    tally
}
