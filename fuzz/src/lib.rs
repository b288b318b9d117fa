//! What the targets run: the bodies and cards of the crates' own tests.

#[path = "../../host/background/tests/fuzz_bodies/mod.rs"]
pub mod background;
#[path = "../../card-os/tests/fuzz_bodies/mod.rs"]
pub mod bodies;
#[path = "../../host/network/tests/fuzz_bodies/messages.rs"]
pub mod messages;
#[path = "../../host/tests/fuzz_bodies/sealed_image.rs"]
pub mod sealed_image;
#[path = "../../apdu-spec/tests/secure_channel/fuzz_body.rs"]
pub mod secure_channel;
#[path = "../../apdu-spec/tests/secure_channel/setup.rs"]
pub mod setup;
#[path = "../../card-os/tests/support/mod.rs"]
pub mod support;
#[path = "../../host/tests/fuzz_bodies/trace/mod.rs"]
pub mod trace;
#[path = "../../host/tests/fuzz_bodies/vpcd.rs"]
pub mod vpcd;
