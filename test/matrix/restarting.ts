/** The matrix while three replicas are ended by SIGTERM and started again, one after the other, until every cell was run. */
import { expect } from 'vitest'
import { GROUPS } from './behaviours.ts'
import { patience, UPSTREAMS } from './cell.ts'
import type { Group } from './cell.ts'
import { CUT, lossOf, textOf } from './drain.ts'
import { cellKey, openMatrix, upstreamsOf } from './run.ts'
import type { Seat } from './run.ts'
import { startReplicatedSetting } from './setting.ts'
import type { Replicated } from './setting.ts'

export interface Restarted {
  readonly restarts: number
  readonly cells: number
  /** Cells that a drain ended, by why, and that were well in the same connection afterwards. */
  readonly ended: Readonly<Record<string, readonly string[]>>
  /** What no drain excuses, or was not well afterwards. */
  readonly wrong: readonly string[]
}

/** Of all cells, so many may have been ended by a drain. */
const ENDED_FRACTION = 0.03

/** Nothing wrong; what a drain ended is little, and connections that were cut are fewer than restarts. */
export function judgeRestarted({ restarts, cells, ended, wrong }: Restarted): void {
  console.info(`${restarts} restarts during ${cells} cells ended ${JSON.stringify(ended, undefined, 1)}`)
  expect(wrong).toEqual([])
  expect(restarts).toBeGreaterThanOrEqual(3)
  expect(Object.values(ended).flat().length).toBeLessThanOrEqual(Math.ceil(cells * ENDED_FRACTION))
  expect((ended[CUT] ?? []).length).toBeLessThanOrEqual(restarts)
}

async function restart({ near: { members } }: Replicated, run: { isOver: boolean }): Promise<number> {
  for (let restarts = 0; ; restarts += 1) {
    const member = members[restarts % members.length]
    if (member === undefined || (run.isOver && restarts >= members.length)) return restarts
    expect(await member.end('SIGTERM')).toBe(0)
    await member.start()
  }
}

/** Children and sessions are opened again in the middle of a cell. */
const PATIENCE = 4

export interface Restarting {
  readonly databaseUrl: string
  /** On the command line of each replica. */
  readonly args?: readonly string[]
  readonly seats: readonly Seat[]
  readonly groups?: readonly Group[]
}

export async function runRestarting({ databaseUrl, args = [], seats, groups = GROUPS }: Restarting): Promise<Restarted> {
  const setting = await startReplicatedSetting({ databaseUrl, args, hasFar: false })
  const matrix = openMatrix(groups, seats, setting)
  patience.factor = PATIENCE
  try {
    const state = { isOver: false }
    const restarting = restart(setting, state)
    const results = new Map(await matrix.all())
    state.isOver = true
    const restarts = await restarting
    const ended: Record<string, string[]> = {}
    const wrong: string[] = []
    for (const seat of seats) for (const behaviour of groups.flatMap((group) => group.behaviours)) for (const upstream of UPSTREAMS) {
      if (!upstreamsOf(behaviour).includes(upstream)) continue
      const key = cellKey(seat, upstream, behaviour)
      const error = results.get(key)?.error
      if (error === undefined && results.has(key)) continue
      const why = lossOf(seat, upstream, behaviour, error)
      const again = await matrix.cell(seat, upstream, behaviour)
      if (why !== undefined && again.error === undefined) (ended[why] ??= []).push(`${key}: ${textOf(error)}`)
      else wrong.push(`${key}: ${textOf(error)}${again.error === undefined ? '' : `; afterwards: ${textOf(again.error)}`}`)
    }
    if (wrong.length > 0) console.log(`The replicas said:\n${setting.near.stderr()}`)
    return { restarts, cells: results.size, ended, wrong }
  } finally {
    patience.factor = 1
    await matrix.close()
    await setting.stop()
  }
}
