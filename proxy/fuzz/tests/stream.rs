//! See `sigbox_fuzz::stream`.

#[test]
fn stream() {
    bolero::check!()
        .with_iterations(200)
        .for_each(sigbox_fuzz::stream);
}
