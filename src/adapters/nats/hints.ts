/** Hints over NATS: one subject for all of them, no stream and no acknowledgement; a poll stands behind each hint. */
import { connect, credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node'
import type { Authenticator, NatsConnection, NodeConnectionOptions, Status } from '@nats-io/transport-node'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Clock } from '../../core/clock.ts'
import { createHintRelay } from '../../core/event/hint-relay.ts'
import type { WiredHints } from '../../core/event/hint-wire.ts'
import type { Random } from '../../core/random.ts'
import { backoffMs } from '../../core/upstream/backoff.ts'
import { isNkeySeed } from './nats-target.ts'
import type { NatsTarget } from './nats-target.ts'

export interface NatsHintsOptions {
  readonly target: NatsTarget
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry
  /** Deployments that share a NATS have one each. */
  readonly subjectPrefix?: string
  /** How often the server is asked whether it is there; two answers that fail to come mean that it is not. */
  readonly pingMs?: number
  readonly onChange?: (isUp: boolean, detail: string) => void
}

/** Far below what a server takes by default (1 MiB). */
const MAX_TEXT_BYTES = 64 * 1024
const RECONNECT = { reconnectTimeWait: 250, reconnectJitter: 250, reconnectJitterTLS: 500 }
const PING_MS = 1_000
const MAX_PINGS_OUT = 2
const CONNECT_MS = 2_000
const BACKOFF = { firstMs: 100, maxMs: 3_000 }

/** Connects by itself, for ever. */
export function createNatsHints(options: NatsHintsOptions): WiredHints {
  const { target, clock, random, subjectPrefix = 'portolan', pingMs = PING_MS, onChange = () => {} } = options
  const relay = createHintRelay({ from: random.id(), maxTextBytes: MAX_TEXT_BYTES, telemetry: options.telemetry })
  const subject = `${subjectPrefix}.hints`
  const decoder = new TextDecoder()
  let connection: NatsConnection | undefined
  let detail = 'not connected yet'
  let isClosed = false
  let failures = 0
  let losses = 0
  let cancelTimer = (): void => {}

  /** The client reconnects by itself, but not where it never was connected. */
  async function open(): Promise<void> {
    const opened = await connect({ ...connectionOptions(target), pingInterval: pingMs })
    connection = opened
    if (isClosed) return opened.close()
    opened.subscribe(subject, { callback: (error, { data }) => void (error === null && relay.receive(decoder.decode(data))) })
    // What others publish from here on arrives.
    try {
      await opened.flush()
    } catch (error) {
      // The next try opens another one.
      await opened.close()
      throw error
    }
    carry(opened)
    for await (const status of opened.status()) follow(opened, status)
  }

  function carry(over: NatsConnection): void {
    tell(true, 'connected')
    relay.up(async (text) => {
      over.publish(subject, text)
      // The server has it; while it does not answer, hints wait here and are coalesced.
      await over.flush()
    })
  }

  function follow(over: NatsConnection, status: Status): void {
    if (status.type === 'disconnect' || status.type === 'close') {
      losses += 1
      relay.down()
      if (!isClosed) tell(false, 'the connection was lost')
    } else if (status.type === 'reconnect') {
      goOn(over, losses)
    } else if (status.type === 'error') {
      detail = status.error.message
    }
  }

  /** The gap ends when the server has the subscription again: what others publish before that is lost, and must be told. */
  function goOn(over: NatsConnection, lossesBefore: number): void {
    const isSame = (): boolean => losses === lossesBefore && !isClosed
    // A connection that is lost meanwhile says so by itself.
    over.flush().then(() => void (isSame() && carry(over)), () => undefined)
  }

  function tell(isUp: boolean, what: string): void {
    detail = what
    onChange(isUp, what)
  }

  function openInTheEnd(): void {
    open().catch((error: unknown) => {
      relay.down()
      if (isClosed) return
      const why = error instanceof Error ? error.message : 'the connection failed'
      if (failures === 0) tell(false, why)
      else detail = why
      failures += 1
      cancelTimer = clock.after(backoffMs(failures, BACKOFF, random), openInTheEnd)
    })
  }

  openInTheEnd()
  return {
    publish: relay.publish,
    subscribe: relay.subscribe,
    state: () => ({ wire: 'nats', isUp: relay.isUp(), detail }),
    async close() {
      isClosed = true
      cancelTimer()
      relay.down()
      await connection?.close()
    },
  }
}

function connectionOptions({ servers, user, password, token, credentials, tls }: NatsTarget): NodeConnectionOptions {
  return {
    servers: [...servers],
    name: 'portolan hints',
    noEcho: true,
    maxReconnectAttempts: -1,
    // Credentials that are mended at the server need no restart here.
    ignoreAuthErrorAbort: true,
    timeout: CONNECT_MS,
    maxPingOut: MAX_PINGS_OUT,
    ...RECONNECT,
    ...(user === undefined ? {} : { user, pass: password ?? '' }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined ? {} : { authenticator: authenticatorOf(credentials) }),
    ...(tls === undefined ? {} : { tls }),
  }
}

function authenticatorOf(credentials: string): Authenticator {
  const text = credentials.trim()
  // The parser wants the line break that a reference to a file strips.
  return isNkeySeed(text) ? nkeyAuthenticator(new TextEncoder().encode(text)) : credsAuthenticator(new TextEncoder().encode(`${text}\n`))
}
