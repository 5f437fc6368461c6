import { fileURLToPath } from 'node:url';
import { createViteServer } from 'vitest/node';

// `npm run test:mutations [-- <name>…]`. The rest is TypeScript, which the oldest Node of `engines` does not run itself.
const root = fileURLToPath(new URL('../../', import.meta.url));
const loader = await createViteServer({
  root,
  configFile: false,
  appType: 'custom',
  logLevel: 'error',
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, ws: false, watch: null },
});
const { testMutations } = await loader.ssrLoadModule('/test/mutations/run.ts');
await loader.close();
process.exitCode = await testMutations(root, process.argv.slice(2));
