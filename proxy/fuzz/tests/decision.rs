//! See `sigbox_fuzz::decision`.

#[test]
fn decision() {
    bolero::check!()
        .with_iterations(200)
        .for_each(sigbox_fuzz::decision);
}
