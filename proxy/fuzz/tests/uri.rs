//! See `sigbox_fuzz::uri`.

#[test]
fn uri() {
    bolero::check!()
        .with_iterations(200)
        .for_each(sigbox_fuzz::uri);
}
