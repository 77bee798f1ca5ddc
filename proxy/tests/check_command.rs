//! `sigbox check` and `sigbox run` as a person meets them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

fn sigbox(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sigbox"))
        .args(args)
        .env_remove("SIGBOX_LOG")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_broken_file_fails_the_check_and_the_run_alike() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "[sip]\nlisten = 5060\n[decision]\nbudget_ms = 0\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    for command in ["check", "run"] {
        let output = sigbox(&[command, "-c", path]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = text(&output.stderr);
        assert_eq!(said.matches("error: ").count(), 2, "{said}");
        assert!(
            said.contains(&format!("{path}:2:10")) && said.contains(&format!("{path}:4:13")),
            "{said}"
        );
        assert!(said.trim_end().ends_with("2 errors, 1 warning"), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_good_file_is_summed_up() {
    let example =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("sigbox.example.toml");
    let output = sigbox(&["check", "-c", example.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for part in [
        "is fine",
        "udp:127.0.0.1:5060",
        "scanners",
        "shed when full",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

/// Rules are held against what was pushed to the node, where there is such a thing.
#[test]
fn tables_that_are_not_in_the_data_folder_are_warned_about() {
    let data = tempfile::TempDir::new().unwrap();
    let config = data.path().join("sigbox.toml");
    let rule = |table: &str| format!("[[rule]]\naction = \"table\"\ntable = \"{table}\"\n");
    let text = format!(
        "[sip]\nlisten = \"udp:127.0.0.1:5060\"\n[decision]\nask = []\n[data]\ndir = {:?}\n{}{}{}{}{}",
        data.path(),
        rule("rates"),
        rule("rats"),
        rule("ported"),
        rule("gw"),
        rule("anything")
    );
    std::fs::write(&config, text).unwrap();
    let check = || {
        let output = sigbox(&["check", "-c", config.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
        text_of(&output)
    };
    assert_eq!(check(), "", "nobody has pushed anything yet");
    let version = |number: u64| serde_json::json!({"number": number, "sha256": "0".repeat(64), "rows": 1, "bytes": 10, "at_ms": 1});
    let manifest = serde_json::json!({"revision": 3, "tables": {
        "rates": {"kind": "prefixes", "active": 1, "newest": 1, "versions": [version(1)]},
        "ported": {"kind": "numbers", "newest": 2, "versions": [version(2)]},
        "gw": {"kind": "gateways", "active": 1, "newest": 1, "versions": [version(1)]},
    }});
    std::fs::create_dir(data.path().join("tables")).unwrap();
    let file = data.path().join("tables/manifest.json");
    std::fs::write(file, manifest.to_string()).unwrap();
    let said = check();
    assert_eq!(said.matches("warning: ").count(), 4, "{said}");
    for part in [
        "no table `rats` was pushed to this node",
        "did you mean \"rates\"?",
        "no version of table `ported` counts",
        "sigbox activate ported 2",
        "`gw` is a table of gateways, and none of its rows routes a call",
        "sigbox push anything FILE --kind prefixes",
        "sigbox.toml:12:9",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

fn text_of(output: &Output) -> String {
    text(&output.stderr)
}

/// A node that is started by systemd has another working directory than the person who checks its file.
#[test]
fn relative_paths_begin_in_the_folder_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("etc")).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::default().self_signed(&key);
    std::fs::write(path("etc/admin.pem"), cert.unwrap().pem()).unwrap();
    std::fs::write(path("etc/admin.key"), key.serialize_pem()).unwrap();
    let check = |more: &str| {
        let file = format!(
            "[sip]\nlisten = \"udp:127.0.0.1:0\"\n[admin]\ntls = {{ cert = \"admin.pem\", key = \"admin.key\" }}\n[[fallback]]\naction = \"reject\"\nstatus = 480\n[data]\ndir = \"data\"\n{more}"
        );
        std::fs::write(path("etc/sigbox.toml"), file).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sigbox"))
            .args(["check", "-c", "etc/sigbox.toml"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| text(&bytes));
        (output.status.code(), said[0].clone(), said[1].clone())
    };
    let (code, said, complaints) = check("");
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert!(said.contains("etc/data (is made at the start)"), "{said}");
    // Nothing is left behind.
    assert!(!path("etc/data").exists() && !path("data").exists());
    // What was meant otherwise is seen.
    std::fs::create_dir(path("data")).unwrap();
    std::fs::write(path("nats.creds"), "").unwrap();
    let (code, _, complaints) = check("");
    assert_eq!(code, Some(0));
    let there = format!("there is a {}", path("data").display());
    assert!(
        complaints.contains("`data.dir` is a folder that is not there yet")
            && complaints.contains(&there),
        "{complaints}"
    );
    let (code, _, complaints) = check("[nats]\ncreds = \"nats.creds\"\n");
    assert_eq!(code, Some(1));
    let there = format!("there is a {}", path("nats.creds").display());
    assert!(
        complaints.contains("etc/nats.creds: No such file") && complaints.contains(&there),
        "{complaints}"
    );
}

#[test]
fn a_key_of_another_certificate_is_said_with_both_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let [key, other] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
    let cert = rcgen::CertificateParams::default().self_signed(&key);
    std::fs::write(path("a.pem"), cert.unwrap().pem()).unwrap();
    std::fs::write(path("b.key"), other.serialize_pem()).unwrap();
    let file = "[sip]\nlisten = \"udp:127.0.0.1:0\"\n[admin]\ntls = { cert = \"a.pem\", key = \"b.key\" }\n";
    std::fs::write(path("sigbox.toml"), file).unwrap();
    let output = sigbox(&["check", "-c", path("sigbox.toml").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let mismatch = format!(
        "the key in {} does not belong to the certificate in {}",
        path("b.key").display(),
        path("a.pem").display()
    );
    assert!(said.contains(&mismatch), "{said}");
}

#[test]
fn a_port_that_is_taken_is_a_runtime_failure_with_its_address() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = format!(
        "[sip]\nlisten = \"udp:{address}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[nats]\nservers = \"nats://127.0.0.1:1\"\n"
    );
    std::fs::write(file.path(), config).unwrap();
    let output = sigbox(&[
        "run",
        "-c",
        file.path().to_str().unwrap(),
        "--log-format",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.contains(&address.to_string()), "{said}");
    for line in said.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let example =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("sigbox.example.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_sigbox"))
        .args(["run", "-c", example.to_str().unwrap()])
        .env("SIGBOX_LOG", "info,sigbox=loud")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("SIGBOX_LOG"),
        "{}",
        text(&output.stderr)
    );
}
