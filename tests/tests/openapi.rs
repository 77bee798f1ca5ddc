//! What the API answers is what `openapi.yaml` says it answers.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use e2e::http::{Request, Response};
use e2e::{Setup, Sigbox};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Checks answers, and which operations were seen.
struct Reader {
    document: Value,
    seen: BTreeSet<String>,
}

impl Reader {
    fn operation(&self, path: &str, method: &str) -> Result<&Value> {
        let item = self.document["paths"]
            .get(path)
            .with_context(|| path.to_owned())?;
        item.get(method.to_ascii_lowercase())
            .with_context(|| format!("{method} {path}"))
    }

    /// Sends `request` to the operation at `path` and sees that the answer is one of those described.
    fn send(&mut self, method: &str, path: &str, request: Request) -> Result<Response> {
        let answer = request.send()?;
        let operation = self.operation(path, method)?;
        let id = operation["operationId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let status = answer.status.to_string();
        let class = format!("{}XX", &status[..1]);
        let responses = &operation["responses"];
        let response = responses.get(&status).or_else(|| responses.get(&class));
        let response =
            response.with_context(|| format!("{id} answered {status}: {}", answer.text()))?;
        let response = match response["$ref"].as_str() {
            Some(reference) => self
                .document
                .pointer(reference.trim_start_matches('#'))
                .context("a response")?,
            None => response,
        };
        if let Some(content) = response.get("content").and_then(Value::as_object) {
            let media_type = answer.header("content-type").unwrap_or_default();
            ensure!(is_usual(&answer), "{id}: {status} with {media_type:?}");
            let media_type = media_type.split(';').next().unwrap_or_default();
            let described = content
                .get(media_type)
                .with_context(|| format!("{id}: {status} with {media_type:?}"))?;
            if media_type.ends_with("json") && !media_type.ends_with("ndjson") {
                let mut schema = described["schema"].clone();
                schema["components"] = self.document["components"].clone();
                let validator = jsonschema::validator_for(&schema)
                    .map_err(|error| anyhow::anyhow!("{id}: {error}"))?;
                let body = answer.json()?;
                if let Err(error) = validator.validate(&body) {
                    anyhow::bail!("{id} answered {body}: {error} at {}", error.instance_path());
                }
            }
        } else {
            ensure!(answer.body.is_empty(), "{id}: {}", answer.text());
        }
        self.seen.insert(id);
        Ok(answer)
    }
}

/// Whether it has the media type that answers of its sort have, written in the one way.
fn is_usual(answer: &Response) -> bool {
    let media_type = answer.header("content-type").unwrap_or_default();
    match answer.status {
        400.. => media_type == "application/problem+json",
        _ => [
            "application/json",
            "application/x-ndjson",
            "text/plain; charset=utf-8",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ]
        .contains(&media_type),
    }
}

fn started(data: &TempDir) -> Result<Sigbox> {
    Setup::new("nats://127.0.0.1:1")
        .set("data", "dir", &format!("{:?}", data.path()))
        .rules("[[gateways]]\nname = \"de\"\ngateway = [{ id = \"a\", uri = \"sip:192.0.2.1\" }]\n")
        .rules("[[limit]]\nname = \"all\"\nrate = 1000\napply = \"all\"\n")
        .fall_back_to_status(404)
        .start()
}

/// Whatever is wrong with a request, the answer is a problem document: a method that is not for the path, a path that is
/// no text, a query that nobody knows, a body that is no document or too long.
#[test]
fn every_operation_refuses_with_a_problem_document() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = started(&data)?;
    let document = sigbox.http("GET", "/openapi.json").send()?.json()?;
    let refused = |method: &str, path: &str, body: Option<&str>| -> Result<()> {
        let mut request = sigbox.http(method, path);
        if let Some(body) = body {
            request = request.body("application/json", body);
        }
        let answer = request.send()?;
        let text = answer.text();
        ensure!(
            answer.status >= 400 && is_usual(&answer) && answer.json()?["status"] == answer.status,
            "{method} {path}: {} {:?} {}",
            answer.status,
            answer.header("content-type"),
            text.chars().take(200).collect::<String>()
        );
        Ok(())
    };
    let too_long = format!("{{\"x\": \"{}\"}}", "x".repeat(70_000));
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().context("paths")? {
        // Something in the place of every parameter.
        let mut broken = path.clone();
        while let (Some(start), Some(end)) = (broken.find('{'), broken.find('}')) {
            broken.replace_range(start..=end, "%FF");
        }
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            let operation = &item[method.to_ascii_lowercase()];
            if operation.is_null() {
                refused(method, &broken, None)?;
                continue;
            }
            operations += 1;
            if broken != *path {
                refused(method, &broken, Some("{}"))?;
            }
            let takes_json = &operation["requestBody"]["content"]["application/json"];
            if broken == *path && !takes_json.is_null() {
                refused(method, path, Some("no document"))?;
                refused(method, path, Some(&too_long))?;
            }
            let parameters = operation["parameters"].as_array();
            let has_query = parameters
                .into_iter()
                .flatten()
                .any(|parameter| parameter["in"] == "query");
            if has_query {
                let named = path.replace("{table}", "rates").replace("{key}", "49");
                refused(method, &format!("{named}?unheard_of=1"), None)?;
            }
        }
    }
    ensure!(operations > 35, "{operations}");
    refused("GET", "/unheard-of", None)?;
    let missing = sigbox.ask(
        "POST",
        "/api/v1/explain",
        &json!({"request_uri": "sip:a@b"}),
    )?;
    let detail = missing.1["detail"].as_str().unwrap_or_default();
    ensure!(
        missing.0 == 422 && detail.starts_with("`source` is missing: the address that"),
        "{missing:?}"
    );
    let body = sigbox.http("PUT", "/api/v1/gateways/de/a");
    let body = body.body("application/json", too_long.as_str()).send()?;
    ensure!(body.status == 413 && is_usual(&body), "{}", body.text());
    Ok(())
}

#[test]
fn every_operation_answers_as_described() -> Result<()> {
    let data = TempDir::new()?;
    let sigbox = started(&data)?;
    let mut reader = Reader {
        document: sigbox.http("GET", "/openapi.json").send()?.json()?,
        seen: BTreeSet::new(),
    };
    calls(&mut reader, &sigbox)?;
    let paths = reader.document["paths"].as_object().context("paths")?;
    let all: BTreeSet<_> = paths
        .values()
        .flat_map(|item| item.as_object().into_iter().flatten())
        .filter_map(|(_, operation)| operation["operationId"].as_str().map(str::to_owned))
        // A stream has no end to wait for; tables.rs reads it.
        .filter(|id| id != "events")
        .collect();
    ensure!(
        all == reader.seen,
        "not called: {:?}",
        all.difference(&reader.seen)
    );
    Ok(())
}

fn calls(reader: &mut Reader, sigbox: &Sigbox) -> Result<()> {
    let mut call =
        |method: &str, path: &str, actual: &str, body: Option<(&str, String)>, status: u16| {
            let mut request = sigbox.http(method, actual);
            if let Some((media_type, body)) = body {
                request = request.body(media_type, body);
            }
            let answer = reader.send(method, path, request)?;
            ensure!(
                answer.status == status,
                "{method} {actual}: {} {}",
                answer.status,
                answer.text()
            );
            Ok(())
        };
    let json = |value: Value| Some(("application/json", value.to_string()));
    let csv = |text: &str| Some(("text/csv", text.to_owned()));
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        call("GET", path, path, None, 200)?;
    }
    const TABLE: &str = "/api/v1/tables/{table}";
    let t = |rest: &str| format!("{TABLE}{rest}");
    let r = |rest: &str| format!("/api/v1/tables/rates{rest}");
    call(
        "PUT",
        TABLE,
        &r("?kind=prefixes"),
        csv("prefix,gateways\n49,de\n4930,de\n"),
        201,
    )?;
    call("PUT", TABLE, &r(""), csv("prefix,gateways\nx,de\n"), 422)?;
    call("PUT", TABLE, &r("?kind=kv"), csv("key\na\n"), 409)?;
    call("PUT", TABLE, &r("?kind=odd"), csv("key\na\n"), 400)?;
    call(
        "PATCH",
        TABLE,
        &r(""),
        Some((
            "application/x-ndjson",
            "{\"op\":\"delete\",\"key\":\"4930\"}".to_owned(),
        )),
        200,
    )?;
    call("GET", TABLE, &r(""), None, 200)?;
    call("GET", TABLE, "/api/v1/tables/absent", None, 404)?;
    call("GET", "/api/v1/tables", "/api/v1/tables", None, 200)?;
    call("GET", &t("/rows"), &r("/rows?limit=1"), None, 200)?;
    call(
        "PUT",
        &t("/rows/{key}"),
        &r("/rows/44"),
        json(json!({"gateways": "de"})),
        200,
    )?;
    call("GET", &t("/rows/{key}"), &r("/rows/44"), None, 200)?;
    call("DELETE", &t("/rows/{key}"), &r("/rows/44"), None, 200)?;
    call("GET", &t("/lookup"), &r("/lookup?number=4989"), None, 200)?;
    call("GET", &t("/lookup"), &r("/lookup"), None, 400)?;
    call("GET", &t("/diff"), &r("/diff?from=1&to=2"), None, 200)?;
    call("GET", &t("/diff"), &r("/diff?from=1&to=99"), None, 404)?;
    call("GET", &t("/versions"), &r("/versions"), None, 200)?;
    call(
        "GET",
        &t("/versions/{version}"),
        &r("/versions/1"),
        None,
        200,
    )?;
    call(
        "GET",
        &t("/versions/{version}"),
        &r("/versions/x"),
        None,
        400,
    )?;
    call(
        "POST",
        &t("/versions/{version}/activate"),
        &r("/versions/1/activate"),
        None,
        200,
    )?;
    call(
        "POST",
        "/api/v1/releases",
        "/api/v1/releases",
        json(json!({"activate": {"rates": 2}})),
        200,
    )?;
    call(
        "POST",
        "/api/v1/releases",
        "/api/v1/releases",
        json(json!({"activate": []})),
        422,
    )?;
    call("DELETE", TABLE, &r(""), None, 200)?;
    for (path, status) in [
        ("/nodes", 200),
        ("/status", 200),
        ("/status?min_version=99", 409),
        ("/audit", 200),
        ("/decisions?limit=5", 200),
        ("/decisions?limit=x", 400),
        ("/deciders", 200),
    ] {
        let path = format!("/api/v1{path}");
        call(
            "GET",
            path.split('?').next().unwrap_or_default(),
            &path,
            None,
            status,
        )?;
    }
    call(
        "GET",
        "/api/v1/calls/{call_id}",
        "/api/v1/calls/a@b",
        None,
        404,
    )?;
    call("POST", "/api/v1/reload", "/api/v1/reload", None, 200)?;
    call("GET", "/api/v1/gateways", "/api/v1/gateways", None, 200)?;
    call(
        "GET",
        "/api/v1/gateways/{set}",
        "/api/v1/gateways/de",
        None,
        200,
    )?;
    call(
        "GET",
        "/api/v1/gateways/{set}",
        "/api/v1/gateways/fr",
        None,
        404,
    )?;
    call(
        "PUT",
        "/api/v1/gateways/{set}/{id}",
        "/api/v1/gateways/de/a",
        json(json!({"state": "disabled"})),
        200,
    )?;
    call("GET", "/api/v1/limits", "/api/v1/limits", None, 200)?;
    call(
        "POST",
        "/api/v1/bans",
        "/api/v1/bans",
        json(json!({"source": "192.0.2.66", "seconds": 60})),
        201,
    )?;
    call(
        "POST",
        "/api/v1/bans",
        "/api/v1/bans",
        json(json!({"source": "nobody", "seconds": 60})),
        422,
    )?;
    call("GET", "/api/v1/bans", "/api/v1/bans", None, 200)?;
    call(
        "DELETE",
        "/api/v1/bans/{source}",
        "/api/v1/bans/192.0.2.66",
        None,
        204,
    )?;
    let request = || json(json!({"request_uri": "sip:+4930@example.com", "source": "192.0.2.1"}));
    call("POST", "/api/v1/explain", "/api/v1/explain", request(), 200)?;
    call(
        "POST",
        "/api/v1/simulate",
        "/api/v1/simulate",
        request(),
        200,
    )
}
