/** The ports that this folder fills pass the suites that every other adapter of them passes. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testLedger } from '../../../test/contracts/ledger.contract.ts'
import { testSnapshotSource } from '../../../test/contracts/snapshot-source.contract.ts'
import { testTelemetry } from '../../../test/contracts/telemetry.contract.ts'
import { createConfigFile, loadConfig } from './config-file.ts'
import { openLedgerFile } from './ledger-file.ts'
import { createMetrics } from './metrics.ts'

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'portolan-contract-'))

testLedger('file', async () => {
  const path = join(newFolder(), 'ledger.jsonl')
  const fail = ({ reason }: { reason: string }): never => {
    throw new Error(reason)
  }
  const ledger = await openLedgerFile({ path, onFailure: fail })
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n').filter((line) => line !== '')
  return { ledger, records: async () => lines().map((line) => JSON.parse(line)) }
})

testSnapshotSource('configuration file', async () => {
  const path = join(newFolder(), 'portolan.json')
  let revision = 0
  const write = (): void => writeFileSync(path, JSON.stringify({ mcpServers: { a: { command: 'x', args: [String(revision)] } } }))
  write()
  const source = createConfigFile(path, loadConfig(path, {}), {})
  return {
    source,
    change: async () => {
      revision += 1
      write()
      source.reload()
      return source.current()
    },
    repeat: async () => void source.reload(),
  }
})

testTelemetry('metrics', async () => {
  const telemetry = createMetrics()
  const series = (name: string, labels: Readonly<Record<string, string>>): string => {
    const pairs = Object.entries(labels).sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, value]) => `${key}="${value}"`)
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} `
  }
  const read = (name: string, labels: Readonly<Record<string, string>>): number => {
    const line = telemetry.text().split('\n').find((text) => text.startsWith(series(name, labels)))
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  return {
    telemetry,
    value: async (name, labels) => read(name, labels),
    observed: async (name, labels) => ({ count: read(`${name}_count`, labels), sumMs: read(`${name}_sum`, labels) }),
  }
})
