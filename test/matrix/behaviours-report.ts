/** What comes while a call runs, how a call ends before its time, and what a server announces by itself. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { At, Cell, Group } from './cell.ts'
import { eventually, sleep, textOf } from './cell.ts'

const CANCEL_LIMIT_MS = 1_000
const QUIET_MS = 150
const QUIET_LIMIT_MS = 1_000

const progressOf = ({ driver }: At): number[] => driver.heard.filter(({ method }) => method === 'notifications/progress').map(({ params }) => Number(params['progress']))
const levelsOf = ({ driver }: At): string[] => driver.heard.filter(({ method }) => method === 'notifications/message').map(({ params }) => String(params['level']))

let lastKey = 0

/** A call of the fixture that lasts until it is cancelled, begun at the server. */
async function begin(at: At, how: 'signal' | 'gone'): Promise<{ readonly abort: () => void; readonly ended: Promise<unknown>; readonly noted: () => string }> {
  const key = `${at.cell.client.id}-${at.cell.hops}-${at.cell.upstream.id}-${(lastKey += 1)}`
  const path = join(at.notesPath, key)
  const controller = new AbortController()
  const ended = at.call('wait', { key }, { [how]: controller.signal })
  await eventually('the call begins', () => existsSync(`${path}-begun`))
  return { abort: () => controller.abort(), ended, noted: () => (existsSync(path) ? readFileSync(path, 'utf8') : '') }
}

/** What a server sees of a cancelled call: a closed request in 2026-07-28 over HTTP, else a notification. */
const sign = ({ cell }: At): string => (cell.upstream.id === 'mh' ? 'closed ' : 'notification ')

const LIST_CHANGES = ['notifications/tools/list_changed', 'notifications/prompts/list_changed', 'notifications/resources/list_changed']
const changesOf = ({ driver }: At): Set<string> => new Set(driver.heard.map(({ method }) => method).filter((method) => LIST_CHANGES.includes(method)))

async function triggerChanges(at: At): Promise<void> {
  for (const list of ['tool', 'prompt', 'resource']) await at.call(`test_trigger_${list}_change`)
}

export const REPORTS: Group = {
  title: 'While a call runs',
  behaviours: [
    {
      id: 'progress', title: 'progress: all of it, in order, before the response', spec: '2025-11-25/basic/utilities/progress', server: 'reference',
      async run(at) {
        await at.call('test_burst', { count: 50, bytes: 10 }, { progress: true })
        expect(progressOf(at)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
        const methods = at.driver.heard.map(({ method }) => method)
        expect(methods.lastIndexOf('notifications/progress')).toBeLessThan(methods.lastIndexOf(''))
      },
    },
    {
      id: 'no-token', title: 'no progress without a token', spec: '2025-11-25/basic/utilities/progress', server: 'reference',
      async run(at) {
        expect(textOf(await at.call('test_tool_with_progress'))).toBe('no-progress-token')
        expect(progressOf(at)).toEqual([])
      },
    },
    {
      id: 'no-level', title: 'no log messages before a level was asked for', spec: '2026-07-28/server/utilities/logging', server: 'reference',
      otherwise: ({ client, upstream, isMerged }) => (client.era === 'legacy' && (upstream.era === 'legacy' || isMerged) ? { note: 'server-decides' } : undefined),
      async run(at) {
        await at.call('test_logging_tool')
        expect(levelsOf(at)).toEqual([])
      },
    },
    {
      id: 'level', title: 'log messages at the level that was asked for', spec: '2025-11-25/server/utilities/logging', server: 'reference', alone: true,
      async run(at) {
        await at.driver.setLevel('info')
        await at.call('test_logging_tool')
        await eventually(`info and error: ${levelsOf(at).join()}`, () => levelsOf(at).length >= 2)
        expect(levelsOf(at)).toEqual(['info', 'error'])
        await at.driver.setLevel('')
      },
    },
    {
      id: 'cancel', title: 'cancellation reaches the server within a second', spec: '2025-11-25/basic/utilities/cancellation', server: 'fixture', alone: true,
      async run(at) {
        const { abort, ended, noted } = await begin(at, 'signal')
        abort()
        await eventually('the server hears of it', () => noted() !== '', CANCEL_LIMIT_MS)
        await ended
        expect(noted()).toBe(sign(at))
      },
    },
    {
      id: 'gone', title: 'a client that goes away has cancelled (2026-07-28), or not (2025-11-25)', spec: '2026-07-28/basic/patterns/cancellation', server: 'fixture', alone: true,
      otherwise: ({ client }) => (client.kind === 'raw' ? undefined : { note: 'official' }),
      async run(at) {
        const { abort, noted } = await begin(at, 'gone')
        abort()
        if (at.cell.client.era === 'modern') await eventually('the server hears of it', () => noted() !== '', CANCEL_LIMIT_MS)
        else await sleep(QUIET_MS)
        expect(noted()).toBe(at.cell.client.era === 'modern' ? sign(at) : '')
      },
    },
    {
      id: 'resume', title: 'a stream that broke is taken up again; nothing is lost or comes twice', spec: '2025-11-25/basic/transports#resumability-and-redelivery', server: 'reference',
      otherwise: ({ client }) => (client.id === 'raw-legacy' ? undefined : { note: client.era === 'modern' ? 'no-resumption' : 'resumption' }),
      async run(at) {
        const drop = new AbortController()
        const call = at.call('test_wait', { milliseconds: 400, steps: 4 }, { progress: true, drop: drop.signal })
        let hasEnded = false
        void call.then(() => (hasEnded = true))
        await eventually('some progress', () => progressOf(at).length >= 1 || hasEnded)
        drop.abort()
        expect(textOf(await call)).toBe('Waited 400 ms')
        expect(progressOf(at)).toEqual([1, 2, 3, 4])
      },
    },
    {
      id: 'server-closes', title: 'a stream that the server closes is taken up by Portolan', spec: '2025-11-25/basic/transports#sending-messages-to-the-server', server: 'reference',
      run: async (at) => expect(textOf(await at.call('test_reconnection'))).toContain('successfully'),
    },
    {
      id: 'news', title: 'notifications that nobody knows, on the call\'s own stream', spec: '2025-11-25/basic#notifications', server: 'fixture', alone: true,
      otherwise: ({ upstream }) => (upstream.id === 'ms' ? { note: 'whose' } : undefined),
      async run(at) {
        const news = (): unknown => at.driver.heard.find(({ method }) => method === 'notifications/vendor/news')?.params
        expect(textOf(await at.call('notify'))).toBe('told')
        await eventually('the news', () => news() !== undefined, QUIET_LIMIT_MS)
        expect(news()).toMatchObject({ headline: 'kept' })
      },
    },
  ],
}

const updatesOf = ({ driver, plainUri }: At): string[] =>
  driver.heard.filter(({ method }) => method === 'notifications/resources/updated').flatMap(({ params }) => plainUri(String(params['uri'])) ?? [])
const ownUri = ({ cell }: At) => (name: string): string => `test://template/${cell.client.id}-${cell.hops}-${name}/data`

/** What comes to the replicas in 2026-07-28 goes to the child of each in turn; one of them is subscribed. */
const hasUnheardChildren = ({ client, upstream, isReplicated, isTurning }: Cell): boolean => isReplicated && upstream.isChild && (client.era === 'modern' || isTurning)

/** Nobody listens afterwards, however it ends. */
async function watchingLists({ driver }: At, run: () => Promise<void>): Promise<void> {
  const stop = await driver.watch({ lists: true })
  await run().finally(stop)
}

async function hearsListsOfOneChild(at: At): Promise<void> {
  await watchingLists(at, async () => {
    at.driver.heard.length = 0
    await eventually('all three', async () => {
      await triggerChanges(at)
      return changesOf(at).size === 3
    })
  })
}

async function hearsOneChild(at: At): Promise<void> {
  const uri = ownUri(at)('watched')
  const stop = await at.driver.watch({ uri: at.uri(uri) })
  await eventually('the update', async () => {
    await at.call('test_trigger_resource_update', { uri })
    return updatesOf(at).includes(uri)
  })
  await stop()
}

export const ANNOUNCEMENTS: Group = {
  title: 'Announcements',
  behaviours: [
    {
      id: 'updates', title: 'updates of a resource that was asked for, and of no other, until that ends', spec: '2025-11-25/server/resources#subscriptions', server: 'reference',
      otherwise: (cell) => (hasUnheardChildren(cell) ? { note: 'each-child', run: hearsOneChild } : undefined),
      async run(at) {
        const own = ownUri(at)
        const updates = (): string[] => updatesOf(at)
        const stop = await at.driver.watch({ uri: at.uri(own('watched')) })
        try {
          await at.call('test_trigger_resource_update', { uri: own('other') })
          await at.call('test_trigger_resource_update', { uri: own('watched') })
          await eventually('the update', () => updates().length > 0)
        } finally {
          // Else a cell that is run once more hears each update for both times.
          await stop()
        }
        await at.call('test_trigger_resource_update', { uri: own('watched') })
        await sleep(QUIET_MS)
        const told = updates().filter((uri) => uri.includes(`${at.cell.client.id}-${at.cell.hops}-`))
        expect([...new Set(told)]).toEqual([own('watched')])
        // Others come and go: a listen that replaces another may tell again what was told just before it was acknowledged, so that nothing is lost (src/core/bridge/overlap.ts).
        expect(told.length).toBeLessThanOrEqual(at.cell.hops > 1 ? 2 : 1)
      },
    },
    {
      id: 'list-changes', title: 'changes of the lists of tools, prompts and resources', spec: '2025-11-25/server/tools#list-changed-notification', server: 'reference', alone: true,
      otherwise: (cell) => (hasUnheardChildren(cell) && cell.upstream.era === 'modern' ? { note: 'each-child', run: hearsListsOfOneChild } : undefined),
      async run(at) {
        await watchingLists(at, async () => {
          await sleep(QUIET_MS)
          at.driver.heard.length = 0
          await triggerChanges(at)
          await eventually(`all three: ${[...changesOf(at)].join()}`, () => changesOf(at).size === 3)
        })
        await triggerChanges(at)
      },
    },
    {
      id: 'not-asked', title: 'no list changes for a client that did not ask', spec: '2026-07-28/basic/patterns/subscriptions', server: 'reference', alone: true,
      otherwise: ({ client }) => (client.era === 'legacy' ? { note: 'always-told' } : undefined),
      async run(at) {
        await sleep(QUIET_MS)
        at.driver.heard.length = 0
        await triggerChanges(at)
        await sleep(QUIET_MS)
        expect(changesOf(at)).toEqual(new Set())
        await triggerChanges(at)
      },
    },
  ],
}
