import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('.'),
  base: './',
  resolve: {
    // Plain React in the sources; React's DOM alone would be most of the page's budget of 80 KB.
    alias: [
      // The client's sources: the page needs no build of it.
      { find: /^nestjs-synchro-client$/, replacement: here('../../client/src/index.ts') },
      {
        find: /^nestjs-synchro-client\/indexeddb$/,
        replacement: here('../../client/src/indexeddb/index.ts'),
      },
      { find: /^react-dom\/client$/, replacement: 'preact/compat/client' },
      { find: /^react\/jsx-runtime$/, replacement: 'preact/jsx-runtime' },
      { find: /^react(-dom)?$/, replacement: 'preact/compat' },
    ],
  },
  build: {
    outDir: here('../../dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    rolldownOptions: { input: { page: here('index.html'), device: here('device.html') } },
  },
});
