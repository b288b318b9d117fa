//! `purse card serve`: cards from image files in readers of other programs. A thread a card;
//! what happens to any of them goes to one place, which prints it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use host::reader::serve::{Event, ImageCard, Removal, Served, VPCD_PORT};
use host::reader::socket::Endpoint;
use host::trace::{CardKind, CardLabel, Watched};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use simulation::Error;

use crate::{Global, image, output, process, watch};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    purse card serve --image card.img                            to pcscd, reader \"Virtual PCD 00 00\"\n  \
    purse card serve --image a.img --image b.img                 into slots 0 and 1\n  \
    purse card serve --image card.img --listen 127.0.0.1:9000    to any program; no pcscd\n  \
    purse --reader tcp:127.0.0.1:9000 card show                  such a program\n  \
    purse card serve --image real.card --image-key key.txt       a sealed image\n\n\
    Commits are on the disk before they are answered. Ctrl-C takes the cards out. pcscd needs its driver \
    vpcd (Debian: vsmartcard-vpcd). Who can connect to --listen can use the card: keep it on this machine.")]
pub(crate) struct Serve {
    /// Card image: purse, PSAM or transfer card; again for more cards
    #[arg(long = "image", required = true, value_name = "FILE")]
    images: Vec<PathBuf>,
    /// Where vpcd waits for the card of slot 0
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "listen")]
    vpcd: Option<String>,
    /// Slot of each image, in order; without, 0, 1 and so on. Slot N is N ports higher
    #[arg(long = "slot", value_name = "N", conflicts_with = "listen")]
    slots: Vec<u16>,
    /// Let programs connect here, one at a time: HOST:PORT or unix:PATH; once for each image
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Pull the card once, after its command of this number and before the answer
    #[arg(long, value_name = "COMMAND", value_parser = clap::value_parser!(u64).range(1..))]
    pull_at: Option<u64>,
}

/// What a card's thread tells.
enum Told {
    Happened(usize, Event),
    Failed(Error),
    End,
}

/// Where a card goes.
enum Place {
    Vpcd(Endpoint),
    Listen(Endpoint),
}

impl Serve {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let places = self.places()?;
        let mut random = process::random(global.seed)?;
        let observer = watch::observer(global)?;
        let key = image::key(global)?;
        let mut cards = Vec::new();
        for (path, number) in self.images.iter().zip(1..) {
            let mut own = ChaCha12Rng::from_rng(&mut random);
            let randomnesses =
                Box::new(move || Box::new(ChaCha12Rng::from_rng(&mut own)) as Box<dyn Rng + Send>);
            // One card needs no number.
            let number = if self.images.len() > 1 { number } else { 0 };
            let label = CardLabel { kind: CardKind::Unknown, number };
            let card =
                Watched::new(ImageCard::open(path, key.clone(), randomnesses)?, label, observer.clone());
            cards.push(Arc::new(Served::pull_at(card, self.pull_at)));
        }
        let (tell, told) = channel();
        let end = tell.clone();
        ctrlc::set_handler(move || drop(end.send(Told::End)))
            .map_err(|error| Error::Order(format!("signals cannot be caught: {error}")))?;
        for (index, (card, place)) in cards.iter().cloned().zip(places).enumerate() {
            let tell = tell.clone();
            thread::spawn(move || serve(&card, place, index, &tell));
        }
        let mut sockets = Vec::new();
        let result = told.iter().find_map(|told| match told {
            Told::Happened(index, event) => {
                if let Event::Listening(Endpoint::Unix(path)) = &event {
                    sockets.push(path.clone());
                }
                self.tell(index, &event, global.json);
                None
            }
            Told::Failed(error) => Some(Err(error)),
            Told::End => Some(Ok(())),
        });
        // No card is in the middle of a command when the process ends.
        let _held: Vec<_> = cards.iter().map(|card| card.hold()).collect();
        // Sockets in the file system do not go away by themselves.
        for path in sockets {
            let _ = std::fs::remove_file(path);
        }
        result.unwrap_or(Ok(()))
    }

    /// A place for each image.
    fn places(&self) -> Result<Vec<Place>, Error> {
        let count = self.images.len();
        if !self.listen.is_empty() {
            if self.listen.len() != count {
                process::usage(format_args!("{count} images need {count} times --listen"));
            }
            return self.listen.iter().map(|text| Ok(Place::Listen(text.parse()?))).collect();
        }
        if !self.slots.is_empty() && self.slots.len() != count {
            process::usage(format_args!("{count} images need {count} times --slot, or none"));
        }
        let (host, port) = match &self.vpcd {
            None => ("127.0.0.1", VPCD_PORT),
            Some(text) => text
                .rsplit_once(':')
                .and_then(|(host, port)| Some((host, port.parse().ok()?)))
                .unwrap_or_else(|| process::usage(format_args!("--vpcd {text:?} is not HOST:PORT"))),
        };
        let slot = |index: usize| self.slots.get(index).copied().or(u16::try_from(index).ok());
        (0..count)
            .map(|index| {
                let port = slot(index).and_then(|slot| port.checked_add(slot));
                let port = port.ok_or_else(|| Error::Order("there is no port for this slot".into()))?;
                Ok(Place::Vpcd(Endpoint::Tcp(format!("{host}:{port}"))))
            })
            .collect()
    }

    fn tell(&self, index: usize, event: &Event, as_json: bool) {
        let image = self.images.get(index).map(|path| path.display().to_string()).unwrap_or_default();
        if as_json {
            let mut value = to_json(event);
            value["image"] = json!(image);
            output::line(value);
        } else {
            output::line(format_args!("{image}: {}", in_words(event)));
        }
    }
}

/// The life of one card.
fn serve(card: &Served<Watched<ImageCard>>, place: Place, index: usize, tell: &Sender<Told>) {
    let mut happened = |event| drop(tell.send(Told::Happened(index, event)));
    match place {
        Place::Vpcd(reader) => card.insert_into(&reader, &mut thread::sleep, &mut happened),
        Place::Listen(endpoint) => {
            let served = endpoint.listen().and_then(|listener| card.take_turns(&listener, &mut happened));
            let Err(error) = served;
            let _ = tell.send(Told::Failed(Error::Order(format!("{endpoint}: {error}"))));
        }
    }
}

fn in_words(event: &Event) -> String {
    match event {
        Event::Waiting(reader) => format!("waiting for pcscd and its driver vpcd at {reader}"),
        Event::Listening(endpoint) => format!("waiting for a program at {endpoint}"),
        Event::Inserted => "in the reader".into(),
        Event::PoweredOn => "power on".into(),
        Event::PoweredOff => "power off".into(),
        Event::Reset => "reset".into(),
        Event::Removed(why) => match why {
            Removal::Closed => "out of the reader: the reader has gone".into(),
            Removal::Torn => "out of the reader: the reader has gone in the middle of a message".into(),
            Removal::Failed(error) => format!("out of the reader: {error}"),
            Removal::Mute(error) => format!("out of the reader: it does not answer: {error}"),
            Removal::Pulled => "pulled out of the reader".into(),
        },
    }
}

fn to_json(event: &Event) -> Value {
    match event {
        Event::Waiting(reader) => json!({ "event": "waiting", "address": reader.to_string() }),
        Event::Listening(endpoint) => json!({ "event": "listening", "address": endpoint.to_string() }),
        Event::Inserted => json!({ "event": "inserted" }),
        Event::PoweredOn => json!({ "event": "powered_on" }),
        Event::PoweredOff => json!({ "event": "powered_off" }),
        Event::Reset => json!({ "event": "reset" }),
        Event::Removed(why) => json!({ "event": "removed", "reason": reason(why) }),
    }
}

fn reason(why: &Removal) -> String {
    match why {
        Removal::Closed => "closed".into(),
        Removal::Torn => "torn".into(),
        Removal::Failed(error) => format!("failed: {error}"),
        Removal::Mute(error) => format!("mute: {error}"),
        Removal::Pulled => "pulled".into(),
    }
}
