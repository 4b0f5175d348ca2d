// The engine's side of its links: their connections are the page's, which alone can make them. A link's channel is moved
// to where the engine is, if the browser can do that: packets do not touch the page then. Otherwise they go by messages.
// Which links, when, and what is said over them is the engine's to decide.

import { Channel, type ChannelHeard } from './channel';
import type { Bytes } from './taking';

/** What is wanted of the page's connections. */
export type LinkAct = { readonly link: number } & (
  | { readonly act: 'open'; readonly stun: string | undefined; readonly offer: string | null }
  | { readonly act: 'accept'; readonly answer: string }
  | { readonly act: 'candidate'; readonly candidate: string; readonly section: string }
  | { readonly act: 'send'; readonly packets: readonly Bytes[] }
  | { readonly act: 'close' }
);

/** What the page tells of them. */
export type LinkNews = { readonly link: number } & (
  | { readonly news: 'described'; readonly description: string }
  | { readonly news: 'candidate'; readonly candidate: string; readonly section: string }
  | { readonly news: 'channel'; readonly channel: RTCDataChannel }
  | { readonly news: 'opened' }
  | { readonly news: 'closed' }
  | { readonly news: 'packets'; readonly packets: readonly Bytes[] }
  /** So many bytes wait in a channel that is the page's, of all that were handed to it. */
  | { readonly news: 'waiting'; readonly bytes: number; readonly handed: number }
);

/** What a link tells of. */
export interface Heard extends ChannelHeard {
  described(link: number, description: string): void;
  candidate(link: number, candidate: string, section: string): void;
}

/** A link of which the page has the channel. */
interface Away {
  /** Bytes that were sent there; and what waited there when it last told. */
  sent: number;
  waits: number;
  packets: Bytes[];
}

export class Channels {
  private readonly all = new Map<number, Channel | Away>();

  constructor(
    private readonly page: (act: LinkAct, transfer: Transferable[]) => void,
    private readonly heard: Heard,
  ) {}

  /** Has a connection made with an offer of its own, or an answer to `offer`. */
  open(link: number, stun: string | undefined, offer: string | null): void {
    this.all.set(link, { sent: 0, waits: 0, packets: [] });
    this.page({ link, act: 'open', stun, offer }, []);
  }

  accept(link: number, answer: string): void {
    this.page({ link, act: 'accept', answer }, []);
  }

  candidate(link: number, candidate: string, section: string): void {
    this.page({ link, act: 'candidate', candidate, section }, []);
  }

  send(link: number, packet: Bytes): void {
    const channel = this.all.get(link);
    if (channel === undefined) return;
    if (channel instanceof Channel) {
      channel.send([packet]);
      return;
    }
    channel.packets.push(packet);
    channel.sent += packet.length;
    this.heard.waiting(link, channel.waits + channel.sent);
  }

  /** Sends to the page what has gathered for it: one message for all that the engine said in one go. */
  flush(): void {
    for (const [link, channel] of this.all) if (!(channel instanceof Channel)) this.flushOne(link, channel);
  }

  private flushOne(link: number, away: Away): void {
    const { packets } = away;
    if (packets.length === 0) return;
    away.packets = [];
    this.page({ link, act: 'send', packets }, packets.map(({ buffer }) => buffer));
  }

  /** Something happened at the page's end. What is told of a link that was closed here came too late. */
  hear(news: LinkNews): void {
    const { link } = news;
    const known = this.all.get(link);
    if (known === undefined) {
      if (news.news === 'channel') news.channel.close();
      return;
    }
    switch (news.news) {
      case 'described':
        this.heard.described(link, news.description);
        break;
      case 'candidate':
        this.heard.candidate(link, news.candidate, news.section);
        break;
      case 'channel':
        this.all.set(link, new Channel(link, news.channel, this.heard));
        break;
      case 'opened':
        this.heard.opened(link);
        break;
      case 'closed':
        this.heard.closed(link);
        break;
      case 'packets':
        for (const packet of news.packets) this.heard.packet(link, packet);
        break;
      case 'waiting':
        if (known instanceof Channel) break;
        known.waits = news.bytes;
        known.sent -= news.handed;
        this.heard.waiting(link, known.waits + known.sent);
        break;
    }
  }

  close(link: number): void {
    const channel = this.all.get(link);
    if (channel === undefined) return;
    this.all.delete(link);
    if (channel instanceof Channel) channel.close();
    else this.flushOne(link, channel);
    this.page({ link, act: 'close' }, []);
  }

  closeAll(): void {
    for (const link of [...this.all.keys()]) this.close(link);
  }
}
