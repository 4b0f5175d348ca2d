/* @ts-self-types="./tab.d.ts" */

/**
 * One thing to do.
 */
export class Act {
    static __wrap(ptr) {
        const obj = Object.create(Act.prototype);
        obj.__wbg_ptr = ptr;
        ActFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        ActFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_act_free(ptr, 0);
    }
    /**
     * A packet, or an entry.
     * @returns {Uint8Array}
     */
    get bytes() {
        const ret = wasm.__wbg_get_act_bytes(this.__wbg_ptr);
        var v1 = getArrayU8FromWasm0(ret[0], ret[1]).slice();
        wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        return v1;
    }
    /**
     * Where the bytes to ask for end, zero for all; or whether they were good.
     * @returns {number}
     */
    get end() {
        const ret = wasm.__wbg_get_act_end(this.__wbg_ptr);
        return ret;
    }
    /**
     * Number of the request, link or read.
     * @returns {number}
     */
    get id() {
        const ret = wasm.__wbg_get_act_id(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Which effect, numbered in their order.
     * @returns {number}
     */
    get kind() {
        const ret = wasm.__wbg_get_act_kind(this.__wbg_ptr);
        return ret;
    }
    /**
     * Media section, or what is wrong with a title.
     * @returns {string}
     */
    get more() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.__wbg_get_act_more(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * First byte to ask for, or how many were checked.
     * @returns {number}
     */
    get start() {
        const ret = wasm.__wbg_get_act_start(this.__wbg_ptr);
        return ret;
    }
    /**
     * Address, description, candidate, title, key or words.
     * @returns {string}
     */
    get text() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.__wbg_get_act_text(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * A packet, or an entry.
     * @param {Uint8Array | number[]} arg0
     */
    set bytes(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_act_bytes(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * Where the bytes to ask for end, zero for all; or whether they were good.
     * @param {number} arg0
     */
    set end(arg0) {
        wasm.__wbg_set_act_end(this.__wbg_ptr, arg0);
    }
    /**
     * Number of the request, link or read.
     * @param {number} arg0
     */
    set id(arg0) {
        wasm.__wbg_set_act_id(this.__wbg_ptr, arg0);
    }
    /**
     * Which effect, numbered in their order.
     * @param {number} arg0
     */
    set kind(arg0) {
        wasm.__wbg_set_act_kind(this.__wbg_ptr, arg0);
    }
    /**
     * Media section, or what is wrong with a title.
     * @param {string} arg0
     */
    set more(arg0) {
        const ptr0 = passStringToWasm0(arg0, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_act_more(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * First byte to ask for, or how many were checked.
     * @param {number} arg0
     */
    set start(arg0) {
        wasm.__wbg_set_act_start(this.__wbg_ptr, arg0);
    }
    /**
     * Address, description, candidate, title, key or words.
     * @param {string} arg0
     */
    set text(arg0) {
        const ptr0 = passStringToWasm0(arg0, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_act_text(this.__wbg_ptr, ptr0, len0);
    }
}
if (Symbol.dispose) Act.prototype[Symbol.dispose] = Act.prototype.free;

/**
 * A browser tab's part in the swarms of one provider.
 */
export class Tab {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        TabFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_tab_free(ptr, 0);
    }
    /**
     * A web server began to answer; status 0 is no answer.
     * @param {number} now
     * @param {number} id
     * @param {number} status
     */
    answered(now, id, status) {
        wasm.tab_answered(this.__wbg_ptr, now, id, status);
    }
    /**
     * The browser found a place where a link may be reached.
     * @param {number} now
     * @param {number} link
     * @param {string} candidate
     * @param {string} section
     */
    candidate(now, link, candidate, section) {
        const val3 = +now;
        const val4 = +link;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passStringToWasm0(candidate, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passStringToWasm0(section, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        wasm.tab_candidate(this.__wbg_ptr, val3, val4, ptr0, len0, ptr1, len1);
    }
    /**
     * The catalogue was read anew.
     * @param {number} now
     * @param {Uint8Array | number[]} bytes
     */
    catalogue(now, bytes) {
        const val2 = +now;
        const ptr0 = passArray8ToWasm0(bytes, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_catalogue(this.__wbg_ptr, val2, ptr0, len0);
    }
    /**
     * A link ended, or could not be made.
     * @param {number} now
     * @param {number} link
     */
    channel_closed(now, link) {
        wasm.tab_channel_closed(this.__wbg_ptr, now, link);
    }
    /**
     * A link's channel stands.
     * @param {number} now
     * @param {number} link
     */
    channel_opened(now, link) {
        wasm.tab_channel_opened(this.__wbg_ptr, now, link);
    }
    /**
     * Bytes of an answer came.
     * @param {number} now
     * @param {number} id
     * @param {Uint8Array | number[]} bytes
     */
    chunk(now, id, bytes) {
        const val2 = +now;
        const val3 = +id;
        const ptr0 = passArray8ToWasm0(bytes, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_chunk(this.__wbg_ptr, val2, val3, ptr0, len0);
    }
    /**
     * Nothing is to be kept of what does not play.
     * @param {number} now
     */
    clear(now) {
        wasm.tab_clear(this.__wbg_ptr, now);
    }
    /**
     * A read ended.
     * @param {number} now
     * @param {number} read
     */
    close(now, read) {
        wasm.tab_close(this.__wbg_ptr, now, read);
    }
    /**
     * The browser made its description of a link.
     * @param {number} now
     * @param {number} link
     * @param {string} description
     */
    described(now, link, description) {
        const val2 = +now;
        const val3 = +link;
        const ptr0 = passStringToWasm0(description, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_described(this.__wbg_ptr, val2, val3, ptr0, len0);
    }
    /**
     * An answer came to its end.
     * @param {number} now
     * @param {number} id
     */
    ended(now, id) {
        wasm.tab_ended(this.__wbg_ptr, now, id);
    }
    /**
     * A request came to nothing.
     * @param {number} now
     * @param {number} id
     */
    failed(now, id) {
        wasm.tab_failed(this.__wbg_ptr, now, id);
    }
    /**
     * Bytes from the cache, the own network, other peers, the origin; bytes sent; peers; bytes held; whether the
     * supernode can be asked; to whom is handed on; bytes in the browser's storage, and whether it keeps what plays.
     * @returns {Float64Array}
     */
    figures() {
        const ret = wasm.tab_figures(this.__wbg_ptr);
        var v1 = getArrayF64FromWasm0(ret[0], ret[1]).slice();
        wasm.__wbindgen_free(ret[0], ret[1] * 8, 8);
        return v1;
    }
    /**
     * Addresses of the files of an open title.
     * @param {string} title
     * @returns {string[]}
     */
    files_of(title) {
        const ptr0 = passStringToWasm0(title, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.tab_files_of(this.__wbg_ptr, ptr0, len0);
        var v2 = getArrayJsValueFromWasm0(ret[0], ret[1]);
        wasm.__wbindgen_free(ret[0], ret[1] * 4, 4);
        return v2;
    }
    /**
     * Bytes that the page fetched by itself; `played` when the player has them already. Nothing when nothing can be
     * said of them.
     * @param {number} now
     * @param {string} url
     * @param {number} start
     * @param {Uint8Array | number[]} bytes
     * @param {boolean} played
     * @returns {number | undefined}
     */
    give(now, url, start, bytes, played) {
        const val3 = +now;
        const val4 = +start;
        const val5 = +played;
        let ptr0, len0, ptr1, len1;
        try {
            ptr0 = passStringToWasm0(url, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passArray8ToWasm0(bytes, wasm.__wbindgen_malloc);
            len1 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        const ret = wasm.tab_give(this.__wbg_ptr, val3, ptr0, len0, val4, ptr1, len1, val5);
        return ret === Number.MAX_SAFE_INTEGER ? undefined : ret;
    }
    /**
     * The browser keeps up to `budget` bytes from here on; `keys` names what it has.
     * @param {number} now
     * @param {string[]} keys
     * @param {number} budget
     */
    keeps(now, keys, budget) {
        const val2 = +now;
        const val3 = +budget;
        const ptr0 = passArrayJsValueToWasm0(keys, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_keeps(this.__wbg_ptr, val2, ptr0, len0, val3);
    }
    /**
     * An entry was kept, or refused.
     * @param {number} now
     * @param {number} id
     * @param {boolean} done
     */
    kept(now, id, done) {
        wasm.tab_kept(this.__wbg_ptr, now, id, done);
    }
    /**
     * Bytes a second for which the player of a play should take its line; nothing for what it measures.
     * @param {number} play
     * @returns {number | undefined}
     */
    line(play) {
        const ret = wasm.tab_line(this.__wbg_ptr, play);
        return ret[0] === 0 ? undefined : ret[1];
    }
    /**
     * An entry was read; nothing when it is gone.
     * @param {number} now
     * @param {number} id
     * @param {Uint8Array | number[] | null} [bytes]
     */
    loaded(now, id, bytes) {
        const val2 = +now;
        const val3 = +id;
        var ptr0 = isLikeNone(bytes) ? 0 : passArray8ToWasm0(bytes, wasm.__wbindgen_malloc);
        var len0 = WASM_VECTOR_LEN;
        wasm.tab_loaded(this.__wbg_ptr, val2, val3, ptr0, len0);
    }
    /**
     * Opens a tab. `entropy` is 64 bytes: the device's secret, and 32 fresh ones.
     *
     * # Errors
     * When the catalogue is refused, with the reason for people.
     * @param {number} now
     * @param {number} unix
     * @param {string} site
     * @param {string} supernode
     * @param {Uint8Array | number[]} entropy
     * @param {number} budget
     * @param {boolean} shares
     * @param {Uint8Array | number[]} catalogue
     */
    constructor(now, unix, site, supernode, entropy, budget, shares, catalogue) {
        const val5 = +now;
        const val6 = +unix;
        const val7 = +budget;
        const val8 = +shares;
        let ptr0, len0, ptr1, len1, ptr2, len2, ptr3, len3;
        try {
            ptr0 = passStringToWasm0(site, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len0 = WASM_VECTOR_LEN;
            ptr1 = passStringToWasm0(supernode, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            len1 = WASM_VECTOR_LEN;
            ptr2 = passArray8ToWasm0(entropy, wasm.__wbindgen_malloc);
            len2 = WASM_VECTOR_LEN;
            ptr3 = passArray8ToWasm0(catalogue, wasm.__wbindgen_malloc);
            len3 = WASM_VECTOR_LEN;
        } catch (e) {
            if (ptr3) { wasm.__wbindgen_free(ptr3, len3 * 1, 1); }
            if (ptr2) { wasm.__wbindgen_free(ptr2, len2 * 1, 1); }
            if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
            if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
            throw e;
        }
        const ret = wasm.tab_new(val5, val6, ptr0, len0, ptr1, len1, ptr2, len2, val7, val8, ptr3, len3);
        if (ret[2]) {
            throw takeFromExternrefTable0(ret[1]);
        }
        this.__wbg_ptr = ret[0];
        TabFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * Opens a title.
     * @param {number} now
     * @param {string} title
     */
    open_title(now, title) {
        const val2 = +now;
        const ptr0 = passStringToWasm0(title, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_open_title(this.__wbg_ptr, val2, ptr0, len0);
    }
    /**
     * A packet came over a link's channel.
     * @param {number} now
     * @param {number} link
     * @param {Uint8Array | number[]} packet
     */
    packet(now, link, packet) {
        const val2 = +now;
        const val3 = +link;
        const ptr0 = passArray8ToWasm0(packet, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_packet(this.__wbg_ptr, val2, val3, ptr0, len0);
    }
    /**
     * The next thing to do.
     * @returns {Act | undefined}
     */
    poll() {
        const ret = wasm.tab_poll(this.__wbg_ptr);
        return ret === 0 ? undefined : Act.__wrap(ret);
    }
    /**
     * A player that plays at a `rate` (1 is normal), if that is known, reads bytes of a file, and shows nothing of them
     * before all are there when it takes them `whole_only`. Nothing when this is no file of an open title.
     * @param {number} now
     * @param {number} play
     * @param {string} url
     * @param {number} start
     * @param {number} end
     * @param {boolean} whole_only
     * @param {number | null} [rate]
     * @returns {number | undefined}
     */
    read(now, play, url, start, end, whole_only, rate) {
        const val2 = +now;
        const val3 = +play;
        const val4 = +start;
        const val5 = +end;
        const val6 = +whole_only;
        const val7 = +(isLikeNone(rate) ? 0 : rate);
        const ptr0 = passStringToWasm0(url, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.tab_read(this.__wbg_ptr, val2, val3, ptr0, len0, val4, val5, val6, !isLikeNone(rate), val7);
        return ret === Number.MAX_SAFE_INTEGER ? undefined : ret;
    }
    /**
     * Whether what is played is handed on.
     * @param {number} now
     * @param {boolean} shares
     */
    share(now, shares) {
        wasm.tab_share(this.__wbg_ptr, now, shares);
    }
    /**
     * A player shows bytes of a file that the page had from a web server. Its start took `after` milliseconds, and
     * came to its end `ago` milliseconds back.
     * @param {number} now
     * @param {number} play
     * @param {string} url
     * @param {number} start
     * @param {number} end
     * @param {number} after
     * @param {number} ago
     */
    showed(now, play, url, start, end, after, ago) {
        const val2 = +now;
        const val3 = +play;
        const val4 = +start;
        const val5 = +end;
        const val6 = +after;
        const val7 = +ago;
        const ptr0 = passStringToWasm0(url, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_showed(this.__wbg_ptr, val2, val3, ptr0, len0, val4, val5, val6, val7);
    }
    /**
     * How long a file is; nothing when it is no file of an open title.
     * @param {string} url
     * @returns {number | undefined}
     */
    size_of(url) {
        const ptr0 = passStringToWasm0(url, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.tab_size_of(this.__wbg_ptr, ptr0, len0);
        return ret[0] === 0 ? undefined : ret[1];
    }
    /**
     * The connection to the supernode ended, or could not be made.
     * @param {number} now
     */
    socket_lost(now) {
        wasm.tab_socket_lost(this.__wbg_ptr, now);
    }
    /**
     * The connection to the supernode stands.
     * @param {number} now
     */
    socket_opened(now) {
        wasm.tab_socket_opened(this.__wbg_ptr, now);
    }
    /**
     * A play ended.
     * @param {number} now
     * @param {number} play
     */
    stopped(now, play) {
        wasm.tab_stopped(this.__wbg_ptr, now, play);
    }
    /**
     * The STUN server beside the supernode.
     * @returns {string | undefined}
     */
    stun() {
        const ret = wasm.tab_stun(this.__wbg_ptr);
        let v1;
        if (ret[0] !== 0) {
            v1 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * The next bytes of a read; empty at its end, nothing when it has to wait.
     *
     * # Errors
     * When nobody delivers it.
     * @param {number} now
     * @param {number} read
     * @returns {Uint8Array | undefined}
     */
    take(now, read) {
        const ret = wasm.tab_take(this.__wbg_ptr, now, read);
        if (ret[3]) {
            throw takeFromExternrefTable0(ret[2]);
        }
        let v1;
        if (ret[0] !== 0) {
            v1 = getArrayU8FromWasm0(ret[0], ret[1]).slice();
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v1;
    }
    /**
     * The moment of `wake` has come.
     * @param {number} now
     */
    timeout(now) {
        wasm.tab_timeout(this.__wbg_ptr, now);
    }
    /**
     * The supernode sent a packet.
     * @param {number} now
     * @param {Uint8Array | number[]} packet
     */
    told(now, packet) {
        const val2 = +now;
        const ptr0 = passArray8ToWasm0(packet, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_told(this.__wbg_ptr, val2, ptr0, len0);
    }
    /**
     * What a player is told that a file is.
     * @param {string} url
     * @returns {string | undefined}
     */
    type_of(url) {
        const ptr0 = passStringToWasm0(url, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.tab_type_of(this.__wbg_ptr, ptr0, len0);
        let v2;
        if (ret[0] !== 0) {
            v2 = getStringFromWasm0(ret[0], ret[1]);
            wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
        }
        return v2;
    }
    /**
     * What is likely to play next, likeliest first.
     * @param {number} now
     * @param {string[]} titles
     */
    upcoming(now, titles) {
        const val2 = +now;
        const ptr0 = passArrayJsValueToWasm0(titles, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        wasm.tab_upcoming(this.__wbg_ptr, val2, ptr0, len0);
    }
    /**
     * So many bytes wait in a link's channel.
     * @param {number} now
     * @param {number} link
     * @param {number} bytes
     */
    waiting(now, link, bytes) {
        wasm.tab_waiting(this.__wbg_ptr, now, link, bytes);
    }
    /**
     * When `timeout` is due.
     * @returns {number}
     */
    wake() {
        const ret = wasm.tab_wake(this.__wbg_ptr);
        return ret;
    }
}
if (Symbol.dispose) Tab.prototype[Symbol.dispose] = Tab.prototype.free;
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg_Error_208446807d0d1e30: function(arg0, arg1) {
            const ret = Error(getStringFromWasm0(arg0, arg1));
            return ret;
        },
        __wbg___wbindgen_string_get_7ce8eee7fd327545: function(arg0, arg1) {
            const obj = arg1;
            const ret = typeof(obj) === 'string' ? obj : undefined;
            var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
            var len1 = WASM_VECTOR_LEN;
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
            getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
        },
        __wbg___wbindgen_throw_4c88d8bf264fd984: function(arg0, arg1) {
            throw new Error(getStringFromWasm0(arg0, arg1));
        },
        __wbindgen_generic_0000000000000001: function(arg0, arg1) {
            // Cast intrinsic for `Ref(String) -> Externref`.
            const ret = getStringFromWasm0(arg0, arg1);
            return ret;
        },
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            table.set(0, undefined);
            table.set(1024, undefined);
            table.set(1025, null);
            table.set(1026, true);
            table.set(1027, false);
        },
    };
    return {
        __proto__: null,
        "./tab_bg.js": import0,
    };
}

const ActFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_act_free(ptr, 1));
const TabFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_tab_free(ptr, 1));

function addToExternrefTable0(obj) {
    const idx = wasm.__externref_table_alloc();
    wasm.__wbindgen_externrefs.set(idx, obj);
    return idx;
}

function getArrayF64FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getFloat64ArrayMemory0().subarray(ptr / 8, ptr / 8 + len);
}

function getArrayJsValueFromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    const mem = getDataViewMemory0();
    const result = [];
    for (let i = ptr; i < ptr + 4 * len; i += 4) {
        result.push(wasm.__wbindgen_externrefs.get(mem.getUint32(i, true)));
    }
    wasm.__externref_drop_slice(ptr, len);
    return result;
}

function getArrayU8FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len);
}

let cachedDataViewMemory0 = null;
function getDataViewMemory0() {
    if (cachedDataViewMemory0 === null || cachedDataViewMemory0.buffer.detached === true || (cachedDataViewMemory0.buffer.detached === undefined && cachedDataViewMemory0.buffer !== wasm.memory.buffer)) {
        cachedDataViewMemory0 = new DataView(wasm.memory.buffer);
    }
    return cachedDataViewMemory0;
}

let cachedFloat64ArrayMemory0 = null;
function getFloat64ArrayMemory0() {
    if (cachedFloat64ArrayMemory0 === null || cachedFloat64ArrayMemory0.byteLength === 0) {
        cachedFloat64ArrayMemory0 = new Float64Array(wasm.memory.buffer);
    }
    return cachedFloat64ArrayMemory0;
}

function getStringFromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

function isLikeNone(x) {
    return x === undefined || x === null;
}

function passArray8ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 1, 1) >>> 0;
    getUint8ArrayMemory0().set(arg, ptr / 1);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArrayJsValueToWasm0(array, malloc) {
    const ptr = malloc(array.length * 4, 4) >>> 0;
    for (let i = 0; i < array.length; i++) {
        const add = addToExternrefTable0(array[i]);
        getDataViewMemory0().setUint32(ptr + 4 * i, add, true);
    }
    WASM_VECTOR_LEN = array.length;
    return ptr;
}

function passStringToWasm0(arg, malloc, realloc) {
    if (realloc === undefined) {
        const buf = cachedTextEncoder.encode(arg);
        const ptr = malloc(buf.length, 1) >>> 0;
        getUint8ArrayMemory0().subarray(ptr, ptr + buf.length).set(buf);
        WASM_VECTOR_LEN = buf.length;
        return ptr;
    }

    let len = arg.length;
    let ptr = malloc(len, 1) >>> 0;

    const mem = getUint8ArrayMemory0();

    let offset = 0;

    for (; offset < len; offset++) {
        const code = arg.charCodeAt(offset);
        if (code > 0x7F) break;
        mem[ptr + offset] = code;
    }
    if (offset !== len) {
        if (offset !== 0) {
            arg = arg.slice(offset);
        }
        ptr = realloc(ptr, len, len = offset + arg.length * 3, 1) >>> 0;
        const view = getUint8ArrayMemory0().subarray(ptr + offset, ptr + len);
        const ret = cachedTextEncoder.encodeInto(arg, view);

        offset += ret.written;
        ptr = realloc(ptr, len, offset, 1) >>> 0;
    }

    WASM_VECTOR_LEN = offset;
    return ptr;
}

function takeFromExternrefTable0(idx) {
    const value = wasm.__wbindgen_externrefs.get(idx);
    wasm.__externref_table_dealloc(idx);
    return value;
}

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(bytes) {
    numBytesDecoded += bytes.length;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
        cachedTextDecoder.decode();
        numBytesDecoded = bytes.length;
    }
    return cachedTextDecoder.decode(bytes);
}

const cachedTextEncoder = new TextEncoder();

if (!('encodeInto' in cachedTextEncoder)) {
    cachedTextEncoder.encodeInto = function (arg, view) {
        const buf = cachedTextEncoder.encode(arg);
        view.set(buf);
        return {
            read: arg.length,
            written: buf.length
        };
    };
}

let WASM_VECTOR_LEN = 0;

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedDataViewMemory0 = null;
    cachedFloat64ArrayMemory0 = null;
    cachedUint8ArrayMemory0 = null;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

let __wbg_init_promise;
async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;
    if (__wbg_init_promise === undefined) {
        __wbg_init_promise = __wbg_init_once(module_or_path);
        __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
    }
    return __wbg_init_promise;
}

async function __wbg_init_once(module_or_path) {

    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }


    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}

export { initSync, __wbg_init as default };
