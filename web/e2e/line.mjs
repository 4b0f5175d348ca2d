// A line before a server, which can be made slow, and cut. What goes to the supernode is let through all the same.

import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** Bytes that go through a slow line at once. */
const PIECE = 4096;

export async function lineTo(server) {
  const { hostname, port } = new URL(server);
  const open = new Set();
  let [rate, free, isCut, media] = [Infinity, 0, false, 0];
  const turn = async (bytes) => {
    const now = performance.now();
    free = Math.max(free, now) + (bytes / rate) * 1000;
    if (free > now) await new Promise((resolve) => setTimeout(resolve, free - now));
  };
  const paced = (isMedia) =>
    async function* (chunks) {
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += PIECE) {
          const piece = chunk.subarray(at, at + PIECE);
          await turn(piece.length);
          if (isMedia) media += piece.length;
          yield piece;
        }
      }
    };
  const line = createServer((asked, response) => {
    if (isCut) return asked.socket.destroy();
    const { method, headers, url: path } = asked;
    const onward = request({ hostname, port, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      // Who hangs up on either side ends it on the other.
      pipeline(answer, paced(path.endsWith('.m4s')), response).catch(() => {});
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    asked.pipe(onward);
  });
  line.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  line.on('upgrade', (asked, socket, head) => {
    open.delete(socket);
    const onward = connect(port, hostname, () => {
      const headers = asked.rawHeaders.flatMap((name, n) => (n % 2 === 0 ? [`${name}: ${asked.rawHeaders[n + 1]}`] : []));
      onward.write(`${[`GET ${asked.url} HTTP/1.1`, ...headers].join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const [one, other] of [[socket, onward], [onward, socket]]) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise((resolve) => line.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${line.address().port}/`,
    /** Bytes a second from here on. */
    slow: (bytes) => (rate = bytes),
    /** Nothing comes any more, of what is under way either. */
    cut: () => {
      isCut = true;
      open.forEach((socket) => socket.destroy());
    },
    /** Bytes of media that went through. */
    passed: () => media,
    close: () => {
      line.close();
      line.closeAllConnections();
    },
  };
}
