// Data channels to other tabs. Which, when and what is said over them is the engine's to decide.

/** What a link tells of. */
export interface Heard {
  described(link: number, description: string): void;
  candidate(link: number, candidate: string, section: string): void;
  opened(link: number): void;
  closed(link: number): void;
  packet(link: number, bytes: Uint8Array): void;
  waiting(link: number, bytes: number): void;
}

/** Below this the channel asks for more. */
const LOW_BYTES = 64 * 1024;

class Link {
  readonly channel: RTCDataChannel;
  /** What is done to the connection is done one after the other. */
  private last: Promise<void> = Promise.resolve();

  constructor(
    readonly id: number,
    private readonly connection: RTCPeerConnection,
    private readonly heard: Heard,
  ) {
    // Both sides know of the one channel: it opens a round trip sooner.
    const channel = connection.createDataChannel('nearcast', { negotiated: true, id: 0, ordered: true });
    this.channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = LOW_BYTES;
    channel.onopen = () => heard.opened(id);
    channel.onclose = () => heard.closed(id);
    channel.onmessage = ({ data }) => data instanceof ArrayBuffer && heard.packet(id, new Uint8Array(data));
    channel.onbufferedamountlow = () => heard.waiting(id, channel.bufferedAmount);
    connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== '') heard.candidate(id, candidate.candidate, candidate.sdpMid ?? '0');
    };
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === 'failed') heard.closed(id);
    };
  }

  /** Whatever fails ends the link. */
  then(step: () => Promise<void>): void {
    this.last = this.last.then(step).catch(() => this.heard.closed(this.id));
  }

  describe(offer: string | null): void {
    this.then(async () => {
      if (offer !== null) await this.connection.setRemoteDescription({ type: 'offer', sdp: offer });
      await this.connection.setLocalDescription();
      this.heard.described(this.id, this.connection.localDescription?.sdp ?? '');
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
    this.channel.onclose = null;
    this.channel.onmessage = null;
    this.connection.onicecandidate = null;
    this.connection.onconnectionstatechange = null;
    this.connection.close();
  }
}

export class Links {
  private readonly all = new Map<number, Link>();

  constructor(private readonly heard: Heard) {}

  /** Makes a connection with an offer of its own, or an answer to `offer`. */
  open(id: number, stun: string | undefined, offer: string | null): void {
    const iceServers = stun === undefined ? [] : [{ urls: stun }];
    const link = new Link(id, new RTCPeerConnection({ iceServers }), this.heard);
    this.all.set(id, link);
    link.describe(offer);
  }

  accept(id: number, answer: string): void {
    this.all.get(id)?.accept(answer);
  }

  candidate(id: number, candidate: string, section: string): void {
    this.all.get(id)?.candidate(candidate, section);
  }

  send(id: number, bytes: Uint8Array<ArrayBuffer>): void {
    const channel = this.all.get(id)?.channel;
    if (channel?.readyState !== 'open') return;
    channel.send(bytes);
    this.heard.waiting(id, channel.bufferedAmount);
  }

  close(id: number): void {
    this.all.get(id)?.close();
    this.all.delete(id);
  }

  closeAll(): void {
    for (const id of [...this.all.keys()]) this.close(id);
  }
}
