//! See `sigbox_fuzz::sequence`.

#[test]
fn sequence() {
    bolero::check!()
        .with_iterations(200)
        .for_each(sigbox_fuzz::sequence);
}
