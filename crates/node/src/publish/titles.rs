//! Which title id each input gets: the one it had, else one made of its name that nobody else has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nearcast_content::TitleId;

use super::ledger::Ledger;
use super::plan::Plan;

/// One id for each plan, in their order. `published` are the titles of the site.
pub(super) fn assign(plans: &[Plan], ledger: &Ledger, published: &BTreeSet<TitleId>) -> Vec<TitleId> {
    let known: BTreeMap<&str, &TitleId> =
        ledger.titles.iter().map(|(title, record)| (record.input.as_str(), title)).collect();
    let known: Vec<Option<&TitleId>> =
        plans.iter().map(|p| p.input.to_str().and_then(|path| known.get(path).copied())).collect();
    let mut taken: BTreeSet<TitleId> = known.iter().flatten().map(|t| (*t).clone()).collect();
    plans
        .iter()
        .zip(known)
        .map(|(plan, known)| {
            known.cloned().unwrap_or_else(|| {
                let title = free_id(&plan.wish, |id| !taken.contains(id) && is_free(id, ledger, published));
                taken.insert(title.clone());
                title
            })
        })
        .collect()
}

/// Whether an input that was not published before may have this id. A title whose input is gone was moved
/// or renamed; one without a record was published from another machine.
fn is_free(id: &TitleId, ledger: &Ledger, published: &BTreeSet<TitleId>) -> bool {
    match ledger.titles.get(id) {
        Some(record) => !published.contains(id) || !Path::new(&record.input).exists(),
        None => true,
    }
}

/// `wish`, or with the first number behind it that makes it free.
fn free_id(wish: &TitleId, is_free: impl Fn(&TitleId) -> bool) -> TitleId {
    let numbered = (2u64..).filter_map(|n| {
        let number = n.to_string();
        let room = TitleId::MAX_LEN - number.len() - 1;
        let stem = &wish.as_str()[..wish.as_str().len().min(room)];
        TitleId::slug(&format!("{} {number}", stem.trim_end_matches('-')))
    });
    let mut candidates = std::iter::once(wish.clone()).chain(numbered);
    candidates.find(|id| is_free(id)).unwrap_or_else(|| wish.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_put_behind_ids_that_are_taken() {
        let wish = TitleId::slug("intro").expect("letters");
        let taken = ["intro", "intro-2"];
        assert_eq!(free_id(&wish, |id| !taken.contains(&id.as_str())).as_str(), "intro-3");
        let long = TitleId::slug(&"x".repeat(64)).expect("letters");
        assert_eq!(free_id(&long, |id| *id != long).as_str(), format!("{}-2", "x".repeat(62)));
    }
}
