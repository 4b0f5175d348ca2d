//! The signed formats as a whole: golden files, and hostile documents.

mod golden;
mod hostile;
mod mangled;
mod samples;
