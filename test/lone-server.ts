/** A stdio server that must not run twice, and the lives of all its processes that there were (test/fixtures/upstream/lone-server.mjs). */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StdioServer } from '../src/core/gateway/snapshot.ts'
import type { Era } from '../src/protocol/revision.ts'

const FIXTURE = fileURLToPath(new URL('fixtures/upstream/lone-server.mjs', import.meta.url))

/** From the first to the last sign that it gave. */
export interface Life {
  readonly pid: number
  readonly fromMs: number
  readonly untilMs: number
}

export interface LoneServer {
  readonly server: StdioServer
  /** The oldest first. */
  lives(): Life[]
  /** Those that began before another one had ended. */
  overlaps(): Life[][]
  close(): Promise<void>
}

export function loneServer(era: Era): LoneServer {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-lone-'))
  const lives = (): Life[] =>
    readdirSync(folder)
      .map((name) => {
        const signs = readFileSync(join(folder, name), 'latin1').trim().split('\n').map(Number)
        return { pid: Number(name), fromMs: signs[0] ?? 0, untilMs: signs.at(-1) ?? 0 }
      })
      .toSorted((one, other) => one.fromMs - other.fromMs)
  return {
    server: { transport: 'stdio', command: process.execPath, args: [FIXTURE, era], env: { LIVES: folder }, cwd: undefined },
    lives,
    overlaps() {
      const all = lives()
      return all.slice(1).flatMap((life, at) => (all[at] !== undefined && life.fromMs <= all[at].untilMs ? [[all[at], life]] : []))
    },
    close: async () => rmSync(folder, { recursive: true, force: true }),
  }
}
