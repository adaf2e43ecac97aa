/** `limits` of the `portolan` object, as a zod schema, with the sentence of each that docs/configuration.md shows; and the bounds of any limit. */

import { z } from 'zod'
import type { Limits } from '../../core/gateway/snapshot.ts'

const LIMIT_TEXTS: Readonly<Record<keyof Limits, string>> = {
  headerBytes: 'All request headers together, in bytes; beyond: 431',
  bodyBytes: 'One request body, in bytes; beyond: 413',
  jsonDepth: 'How deeply the JSON of a message may be nested',
  resultBytes: 'A result that is rewritten, or comes as one event or line, in bytes; other JSON of HTTP servers has no cap',
  headerTimeoutMs: 'Until all headers of a request have arrived, in milliseconds',
  bodyTimeoutMs: 'Until the whole body of a request has arrived, in milliseconds; beyond: 408',
  streamsPerPrincipal: 'Open streams of one principal',
  sessionsPerPrincipal: 'Live sessions of one principal',
  exchanges: 'Requests in flight in one process; beyond: 503 with Retry-After',
  exchangesPerPrincipal: 'Requests of one principal in flight; beyond: 429 with Retry-After',
  sessionIdleMs: 'After this long without a request a session ends, in milliseconds',
  requestStateMs: 'How long a client that was asked for input may take to come back with it, in milliseconds',
  inputYieldMs: 'After this long a call that waits for its client\'s input gives way to the next call of that client for which there is no room, in milliseconds',
  childrenPerUpstream: 'Child processes of one stdio server',
  childrenPerPrincipal: 'Child processes of one server that one principal has to itself',
  childrenPerHost: 'Child processes of all stdio servers together',
  childIdleMs: 'After this long without use a child process is stopped, in milliseconds',
  childQueueMs: 'How long a call waits for a child process when a cap is reached, in milliseconds; then 503',
  bufferedEvents: 'Events that one session keeps for clients that resume',
  bufferedEventBytes: 'The same, in bytes',
  bufferedEventAgeMs: 'The same, in milliseconds',
  tasksPerPrincipal: 'Tasks of one principal that Portolan owns and that have not ended; beyond: 503 with Retry-After',
  keptTasksPerPrincipal: 'The same with those whose results are kept',
  taskBytesPerPrincipal: 'Requests, questions, answers and results of one principal\'s tasks, in bytes',
  taskAttempts: 'Tasks that one replica tries at a time; beyond: they wait',
  taskAttemptsPerPrincipal: 'The same of one principal, who never has more than are free beside his own',
}

/** The longest time and the largest number that any limit takes: setTimeout and buffers go no further. */
export const MAX_LIMIT = 2 ** 31 - 1
const limit = (key: keyof Limits, max = MAX_LIMIT) => z.int().min(1).max(max).optional().describe(LIMIT_TEXTS[key])

/** A bucket that fills so slowly that nothing but its burst is ever let through is a mistake. */
export const perSec = z.number().min(0.001).max(1_000_000)
export const burst = z.int().min(1).max(1_000_000).optional()

export const limits = z.strictObject({
  headerBytes: limit('headerBytes'),
  bodyBytes: limit('bodyBytes'),
  // The scanner recurses: 1,000 levels are far from the end of the stack.
  jsonDepth: limit('jsonDepth', 1_000),
  resultBytes: limit('resultBytes'),
  headerTimeoutMs: limit('headerTimeoutMs'),
  bodyTimeoutMs: limit('bodyTimeoutMs'),
  streamsPerPrincipal: limit('streamsPerPrincipal'),
  sessionsPerPrincipal: limit('sessionsPerPrincipal'),
  exchanges: limit('exchanges'),
  exchangesPerPrincipal: limit('exchangesPerPrincipal'),
  sessionIdleMs: limit('sessionIdleMs'),
  requestStateMs: limit('requestStateMs'),
  inputYieldMs: limit('inputYieldMs'),
  childrenPerUpstream: limit('childrenPerUpstream'),
  childrenPerPrincipal: limit('childrenPerPrincipal'),
  childrenPerHost: limit('childrenPerHost'),
  childIdleMs: limit('childIdleMs'),
  childQueueMs: limit('childQueueMs'),
  bufferedEvents: limit('bufferedEvents'),
  bufferedEventBytes: limit('bufferedEventBytes'),
  bufferedEventAgeMs: limit('bufferedEventAgeMs'),
  tasksPerPrincipal: limit('tasksPerPrincipal'),
  keptTasksPerPrincipal: limit('keptTasksPerPrincipal'),
  taskBytesPerPrincipal: limit('taskBytesPerPrincipal'),
  taskAttempts: limit('taskAttempts'),
  taskAttemptsPerPrincipal: limit('taskAttemptsPerPrincipal'),
  ratePerPrincipal: z
    .strictObject({
      perSec: perSec.describe('Requests a second of one principal, for a long time; may be a fraction; beyond: 429 with Retry-After'),
      burst: burst.describe('So many of them at once; not given: those of one second'),
    })
    .optional(),
} satisfies Record<keyof Limits | 'ratePerPrincipal', z.ZodType>)
