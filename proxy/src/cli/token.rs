//! `sigbox token`: a token for the HTTP API.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use super::print;
use crate::config::Scope;

/// Make a token for the HTTP API, and what the configuration says about it
#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// Who has it, as in the audit log
    name: String,
    /// What it is good for: read, tables, gateways, limits, admin; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, default_value = "read")]
    scopes: Vec<&'static str>,
}

fn scope(text: &str) -> Result<&'static str, String> {
    let known = Scope::ALL
        .into_iter()
        .map(Scope::label)
        .find(|label| *label == text);
    known.ok_or_else(|| "read, tables, gateways, limits or admin".to_owned())
}

pub(super) fn token(args: &Token) -> ExitCode {
    print::outcome(made(args))
}

fn made(args: &Token) -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .ok()
        .context("the system has no random numbers")?;
    let mut token = "sigbox_".to_owned();
    token += &hexadecimal(&bytes);
    let sha256 = hexadecimal(&Sha256::digest(&token));
    let scopes: Vec<_> = args
        .scopes
        .iter()
        .map(|scope| format!("{scope:?}"))
        .collect();
    // Not on standard output, which is for the configuration: that must not hold it.
    eprintln!("The token, for whoever asks; it is shown this once:\n  {token}");
    Ok(format!(
        "[[admin.token]]\nname = {:?}\nsha256 = \"{sha256}\"\nscopes = [{}]",
        args.name,
        scopes.join(", "),
    ))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
