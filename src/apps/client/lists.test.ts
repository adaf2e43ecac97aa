import { describe, expect, it } from 'vitest'
import { listStarted } from './lists.ts'

const TOOL = { name: 'echo', inputSchema: { type: 'object' } }

/** A server whose answers to `tools/list` are these, the last one for ever. */
function serverOf(pages: readonly (readonly object[])[], listChanged: boolean) {
  let asked = 0
  const request = (): Promise<{ text: string; value: { tools: object[] } }> => {
    const tools = [...(pages[Math.min(asked, pages.length - 1)] ?? [])]
    asked += 1
    return Promise.resolve({ text: JSON.stringify({ tools }), value: { tools } })
  }
  return { connection: { capabilities: { tools: { listChanged } }, request } as unknown as Parameters<typeof listStarted>[0], asked: () => asked }
}

describe('the list of servers that are only being started', () => {
  it('is asked for again where it is empty and may change', async () => {
    const { connection, asked } = serverOf([[], [], [TOOL]], true)
    expect((await listStarted(connection, 'tools', { pauseMs: 1 })).items).toEqual([TOOL])
    expect(asked()).toBe(3)
  })

  it('is taken as it is where it has something, where it never changes, and in the end', async () => {
    for (const [pages, listChanged, times] of [[[[TOOL]], true, 1], [[[]], false, 1], [[[]], true, 4]] as const) {
      const { connection, asked } = serverOf(pages, listChanged)
      await listStarted(connection, 'tools', { pauseMs: 1 })
      expect(asked()).toBe(times)
    }
  })
})
