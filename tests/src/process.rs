//! A child process whose output is read as it comes, and which does not outlive its owner.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, poll};

#[derive(Debug, Default)]
struct Lines {
    seen: Vec<String>,
    open_pipes: usize,
}

#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` finds something, or until the process can print nothing more.
    fn wait<T>(&self, patience: Duration, mut look: impl FnMut(&Lines) -> Option<T>) -> Option<T> {
        let give_up = Instant::now() + patience;
        let mut lines = self.lock();
        loop {
            if let Some(found) = look(&lines) {
                return Some(found);
            }
            let left = give_up.checked_duration_since(Instant::now())?;
            if lines.open_pipes == 0 {
                return None;
            }
            lines = self
                .changed
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` with its output captured line by line. `name` is for messages.
    pub fn spawn(name: impl Into<String>, command: &mut Command) -> Result<Self> {
        let name = name.into();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        let output = Arc::new(Output::default());
        output.lock().open_pipes = 2;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let readers = vec![
            read_lines(stdout, Arc::clone(&output)),
            read_lines(stderr, Arc::clone(&output)),
        ];
        Ok(Self {
            name,
            child,
            output,
            readers,
            status: None,
        })
    }

    /// Everything printed so far on either stream.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().seen.clone()
    }

    /// The first printed line, past or future, in which `look` finds something.
    pub fn wait_for_line<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let mut next = 0;
        let found = self.output.wait(PATIENCE, |lines| {
            let fresh = lines.seen.get(next..).unwrap_or_default();
            next = lines.seen.len();
            fresh.iter().find_map(|line| look(line))
        });
        found.with_context(|| {
            format!(
                "{} never printed {what}; it printed:\n{}",
                self.name,
                self.lines().join("\n")
            )
        })
    }

    /// Sends a signal. To a process that has exited this does nothing.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("a process id")?;
        kill_process(pid, signal).with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    /// Stops the process (SIGSTOP) and returns once it has: the signal takes its time to reach every thread.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        poll::until("every thread to stop", || {
            for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
                let stat = fs::read_to_string(thread?.path().join("stat"))?;
                // After the name, which may hold anything but ends with the last parenthesis: proc(5), field 3.
                if !stat
                    .rsplit_once(") ")
                    .is_some_and(|(_, fields)| fields.starts_with('T'))
                {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Processor time used so far, user and system together.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Fields 14 and 15.
        let fields = stat
            .rsplit_once(") ")
            .context("/proc/PID/stat")?
            .1
            .split(' ');
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .map(|field| field.parse().unwrap_or(0))
            .sum();
        Ok(Duration::from_secs_f64(
            ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        ))
    }

    /// Waits for the process to exit by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.wait_for(PATIENCE)
    }

    /// As [`Process::wait`], for a process that has work to do first.
    pub fn wait_for(&mut self, patience: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        // A process closes its ends of the pipes when it exits, so this needs no polling.
        let exited = self
            .output
            .wait(patience, |lines| (lines.open_pipes == 0).then_some(()));
        if exited.is_none() {
            bail!(
                "{} did not exit within {patience:?}; it printed:\n{}",
                self.name,
                self.lines().join("\n")
            );
        }
        self.reap()
    }

    /// Sends SIGTERM and waits for the exit.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait()
    }

    /// Kills the process at once, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        if self.status.is_none() {
            self.child
                .kill()
                .with_context(|| format!("killing {}", self.name))?;
            self.reap()?;
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<ExitStatus> {
        let status = self
            .child
            .wait()
            .with_context(|| format!("waiting for {}", self.name))?;
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.status = Some(status);
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn read_lines(pipe: impl Read + Send + 'static, output: Arc<Output>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            output
                .lock()
                .seen
                .push(String::from_utf8_lossy(&line).into_owned());
            output.changed.notify_all();
        }
        output.lock().open_pipes -= 1;
        output.changed.notify_all();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Process> {
        Process::spawn("sh", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_of_both_streams_are_seen() -> Result<()> {
        let mut process = shell("echo out; echo err >&2; exit 3")?;
        process.wait_for_line("out", |line| (line == "out").then_some(()))?;
        process.wait_for_line("err", |line| (line == "err").then_some(()))?;
        assert_eq!(process.wait()?.code(), Some(3));
        Ok(())
    }

    #[test]
    fn an_exit_ends_the_wait_for_a_line_at_once() -> Result<()> {
        let process = shell("echo something else")?;
        let error = process
            .wait_for_line("hello", |line| (line == "hello").then_some(()))
            .unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
        Ok(())
    }

    #[test]
    fn a_dropped_process_is_gone() -> Result<()> {
        let process = shell("echo $$; exec sleep 60")?;
        let pid: u32 = process.wait_for_line("its pid", |line| line.parse().ok())?;
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        Ok(())
    }
}
