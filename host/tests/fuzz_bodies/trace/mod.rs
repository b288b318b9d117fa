//! What the fuzz targets of traces do with their bytes: `fuzz/` runs them, and
//! `trace_seeds.rs` replays their seeds and crashes on stable.

#![allow(dead_code, unreachable_pub, missing_docs)] // the fuzzer and the tests use it each in part

pub mod recording;
pub mod script;

/// A fuzz target: its name, and what it does.
pub type Body = (&'static str, fn(&[u8]));

/// All of them.
pub const BODIES: [Body; 2] = [("recording", recording::run), ("script", script::run)];
