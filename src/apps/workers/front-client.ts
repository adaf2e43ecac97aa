/** A worker asks its supervisor for what concerns all workers: an operator who came to one of them over HTTP asked the whole Portolan. */

import type { WholeSource } from '../admin/admin-route.ts'
import type { ReloadReport } from '../gateway/config-change.ts'
import type { ProcessStatus } from '../gateway/status.ts'
import { answerOf } from './socket-answer.ts'

/** Beyond what the front waits for its workers. */
const ANSWER_MS = 60_000

/** `socketPath`: where operators reach all workers. Everything rejects where nobody answers there. */
export function askFront(socketPath: string): WholeSource {
  return {
    status: async (): Promise<ProcessStatus> => JSON.parse(await answerOf(socketPath, 'GET', '/api/v1/status', ANSWER_MS)),
    metrics: () => answerOf(socketPath, 'GET', '/api/v1/metrics', ANSWER_MS),
    reload: async (): Promise<ReloadReport> => JSON.parse(await answerOf(socketPath, 'POST', '/api/v1/reload', ANSWER_MS)),
  }
}
