/** Which MCP endpoint a path is (design §6): `/mcp`, `/<name>/mcp`, and the HTTP+SSE siblings `/sse`, `/<name>/sse`. */

export interface Endpoint {
  readonly kind: 'mcp' | 'sse'
  /** '' for all servers as one. */
  readonly name: string
}

export function readEndpoint(path: string): Endpoint | undefined {
  const match = /^(?:\/([^/]+))?\/(mcp|sse)\/?$/.exec(path)
  if (match === null) return undefined
  const name = decodeName(match[1] ?? '')
  return name === undefined ? undefined : { kind: match[2] === 'sse' ? 'sse' : 'mcp', name }
}

function decodeName(raw: string): string | undefined {
  if (!raw.includes('%')) return raw
  try {
    return decodeURIComponent(raw)
  } catch {
    return undefined
  }
}
