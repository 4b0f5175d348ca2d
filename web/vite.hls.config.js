// Builds the npm package into hls/dist: one module, the engine beside it, and the service worker.
import { defineConfig } from 'vite';
import { engine } from './vite.engine.js';

export default defineConfig({
  base: './',
  publicDir: false,
  worker: { ...engine, rolldownOptions: { output: { entryFileNames: '[name]-[hash].js' } } },
  build: {
    outDir: 'hls/dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    target: 'es2022',
    rolldownOptions: {
      input: { 'nearcast-hls': 'hls/index.ts', worker: 'worker/worker.ts' },
      external: ['hls.js'],
      // What the engine's part shares with the entry stays in it: a file of its own would be a round trip before every start.
      preserveEntrySignatures: 'allow-extension',
      // Comments that tell bundlers to leave an address alone stay.
      output: { comments: { annotation: true, jsdoc: false }, entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js', assetFileNames: '[name]-[hash][extname]' },
    },
  },
});
