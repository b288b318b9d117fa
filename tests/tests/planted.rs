//! The list of planted faults fits the sources: each text that is to be changed is there once,
//! each test that must notice exists. Planting them all is a run of its own (`tests/planted`).

#![allow(unreachable_pub)] // a test has no outside

#[path = "../planted/src/list.rs"]
mod list;

use std::path::Path;

#[test]
fn every_fault_can_still_be_planted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let faults = list::read(&root).expect("the list");
    let complaints = list::complaints(&root, &faults);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let pairs = faults.iter().filter(|fault| fault.edit.len() > 1).count();
    println!("{} faults can be planted, {pairs} of them more than one edit", faults.len());
    assert!(faults.len() >= 24 && pairs > 0);
}
