//! "Did you mean …?"

/// The candidate that `text` is most likely a slip of: the same apart from case, or a few letters
/// away.
pub(crate) fn closest<'c>(
    text: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    within(3, text, candidates)
}

/// The same where `text` may as well be a word of its own: fewer of its letters may be wrong.
pub(crate) fn closest_of_own_words<'c>(
    text: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    within(4, text, candidates)
}

/// One slip in so many letters, and no more than three.
fn within<'c>(
    letters: usize,
    text: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let lower = text.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (candidate.len().max(lower.len()) / letters).min(3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Leaving out the unit is one slip, however long the unit: `t1` for `t1_ms`.
fn distance(text: &str, candidate: &str) -> usize {
    match candidate.strip_prefix(text) {
        Some(rest) if rest.starts_with('_') => 1,
        _ => strsim::damerau_levenshtein(text, candidate),
    }
}

/// `a`, `b` or `c`, each in backquotes.
pub(crate) fn any_of<'c>(candidates: impl IntoIterator<Item = &'c str>) -> String {
    let quoted: Vec<_> = candidates
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let keys = ["budget_ms", "max_wait_ms", "ask", "body"];
        assert_eq!(closest("budget", keys), Some("budget_ms"));
        assert_eq!(closest("bugdet_ms", keys), Some("budget_ms"));
        assert_eq!(closest("BODY", keys), Some("body"));
        assert_eq!(closest("listen", keys), None);
        assert_eq!(closest("invite", ["INVITE", "REGISTER"]), Some("INVITE"));
        assert_eq!(closest("t1", ["t2_ms", "t1_ms"]), Some("t1_ms"));
        assert_eq!(closest("", keys), None);
    }

    #[test]
    fn what_may_be_a_word_of_its_own_is_one_sooner() {
        let fields = ["gateways", "status", "dst_uri", "uri"];
        assert_eq!(closest_of_own_words("gatway", fields), Some("gateways"));
        assert_eq!(closest_of_own_words("dsturi", fields), Some("dst_uri"));
        for own in ["state", "src_uri", "url", "rate", "carrier"] {
            assert_eq!(closest_of_own_words(own, fields), None, "{own}");
        }
        assert_eq!(closest("state", fields), Some("status"));
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(any_of(["a"]), "`a`");
        assert_eq!(any_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
