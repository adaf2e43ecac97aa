/** What `portolan up` says on standard output: where it is, what to paste, and how to go on. */

export interface BannerFacts {
  readonly version: string
  /** Of `/mcp`'s root, as clients reach it: `http://127.0.0.1:7400`; a socket's path where there is only that. */
  readonly baseUrl: string
  readonly serverNames: readonly string[]
  readonly virtualNames: readonly string[]
  /** For people: the file, or what stands for it. */
  readonly source: string
  /** The token as far as it may be shown, undefined without authentication. */
  readonly token: { readonly value: string; readonly isNew: boolean; readonly path: string } | undefined
  readonly notices: readonly string[]
}

/** A token is shown at the first start only: later starts may be logged or watched. */
export function bannerText(facts: BannerFacts): string {
  const { version, baseUrl, serverNames, virtualNames, source, token, notices } = facts
  const names = [...serverNames, ...virtualNames]
  const width = Math.max('all servers'.length, ...names.map(({ length }) => length))
  const row = (label: string, value: string): string => `  ${label.padEnd(width)}  ${value}`
  return [
    `Portolan ${version}: ${counted(serverNames.length)} from ${source}`,
    '',
    row('all servers', `${baseUrl}/mcp`),
    ...names.map((name) => row(name, `${baseUrl}/${name}/mcp`)),
    '',
    ...tokenLines(token),
    'Paste into a client that reads mcpServers:',
    '',
    indented(snippet(baseUrl, token)),
    '',
    ...(names.length === 0 ? ['Note: no server is enabled. Add one with: portolan add <name> -- <command>'] : []),
    ...notices.map((notice) => `Note: ${notice}.`),
    'Ctrl+C stops it. `portolan status` shows how the servers are doing.',
    '',
  ].join('\n')
}

function counted(count: number): string {
  return count === 1 ? '1 server' : `${count} servers`
}

function tokenLines(token: BannerFacts['token']): string[] {
  if (token === undefined) return ['No token is asked for: everybody on this machine may use it.', '']
  if (token.isNew) return [`Token, shown this once and kept in ${token.path}:`, '', `  ${token.value}`, '']
  return [`The token is in ${token.path}`, '']
}

function snippet(baseUrl: string, token: BannerFacts['token']): string {
  const headers = token === undefined ? {} : { headers: { Authorization: `Bearer ${token.isNew ? token.value : '<token>'}` } }
  return JSON.stringify({ mcpServers: { portolan: { type: 'http', url: `${baseUrl}/mcp`, ...headers } } }, null, 2)
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ')
}
