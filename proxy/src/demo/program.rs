//! A child process whose output goes to a file, and which does not outlive the demo.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::patience::until;

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How much of a log is shown when something failed.
const TAIL_LINES: usize = 15;

/// A running program; killed when dropped.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Bytes that an earlier run left in the log.
    earlier: usize,
}

impl Program {
    /// Starts `command`; what it prints goes to `<name>.log` in `folder`.
    pub(super) fn start(name: &'static str, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let earlier = usize::try_from(output.metadata()?.len()).unwrap_or_default();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C is for the demo, which then stops its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {name} ({})",
                    command.as_std().get_program().display()
                )
            })?;
        Ok(Self {
            name,
            child,
            log,
            earlier,
        })
    }

    /// Waits for a line, past or future, in which `look` finds something.
    pub(super) async fn line<T>(
        &mut self,
        what: &str,
        look: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let what = format!("{} to {what}", self.name);
        let found = until(&what, async || {
            // Read first: what ended by itself may have said why.
            let found = self.printed().lines().find_map(&look);
            if found.is_none() {
                self.still_runs()?;
            }
            Ok(found)
        });
        found
            .await
            .map_err(|error| anyhow!("{error:#}\n{}", self.tail()))
    }

    /// Everything printed so far.
    fn printed(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.earlier..).unwrap_or_default()).into_owned()
    }

    /// Fails when the program has ended by itself.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself: {status}", self.name),
        }
    }

    /// Sends SIGTERM and waits for the end; kills what does not end.
    pub(super) async fn terminate(&mut self) -> Result<ExitStatus> {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may just have ended; the wait tells.
            let _ = kill_process(pid, Signal::TERM);
        }
        match timeout(GRACE, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                self.child.kill().await?;
                bail!(
                    "{} did not end within {} s of SIGTERM",
                    self.name,
                    GRACE.as_secs()
                )
            }
        }
    }

    /// The end of its log, for a person to read.
    pub(super) fn tail(&self) -> String {
        let printed = self.printed();
        let lines: Vec<&str> = printed.lines().collect();
        let shown = lines
            .get(lines.len().saturating_sub(TAIL_LINES)..)
            .unwrap_or_default();
        format!(
            "--- {} ({})\n{}\n",
            self.name,
            self.log.display(),
            shown.join("\n")
        )
    }
}
