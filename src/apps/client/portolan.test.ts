import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findPortolan } from './portolan.ts'

let data = ''
let server: Server | undefined
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'portolan-find-'))
})
afterEach(() => {
  server?.close()
  rmSync(data, { recursive: true, force: true })
})

const STATUS = {
  version: '9.9.9',
  listening: ['/tmp/a.sock', 'http://0.0.0.0:7400'],
  auth: 'token',
  servers: [{ name: 'a', transport: 'stdio', state: 'degraded', eras: ['legacy'], detail: 'gone' }],
  virtualServers: [{ name: 'v' }, 'w'],
}

function serve(status: unknown): Promise<void> {
  server = createServer((_request, response) => response.end(`${JSON.stringify(status)}\n`))
  return new Promise((resolve) => server?.listen(join(data, 'operations.sock'), resolve))
}

describe('the running Portolan', () => {
  it('is found through the data folder, with its address, token, servers and virtual servers', async () => {
    await serve(STATUS)
    writeFileSync(join(data, 'token'), 'secret\n')
    expect(await findPortolan({ data })).toMatchObject({
      baseUrl: 'http://127.0.0.1:7400',
      token: 'secret',
      servers: [
        { name: 'a', kind: 'stdio', state: 'degraded', eras: ['legacy'], detail: 'gone' },
        { name: 'v', kind: 'virtual' },
        { name: 'w', kind: 'virtual' },
      ],
    })
  })

  it('needs no token where it asks for none', async () => {
    await serve({ ...STATUS, auth: 'none' })
    expect((await findPortolan({ data })).token).toBe('')
  })

  it('that is not there, has a secret token, or listens on no port is said, with what to do', async () => {
    await expect(findPortolan({ data })).rejects.toMatchObject({ code: 'not_running', advice: expect.stringMatching(/portolan up.*--url/) })
    await serve(STATUS)
    await expect(findPortolan({ data })).rejects.toMatchObject({ code: 'unauthorized', advice: expect.stringMatching(/--token/) })
  })

  it('that listens on a unix socket only cannot be used', async () => {
    await serve({ ...STATUS, listening: ['/tmp/a.sock'] })
    await expect(findPortolan({ data })).rejects.toMatchObject({ code: 'unreachable' })
  })
})
