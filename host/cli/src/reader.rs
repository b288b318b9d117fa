//! `--reader`: the purse is in a reader, not in an image. PC/SC readers by name (feature
//! `pcsc`), cards that another process serves by address.

use std::time::{Duration, Instant};

use host::reader::remote::RemoteReader;
use host::reader::socket::Endpoint;
use simulation::Error;
use simulation::world::AnyReader;

use crate::{Global, output};

/// How often what is not there is looked for.
const RETRY: Duration = Duration::from_millis(200);
/// How long connecting may take before a person is told why.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which reader.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// The card is in this reader: name of a PC/SC reader, or a part of it, or the address
    /// of a served card, tcp:HOST:PORT or unix:PATH
    #[arg(long, global = true, value_name = "NAME")]
    reader: Option<String>,
    /// Wait for the reader and a card in it, for so long; without a number, as long as it takes
    #[arg(long, global = true, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    wait: Option<Option<u64>>,
}

impl Choice {
    /// Whether there is a reader at all.
    pub(crate) const fn is_given(&self) -> bool {
        self.reader.is_some()
    }

    /// Whether waiting since `begun` goes on.
    pub(crate) fn waits(&self, begun: Instant) -> bool {
        self.wait
            .is_some_and(|wait| wait.is_none_or(|seconds| begun.elapsed() < Duration::from_secs(seconds)))
    }

    /// A clock that says how much longer to wait; nothing where there is no waiting.
    fn patience(&self) -> impl FnMut() -> Option<Duration> + use<> {
        let (begun, wait) = (Instant::now(), self.wait);
        move || {
            let total = wait?.map_or(Duration::MAX, Duration::from_secs);
            Some(total.saturating_sub(begun.elapsed())).filter(|left| !left.is_zero())
        }
    }
}

/// The reader of `--reader`, with a card in it.
pub(crate) fn connect(global: &Global) -> Result<Option<AnyReader>, Error> {
    let Some(name) = &global.reader.reader else { return Ok(None) };
    let (done, late) = std::sync::mpsc::channel::<()>();
    let reader = name.clone();
    // Another program's transaction keeps us waiting; who sits there should know.
    std::thread::spawn(move || {
        if late.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            output::complain_plainly(&format_args!(
                "{reader}: waiting for the reader and a card that is free"
            ));
        }
    });
    let reader = if name.starts_with("tcp:") || name.starts_with("unix:") {
        remote(name, &mut global.reader.patience())
    } else {
        real(name, &mut global.reader.patience())
    };
    drop(done);
    reader.map(Some)
}

/// For commands that make no sense with a card in a reader.
pub(crate) fn refuse(global: &Global) -> Result<(), Error> {
    match &global.reader.reader {
        Some(_) => Err(Error::Order(
            "--reader is for one card in a reader; this command works on the data directory alone. Leave \
             --reader away"
                .into(),
        )),
        None => Ok(()),
    }
}

fn remote(name: &str, patience: &mut dyn FnMut() -> Option<Duration>) -> Result<AnyReader, Error> {
    let endpoint: Endpoint = name.parse()?;
    loop {
        match RemoteReader::connect(&endpoint) {
            Ok(reader) => return Ok(Box::new(reader)),
            Err(error) => match patience() {
                Some(left) => std::thread::sleep(left.min(RETRY)),
                None => return Err(error.into()),
            },
        }
    }
}

#[cfg(feature = "pcsc")]
fn real(name: &str, patience: &mut dyn FnMut() -> Option<Duration>) -> Result<AnyReader, Error> {
    Ok(host::reader::pcsc::connect(name, patience)?)
}

#[cfg(not(feature = "pcsc"))]
fn real(_: &str, _: &mut dyn FnMut() -> Option<Duration>) -> Result<AnyReader, Error> {
    Err(without_pcsc())
}

/// What a program that was built without PC/SC says.
#[cfg(not(feature = "pcsc"))]
pub(crate) fn without_pcsc() -> Error {
    Error::Order(
        "this program was built without PC/SC; build it with `cargo build -p cli --features pcsc` (Debian: \
         libpcsclite-dev). Readers at tcp:HOST:PORT and unix:PATH work without"
            .into(),
    )
}
