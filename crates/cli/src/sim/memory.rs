//! What memory worlds run in.

/// Begins this program anew with huge pages, unless whoever called it has said what memory it gets. A world of thousands
/// of listeners touches memory all over, and takes a fifth less time where the processor finds it by fewer pages. Where it
/// cannot begin anew it goes on as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn use_huge_pages() {
    use std::env;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    /// Where glibc is told, before a program begins, how to get memory.
    const TUNABLES: &str = "GLIBC_TUNABLES";
    /// It asks the kernel for huge pages.
    const HUGE_PAGES: &str = "glibc.malloc.hugetlb=1";

    if env::var_os(TUNABLES).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut words = env::args_os();
    let mut anew = Command::new(program);
    if let Some(name) = words.next() {
        anew.arg0(name);
    }
    // It comes back with the reason why it could not.
    let _ = anew.args(words).env(TUNABLES, HUGE_PAGES).exec();
}

/// Other systems' allocators have no such wish.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn use_huge_pages() {}
