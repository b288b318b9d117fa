//! A card served over sockets, and who may come: the examples, other clients, and frames of
//! every kind.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../examples/served_card.rs"]
#[allow(dead_code)]
mod example;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use card_os::applets::AppletKind;
use host::Error;
use host::error::Trouble;
use host::reader::Reader;
use host::reader::atr::ATR;
use host::reader::remote::RemoteReader;
use host::reader::serve::{Event, Removal, Served};
use host::reader::socket::Endpoint;
use host::reader::virtual_reader::VirtualReader;
use rand_core::SeedableRng;

const SELECT: &[u8] = b"\x00\xA4\x04\x0C\x06\xF0PURSE";
const BALANCE: &[u8] = &[0x90, 0x5C, 0, 0, 0];

/// Serves a blank purse from a thread; where, and what happens to it.
fn serve(endpoint: &str) -> (Endpoint, Receiver<Event>) {
    serve_pulled(endpoint, None)
}

fn serve_pulled(endpoint: &str, at: Option<u64>) -> (Endpoint, Receiver<Event>) {
    let random = Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(1));
    let served = Served::pull_at(VirtualReader::blank(AppletKind::Purse, random).unwrap(), at);
    let listener = endpoint.parse::<Endpoint>().unwrap().listen().unwrap();
    let endpoint = listener.endpoint().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || served.take_turns(&listener, &mut |event| drop(tell.send(event))));
    (endpoint, told)
}

/// The next event of these that happens.
fn until(told: &Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    std::iter::repeat_with(|| told.recv_timeout(Duration::from_secs(20)).unwrap()).find(wanted).unwrap()
}

fn removal(told: &Receiver<Event>) -> Removal {
    match until(told, |event| matches!(event, Event::Removed(_))) {
        Event::Removed(removal) => removal,
        _ => unreachable!(),
    }
}

fn raw(endpoint: &Endpoint) -> TcpStream {
    let Endpoint::Tcp(address) = endpoint else { panic!("not TCP") };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn send(stream: &mut TcpStream, payload: &[u8]) {
    stream.write_all(&u16::try_from(payload.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(payload).unwrap();
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut payload = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut payload).unwrap();
    payload
}

/// A card at this address answers.
fn works(endpoint: &Endpoint) {
    assert_eq!(RemoteReader::connect(endpoint).unwrap().transmit(SELECT).unwrap(), [0x90, 0x00]);
}

#[test]
fn the_examples_run() {
    let (endpoint, _told) = serve("127.0.0.1:0");
    let Endpoint::Tcp(address) = &endpoint else { panic!("not TCP") };
    example::run(address).unwrap();
    let lines = include_str!("../examples/served_card.rs")
        .lines()
        .skip_while(|line| !line.starts_with("pub(crate) fn run"));
    assert_eq!(lines.take_while(|line| *line != "}").count(), 6, "five lines and their head");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/served_card.py");
    let python = match Command::new("python3").arg(script).arg(address).output() {
        // `tests/run` counts it as skipped.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        other => other.unwrap(),
    };
    assert!(python.status.success(), "{python:?}");
    assert!(String::from_utf8_lossy(&python.stdout).starts_with("FCI 6F"));
}

#[test]
fn one_after_the_other_each_with_a_session_of_its_own() {
    let (endpoint, told) = serve("127.0.0.1:0");
    let mut first = RemoteReader::connect(&endpoint).unwrap();
    assert_eq!(first.atr(), ATR);
    assert_eq!(first.transmit(SELECT).unwrap(), [0x90, 0x00]);
    let selected = first.transmit(BALANCE).unwrap();
    first.reset().unwrap();
    assert_ne!(first.transmit(BALANCE).unwrap(), selected, "a reset ends the session");
    drop(first);
    assert_eq!(removal(&told), Removal::Closed);
    assert_ne!(RemoteReader::connect(&endpoint).unwrap().transmit(BALANCE).unwrap(), selected);
    works(&endpoint);
}

#[cfg(unix)]
#[test]
fn over_a_unix_socket_also_where_one_is_left_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (endpoint, _told) = serve(&format!("unix:{}", path.display()));
    works(&endpoint);
    let taken = endpoint.listen().unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn frames_of_every_length() {
    let (endpoint, _told) = serve("127.0.0.1:0");
    let mut stream = raw(&endpoint);
    send(&mut stream, &[]);
    for control in 5..=255 {
        send(&mut stream, &[control]);
    }
    send(&mut stream, &[1]);
    for (payload, answer) in [
        (vec![0; 2], [0x67, 0x00]),
        (vec![0; 65_535], [0x67, 0x00]),
        (vec![0xFF; 65_535], [0x6E, 0x00]),
        (SELECT.to_vec(), [0x90, 0x00]),
    ] {
        send(&mut stream, &payload);
        let got = receive(&mut stream);
        assert_eq!(got.len(), 2, "{} bytes", payload.len());
        assert!(got == answer || payload[0] == 0xFF, "{got:02X?}");
    }
    let pieces = [[0, 1, 4].as_slice(), &[0], &[11], &SELECT[..1], &SELECT[1..], &[0, 1], &[4]];
    send(&mut stream, &[0, 0xA4]);
    receive(&mut stream);
    for piece in pieces {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(receive(&mut stream), ATR);
}

#[test]
fn a_client_that_dies_in_mid_frame() {
    let (endpoint, told) = serve("127.0.0.1:0");
    let frame = [&[0, 11][..], SELECT].concat();
    for cut in 1..frame.len() {
        let mut stream = raw(&endpoint);
        send(&mut stream, &[1]);
        stream.write_all(&frame[..cut]).unwrap();
        drop(stream);
        assert_eq!(removal(&told), Removal::Torn);
    }
    works(&endpoint);
}

#[test]
fn a_command_without_power_is_not_answered() {
    let (endpoint, told) = serve("127.0.0.1:0");
    let mut stream = raw(&endpoint);
    send(&mut stream, SELECT);
    assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0);
    assert!(matches!(removal(&told), Removal::Mute(_)));
    works(&endpoint);
}

#[test]
fn a_card_that_is_pulled_leaves_a_lost_answer() {
    let (endpoint, told) = serve_pulled("127.0.0.1:0", Some(2));
    let mut card = RemoteReader::connect(&endpoint).unwrap();
    card.transmit(SELECT).unwrap();
    assert!(matches!(card.transmit(SELECT), Err(Error::NoAnswer(_))));
    assert!(matches!(card.transmit(SELECT), Err(Error::NoAnswer(_))), "it stays away");
    assert_eq!(removal(&told), Removal::Pulled);
    card.reset().unwrap();
    for _ in 0..3 {
        card.transmit(SELECT).unwrap();
    }
}

#[test]
fn nobody_serves() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = RemoteReader::connect(&nobody.parse().unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Reader { trouble: Trouble::NotServed(_), .. }));
    assert!(error.to_string().contains("card serve --listen"), "{error}");
}

#[test]
fn commands_that_are_none_stay_here() {
    let (endpoint, _told) = serve("127.0.0.1:0");
    let mut card = RemoteReader::connect(&endpoint).unwrap();
    for command in [vec![], vec![0], vec![0; 65_536]] {
        assert!(matches!(card.transmit(&command), Err(Error::NoAnswer(_))));
    }
    assert_eq!(card.transmit(SELECT).unwrap(), [0x90, 0x00]);
}
