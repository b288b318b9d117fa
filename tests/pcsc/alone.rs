//! Tests with a pcscd of their own: each runs itself again in namespaces of its own
//! (`tests/pcsc/alone`), where no other pcscd is and none of its reaches out.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

/// The reader of slot 0.
pub(crate) const READER: &str = "Virtual PCD 00 00";
/// The reader of slot 1.
pub(crate) const SECOND_READER: &str = "Virtual PCD 00 01";
/// What pcscd makes when it is ready.
const READY: &str = "/run/pcscd/pcscd.comm";

/// Runs `test`, which is the test function `name`, alone.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os("PURSE_ALONE").is_some() {
        return test();
    }
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("tests/pcsc/alone"));
    let script = script.into_iter().find(|path| path.exists()).expect("tests/pcsc/alone");
    let itself = std::env::current_exe().expect("this program");
    let run = Command::new(script).arg(itself).args(["--exact", name, "--nocapture"]).output();
    let run = run.expect(
        "install pcscd, vsmartcard-vpcd and iproute2; `tests/run` does, and says so where it may not",
    );
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}{}", text(&run.stdout), text(&run.stderr));
    assert!(text(&run.stdout).contains("1 passed"), "no test is called {name}: {}", text(&run.stdout));
}

/// A running pcscd; it ends with this.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts pcscd with vpcd's two readers, and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// [`Daemon::start`] with more arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        for left_over in ["pcscd.comm", "pcscd.pid"] {
            let _ = std::fs::remove_file(format!("/run/pcscd/{left_over}"));
        }
        let help = Command::new("pcscd").arg("--help").output().expect("install pcscd");
        let mut command = Command::new("pcscd");
        command.arg("--foreground").args(arguments);
        // pcsc-lite 2.0 and newer; where there is no polkit at all, the option is an error.
        if String::from_utf8_lossy(&help.stdout).contains("disable-polkit") {
            command.arg("--disable-polkit");
        }
        let daemon = Self(command.spawn().expect("start pcscd"));
        wait_for(|| Path::new(READY).exists());
        daemon
    }

    /// Kills it, as a crash does.
    #[allow(dead_code)]
    pub(crate) fn crash(mut self) {
        self.0.kill().expect("kill pcscd");
        self.0.wait().expect("its end");
    }

    /// Ends it, as a person does.
    #[allow(dead_code)]
    pub(crate) fn end(mut self) {
        let ended = Command::new("kill").arg(self.0.id().to_string()).status().expect("kill");
        assert!(ended.success());
        self.0.wait().expect("its end");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something holds.
pub(crate) fn wait_for(mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain");
}
