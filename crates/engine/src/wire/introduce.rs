//! The first words over a data channel: both ends prove their keys, and that nobody sits between them.
//!
//! A data channel is encrypted by DTLS between two certificates that each browser makes up; their fingerprints go
//! through a supernode, which could put its own in place of each. So before any other word each end signs both
//! fingerprints as it sees them, both nonces and the provider. Whoever sits in the middle shows each end another
//! fingerprint than the one signed, and the channel is closed.
//!
//! Each side sends [`Introduction::Greeting`], and, once it has the other's, [`Introduction::Proof`]. What follows
//! may be sent at once behind the proof, and is heard only after the other's proof.

use minicbor::{Decode, Encode};
use nearcast_content::keys::{DeliveryKey, Signature};
use nearcast_content::{NodeKey, ProviderKey};

use super::Versions;
use crate::swarm::Side;

/// SHA-256 of the certificate of one end of a DTLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Words before all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Introduction {
    /// First word of each side.
    #[n(0)]
    Greeting {
        /// Versions of this format that the sender speaks.
        #[n(0)]
        versions: Versions,
        /// Fresh random bytes.
        #[cbor(n(1), with = "minicbor::bytes")]
        nonce: [u8; 32],
        /// The sender's delivery key.
        #[n(2)]
        node: NodeKey,
    },
    /// Second and last word: the signature over what was introduced on both sides.
    #[n(1)]
    Proof {
        /// Ed25519, 64 bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        signature: [u8; 64],
    },
}

/// What is known of a channel before the first word on it.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// Which side this is.
    pub side: Side,
    /// Whose titles it is for.
    pub provider: ProviderKey,
    /// Whom the supernode said to be at the other end.
    pub other: NodeKey,
    /// Of this side's certificate.
    pub ours: Fingerprint,
    /// Of the certificate with which the other side completed DTLS.
    pub theirs: Fingerprint,
}

/// One end's part in a proof.
#[derive(Clone, Copy, Debug)]
struct End {
    node: NodeKey,
    nonce: [u8; 32],
    fingerprint: Fingerprint,
}

/// Why a channel is closed before it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// No version in common.
    #[error("the other end speaks none of our versions")]
    Version,
    /// Another node than the one that was signalled with.
    #[error("another node than the one that was called is at the other end")]
    OtherNode,
    /// Words in another order than they must have.
    #[error("the other end spoke out of turn")]
    OutOfTurn,
    /// The signature does not fit: a broken node, or somebody in the middle.
    #[error("the other end does not prove its key for this very channel")]
    Unproven,
}

/// How far an introduction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Say this, and wait for the proof.
    Say(Introduction),
    /// The other end proved its key: what follows may be heard.
    Proven,
}

/// One side of an introduction.
#[derive(Debug)]
pub struct Introducing {
    channel: Channel,
    nonce: [u8; 32],
    theirs: Option<End>,
    proven: bool,
}

impl Introducing {
    /// A new introduction with a fresh `nonce`, and its first word.
    pub fn begin(channel: Channel, key: &DeliveryKey, nonce: [u8; 32]) -> (Self, Introduction) {
        let greeting = Introduction::Greeting { versions: Versions::OURS, nonce, node: key.node() };
        (Self { channel, nonce, theirs: None, proven: false }, greeting)
    }

    /// Takes a word of the other side.
    ///
    /// # Errors
    /// When the channel must be closed.
    pub fn take(&mut self, word: Introduction, key: &DeliveryKey) -> Result<Step, Stranger> {
        match (word, self.theirs) {
            (Introduction::Greeting { versions, nonce, node }, None) => {
                versions.common(Versions::OURS).ok_or(Stranger::Version)?;
                if node != self.channel.other || node == key.node() {
                    return Err(Stranger::OtherNode);
                }
                let theirs = End { node, nonce, fingerprint: self.channel.theirs };
                self.theirs = Some(theirs);
                let signature = key.sign(&self.text(key.node(), theirs, key.node()));
                Ok(Step::Say(Introduction::Proof { signature: signature.0 }))
            }
            (Introduction::Proof { signature }, Some(theirs)) if !self.proven => {
                let text = self.text(key.node(), theirs, theirs.node);
                if !theirs.node.verifies(&text, &Signature(signature)) {
                    return Err(Stranger::Unproven);
                }
                self.proven = true;
                Ok(Step::Proven)
            }
            (Introduction::Greeting { .. }, Some(_)) | (Introduction::Proof { .. }, Some(_) | None) => {
                Err(Stranger::OutOfTurn)
            }
        }
    }

    /// Whether the other end proved its key.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    fn text(&self, own: NodeKey, theirs: End, signer: NodeKey) -> Vec<u8> {
        let ours = End { node: own, nonce: self.nonce, fingerprint: self.channel.ours };
        let (dialed, accepted) = match self.channel.side {
            Side::Dialed => (ours, theirs),
            Side::Accepted => (theirs, ours),
        };
        proof_text(&self.channel.provider, &signer, &[dialed, accepted])
    }
}

/// What an end signs: a label, the provider, the signer, then key, nonce and fingerprint of who dialed and of who
/// accepted.
fn proof_text(provider: &ProviderKey, signer: &NodeKey, ends: &[End; 2]) -> Vec<u8> {
    let mut text = [b"nearcast data channel v1\0".as_slice(), &provider.0, &signer.0].concat();
    for end in ends {
        text.extend(end.node.0.iter().chain(&end.nonce).chain(&end.fingerprint.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use nearcast_content::keys::DeviceSecret;

    use super::*;

    const PROVIDER: ProviderKey = ProviderKey([7; 32]);

    fn key(n: u8) -> DeliveryKey {
        DeviceSecret::new([n; 32]).delivery_key(PROVIDER)
    }

    fn print(n: u8) -> Fingerprint {
        Fingerprint([n; 32])
    }

    fn dialed(ours: u8, theirs: u8) -> Channel {
        let (ours, theirs) = (print(ours), print(theirs));
        Channel { side: Side::Dialed, provider: PROVIDER, other: key(2).node(), ours, theirs }
    }

    fn accepted(ours: u8, theirs: u8) -> Channel {
        let (ours, theirs) = (print(ours), print(theirs));
        Channel { side: Side::Accepted, provider: PROVIDER, other: key(1).node(), ours, theirs }
    }

    /// Both ends to their end: what the one that dialed and the one that accepted make of it.
    fn meet(one: Channel, two: Channel) -> [Result<Step, Stranger>; 2] {
        let (mut a, hello_a) = Introducing::begin(one, &key(1), [11; 32]);
        let (mut b, hello_b) = Introducing::begin(two, &key(2), [22; 32]);
        let (to_b, to_a) = (a.take(hello_b, &key(1)), b.take(hello_a, &key(2)));
        match (to_a, to_b) {
            (Ok(Step::Say(to_a)), Ok(Step::Say(to_b))) => [a.take(to_a, &key(1)), b.take(to_b, &key(2))],
            (to_a, to_b) => [to_b, to_a],
        }
    }

    #[test]
    fn two_ends_that_see_the_same_certificates_prove_each_other() {
        assert_eq!(meet(dialed(1, 2), accepted(2, 1)), [Ok(Step::Proven), Ok(Step::Proven)]);
    }

    #[test]
    fn somebody_in_the_middle_shows_another_certificate_to_each_end() {
        let unproven = Err(Stranger::Unproven);
        assert_eq!(meet(dialed(1, 9), accepted(2, 9)), [unproven.clone(), unproven.clone()]);
        assert_eq!(meet(dialed(1, 2), accepted(2, 9)), [unproven.clone(), unproven]);
    }

    #[test]
    fn sides_providers_and_nodes_must_agree() {
        let unproven = [Err(Stranger::Unproven), Err(Stranger::Unproven)];
        let turned = Channel { side: Side::Dialed, ..accepted(2, 1) };
        assert_eq!(meet(dialed(1, 2), turned), unproven);
        let other = Channel { provider: ProviderKey([8; 32]), ..accepted(2, 1) };
        assert_eq!(meet(dialed(1, 2), other), unproven);
        let stranger = Channel { other: key(3).node(), ..dialed(1, 2) };
        assert_eq!(meet(stranger, accepted(2, 1))[0], Err(Stranger::OtherNode));
    }

    #[test]
    fn words_have_one_order_and_an_own_word_proves_nothing() {
        let (mut a, greeting) = Introducing::begin(dialed(1, 2), &key(1), [11; 32]);
        let proof = Introduction::Proof { signature: [0; 64] };
        assert_eq!(a.take(proof.clone(), &key(1)), Err(Stranger::OutOfTurn));
        assert_eq!(a.take(greeting.clone(), &key(1)), Err(Stranger::OtherNode), "a mirror");
        let (_, theirs) = Introducing::begin(accepted(2, 1), &key(2), [22; 32]);
        let Ok(Step::Say(own_proof)) = a.take(theirs.clone(), &key(1)) else { panic!("a proof") };
        assert_eq!(a.take(theirs, &key(1)), Err(Stranger::OutOfTurn));
        assert_eq!(a.take(own_proof, &key(1)), Err(Stranger::Unproven), "a mirror");
        assert!(!a.is_proven());
        let later = Introduction::Greeting {
            versions: Versions { oldest: 9, newest: 9 },
            nonce: [0; 32],
            node: key(2).node(),
        };
        let (mut b, _) = Introducing::begin(dialed(1, 2), &key(1), [11; 32]);
        assert_eq!(b.take(later, &key(1)), Err(Stranger::Version));
    }
}
