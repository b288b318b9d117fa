//! What is under MACs between a load terminal and the background system. The messages
//! themselves are the network's; here stands what their MACs cover besides.
//!
//! Project-defined. A request is authenticated as a whole, the funding and the terminal's
//! clock included. Its answer covers what it is about, in so many words, and the MAC of the
//! request: a terminal challenges every purse afresh, so that an old answer never serves a
//! new question.

use crate::element::{Counter, IepId, Mac, SamId};
use crate::layout;
use crate::signature::Heading;

layout! {
    /// What a request is about: 26 bytes.
    #[derive(Copy)]
    pub struct Subject {
        /// The terminal that asks.
        terminal: SamId,
        /// The purse.
        iep: IepId,
        /// Its session (NT_IEP).
        nt: Counter,
        /// S6 that the request hands in; zero where it hands none in.
        s6: Mac,
    }
}

layout! {
    /// Which message of the network follows, in its bytes and without its own MAC: 2 bytes.
    #[derive(Copy)]
    pub struct Message {
        /// Version of the messages.
        version: u8,
        /// Type of the message.
        code: u8,
    }
}

layout! {
    /// What the MAC of a request covers; the fields of the message follow.
    #[derive(Copy)]
    pub struct RequestHead {
        /// Heading.
        heading: Heading,
        /// Type of the request.
        message: Message,
    }
}

layout! {
    /// What the MAC of an answer covers; the fields of the message follow.
    #[derive(Copy)]
    pub struct AnswerHead {
        /// Heading.
        heading: Heading,
        /// What the request was about.
        subject: Subject,
        /// MAC of the request.
        request: Mac,
        /// Type of the answer.
        message: Message,
    }
}
