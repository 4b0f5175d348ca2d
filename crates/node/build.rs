//! The pages are embedded as they were built; when they were built anew, so is what embeds them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../web/dist");
}
