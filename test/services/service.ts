/**
 * A throw-away service of the tests (a database, a message broker, the package as it is published, what starts of the source): started once for a whole run, by the first test file
 * that asks for it, and ended with the run. Where it cannot be had, tests that need it are left out and named at the end; in CI
 * (`CI=true` or `PORTOLAN_TEST_SERVICES=required`) they fail instead.
 */
import { connect } from 'node:net'
import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** The unix socket on which the run's own process is asked for services. */
    readonly servicesSocket: string
  }
}

export type ServiceName = 'postgres' | 'nats' | 'nginx' | 'package' | 'compiled'

/** What a test must know of a running service: host, port, folder … */
export type ServiceFacts = Readonly<Record<string, string>>

export interface ServiceRequest {
  readonly service: ServiceName
  /** Who asks: named where it is left out. */
  readonly testPath: string
}

/** `missing`: it cannot be had on this machine, and why. */
export type ServiceAnswer = { readonly facts: ServiceFacts } | { readonly missing: string } | { readonly failure: string }

/** Undefined where it cannot be had: leave the tests out, with `describe.skipIf`. Await it at the top of the test file. */
export async function findService(service: ServiceName, testPath: string): Promise<ServiceFacts | undefined> {
  const answer = await ask({ service, testPath })
  if ('facts' in answer) return answer.facts
  if ('failure' in answer) throw new Error(`${service}: ${answer.failure}`)
  if (process.env['CI'] === 'true' || process.env['PORTOLAN_TEST_SERVICES'] === 'required') throw new Error(`${service} is required here: ${answer.missing}`)
  return undefined
}

function ask(request: ServiceRequest): Promise<ServiceAnswer> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(inject('servicesSocket'), () => socket.end(`${JSON.stringify(request)}\n`))
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => (text += chunk))
    socket.on('error', reject)
    socket.on('end', () => resolve(JSON.parse(text)))
  })
}
