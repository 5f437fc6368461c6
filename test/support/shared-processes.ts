/**
 * Test files that get a process of their own: they mock modules, replace loggers, variables or clocks, measure their
 * process, or begin first as they take long.
 *
 * All others run one after the other in the same processes, each with this project's modules evaluated anew
 * (fresh-modules.ts). NestJS, TypeORM and the like are loaded once; that is 0.8 s of CPU time for each file otherwise.
 */
export const ALONE: readonly string[] = `
  before-apply body-guards cli commonjs-host contract doctor embedded-postgres faults faults-instances fuzz-requests
  guards-identity guards-start honest-requests hooks hub instances kill logger-fails logger-option logging million-cascade
  million-rows oracle package poison-rows printable pull-consistency push-effects push-server-state push-split
  members readme-examples request-limits resolver-errors resolvers server-restart silent-network snapshot-own-pushes stream
  turns version-start`
  .trim()
  .split(/\s+/)
  .map((name) => `test/**/${name}.test.ts`);
