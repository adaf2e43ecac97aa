/**
 * The `portolan` object of a configuration file, as a zod schema: what it may hold, and for each setting the sentence that
 * docs/configuration.md shows. Unknown keys are errors here. Defaults live in `DEFAULTS`, so that "not said" stays visible.
 */

import { z } from 'zod'
import { isAppDomain } from '../../protocol/app.ts'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import type { FailureClass } from '../../core/task/stored-task.ts'
import { MAX_LIMIT, burst, limits, perSec } from './config-limits.ts'

const port = z.int().min(0).max(65_535)
const text = z.string().min(1)
const texts = z.array(text)

/** `code` is what `codes` says. */
const RETRY_CLASSES = ['transport', 'timeout', 'busy'] as const satisfies readonly FailureClass[]

const count = z.int().min(1).max(MAX_LIMIT).optional()
const timeMs = count

const toolTasks = z.strictObject({
  task: z.enum(['auto', 'always', 'never']).describe('`auto`: a call that takes longer than `taskAfterMs` becomes a task; `always`: every call; only of clients that take tasks'),
  adopt: z.boolean().optional().describe('Keep what the server itself makes a task of: status and result stay when the server has forgotten them'),
  taskAfterMs: timeMs.describe('How long a client waits for the result before it gets a task, in milliseconds'),
  ttlMs: timeMs.describe('How long a task can be found after it was made, in milliseconds'),
  retentionMs: timeMs.describe('How long its result can be found at least, in milliseconds'),
  deadlineMs: timeMs.describe('After this long without an end a task has failed, in milliseconds'),
  attemptMs: timeMs.describe('How long one attempt may take, in milliseconds'),
  repeatable: z.boolean().optional().describe('The tool may run twice: calls whose outcome is unknown are tried again'),
  retry: z
    .strictObject({
      attempts: z.int().min(1).max(100).optional().describe('Attempts in all'),
      on: z.array(z.enum(RETRY_CLASSES)).optional().describe('After which failures: no connection, no answer in time, 429 and 503'),
      codes: z.array(z.int()).optional().describe('JSON-RPC errors of the server after which another attempt is made: it has not run then'),
      baseMs: timeMs.describe('How long to wait before the second attempt at most, in milliseconds; twice as long before each further one'),
      maxMs: timeMs.describe('How long to wait at most, in milliseconds'),
    })
    .optional(),
})

const serverOptions = z.strictObject({
  id: text.max(64).optional().describe('Keeps sessions, tasks and records together when the server is renamed'),
  enabled: z.boolean().optional().describe('`false` leaves the server out; so do the clients\' `disabled: true` and `enabled: false`'),
  era: z.enum(['auto', 'legacy', 'modern']).optional().describe('Which protocol eras to try; `auto` asks the server'),
  share: z.enum(['all', 'principal', 'session']).optional().describe('Who may share one child process or upstream session'),
  state: z.enum(['none', 'replayable', 'opaque']).optional().describe('What a restarted child process has lost'),
  placement: z.enum(['replica', 'singleton']).optional().describe('Of a stdio server, with several replicas: children on each of them, or at one of all, which the others use'),
  trustAnnotations: z.boolean().optional().describe('Believe `idempotentHint` and `readOnlyHint`: such calls may be sent again when their outcome is unknown'),
  timeouts: z
    .strictObject({
      connectMs: timeMs.describe('Until the server is reached, or its process has answered, in milliseconds'),
      requestIdleMs: timeMs.describe('How long a call may be silent, in milliseconds'),
      requestTotalMs: timeMs.describe('How long a call may take, in milliseconds, waiting for its turn and for its server to start included'),
    })
    .optional(),
  limits: z
    .strictObject({
      exchanges: count.describe('Calls at this server at a time, of all principals; not given: no bound'),
      queue: z.int().min(0).max(MAX_LIMIT).optional().describe('Calls that wait where `exchanges` or `ratePerSec` is reached, principals in turn; beyond: 503 with Retry-After'),
      queueMs: timeMs.describe('How long one of them waits, in milliseconds; then 503 with Retry-After'),
      ratePerSec: perSec.optional().describe('Calls a second, of all principals, for a long time; may be a fraction; not given: no bound'),
      burst: burst.describe('So many of them at once; not given: those of one second'),
    })
    .optional(),
  breaker: z
    .strictObject({
      failures: z.int().min(0).max(MAX_LIMIT).optional().describe('After so many calls in a row without an answer further ones are refused at once; `0`: never'),
      windowMs: timeMs.describe('All of them within this time, in milliseconds'),
      openMs: timeMs.describe('How long they are refused, in milliseconds, before one may try again'),
      halfOpenProbes: count.describe('How many may try at a time'),
    })
    .optional(),
  tasks: z.record(z.string(), toolTasks).optional(),
})

const words = {
  title: text.optional().describe('Shown to people instead of its own'),
  description: z.string().optional().describe('Shown to people and models instead of its own'),
}
const hide = z.boolean().optional().describe('`true` takes it out of reach, as not picking it does')
const annotations = z.record(z.string(), z.json().describe('Set over the server\'s own; Portolan itself goes by what the server said')).optional()
/** What models' APIs and 2025-11-25 accept. */
const toolName = z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/)

const virtualServer = z.strictObject({
  title: text.optional().describe('What clients show as its name'),
  description: text.optional().describe('What clients may show of it'),
  instructions: z.string().optional().describe('For models; not given: those of its servers; `""`: none'),
  use: z
    .array(
      z.strictObject({
        server: text,
        tools: texts.optional(),
        prompts: texts.optional(),
        resources: texts.optional(),
        templates: texts.optional(),
      }),
    )
    .min(1)
    .describe('Its servers, in the order of its lists: `{ server, tools, prompts, resources, templates }`, each a list of globs; not given: all, `[]`: none'),
  tools: z
    .record(
      z.string(),
      z.strictObject({
        name: toolName.optional().describe('What it is called here'),
        ...words,
        annotations,
        arguments: z.record(z.string(), z.json().describe('The value of this argument: clients neither see nor send it')).optional(),
        hide,
      }),
    )
    .optional(),
  prompts: z
    .record(
      z.string(),
      z.strictObject({
        name: text.max(128).optional().describe('What it is called here'),
        ...words,
        arguments: z.record(z.string(), z.string().describe('The value of this argument: clients neither see nor send it')).optional(),
        hide,
      }),
    )
    .optional(),
  resources: z.record(z.string(), z.strictObject({ name: text.optional().describe('Its name; its URI stays'), ...words, annotations, hide })).optional(),
})

/** Longer than any balancer takes to notice. */
export const MAX_DRAIN_DELAY_MS = 600_000

const domain = text.refine(isAppDomain, { error: 'an origin such as "https://api.example.com" or "https://*.example.com"' })
const domains = z.array(domain)

/** Not given: whatever the app's server says; `[]`: nothing. */
const appBounds = {
  connectDomains: domains.optional().describe('Origins that apps may connect to at most; not given: those that their server names, `[]`: none'),
  resourceDomains: domains.optional().describe('Origins that apps may load scripts, styles, images and fonts from at most'),
  frameDomains: domains.optional().describe('Origins that apps may show in frames at most'),
  baseUriDomains: domains.optional().describe('Origins that an app\'s base URI may be of at most'),
  permissions: z.array(z.enum(['camera', 'microphone', 'geolocation', 'clipboardWrite'])).optional().describe('What of the browser apps may ask for at most'),
}

const apps = z.strictObject({
  calls: z
    .enum(['server', 'endpoint'])
    .optional()
    .describe('Where several servers are one: `server`, an app may call tools only if no other server there has apps; `endpoint`, it may call any tool that is for apps'),
  ...appBounds,
  servers: z.record(z.string(), z.strictObject(appBounds)).optional().describe('The same five for the apps of one server, by its name: both hold'),
})

/** The `portolan` object. */
export const portolanSchema = z.strictObject({
  version: z.literal(1).describe('The version of this object'),
  listen: z
    .strictObject({
      host: text.optional().describe('Address to listen on; anything but loopback needs `tls` or `trustedProxies`'),
      port: port.optional().describe('TCP port; 0 takes any free one'),
      socket: text.optional().describe('Path of a unix socket, instead of host and port'),
      publicUrl: z.url({ protocol: /^https?$/ }).optional().describe('Where clients reach it, when that differs from host and port'),
      allowedHosts: texts.optional().describe('`Host` values to answer to besides the one of `publicUrl`, as `name` or `name:port`; not given: the loopback names and `host`'),
      allowedOrigins: texts.optional().describe('Exact origins of web pages that may call it'),
      trustedProxies: texts.optional().describe('Proxies that are believed: addresses, networks such as `10.0.0.0/8`, or `unix` for those on the socket'),
      forwardedHeaders: z
        .enum(['x-forwarded', 'forwarded'])
        .optional()
        .describe('Which headers those proxies set: `X-Forwarded-*`, or `Forwarded` (RFC 7239)'),
      drainDelayMs: z
        .int()
        .min(0)
        .max(MAX_DRAIN_DELAY_MS)
        .optional()
        .describe('On SIGTERM, for how long `/readyz` is false and everything else as ever, before the listener is closed, in milliseconds'),
      tls: z
        .strictObject({
          cert: text.describe('Path of the certificate chain, PEM; read again on reload'),
          key: text.describe('Path of the private key, PEM; read again on reload'),
        })
        .optional(),
    })
    .optional(),
  auth: z.enum(['token', 'none']).optional().describe('`token`: made at the first start; `none`: only on loopback or a unix socket'),
  separator: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,8}$/)
    .optional()
    .describe('Between server and tool in names on `/mcp`: one to eight of `A-Z a-z 0-9 _ -`'),
  pageSize: z.int().min(1).max(10_000).optional().describe('Items on one page of a list'),
  apps: apps.optional(),
  limits: limits.optional(),
  operations: z
    .strictObject({
      socket: text.optional().describe('Path of the unix socket for `portolan status`'),
      host: text.optional().describe('Also serve `/status` and `/metrics` on this loopback address'),
      port: port.optional().describe('Also serve `/status` and `/metrics` on this TCP port'),
    })
    .optional(),
  servers: z.record(z.string(), serverOptions).optional(),
  virtualServers: z.record(z.string(), virtualServer).optional(),
})

export type PortolanOptions = z.infer<typeof portolanSchema>
export type ServerOptions = z.infer<typeof serverOptions>
export type ToolTaskOptions = z.infer<typeof toolTasks>
export type VirtualServerOptions = z.infer<typeof virtualServer>

/** What holds where the file says nothing. Paths below the data folder are filled in when that folder is known. */
export const DEFAULTS = {
  listen: { host: '127.0.0.1', port: 7400, forwardedHeaders: 'x-forwarded', drainDelayMs: 0 },
  auth: 'token',
  separator: '__',
  pageSize: 100,
  apps: { calls: 'server' },
  limits: DEFAULT_LIMITS,
  operations: { socket: '<data folder>/operations.sock', host: '127.0.0.1' },
  server: {
    enabled: true,
    era: 'auto',
    share: 'all',
    state: 'opaque',
    placement: 'replica',
    trustAnnotations: false,
    timeouts: { connectMs: 30_000, requestIdleMs: 5 * 60_000, requestTotalMs: 60 * 60_000 },
    limits: { queue: 100, queueMs: 10_000 },
    breaker: { failures: 10, windowMs: 60_000, openMs: 5_000, halfOpenProbes: 1 },
    tasks: {
      '<name>': {
        adopt: true,
        taskAfterMs: 5_000,
        ttlMs: 24 * 60 * 60_000,
        retentionMs: 60 * 60_000,
        deadlineMs: 24 * 60 * 60_000,
        attemptMs: 60 * 60_000,
        repeatable: false,
        retry: { attempts: 3, on: ['transport', 'busy'], codes: [], baseMs: 1_000, maxMs: 60_000 },
      },
    },
  },
} as const
