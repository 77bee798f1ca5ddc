//! Where the programs under test are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

/// The root of the repository, of which the test that runs is part. Not that in which it was built: a target directory may
/// be shared by several.
pub fn repository() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let start = package
            .or_else(|| env::current_dir().ok())
            .unwrap_or_default();
        let root = start
            .ancestors()
            .find(|dir| dir.join("Cargo.lock").is_file());
        root.unwrap_or(&start).to_path_buf()
    })
}

/// A file of the repository that a test needs, by its path from the root.
pub fn sample_file(path: &str) -> Result<PathBuf> {
    let path = repository().join(path);
    ensure!(path.exists(), "{} does not exist", path.display());
    Ok(path)
}

/// A program of this workspace, built with the profile that the tests were built with.
///
/// Cargo hands a test only the binaries of its own package, so this looks beside the test executable
/// (`target/<profile>/deps/..`), and asks cargo for a build when the program is missing or older than its sources.
/// With `SIGBOX_BIN_DIR` set, the programs in that directory are taken as they are: an installed release can be tested.
pub fn workspace_binary(package: &str) -> Result<PathBuf> {
    if let Some(directory) = env::var_os("SIGBOX_BIN_DIR") {
        return Ok(Path::new(&directory).join(package));
    }
    let executable = env::current_exe()?;
    let profile = executable
        .ancestors()
        .find(|dir| dir.join("deps").is_dir() && dir.join(".fingerprint").is_dir())
        .with_context(|| {
            format!(
                "{} is not in a cargo target directory",
                executable.display()
            )
        })?;
    let binary = profile.join(package);
    if is_current(&binary)? {
        return Ok(binary);
    }
    let profile_name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => bail!("{} has no name", profile.display()),
    };
    let target = profile
        .parent()
        .context("a profile directory has a parent")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(repository())
        // All of the workspace's programs, as make builds them: cargo enables features by what is selected, and another
        // selection would be another build.
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--bins",
            "--profile",
            profile_name,
        ])
        .arg("--target-dir")
        .arg(target)
        .status()?;
    ensure!(
        status.success(),
        "cargo build failed, and {package} is missing or out of date"
    );
    Ok(binary)
}

/// Node: what `scripts/bootstrap` put into `.local/bin`, or the system's.
pub fn node() -> PathBuf {
    let own = repository().join(".local/bin/node");
    if own.exists() {
        own
    } else {
        PathBuf::from("node")
    }
}

/// Whether a program is newer than everything it was built from, which cargo lists beside it: `NAME.d`, in make's syntax.
/// One that another checkout was built from is not: a target directory may be shared by several.
fn is_current(binary: &Path) -> Result<bool> {
    let Ok(rule) = fs::read_to_string(binary.with_extension("d")) else {
        return Ok(false);
    };
    let Ok(built) = fs::metadata(binary).and_then(|meta| meta.modified()) else {
        return Ok(false);
    };
    let sources = rule
        .lines()
        .next()
        .and_then(|line| line.split_once(": "))
        .context("a rule")?
        .1;
    // A space within a path is escaped.
    let paths = sources.replace("\\ ", "\0");
    let changed = |path: &str| {
        let path = path.replace('\0', " ");
        fs::metadata(path)
            .and_then(|meta| meta.modified())
            .map_or(true, |modified| modified > built)
    };
    let is_own = |path: &str| Path::new(&path.replace('\0', " ")).starts_with(repository());
    Ok(paths.split(' ').any(is_own) && !paths.split(' ').any(changed))
}
