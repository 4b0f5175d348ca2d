// Builds the pages into web/dist, which is committed and embedded in the program: users need no Node.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { defineConfig } from 'vite';
import { engine } from './vite.engine.js';

/** Below this a file is sent as it is. */
const LEAST_BYTES = 1024;

/** Puts what the pages load beside it once more, compressed: the best takes too long for a server that starts. */
const squeezed = {
  name: 'squeezed',
  writeBundle({ dir }) {
    const page = join(dir, 'page');
    for (const name of readdirSync(page)) {
      const plain = readFileSync(join(page, name));
      if (plain.length >= LEAST_BYTES) writeFileSync(join(page, `${name}.br`), brotliCompressSync(plain));
    }
  },
};

const NAMED = ['worker', 'nearcast'];

export default defineConfig({
  // Relative addresses: the page is served at the root of a gateway and in any folder of a web server.
  base: './',
  plugins: [squeezed],
  worker: engine,
  build: {
    outDir: 'dist',
    assetsDir: 'page',
    emptyOutDir: true,
    // Everything comes from the same origin; an inlined asset would need `data:` in the content policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    rolldownOptions: {
      input: { index: 'index.html', dashboard: 'dashboard.html', worker: 'worker/worker.ts', nearcast: 'src/embed/script.ts' },
      preserveEntrySignatures: 'exports-only',
      // A service worker has no part in what lies above its own folder, and keeps its name; so does what pages of others
      // load.
      output: { entryFileNames: ({ name }) => (NAMED.includes(name) ? '[name].js' : 'page/[name]-[hash].js') },
    },
  },
});
