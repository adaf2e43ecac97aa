/** The official test server of 2025-11-25, over stdio and over Streamable HTTP. */
import { expect } from 'vitest'
import { askTask, hasNoTasks, startTask } from './behaviours-task.ts'
import type { Group } from './cell.ts'
import { eventually, textOf } from './cell.ts'

export const EVERYTHING: Group = {
  title: 'server-everything',
  behaviours: [
    {
      id: 'e-calls', title: 'calls', spec: '2025-11-25/server/tools', server: 'everything',
      async run(at) {
        expect(textOf(await at.call('echo', { message: 'ça va?\u2028' }))).toBe('Echo: ça va?\u2028')
        expect(textOf(await at.call('get-sum', { a: 2, b: 0.5 }))).toContain('2.5')
        expect((await at.call('get-structured-content', { location: 'Chicago' })).result?.['structuredContent']).toMatchObject({ conditions: expect.any(String) })
        expect(await at.call('get-tiny-image')).toMatchObject({ result: { content: expect.arrayContaining([expect.objectContaining({ type: 'image' })]) } })
      },
    },
    {
      id: 'e-reads', title: 'resources, prompts, completion', spec: '2025-11-25/server', server: 'everything',
      async run({ driver, name, uri }) {
        expect(JSON.stringify(await driver.request('resources/read', { uri: uri('demo://resource/dynamic/text/3') }))).toContain('Resource 3')
        expect(JSON.stringify(await driver.request('prompts/get', { name: name('args-prompt'), arguments: { city: 'Oslo' } }))).toContain('Oslo')
        const params = { ref: { type: 'ref/prompt', name: name('completable-prompt') }, argument: { name: 'department', value: 'S' } }
        expect(await driver.request('completion/complete', params)).toMatchObject({ result: { completion: { values: ['Sales', 'Support'] } } })
      },
    },
    {
      id: 'e-progress', title: 'progress', spec: '2025-11-25/basic/utilities/progress', server: 'everything',
      async run(at) {
        const run = (): Promise<unknown> => at.call('trigger-long-running-operation', { duration: 0.2, steps: 4 }, { progress: true })
        await run()
        if (at.driver.asked.length > 0) {
          // This server asks for the roots some time after the handshake; while a call waits for input its progress is dropped.
          at.driver.heard.length = 0
          await run()
        }
        const progress = at.driver.heard.filter(({ method }) => method === 'notifications/progress').map(({ params }) => params['progress'])
        expect(progress).toEqual([1, 2, 3, 4])
      },
    },
    {
      id: 'e-sampling', title: 'sampling', spec: '2025-11-25/client/sampling', server: 'everything',
      async run(at) {
        expect(textOf(await at.call('trigger-sampling-request', { prompt: 'Capital of France?' }))).toContain('Paris')
        expect(at.driver.asked).toContain('sampling/createMessage')
      },
    },
    {
      id: 'e-form', title: 'a form', spec: '2025-11-25/client/elicitation', server: 'everything',
      otherwise: ({ client }) => (client.revision < '2025-06-18' ? { note: 'elicitation.form' } : undefined),
      run: async (at) => expect(textOf(await at.call('trigger-elicitation-request'))).toContain('Ada'),
    },
    {
      id: 'e-roots', title: 'roots', spec: '2025-11-25/client/roots', server: 'everything',
      run: async (at) => expect(textOf(await at.call('get-roots-list'))).toContain('file:///work'),
    },
    {
      id: 'e-roots-changed', title: 'roots that changed are asked for again', spec: '2025-11-25/client/roots#root-list-changes', server: 'everything',
      otherwise: ({ client, isMerged, isTurning }) => (client.era === 'modern' || isTurning ? { note: 'no-roots-changed' } : isMerged ? { note: 'one-pipe' } : undefined),
      async run(at) {
        await at.call('echo', { message: 'open' })
        at.driver.asked.length = 0
        await at.driver.notify('notifications/roots/list_changed')
        await eventually('the server asks for the roots', () => at.driver.asked.includes('roots/list'))
      },
    },
    {
      id: 'e-tasks', title: 'tasks: made, looked at, cancelled', spec: '2025-11-25/basic/utilities/tasks', server: 'everything',
      otherwise: hasNoTasks,
      async run(at) {
        const taskId = await startTask(at, 'simulate-research-query', { topic: 'bridges' })
        expect(await askTask(at, 'tasks/get', taskId)).toMatchObject({ taskId, status: 'working' })
        expect(await askTask(at, 'tasks/cancel', taskId)).toEqual(expect.any(Object))
        expect(await askTask(at, 'tasks/get', taskId)).toMatchObject({ taskId, status: 'cancelled' })
      },
    },
  ],
}
