import { describe, expect, it } from 'vitest'
import { METHODS } from '../../protocol/method.ts'
import type { MethodRow } from '../../protocol/method.ts'
import type { Era } from '../../protocol/revision.ts'
import { CARRIERS, carrierRow, isRemoved, localAnswer } from './carrier-table.ts'

const ERAS: readonly Era[] = ['legacy', 'modern']

/** The requests that a client of the era may send. */
function requestsOf(era: Era): string[] {
  return Object.entries<MethodRow>(METHODS)
    .filter(([, row]) => row[era]?.kind === 'request' && row[era].from.includes('client'))
    .map(([method]) => method)
    .toSorted()
}

const everyRequest = [...new Set(ERAS.flatMap(requestsOf))].toSorted()

describe('the carrier table', () => {
  it.each(ERAS)('has a row for every request of a client of either era, and no other: %s clients', (era) => {
    expect(Object.keys(CARRIERS[era]).toSorted()).toEqual(everyRequest)
  })

  it.each(ERAS)('refuses %s clients exactly what their era does not have', (era) => {
    expect(everyRequest.filter((method) => isRemoved(era, method))).toEqual(everyRequest.filter((method) => !requestsOf(era).includes(method)))
  })

  it('refuses modern clients what was removed', () => {
    expect(everyRequest.filter((method) => isRemoved('modern', method))).toEqual([
      'initialize', 'logging/setLevel', 'ping', 'resources/subscribe', 'resources/unsubscribe', 'tasks/list', 'tasks/result',
    ])
  })

  it('refuses legacy clients what did not exist', () => {
    expect(everyRequest.filter((method) => isRemoved('legacy', method))).toEqual(['server/discover', 'subscriptions/listen', 'tasks/update'])
  })

  it('carries within an era and translates between them', () => {
    const called = ['tools/call', 'prompts/get', 'resources/read', 'completion/complete']
    for (const method of called) {
      for (const client of ERAS) {
        for (const upstream of ERAS) expect(carrierRow(client, upstream, method)).toEqual({ kind: client === upstream ? 'carry' : 'translate' })
      }
    }
  })

  it('carries tasks within an era, and follows them between eras', () => {
    for (const method of ['tasks/get', 'tasks/cancel']) {
      for (const client of ERAS) {
        expect(carrierRow(client, client, method)).toEqual({ kind: 'carry' })
        expect(carrierRow(client, client === 'legacy' ? 'modern' : 'legacy', method)).toEqual({ kind: 'task' })
        expect(isRemoved(client, method)).toBe(false)
      }
    }
  })

  it('answers the same whatever the upstream speaks', () => {
    for (const client of ERAS) {
      for (const method of everyRequest) {
        const [legacy, modern] = ERAS.map((upstream) => carrierRow(client, upstream, method))
        if (legacy?.kind === 'answer' || modern?.kind === 'answer') expect(legacy).toEqual(modern)
      }
    }
    const answers = (client: Era): object => Object.fromEntries(everyRequest.flatMap((method) => {
      const by = localAnswer(client, method)
      return by === undefined ? [] : [[method, by]]
    }))
    const lists = { 'prompts/list': 'list', 'resources/list': 'list', 'resources/templates/list': 'list', 'skills/list': 'list', 'tools/list': 'list' }
    expect(answers('modern')).toEqual({ ...lists, 'server/discover': 'discover', 'subscriptions/listen': 'listen' })
    expect(answers('legacy')).toEqual({
      ...lists,
      initialize: 'initialize',
      'logging/setLevel': 'setLevel',
      ping: 'ping',
      'resources/subscribe': 'subscribe',
      'resources/unsubscribe': 'unsubscribe',
      'tasks/list': 'taskList',
    })
  })

  it.each(['x/unknown', 'constructor', '__proto__', '', 'notifications/progress'])('knows nothing of %j', (method) => {
    for (const client of ERAS) {
      expect(carrierRow(client, 'legacy', method)).toBeUndefined()
      expect(localAnswer(client, method)).toBeUndefined()
      expect(isRemoved(client, method)).toBe(false)
    }
  })
})
