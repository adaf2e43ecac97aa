/** docs/bridge-matrix.md, from what a run gave. Nothing in it differs from one good run to the next. */
import type { Group } from './cell.ts'
import { UPSTREAMS } from './cell.ts'
import type { MatrixUpstream } from './cell.ts'
import { NOTES } from './notes.ts'
import { cellKey, upstreamsOf } from './run.ts'
import type { Ended, Seat } from './run.ts'

const SPECIFICATION = 'https://modelcontextprotocol.io/specification/'

const INTRODUCTION = `# The bridge matrix

Every client in front of servers of every era, on every transport: what was tried, and what came of it. Made by \`npm run matrix\`
(with \`MATRIX_WRITE=1\`), which starts the servers and gateways as processes and runs every cell; a test fails when this page is not
what the run gives. [Eras](explanation/eras.md) explains how it is done.
`

function titleOf({ client, hops, isTurning }: Seat): string {
  if (isTurning === true) return `${client.title}, ${hops} gateways, each hop in the other era`
  return hops === 1 ? client.title : `${client.title}, ${hops} gateways`
}

/** Numbers of notes, in the order of their first use. */
function numbering() {
  const numbers = new Map<string, number>()
  return {
    numbers,
    of(note: string): number {
      const number = numbers.get(note) ?? numbers.size + 1
      numbers.set(note, number)
      return number
    },
  }
}

export function matrixPage(groups: readonly Group[], seats: readonly Seat[], results: ReadonlyMap<string, Ended>): string {
  const { numbers, of } = numbering()
  const cell = (seat: Seat, group: Group['behaviours'][number]): string => {
    const ended = upstreamsOf(group).map((upstream: MatrixUpstream) => results.get(cellKey(seat, upstream, group)))
    const marks = ended.map(markOf).join('')
    const notes = [...new Set(ended.flatMap((one) => one?.note ?? []))].map(of)
    return notes.length === 0 ? marks : `${marks} <sup>${notes.join(' ')}</sup>`
  }
  const table = (group: Group): string => {
    const rows = group.behaviours.map((behaviour) => [`[${behaviour.title}](${SPECIFICATION}${behaviour.spec})`, ...seats.map((seat) => cell(seat, behaviour))])
    const lines = [['', ...seats.map(titleOf)], ['---', ...seats.map(() => '---')], ...rows]
    return `## ${group.title}\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
  }
  const tables = groups.map(table)
  const count = [...results.values()].filter(({ mark }) => mark === '✓').length
  const notes = [...numbers].map(([note, number]) => {
    const { text, spec } = NOTES[note] ?? { text: note }
    return `${number}. ${text}${spec === undefined ? '' : ` ([specification](${SPECIFICATION}${spec}))`}`
  })
  return [INTRODUCTION, reading(seats, count, results.size), ...tables, `## Notes\n\n${notes.join('\n')}\n`].join('\n')
}

/** The same for a terminal: one column of four characters a client, numbered below. */
export function matrixText(groups: readonly Group[], seats: readonly Seat[], results: ReadonlyMap<string, Ended>): string {
  const marks = (seat: Seat, behaviour: Group['behaviours'][number]): string =>
    upstreamsOf(behaviour).map((upstream) => markOf(results.get(cellKey(seat, upstream, behaviour)))).join('').padEnd(UPSTREAMS.length)
  const head = seats.map((_seat, index) => String(index + 1).padEnd(UPSTREAMS.length)).join(' ')
  const rows = groups.flatMap(({ title, behaviours }) => [
    `\n${title}`,
    ...behaviours.map((behaviour) => `${seats.map((seat) => marks(seat, behaviour)).join(' ')}  ${behaviour.title}`),
  ])
  const legend = seats.map((seat, index) => `${String(index + 1).padStart(2)}  ${titleOf(seat)}`)
  return [head, ...rows, '', ...legend, '', `Servers in a cell: ${UPSTREAMS.map(({ title }) => title).join(', ')}`].join('\n')
}

function markOf(ended: Ended | undefined): string {
  if (ended === undefined) return '?'
  return ended.error === undefined ? ended.mark : '✗'
}

function reading(seats: readonly Seat[], carried: number, all: number): string {
  return `Each column is a client, each row a behaviour. The marks of a cell are the servers, in this order: ${UPSTREAMS.map(({ title }) => title).join(', ')};
\`server-everything\` speaks 2025-11-25 alone, so its rows have the first two. Servers of 2025-03-26 stand in their place where arrays are sent. The last clients are three gateways away, once with the
same era all the way, once with another one at every hop (client, 2025-11-25, 2026-07-28, server). ✓ is carried; – is what the number explains, and
what happens instead is tested too wherever a client can show it. ${seats.length} clients, ${all.toLocaleString('en')} cells, ${carried.toLocaleString('en')} of them carried.
`
}
