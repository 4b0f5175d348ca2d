//! Real nodes, an origin and a supernode over loopback sockets: what a listener lives through.

mod bad_peers;
mod bench;
mod crowd;
mod liar;
mod origin_trouble;
mod supernode_trouble;
