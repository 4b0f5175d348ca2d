// A data channel to another peer, wherever it lives: with the engine, or on the page that made it.

import type { Bytes } from './taking';

/** What a channel tells of. */
export interface ChannelHeard {
  opened(link: number): void;
  closed(link: number): void;
  packet(link: number, bytes: Bytes): void;
  /** So many bytes wait in it. */
  waiting(link: number, bytes: number): void;
}

/** Below this the channel asks for more. */
const LOW_BYTES = 64 * 1024;

export class Channel {
  constructor(
    private readonly link: number,
    private readonly channel: RTCDataChannel,
    private readonly heard: ChannelHeard,
  ) {
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = LOW_BYTES;
    channel.onopen = () => heard.opened(link);
    channel.onclose = () => heard.closed(link);
    channel.onmessage = ({ data }) => data instanceof ArrayBuffer && heard.packet(link, new Uint8Array(data));
    channel.onbufferedamountlow = () => heard.waiting(link, channel.bufferedAmount);
  }

  /** Sends what it can, and tells what waits. */
  send(packets: readonly Bytes[]): void {
    try {
      for (const packet of packets) if (this.channel.readyState === 'open') this.channel.send(packet);
    } catch {
      // More waits than the browser takes.
      queueMicrotask(() => this.heard.closed(this.link));
      return;
    }
    this.heard.waiting(this.link, this.channel.bufferedAmount);
  }

  close(): void {
    const { channel } = this;
    channel.onopen = channel.onclose = channel.onmessage = channel.onbufferedamountlow = null;
    channel.close();
  }
}
