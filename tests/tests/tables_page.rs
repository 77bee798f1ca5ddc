//! What docs/tables.md shows is what happens.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Setup, Sigbox, repository};
use tempfile::TempDir;

/// One command of the page, and what it prints; `…` stands for anything.
struct Step {
    line: usize,
    command: String,
    printed: String,
}

/// The commands of the ```console blocks of a page.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for (number, line) in page.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            is_console = language == "console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            steps.push(Step {
                line: number + 1,
                command: command.to_owned(),
                printed: String::new(),
            });
        } else if let Some(step) = steps.last_mut().filter(|_| is_console) {
            step.printed += line;
            step.printed.push('\n');
        }
    }
    steps
}

/// Whether `text` is what `pattern` says.
fn fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.trim_end().split('…');
    let Some(mut rest) = text
        .trim_end()
        .strip_prefix(parts.next().unwrap_or_default())
    else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn the_transcripts_of_the_page_are_true() -> Result<()> {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    let sigbox = Setup::new("nats://127.0.0.1:1")
        .set("data", "dir", &format!("{data:?}"))
        .rules("[[rule]]\nname = \"rates\"\naction = \"table\"\ntable = \"rates\"\n")
        .quiet()
        .start()?;
    let page = std::fs::read_to_string(repository().join("docs/tables.md"))?;
    let steps = steps(&page);
    ensure!(steps.len() > 12, "the page has lost its transcripts");
    let binary = Sigbox::binary()?;
    let binaries = binary.parent().unwrap_or(Path::new("."));
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH")?);
    let phone = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    for Step {
        line,
        command,
        printed,
    } in steps
    {
        let run = Command::new("bash")
            .args(["-c", &command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("API", format!("http://{}/api/v1", sigbox.admin()))
            .env("SIGBOX_ADMIN", sigbox.admin().to_string())
            .env("SIP", sigbox.sip().to_string())
            .env("PHONE", phone.to_string())
            .output()
            .context("bash")?;
        let found = String::from_utf8_lossy(&run.stdout).into_owned()
            + &String::from_utf8_lossy(&run.stderr);
        ensure!(
            run.status.success() && fits(&found, &printed),
            "docs/tables.md line {line}: {command}\nprints {found}\nand not {printed}"
        );
    }
    Ok(())
}
