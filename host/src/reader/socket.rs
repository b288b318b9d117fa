//! Sockets of either kind, TCP and Unix, under one address.
//!
//! Small messages go back and forth: TCP sends at once (`TCP_NODELAY`), and on Linux
//! acknowledges at once too (`TCP_QUICKACK`, tcp(7)), before every receive because the option
//! does not stick. A peer that sends length and payload apart, as vpcd does, would else wait for
//! a delayed acknowledgement of 40 ms in each exchange.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Trouble};

/// How long a peer may leave what it is sent unread.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Where a card is served: `HOST:PORT`, `tcp:HOST:PORT` or `unix:PATH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// Host and port.
    Tcp(String),
    /// A socket in the file system; not on Windows.
    Unix(PathBuf),
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.strip_prefix("tcp:").unwrap_or(text);
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        match port {
            Some(_) => Ok(Self::Tcp(address.into())),
            None => Err(Error::reader(text, Trouble::Address)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(not(unix))]
fn no_unix_sockets() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets; use tcp:HOST:PORT")
}

impl Endpoint {
    /// Connects to whoever listens here.
    pub fn connect(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(address) => Socket::tcp(TcpStream::connect(address)?),
            #[cfg(unix)]
            Self::Unix(path) => Socket::unix(UnixStream::connect(path)?),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(no_unix_sockets()),
        }
    }

    /// Listens here. A Unix socket that nobody listens at any more is replaced; nothing else is.
    pub fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Tcp(address) => Ok(Listener::Tcp(TcpListener::bind(address)?)),
            #[cfg(unix)]
            Self::Unix(path) => {
                if is_abandoned(path) {
                    std::fs::remove_file(path)?;
                }
                Ok(Listener::Unix(UnixListener::bind(path)?))
            }
            #[cfg(not(unix))]
            Self::Unix(_) => Err(no_unix_sockets()),
        }
    }
}

/// Whether this is a socket, and nobody listens at it.
#[cfg(unix)]
fn is_abandoned(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(refused)
}

/// Takes connections.
#[derive(Debug)]
pub enum Listener {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// The next connection.
    pub fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => Socket::tcp(listener.accept()?.0),
            #[cfg(unix)]
            Self::Unix(listener) => Socket::unix(listener.accept()?.0),
        }
    }

    /// Where it listens; with the port that the system chose where port 0 was asked for.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(listener) => Ok(Endpoint::Tcp(listener.local_addr()?.to_string())),
            #[cfg(unix)]
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(Endpoint::Unix(address.as_pathname().unwrap_or("".as_ref()).into()))
            }
        }
    }
}

/// A connection.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Self::Tcp(stream))
    }

    #[cfg(unix)]
    fn unix(stream: UnixStream) -> io::Result<Self> {
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Self::Unix(stream))
    }

    /// How long a receive waits; without, for ever.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(patience),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(patience),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => {
                // Where the system refuses, it is slow and works.
                #[cfg(target_os = "linux")]
                let _ = rustix::net::sockopt::set_tcp_quickack(&*stream, true);
                stream.read(buffer)
            }
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_file_is_not_taken_for_a_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("purse.card");
        std::fs::write(&path, "money").unwrap();
        assert!(Endpoint::Unix(path.clone()).listen().is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"money");
        let socket = Endpoint::Unix(directory.path().join("socket"));
        drop(socket.listen().unwrap());
        let listens = socket.listen().unwrap();
        assert!(socket.listen().is_err(), "somebody listens there");
        drop(listens);
    }

    #[test]
    fn addresses() {
        let parsed = |text: &str| text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()).ok();
        assert_eq!(parsed("127.0.0.1:9000").as_deref(), Some("tcp:127.0.0.1:9000"));
        assert_eq!(parsed("tcp:[::1]:9000").as_deref(), Some("tcp:[::1]:9000"));
        assert_eq!(parsed("unix:/tmp/card").as_deref(), Some("unix:/tmp/card"));
        for nonsense in ["", "9000", "localhost", "tcp:", "tcp:localhost:99999", "localhost:x"] {
            assert_eq!(parsed(nonsense), None, "{nonsense}");
        }
    }
}
