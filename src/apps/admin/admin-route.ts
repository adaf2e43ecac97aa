/**
 * One route of the admin API: what it takes, what it answers and what it does, in one place. The routes are a table (`routes.ts`) of
 * which the framework, the OpenAPI document and the reference are made, so that none of them can say something else.
 */

import type { z } from 'zod'
import type { Random } from '../../core/random.ts'
import type { Clock } from '../../core/clock.ts'
import type { Ledger } from '../../core/audit/ledger.ts'
import type { Replica } from '../../core/replica/replica-store.ts'
import type { TaskOperations } from '../../core/task/task-operations.ts'
import type { ReloadReport } from '../gateway/config-change.ts'
import type { Log } from '../gateway/log.ts'
import type { ProcessStatus } from '../gateway/status.ts'
import type { Result } from '../../protocol/result.ts'
import type { Problem, ProblemCode } from './problem.ts'

/** What concerns all workers, where there are several. */
export interface WholeSource {
  status(): ProcessStatus | Promise<ProcessStatus>
  /** For Prometheus. */
  metrics(): string | Promise<string>
  /** Reads the configuration again. */
  reload(): ReloadReport | Promise<ReloadReport>
}

/** What of a running Portolan operators see and may do. */
export interface AdminSource extends WholeSource {
  /** Those alive; none where the state is shared with nobody. */
  replicas(): Promise<readonly Replica[]>
  readonly tasks: TaskOperations | undefined
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** `{}` for nothing. What is written while the client listens is `events`. */
export interface AdminAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
  readonly events?: ReadableStream<Uint8Array>
  /** For the ledger: the server that it was about. */
  readonly server?: string
}

export type AdminResult = AdminAnswer | { readonly problem: Problem }

export interface AdminCall {
  readonly source: AdminSource
  /** By their names in the path. */
  readonly params: Readonly<Record<string, string>>
  /** False once the operator was taken out. */
  readonly isStillWelcome: () => boolean
  /** The process ends. */
  readonly signal: AbortSignal
}

export interface AdminAnswerShape {
  readonly description: string
  /** `application/json`; not given: no content, or `type`. */
  readonly schema?: z.ZodType
  readonly type?: 'text/plain' | 'text/event-stream'
}

interface Described {
  /** `operationId`, and after `admin/` the method in the ledger. */
  readonly id: string
  readonly verb: 'get' | 'post' | 'delete'
  /** Below `/api/v1`, parameters in braces. */
  readonly path: string
  /** One sentence. */
  readonly summary: string
  /** By name, what it stands for. */
  readonly params: Readonly<Record<string, string>>
  /** By status. */
  readonly answers: Readonly<Record<number, AdminAnswerShape>>
  /** Besides those of every route. */
  readonly problems: readonly ProblemCode[]
}

interface Definition<Shape extends Readonly<Record<string, z.ZodType>>> extends Described {
  readonly query: z.ZodObject<Shape>
  /** Whether it leaves a record in the ledger: what changes something, or shows what users sent. */
  readonly isRecorded: boolean | ((query: z.infer<z.ZodObject<Shape>>) => boolean)
  run(call: AdminCall, query: z.infer<z.ZodObject<Shape>>): AdminResult | Promise<AdminResult>
}

export interface AdminRoute extends Described {
  /** By name. */
  readonly query: Readonly<Record<string, z.ZodType>>
  /** A call whose query is as it should be. */
  take(query: URLSearchParams): Result<{ readonly isRecorded: boolean; run(call: AdminCall): AdminResult | Promise<AdminResult> }, Problem>
}

/** One row of the table: whoever runs it has a query that its own schema has read. */
export function route<Shape extends Readonly<Record<string, z.ZodType>>>({ query: schema, isRecorded, run, ...described }: Definition<Shape>): AdminRoute {
  return {
    ...described,
    query: schema.shape,
    take(given) {
      const names = [...given.keys()]
      const twice = names.find((name, at) => names.indexOf(name) !== at)
      // Two parsers must never see two values.
      if (twice !== undefined) return { ok: false, fault: { code: 'invalid_params', detail: `${twice} is given twice: give it once` } }
      const read = schema.safeParse(Object.fromEntries(given))
      if (!read.success) return { ok: false, fault: { code: 'invalid_params', detail: detailOf(read.error) } }
      const query = read.data
      return { ok: true, value: { isRecorded: typeof isRecorded === 'function' ? isRecorded(query) : isRecorded, run: (call) => run(call, query) } }
    },
  }
}

function detailOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => (path.length === 0 ? message : `${String(path[0])}: ${message}`)).join('; ')
}
