//! Replication of tables over JetStream.
//!
//! The manifest in a key-value bucket is the one that counts for all nodes, and is changed by compare-and-set; versions
//! are objects called by their SHA-256. Every node keeps a copy of what counts on its own disk and goes on with that
//! when NATS is away; only changes need it.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::context::AccountErrorKind;
use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::object_store::{self, InfoErrorKind, ObjectStore};
use async_nats::jetstream::{self, Context, ErrorCode};
use futures_util::StreamExt as _;
use sigbox_tables::Manifest;
use sigbox_tables::file::Digest;
use sigbox_tables::replicated::{self, Applied, GONE_S, HEARTBEAT_S, MANIFEST, Role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{info, warn};

use super::registry::{Registry, now_ms};
use super::store::{Store, StoreError};
use crate::bus::login;
use crate::config::Nats;

/// Between two attempts to reach what is not there.
const PAUSE: Duration = Duration::from_secs(2);

/// How long JetStream may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Room for the headers of a message beside its payload; `max_payload` is for both.
const HEADERS: usize = 1024;

/// How often versions are looked for that nobody needs, and how old one has to be: a push that is under way has uploaded what
/// no manifest names yet.
const TIDY: Duration = Duration::from_secs(3600);

/// The tables' place in JetStream.
pub struct Replica {
    node: String,
    /// The buckets, while there is a connection.
    buckets: Mutex<Option<Buckets>>,
    /// Whether there are none because NATS has no JetStream.
    lacks_jetstream: AtomicBool,
    /// What members say about themselves, by key.
    members: watch::Sender<BTreeMap<String, Applied>>,
    /// Where its connection lives.
    handle: OnceLock<Handle>,
    /// Whether the node is going, and says nothing any more.
    is_leaving: AtomicBool,
}

#[derive(Clone)]
struct Buckets {
    client: Client,
    kv: kv::Store,
    objects: ObjectStore,
}

/// Why JetStream did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// There is no connection.
    #[error("NATS is away, and the tables of all nodes are kept there")]
    Away,
    /// There is NATS, and no JetStream in it.
    #[error(
        "NATS has no JetStream, which keeps the tables of all nodes: start nats-server with -js, 2.10 or newer"
    )]
    NoJetStream,
    /// Somebody else changed the manifest.
    #[error("somebody else changed the tables at the same time")]
    Conflict,
    /// The manifest is one message, and there are too many versions in it.
    #[error(
        "the list of all versions has {bytes} bytes, and NATS takes {max} in a message: keep fewer (`tables.versions`), remove tables, or raise max_payload of the nats-server"
    )]
    ManifestTooLarge {
        /// What it has.
        bytes: usize,
        /// What the server takes.
        max: usize,
    },
    /// JetStream refused, or did not answer.
    #[error("JetStream: {0}")]
    Refused(String),
    /// A file of the local store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn refused(error: impl std::fmt::Display) -> ReplicaError {
    ReplicaError::Refused(error.to_string())
}

impl Replica {
    /// One that knows nothing yet; [`Replica::run`] connects it.
    pub fn new(node: String) -> Self {
        Self {
            node,
            buckets: Mutex::new(None),
            lacks_jetstream: AtomicBool::new(false),
            members: watch::Sender::new(BTreeMap::new()),
            handle: OnceLock::new(),
            is_leaving: AtomicBool::new(false),
        }
    }

    fn buckets(&self) -> Result<Buckets, ReplicaError> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(buckets) = buckets.clone() else {
            return Err(match self.lacks_jetstream.load(Ordering::Relaxed) {
                true => ReplicaError::NoJetStream,
                false => ReplicaError::Away,
            });
        };
        // What is asked without a connection waits for one.
        match buckets.client.connection_state() {
            State::Connected => Ok(buckets),
            State::Pending | State::Disconnected => Err(ReplicaError::Away),
        }
    }

    /// Does `work` on the runtime of the connection. Blocks.
    fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, ReplicaError>>,
    ) -> Result<T, ReplicaError> {
        self.handle.get().ok_or(ReplicaError::Away)?.block_on(work)
    }

    /// What members say about themselves.
    pub fn members(&self) -> watch::Receiver<BTreeMap<String, Applied>> {
        self.members.subscribe()
    }

    /// The manifest that counts for all, and the number of its entry. Blocks.
    ///
    /// # Errors
    /// [`ReplicaError`]
    pub fn manifest(&self) -> Result<Option<(Manifest, u64)>, ReplicaError> {
        let Buckets { kv, .. } = self.buckets()?;
        self.wait(within(async move {
            let Some(entry) = kv.entry(MANIFEST).await.map_err(refused)? else {
                return Ok(None);
            };
            if entry.operation != kv::Operation::Put {
                return Ok(None);
            }
            let manifest = serde_json::from_slice(&entry.value).map_err(refused)?;
            Ok(Some((manifest, entry.revision)))
        }))
    }

    /// Puts `manifest` where the entry `before` is, 0 for none, and gives the number of the new one. Blocks.
    ///
    /// # Errors
    /// [`ReplicaError::Conflict`] when another one is there.
    pub fn replace(&self, manifest: &Manifest, before: u64) -> Result<u64, ReplicaError> {
        let Buckets { kv, client, .. } = self.buckets()?;
        let text = serde_json::to_vec(manifest).map_err(refused)?;
        let max = client.server_info().max_payload;
        if text.len() + HEADERS > max {
            let bytes = text.len();
            return Err(ReplicaError::ManifestTooLarge { bytes, max });
        }
        self.wait(within(async move {
            let replaced = kv.update(MANIFEST, text.into(), before).await;
            replaced.map_err(|error| match error.kind() {
                UpdateErrorKind::WrongLastRevision => ReplicaError::Conflict,
                _ => refused(error),
            })
        }))
    }

    /// Makes sure that a version of the local store is there for the others. Blocks.
    ///
    /// # Errors
    /// [`ReplicaError`]
    pub fn upload(&self, store: &Store, sha256: Digest) -> Result<(), ReplicaError> {
        let Buckets { objects, .. } = self.buckets()?;
        let name = sha256.to_string();
        let file = store.object(sha256)?;
        self.wait(async move {
            match within(async { Ok(objects.info(&name).await) }).await? {
                Ok(info) if !info.deleted => return Ok(()),
                Err(error) if error.kind() != InfoErrorKind::NotFound => {
                    return Err(refused(error));
                }
                _ => {}
            }
            let mut file = tokio::fs::File::from_std(file);
            objects
                .put(name.as_str(), &mut file)
                .await
                .map_err(refused)?;
            Ok(())
        })
    }

    /// Copies a version into the local store. Blocks.
    ///
    /// # Errors
    /// [`ReplicaError`]
    pub fn download(&self, store: &Store, sha256: Digest) -> Result<(), ReplicaError> {
        let Buckets { objects, .. } = self.buckets()?;
        let name = sha256.to_string();
        let copy = store.copy(sha256)?;
        let copied = self.wait(async {
            let got = within(async { objects.get(&name).await.map_err(refused) });
            let mut object = got.await?;
            let mut file = tokio::fs::File::from_std(copy.file().map_err(refused)?);
            let mut part = vec![0; 1 << 16];
            // However large it is, some of it comes all the time.
            loop {
                let read = within(async { object.read(&mut part).await.map_err(refused) });
                match read.await? {
                    0 => return file.sync_all().await.map_err(refused),
                    read => file.write_all(&part[..read]).await.map_err(refused)?,
                }
            }
        });
        copied?;
        Ok(store.adopt(copy)?)
    }

    /// Forgets versions that no manifest names any more. One that cannot be forgotten costs room and nothing else.
    /// Blocks.
    pub fn forget(&self, digests: impl Iterator<Item = Digest>) {
        let Ok(Buckets { objects, .. }) = self.buckets() else {
            return;
        };
        for sha256 in digests {
            let forgotten =
                self.wait(async { objects.delete(sha256.to_string()).await.map_err(refused) });
            if let Err(error) = forgotten {
                warn!(%sha256, %error, "cannot remove an old version from JetStream");
            }
        }
    }

    /// Removes versions that no manifest names, left behind by a push that failed or by a node that was killed.
    async fn tidy(buckets: &Buckets) -> Result<(), ReplicaError> {
        let Buckets { kv, objects, .. } = buckets;
        // What all have, not what this node has taken over of it.
        let Some(manifest) = kv.get(MANIFEST).await.map_err(refused)? else {
            return Ok(());
        };
        let manifest: Manifest = serde_json::from_slice(&manifest).map_err(refused)?;
        let named: HashSet<_> = manifest.digests().collect();
        let oldest = (now_ms() / 1000).saturating_sub(TIDY.as_secs());
        let mut listed = objects.list().await.map_err(refused)?;
        while let Some(object) = listed.next().await {
            let object = object.map_err(refused)?;
            let is_old = object.modified.is_some_and(|modified| {
                u64::try_from(modified.unix_timestamp()).is_ok_and(|at| at < oldest)
            });
            // What has another name is not ours.
            let digest = object.name.parse::<Digest>().ok();
            if is_old && digest.is_some_and(|digest| !named.contains(&digest)) {
                objects.delete(&object.name).await.map_err(refused)?;
                let (sha256, bytes) = (object.name, object.size);
                info!(
                    sha256,
                    bytes, "removed a version that no table names from JetStream"
                );
            }
        }
        Ok(())
    }

    /// Connects, follows what others change, and says what this node has applied. Never ends.
    pub async fn run(self: Arc<Self>, nats: Nats, replicas: usize, registry: Arc<Registry>) {
        let mut is_reported = false;
        let _ = self.handle.set(Handle::current());
        loop {
            match self
                .follow(&nats, replicas, &registry, &mut is_reported)
                .await
            {
                Ok(()) => {}
                Err(error) if is_reported => tracing::debug!(error, "no replication yet"),
                Err(error) => {
                    is_reported = true;
                    warn!(
                        error,
                        "tables are not replicated; they stay as they are, trying again"
                    );
                    registry.report_unrouted();
                }
            }
            *self.buckets.lock().unwrap_or_else(PoisonError::into_inner) = None;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(
        &self,
        nats: &Nats,
        replicas: usize,
        registry: &Arc<Registry>,
        is_reported: &mut bool,
    ) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let options = login(async_nats::ConnectOptions::new(), &nats.login)
            .await
            .map_err(|error| text(&error))?;
        let client = options
            .name(format!("sigbox {} tables", self.node))
            .custom_inbox_prefix(format!("_INBOX_{}", self.node))
            .ping_interval(nats.ping_interval)
            .connection_timeout(nats.connect_timeout)
            .connect(nats.servers.as_slice())
            .await
            .map_err(|error| {
                self.lacks_jetstream.store(false, Ordering::Relaxed);
                text(&error)
            })?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        let bucket = replicated::bucket(&nats.prefix);
        let opened = match open(client, &context, &bucket, replicas).await {
            Err(_) if lacks_jetstream(&context).await => Err(ReplicaError::NoJetStream),
            opened => opened,
        };
        let lacks = matches!(opened, Err(ReplicaError::NoJetStream));
        self.lacks_jetstream.store(lacks, Ordering::Relaxed);
        let buckets = opened.map_err(|error| text(&error))?;
        let mut changes = buckets
            .kv
            .watch_with_history(">")
            .await
            .map_err(|error| text(&error))?;
        *self.buckets.lock().unwrap_or_else(PoisonError::into_inner) = Some(buckets.clone());
        *is_reported = false;
        let mut has_joined = self.take_over(registry, false).await;
        if has_joined {
            info!(bucket, "tables are replicated");
            registry.report_unrouted();
        }
        let mut beat = tokio::time::interval(Duration::from_secs(HEARTBEAT_S));
        let mut again = tokio::time::interval(PAUSE);
        let mut tidying = tokio::time::interval(TIDY);
        let mut revisions = registry.revisions();
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    None => return Err("the watch ended".to_owned()),
                    Some(Err(error)) => return Err(text(&error)),
                    Some(Ok(entry)) if entry.key == MANIFEST => {
                        if has_joined {
                            self.take_over(registry, true).await;
                        }
                        self.say(&buckets.kv, registry).await;
                    }
                    Some(Ok(entry)) => {
                        // What another node of this name took away when it left.
                        if entry.operation != kv::Operation::Put
                            && Role::of_key(&entry.key) == Some((Role::Node, &self.node))
                        {
                            self.say(&buckets.kv, registry).await;
                        }
                        // Somebody lacks what may be here.
                        if self.heard(entry) {
                            registry.mend().await;
                        }
                    }
                },
                _ = again.tick() => {
                    // A server that came back with nothing does not end the watch.
                    let known = within(async { buckets.kv.entry(MANIFEST).await.map_err(refused) });
                    if let Err(error) = known.await {
                        return Err(format!("the bucket is gone: {error}"));
                    }
                    if registry.behind().is_none() {
                        continue;
                    }
                    let is_here = self.take_over(registry, has_joined).await;
                    if is_here && !has_joined {
                        info!(bucket, "tables are replicated");
                        registry.report_unrouted();
                    }
                    has_joined |= is_here;
                }
                _ = beat.tick() => {
                    registry.mend().await;
                    self.say(&buckets.kv, registry).await;
                    self.miss();
                }
                _ = tidying.tick(), if has_joined => {
                    match tokio::time::timeout(PATIENCE, Self::tidy(&buckets)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!(%error, "versions that nobody needs stay"),
                        Err(_) => tracing::debug!("no time for all versions that nobody needs"),
                    }
                }
                Ok(()) = revisions.changed() => self.say(&buckets.kv, registry).await,
            }
        }
    }

    /// Takes over what the others have, all of it or what they changed since; whether that is here now.
    async fn take_over(&self, registry: &Arc<Registry>, has_joined: bool) -> bool {
        let before = registry.behind();
        let taken = match has_joined {
            true => registry.catch_up().await,
            // A bucket that was made anew counts from the beginning again.
            false => registry.join().await,
        };
        if let Err(error) = &taken
            && before != registry.behind()
        {
            warn!(%error, "the tables of the others cannot be taken over, trying again");
        }
        taken.is_ok()
    }

    /// Says what this node has applied.
    async fn say(&self, kv: &kv::Store, registry: &Registry) {
        if self.is_leaving.load(Ordering::Relaxed) {
            return;
        }
        let applied = Applied {
            revision: registry.tables().manifest.revision,
            at_ms: now_ms(),
            error: registry.behind(),
        };
        let Ok(text) = serde_json::to_vec(&applied) else {
            return;
        };
        let said = kv.put(Role::Node.key(&self.node), text.into()).await;
        if let Err(error) = said {
            tracing::debug!(%error, "cannot say what is applied");
        }
    }

    /// Takes back what this node has said, so that nobody counts it any more. To be called on the runtime of the
    /// connection, where nothing is said between the two.
    pub async fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        let Ok(Buckets { kv, .. }) = self.buckets() else {
            return;
        };
        if let Err(error) = kv.delete(Role::Node.key(&self.node)).await {
            tracing::debug!(%error, "cannot say that the node is gone");
        }
    }

    /// Whether somebody cannot take over what the others have.
    fn heard(&self, entry: kv::Entry) -> bool {
        let applied = serde_json::from_slice::<Applied>(&entry.value).ok();
        let applied = applied.filter(|_| entry.operation == kv::Operation::Put);
        let is_behind = applied.as_ref().is_some_and(|said| said.error.is_some());
        self.members.send_modify(|members| match applied {
            Some(applied) => {
                members.insert(entry.key, applied);
            }
            None => {
                members.remove(&entry.key);
            }
        });
        is_behind
    }

    /// Forgets who was not heard of for long.
    fn miss(&self) {
        let oldest = now_ms().saturating_sub(GONE_S * 1000);
        self.members.send_if_modified(|members| {
            let before = members.len();
            members.retain(|_, applied| applied.at_ms >= oldest);
            members.len() != before
        });
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

async fn within<T>(work: impl Future<Output = Result<T, ReplicaError>>) -> Result<T, ReplicaError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(ReplicaError::Refused("no answer".to_owned())),
    }
}

/// Whether nobody answers for JetStream, or it is not for this account.
async fn lacks_jetstream(context: &Context) -> bool {
    match context.query_account().await.map_err(|error| error.kind()) {
        Err(AccountErrorKind::JetStreamUnavailable) => true,
        Err(AccountErrorKind::JetStream(error)) => [
            ErrorCode::JETSTREAM_NOT_ENABLED,
            ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
        ]
        .contains(&error.error_code()),
        _ => false,
    }
}

/// Both buckets, made when they are not there.
async fn open(
    client: Client,
    context: &Context,
    bucket: &str,
    replicas: usize,
) -> Result<Buckets, ReplicaError> {
    let kv = match context.get_key_value(bucket).await {
        Ok(kv) => kv,
        Err(_) => context
            .create_key_value(kv::Config {
                bucket: bucket.to_owned(),
                description: "sigbox: which versions of tables count, and who has applied them"
                    .to_owned(),
                num_replicas: replicas,
                ..kv::Config::default()
            })
            .await
            .map_err(|error| refused(described(&error)))?,
    };
    let objects = match context.get_object_store(bucket).await {
        Ok(objects) => objects,
        Err(_) => context
            .create_object_store(object_store::Config {
                bucket: bucket.to_owned(),
                description: Some("sigbox: versions of tables by SHA-256".to_owned()),
                num_replicas: replicas,
                ..object_store::Config::default()
            })
            .await
            .map_err(|error| refused(described(&error)))?,
    };
    Ok(Buckets {
        client,
        kv,
        objects,
    })
}

/// With what is under it.
fn described(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl From<ReplicaError> for io::Error {
    fn from(error: ReplicaError) -> Self {
        Self::other(error.to_string())
    }
}
