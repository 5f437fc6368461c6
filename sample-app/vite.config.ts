import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The app with the library's sources, for `npm start`: in a second, since types are not checked. */
export default defineConfig({
  root: here('.'),
  resolve: { alias: [{ find: /^nestjs-synchro$/, replacement: here('../lib/index.ts') }] },
  ssr: { external: true },
  build: {
    ssr: here('main.ts'),
    outDir: here('../dist/start'),
    emptyOutDir: true,
    target: 'node20',
    sourcemap: true,
    // One module for each source: two classes of one name keep it.
    rolldownOptions: { output: { preserveModules: true, preserveModulesRoot: here('.') } },
  },
});
