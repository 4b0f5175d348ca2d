// Builds the pages into web/dist, which is committed and embedded in the program: users need no Node.
import { defineConfig } from 'vite';

const NAMED = ['worker', 'nearcast'];

export default defineConfig({
  // Relative addresses: the page is served at the root of a gateway and in any folder of a web server.
  base: './',
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
