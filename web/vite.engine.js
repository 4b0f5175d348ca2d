// How the engine's worker is built: a file of its own without others behind it, which a page can load as well.
export const engine = {
  format: 'es',
  plugins: () => [{ name: 'exported', options: (options) => ({ ...options, preserveEntrySignatures: 'strict' }) }],
};
