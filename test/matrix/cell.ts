/** A behaviour of the protocol, and one cell of it: a client at a server behind Portolan. */
import type { Era, Revision } from '../../src/protocol/revision.ts'
import type { Declares, Driver, Json, MatrixClient, Reply, RequestOptions } from './client.ts'

/** How Portolan reaches a server, in the order of the marks of a cell. */
export interface MatrixUpstream {
  readonly id: string
  readonly title: string
  readonly era: Era
  readonly revision: Revision
  /** Each gateway starts processes of its own. */
  readonly isChild: boolean
  /** Has a server of 2025-03-26 too, whose answers are arrays; and the official test server, which speaks 2025-11-25. */
  readonly batches: boolean
}

export const UPSTREAMS: readonly MatrixUpstream[] = [
  { id: 'ls', title: '2025-11-25 over stdio', era: 'legacy', revision: '2025-11-25', isChild: true, batches: true },
  { id: 'lh', title: '2025-11-25 over HTTP', era: 'legacy', revision: '2025-11-25', isChild: false, batches: true },
  { id: 'os', title: '2024-11-05 over HTTP+SSE', era: 'legacy', revision: '2024-11-05', isChild: false, batches: false },
  { id: 'ms', title: '2026-07-28 over stdio', era: 'modern', revision: '2026-07-28', isChild: true, batches: false },
  { id: 'mh', title: '2026-07-28 over HTTP', era: 'modern', revision: '2026-07-28', isChild: false, batches: false },
]

/** Which program is the server. */
export type ServerKind = 'reference' | 'everything' | 'fixture' | 'batching'

export interface Cell {
  readonly client: MatrixClient
  readonly upstream: MatrixUpstream
  /** Gateways between client and server. */
  readonly hops: number
  /** Between those gateways the era changes with every hop. */
  readonly isTurning: boolean
  /** The gateway near the server is several replicas behind a balancer, in turn. */
  readonly isReplicated: boolean
  /** At all servers as one, under names that say which. */
  readonly isMerged: boolean
}

/** A connection of the cell's client to the behaviour's server. */
export interface At {
  readonly driver: Driver
  readonly cell: Cell
  /** A tool's or prompt's name, and a resource's URI, as this client has to say it. */
  name(plain: string): string
  uri(plain: string): string
  /** The other way; undefined for what is of another server. */
  plainName(shown: string): string | undefined
  plainUri(shown: string): string | undefined
  call(tool: string, args?: Json, options?: RequestOptions): Promise<Reply>
  /** A connection of the same client that declares this, closed by the setting. */
  other(declares: Declares): Promise<At>
  /** A folder of the fixture's notes. */
  readonly notesPath: string
}

/** Why a cell cannot be as the others, by its note on the page; `run` shows what happens instead. */
export interface Otherwise {
  readonly note: string
  readonly run?: (at: At) => Promise<void>
}

export interface Behaviour {
  readonly id: string
  readonly title: string
  /** Below `modelcontextprotocol.io/specification/`. */
  readonly spec: string
  readonly server: ServerKind
  /** Not while anything else runs at the same server: what it does is heard by everybody. */
  readonly alone?: true
  /** Where it cannot be as in the other cells; the first that is given counts. */
  readonly otherwise?: (cell: Cell) => Otherwise | undefined
  readonly run: (at: At) => Promise<void>
}

export interface Group {
  readonly title: string
  readonly behaviours: readonly Behaviour[]
}

/** Whether the eras differ anywhere between client and server. */
export const isAcross = ({ client, upstream, isTurning }: Cell): boolean => client.era !== upstream.era || isTurning

/** The older of the two revisions: what it lacks, the cell lacks. */
export const olderOf = ({ client, upstream }: Cell): Revision => (client.revision < upstream.revision ? (client.revision as Revision) : upstream.revision)

/** The text of a tool's result, parts joined; of an error what it says. */
export function textOf({ result, code, message = '' }: Reply): string {
  if (code !== undefined) return `error ${code}: ${message}`
  const content = result?.['content']
  return Array.isArray(content) ? content.map((part: { readonly text?: string }) => part.text ?? '').join('|') : ''
}

/** How much longer than usual everything may take: while replicas restart, children and sessions have to be opened again in the middle of a cell. */
export const patience = { factor: 1 }

/** Waits until it holds, at most `limitMs`. */
export async function eventually(what: string, check: () => boolean | Promise<boolean>, limitMs = 5_000, pauseMs = 15): Promise<void> {
  const endAtMs = performance.now() + limitMs * patience.factor
  while (!(await check())) {
    if (performance.now() > endAtMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
