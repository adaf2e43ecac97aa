/** What a server asks of a client in the middle of a call, and how the client answers. */
import { expect } from 'vitest'
import { inputKnownTo } from '../../src/protocol/capability.ts'
import type { InputCapability } from '../../src/protocol/capability.ts'
import type { At, Behaviour, Cell, Group, Otherwise, ServerKind } from './cell.ts'
import { eventually, isAcross, olderOf, textOf } from './cell.ts'
import type { Answerer, Json } from './client.ts'
import { acceptAll } from './client.ts'

const PARALLEL = 4

/** A question for which the client's revision has no words: the server is refused, and says so. */
function lacks(needed: InputCapability, ask: (at: At) => Promise<unknown>) {
  return (cell: Cell): Otherwise | undefined => {
    if (inputKnownTo(olderOf(cell)).has(needed)) return undefined
    return {
      note: needed,
      async run(at) {
        await ask(at)
        expect(at.driver.asked.filter((method) => method === 'elicitation/create')).toEqual([])
      },
    }
  }
}

interface Question {
  readonly id: string
  readonly title: string
  readonly spec: string
  readonly needs: InputCapability
  readonly tool: string
  readonly args?: Json
  readonly asked: string
  readonly says: string
  readonly server?: ServerKind
}

function question({ id, title, spec, needs, tool, args, asked, says, server = 'reference' }: Question): Behaviour {
  return {
    id, title, spec, server,
    otherwise: lacks(needs, async (at) => {
      const reply = await at.call(tool, args)
      expect(reply.result === undefined || reply.result['isError'] === true).toBe(true)
    }),
    async run(at) {
      expect(textOf(await at.call(tool, args))).toContain(says)
      expect(at.driver.asked).toContain(asked)
    },
  }
}

async function answering<T>(at: At, answer: Answerer, run: () => Promise<T>): Promise<T> {
  at.driver.answer = answer
  try {
    return await run()
  } finally {
    at.driver.answer = acceptAll
  }
}

const FORM = { tool: 'test_elicitation', args: { message: 'Who?' } }
const needsForm = lacks('elicitation.form', (at) => at.call(FORM.tool, FORM.args))

function userSays(action: 'decline' | 'cancel'): Behaviour {
  return {
    id: `form-${action}`, title: `a form that the user ${action === 'decline' ? 'declines' : 'dismisses'}`, spec: '2025-11-25/client/elicitation#response-actions', server: 'reference',
    otherwise: needsForm,
    async run(at) {
      const reply = await answering(at, () => ({ action }), () => at.call(FORM.tool, FORM.args))
      expect(textOf(reply)).toContain(`action=${action}`)
    },
  }
}

export const INPUT: Group = {
  title: 'Input in the middle of a call',
  behaviours: [
    question({ id: 'form', title: 'a form', spec: '2025-11-25/client/elicitation#form-mode-elicitation-requests', needs: 'elicitation.form', ...FORM, asked: 'elicitation/create', says: 'action=accept' }),
    question({ id: 'url', title: 'a visit to a URL', spec: '2025-11-25/client/elicitation#url-mode-elicitation-requests', needs: 'elicitation.url', tool: 'test_elicitation_url', asked: 'elicitation/create', says: 'action=accept' }),
    {
      id: 'visit-ends', title: 'the end of a visit is told', spec: '2025-11-25/client/elicitation#completion-notifications-for-url-mode-elicitation', server: 'reference',
      otherwise: (cell) => lacks('elicitation.url', () => Promise.resolve())(cell) ?? (cell.client.era === 'legacy' && !isAcross(cell) ? undefined : { note: 'visit-end' }),
      async run(at) {
        await at.call('test_elicitation_url')
        await eventually('the notification', () => at.driver.heard.some(({ method }) => method === 'notifications/elicitation/complete'))
      },
    },
    question({ id: 'sampling', title: 'sampling', spec: '2025-11-25/client/sampling', needs: 'sampling', tool: 'test_sampling', args: { prompt: 'Capital of France?' }, asked: 'sampling/createMessage', says: 'Paris' }),
    {
      ...question({ id: 'sampling-tools', title: 'sampling with tools', spec: '2025-11-25/client/sampling#sampling-with-tools', needs: 'sampling.tools', tool: 'sample', asked: 'sampling/createMessage', says: 'tool_use', server: 'fixture' }),
      otherwise: (cell) => (inputKnownTo(olderOf(cell)).has('sampling.tools') ? undefined : { note: 'sampling.tools' }),
    },
    question({ id: 'roots', title: 'roots', spec: '2025-11-25/client/roots', needs: 'roots', tool: 'test_list_roots', asked: 'roots/list', says: 'file:///work' }),
    {
      id: 'several', title: 'a form, a completion and roots at once', spec: '2026-07-28/basic/patterns/mrtr', server: 'reference',
      otherwise: lacks('elicitation.form', (at) => at.call('test_input_required_result_multiple_inputs')),
      async run(at) {
        expect(textOf(await at.call('test_input_required_result_multiple_inputs'))).toContain('Paris Ada: 1 root(s) visible')
        expect([...at.driver.asked].sort()).toEqual(['elicitation/create', 'roots/list', 'sampling/createMessage'])
      },
    },
    {
      id: 'rounds', title: 'several rounds, with a state that changes', spec: '2026-07-28/basic/patterns/mrtr', server: 'reference',
      otherwise: lacks('elicitation.form', (at) => at.call('test_input_required_result_multi_round')),
      run: async (at) => expect(textOf(await at.call('test_input_required_result_multi_round'))).toContain('Multi-round complete: Ada likes blue'),
    },
    {
      id: 'parallel', title: `in ${PARALLEL} calls at once`, spec: '2026-07-28/basic/patterns/mrtr', server: 'reference',
      async run(at) {
        const replies = await Promise.all(Array.from({ length: PARALLEL }, (_, index) => at.call('test_sampling', { prompt: `Question ${index}` })))
        expect(replies.map(textOf)).toEqual(Array(PARALLEL).fill('LLM response: Paris'))
        expect(at.driver.asked).toHaveLength(PARALLEL)
      },
    },
    {
      id: 'prompt-asks', title: 'in `prompts/get`', spec: '2026-07-28/basic/patterns/mrtr', server: 'reference',
      otherwise: lacks('elicitation.form', (at) => at.driver.request('prompts/get', { name: at.name('test_input_required_result_prompt') })),
      async run({ driver, name }) {
        const { result } = await driver.request('prompts/get', { name: name('test_input_required_result_prompt') })
        expect(JSON.stringify(result?.['messages'])).toContain('the sea')
      },
    },
    {
      id: 'resource-asks', title: 'in `resources/read`', spec: '2026-07-28/basic/patterns/mrtr', server: 'reference',
      otherwise: lacks('elicitation.form', (at) => at.driver.request('resources/read', { uri: at.uri('test://input-required') })),
      async run({ driver, uri }) {
        const answer = await driver.request('resources/read', { uri: uri('test://input-required') })
        expect(JSON.stringify(answer.result?.['contents'] ?? answer)).toContain('Read by Ada')
      },
    },
    userSays('decline'),
    userSays('cancel'),
    {
      id: 'refuse', title: 'a client that refuses to answer ends its call, and the next one works', spec: '2025-11-25/client/sampling#error-handling', server: 'reference',
      async run(at) {
        const refuse: Answerer = () => {
          throw new Error('The user refused')
        }
        const { result, code } = await answering(at, refuse, () => at.call('test_sampling', { prompt: 'x' }))
        expect(code !== undefined || result?.['isError'] === true).toBe(true)
        expect(textOf(await at.call('test_sampling', { prompt: 'x' }))).toContain('Paris')
      },
    },
    {
      id: 'state-only', title: 'a retry that needs no input', spec: '2026-07-28/basic/patterns/mrtr', server: 'reference',
      run: async (at) => expect(textOf(await at.call('test_input_required_result_state_only'))).toContain('Retried with the state'),
    },
    {
      id: 'undeclared', title: 'a client that declared nothing: −32021, or −32600 to a legacy client', spec: '2026-07-28/basic#error-codes', server: 'reference',
      otherwise: ({ isMerged, upstream }) => (isMerged ? { note: 'one-pipe' } : upstream.era === 'modern' ? undefined : {
        note: 'server-says',
        async run(at) {
          const reply = await (await at.other('none')).call('test_missing_capability')
          expect(reply).toMatchObject({ result: { isError: true } })
        },
      }),
      async run(at) {
        const reply = await (await at.other('none')).call('test_missing_capability')
        expect(reply).toMatchObject(at.cell.client.era === 'modern' ? { code: -32021 } : { code: -32600 })
      },
    },
    {
      id: 'url-first', title: 'a call that needs a visit first: −32042, across eras a question', spec: '2025-11-25/client/elicitation#url-elicitation-required-error', server: 'everything',
      otherwise: lacks('elicitation.url', () => Promise.resolve()),
      async run(at) {
        const args = { url: 'https://example.org/', elicitationId: `matrix-${at.cell.client.id}-${at.cell.hops}-${at.cell.upstream.id}`, errorPath: true }
        const reply = await at.call('trigger-url-elicitation', args)
        if (at.cell.client.era === 'legacy' && !isAcross(at.cell)) expect(reply).toMatchObject({ code: -32042, data: { elicitations: [{ mode: 'url' }] } })
        else expect(at.driver.asked).toContain('elicitation/create')
      },
    },
  ],
}
