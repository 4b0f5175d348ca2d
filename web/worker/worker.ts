// The service worker: hands what audio elements ask for to the page's engine, which has it verified. It decides nothing
// and keeps nothing; where the page does not answer, the request goes to the server as if this were not here.

import type { Answer, Asked, Pulled } from '../src/tab/asked';

const scope = self as unknown as ServiceWorkerGlobalScope;
/** How long the page may take to say whether it has a file: it says so from memory. */
const PATIENCE_MS = 500;

scope.addEventListener('install', () => void scope.skipWaiting());
scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener('fetch', (event) => {
  const { destination, method } = event.request;
  if (method === 'GET' && (destination === 'audio' || destination === 'video')) event.respondWith(answer(event));
});

/** In a page of somebody else's any page may have the engine: it says so when it registers this. */
const ANYWHERE = new URL(scope.location.href).searchParams.has('anywhere');

/** The player itself; other pages of a site have no engine. */
async function player(id: string): Promise<Client | undefined> {
  const client = id === '' ? undefined : await scope.clients.get(id);
  if (ANYWHERE) return client;
  const at = client === undefined ? '' : new URL(client.url).pathname;
  const root = new URL(scope.registration.scope).pathname;
  const isPlayer = at === root || at === `${root}player`;
  return isPlayer ? client : undefined;
}

async function answer({ request, clientId }: FetchEvent): Promise<Response> {
  const client = await player(clientId);
  if (client === undefined) return fetch(request);
  const { port1: port, port2 } = new MessageChannel();
  const asked: Asked = { url: request.url, range: request.headers.get('range') };
  const said = next<Answer>(port);
  client.postMessage(asked, [port2]);
  const found = await Promise.race([said, late()]);
  if (found === null) {
    port.close();
    return fetch(request);
  }
  const { start, end, size, type } = found;
  const headers = new Headers({ 'Content-Type': type, 'Content-Length': String(end - start), 'Accept-Ranges': 'bytes' });
  if (asked.range !== null) headers.set('Content-Range', `bytes ${start}-${end - 1}/${size}`);
  return new Response(body(port, request.url, found), { status: asked.range === null ? 200 : 206, headers });
}

const late = (): Promise<null> => new Promise((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));

const next = <T>(port: MessagePort): Promise<T> =>
  new Promise((resolve) => {
    port.onmessage = ({ data }) => resolve(data as T);
  });

/** Bytes from the page, as the element takes them; from the server from where on the page has no more. */
function body(port: MessagePort, url: string, { start, end }: NonNullable<Answer>): ReadableStream<Uint8Array> {
  let at = start;
  let plain: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
  const fromServer = async (): Promise<Pulled> => {
    if (plain === null) {
      const { status, body } = await fetch(url, { headers: { Range: `bytes=${at}-${end - 1}` } });
      if (status !== 206 || body === null) throw new Error('the server does not deliver it');
      plain = body.getReader();
    }
    return (await plain.read()).value ?? null;
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at >= end) {
          port.postMessage('stop');
          controller.close();
          return;
        }
        let piece: Pulled = null;
        if (plain === null) {
          const pulled = next<Pulled>(port);
          port.postMessage('pull');
          piece = await pulled;
        }
        piece ??= await fromServer();
        if (piece === null) throw new Error('the server does not deliver all of it');
        at += piece.length;
        controller.enqueue(piece);
      },
      cancel() {
        port.postMessage('stop');
        void plain?.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}
