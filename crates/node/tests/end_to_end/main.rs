//! Real nodes, an origin and a supernode over loopback sockets: what a listener lives through.

mod bad_peers;
mod bench;
mod caps;
mod crowd;
mod documents;
mod elsewhere;
mod full_disk;
mod keeping;
mod liar;
mod lives;
mod origin_trouble;
mod plain_origin;
mod player;
mod supernode_trouble;
