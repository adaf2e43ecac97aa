/** How many tools a client gets to see at once: several clients refuse or cut long lists. */

import { ok, skipped, warning } from './check.ts'
import type { Check } from './check.ts'

/** As their users and makers report them (docs/reference/doctor.md has the sources); such limits change. */
export const CLIENT_LIMITS: readonly { readonly client: string; readonly tools: number }[] = [
  { client: 'Cursor', tools: 80 },
  { client: 'Antigravity', tools: 100 },
  { client: 'GitHub Copilot in VS Code', tools: 128 },
]

export const toolsCheck: Check = {
  id: 'tools',
  looksAt: 'whether clients can take as many tools as /mcp has',
  async run(context) {
    const trials = await Promise.all(context.servers.map(async (server) => ({ name: server.name, tools: (await context.trial(server)).tools })))
    const told = trials.flatMap(({ name, tools }) => (tools === undefined ? [] : [{ name, count: tools.length }]))
    if (told.length === 0) return [skipped('No server told its tools.')]
    const total = told.reduce((sum, { count }) => sum + count, 0)
    const over = CLIENT_LIMITS.filter(({ tools }) => total > tools)
    if (over.length === 0) return [ok('/mcp', `${total} tools.`)]
    const clients = over.map(({ client, tools }) => `${client} (${tools})`).join(', ')
    const most = told.toSorted((left, right) => right.count - left.count).slice(0, 3).map(({ name, count }) => `${name} ${count}`)
    const what = `${total} tools are more than some clients take at once: ${clients}. Most come from ${most.join(', ')}. Give such a client one server's endpoint, /<name>/mcp, or leave servers out.`
    return [warning('/mcp', what, context.editCommand)]
  },
}
