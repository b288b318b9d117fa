//! A card that another process serves, over TCP or a Unix socket: needs no driver, no root
//! and no daemon. The way to test a terminal in CI, on Linux, macOS and Windows alike.
//!
//! `purse card serve --image card.img --listen 127.0.0.1:9000` is the other end. It speaks the
//! protocol of [`vpcd`](super::vpcd) with the client in vpcd's part: two bytes of length, big
//! endian, before each payload; control byte 01 gives power, and then each command APDU is
//! answered with its response APDU. One client at a time; the card loses power when it goes.
//!
//! ```no_run
//! use host::reader::{Reader, remote::RemoteReader};
//!
//! let mut card = RemoteReader::connect(&"127.0.0.1:9000".parse()?)?;
//! let answer = card.transmit(b"\x00\xA4\x04\x00\x06\xF0PURSE")?;
//! assert_eq!(answer[answer.len() - 2..], [0x90, 0x00]);
//! # Ok::<(), host::Error>(())
//! ```

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::Reader;
use super::socket::{Endpoint, Socket};
use super::vpcd::{Deframer, GET_ATR, PAYLOAD_MAX, POWER_OFF, POWER_ON, RESET, put};
use crate::Error;
use crate::error::Trouble;

/// How long a card has to answer its reset; longer where another client is before us.
const RESET_PATIENCE: Duration = Duration::from_secs(5);
/// How long a card has to answer a command, its disk included.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shortest command that is none of the control bytes.
const COMMAND_MIN: usize = 2;

/// A card at an address.
#[derive(Debug)]
pub struct RemoteReader {
    endpoint: Endpoint,
    /// Nothing after a lost answer, until the next reset.
    connection: Option<Connection>,
    atr: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    deframer: Deframer,
}

impl RemoteReader {
    /// Connects, and gives the card power.
    pub fn connect(endpoint: &Endpoint) -> Result<Self, Error> {
        let mut reader = Self { endpoint: endpoint.clone(), connection: None, atr: Vec::new() };
        reader.reset()?;
        Ok(reader)
    }

    /// The answer to reset.
    #[must_use]
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn trouble(&self, trouble: Trouble) -> Error {
        Error::reader(self.endpoint.to_string(), trouble)
    }
}

impl Connection {
    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut message = Vec::new();
        put(payload, &mut message);
        self.socket.write_all(&message)
    }

    /// The next message, whole before the deadline: a peer may also send it byte by byte.
    fn receive(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        loop {
            if let Some(payload) = self.deframer.next() {
                return Ok(payload.to_vec());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.set_patience(Some(left))?;
            match self.socket.read(self.deframer.space()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.deframer.filled(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn exchange(&mut self, payload: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        self.send(payload)?;
        self.receive(Instant::now() + patience)
    }
}

/// A receive that has waited for long enough.
fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Reader for RemoteReader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let lost = |reason: &str| Error::NoAnswer(reason.into());
        if !(COMMAND_MIN..=PAYLOAD_MAX).contains(&command.len()) {
            return Err(lost("a command has 4 to 65,535 bytes"));
        }
        let mut connection = self.connection.take().ok_or_else(|| lost("the card is gone"))?;
        let answer =
            connection.exchange(command, PATIENCE).map_err(|error| Error::NoAnswer(error.to_string()))?;
        if answer.len() < 2 {
            return Err(lost("the answer was lost"));
        }
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Power off and on; a new connection where the old one is gone.
    fn reset(&mut self) -> Result<(), Error> {
        let (mut connection, control) = match self.connection.take() {
            Some(connection) => (connection, RESET),
            None => {
                let served = self.endpoint.connect();
                let socket = served.map_err(|error| self.trouble(Trouble::NotServed(error.to_string())))?;
                (Connection { socket, deframer: Deframer::default() }, POWER_ON)
            }
        };
        let atr = connection.send(&[control]).and_then(|()| connection.exchange(&[GET_ATR], RESET_PATIENCE));
        self.atr =
            atr.map_err(|error| self.trouble(if is_late(&error) { Trouble::Shared } else { Trouble::Mute }))?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl Drop for RemoteReader {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            // The card is removed one way or the other.
            let _ = connection.send(&[POWER_OFF]);
        }
    }
}
