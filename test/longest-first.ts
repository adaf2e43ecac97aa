/** The order of the test files: the longest ones first, so that at the end no worker waits long for another's last file. */
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/** What took over half a minute on two idle cores: `npm test` names the slowest. */
const LONG = ['e2e/chaos', 'e2e/matrix', 'e2e/client', 'e2e/documents', 'e2e/terminal', 'e2e/restart', 'e2e/kill', 'e2e/abandoned'].map((name) => `/test/${name}.test.ts`)

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((path) => moduleId.endsWith(path))
  return place === -1 ? LONG.length : place
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((left, right) => rank(left) - rank(right))
  }
}
