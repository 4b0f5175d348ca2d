/* tslint:disable */
/* eslint-disable */

/**
 * One thing to do.
 */
export class Act {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * A packet, or an entry.
     */
    get bytes(): Uint8Array;
    /**
     * A packet, or an entry.
     */
    set bytes(value: Uint8Array | number[]);
    /**
     * Where the bytes to ask for end, zero for all; or whether they were good.
     */
    end: number;
    /**
     * Number of the request, link or read.
     */
    id: number;
    /**
     * Which effect, numbered in their order.
     */
    kind: number;
    /**
     * Media section, or what is wrong with a title.
     */
    more: string;
    /**
     * First byte to ask for, or how many were checked.
     */
    start: number;
    /**
     * Address, description, candidate, title, key or words.
     */
    text: string;
}

/**
 * A browser tab's part in the swarms of one provider.
 */
export class Tab {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * A web server began to answer; status 0 is no answer.
     */
    answered(now: number, id: number, status: number): void;
    /**
     * The browser found a place where a link may be reached.
     */
    candidate(now: number, link: number, candidate: string, section: string): void;
    /**
     * The catalogue was read anew.
     */
    catalogue(now: number, bytes: Uint8Array | number[]): void;
    /**
     * A link ended, or could not be made.
     */
    channel_closed(now: number, link: number): void;
    /**
     * A link's channel stands.
     */
    channel_opened(now: number, link: number): void;
    /**
     * Bytes of an answer came.
     */
    chunk(now: number, id: number, bytes: Uint8Array | number[]): void;
    /**
     * Nothing is to be kept of what does not play.
     */
    clear(now: number): void;
    /**
     * A read ended.
     */
    close(now: number, read: number): void;
    /**
     * The browser made its description of a link.
     */
    described(now: number, link: number, description: string): void;
    /**
     * An answer came to its end.
     */
    ended(now: number, id: number): void;
    /**
     * A request came to nothing.
     */
    failed(now: number, id: number): void;
    /**
     * Bytes from the cache, the own network, other peers, the origin; bytes sent; peers; bytes held; whether the
     * supernode can be asked; to whom is handed on; bytes in the browser's storage, and whether it keeps what plays.
     */
    figures(): Float64Array;
    /**
     * Addresses of the files of an open title.
     */
    files_of(title: string): string[];
    /**
     * Bytes that the page fetched by itself; `played` when the player has them already. Nothing when nothing can be
     * said of them.
     */
    give(now: number, url: string, start: number, bytes: Uint8Array | number[], played: boolean): number | undefined;
    /**
     * The browser keeps up to `budget` bytes from here on; `keys` names what it has.
     */
    keeps(now: number, keys: string[], budget: number): void;
    /**
     * An entry was kept, or refused.
     */
    kept(now: number, id: number, done: boolean): void;
    /**
     * Bytes a second for which the player of a play should take its line; nothing for what it measures.
     */
    line(play: number): number | undefined;
    /**
     * An entry was read; nothing when it is gone.
     */
    loaded(now: number, id: number, bytes?: Uint8Array | number[] | null): void;
    /**
     * Opens a tab. `entropy` is 64 bytes: the device's secret, and 32 fresh ones.
     *
     * # Errors
     * When the catalogue is refused, with the reason for people.
     */
    constructor(now: number, unix: number, site: string, supernode: string, entropy: Uint8Array | number[], budget: number, shares: boolean, catalogue: Uint8Array | number[]);
    /**
     * Opens a title.
     */
    open_title(now: number, title: string): void;
    /**
     * A packet came over a link's channel.
     */
    packet(now: number, link: number, packet: Uint8Array | number[]): void;
    /**
     * The next thing to do.
     */
    poll(): Act | undefined;
    /**
     * A player that plays at a `rate` (1 is normal), if that is known, reads bytes of a file, and shows nothing of them
     * before all are there when it takes them `whole_only`. Nothing when this is no file of an open title.
     */
    read(now: number, play: number, url: string, start: number, end: number, whole_only: boolean, rate?: number | null): number | undefined;
    /**
     * Whether what is played is handed on.
     */
    share(now: number, shares: boolean): void;
    /**
     * A player shows bytes of a file that the page had from a web server. Its start took `after` milliseconds, and
     * came to its end `ago` milliseconds back.
     */
    showed(now: number, play: number, url: string, start: number, end: number, after: number, ago: number): void;
    /**
     * How long a file is; nothing when it is no file of an open title.
     */
    size_of(url: string): number | undefined;
    /**
     * The connection to the supernode ended, or could not be made.
     */
    socket_lost(now: number): void;
    /**
     * The connection to the supernode stands.
     */
    socket_opened(now: number): void;
    /**
     * A play ended.
     */
    stopped(now: number, play: number): void;
    /**
     * The STUN server beside the supernode.
     */
    stun(): string | undefined;
    /**
     * The next bytes of a read; empty at its end, nothing when it has to wait.
     *
     * # Errors
     * When nobody delivers it.
     */
    take(now: number, read: number): Uint8Array | undefined;
    /**
     * The moment of `wake` has come.
     */
    timeout(now: number): void;
    /**
     * The supernode sent a packet.
     */
    told(now: number, packet: Uint8Array | number[]): void;
    /**
     * What a player is told that a file is.
     */
    type_of(url: string): string | undefined;
    /**
     * What is likely to play next, likeliest first.
     */
    upcoming(now: number, titles: string[]): void;
    /**
     * So many bytes wait in a link's channel.
     */
    waiting(now: number, link: number, bytes: number): void;
    /**
     * When `timeout` is due.
     */
    wake(): number;
}

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_act_free: (a: number, b: number) => void;
    readonly __wbg_get_act_bytes: (a: number) => [number, number];
    readonly __wbg_get_act_end: (a: number) => number;
    readonly __wbg_get_act_id: (a: number) => number;
    readonly __wbg_get_act_kind: (a: number) => number;
    readonly __wbg_get_act_more: (a: number) => [number, number];
    readonly __wbg_get_act_start: (a: number) => number;
    readonly __wbg_get_act_text: (a: number) => [number, number];
    readonly __wbg_set_act_bytes: (a: number, b: number, c: number) => void;
    readonly __wbg_set_act_end: (a: number, b: number) => void;
    readonly __wbg_set_act_id: (a: number, b: number) => void;
    readonly __wbg_set_act_kind: (a: number, b: number) => void;
    readonly __wbg_set_act_more: (a: number, b: number, c: number) => void;
    readonly __wbg_set_act_start: (a: number, b: number) => void;
    readonly __wbg_set_act_text: (a: number, b: number, c: number) => void;
    readonly __wbg_tab_free: (a: number, b: number) => void;
    readonly tab_answered: (a: number, b: number, c: number, d: number) => void;
    readonly tab_candidate: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => void;
    readonly tab_catalogue: (a: number, b: number, c: number, d: number) => void;
    readonly tab_channel_closed: (a: number, b: number, c: number) => void;
    readonly tab_channel_opened: (a: number, b: number, c: number) => void;
    readonly tab_chunk: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly tab_clear: (a: number, b: number) => void;
    readonly tab_close: (a: number, b: number, c: number) => void;
    readonly tab_described: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly tab_ended: (a: number, b: number, c: number) => void;
    readonly tab_failed: (a: number, b: number, c: number) => void;
    readonly tab_figures: (a: number) => [number, number];
    readonly tab_files_of: (a: number, b: number, c: number) => [number, number];
    readonly tab_give: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => number;
    readonly tab_keeps: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly tab_kept: (a: number, b: number, c: number, d: number) => void;
    readonly tab_line: (a: number, b: number) => [number, number];
    readonly tab_loaded: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly tab_new: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number, l: number) => [number, number, number];
    readonly tab_open_title: (a: number, b: number, c: number, d: number) => void;
    readonly tab_packet: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly tab_poll: (a: number) => number;
    readonly tab_read: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number) => number;
    readonly tab_share: (a: number, b: number, c: number) => void;
    readonly tab_showed: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => void;
    readonly tab_size_of: (a: number, b: number, c: number) => [number, number];
    readonly tab_socket_lost: (a: number, b: number) => void;
    readonly tab_socket_opened: (a: number, b: number) => void;
    readonly tab_stopped: (a: number, b: number, c: number) => void;
    readonly tab_stun: (a: number) => [number, number];
    readonly tab_take: (a: number, b: number, c: number) => [number, number, number, number];
    readonly tab_timeout: (a: number, b: number) => void;
    readonly tab_told: (a: number, b: number, c: number, d: number) => void;
    readonly tab_type_of: (a: number, b: number, c: number) => [number, number];
    readonly tab_upcoming: (a: number, b: number, c: number, d: number) => void;
    readonly tab_waiting: (a: number, b: number, c: number, d: number) => void;
    readonly tab_wake: (a: number) => number;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_realloc: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __externref_drop_slice: (a: number, b: number) => void;
    readonly __externref_table_alloc: () => number;
    readonly __externref_table_dealloc: (a: number) => void;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
