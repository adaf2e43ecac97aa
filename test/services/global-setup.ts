/** vitest's global set-up: answers test files that ask for a service, starts each at its first use, ends all with the run. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import type { TestProject } from 'vitest/node'
import { compileSource } from './compile.ts'
import { packPackage } from './pack.ts'
import { startNats } from './start-nats.ts'
import { lookForNginx } from './start-nginx.ts'
import { startPostgres } from './start-postgres.ts'
import type { ServiceAnswer, ServiceName, ServiceRequest } from './service.ts'

/** `stop` ends it; whatever becomes of this process, so does the end of it. */
export type StartedService = ServiceAnswer & { stop?(): Promise<void> }

const STARTS: Readonly<Record<ServiceName, () => Promise<StartedService>>> = {
  postgres: startPostgres,
  nats: () => startNats(),
  nginx: lookForNginx,
  package: packPackage,
  compiled: compileSource,
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-services-'))
  const started = new Map<ServiceName, Promise<StartedService>>()
  const leftOut = new Map<string, string[]>()

  const answer = async ({ service, testPath }: ServiceRequest): Promise<ServiceAnswer> => {
    const starting = started.get(service) ?? STARTS[service]()
    started.set(service, starting)
    try {
      const { stop: _, ...facts } = await starting
      if ('missing' in facts) leftOut.set(facts.missing, [...(leftOut.get(facts.missing) ?? []), testPath])
      return facts
    } catch (error) {
      return { failure: String(error) }
    }
  }

  const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, answer))
  const socketPath = join(folder, 'ask.sock')
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(socketPath, resolve))
  server.unref()
  project.provide('servicesSocket', socketPath)

  return async () => {
    for (const starting of started.values()) await starting.then((service) => service.stop?.()).catch(() => undefined)
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true, force: true })
    for (const [why, paths] of leftOut) console.warn(`\nLeft out: ${namesOf(paths, project.config.root)}. ${why}`)
  }
}

function serve(socket: Socket, answer: (request: ServiceRequest) => Promise<ServiceAnswer>): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => (text += chunk))
  socket.on('end', () => void answer(JSON.parse(text)).then((facts) => socket.end(JSON.stringify(facts))))
}

function namesOf(paths: readonly string[], root: string): string {
  return [...new Set(paths)].map((path) => (path === '' ? 'tests' : relative(root, path) || basename(path))).join(', ')
}
