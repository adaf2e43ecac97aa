/**
 * Hints over LISTEN and NOTIFY, on one connection of their own: a NOTIFY never waits for, or stands in, a transaction of work.
 * The connection shows that it works: at its start it must hear what another one says, which it does not through a pooler that
 * takes LISTEN and forgets it; from then on what it says itself, which a half-open one does not.
 */
import { Client } from 'pg'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Clock } from '../../core/clock.ts'
import { createHintRelay } from '../../core/event/hint-relay.ts'
import type { WiredHints } from '../../core/event/hint-wire.ts'
import type { Random } from '../../core/random.ts'
import { backoffMs } from '../../core/upstream/backoff.ts'
import { connectMsOf, refuseReader } from './connections.ts'
import { createHosts, hostUrlsOf } from './hosts.ts'

export interface PostgresHintsOptions {
  /** Straight to PostgreSQL, not to a pooler; of several hosts to the one that writes. Holds a secret: never printed. */
  readonly url: string
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry
  /** One for all replicas of a deployment; another where several share a database. */
  readonly channel?: string
  /** How often the connection has to show that it works, and how long it may take to do so. */
  readonly checkMs?: number
  /** It works now, or was lost, and why. */
  readonly onChange?: (isUp: boolean, detail: string) => void
}

/** PostgreSQL refuses 8,000 bytes. */
const MAX_TEXT_BYTES = 7_900
const CHECK_MS = 2_000
const END_MS = 1_000
const BACKOFF = { firstMs: 100, maxMs: 3_000 }
const DEAF = 'LISTEN brings nothing: name PostgreSQL itself, not a pooler, with --database-direct-url'
const SILENT = 'nothing comes from the database any more'

/** Connects by itself, for ever. Throws TypeError where the URL is none. */
export function createPostgresHints(options: PostgresHintsOptions): WiredHints {
  const { clock, random, channel = 'portolan_hints', checkMs = CHECK_MS, onChange = () => {} } = options
  const urls = hostUrlsOf(options.url)
  if (urls === undefined) throw new TypeError('The database URL is no URL')
  const hosts = createHosts(urls)
  const connectMs = Math.min(checkMs, connectMsOf(hosts))
  const from = random.id()
  const relay = createHintRelay({ from, maxTextBytes: MAX_TEXT_BYTES, telemetry: options.telemetry })
  /** Nobody else listens to it, so that checks wake nobody else. */
  const ownChannel = `${channel}_${from}`
  let client: Client | undefined
  let failures = 0
  let detail = 'not connected yet'
  let isClosed = false
  let cancelTimer = (): void => {}
  let onEcho = (): void => {}

  const newClient = (url: string): Client => new Client({ connectionString: url, connectionTimeoutMillis: connectMs, query_timeout: checkMs, keepAlive: true, application_name: 'portolan hints' })

  async function connect(): Promise<void> {
    const url = hosts.url()
    let next: Client
    try {
      next = newClient(url)
    } catch (error) {
      // A certificate that the URL names cannot be read, for now.
      return retry(reasonOf(error))
    }
    client = next
    next.on('error', (error) => lose(next, error.message))
    next.on('end', () => lose(next, 'the connection was closed'))
    next.on('notification', (heard) => {
      if (heard.channel === ownChannel) onEcho()
      else relay.receive(heard.payload ?? '')
    })
    try {
      await next.connect()
      // What is said at a standby, or at what was the primary, nobody hears.
      await refuseReader(next, connectMs)
      await next.query(`LISTEN ${next.escapeIdentifier(channel)}; LISTEN ${next.escapeIdentifier(ownChannel)}`)
      await heard(() => notifyFromOutside(url), DEAF)
      failures = 0
      tell(true, 'LISTEN and NOTIFY')
      relay.up((text) => notify(next, channel, text))
      watch(next)
    } catch (error) {
      hosts.failed(url)
      lose(next, reasonOf(error))
    }
  }

  async function notify(over: Client, to: string, text: string): Promise<void> {
    try {
      await over.query('SELECT pg_notify($1, $2)', [to, text])
    } catch (error) {
      lose(over, reasonOf(error))
      throw error
    }
  }

  /** By a connection of its own: what a pooler's connection says itself it also hears, but not what others say. */
  async function notifyFromOutside(url: string): Promise<void> {
    const outside = newClient(url)
    outside.on('error', () => {})
    try {
      await outside.connect()
      await outside.query('SELECT pg_notify($1, $2)', [ownChannel, ''])
    } finally {
      outside.end().catch(() => undefined)
    }
  }

  async function heard(speak: () => Promise<void>, otherwise: string): Promise<void> {
    let stop = (): void => {}
    const echo = new Promise<void>((resolve, reject) => {
      onEcho = resolve
      stop = clock.after(checkMs, () => reject(new Error(otherwise)))
    })
    await Promise.all([echo, speak()]).finally(() => stop())
  }

  function watch(over: Client): void {
    if (over !== client) return
    cancelTimer = clock.after(checkMs, () => {
      heard(() => notify(over, ownChannel, ''), SILENT).then(() => watch(over), (error: unknown) => lose(over, reasonOf(error)))
    })
  }

  function lose(lost: Client, why: string): void {
    if (lost !== client) return
    client = undefined
    relay.down()
    lost.end().catch(() => undefined)
    retry(why)
  }

  function retry(why: string): void {
    if (isClosed) return
    if (failures === 0) tell(false, why)
    else detail = why
    failures += 1
    cancelTimer()
    cancelTimer = clock.after(backoffMs(failures, BACKOFF, random), () => void connect())
  }

  function tell(isUp: boolean, what: string): void {
    detail = what
    onChange(isUp, what)
  }

  void connect()
  return {
    publish: relay.publish,
    subscribe: relay.subscribe,
    state: () => ({ wire: 'postgres', isUp: relay.isUp(), detail }),
    async close() {
      isClosed = true
      cancelTimer()
      relay.down()
      const last = client
      client = undefined
      if (last === undefined) return
      // A connection that fell silent does not say that it has ended.
      let stop = (): void => {}
      const given = new Promise<void>((resolve) => void (stop = clock.after(END_MS, resolve)))
      await Promise.race([last.end().catch(() => undefined), given]).finally(() => stop())
    },
  }
}

function reasonOf(error: unknown): string {
  // A failed connection to several addresses of a name has an empty message.
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error
  return cause instanceof Error && cause.message !== '' ? cause.message : 'the connection failed'
}
