//! The program and the library over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use sigbox_load::{
    AnswererSettings, Answering, Behaviour, CallerSettings, Calling, Listener, Load, Plan, Report,
    Scenario, Stop,
};

fn pair(drop_percent: u32, t1: Duration) -> Report {
    let listener = Listener {
        address: "127.0.0.1:0".parse().unwrap(),
        behaviour: Behaviour::Answer,
    };
    let answering = Answering::bind(AnswererSettings { t1, drop_percent }, &[listener]).unwrap();
    let target = answering.listeners()[0].address;
    let settings = CallerSettings {
        index: 0,
        scenario: Scenario::Invite,
        target,
        uri: format!("sip:####@{target}"),
        plan: Plan::new(500, 0.4).unwrap(),
        after: Duration::ZERO,
        grid: Duration::from_micros(500),
        t1,
        hold: Duration::ZERO,
        cancel_after: None,
        rings: false,
        expect: None,
        wait: Duration::from_secs(35),
    };
    let calling = Calling::bind(settings, 3).unwrap();
    let load = Load::new(vec![calling], Some(answering)).unwrap();
    load.run(&Stop::default()).unwrap()
}

#[test]
fn calls_without_a_proxy_all_complete() {
    let report = pair(0, Duration::from_secs(5));
    let cost = report.cost.per_call_us;
    let (caller, called) = (report.caller.unwrap(), report.answerer.unwrap());
    assert_eq!(caller.calls.completed, 200, "{caller:?}");
    assert_eq!(caller.calls.disturbed, 0, "{caller:?}");
    assert_eq!((called.established, called.ended), (200, 200));
    assert_eq!((caller.foreign, called.foreign), (0, 0));
    assert!(cost > 0.0);
    assert_eq!(caller.latency.invite_to_200.unwrap().count, 200);
}

#[test]
fn what_is_dropped_is_sent_again() {
    let report = pair(20, Duration::from_millis(50));
    let (caller, called) = (report.caller.unwrap(), report.answerer.unwrap());
    assert_eq!(
        (caller.calls.completed, caller.calls.failed),
        (200, 0),
        "{caller:?}"
    );
    // A slow machine may send more often than it must.
    assert!(caller.retransmissions_sent["INVITE"] >= 40, "{caller:?}");
    assert!(caller.retransmissions_sent["BYE"] >= 40, "{caller:?}");
    assert_eq!(called.dropped, 120);
}

/// A program that does not outlive its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Most often it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn load(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_sigbox-load");
    Command::new(program).args(arguments).output().unwrap()
}

#[test]
fn the_program_reports_in_json() {
    let output = load(&["pair", "--rate", "200", "--seconds", "0.2", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["version"], 2);
    assert_eq!(report["caller"]["calls"]["completed"], 40);
    assert_eq!(report["answerer"]["established"], 40);
    assert!(report["caller"]["latency"]["invite_to_180"]["p999_us"].is_f64());
}

#[test]
fn further_callers_call_beside_the_first() {
    let output = load(&[
        "pair",
        "--rate=200",
        "--seconds=0.2",
        "--json",
        "--beside",
        "--scenario options --rate 500 --seconds 0.2 --after-s 0.1",
        "--beside",
        "--rate 100 --seconds 0.1 --cancel-after-ms 50 --rings",
    ]);
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["caller"]["calls"]["completed"], 40);
    assert_eq!(report["beside"][0]["responses"]["OPTIONS 200"], 100);
    assert_eq!(report["beside"][1]["endings"]["cancelled"], 10);
    assert_eq!(report["answerer"]["invites"], 50);
    assert_eq!(report["lost_here"], 0);

    let output = load(&["pair", "--beside", "--rate 0"]);
    assert!(!output.status.success());
    let output = load(&["pair", "--rate=40000", "--beside", "--rate 10001"]);
    assert!(!output.status.success());
}

#[test]
fn failed_calls_show_in_the_exit_code() {
    let refuse = ["--listen", "127.0.0.1:0=refuse:503"];
    let run = ["pair", "--rate", "100", "--seconds", "0.1"];
    let output = load(&[&run[..], &refuse].concat());
    assert_eq!(output.status.code(), Some(1));
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(summary.contains("INVITE 503: 10"), "{summary}");
    let output = load(&[&run[..], &refuse, &["--expect", "503"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn only_loopback_and_only_within_limits() {
    for (arguments, reason) in [
        (
            &["uac", "--target", "192.0.2.1:5060"][..],
            "not a loopback address",
        ),
        (
            &["uas", "--listen", "0.0.0.0:5080"],
            "not a loopback address",
        ),
        (
            &["pair", "--target", "10.0.0.1:5060"],
            "not a loopback address",
        ),
        (&["pair", "--rate", "50001"], "calls per second"),
        (&["pair", "--seconds", "601"], "at most 600 seconds"),
        (
            &["pair", "--rate", "50000", "--seconds", "600"],
            "in one run",
        ),
    ] {
        let output = load(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && errors.contains(reason),
            "{arguments:?}: {errors}"
        );
    }
}

#[test]
fn a_called_side_ends_with_its_report_on_sigterm() {
    let mut uas = Started(
        Command::new(env!("CARGO_BIN_EXE_sigbox-load"))
            .args(["uas", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    let mut errors = BufReader::new(uas.0.stderr.take().unwrap());
    errors.read_line(&mut line).unwrap();
    let target = line.trim().strip_prefix("listening ").unwrap();
    let uac = load(&[
        "uac",
        "--target",
        target,
        "--rate",
        "100",
        "--seconds",
        "0.1",
        "--json",
    ]);
    assert!(uac.status.success(), "{uac:?}");
    let pid = rustix::process::Pid::from_child(&uas.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut json = String::new();
    uas.0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut json)
        .unwrap();
    assert!(uas.0.wait().unwrap().success());
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["answerer"]["ended"], 10);
    assert_eq!(report.get("caller"), None);
}
