//! Tabs in a world without a browser: a site in memory, a supernode made of the engine's directory, channels that
//! deliver at once. The clock is the test's.

mod given;
mod keeps;
mod plays;
mod world;
