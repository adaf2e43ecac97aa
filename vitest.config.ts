import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

// The tests start hundreds of Node.js processes. With this, all but the first find their modules compiled, which halves the
// processor time of a start: 0.7 s in place of 1.5 s for `portolan up` from source, 0.4 s compiled (test/compiled.ts).
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/node', import.meta.url))

/**
 * Tiers: `unit` sits beside the source and in test/ (seconds); `e2e` starts real processes and sockets (minutes); `long` is what
 * `npm run test:long` adds. Tests wait as much as they compute: on two cores three files run at once, so each takes ports and
 * folders of its own; with two, a fifth of the processors' time was idle. Databases and brokers are started once for a run, when
 * a test asks (test/services/).
 */
const EACH = {
  globalSetup: ['test/services/global-setup.ts'],
  // What is waited for comes at once on an idle machine. A limit says only that it will never come.
  expect: { poll: { timeout: 15_000 } },
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...EACH, name: 'unit', include: ['src/**/*.test.ts', 'test/*.test.ts', 'test/pins/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 30_000, maxWorkers: 3 } },
      { test: { ...EACH, name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, maxWorkers: 3 } },
      { test: { ...EACH, name: 'long', include: ['test/long/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 60_000, fileParallelism: false } },
    ],
  },
})
