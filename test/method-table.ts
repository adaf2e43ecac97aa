/** The table of methods in docs/explanation/eras.md, made from the carrier table. Run this file to write it into the page. */
import { readFileSync, writeFileSync } from 'node:fs'
import { CARRIERS, carrierRow } from '../src/core/bridge/carrier-table.ts'
import type { CarrierRow } from '../src/core/bridge/carrier-table.ts'
import type { Era } from '../src/protocol/revision.ts'

const PAGE = new URL('../docs/explanation/eras.md', import.meta.url)
export const BEGIN = '<!-- methods: made by test/method-table.ts -->\n'
export const END = '<!-- end of methods -->'
const CELLS: readonly (readonly [client: Era, upstream: Era])[] = [['modern', 'modern'], ['legacy', 'legacy'], ['legacy', 'modern'], ['modern', 'legacy']]

/** Markdown, with BEGIN and END. */
export function methodTable(): string {
  const methods = [...new Set([...Object.keys(CARRIERS.legacy), ...Object.keys(CARRIERS.modern)])].sort()
  const rows = methods.map((method) => [`\`${method}\``, ...CELLS.map(([client, upstream]) => word(carrierRow(client, upstream, method)))])
  const table = [['method', ...CELLS.map(([client, upstream]) => `${client} → ${upstream}`)], ['---', ...CELLS.map(() => '---')], ...rows]
  return `${BEGIN}\n${table.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${END}`
}

function word(row: CarrierRow | undefined): string {
  switch (row?.kind) {
    case undefined:
      return 'passed on'
    case 'carry':
      return 'carried'
    case 'translate':
    case 'task':
      return 'translated'
    case 'answer':
      return 'answered'
    case 'unsupported':
      return `refused: ${row.reason}`
  }
}

/** `page` with the table as it should be. */
export function withMethodTable(page: string): string {
  const [before = '', rest = ''] = page.split(BEGIN)
  return `${before}${methodTable()}${rest.slice(rest.indexOf(END) + END.length)}`
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, withMethodTable(readFileSync(PAGE, 'utf8')))
