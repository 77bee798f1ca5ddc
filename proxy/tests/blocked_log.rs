//! O2: nobody reads our standard error. Logging goes on without waiting; lines are dropped and
//! counted.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sigbox::config::{Log, LogFormat};
use sigbox::logging::Logging;

/// Set in the process that logs.
const WRITER: &str = "SIGBOX_TEST_BLOCKED_LOG";

/// Far more than the queue and a pipe hold.
const LINES: usize = 50_000;

/// Not a test by itself: the other process of the one below.
#[test]
fn writer() {
    if std::env::var_os(WRITER).is_none() {
        return;
    }
    let log = Log {
        format: LogFormat::Json,
        level: tracing::Level::INFO,
    };
    let logging = Logging::start(log).unwrap();
    for line in 0..LINES {
        tracing::info!(line, "{}", "x".repeat(100));
    }
    println!("\ndropped {}", logging.drops()());
    // Dropping it would wait for the reader that never comes.
    std::process::exit(0);
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(WRITER, "1")
        .env_remove("SIGBOX_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (send, dropped) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = stdout.lines().map_while(Result::ok);
        let count = lines.find_map(|line| line.strip_prefix("dropped ")?.parse::<usize>().ok());
        let _ = send.send(count);
    });
    let dropped = dropped.recv_timeout(Duration::from_secs(120));
    let _ = child.kill();
    let mut written = String::new();
    let _ = child.stderr.take().unwrap().read_to_string(&mut written);
    child.wait().unwrap();
    let dropped = dropped.expect("the writer waits for its reader").unwrap();
    assert!(dropped > 0 && dropped < LINES, "{dropped} of {LINES}");
    assert!(
        written.starts_with('{'),
        "{}",
        &written[..written.len().min(200)]
    );
}
