//! See `sigbox_fuzz::message`.

#[test]
fn message() {
    bolero::check!()
        .with_iterations(200)
        .for_each(sigbox_fuzz::message);
}
