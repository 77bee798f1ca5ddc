//! docs/configuration.md and the example file say what the code does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use sigbox::config::{Config, KEYS};
use sigbox_core::FallbackCause;

const START: &str = "<!-- keys: this part is generated from the code; UPDATE_DOC=1 cargo test -p sigbox --test configuration_page -->\n";
const END: &str = "<!-- end of keys -->";

fn page() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../docs/configuration.md")
}

/// A table per section, sections in the order of their first key.
fn tables() -> String {
    let mut sections: Vec<&str> = Vec::new();
    let mut rows: BTreeMap<&str, String> = BTreeMap::new();
    for key in KEYS {
        if !sections.contains(&key.section) {
            sections.push(key.section);
        }
        let default = match key.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let restart = if key.restart { " **restart**" } else { "" };
        let row = rows.entry(key.section).or_default();
        writeln!(
            row,
            "| `{}` | {} | {default} | {}{restart} |",
            key.name, key.holds, key.about
        )
        .unwrap();
    }
    let mut text = String::new();
    for section in sections {
        let title = match section {
            "" => "At the top of the file".to_owned(),
            "rule" => "`[[rule]]` and `[[fallback]]`".to_owned(),
            list @ ("limit" | "schedule") => format!("`[[{list}]]`"),
            "gateways" => "`[[gateways]]`".to_owned(),
            "gateways.gateway" => "`[[gateways.gateway]]`".to_owned(),
            "gateways.probe" => "`probe` of `[[gateways]]`".to_owned(),
            "sip.listen" => "`sip.listen` as a table".to_owned(),
            section => format!("`[{section}]`"),
        };
        write!(
            text,
            "\n### {title}\n\n| key | holds | default | |\n|---|---|---|---|\n{}",
            rows[section]
        )
        .unwrap();
    }
    text + "\n"
}

#[test]
fn the_page_lists_every_key_with_its_default_and_unit() {
    let page = page();
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text
        .split_once(START)
        .expect("the start of the generated part");
    let (found, after) = rest.split_once(END).expect("the end of the generated part");
    let wanted = tables();
    if std::env::var_os("UPDATE_DOC").is_some() {
        std::fs::write(&page, format!("{before}{START}{wanted}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            found, wanted,
            "docs/configuration.md is behind the code: run the test with UPDATE_DOC=1"
        );
    }
}

#[test]
fn the_page_lists_every_cause() {
    let text = std::fs::read_to_string(page()).unwrap();
    for cause in FallbackCause::ALL {
        assert!(
            text.contains(&format!("| `{}` |", cause.label())),
            "{cause:?}"
        );
    }
}

#[test]
fn the_example_has_nothing_to_complain_about() {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("sigbox.example.toml");
    match Config::load(&path) {
        Ok(config) => {
            assert!(config.warnings.is_empty(), "{}", config.warnings);
            assert_eq!(config.settings.rules.before.len(), 3);
            assert_eq!(config.settings.rules.fallback.len(), 3);
        }
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn the_page_s_own_examples_can_run() {
    let pages = [page(), page().with_file_name("gateways.md")];
    let text = pages
        .map(|page| std::fs::read_to_string(page).unwrap())
        .concat();
    let listen = "[sip]\nlisten = \"udp:127.0.0.1:5060\"\n";
    let mut examples = 0;
    for block in text.split("```toml\n").skip(1) {
        let example = block.split("```").next().unwrap();
        let whole = if example.contains("[sip]") {
            example.to_owned()
        } else {
            format!("{listen}{example}")
        };
        if let Err(report) = Config::parse(Path::new("example.toml"), &whole) {
            panic!("{report}");
        }
        examples += 1;
    }
    assert!(examples >= 5);
}

#[test]
fn examples_of_rules_and_limits_can_run_and_nothing_is_odd_about_them() {
    for name in ["rules.md", "limits.md"] {
        let text = std::fs::read_to_string(page().with_file_name(name)).unwrap();
        let mut whole = "[sip]\nlisten = \"udp:127.0.0.1:5060\"\n".to_owned();
        for block in text.split("```toml\n").skip(1) {
            whole += block.split("```").next().unwrap();
        }
        if !whole.contains("[[fallback]]") {
            whole += "[[fallback]]\naction = \"reject\"\nstatus = 503\n";
        }
        match Config::parse(Path::new(name), &whole) {
            Ok(config) => assert!(config.warnings.is_empty(), "{}", config.warnings),
            Err(report) => panic!("{report}"),
        }
    }
}

/// The same examples in the file to start from, with what is commented out in force.
#[test]
fn what_the_example_has_commented_out_could_run() {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("sigbox.example.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("#: ").expect("something commented out");
    let rest = format!("#: {rest}")
        .replace("#: ", "")
        .replace("#:\n", "\n");
    if let Err(report) = Config::parse(&path, &format!("{before}{rest}")) {
        panic!("{report}");
    }
}
