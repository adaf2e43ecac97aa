/** Time limits: what counts for them and what does not, and that nothing outlives its total. */
import { describe, expect, it } from 'vitest'
import type { Act } from './fixtures/upstream/actor.ts'
import { sleep, until } from './fixtures/upstream/support.ts'
import type { Answer } from './http-rig.ts'
import { LINE, startLimitsRig } from './limits-rig.ts'
import type { LimitsRig } from './limits-rig.ts'
import { codeOf, legacy, legacyRequest, modern, modernRequest, openSession, openStream } from './mcp-client.ts'

const AT_FILES = '/files/mcp'
const call = (rig: LimitsRig, name: string): Promise<Answer> => modern(rig.port, 'tools/call', { name }, { path: AT_FILES })
const times = <T>(count: number, run: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => run(at))
const callsAt = (rig: LimitsRig): number => rig.files.requests.filter(({ json }) => json.method === 'tools/call').length

const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } }

/** A server asks in mid-call; its client takes longer than the server may be silent, then the server its own time. Resolves with the last message. */
async function askedAndAnswered(era: 'legacy' | 'modern'): Promise<unknown> {
  const asking: Act = (one) => {
    if (era === 'legacy') {
      one.send({ id: 'q', method: 'elicitation/create', params: FORM })
      void until(() => rig.files.requests.some(({ json }) => json.id === ('q' as unknown as number))).then(() => setTimeout(() => one.answer({ said: true }), 900))
      return
    }
    const params = one.request.json.params ?? {}
    if (params['inputResponses'] === undefined) one.answer({ resultType: 'input_required', content: undefined, inputRequests: { q: { method: 'elicitation/create', params: FORM } } })
    else setTimeout(() => one.answer({ said: true }), 900)
  }
  const rig = await startLimitsRig({ files: { requestIdleTimeoutMs: 1_300 } }, { asking }, [era])
  const session = await openSession(rig.port, { path: AT_FILES, capabilities: { elicitation: { form: {} } } })
  const stream = await openStream(rig.port, legacyRequest(session, 'tools/call', { name: 'asking' }, { path: AT_FILES }))
  const [question] = await stream.count(1)
  await sleep(2_600)
  const body = JSON.stringify({ jsonrpc: '2.0', id: question?.['id'], result: { action: 'accept', content: { name: 'x' } } })
  await legacy(rig.port, session, '', {}, { path: AT_FILES, body })
  return (await stream.count(2)).at(-1)
}

describe('time limits', () => {
  it('count waiting for the total, and end what waits too long', async () => {
    const rig = await startLimitsRig({ files: { limits: { ...LINE, exchanges: 1 }, requestTotalTimeoutMs: 1_500 } }, { hold: () => undefined })
    const [held, waiting] = [call(rig, 'hold'), call(rig, 'hold')]
    const answers = await Promise.all([held, waiting])
    expect(answers.map(codeOf)).toEqual([-31_021, -31_021])
    expect(callsAt(rig)).toBe(1)
    await rig.settled()
    expect((await call(rig, 'echo')).status).toBe(200)
  })

  it('do not take waiting in line for silence of the server', async () => {
    const slow: Act = ({ answer, progress, token }) => {
      if (token !== undefined) for (const at of times(5, (index) => index)) setTimeout(() => progress(at), at * 500)
      setTimeout(() => answer(), token === undefined ? 800 : 2_600)
    }
    const rig = await startLimitsRig({ files: { limits: { ...LINE, exchanges: 1 }, requestIdleTimeoutMs: 1_500 } }, { slow })
    const talking = modern(rig.port, 'tools/call', { name: 'slow' }, { path: AT_FILES, meta: { progressToken: 'p' } })
    await until(() => callsAt(rig) === 1)
    const waiting = call(rig, 'slow')
    expect([codeOf(await talking), codeOf(await waiting)]).toEqual([0, 0])
  }, 30_000)

  it('do not take what comes before a call is sent for silence of the server', async () => {
    const credentials = { headersFor: () => sleep(2_500).then(() => []) }
    const slow: Act = ({ answer }) => void setTimeout(() => answer(), 800)
    const rig = await startLimitsRig({ deps: { credentials }, files: { requestIdleTimeoutMs: 1_500 } }, { slow }, ['modern'])
    expect(codeOf(await call(rig, 'slow'))).toBe(0)
  }, 30_000)

  it('do not take the time that a legacy client needs for its answer for silence of a server of either era', async () => {
    expect(await Promise.all((['legacy', 'modern'] as const).map(askedAndAnswered))).toMatchObject([{ result: { said: true } }, { result: { said: true } }])
  }, 30_000)

  it('do not end the call of a client that reads slowly', async () => {
    const big: Act = (one) => {
      one.stream()
      const lines = 'x'.repeat(16 * 1024)
      for (const at of times(400, (index) => index)) one.send({ method: 'notifications/progress', params: { progressToken: one.token, progress: at, message: lines } })
      one.answer()
    }
    const rig = await startLimitsRig({ files: { requestIdleTimeoutMs: 1_500 } }, { big })
    const stream = await openStream(rig.port, modernRequest('tools/call', { name: 'big' }, { path: AT_FILES, meta: { progressToken: 'p' } }))
    for (let pauses = 0; pauses < 4 && !stream.ended; pauses += 1) {
      stream.incoming.pause()
      await sleep(600)
      stream.incoming.resume()
      await sleep(5)
    }
    await until(() => stream.ended)
    expect(stream.messages()).toHaveLength(401)
    expect(stream.messages().at(-1)).toHaveProperty('result')
  }, 30_000)

  it('do not take the time that a client needs to read for silence of the server', async () => {
    const isRead = Promise.withResolvers<void>()
    const long: Act = (one) => {
      one.progress(1)
      void isRead.promise.then(() => setTimeout(() => one.answer(), 1_900))
    }
    const rig = await startLimitsRig({ files: { requestIdleTimeoutMs: 2_500 } }, { long })
    const said: string[] = []
    const drains: (() => void)[] = []
    const stream = { write: (text: string) => (said.push(text), false), onDrain: (run: () => void) => void drains.push(run), keepAlive: () => undefined, end: () => undefined }
    const pipe = rig.gateway.stdio(stream, 'files')
    pipe.take(modernRequest('tools/call', { name: 'long' }, { meta: { progressToken: 'p' } }).body)
    await until(() => drains.length > 0)
    await sleep(1_900)
    for (const run of drains) run()
    isRead.resolve()
    await until(() => said.length === 2)
    expect(JSON.parse(said[1] ?? '')).toHaveProperty('result')
    pipe.close()
  }, 30_000)
})
