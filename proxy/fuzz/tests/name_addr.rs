//! See `sigbox_fuzz::name_addr`.

#[test]
fn name_addr() {
    bolero::check!()
        .with_iterations(200)
        .for_each(sigbox_fuzz::name_addr);
}
