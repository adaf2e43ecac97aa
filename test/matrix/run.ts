/** Runs every cell once: clients beside each other, the cells of one client in turn; what everybody hears comes last, alone. */
import type { MatrixClient, Declares, Driver } from './client.ts'
import { eventually, patience, UPSTREAMS } from './cell.ts'
import type { At, Behaviour, Cell, Group, MatrixUpstream, ServerKind } from './cell.ts'
import { serverName, SERVERS, TURNING } from './setting.ts'
import type { Setting } from './setting.ts'

const CLIENTS_AT_ONCE = 6
const CELL_TIMEOUT_MS = 25_000
/**
 * `portolan stdio` starts every server for its client, and SDK v2 starts it twice where it negotiates: some 20 processes before the
 * first answer. That took 20 s on two cores with a load of 13.
 */
const WARM_LIMIT_MS = 90_000
const OPEN_LIMIT_MS = WARM_LIMIT_MS + 30_000
/** A list of all servers is long: asking without pause would take the time that they need to start. */
const WARM_PAUSE_MS = 250

/** How a cell ended. */
export interface Ended {
  readonly mark: '✓' | '–'
  readonly note?: string
  readonly error?: unknown
  readonly tookMs: number
}

/** A client, so many gateways away. */
export interface Seat {
  readonly client: MatrixClient
  readonly hops: number
  /** Between its gateways the era changes with every hop. */
  readonly isTurning?: true
}

export const seatKey = ({ client, hops, isTurning }: Seat): string => `${client.id}/${hops}${isTurning === true ? '-turning' : ''}`
export const cellKey = (seat: Seat, upstream: MatrixUpstream, behaviour: Behaviour): string => `${seatKey(seat)} ${upstream.id} ${behaviour.id}`

/** server-everything speaks one era. */
export function upstreamsOf({ server }: Behaviour): readonly MatrixUpstream[] {
  return server === 'everything' ? UPSTREAMS.filter(({ batches }) => batches) : UPSTREAMS
}

function inTime<T>(run: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms`)), limitMs)
  })
  return Promise.race([run, late]).finally(() => clearTimeout(timer))
}

/** A gateway that has just been started leaves out servers that have not: here all of them are wanted. */
async function warmed(driver: Driver): Promise<Driver> {
  const missing = async (): Promise<string[]> => {
    const names: string[] = []
    for (let cursor: unknown, first = true; first || cursor !== undefined; first = false) {
      const { result } = await driver.request('tools/list', cursor === undefined ? {} : { cursor })
      names.push(...((result?.['tools'] ?? []) as { readonly name: string }[]).map(({ name }) => name))
      cursor = result?.['nextCursor']
    }
    return SERVERS.filter((server) => !names.some((name) => name.startsWith(`${server}__`)))
  }
  let down: readonly string[] = []
  await eventually('every server is up', async () => (down = await missing()).length === 0, WARM_LIMIT_MS, WARM_PAUSE_MS).catch(() => {
    throw new Error(`not up within ${WARM_LIMIT_MS} ms: ${down.join()}`)
  })
  return driver
}

/** Apps and skills keep their scheme: decision 0010. */
const KEPT = /^(ui|skill):\/\//

function marked(server: string, uri: string): string {
  const [scheme = ''] = KEPT.exec(uri) ?? []
  return scheme === '' ? `${server}+${uri}` : `${scheme}${server}/${uri.slice(scheme.length)}`
}

function unmarked(server: string, uri: string): string | undefined {
  const [scheme = ''] = KEPT.exec(uri) ?? []
  const start = scheme === '' ? `${server}+` : `${scheme}${server}/`
  return uri.startsWith(start) ? `${scheme}${uri.slice(start.length)}` : undefined
}

/** The connections of one seat, opened at first use. */
function createConnections({ client, hops, isTurning = false }: { readonly client: MatrixClient; readonly hops: number; readonly isTurning?: boolean }, setting: Setting) {
  const open = new Map<string, Promise<Driver>>()
  const isMerged = client.transport === 'stdio'
  const at = async (upstream: MatrixUpstream, kind: ServerKind, declares: Declares): Promise<At> => {
    const server = `${serverName(upstream, kind)}${isTurning ? TURNING : ''}`
    const key = isMerged ? declares : `${server} ${declares}`
    const opening = open.get(key) ?? client.connect(hops === 1 ? setting.near : setting.far, server, declares).then((opened) => (isMerged ? warmed(opened) : opened))
    open.set(key, opening)
    // One that failed is not what the next cell is about: it opens another.
    opening.catch(() => open.delete(key))
    const driver = await opening
    const prefix = isMerged ? `${server}__` : ''
    const strip = (start: string, shown: string): string | undefined => (shown.startsWith(start) ? shown.slice(start.length) : undefined)
    const name = (plain: string): string => `${prefix}${plain}`
    return {
      driver,
      cell: { client, upstream, hops, isMerged, isTurning, isReplicated: setting.isReplicated },
      name,
      uri: (plain) => (isMerged ? marked(server, plain) : plain),
      plainName: (shown) => strip(prefix, shown),
      plainUri: (shown) => (isMerged ? unmarked(server, shown) : shown),
      call: (tool, args = {}, options) => driver.request('tools/call', { name: name(tool), arguments: args }, options),
      other: (wanted) => at(upstream, kind, wanted),
      notesPath: setting.notesPath,
    }
  }
  return {
    at,
    isReplicated: setting.isReplicated,
    close: () => Promise.allSettled([...open.values()].map((opening) => opening.then((driver) => driver.close()))),
  }
}

const isMerged = ({ client }: Seat): boolean => client.transport === 'stdio'

type Connections = ReturnType<typeof createConnections>

async function runCell({ at: open, isReplicated }: Connections, seat: Seat, upstream: MatrixUpstream, behaviour: Behaviour): Promise<Ended> {
  const beganAtMs = performance.now()
  const cell: Cell = { ...seat, isTurning: seat.isTurning === true, upstream, isMerged: isMerged(seat), isReplicated }
  const otherwise = behaviour.otherwise?.(cell)
  const run = otherwise === undefined ? behaviour.run : otherwise.run
  const end = otherwise === undefined ? { mark: '✓' as const } : { mark: '–' as const, note: otherwise.note }
  const took = (): number => Math.round(performance.now() - beganAtMs)
  let wasCut = (): boolean => false
  try {
    if (run !== undefined) {
      const at = await inTime(open(upstream, behaviour.server, 'all'), OPEN_LIMIT_MS)
      at.driver.heard.length = 0
      at.driver.asked.length = 0
      const cutsBefore = at.driver.cuts?.() ?? 0
      wasCut = () => (at.driver.cuts?.() ?? 0) > cutsBefore
      await inTime(run(at), CELL_TIMEOUT_MS * patience.factor)
    }
    return { ...end, tookMs: took() }
  } catch (error) {
    return { ...end, error: wasCut() ? new Error(`answered by the balancer, with status 502: ${String(error)}`, { cause: error }) : error, tookMs: took() }
  }
}

/** Runs cells over connections that it keeps. */
export interface MatrixRun {
  /** Every cell of the seats. */
  all(): Promise<ReadonlyMap<string, Ended>>
  /** One cell. */
  cell(seat: Seat, upstream: MatrixUpstream, behaviour: Behaviour): Promise<Ended>
  close(): Promise<void>
}

export function openMatrix(groups: readonly Group[], seats: readonly Seat[], setting: Setting): MatrixRun {
  const results = new Map<string, Ended>()
  const behaviours = groups.flatMap((group) => group.behaviours)
  const connections = new Map(seats.map((seat) => [seatKey(seat), createConnections(seat, setting)]))
  const cell: MatrixRun['cell'] = async (seat, upstream, behaviour) => {
    const own = connections.get(seatKey(seat))
    if (own === undefined) throw new Error(`no such seat: ${seatKey(seat)}`)
    const ended = await runCell(own, seat, upstream, behaviour)
    results.set(cellKey(seat, upstream, behaviour), ended)
    return ended
  }
  const some = async (seat: Seat, upstream: MatrixUpstream, isAlone: boolean): Promise<void> => {
    for (const behaviour of behaviours) if ((behaviour.alone === true) === isAlone && upstreamsOf(behaviour).includes(upstream)) await cell(seat, upstream, behaviour)
  }
  const waiting = [...seats]
  const worker = async (): Promise<void> => {
    for (let seat = waiting.shift(); seat !== undefined; seat = waiting.shift()) for (const upstream of UPSTREAMS) await some(seat, upstream, false)
  }
  return {
    cell,
    async all() {
      await Promise.all(Array.from({ length: CLIENTS_AT_ONCE }, worker))
      await Promise.all(UPSTREAMS.map(async (upstream) => {
        for (const seat of seats) if (!isMerged(seat)) await some(seat, upstream, true)
      }))
      // One pipe for all servers hears them all.
      for (const seat of seats.filter(isMerged)) for (const upstream of UPSTREAMS) await some(seat, upstream, true)
      return results
    },
    close: async () => void (await Promise.all([...connections.values()].map((own) => own.close()))),
  }
}

/** Every cell of these seats, once. */
export async function runMatrix(groups: readonly Group[], seats: readonly Seat[], setting: Setting): Promise<ReadonlyMap<string, Ended>> {
  const run = openMatrix(groups, seats, setting)
  const results = await run.all()
  await run.close()
  return results
}
