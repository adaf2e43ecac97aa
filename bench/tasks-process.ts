// One engine in a process of its own: `tasks-process.ts <engine> <url>` says `{}` when it is open, then answers each line on its
// standard input (a window to measure) with a line (what was measured), and ends with its standard input.
import { createInterface } from 'node:readline'
import { keepBusy, keepRate } from './tasks-engine.ts'
import type { EngineName, TaskEngine } from './tasks-engine.ts'
import { openGraphile } from './tasks-graphile.ts'
import { openPortolan } from './tasks-portolan.ts'

export type WindowOrder =
  | { readonly kind: 'busy'; readonly callerCount: number; readonly seconds: number }
  | { readonly kind: 'rate'; readonly perSecond: number; readonly seconds: number }

function open(name: EngineName, url: string): Promise<TaskEngine> {
  return name === 'graphile' || name === 'graphile-tuned' ? openGraphile(name, url) : openPortolan(name, url)
}

const [, , name = '', url = ''] = process.argv
const engine = await open(name as EngineName, url)
console.log('{}')
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as WindowOrder
  const measured = await (order.kind === 'busy' ? keepBusy(engine, order.callerCount, order.seconds) : keepRate(engine, order.perSecond, order.seconds))
  console.log(JSON.stringify(measured))
}
await engine.close()
