//! The first words of a session: a challenge, and a hello that must prove its key.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use iroh_base::{PublicKey, Signature};
use nearcast_content::{Credential, NodeKey, ProviderKey, UnixTime};
use nearcast_engine::limits::MAX_ADDRESSES;
use nearcast_engine::wire::directory::{ClientHello, RefusedReason, hello_text};
use nearcast_engine::wire::{Serves, Versions, Ways};
use tokio::sync::mpsc;

use super::addresses::Reach;
use super::desk::Note;

/// Whether a node may open a session, by provider, proven key and credential.
pub type CredentialRule = Arc<dyn Fn(&ProviderKey, &NodeKey, Option<&str>) -> Admittance + Send + Sync>;

/// What a [`CredentialRule`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admittance {
    /// The node may take part.
    Granted,
    /// It may not.
    Refused,
}

/// Every node may take part; a credential is not looked at.
pub fn everyone() -> CredentialRule {
    Arc::new(|_, _, _| Admittance::Granted)
}

/// A node needs a credential that the provider signed for its key and that is good at present.
pub fn credential_required() -> CredentialRule {
    Arc::new(|provider, node, credential| {
        let now = crate::wall::unix_seconds();
        let Some(text) = credential else { return Admittance::Refused };
        match Credential::open(text.as_bytes(), *provider, *node, UnixTime(now)) {
            Ok(_) => Admittance::Granted,
            Err(error) => {
                tracing::debug!(%error, ?node, "a credential is refused");
                Admittance::Refused
            }
        }
    })
}

/// Who is let in.
pub(super) struct Door {
    pub(super) desks: BTreeMap<ProviderKey, mpsc::Sender<Note>>,
    pub(super) credentials: CredentialRule,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("providers", &self.desks.keys()).finish_non_exhaustive()
    }
}

/// A node that proved its key.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) desk: mpsc::Sender<Note>,
    pub(super) node: NodeKey,
    pub(super) serves: Serves,
    pub(super) ways: Ways,
    pub(super) reach: Reach,
}

impl Door {
    /// Lets a node in that answered the challenge `nonce` with `hello`, or says why not.
    pub(super) fn admit(
        &self,
        nonce: &[u8; 32],
        hello: &ClientHello,
        observed: IpAddr,
    ) -> Result<Guest, RefusedReason> {
        hello.versions.common(Versions::OURS).ok_or(RefusedReason::Version)?;
        let desk = self.desks.get(&hello.provider).ok_or(RefusedReason::Provider)?;
        if hello.local.len() > MAX_ADDRESSES {
            return Err(RefusedReason::Misbehaved);
        }
        if !proves(nonce, hello) {
            return Err(RefusedReason::Proof);
        }
        if (self.credentials)(&hello.provider, &hello.node, hello.credential.as_deref())
            == Admittance::Refused
        {
            return Err(RefusedReason::Credential);
        }
        let reach = Reach::new(observed, hello.port, &hello.local);
        let (node, serves, ways) = (hello.node, hello.serves, hello.ways);
        Ok(Guest { desk: desk.clone(), node, serves, ways, reach })
    }
}

fn proves(nonce: &[u8; 32], hello: &ClientHello) -> bool {
    let Ok(key) = PublicKey::from_bytes(&hello.node.0) else { return false };
    let Ok(signature) = <&[u8; Signature::LENGTH]>::try_from(hello.signature.as_slice()) else {
        return false;
    };
    key.verify(&hello_text(nonce, &hello.provider), &Signature::from_bytes(signature)).is_ok()
}
