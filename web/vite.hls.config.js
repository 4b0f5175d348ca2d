// Builds the npm package into hls/dist: one module, the engine beside it, and the service worker.
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  publicDir: false,
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
      output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js', assetFileNames: '[name]-[hash][extname]' },
    },
  },
});
