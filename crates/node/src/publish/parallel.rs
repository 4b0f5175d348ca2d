//! The same work on many things at once, on as many threads as there are cores.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` on every item, in their order, and returns what came out in that order. Stops early once
/// `work` has failed, and answers with the first failure.
pub(super) fn for_each<T: Sync, R: Send, E: Send>(
    threads: NonZeroUsize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    let failure: Mutex<Option<E>> = Mutex::new(None);
    let lock = "no thread panics while it holds the lock";
    thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            scope.spawn(|| {
                while let Some((at, item)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
                {
                    match work(item) {
                        Ok(result) => results.lock().expect(lock)[at] = Some(result),
                        Err(why) => {
                            failure.lock().expect(lock).get_or_insert(why);
                            next.store(items.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    match failure.into_inner().expect(lock) {
        Some(why) => Err(why),
        None => Ok(results.into_inner().expect(lock).into_iter().flatten().collect()),
    }
}

/// As many threads as there are cores.
pub(super) fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_a_failure_ends_it() {
        let items: Vec<u32> = (0..1000).collect();
        let threads = NonZeroUsize::new(4).expect("four");
        let doubled: Result<Vec<u32>, ()> = for_each(threads, &items, |n| Ok(n * 2));
        assert_eq!(doubled, Ok(items.iter().map(|n| n * 2).collect()));
        let failed = for_each(threads, &items, |n| if *n == 7 { Err("seven") } else { Ok(*n) });
        assert_eq!(failed, Err("seven"));
    }
}
