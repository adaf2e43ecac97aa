/** The matrix through nginx over three replicas, as tests: each cell as at one gateway, but for what the notes say of replicas. */
import { beforeAll, describe, expect, it } from 'vitest'
import { findPostgres } from '../services/postgres.ts'
import { GROUPS } from './behaviours.ts'
import { cellKey, runMatrix, seatKey, upstreamsOf } from './run.ts'
import type { Ended, Seat } from './run.ts'
import { startReplicatedSetting } from './setting.ts'
import { CLIENTS } from './clients.ts'

const postgres = await findPostgres()

/** Clients whose requests a balancer can give to any replica. */
export const BALANCED: readonly Seat[] = CLIENTS.filter(({ transport }) => transport !== 'stdio').map((client) => ({ client, hops: 1 }))

export interface ReplicatedMatrix {
  readonly seats: readonly Seat[]
  /** On the command line of each replica. */
  readonly args?: readonly string[]
  readonly limitMs: number
}

export function testReplicatedMatrix({ seats, args = [], limitMs }: ReplicatedMatrix): void {
  let results: ReadonlyMap<string, Ended> = new Map()
  beforeAll(async () => {
    const hasFar = seats.some(({ hops }) => hops > 1)
    const setting = await startReplicatedSetting({ databaseUrl: (await postgres?.newDatabase()) ?? '', hasFar, args })
    try {
      results = await runMatrix(GROUPS, seats, setting)
    } finally {
      if ([...results.values()].some(({ error }) => error !== undefined)) console.log(`The replicas said:\n${setting.near.stderr()}`)
      await setting.stop()
    }
  }, limitMs)

  describe.each(seats.map((seat) => [seatKey(seat), seat] as const))('the client %s', (_key, seat) => {
    it.each(GROUPS.flatMap((group) => group.behaviours.map((behaviour) => [behaviour.title, behaviour] as const)))('%s', (_title, behaviour) => {
      const ended = upstreamsOf(behaviour).map((upstream) => [upstream.title, results.get(cellKey(seat, upstream, behaviour))] as const)
      const wrong = ended.filter(([, one]) => one === undefined || one.error !== undefined)
      expect(wrong.map(([server, one]) => `at a server of ${server}: ${String(one?.error ?? 'not run')}`)).toEqual([])
    })
  })
}
