// Connections to other peers, which only a page can make. Which, when and what is said over them is the engine's to
// decide, wherever it is. Their channels are handed to it, if that can be.

import { Channel } from './channel';
import type { LinkAct, LinkNews } from './channels';
import { breath } from './line';
import type { Bytes } from './taking';

/** Tells the engine. */
export type Tells = (news: LinkNews, transfer: Transferable[]) => void;
/** Hands a channel to the engine; false when that cannot be, and it stays here. */
export type Hands = (link: number, channel: RTCDataChannel) => boolean;

class Link {
  /** The channel, if it stays here. */
  readonly channel: Channel | null;
  /** What is done to the connection is done one after the other. */
  private last: Promise<void> = Promise.resolve();
  /** Bytes that were handed to the channel since that was told. */
  private handed = 0;
  private readonly packets: Bytes[] = [];

  constructor(
    private readonly link: number,
    private readonly connection: RTCPeerConnection,
    private readonly tells: Tells,
    hands: Hands,
  ) {
    // Both sides know of the one channel: it opens a round trip sooner. It can be handed on as long as nothing was done
    // with it.
    const channel = connection.createDataChannel('nearcast', { negotiated: true, id: 0, ordered: true });
    this.channel = hands(link, channel) ? null : this.keeps(channel);
    connection.onicecandidate = ({ candidate }) => {
      if (candidate === null || candidate.candidate === '') return;
      tells({ link, news: 'candidate', candidate: candidate.candidate, section: candidate.sdpMid ?? '0' }, []);
    };
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === 'failed') tells({ link, news: 'closed' }, []);
    };
  }

  private keeps(channel: RTCDataChannel): Channel {
    const { link, tells } = this;
    return new Channel(link, channel, {
      opened: () => tells({ link, news: 'opened' }, []),
      closed: () => tells({ link, news: 'closed' }, []),
      packet: (_, bytes) => this.gather(bytes),
      waiting: (_, bytes) => {
        tells({ link, news: 'waiting', bytes, handed: this.handed }, []);
        this.handed = 0;
      },
    });
  }

  /** What comes is told together with what comes right behind it. */
  private gather(packet: Bytes): void {
    this.packets.push(packet);
    if (this.packets.length > 1) return;
    void breath().then(() => {
      const packets = this.packets.splice(0);
      this.tells({ link: this.link, news: 'packets', packets }, packets.map(({ buffer }) => buffer));
    });
  }

  send(packets: readonly Bytes[]): void {
    this.handed += packets.reduce((sum, { length }) => sum + length, 0);
    this.channel?.send(packets);
  }

  /** Whatever fails ends the link. */
  then(step: () => Promise<void>): void {
    this.last = this.last.then(step).catch(() => this.tells({ link: this.link, news: 'closed' }, []));
  }

  describe(offer: string | null): void {
    this.then(async () => {
      if (offer !== null) await this.connection.setRemoteDescription({ type: 'offer', sdp: offer });
      await this.connection.setLocalDescription();
      this.tells({ link: this.link, news: 'described', description: this.connection.localDescription?.sdp ?? '' }, []);
    });
  }

  accept(answer: string): void {
    this.then(() => this.connection.setRemoteDescription({ type: 'answer', sdp: answer }));
  }

  candidate(candidate: string, section: string): void {
    // A place that this browser cannot read is one place less, and no reason to hang up.
    this.then(() => this.connection.addIceCandidate({ candidate, sdpMid: section }).catch(() => {}));
  }

  close(): void {
    this.channel?.close();
    this.connection.onicecandidate = null;
    this.connection.onconnectionstatechange = null;
    this.connection.close();
  }
}

export class Links {
  private readonly all = new Map<number, Link>();

  constructor(
    private readonly tells: Tells,
    private readonly hands: Hands,
  ) {}

  carry(act: LinkAct): void {
    const { link } = act;
    const known = this.all.get(link);
    switch (act.act) {
      case 'open':
        this.open(link, act.stun, act.offer);
        break;
      case 'accept':
        known?.accept(act.answer);
        break;
      case 'candidate':
        known?.candidate(act.candidate, act.section);
        break;
      case 'send':
        known?.send(act.packets);
        break;
      case 'close':
        known?.close();
        this.all.delete(link);
        break;
    }
  }

  /** Makes a connection with an offer of its own, or an answer to `offer`. */
  private open(id: number, stun: string | undefined, offer: string | null): void {
    const iceServers = stun === undefined ? [] : [{ urls: stun }];
    try {
      const link = new Link(id, new RTCPeerConnection({ iceServers }), this.tells, this.hands);
      this.all.set(id, link);
      link.describe(offer);
    } catch {
      // A browser without data channels, or one that has too many.
      this.tells({ link: id, news: 'closed' }, []);
    }
  }

  closeAll(): void {
    for (const link of this.all.values()) link.close();
    this.all.clear();
  }
}
