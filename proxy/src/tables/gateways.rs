//! Gateway sets of the configuration with those of pushed tables.

use std::sync::Arc;

use serde_json::Value;
use sigbox_core::{
    Algorithm, GatewayDefinition, GatewaySets, Instant, ListenerId, SetDefinition, Target,
};
use sigbox_tables::{Fields, Kind, Table};

use crate::config::Config;
use crate::decision::leads_here;

/// A pointer and a sentence.
type Wrong = (String, String);

/// The sets of `config`, and what `tables` add to them: rows are gateways of the set they name, which a row with the
/// same id replaces; a set that only tables name has the usual settings. Of rows with one id the last counts, in the
/// order of tables. Gateways that were there `before` keep what is known about them, others come `now`.
pub(super) fn combined<'t>(
    config: &Config,
    tables: impl Iterator<Item = &'t Table>,
    before: Option<&GatewaySets>,
    now: Instant,
) -> Arc<GatewaySets> {
    let own = &config.settings.gateways;
    let mut sets: Vec<_> = own.definitions().collect();
    let mut has_pushed = false;
    for table in tables.filter(|table| table.kind() == Kind::Gateways) {
        for row in table.rows() {
            let key = row.key();
            let Some((set, id)) = key.split_once('/') else {
                continue;
            };
            let gateway = match definition(id, &row.fields(), config) {
                Ok(gateway) => gateway,
                Err((_, detail)) => {
                    tracing::error!(set, id, detail, "a pushed gateway cannot be used any more");
                    continue;
                }
            };
            has_pushed = true;
            let set = match sets.iter_mut().position(|known| *known.name == *set) {
                Some(at) => &mut sets[at],
                None => {
                    sets.push(SetDefinition::new(set, Algorithm::RoundRobin, Vec::new()));
                    let last = sets.len() - 1;
                    &mut sets[last]
                }
            };
            match set.gateways.iter_mut().find(|known| *known.id == *id) {
                Some(known) => *known = gateway,
                None => set.gateways.push(gateway),
            }
        }
    }
    if !has_pushed && before.is_none() {
        return own.clone();
    }
    match GatewaySets::build(Some(before.unwrap_or(own)), sets, now) {
        Ok(sets) => Arc::new(sets),
        Err(error) => {
            tracing::error!(%error, "pushed gateways cannot be used; those of the file are");
            own.clone()
        }
    }
}

/// Gateways of the file that rows of `table` take the place of.
pub(super) fn instead<'t>(table: &'t Table, file: &'t Config) -> impl Iterator<Item = String> + 't {
    let is_gateways = table.kind() == Kind::Gateways;
    let rows = table.rows().filter(move |_| is_gateways);
    rows.filter_map(|row| {
        let key = row.key();
        let (set, id) = key.split_once('/')?;
        let own = file.settings.gateways.set(set)?.gateway(id)?;
        Some(format!(
            "gateway {id} of set {set} takes the place of that of the file, {}",
            own.uri().text()
        ))
    })
}

/// A gateway of a row without its key, for a node that runs with `config`.
pub(super) fn definition(
    id: &str,
    row: &Fields,
    config: &Config,
) -> Result<GatewayDefinition, Wrong> {
    let wrong = |field: &str, detail: String| Err((format!("/{field}"), detail));
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default();
    let number = |field: &'static str, usual: u64, most: u64| {
        let number = row.get(field).and_then(Value::as_u64).unwrap_or(usual);
        match u32::try_from(number) {
            Ok(small) if number <= most => Ok(small),
            _ => Err((
                format!("/{field}"),
                format!("{field} is {number}; at most {most} may be"),
            )),
        }
    };
    let uri = match Target::parse(text("uri")) {
        Ok(uri) => uri,
        Err(error) => return wrong("uri", format!("{:?}: {error}", text("uri"))),
    };
    match uri.hop() {
        None => return wrong("uri", format!("{:?} names no host", text("uri"))),
        Some(hop) if leads_here(uri.text(), hop, &config.settings) => {
            return wrong(
                "uri",
                format!("{:?} leads to this proxy itself", text("uri")),
            );
        }
        Some(_) => {}
    }
    let may = |b: u8| b.is_ascii_alphanumeric() || b"+*-.".contains(&b);
    let prefix = text("prefix");
    if prefix.len() > 63 || !prefix.bytes().all(may) {
        let detail = format!("{prefix:?} holds more than digits, letters, +, *, - and .");
        return wrong("prefix", detail);
    }
    let listener = match text("socket") {
        "" => None,
        socket => match config.listener(socket) {
            Some(listener) => Some(listener),
            None => return wrong("socket", format!("{socket:?} is not in `sip.listen`")),
        },
    };
    let known = [
        "uri",
        "weight",
        "priority",
        "max_calls",
        "enabled",
        "socket",
        "strip",
        "prefix",
        "set",
        "id",
    ];
    let mut others = row.clone();
    others.retain(|field, _| !known.contains(&field.as_str()));
    let attributes = match others.is_empty() {
        true => String::new(),
        false => Value::Object(others).to_string(),
    };
    Ok(GatewayDefinition {
        weight: number("weight", 1, 65_535)?,
        priority: number("priority", 0, 65_535)?,
        max_calls: number("max_calls", 0, 1_000_000)?,
        enabled: row.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        listener,
        strip: u8::try_from(number("strip", 0, 63)?).unwrap_or_default(),
        prefix: prefix.into(),
        attributes: attributes.into(),
        ..GatewayDefinition::new(id, uri)
    })
}

impl Config {
    /// The listener that `text` names, as written in `sip.listen` or as it is bound.
    fn listener(&self, text: &str) -> Option<ListenerId> {
        let bound = self
            .settings
            .listeners
            .iter()
            .map(|listener| format!("{}:{}", listener.transport, listener.address));
        let mut named = self.listen.iter().map(ToString::to_string).zip(bound);
        let at = named.position(|(written, bound)| text == written || text == bound)?;
        u16::try_from(at).ok().map(ListenerId)
    }
}
