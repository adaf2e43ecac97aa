import { expect, it } from 'vitest'
import { readEndpoint } from './endpoint.ts'

it.each([
  ['/mcp', 'mcp', ''], ['/mcp/', 'mcp', ''], ['/sse', 'sse', ''], ['/files/mcp', 'mcp', 'files'], ['/files/sse/', 'sse', 'files'],
  ['/my%20files/mcp', 'mcp', 'my files'], ['/%C3%A4/mcp', 'mcp', 'ä'], ['/a%2Fb/mcp', 'mcp', 'a/b'], ['/mcp/mcp', 'mcp', 'mcp'],
  ['/__proto__/mcp', 'mcp', '__proto__'], ['/a+b/mcp', 'mcp', 'a+b'],
])('%s is %s of %j', (path, kind, name) => {
  expect(readEndpoint(path)).toEqual({ kind, name })
})

it.each([
  '', '/', '/MCP', '/mcpx', '/xmcp', 'mcp', '//mcp', '/a/b/mcp', '/mcp//', '/%/mcp', '/%ff/mcp', '/files', '/files/mcp/x', '/mcp?x', '/\n/mcp\n', '/healthz',
])('%j is no endpoint', (path) => expect(readEndpoint(path)).toBeUndefined())
