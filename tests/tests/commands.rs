//! What the commands say that ask a running node.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Setup, Sigbox};
use serde_json::Value;
use tempfile::TempDir;

/// The exit code, and what a command says.
fn run(sigbox: &Sigbox, command: &str) -> Result<(Option<i32>, String)> {
    let output = Command::new(Sigbox::binary()?)
        .args(command.split_whitespace())
        .env("SIGBOX_ADMIN", sigbox.admin().to_string())
        .stdin(std::process::Stdio::null())
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8(said)?))
}

fn done(sigbox: &Sigbox, command: &str) -> Result<String> {
    let (code, said) = run(sigbox, command)?;
    ensure!(code == Some(0), "{command}: {said}");
    Ok(said)
}

fn refused(sigbox: &Sigbox, command: &str, why: &str) -> Result<()> {
    let (code, said) = run(sigbox, command)?;
    ensure!(code == Some(1) && said.contains(why), "{command}: {said}");
    Ok(())
}

fn setup() -> Setup {
    Setup::new("nats://127.0.0.1:1").fall_back_to_status(404)
}

#[test]
fn a_source_is_banned_for_the_time_that_is_said() -> Result<()> {
    let sigbox = setup().start()?;
    let banned = done(
        &sigbox,
        "bans --add 192.0.2.66 --for 10m --reason friendly-scanner",
    )?;
    ensure!(banned == "192.0.2.66 is banned for 600 s\n", "{banned}");
    let listed = done(&sigbox, "bans")?;
    ensure!(
        listed.contains("192.0.2.66") && listed.contains("friendly-scanner"),
        "{listed}"
    );
    refused(&sigbox, "bans --add 127.0.0.9", "never_ban")?;
    let forced = done(&sigbox, "bans --add 127.0.0.9 --force")?;
    ensure!(forced.contains("for 3600 s"), "{forced}");
    done(&sigbox, "bans --release 127.0.0.9")?;
    let (code, said) = run(&sigbox, "bans --add 192.0.2.67 --for never")?;
    ensure!(code == Some(2), "{said}");
    Ok(())
}

#[test]
fn a_node_reads_its_file_again_or_says_what_is_wrong_with_it() -> Result<()> {
    let sigbox = setup().start()?;
    done(&sigbox, "reload")?;
    sigbox.rewrite("[sip]\nlisten = 5060\n")?;
    refused(&sigbox, "reload", "2:10: `sip.listen` must be")?;
    let audit = done(&sigbox, "audit --json --limit 1")?;
    let record: Value = serde_json::from_str(&audit)?;
    ensure!(record["what"] == "POST /api/v1/reload", "{audit}");
    let audit = done(&sigbox, "audit")?;
    let lines: Vec<_> = audit.lines().collect();
    // Each on a line of its own, however much there is to say.
    ensure!(
        lines.len() == 3 && lines[1].contains("reloaded") && lines[2].contains("refused: 422"),
        "{audit}"
    );
    Ok(())
}

#[test]
fn versions_count_when_somebody_says_so() -> Result<()> {
    let sigbox = setup().start()?;
    let folder = TempDir::new()?;
    let file = folder.path().join("rates.csv");
    let push = |rows: &str, how: &str| -> Result<String> {
        std::fs::write(&file, rows)?;
        let file = file.display();
        done(&sigbox, &format!("push rates {file} --kind prefixes {how}"))
    };
    push("prefix,rate\n49,1\n", "--yes")?;
    push("prefix,rate\n49,2\n50,1\n", "--no-activate")?;
    let nobody = "nobody is there to be asked: say --yes";
    refused(&sigbox, "activate rates 2", nobody)?;
    refused(&sigbox, "release rates=2", nobody)?;
    refused(&sigbox, "rollback rates 2", nobody)?;
    refused(&sigbox, "release rates=2 rates=1 --yes", "named twice")?;
    refused(&sigbox, "activate rates 9 --yes", "version 9")?;
    let row = done(&sigbox, "rows rates 49")?;
    ensure!(row == "{\"prefix\":\"49\",\"rate\":\"1\"}\n", "{row}");
    let newer = done(&sigbox, "release")?;
    ensure!(newer.lines().count() == 2, "{newer}");
    let counts = done(&sigbox, "activate rates 2 --yes")?;
    ensure!(
        counts.starts_with("rates version 2 counts from now on"),
        "{counts}"
    );
    let newer = done(&sigbox, "release")?;
    ensure!(
        newer == "the newest version of every table counts\n",
        "{newer}"
    );
    // What is only tried is shown with its rows, as many as are wanted.
    let tried = push("prefix,rate\n50,1\n51,1\n", "--dry-run")?;
    let rows: Vec<_> = tried
        .lines()
        .filter(|line| line.starts_with(['-', '+']))
        .collect();
    ensure!(
        rows == [
            "- {\"prefix\":\"49\",\"rate\":\"2\"}",
            "+ {\"prefix\":\"51\",\"rate\":\"1\"}"
        ],
        "{tried}"
    );
    let tried = push("prefix,rate\n50,1\n51,1\n", "--dry-run --limit 1")?;
    // What is odd comes last.
    ensure!(tried.contains("\"2\"}\n…\nwarning: "), "{tried}");
    ensure!(done(&sigbox, "rows rates")?.lines().count() == 2);
    Ok(())
}

/// Whoever reads only the first rows has read enough.
#[test]
fn rows_can_be_read_in_part() -> Result<()> {
    let sigbox = setup().start()?;
    let rows: String = (10_000..60_000).map(|row| format!("{row}\n")).collect();
    sigbox.push_csv("rates", "prefixes", &format!("prefix\n{rows}"))?;
    let output = Command::new("bash")
        .args([
            "-c",
            "set -o pipefail; \"$SIGBOX\" rows rates | head -n 1; echo ${PIPESTATUS[0]}",
        ])
        .env("SIGBOX", Sigbox::binary()?)
        .env("SIGBOX_ADMIN", sigbox.admin().to_string())
        .output()
        .context("bash")?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(said == "{\"prefix\":\"10000\"}\n0\n", "{said}");
    ensure!(output.stderr.is_empty(), "{:?}", output.stderr);
    let after = done(&sigbox, "rows rates --after 59997")?;
    ensure!(
        after == "{\"prefix\":\"59998\"}\n{\"prefix\":\"59999\"}\n",
        "{after}"
    );
    Ok(())
}
