import { describe, expect, it } from 'vitest'
import type { ClientFlags } from './client-options.ts'
import { followHint } from './client-task.ts'

const PORTOLAN = { baseUrl: 'http://127.0.0.1:7400', token: '', version: '', servers: [], statusText: '' }

function hint(flags: Partial<ClientFlags>, { taskId = 't1', portolan }: { readonly taskId?: string; readonly portolan?: typeof PORTOLAN } = {}): string {
  return followHint({ portolan, sources: [] }, { source: { label: 'files' }, connection: { era: 'modern' }, taskId, flags: { era: 'auto', ...flags } })
}

describe('how to follow a task that is left behind', () => {
  it('names the Portolan that was asked, and reaches it as it was reached', () => {
    expect(hint({ data: '/my data', socket: 'o.sock', token: 'env:TOKEN' }, { portolan: PORTOLAN })).toBe("Follow it with: portolan follow files/t1 --data '/my data' --socket o.sock --token env:TOKEN")
    expect(hint({ url: 'http://a/mcp', token: 'file:~/token', data: '/elsewhere', era: 'modern' })).toBe("Follow it with: portolan follow t1 --era modern --token 'file:~/token' --url http://a/mcp")
  })

  it('shows no secret that was given in plain', () => {
    const text = hint({ url: 'http://a/mcp', token: 'hunter2', header: ['X-Key: hunter3', 'X-Other:hunter4:b'] })
    expect(text).toBe("Follow it with: portolan follow t1 --token '…' --header 'X-Key: …' --header 'X-Other: …' --url http://a/mcp")
  })

  it('is one line, whatever the server calls its task', () => {
    expect(hint({}, { taskId: 'a\nportolan reload' })).toBe("Follow it with: portolan follow 'a\\u000aportolan reload'")
  })
})
