//! Our card in a reader of others: pcscd's driver vpcd, to which the card connects, or any
//! program that connects to the card. Both speak the protocol of [`vpcd`](super::vpcd).
//!
//! The card is locked from a command to the end of its answer, so that who holds the lock may
//! end the process: nothing is in the middle. A card that has torn a connection stays away for
//! [`AWAY`], more than two polls of vpcd, so that its removal is seen; it comes back without
//! power. So does a card that is new here: pcscd 1.9.9 never sees one that takes the place of a
//! torn one within a poll.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::image::{ImageKey, Randomness};
use super::socket::{Endpoint, Listener};
use super::virtual_reader::VirtualReader;
use super::vpcd::{Deframer, Done, Inserted, Mute, answer};
use crate::Error;

/// Where vpcd listens for the card of slot 0; slot 1 is one higher.
pub const VPCD_PORT: u16 = 0x8C7B;
/// How long a card stays away from its reader.
pub const AWAY: Duration = Duration::from_millis(1_200);
/// How often a reader that is not there is looked for.
pub const RETRY: Duration = Duration::from_millis(200);

/// What happened to a card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nobody listens at the reader's address yet.
    Waiting(Endpoint),
    /// Other programs may connect here.
    Listening(Endpoint),
    /// The card is in the reader.
    Inserted,
    /// It has power.
    PoweredOn,
    /// It has none.
    PoweredOff,
    /// Power went and came.
    Reset,
    /// It is out of the reader, and why.
    Removed(Removal),
}

/// Why a card is out of the reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Removal {
    /// The reader has gone.
    Closed,
    /// The reader has gone in the middle of a message.
    Torn,
    /// The connection failed.
    Failed(String),
    /// The card does not answer.
    Mute(String),
    /// It was pulled, as [`Served::pull_at`] says.
    Pulled,
}

/// A card that is served.
#[derive(Debug)]
pub struct Served<C> {
    card: Mutex<C>,
    pull_at: Mutex<Option<u64>>,
}

impl<C: Inserted> Served<C> {
    /// Serves this card.
    pub const fn new(card: C) -> Self {
        Self { card: Mutex::new(card), pull_at: Mutex::new(None) }
    }

    /// The card is pulled once, when it has carried out its command of this number in one
    /// stay in the reader, from 1, and before the answer is sent.
    #[must_use]
    pub const fn pull_at(card: C, command: Option<u64>) -> Self {
        Self { card: Mutex::new(card), pull_at: Mutex::new(command) }
    }

    /// Waits for the end of what the card is at, and keeps it from anything else for as long
    /// as the result lives.
    pub fn hold(&self) -> impl Drop + '_ {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In vpcd's reader for ever: connects, and again when pcscd has come back. `pause` waits.
    pub fn insert_into(
        &self,
        reader: &Endpoint,
        pause: &mut dyn FnMut(Duration),
        tell: &mut dyn FnMut(Event),
    ) -> ! {
        let mut told = false;
        pause(AWAY);
        loop {
            match reader.connect() {
                Ok(mut socket) => {
                    let removal = self.session(&mut socket, tell);
                    drop(socket);
                    tell(Event::Removed(removal));
                    told = false;
                    pause(AWAY);
                }
                Err(_) => {
                    if !told {
                        tell(Event::Waiting(reader.clone()));
                        told = true;
                    }
                    pause(RETRY);
                }
            }
        }
    }

    /// In the reader of whoever connects, one after the other, for ever.
    pub fn take_turns(
        &self,
        listener: &Listener,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Infallible, io::Error> {
        tell(Event::Listening(listener.endpoint()?));
        loop {
            let mut socket = listener.accept()?;
            let removal = self.session(&mut socket, tell);
            drop(socket);
            tell(Event::Removed(removal));
        }
    }

    /// One stay in a reader; before and after it the card has no power.
    pub fn session(&self, stream: &mut (impl Read + Write), tell: &mut dyn FnMut(Event)) -> Removal {
        let take_power = || self.card.lock().unwrap_or_else(PoisonError::into_inner).power_off();
        take_power();
        tell(Event::Inserted);
        let removal = self.exchange(stream, tell);
        take_power();
        removal
    }

    fn exchange(&self, stream: &mut (impl Read + Write), tell: &mut dyn FnMut(Event)) -> Removal {
        let (mut deframer, mut out, mut commands) = (Deframer::default(), Vec::new(), 0);
        loop {
            while let Some(payload) = deframer.next() {
                let mut card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
                let done = match answer(&mut *card, payload, &mut out) {
                    Ok(done) => done,
                    Err(Mute(error)) => return Removal::Mute(error.to_string()),
                };
                if done == Done::Command {
                    commands += 1;
                    if self.is_pulled(commands) {
                        return Removal::Pulled;
                    }
                }
                if let Err(error) = stream.write_all(&out) {
                    return Removal::Failed(error.to_string());
                }
                card.housekeep();
                drop(card);
                if let Some(event) = event(done) {
                    tell(event);
                }
            }
            match stream.read(deframer.space()) {
                Ok(0) if deframer.in_mid_message() => return Removal::Torn,
                Ok(0) => return Removal::Closed,
                Ok(count) => deframer.filled(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Removal::Failed(error.to_string()),
            }
        }
    }

    fn is_pulled(&self, commands: u64) -> bool {
        self.pull_at.lock().unwrap_or_else(PoisonError::into_inner).take_if(|at| *at == commands).is_some()
    }
}

const fn event(done: Done) -> Option<Event> {
    match done {
        Done::PoweredOn => Some(Event::PoweredOn),
        Done::PoweredOff => Some(Event::PoweredOff),
        Done::Reset => Some(Event::Reset),
        Done::AtrAsked | Done::Command | Done::Ignored => None,
    }
}

/// Gives each power-up a generator of its own.
pub type Randomnesses = Box<dyn FnMut() -> Randomness + Send>;

/// The card of an image file. Where it could not start, because its disk was full, say, it is
/// read anew at the next power-up.
pub struct ImageCard {
    path: PathBuf,
    key: Option<ImageKey>,
    random: Randomnesses,
    reader: VirtualReader,
}

impl std::fmt::Debug for ImageCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImageCard {}", self.path.display())
    }
}

impl ImageCard {
    /// The card in a file, without power; sealed where there is a key. Its commits wait for the disk.
    pub fn open(path: &Path, key: Option<ImageKey>, mut random: Randomnesses) -> Result<Self, Error> {
        let mut reader = VirtualReader::open_with(path, key.as_ref(), random(), true)?;
        reader.power_off();
        Ok(Self { path: path.into(), key, random, reader })
    }
}

impl Inserted for ImageCard {
    fn power_on(&mut self) -> Result<(), Error> {
        if self.reader.power_on().is_err() {
            let key = self.key.as_ref();
            self.reader = VirtualReader::open_with(&self.path, key, (self.random)(), true)?;
        }
        Ok(())
    }
    fn power_off(&mut self) {
        self.reader.power_off();
    }
    /// A card that is served takes its time after wrong MACs, as a chip does.
    fn process(&mut self, command: &[u8]) -> Result<&[u8], Error> {
        self.reader.process(command)?;
        std::thread::sleep(self.reader.take_delay());
        Ok(self.reader.response())
    }
    fn housekeep(&mut self) {
        self.reader.housekeep();
    }
}
