//! A file that somebody calls a recording: it is read or refused, told without a secret,
//! and what is written of it again reads the same.

use std::time::Duration;

use host::trace::compare::compare;
use host::trace::describe::describe;
use host::trace::{Event, Recorded, gsmtap, pcap, recording, redact};

/// Reads `bytes` as a capture and as a listing.
pub fn run(bytes: &[u8]) {
    let Ok((events, _)) = recording::read(bytes) else { return };
    for recorded in &events {
        let Event::Exchange { command, answer } = &recorded.event else { continue };
        let told = describe(command, answer.as_deref().ok_or("lost"));
        assert!(told.ends_with('\n'));
        if let Some(answer) = answer {
            assert!(compare(command, answer, answer).is_empty());
        }
        again(recorded, command, answer.as_deref());
    }
}

/// Written and read again: the same, but for secrets; redacted twice is redacted once.
fn again(recorded: &Recorded, command: &[u8], answer: Option<&[u8]>) {
    let packet = gsmtap::exchange(recorded.card, 1, command, answer);
    let packet = pcap::Packet { at: Duration::ZERO, link: pcap::RAW_IP, bytes: &packet };
    let read = gsmtap::parse(&packet).expect("a packet of ours");
    let Event::Exchange { command: sent, answer: came } = read.event else { panic!("an exchange") };
    let (mut once, mut came_once) = (sent.clone(), came.clone());
    redact::command(&mut once);
    if let Some(bytes) = &mut came_once {
        redact::answer(&sent, bytes);
    }
    assert_eq!((once, came_once), (sent.clone(), came.clone()));
    if command.len() < 32_000 && !read.withheld {
        assert_eq!((&sent[..], came.as_deref()), (command, answer));
    }
}
