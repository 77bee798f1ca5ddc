//! Tables and their versions.

use std::collections::BTreeMap;
use std::io::Read;
use std::pin::pin;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sigbox_tables::{Entry, Format, Kind, Manifest, Patch, Version};
use tokio::time::{Instant, timeout_at};

use super::access::Grant;
use super::query::{self, Query, TableName, VersionNumber};
use super::upload::{self, Encoding};
use super::{Api, Caller, Problem, Record, conditional, rows};
use crate::background;
use crate::tables::{Asked, Change, ChangeError, Changed, Precondition, Pushed, etag_of};

/// A table as it is listed.
#[derive(Debug, Serialize)]
pub(super) struct TableView {
    name: String,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// The version that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<Version>,
    /// The revision that made it count.
    activated_in: u64,
    /// Those that counted before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counted: Vec<u64>,
    /// The number of the newest version ever.
    newest: u64,
    /// Versions that are kept.
    versions: usize,
    /// Memory of the version that counts, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<usize>,
}

fn view(api: &Api, name: &str, entry: &Entry) -> TableView {
    let tables = api.tables.tables();
    TableView {
        name: name.to_owned(),
        kind: entry.kind,
        etag: etag_of(entry),
        active: entry.active().cloned(),
        activated_in: entry.activated_in,
        counted: entry.counted.clone(),
        newest: entry.newest,
        versions: entry.versions.len(),
        memory_bytes: tables.get(name).map(|table| table.table.bytes()),
    }
}

/// GET /tables
pub(super) async fn list(State(api): State<Api>) -> Json<serde_json::Value> {
    let tables = api.tables.tables();
    let views = tables
        .manifest
        .tables
        .iter()
        .map(|(name, entry)| view(&api, name, entry));
    Json(serde_json::json!({
        "revision": tables.manifest.revision,
        "tables": views.collect::<Vec<_>>(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watch {
    watch: Option<String>,
}

/// GET /tables/{table}
pub(super) async fn one(
    State(api): State<Api>,
    TableName(name): TableName,
    Query(watch): Query<Watch>,
    grant: Grant,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = query::wait(watch.watch.as_deref())?.unwrap_or_default();
    let deadline = Instant::now() + wait;
    let mut revisions = api.tables.revisions();
    let mut revoked = pin!(grant.revoked());
    loop {
        revisions.mark_unchanged();
        let tables = api.tables.tables();
        let entry = tables.manifest.table(&name)?;
        let etag = etag_of(entry);
        if !conditional::has(&headers, etag.as_deref()) {
            let body = Json(view(&api, &name, entry));
            return Ok(tagged(etag.as_deref(), body.into_response()));
        }
        // It is the one they have: until it is another one, or they have waited long enough.
        let changed = tokio::select! {
            changed = timeout_at(deadline, revisions.changed()) => changed,
            problem = &mut revoked => return Err(problem),
        };
        if !matches!(changed, Ok(Ok(()))) {
            return Ok(tagged(
                etag.as_deref(),
                StatusCode::NOT_MODIFIED.into_response(),
            ));
        }
    }
}

pub(super) fn tagged(etag: Option<&str>, mut response: Response) -> Response {
    if let Some(value) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PushQuery {
    kind: Option<Kind>,
    #[serde(default = "yes")]
    activate: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    changes: usize,
    comment: Option<String>,
}

const fn yes() -> bool {
    true
}

/// PUT /tables/{table}
pub(super) async fn push(
    State(api): State<Api>,
    TableName(name): TableName,
    caller: Caller,
    Query(query): Query<PushQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let known = api
        .tables
        .tables()
        .manifest
        .tables
        .get(&name)
        .map(|entry| entry.kind);
    let Some(kind) = query.kind.or(known) else {
        return Err(Problem::bad_request(format!(
            "there is no table {name} yet: say what it is for, as in ?kind=prefixes"
        )));
    };
    let asked = asked(&name, &query, &caller, conditional::precondition(&headers)?)?;
    let encoding = Encoding::of(&headers)?;
    let rows = encoding.rows(&headers);
    let pushed = read(&api, rows, encoding, body, move |tables, input| {
        tables.read(kind, encoding.format, input)
    });
    finish(&api, "push", asked, pushed.await).await
}

/// PATCH /tables/{table}
pub(super) async fn patch(
    State(api): State<Api>,
    TableName(name): TableName,
    caller: Caller,
    Query(query): Query<PushQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let asked = asked(&name, &query, &caller, conditional::precondition(&headers)?)?;
    let encoding = Encoding::of(&headers)?;
    if encoding.format != Format::Ndjson {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let title = "This cannot be read";
        let detail =
            "a patch is application/x-ndjson: {\"op\": \"upsert\"|\"delete\", \"key\", \"row\"}";
        return Err(Problem::new(
            status,
            "unsupported-media-type",
            title,
            detail,
        ));
    }
    let rows = encoding
        .rows(&headers)
        .saturating_add(api.tables.rows(&name));
    let pushed = read(&api, rows, encoding, body, move |tables, input| {
        tables.read_patch(&name, |builder| {
            Patch::read(input, builder).map_err(ChangeError::Input)
        })
    });
    let (asked, pushed) = settled(asked, pushed.await);
    finish(&api, "patch", asked, pushed).await
}

/// A patch is applied to one version, and pushed only where that one still counts.
pub(super) fn settled(
    mut asked: Asked,
    pushed: Result<(Pushed, String), ChangeError>,
) -> (Asked, Result<Pushed, ChangeError>) {
    let pushed = pushed.and_then(|(pushed, etag)| match &asked.precondition {
        Precondition::None if !etag.is_empty() => {
            asked.precondition = Precondition::Match(vec![etag]);
            Ok(pushed)
        }
        Precondition::Match(tags) if !tags.iter().any(|tag| tag == "*" || *tag == etag) => {
            Err(ChangeError::Precondition(Some(etag)))
        }
        _ => Ok(pushed),
    });
    (asked, pushed)
}

pub(super) fn asked(
    name: &str,
    query: &PushQuery,
    caller: &Caller,
    precondition: Precondition,
) -> Result<Asked, Problem> {
    let comment = query.comment.clone();
    if comment
        .as_ref()
        .is_some_and(|text| text.len() > 1000 || text.chars().any(char::is_control))
    {
        return Err(Problem::bad_request(
            "comment: one line of at most 1000 bytes",
        ));
    }
    Ok(Asked {
        name: name.to_owned(),
        precondition,
        activate: query.activate,
        dry_run: query.dry_run,
        changes: query.changes.min(rows::MOST),
        by: Some(caller.0.to_string()),
        comment,
    })
}

/// Has a thread read the body, which is about at most so many `rows`.
async fn read<T: Send + 'static>(
    api: &Api,
    rows: usize,
    encoding: Encoding,
    body: Body,
    take: impl FnOnce(&crate::tables::Registry, Box<dyn Read>) -> Result<T, ChangeError>
    + Send
    + 'static,
) -> Result<T, ChangeError> {
    let tables = api.tables.clone();
    let input = upload::reader(body);
    let done = background::run(rows, move || {
        let max = tables.config().tables.max_upload_bytes;
        let input = encoding.unpack(input, max).map_err(ChangeError::Input)?;
        take(&tables, input)
    });
    done.await?
}

/// Pushes what was read, and says what came of it.
pub(super) async fn finish(
    api: &Api,
    what: &str,
    asked: Asked,
    pushed: Result<Pushed, ChangeError>,
) -> Result<Response, Problem> {
    let by = asked.by.clone().unwrap_or_default();
    let result = match pushed {
        Ok(pushed) => api.tables.push(asked, pushed).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(changed) => {
            note(api, &by, what, &changed);
            let status = match changed.state {
                "active" | "stored" if changed.version == Some(1) => StatusCode::CREATED,
                _ => StatusCode::OK,
            };
            let etag = changed.etag.clone();
            Ok(tagged(
                etag.as_deref(),
                (status, Json(changed)).into_response(),
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// Into the audit log, unless nothing happened.
fn note(api: &Api, by: &str, what: &str, changed: &Changed) {
    if matches!(changed.state, "checked" | "unchanged") {
        return;
    }
    let version = changed
        .version
        .map(|number| format!(" version {number}"))
        .unwrap_or_default();
    let mut record = Record::done(
        by,
        format!("{what} {}{version}", changed.table),
        changed.state,
    );
    record.table = Some(changed.table.clone());
    record.revision = Some(changed.revision);
    api.audit.add(record);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveQuery {
    #[serde(default)]
    force: bool,
}

/// DELETE /tables/{table}
pub(super) async fn remove(
    State(api): State<Api>,
    TableName(name): TableName,
    caller: Caller,
    Query(query): Query<RemoveQuery>,
    headers: HeaderMap,
) -> Result<Json<Changed>, Problem> {
    let precondition = conditional::precondition(&headers)?;
    let change = Change::Remove {
        name,
        is_forced: query.force,
    };
    let mut changed = api.tables.change(change, precondition).await?;
    match changed.pop() {
        Some(changed) => {
            note(&api, &caller.0, "remove", &changed);
            Ok(Json(changed))
        }
        None => Err(Problem::internal("a removal without a result")),
    }
}

/// GET /tables/{table}/versions
pub(super) async fn versions(
    State(api): State<Api>,
    TableName(name): TableName,
) -> Result<Json<Entry>, Problem> {
    Ok(Json(api.tables.tables().manifest.table(&name)?.clone()))
}

/// GET /tables/{table}/versions/{version}
pub(super) async fn version(
    State(api): State<Api>,
    TableName(name): TableName,
    VersionNumber(number): VersionNumber,
) -> Result<Json<Version>, Problem> {
    let tables = api.tables.tables();
    Ok(Json(
        tables
            .manifest
            .table(&name)?
            .version(&name, number)?
            .clone(),
    ))
}

/// POST /tables/{table}/versions/{version}/activate
pub(super) async fn activate(
    State(api): State<Api>,
    TableName(name): TableName,
    VersionNumber(number): VersionNumber,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let precondition = conditional::precondition(&headers)?;
    let change = Change::Activate(vec![(name, number)]);
    let mut changed = api.tables.change(change, precondition).await?;
    match changed.pop() {
        Some(changed) => {
            note(&api, &caller.0, "activate", &changed);
            let etag = changed.etag.clone();
            Ok(tagged(etag.as_deref(), Json(changed).into_response()))
        }
        None => Err(Problem::internal("an activation without a result")),
    }
}

/// Versions of several tables that are to count from the same moment on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    activate: BTreeMap<String, u64>,
}

/// What became of a release.
#[derive(Serialize)]
pub(super) struct Released {
    revision: u64,
    tables: Vec<Changed>,
}

/// The largest document that is not an upload.
const MAX_DOCUMENT: usize = 64 * 1024;

/// POST /releases
pub(super) async fn release(
    State(api): State<Api>,
    caller: Caller,
    body: Body,
) -> Result<Json<Released>, Problem> {
    let release: Release = document(body).await?;
    if release.activate.is_empty() {
        return Err(Problem::bad_request(
            "a release activates at least one table",
        ));
    }
    let change = Change::Activate(release.activate.into_iter().collect());
    let tables = api.tables.change(change, Precondition::None).await?;
    tables
        .iter()
        .for_each(|changed| note(&api, &caller.0, "release", changed));
    let Manifest { revision, .. } = api.tables.tables().manifest;
    let revision = tables.first().map_or(revision, |changed| changed.revision);
    Ok(Json(Released { revision, tables }))
}

/// A small JSON document, whatever Content-Type says.
///
/// # Errors
/// 413 when it is too long, 400 when it is no JSON, 422 when it is not what is asked for.
pub(super) async fn document<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = axum::body::to_bytes(body, MAX_DOCUMENT).await;
    let bytes = bytes.map_err(|_| {
        let title = "The document is too large";
        let detail = format!("at most {MAX_DOCUMENT} bytes are read");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail)
    })?;
    serde_json::from_slice(&bytes).map_err(|error| match error.is_data() {
        true => Problem::of(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        false => Problem::bad_request(error.to_string()),
    })
}
