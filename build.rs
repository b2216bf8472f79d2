//! `sqlx::migrate!` watches the migrations that it embeds, but cannot notice one that is added.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
