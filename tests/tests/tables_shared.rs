//! Tables of several nodes on one NATS.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use e2e::{NatsServer, Setup, Sigbox, poll};
use futures_util::StreamExt as _;
use serde_json::Value;
use tempfile::TempDir;

const RATES: &str = "/api/v1/tables/rates";

struct Node {
    setup: Setup,
    _data: TempDir,
}

impl Node {
    fn new(name: &str, nats: &NatsServer) -> Result<Self> {
        let data = TempDir::new()?;
        let setup = Setup::new(&nats.url())
            .set("", "node", &format!("{name:?}"))
            .set("data", "dir", &format!("{:?}", data.path()))
            .set("tables", "replicate", "true")
            .fall_back_to_status(404);
        Ok(Self { setup, _data: data })
    }

    /// Starts it and returns once it shares its tables.
    fn start(&self) -> Result<Sigbox> {
        let sigbox = self.setup.start()?;
        sigbox.wait_for_log("that tables are replicated", |record| {
            (record["message"] == "tables are replicated").then_some(())
        })?;
        Ok(sigbox)
    }
}

fn wait_for_revision(sigbox: &Sigbox, revision: u64) -> Result<()> {
    let path = format!("/api/v1/status?min_version={revision}&wait=8s");
    sigbox.http("GET", &path).send()?.expect(200).map(drop)
}

fn wait_for_rows(sigbox: &Sigbox, expected: &str) -> Result<()> {
    poll::until("the rows of the others", || {
        Ok((rows(sigbox)? == expected).then_some(()))
    })
}

fn rows(sigbox: &Sigbox) -> Result<String> {
    Ok(sigbox.http("GET", &format!("{RATES}/rows")).send()?.text())
}

fn push(sigbox: &Sigbox, prefix: &str) -> Result<Value> {
    sigbox.push_csv("rates", "prefixes", &format!("prefix\n{prefix}\n"))
}

#[test]
fn a_push_to_one_node_counts_on_all_and_on_those_that_come_later() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let (first, second, third) = (
        Node::new("a", &nats)?,
        Node::new("b", &nats)?,
        Node::new("c", &nats)?,
    );
    let (a, b) = (first.start()?, second.start()?);
    push(&a, "1")?;
    wait_for_revision(&b, 1)?;
    ensure!(rows(&b)? == rows(&a)?);
    push(&b, "2")?;
    wait_for_revision(&a, 2)?;
    ensure!(rows(&a)? == "{\"prefix\":\"2\"}\n");
    let c = third.start()?;
    wait_for_revision(&c, 2)?;
    ensure!(rows(&c)? == "{\"prefix\":\"2\"}\n");
    // Everybody knows who has it.
    for node in [&a, &b, &c] {
        poll::until("three nodes with revision 2", || {
            let nodes = node.http("GET", "/api/v1/nodes").send()?.expect(200)?;
            let members = nodes["members"].as_array().context("members")?;
            let all = members
                .iter()
                .filter(|member| member["revision"] == 2 && member["current"] == true);
            Ok((all.count() == 3).then_some(()))
        })?;
    }
    Ok(())
}

fn members(sigbox: &Sigbox) -> Result<Vec<String>> {
    let nodes = sigbox.http("GET", "/api/v1/nodes").send()?.expect(200)?;
    let members = nodes["members"].as_array().context("members")?;
    let names = members.iter().filter_map(|member| member["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

fn wait_for_members(sigbox: &Sigbox, wanted: &[&str]) -> Result<()> {
    poll::until(&format!("the nodes {wanted:?}"), || {
        Ok((members(sigbox)? == wanted).then_some(()))
    })
}

/// One that dies is missed after 35 s, more than is waited for here.
#[test]
fn a_node_that_is_stopped_is_gone_from_the_list_at_once() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let (first, second) = (Node::new("a", &nats)?, Node::new("b", &nats)?);
    let (a, mut b) = (first.start()?, second.start()?);
    wait_for_members(&a, &["a", "b"])?;
    ensure!(b.terminate()?.success());
    wait_for_members(&a, &["a"])?;
    // For those that come later, too.
    let c = Node::new("c", &nats)?;
    let c = c.start()?;
    wait_for_members(&c, &["c", "a"])
}

#[test]
fn a_node_that_was_away_catches_up() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let (first, second) = (Node::new("a", &nats)?, Node::new("b", &nats)?);
    let (a, mut b) = (first.start()?, second.start()?);
    push(&a, "1")?;
    wait_for_revision(&b, 1)?;
    b.kill()?;
    push(&a, "2")?;
    let b = second.start()?;
    wait_for_revision(&b, 2)?;
    ensure!(rows(&b)? == "{\"prefix\":\"2\"}\n");
    Ok(())
}

#[test]
fn without_nats_calls_go_on_and_changes_are_refused() -> Result<()> {
    let mut nats = NatsServer::start_jetstream()?;
    let node = Node::new("a", &nats)?;
    let a = node.start()?;
    push(&a, "1")?;
    nats.stop()?;
    let refused = a
        .http("PUT", RATES)
        .body("text/csv", "prefix\n2\n")
        .send()?
        .expect(503)?;
    ensure!(
        refused["type"] == "urn:sigbox:problem:replication",
        "{refused}"
    );
    ensure!(rows(&a)? == "{\"prefix\":\"1\"}\n");
    nats.restart()?;
    poll::until("a push that is taken", || {
        let pushed = a
            .http("PUT", RATES)
            .body("text/csv", "prefix\n2\n")
            .send()?;
        Ok((pushed.status == 200).then_some(()))
    })
}

#[test]
fn a_node_without_nats_starts_with_what_it_had() -> Result<()> {
    let mut nats = NatsServer::start_jetstream()?;
    let node = Node::new("a", &nats)?;
    let mut a = node.start()?;
    push(&a, "1")?;
    a.terminate()?;
    nats.stop()?;
    let a = node.setup.start()?;
    ensure!(rows(&a)? == "{\"prefix\":\"1\"}\n");
    Ok(())
}

#[test]
fn pushes_to_two_nodes_at_once_are_all_kept() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let (first, second) = (Node::new("a", &nats)?, Node::new("b", &nats)?);
    let (a, b) = (first.start()?, second.start()?);
    std::thread::scope(|scope| {
        let pushes: Vec<_> = (0..12)
            .map(|number| {
                let node = if number % 2 == 0 { &a } else { &b };
                scope.spawn(move || {
                    let table = format!("t{}", number / 2);
                    node.push_csv(&table, "prefixes", &format!("prefix,by\n1,{number}\n"))
                })
            })
            .collect();
        pushes.into_iter().try_for_each(|push| {
            push.join()
                .map_err(|_| anyhow::anyhow!("a push panicked"))?
                .map(drop)
        })
    })?;
    wait_for_revision(&a, 12)?;
    wait_for_revision(&b, 12)?;
    let tables = |node: &Sigbox| node.http("GET", "/api/v1/tables").send()?.expect(200);
    let (on_a, on_b) = (tables(&a)?, tables(&b)?);
    ensure!(on_a["revision"] == 12 && on_a == on_b, "{on_a}\n{on_b}");
    for table in on_a["tables"].as_array().context("tables")? {
        ensure!(table["newest"] == 2, "{table}");
    }
    Ok(())
}

#[test]
fn a_bucket_that_is_lost_is_filled_again_from_a_node() -> Result<()> {
    let mut nats = NatsServer::start_jetstream()?;
    let node = Node::new("a", &nats)?;
    let mut a = node.start()?;
    push(&a, "1")?;
    a.terminate()?;
    nats.stop()?;
    // Another server, with nothing in it.
    let empty = NatsServer::start_jetstream()?;
    let setup = node
        .setup
        .clone()
        .set("nats", "servers", &format!("{:?}", empty.url()));
    let a = setup.start()?;
    a.wait_for_log("that its tables are those of all", |record| {
        (record["message"] == "the tables of this node are those of all now").then_some(())
    })?;
    let b = Node::new("b", &empty)?;
    let b = b.start()?;
    wait_for_revision(&b, 1)?;
    ensure!(rows(&b)? == "{\"prefix\":\"1\"}\n");
    Ok(())
}

/// Does something to what JetStream holds, behind the nodes' back.
fn in_jetstream(
    nats: &NatsServer,
    work: impl AsyncFnOnce(async_nats::jetstream::Context) -> Result<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = async_nats::connect(nats.url()).await?;
        work(async_nats::jetstream::new(client)).await
    })
}

/// Two nodes that change tables in the same instant can lose a version that counts.
#[test]
fn a_version_that_is_lost_is_put_there_again_by_a_node_that_has_it() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let (first, second) = (Node::new("a", &nats)?, Node::new("b", &nats)?);
    let a = first.start()?;
    push(&a, "1")?;
    in_jetstream(&nats, async |context| {
        let objects = context.get_object_store("sigbox_tables").await?;
        let mut versions = objects.list().await?;
        let version = versions.next().await.context("no version")??;
        objects.delete(version.name).await?;
        anyhow::Ok(())
    })?;
    let b = second.start()?;
    wait_for_rows(&b, "{\"prefix\":\"1\"}\n")
}

#[test]
fn a_server_that_came_back_with_nothing_is_given_the_tables_of_a_node() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let node = Node::new("a", &nats)?;
    let a = node.start()?;
    push(&a, "1")?;
    in_jetstream(&nats, async |context| {
        context.delete_key_value("sigbox_tables").await?;
        context.delete_object_store("sigbox_tables").await?;
        anyhow::Ok(())
    })?;
    a.wait_for_log("that its tables are those of all", |record| {
        (record["message"] == "the tables of this node are those of all now").then_some(())
    })?;
    push(&a, "2").map(drop)
}

/// What a push leaves behind that failed, or during which its node was killed.
#[test]
fn versions_that_no_table_names_are_removed_from_jetstream_after_an_hour() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let node = Node::new("a", &nats)?;
    let mut a = node.start()?;
    push(&a, "1")?;
    a.terminate()?;
    let name = |symbol: &str| symbol.repeat(64);
    let (old, new) = (name("a"), name("b"));
    in_jetstream(&nats, async |context| {
        let objects = context.get_object_store("sigbox_tables").await?;
        let mut kept = objects.list().await?;
        let kept = kept.next().await.context("the version that counts")??;
        for object in [&old, &new, "notes"] {
            objects.put(object, &mut &b"rows"[..]).await?;
        }
        for object in [&old, "notes", &kept.name] {
            let info = objects.info(object).await?;
            let mut info = serde_json::to_value(&info)?;
            info["mtime"] = "2026-01-01T00:00:00Z".into();
            let name = URL_SAFE.encode(object);
            let subject = format!("$O.sigbox_tables.M.{name}");
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Rollup", "sub");
            let text = serde_json::to_vec(&info)?;
            let sent = context.publish_with_headers(subject, headers, text.into());
            sent.await?.await?;
        }
        anyhow::Ok(())
    })?;
    let a = node.start()?;
    a.wait_for_log("that a version was removed", |record| {
        let message = "removed a version that no table names from JetStream";
        (record["message"] == message && record["sha256"] == old).then_some(())
    })?;
    in_jetstream(&nats, async |context| {
        let objects = context.get_object_store("sigbox_tables").await?;
        ensure!(objects.info(&old).await?.deleted);
        ensure!(
            !objects.info(&new).await?.deleted,
            "a push may be under way"
        );
        ensure!(!objects.info("notes").await?.deleted, "not ours");
        anyhow::Ok(())
    })?;
    // What counts is there: who comes later has it.
    let b = Node::new("b", &nats)?;
    wait_for_rows(&b.start()?, "{\"prefix\":\"1\"}\n")
}

#[test]
fn more_versions_than_a_message_can_name_are_refused_with_what_to_do() -> Result<()> {
    let nats = NatsServer::start_jetstream_with_max_payload(4096)?;
    let node = Node::new("a", &nats)?;
    let a = node.start()?;
    let push = |number: usize| {
        let path = format!("/api/v1/tables/t{number}?kind=prefixes");
        a.http("PUT", &path).body("text/csv", "prefix\n49\n").send()
    };
    let mut pushed = 0;
    let refused = loop {
        let answer = push(pushed)?;
        if answer.status != 201 {
            break answer.expect(507)?;
        }
        pushed += 1;
        ensure!(pushed < 100, "nothing was refused");
    };
    ensure!(pushed > 3, "{pushed}");
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(
        detail.contains("keep fewer (`tables.versions`)"),
        "{detail}"
    );
    let tables = a.http("GET", "/api/v1/tables").send()?.expect(200)?;
    ensure!(tables["tables"].as_array().map(Vec::len) == Some(pushed));
    a.http("DELETE", "/api/v1/tables/t0").send()?.expect(200)?;
    push(pushed)?.expect(201).map(drop)
}

/// A server without `-js` takes connections, and nobody answers for JetStream.
#[test]
fn without_jetstream_it_is_said_what_to_do() -> Result<()> {
    let nats = NatsServer::start()?;
    let node = Node::new("a", &nats)?;
    let a = node.setup.start()?;
    let what = "start nats-server with -js, 2.10 or newer";
    a.wait_for_log(what, |record| {
        let says = record["message"]
            == "tables are not replicated; they stay as they are, trying again"
            && record["error"]
                .as_str()
                .is_some_and(|error| error.contains(what));
        says.then_some(())
    })?;
    let push = a.http("PUT", &format!("{RATES}?kind=prefixes"));
    let refused = push.body("text/csv", "prefix\n1\n").send()?.expect(503)?;
    ensure!(
        refused["type"] == "urn:sigbox:problem:replication"
            && refused["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(what)),
        "{refused}"
    );
    Ok(())
}
