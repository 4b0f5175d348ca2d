//! The native shell: transport, store, origin, gateway, supernode.

pub mod audience;
pub mod dashboard;
pub mod directory_client;
pub mod gateway;
pub mod http;
pub mod limits_of_system;
pub mod metrics;
pub mod node;
pub mod origin;
pub mod origin_server;
pub mod page;
pub mod publish;
pub mod relay;
pub mod settings;
pub mod store;
pub mod stun;
pub mod supernode;
pub mod transport;
mod wall;
