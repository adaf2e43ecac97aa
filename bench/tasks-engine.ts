// What the benchmark of tasks drives: an engine that makes durable work, runs it at once, and stores its result.

export const ENGINES = ['portolan', 'portolan-once', 'portolan-claimed', 'graphile', 'graphile-tuned'] as const
export type EngineName = (typeof ENGINES)[number]

/** Said by the engine's own process. */
export interface EngineWindow {
  readonly taskCount: number
  /** Until the last task was over and nothing was left to be written. */
  readonly elapsedMs: number
  /** Of the engine's own process. */
  readonly cpuUs: number
  /** From the call that makes a task to the first line of what it runs, ascending. */
  readonly startMs: readonly number[]
  /** From the call that makes a task until its result is stored, ascending. */
  readonly endMs: readonly number[]
}

export interface TaskEngine {
  /** Makes one, durably. Calls `started` where its work begins; resolves when the result is stored, durably. */
  run(id: string, callerKey: string, started: () => void): Promise<void>
  /** Resolves when nothing of tasks that are over is still to be written. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** So many bytes are asked and answered. */
const TEXT_BYTES = 400
export const REQUEST_ARGUMENT = 'a'.repeat(TEXT_BYTES)
export const RESULT_TEXT = JSON.stringify({ content: [{ type: 'text', text: 'r'.repeat(TEXT_BYTES) }] })

/** Callers that each make one task, wait until it is over, and make the next. */
export async function keepBusy(engine: TaskEngine, callerCount: number, seconds: number): Promise<EngineWindow> {
  return window(engine, async (one) => {
    const untilMs = performance.now() + seconds * 1_000
    const caller = async (at: number): Promise<void> => {
      while (performance.now() < untilMs) await one(`caller-${at}`)
    }
    await Promise.all(Array.from({ length: callerCount }, (_, at) => caller(at)))
  })
}

/** Makes tasks at a steady rate, whatever becomes of them. */
export async function keepRate(engine: TaskEngine, perSecond: number, seconds: number): Promise<EngineWindow> {
  return window(engine, async (one) => {
    const fromMs = performance.now()
    const all: Promise<void>[] = []
    while (all.length < perSecond * seconds) {
      const dueCount = Math.min(perSecond * seconds, Math.ceil(((performance.now() - fromMs) / 1_000) * perSecond))
      while (all.length < dueCount) all.push(one(`caller-${all.length % 64}`))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await Promise.all(all)
  })
}

let made = 0

async function window(engine: TaskEngine, drive: (one: (callerKey: string) => Promise<void>) => Promise<void>): Promise<EngineWindow> {
  const startMs: number[] = []
  const endMs: number[] = []
  const one = async (callerKey: string): Promise<void> => {
    const madeAtMs = performance.now()
    made += 1
    await engine.run(`bench-${process.pid}-${made}`, callerKey, () => startMs.push(performance.now() - madeAtMs))
    endMs.push(performance.now() - madeAtMs)
  }
  const cpuBefore = process.cpuUsage()
  const fromMs = performance.now()
  await drive(one)
  await engine.settle()
  const elapsedMs = performance.now() - fromMs
  const { user, system } = process.cpuUsage(cpuBefore)
  if (startMs.length !== endMs.length) throw new Error(`${startMs.length} tasks were begun and ${endMs.length} ended`)
  const ascending = (values: number[]): number[] => values.toSorted((left, right) => left - right)
  return { taskCount: endMs.length, elapsedMs, cpuUs: user + system, startMs: ascending(startMs), endMs: ascending(endMs) }
}
