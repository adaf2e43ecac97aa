/** The order of the test files: the longest ones first, so that at the end no worker waits long for another's last file. */
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/** What takes over half a minute; `npm test` names the slowest at its end. */
const LONG = [
  'client', 'chaos', 'matrix', 'documents', 'kill', 'versions', 'terminal', 'restart', 'config-edit', 'matrix-restart', 'matrix-cluster',
  'official-client-suite', 'official-suite-through', 'tasks-official', 'input-across', 'abandoned',
].map((name) => `/test/e2e/${name}.test.ts`)

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((path) => moduleId.endsWith(path))
  return place === -1 ? LONG.length : place
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((left, right) => rank(left) - rank(right))
  }
}
