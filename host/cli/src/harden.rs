//! What the process keeps to itself: it leaves no core file, no other process of its user reads its
//! memory, and nobody else reads the files that it makes. Best effort: where a system has no such
//! thing, keys are as safe as the system keeps them.

#[cfg(unix)]
use rustix::fs::Mode;
#[cfg(unix)]
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// To be called before there is anything to keep.
#[cfg(unix)]
pub(crate) fn process() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    umask(Mode::RWXG | Mode::RWXO);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(not(unix))]
pub(crate) const fn process() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn no_memory_leaves_the_process() {
        assert_eq!(dumpable_behavior().ok(), Some(DumpableBehavior::Dumpable), "how the test can fail");
        super::process();
        assert_eq!(dumpable_behavior().ok(), Some(DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    }
}
