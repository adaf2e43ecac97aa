/** Which tools' calls become tasks that Portolan owns: what a configuration writes by glob, with its defaults filled in. */

import type { ToolTasks } from '../../core/gateway/snapshot.ts'
import { DEFAULTS } from './config-schema.ts'
import type { ServerOptions, ToolTaskOptions } from './config-schema.ts'

const FALLBACK = DEFAULTS.server.tasks['<name>']

/** In the order in which they are written: the first that matches counts. Undefined for none. */
export function toolTasksOf(written: ServerOptions['tasks']): readonly ToolTasks[] | undefined {
  const all = Object.entries(written ?? {})
  return all.length === 0 ? undefined : all.map(([pattern, options]) => compiled(pattern, options))
}

function compiled(pattern: string, options: ToolTaskOptions): ToolTasks {
  const { retry = {} } = options
  const fallback = FALLBACK.retry
  return {
    pattern,
    mode: options.task,
    adopt: options.adopt ?? FALLBACK.adopt,
    afterMs: options.taskAfterMs ?? FALLBACK.taskAfterMs,
    terms: {
      ttlMs: options.ttlMs ?? FALLBACK.ttlMs,
      retentionMs: options.retentionMs ?? FALLBACK.retentionMs,
      deadlineMs: options.deadlineMs ?? FALLBACK.deadlineMs,
      attemptMs: options.attemptMs ?? FALLBACK.attemptMs,
      maxAttempts: retry.attempts ?? fallback.attempts,
      retryOn: retry.on ?? fallback.on,
      retryCodes: retry.codes ?? fallback.codes,
      baseDelayMs: retry.baseMs ?? fallback.baseMs,
      maxDelayMs: retry.maxMs ?? fallback.maxMs,
      isRepeatable: options.repeatable ?? FALLBACK.repeatable,
    },
  }
}

/** The same as a configuration writes them. */
export function writtenTasks(tasks: readonly ToolTasks[] | undefined): Readonly<Record<string, ToolTaskOptions>> | undefined {
  return tasks === undefined ? undefined : Object.fromEntries(tasks.map((one) => [one.pattern, written(one)]))
}

function written({ mode, adopt = FALLBACK.adopt, afterMs, terms }: ToolTasks): ToolTaskOptions {
  const { ttlMs, retentionMs, deadlineMs, attemptMs, maxAttempts, retryOn, retryCodes, baseDelayMs, maxDelayMs, isRepeatable } = terms
  const on = retryOn.filter((reason) => reason !== 'code')
  return {
    task: mode, adopt, taskAfterMs: afterMs, ttlMs, retentionMs, deadlineMs, attemptMs, repeatable: isRepeatable,
    retry: { attempts: maxAttempts, on, codes: [...retryCodes], baseMs: baseDelayMs, maxMs: maxDelayMs },
  }
}
