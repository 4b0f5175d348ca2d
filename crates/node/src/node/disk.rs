//! What the disk did not keep, told to the engine.

use std::sync::Arc;

use nearcast_engine::swarm::Input;
use tokio::sync::mpsc;

use super::board::{Board, DiskTrouble};
use super::drive::Told;
use crate::store::Store;

/// Follows the store for as long as it is polled.
pub(super) async fn follow(store: Store, board: Arc<Board>, tell: mpsc::Sender<Told>) {
    loop {
        let given_up = store.given_up().await;
        if board.disk_troubles(DiskTrouble::Failing) {
            tracing::warn!("the disk does not keep what is written: what plays goes on, and is not kept");
        }
        // First: what is fetched again is what plays, and not all that was lost.
        let told = std::iter::once(Input::NoRoom);
        for input in
            told.chain(given_up.into_iter().map(|(object, blocks)| Input::Damaged { object, blocks }))
        {
            if tell.send(Told::Input(input)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_content::BlockRange;

    use super::*;
    use crate::store::tests::about_to_fail;

    #[tokio::test]
    async fn the_engine_hears_that_there_is_no_room_and_what_was_lost() {
        let (store, object) = about_to_fail();
        let (tell, mut told) = mpsc::channel(8);
        let board = Arc::new(Board::default());
        let follows = tokio::spawn(follow(store.clone(), Arc::clone(&board), tell));
        assert_eq!(board.disk_trouble(), None);
        store.flush().expect_err("the sync fails");
        assert!(matches!(told.recv().await, Some(Told::Input(Input::NoRoom))));
        let lost = told.recv().await;
        assert!(
            matches!(lost, Some(Told::Input(Input::Damaged { object: of, blocks }))
                if of == object && blocks == BlockRange::new(0, 2)),
            "{lost:?}"
        );
        assert_eq!(board.disk_trouble(), Some(DiskTrouble::Failing));
        follows.abort();
    }
}
