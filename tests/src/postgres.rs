//! A real PostgreSQL server on a socket of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Process;

/// Who runs it when the tests are run by root, which PostgreSQL refuses. Debian's package makes this user.
const USER: &str = "postgres";

/// PostgreSQL with a database in a folder of its own, on a Unix socket there and nowhere else. Stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    process: Process,
    folder: TempDir,
}

impl Postgres {
    /// Makes a database and returns once it can be used.
    pub fn start() -> Result<Self> {
        let binaries = binaries()?;
        let folder = TempDir::new()?;
        if is_root() {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
            chown(folder.path(), Some(id("-u")?), Some(id("-g")?))?;
        }
        let made = as_user(&binaries.join("initdb"), &folder)
            .args(["--username", USER, "--auth", "trust"])
            .args(["--no-sync", "--encoding", "UTF8", "--pgdata"])
            .arg(data(&folder))
            .output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "initdb: {said}");
        let process = launch(&binaries, &folder)?;
        Ok(Self {
            binaries,
            process,
            folder,
        })
    }

    /// `postgres://postgres@localhost/postgres?host=/FOLDER`
    pub fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres://{USER}@localhost/{USER}?host={folder}")
    }

    /// Ends the server at once, its clients' connections with it.
    pub fn stop(&mut self) -> Result<()> {
        // "Immediate shutdown": it ends its children, which a killed one would leave behind for a moment.
        self.process.signal(Signal::QUIT)?;
        self.process.wait().map(drop)
    }

    /// Starts a stopped server again, with the data that it had.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.process = launch(&self.binaries, &self.folder)?;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn launch(binaries: &Path, folder: &TempDir) -> Result<Process> {
    let mut command = as_user(&binaries.join("postgres"), folder);
    command
        .arg("-D")
        .arg(data(folder))
        .arg("-k")
        .arg(folder.path())
        .args(["-c", "listen_addresses=", "-c", "fsync=off"]);
    let process = Process::spawn("postgres", &mut command)?;
    process.wait_for_line("that it is ready", |line| {
        line.contains("ready to accept connections").then_some(())
    })?;
    Ok(process)
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// The newest of Debian's, which are not in PATH.
fn binaries() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").context("run scripts/bootstrap test")?;
    let mut found = Vec::new();
    for version in versions {
        let binaries = version?.path().join("bin");
        if binaries.join("initdb").exists() {
            found.push(binaries);
        }
    }
    found.sort();
    found.pop().context("run scripts/bootstrap test")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program that is not run by root; `setpriv` becomes it, so that its process id is the child's.
fn as_user(program: &Path, folder: &TempDir) -> Command {
    let mut command = match is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={USER}"))
                .arg(format!("--regid={USER}"))
                .args(["--init-groups", "--"])
                .arg(program);
            command
        }
        false => Command::new(program),
    };
    // It reports in English, and need not be allowed to be where the test is.
    command.env("LC_ALL", "C").current_dir(folder.path());
    command
}

fn id(which: &str) -> Result<u32> {
    let answer = Command::new("id").args([which, USER]).output()?;
    ensure!(answer.status.success(), "there is no user {USER}");
    Ok(String::from_utf8(answer.stdout)?.trim().parse()?)
}
