//! Tables that are pushed to proxies, in deciders of both languages.

use std::future::ready;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::artifact::node as node_program;
use e2e::{NatsServer, PATIENCE, Setup, Sigbox, poll, repository};
use serde_json::Value;
use sigbox_decider::contracts::Class;
use sigbox_decider::testing::Harness;
use sigbox_decider::{Decider, Tables, reject, route, to};
use tempfile::TempDir;
use tokio::time::timeout;

fn decider(tables: &Tables) -> Decider {
    let decided = tables.clone();
    Decider::new("lcr", "1.0.0")
        .follow(tables)
        .on(Class::Invite, move |call| {
            let number = call.request_uri().user.clone().unwrap_or_default();
            ready(match decided.now().table("rates").longest_prefix(&number) {
                Some(found) => {
                    let hop = found.text("dst_uri").unwrap_or_default();
                    route([to(hop)]).because(found.reason)
                }
                None => reject(404),
            })
        })
}

#[tokio::test]
async fn a_table_of_a_test_routes_without_nats() -> Result<()> {
    let tables = Tables::new();
    let harness = Harness::new(decider(&tables));
    ensure!(harness.invite("sip:+4930@example.com").await.status == Some(404));
    tables.set_csv(
        "rates",
        sigbox_tables::Kind::Prefixes,
        "prefix,dst_uri\n49,sip:192.0.2.1\n",
    )?;
    let decision = harness.invite("sip:+4930@example.com").await;
    ensure!(decision.reasons == ["rates v1: prefix 49"], "{decision:?}");
    Ok(())
}

/// A Node program that follows tables and prints what it finds.
struct NodeDecider(Child);

impl NodeDecider {
    fn start(nats: &NatsServer) -> Result<Self> {
        let sdk = repository().join("decider-sdk/node/dist/index.js");
        let program = format!(
            "import {{ decider, reject, Tables }} from {sdk:?};\n\
             const tables = new Tables();\n\
             await decider('node-lcr', '1.0.0').follow(tables).on('message', () => reject(404)).run();",
        );
        let child = Command::new(node_program())
            .args(["--input-type=module", "-e", &program])
            .env("NATS_URL", nats.url())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("node")?;
        Ok(Self(child))
    }
}

impl Drop for NodeDecider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn node(name: &str, nats: &NatsServer, data: &TempDir) -> Result<Sigbox> {
    Setup::new(&nats.url())
        .set("", "node", &format!("{name:?}"))
        .set("data", "dir", &format!("{:?}", data.path().join(name)))
        .set("tables", "replicate", "true")
        .fall_back_to_status(404)
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_one_node_is_in_both_nodes_and_in_deciders_of_both_languages() -> Result<()> {
    let nats = NatsServer::start_jetstream()?;
    let data = TempDir::new()?;
    let (a, b) = (node("a", &nats, &data)?, node("b", &nats, &data)?);
    let tables = Tables::new();
    let running = decider(&tables).servers(nats.url()).start().await?;
    let _node_decider = NodeDecider::start(&nats)?;
    poll::until("a push that is taken", || {
        let path = "/api/v1/tables/rates?kind=prefixes";
        let push = a
            .http("PUT", path)
            .body("text/csv", "prefix,dst_uri\n49,sip:192.0.2.1\n");
        Ok((push.send()?.status < 300).then_some(()))
    })?;
    timeout(PATIENCE, tables.until(1))
        .await
        .context("the table in the decider")?;
    let snapshot = tables.now();
    let found = snapshot
        .table("rates")
        .longest_prefix("+4930")
        .context("a row")?;
    ensure!(found.reason == "rates v1: prefix 49", "{found:?}");
    drop(found);
    poll::until("two nodes and two deciders with revision 1", || {
        let nodes = b.http("GET", "/api/v1/nodes").send()?.expect(200)?;
        let members = nodes["members"].as_array().context("members")?;
        let with = |role: &str| {
            let is = |member: &&Value| member["role"] == role && member["revision"] == 1;
            members.iter().filter(is).count()
        };
        Ok((with("node") == 2 && with("decider") == 2).then_some(()))
    })?;
    running.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_of_the_contract_are_enough_for_tables() -> Result<()> {
    let nats = NatsServer::start_guarded_jetstream()?;
    let data = TempDir::new()?;
    let with =
        |user: &str, password: &str| nats.url().replace("://", &format!("://{user}:{password}@"));
    let sigbox = Setup::new(&nats.url())
        .set("nats", "user", "\"proxy-edge-1\"")
        .set("nats", "password", "\"proxy\"")
        .set("", "node", "\"edge-1\"")
        .set("data", "dir", &format!("{:?}", data.path()))
        .set("tables", "replicate", "true")
        .fall_back_to_status(404)
        .start()?;
    let tables = Tables::new();
    let running = decider(&tables)
        .servers(with("decider", "decider"))
        .start()
        .await?;
    for (revision, table) in [(1, "49"), (2, "50")] {
        poll::until("a push that is taken", || {
            let path = "/api/v1/tables/rates?kind=prefixes";
            let push = sigbox
                .http("PUT", path)
                .body("text/csv", format!("prefix\n{table}\n"));
            Ok((push.send()?.status < 300).then_some(()))
        })?;
        timeout(PATIENCE, tables.until(revision))
            .await
            .context("the table in the decider")?;
    }
    poll::until("that the decider has said so", || {
        let nodes = sigbox.http("GET", "/api/v1/nodes").send()?.expect(200)?;
        let members = nodes["members"].as_array().context("members")?;
        Ok(members
            .iter()
            .any(|member| member["role"] == "decider" && member["revision"] == 2)
            .then_some(()))
    })?;
    running.stop().await?;
    Ok(())
}
