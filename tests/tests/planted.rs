//! The list of planted faults fits the sources: each text that is to be changed is there once,
//! each test that must notice exists. Planting them all is a run of its own (`tests/planted`).

use planted::list::{complaints, read};

#[test]
fn every_fault_can_still_be_planted() {
    let root = planted::root();
    let faults = read(&root).expect("the list");
    let complaints = complaints(&root, &faults);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let pairs = faults.iter().filter(|fault| fault.edit.len() > 1).count();
    println!("{} faults can be planted, {pairs} of them more than one edit", faults.len());
    assert!(faults.len() >= 24 && pairs > 0);
}
