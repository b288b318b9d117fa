//! Between terminals and background systems: what is said ([`message`]), over
//! what ([`link`]), whether it may be believed ([`authentication`]), and how it waits
//! while nobody listens ([`store_and_forward`], [`batch_file`]).
//!
//! The network is not trusted and not reliable. Links lose, delay, repeat and
//! reorder; store-and-forward makes delivery at least once, intake at the
//! background system makes it exactly once, and every MAC is end to end.

pub mod authentication;
pub mod batch_file;
mod codec;
pub mod disk;
pub mod error;
pub mod link;
pub mod message;
pub mod store_and_forward;

pub use authentication::Signed;
pub use error::Error;
pub use link::{Direct, Link, Service};
pub use message::{
    Acceptance, Batch, Decision, Fate, Funding, Rejection, RejectionCode, Request, Resolution,
    ResolveRequest, Response, TransferRequest,
};
pub use store_and_forward::{Delivery, Folder, Outbox};
