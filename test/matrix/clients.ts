/** The clients of the matrix, in the order of the page. */
import { CLI_MAIN } from '../compiled.ts'
import { modernHttp, modernStdio } from '../any-client.ts'
import { httpTransport, sseTransport, stdioTransport } from '../sdk1-client.ts'
import type { Command } from '../sdk1-client.ts'
import { connectRawLegacy, connectRawModern } from './client-raw.ts'
import { connectSdk1Driver } from './client-sdk1.ts'
import { connectSdk2Driver } from './client-sdk2.ts'
import type { MatrixClient } from './client.ts'

const PIN = { pin: '2026-07-28' }

const command = ({ configPath }: { readonly configPath: string }): Command => ({ command: process.execPath, args: [CLI_MAIN, 'stdio', '--config', configPath] })

function sdk1(revision: string): MatrixClient {
  return {
    id: `sdk1-${revision}`, title: `SDK v1, ${revision}`, era: 'legacy', revision, transport: 'http', kind: 'sdk1',
    connect: (at, server, declares) => connectSdk1Driver(httpTransport(at, `/${server}/mcp`), revision, declares),
  }
}

function sdk2(id: string, title: string, mode: 'auto' | { pin: string }, transport: 'http' | 'stdio'): MatrixClient {
  return {
    id, title, era: 'modern', revision: '2026-07-28', transport, kind: 'sdk2',
    connect: (at, server, declares) => connectSdk2Driver(transport === 'http' ? modernHttp(at, `/${server}/mcp`) : modernStdio(command(at)), mode, declares),
  }
}

export const SDK1: MatrixClient = sdk1('2025-11-25')
export const SDK2: MatrixClient = sdk2('sdk2-pinned', 'SDK v2, pinned', PIN, 'http')

export const CLIENTS: readonly MatrixClient[] = [
  {
    id: 'sse', title: 'HTTP+SSE, 2024-11-05', era: 'legacy', revision: '2024-11-05', transport: 'sse', kind: 'sdk1',
    connect: (at, server, declares) => connectSdk1Driver(sseTransport(at, `/${server}/sse`), '2024-11-05', declares),
  },
  sdk1('2025-03-26'),
  sdk1('2025-06-18'),
  SDK1,
  {
    id: 'sdk1-stdio', title: 'SDK v1, stdio, 2025-11-25', era: 'legacy', revision: '2025-11-25', transport: 'stdio', kind: 'sdk1',
    connect: (at, _server, declares) => connectSdk1Driver(stdioTransport(command(at)), '2025-11-25', declares),
  },
  {
    id: 'raw-legacy', title: 'by hand, 2025-11-25', era: 'legacy', revision: '2025-11-25', transport: 'http', kind: 'raw',
    connect: (at, server, declares) => connectRawLegacy(at, `/${server}/mcp`, declares),
  },
  {
    id: 'raw-batches', title: 'by hand, 2025-03-26, all in arrays', era: 'legacy', revision: '2025-03-26', transport: 'http', kind: 'raw',
    connect: (at, server, declares) => connectRawLegacy(at, `/${server}/mcp`, declares, '2025-03-26'),
  },
  sdk2('sdk2-auto', 'SDK v2, negotiating', 'auto', 'http'),
  SDK2,
  sdk2('sdk2-stdio-auto', 'SDK v2, stdio, negotiating', 'auto', 'stdio'),
  sdk2('sdk2-stdio', 'SDK v2, stdio, pinned', PIN, 'stdio'),
  {
    id: 'raw-modern', title: 'by hand, 2026-07-28', era: 'modern', revision: '2026-07-28', transport: 'http', kind: 'raw',
    connect: (at, server, declares) => connectRawModern(at, `/${server}/mcp`, declares),
  },
]
