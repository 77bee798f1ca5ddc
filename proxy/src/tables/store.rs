//! Versions of tables on the local disk: the truth of a node.
//!
//! ```text
//! <dir>/manifest.json                 which versions there are and which count
//! <dir>/manifest.previous.json        the one before it, for when that cannot be read
//! <dir>/objects/<sha256>.ndjson.gz    the rows of one version
//! <dir>/incoming/                     pushes that are being read
//! ```
//!
//! Everything is written beside its place, fsynced, and renamed into it, so that a crash leaves the old or the new.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sigbox_tables::file::{self, Digest, FileError};
use sigbox_tables::{Kind, Manifest, Table};
use tempfile::{NamedTempFile, TempDir};
use tracing::{error, warn};

/// A folder with versions of tables.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Held by this process alone.
    _lock: File,
    /// Set when nothing was configured: gone with the process.
    temporary: Option<TempDir>,
    /// Versions stay that no manifest names: it is not known which do.
    keeps_all: AtomicBool,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("{what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("{} is used by another process", .0.display())]
    InUse(PathBuf),
    /// A version is not what it should be.
    #[error("{path}: {source}", path = path.display())]
    Object {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// The manifest is not one.
    #[error("{path}: {source}", path = path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Whether there is no room left on the disk.
    pub fn is_full(&self) -> bool {
        let full = |error: &io::Error| {
            let kind = error.kind();
            kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::QuotaExceeded
        };
        matches!(self, Self::Io { source, .. } if full(source))
    }
}

/// A version that was written and has no place yet.
#[derive(Debug)]
pub struct Incoming {
    file: NamedTempFile,
    /// Its name to be.
    pub sha256: Digest,
    /// Bytes of its rows as NDJSON.
    pub bytes: u64,
}

/// A version that is being copied.
#[derive(Debug)]
pub struct Copy {
    file: NamedTempFile,
    sha256: Digest,
}

impl Copy {
    /// To be written to.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn file(&self) -> io::Result<File> {
        self.file.as_file().try_clone()
    }
}

impl Store {
    /// Opens `dir`, which is made when it is not there; one that goes with the process when there is none.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn open(dir: Option<&Path>) -> Result<Self, StoreError> {
        let temporary = match dir {
            Some(_) => None,
            None => {
                let made = tempfile::Builder::new().prefix("sigbox-").tempdir();
                Some(made.map_err(failed("cannot make a folder in", &std::env::temp_dir()))?)
            }
        };
        let dir = match (dir, &temporary) {
            (Some(dir), _) => dir.join("tables"),
            (None, Some(temporary)) => temporary.path().join("tables"),
            (None, None) => PathBuf::from("tables"),
        };
        for part in ["objects", "incoming"] {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(failed("cannot make", &path))?;
        }
        let path = dir.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed("cannot open", &path))?;
        if let Err(error) = lock.try_lock() {
            return Err(match error {
                fs::TryLockError::WouldBlock => StoreError::InUse(dir),
                fs::TryLockError::Error(source) => failed("cannot lock", &path)(source),
            });
        }
        let store = Self {
            dir,
            _lock: lock,
            temporary,
            keeps_all: AtomicBool::new(false),
        };
        // What a crash left half read.
        store.sweep("incoming", |_| false);
        Ok(store)
    }

    /// The manifest of a store in `dir`, which another process may be using; `None` where there is none to be read.
    pub fn peek(dir: &Path) -> Option<Manifest> {
        let text = fs::read(dir.join("tables").join("manifest.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether it is gone when the process is.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// The manifest as it was last written; `None` when there never was one. One that is not a manifest is put aside, and
    /// the one before it counts; when there is none either, nothing does, and versions stay where they are: a proxy that
    /// starts without its tables is better than one that does not start.
    ///
    /// # Errors
    /// [`StoreError`] when the system refuses.
    pub fn manifest(&self) -> Result<Option<Manifest>, StoreError> {
        let path = self.manifest_path();
        let error = match read_manifest(&path) {
            Err(error @ StoreError::Manifest { .. }) => error,
            other => return other,
        };
        let aside = path.with_extension("damaged.json");
        fs::rename(&path, &aside).map_err(failed("cannot put aside", &path))?;
        let aside = aside.display();
        self.keeps_all.store(true, Ordering::Relaxed);
        let previous = self.previous_manifest_path();
        match read_manifest(&previous) {
            Ok(Some(manifest)) => {
                let revision = manifest.revision;
                error!(%error, %aside, revision, "the list of tables is damaged; the one before it counts");
                Ok(Some(manifest))
            }
            Ok(None) | Err(StoreError::Manifest { .. }) => {
                error!(%error, %aside, "the list of tables is damaged, and there is none before it; no table counts");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes `manifest` the one that counts after a restart, and forgets versions that it does not name, but for
    /// `spared`.
    ///
    /// # Errors
    /// [`StoreError`]; the old one counts then.
    pub fn write_manifest(
        &self,
        manifest: &Manifest,
        spared: impl Iterator<Item = Digest>,
    ) -> Result<(), StoreError> {
        let path = self.manifest_path();
        let mut file = NamedTempFile::new_in(self.dir.join("incoming"))
            .map_err(failed("cannot make a file in", &self.dir))?;
        let text = serde_json::to_vec_pretty(manifest).map_err(|source| StoreError::Manifest {
            path: path.clone(),
            source,
        })?;
        file.write_all(&text)
            .map_err(failed("cannot write", &path))?;
        self.keep_previous_manifest();
        self.put(file, &path)?;
        if !self.keeps_all.load(Ordering::Relaxed) {
            let named: HashSet<_> = manifest.digests().chain(spared).map(object_name).collect();
            self.sweep("objects", |name| named.contains(name));
        }
        Ok(())
    }

    /// Writes `table` where it has no name yet.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn receive(&self, table: &Table) -> Result<Incoming, StoreError> {
        let folder = self.dir.join("incoming");
        let file =
            NamedTempFile::new_in(&folder).map_err(failed("cannot make a file in", &folder))?;
        let written = file::write(table, BufWriter::with_capacity(1 << 16, file.as_file()));
        let (sha256, bytes) = written.map_err(failed("cannot write", file.path()))?;
        Ok(Incoming {
            file,
            sha256,
            bytes,
        })
    }

    /// Gives what was received its place, also where a file of that name is: that may be damaged.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn keep(&self, incoming: Incoming) -> Result<(), StoreError> {
        let path = self.object_path(incoming.sha256);
        self.put(incoming.file, &path)
    }

    /// Whether the version is there.
    pub fn has(&self, sha256: Digest) -> bool {
        self.object_path(sha256).exists()
    }

    /// A place for a copy of a version.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn copy(&self, sha256: Digest) -> Result<Copy, StoreError> {
        let folder = self.dir.join("incoming");
        let file =
            NamedTempFile::new_in(&folder).map_err(failed("cannot make a file in", &folder))?;
        Ok(Copy { file, sha256 })
    }

    /// Gives a copy its place; [`Store::load`] sees whether it is right.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn adopt(&self, copy: Copy) -> Result<(), StoreError> {
        self.put(copy.file, &self.object_path(copy.sha256))
    }

    /// The file of a version, to be copied.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn object(&self, sha256: Digest) -> Result<File, StoreError> {
        let path = self.object_path(sha256);
        File::open(&path).map_err(failed("cannot open", &path))
    }

    /// Reads a version. A file that is damaged loses its name, so that another copy can take it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn load(&self, kind: Kind, sha256: Digest) -> Result<Table, StoreError> {
        let path = self.object_path(sha256);
        let file = File::open(&path).map_err(failed("cannot open", &path))?;
        let input = BufReader::with_capacity(1 << 16, file);
        file::load(kind, sha256, input).map_err(|source| {
            let aside = path.with_extension("damaged");
            if let Err(error) = fs::rename(&path, &aside) {
                warn!(path = %path.display(), %error, "cannot put a damaged file aside");
            }
            StoreError::Object { path, source }
        })
    }

    fn put(&self, file: NamedTempFile, path: &Path) -> Result<(), StoreError> {
        file.as_file()
            .sync_all()
            .map_err(failed("cannot write", path))?;
        file.persist(path)
            .map_err(|error| failed("cannot write", path)(error.error))?;
        // The name lives in the folder.
        let folder = path.parent().unwrap_or(&self.dir);
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(failed("cannot write", folder))
    }

    /// Removes the files of a folder that are not to stay. One that cannot be removed costs room and nothing else.
    fn sweep(&self, folder: &str, stays: impl Fn(&str) -> bool) {
        let path = self.dir.join(folder);
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(&stays)
                && let Err(error) = fs::remove_file(entry.path())
            {
                warn!(path = %entry.path().display(), %error, "cannot remove an old file");
            }
        }
    }

    /// A second name for the manifest that is about to be replaced. Without it a damaged manifest costs more, and that is all.
    fn keep_previous_manifest(&self) {
        let (path, previous) = (self.manifest_path(), self.previous_manifest_path());
        let linked = match fs::remove_file(&previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::hard_link(&path, &previous),
        };
        match linked {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(path = %previous.display(), %error, "cannot keep the list of tables that was");
            }
            _ => {}
        }
    }

    fn previous_manifest_path(&self) -> PathBuf {
        self.dir.join("manifest.previous.json")
    }

    fn manifest_path(&self) -> PathBuf {
        self.dir.join("manifest.json")
    }

    fn object_path(&self, sha256: Digest) -> PathBuf {
        self.dir.join("objects").join(object_name(sha256))
    }
}

fn read_manifest(path: &Path) -> Result<Option<Manifest>, StoreError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("cannot read", path)(source)),
    };
    let manifest = serde_json::from_slice(&text);
    manifest.map(Some).map_err(|source| StoreError::Manifest {
        path: path.to_owned(),
        source,
    })
}

fn object_name(sha256: Digest) -> String {
    format!("{sha256}.ndjson.gz")
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}
