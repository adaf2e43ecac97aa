// The load generator as run.ts sees it: give it a job, read the meters while nothing is in flight, let it go, read again.
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { OTHER_CORE } from './contenders.ts'
import type { LoadAnswer, LoadCommand, LoadJob, LoadResult } from './load-job.ts'
import type { Keeper } from './proc.ts'

export type LoadProcess = {
  /** Runs one job; `beforeGo` runs between warm-up and measurement. Rejects with an Error that says what was wrong. */
  run(job: LoadJob, beforeGo: () => void): Promise<LoadResult>
}

/** Starts the load process, pinned away from the contenders. */
export function startLoad(keeper: Keeper, root: string): LoadProcess {
  const { child, exited } = keeper.start({ command: process.execPath, args: [join(root, 'bench/load.ts')], core: OTHER_CORE })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('the load process has no pipes')
  let onAnswer: ((answer: LoadAnswer) => void) | null = null
  stdin.on('error', () => undefined)
  createInterface({ input: stdout }).on('line', (line) => onAnswer?.(JSON.parse(line) as LoadAnswer))
  void exited.then(() => onAnswer?.({ type: 'failed', reason: 'the load process ended' }))
  const tell = (command: LoadCommand): void => void stdin.write(`${JSON.stringify(command)}\n`)
  return {
    run(job, beforeGo) {
      return new Promise((resolve, reject) => {
        onAnswer = (answer) => {
          if (answer.type === 'warm') {
            beforeGo()
            tell({ type: 'go' })
          } else if (answer.type === 'done') resolve(answer.result)
          else reject(new Error(answer.reason))
        }
        tell({ type: 'job', job })
      })
    },
  }
}
