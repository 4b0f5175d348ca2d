//! The origin client against servers that do right and every kind of wrong.

mod good;
mod tls;
mod world;
mod wrong;
