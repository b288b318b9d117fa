//! `purse apdu`: lines, scripts, standard input, and the shell in a terminal.

#[allow(dead_code)]
mod support;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use support::{Place, Run, argument};

const SCRIPT: &str = "# what a purse says\nSelect occurrence=0 aid=purse\nexpect 9000\nGetBalance\n\
    expect 9000 currency.code=978\nreset   # and off\n90 5C 00 00 00\nexpect 6E00\n";

fn with_input(place: &Place, arguments: &[&str], input: &[u8]) -> Run {
    let mut command = place.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("a pipe").write_all(input).expect("written");
    let output = child.wait_with_output().expect("ended");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn names_in_place_of_bytes() {
    let place = Place::after_a_day(1);
    let sent = place.json(&["apdu", "Select occurrence=0 aid=purse", "getbalance", "00 B2 01 EC 00"]);
    assert_eq!(sent[0]["command"], "00A4040006F0505552534500");
    assert!(sent[1]["answer"].as_str().is_some_and(|answer| answer.ends_with("03D2029000")), "{sent}");
    place.fails(1, &["apdu", "InitializeIep group=1"], &["`version` is missing", "0 to 255"]);
    place.fails(1, &["apdu", "ballance"], &["neither a command", "hexadecimal"]);
    place.fails(1, &["apdu", "GetBalance", "expect 9001"], &["9001", "6E00"]);
    place.fails(1, &["apdu", "expect 9000"], &["nothing has been sent"]);
}

#[test]
fn scripts() {
    let place = Place::after_a_day(1);
    let script = place.file("session.txt", SCRIPT);
    let run = place.run(&["apdu", "--script", argument(&script)]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("Purse GetBalance") && run.out.contains("\nreset\n"), "{}", run.out);
    assert_eq!(place.json(&["apdu", "--script", argument(&script)]).as_array().map(Vec::len), Some(3));
    // An expectation that fails says where; what was sent is in the answer.
    let wrong = place.file("wrong.txt", &SCRIPT.replace("978", "979"));
    let run = place.run(&["--json", "apdu", "--script", argument(&wrong)]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("wrong.txt, line 5: currency.code = 979 expected, 978 answered"), "{}", run.err);
    assert!(run.out.contains("905C000000"), "{}", run.out);
    // A line that is wrong stops before anything is sent.
    let wrong = place.file("wrong.txt", &format!("{SCRIPT}GetMoney\n"));
    let run = place.run(&["apdu", "--script", argument(&wrong)]);
    assert!(
        run.code == Some(1) && run.out.is_empty() && run.err.contains("line 9"),
        "{}{}",
        run.out,
        run.err
    );
    fs::write(&wrong, [0xFF, 0xFE, 0]).expect("written");
    place.fails(1, &["apdu", "--script", argument(&wrong)], &["wrong.txt", "no text"]);
    let blank = place.file("blank.txt", "\n# nothing\n");
    place.fails(1, &["apdu", "--script", argument(&blank)], &["nothing to send"]);
    place.fails(1, &["apdu", "--script", "/nowhere"], &["/nowhere"]);
    place.fails(2, &["apdu", "--script", argument(&script), "905C000000"], &["cannot be used with"]);
}

#[test]
fn lines_from_standard_input() {
    let place = Place::after_a_day(1);
    let run = with_input(&place, &["apdu"], SCRIPT.as_bytes());
    assert_eq!(run.code, Some(0), "{}", run.err);
    let run = with_input(&place, &["apdu"], b"GetBalance\n90 5\n");
    assert!(run.code == Some(1) && run.out.contains("GetBalance"), "{}", run.out);
    assert!(run.err.contains("standard input, line 2") && run.err.contains("odd number"), "{}", run.err);
    let run = with_input(&place, &["apdu"], b"\xFF\xFE\n");
    assert!(run.code == Some(1) && run.err.contains("line 1"), "{}", run.err);
    place.fails(1, &["apdu"], &["nothing to send", "--script"]);
}

/// The shell, in a terminal that `script` of util-linux makes.
#[test]
#[cfg(target_os = "linux")]
fn the_shell() {
    let place = Place::after_a_day(1);
    let history = place.data().join("history");
    let program = format!(
        "{} --data {} apdu --history {}",
        env!("CARGO_BIN_EXE_purse"),
        place.data().display(),
        history.display()
    );
    let mut command = Command::new("script");
    command.args(["-qec", &program, "/dev/null"]).env("TERM", "xterm");
    let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        println!("skipped: script of util-linux is not installed");
        return;
    };
    let mut keys = child.stdin.take().expect("a pipe");
    // Tab completes; a wrong line does not end it; Ctrl-D does.
    for line in ["Select oc\t0 a\tpu\t\r", "getbal\t\r", "nonsense\r", "0020008004 31323334\r", "\u{4}"] {
        std::thread::sleep(std::time::Duration::from_millis(300));
        keys.write_all(line.as_bytes()).expect("typed");
    }
    let output = child.wait_with_output().expect("ended");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for word in ["Interindustry Select", "aid = F05055525345", "Purse GetBalance", "neither a command"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let kept = fs::read_to_string(&history).expect("a history");
    assert!(kept.contains("Select occurrence=0 aid=purse") && !kept.contains("31323334"), "{kept}");
}
