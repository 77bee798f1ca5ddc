//! Rules held against the tables of a data folder.

use std::ops::Range;

use sigbox_tables::Manifest;

use super::diagnostic::Diagnostic;
use super::suggest::closest;

/// Why a rule that names `table`, at `span`, finds nothing there, if it does not.
pub(super) fn lack(table: &str, span: Range<usize>, pushed: &Manifest) -> Option<Diagnostic> {
    let Some(entry) = pushed.tables.get(table) else {
        let known = pushed.tables.keys().map(String::as_str);
        let help = match closest(table, known) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => format!(
                "calls go on to the next rule until it is pushed: sigbox push {table} FILE --kind prefixes"
            ),
        };
        let message = format!("no table `{table}` was pushed to this node");
        let lack = Diagnostic::warning(Some(span), message);
        return Some(lack.label("not in the data folder").help(help));
    };
    if !entry.kind.routes() {
        let message = format!(
            "`{table}` is a table of {}, and none of its rows routes a call",
            entry.kind
        );
        let lack = Diagnostic::warning(Some(span), message);
        return Some(lack.label("routes nothing"));
    }
    entry.active().is_none().then(|| {
        let message = format!("no version of table `{table}` counts");
        let help = format!(
            "calls go on to the next rule until one does: sigbox activate {table} {}",
            entry.newest
        );
        Diagnostic::warning(Some(span), message)
            .label("routes nothing")
            .help(help)
    })
}
