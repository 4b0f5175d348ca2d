// Loads modules of the pages for tests of their own, as Vite would for the browser.

import { createServer } from 'vite';

const server = await createServer({ server: { middlewareMode: true, hmr: false, ws: false, watch: null }, appType: 'custom', logLevel: 'error', optimizeDeps: { noDiscovery: true } });

export const load = (path) => server.ssrLoadModule(path);
export const close = () => server.close();
