//! See `sigbox_fuzz::via`.

#[test]
fn via() {
    bolero::check!()
        .with_iterations(200)
        .for_each(sigbox_fuzz::via);
}
