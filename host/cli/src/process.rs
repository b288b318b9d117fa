//! Opens the world, and ends the program.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use apdu_spec::StatusWord;
use apdu_spec::element::{Amount, Currency, Time};
use clap::CommandFactory as _;
use host::card::purse::PurseCard;
use host::trace::SharedObserver;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::statement::minor_units;
use simulation::{Error, World};

use crate::{Global, reader};

/// Opens the world of `--data`; with `--reader`, the purse in that is its only purse.
pub(crate) fn open(global: &Global) -> Result<World, Error> {
    Ok(open_with_purse(global)?.0)
}

/// [`open`], and the number of the purse that is in the reader, where there is one.
pub(crate) fn open_with_purse(global: &Global) -> Result<(World, Option<u64>), Error> {
    let mut world = open_watched(global, crate::watch::observer(global)?)?;
    let presented = reader::connect(global)?.map(|reader| world.present(reader)).transpose()?;
    Ok((world, presented))
}

/// The purse that is meant: of this number, or the one in the reader.
pub(crate) fn which(number: Option<u64>, presented: Option<u64>) -> u64 {
    number.or(presented).unwrap_or_else(|| usage("which purse? Give its number, or a reader with --reader"))
}

/// The purse of this number, selected.
pub(crate) fn purse_card(world: &mut World, number: u64) -> Result<PurseCard<'_>, Error> {
    world.purse_card(number)?.ok_or(Error::Deleted(number))
}

/// The world of `--data` with this observer, and without what is in the reader.
pub(crate) fn open_watched(global: &Global, observer: Option<SharedObserver>) -> Result<World, Error> {
    let mut ask = || crate::passphrase::current(global);
    let mut world =
        World::open_with_head(&global.data, global.head.as_deref(), random(global.seed)?, &mut ask)?;
    if global.seed.is_some() && !world.is_demo() {
        let reason = "--seed is for demonstrations: who knows it knows the keys that are made; leave it away";
        return Err(Error::Order(reason.into()));
    }
    world.observe(observer);
    Ok(world)
}

/// Says that what a scheme issues is worth nothing, where that is so.
pub(crate) fn note_demo(world: &World, global: &Global) {
    if world.is_demo() && !global.json {
        crate::output::complain_plainly(
            &"this scheme is a demonstration: its keys are no secret, and its cards are worth nothing",
        );
    }
}

/// Says it of one that has just been made.
pub(crate) fn note_demo_keys(global: &Global) {
    crate::output::complain_plainly(&format_args!(
        "THIS IS A DEMONSTRATION. Its keys are no secret: they come from the seed, and stand in clear in {} and on \
         its cards. Keep nothing in it that is worth something.",
        global.data.join("vault.json").display()
    ));
}

/// Ends the program because of how it was called.
pub(crate) fn usage(text: impl std::fmt::Display) -> ! {
    crate::Arguments::command().error(clap::error::ErrorKind::ArgumentConflict, text).exit()
}

/// A generator from a seed, or from the operating system.
pub(crate) fn random(seed: Option<u64>) -> Result<ChaCha12Rng, Error> {
    if let Some(seed) = seed {
        return Ok(ChaCha12Rng::seed_from_u64(seed));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Error::Order(format!("the system gives no random numbers: {error}")))?;
    Ok(ChaCha12Rng::from_seed(seed))
}

/// The time of this machine.
pub(crate) fn now() -> Time {
    Time(u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX))
}

/// The same to the nanosecond, for captures.
pub(crate) fn instant() -> Duration {
    jiff::Timestamp::now().as_duration().try_into().unwrap_or_default()
}

/// An amount that a person typed, such as `12.50`; what is none ends the program.
pub(crate) fn amount(text: &str, currency: Currency) -> Amount {
    let minor = minor_units(text, currency.exponent).unwrap_or_else(|reason| usage(reason));
    u32::try_from(minor).ok().and_then(Amount::new).unwrap_or_else(|| {
        usage(format_args!("{text} is not between 0 and {}", currency.show(i32::MAX.into())))
    })
}

/// Removes a world that an earlier run has left. What is no world is left alone.
pub(crate) fn remove_world(directory: &Path) -> Result<(), Error> {
    if !directory.exists() {
        return Ok(());
    }
    if !directory.join(simulation::world::LOCK).exists() {
        return Err(Error::NotEmpty(directory.into()));
    }
    std::fs::remove_dir_all(directory)
        .map_err(|error| Error::File { path: directory.into(), reason: error.to_string() })
}

/// How a command that moves value ended, where it did not do what it was to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Something does not work.
    Failed,
    /// No value has moved, and none will.
    Refused,
    /// Not known.
    InDoubt,
}

impl Outcome {
    /// The word for it in JSON.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::InDoubt => "in_doubt",
        }
    }

    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::InDoubt(_) | Error::CancellationInDoubt(_) | Error::TransferInDoubt(..) => Self::InDoubt,
            Error::NotPaid(_)
            | Error::NotTransferred(..)
            | Error::Refused(_)
            | Error::Card(
                host::Error::Blocked
                | host::Error::CardBlocked(_)
                | host::Error::PinWanted
                | host::Error::WrongPin(_)
                | host::Error::PinBlocked
                | host::Error::NoPin
                | host::Error::Status { status: StatusWord::KEY_RETIRED | StatusWord::CARD_BLOCKED, .. },
            ) => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// Says what went wrong, and ends.
pub(crate) fn end(result: Result<(), Error>, json: bool) -> ExitCode {
    let Err(error) = result else {
        if crate::output::is_lost() {
            crate::output::complain_plainly(&"the output could not be written; what was done is done");
            return ExitCode::FAILURE;
        }
        return ExitCode::SUCCESS;
    };
    let outcome = Outcome::of(&error);
    if json {
        let told = serde_json::json!({ "error": error.to_string(), "outcome": outcome.word() });
        crate::output::complain(&told);
    } else {
        crate::output::complain_plainly(&error);
    }
    let code = match (error, outcome) {
        (Error::OrderFile { .. }, _) => 2,
        (_, Outcome::Failed) => 1,
        (_, Outcome::Refused) => 3,
        (_, Outcome::InDoubt) => 4,
    };
    ExitCode::from(code)
}
