//! What came of worlds, shown: one summary a policy, as JSON, as a table, as CSV, and as a page for a meeting.
//!
//! Nothing here decides anything, so numbers may be platform floats: they are shown and forgotten.

mod bound;
mod csv;
mod page;
mod reading;
mod summary;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod words;

pub use bound::bound;
pub use csv::csv;
pub use page::{Money, Report, page};
pub use reading::reading;
pub use summary::{BASELINE, Driver, Range, Ranges, Share, Summary, summaries};
pub use table::{drivers, popularity, table};
