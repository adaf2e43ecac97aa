/** docs/operate.md: what it has to have, and its figures against the recorded runs and the source. */
import { describe, expect, it } from 'vitest'
import { anchorsOf, linksOf, readDocument, rowsBelow } from './document.ts'

const PAGE = readDocument('docs/operate.md')
const sizing = rowsBelow(PAGE, 'Sizing').map((cells) => cells.join(' ')).join('\n')
const result = (name: string): any => JSON.parse(readDocument(`bench/results/${name}.json`))
const number = (source: string, name: string): number => Number(new RegExp(`${name} = ([\\d_]+)`).exec(readDocument(source))?.[1]?.replaceAll('_', ''))
/** As the page writes what was measured. */
const rounded = (value: number, to: number): string => (Math.round(value / to) * to).toLocaleString('en')

describe('docs/operate.md', () => {
  it('has sizing, backup and restore, upgrade and failure modes, found from the index, and leads to what survives what', () => {
    const index = linksOf(readDocument('docs/README.md'))
    for (const section of ['sizing', 'backup-and-restore', 'upgrade', 'failure-modes']) {
      expect(anchorsOf(PAGE)).toContain(section)
      expect(index).toContain(`operate.md#${section}`)
    }
    expect(linksOf(PAGE)).toContain('explanation/replicas.md#what-survives-what')
    expect(rowsBelow(PAGE, 'Failure modes').length).toBeGreaterThan(8)
  })

  it('has the figures that were measured', () => {
    const { results } = result('latest')
    const portolan = (name: string): any => results.find(({ benchCase }: any) => benchCase.name === name).outcomes.portolan.summary
    const perSec = (name: string): string => rounded(portolan(name).requestsPerSec.best, 100)
    for (const name of ['modern-http-400', 'legacy-http-400', 'modern-http-list']) expect(sizing).toContain(perSec(name))
    expect(sizing).toContain(`${perSec('modern-http-50k')} with 50 KB each way`)
    expect(sizing).toContain(`${rounded(portolan('modern-http-400').peakRssBytes / 1e6, 1)} MB under load`)
    const [sessions, streams] = result('memory').memory.map(({ beforeBytes, afterBytes, reachedCount }: any) => ((afterBytes - beforeBytes) / reachedCount / 1e3).toFixed(1))
    expect(sizing).toContain(`${sessions} kB more for each idle legacy session, ${streams} kB for each open stream`)
  })

  it('counts the connections and heartbeats that there are', () => {
    const pool = number('src/adapters/postgres/database.ts', 'POOL_SIZE')
    expect(sizing).toContain(`up to ${pool + 1} for each replica and each worker: ${pool} for state, 1 for hints`)
    expect(sizing).toContain(`${Math.floor((100 - 3) / (pool + 1))} processes fit`)
    expect(readDocument('src/adapters/postgres/fault.ts')).toContain(`takes up to ${pool + 1}'`)
    expect(sizing).toContain(`A heartbeat each ${number('src/core/replica/membership.ts', 'HEARTBEAT_MS') / 1_000} s`)
  })
})
