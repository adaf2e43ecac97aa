/** Memory that is left, of the machine or of the container. */

import { readFileSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import { ok, problem, warning } from './check.ts'
import type { Check } from './check.ts'

const MIB = 1024 * 1024
/** Portolan itself at the peak of the benchmark, with one worker. */
const LEAST_BYTES = 128 * MIB
const ENOUGH_BYTES = 320 * MIB

export const memoryCheck: Check = {
  id: 'memory',
  looksAt: 'whether memory is left for Portolan and its children',
  run({ procPath }) {
    const { freeBytes, ofBytes, where } = readMemory(procPath)
    const text = `${Math.floor(freeBytes / MIB)} MiB of ${Math.floor(ofBytes / MIB)} MiB are free${where}`
    const next = process.platform === 'linux' ? 'free -m && ps aux --sort -rss | head' : 'ps aux -m | head'
    if (freeBytes < LEAST_BYTES) return [problem('', `${text}: the system may end Portolan or its children at any time.`, next)]
    if (freeBytes < ENOUGH_BYTES) return [warning('', `${text}: enough for few clients, and each Node.js server takes 50 to 100 MiB.`, next)]
    return [ok('', `${text}.`)]
  },
}

interface Memory {
  readonly freeBytes: number
  readonly ofBytes: number
  readonly where: string
}

function readMemory(procPath: string): Memory {
  const available = /^MemAvailable: +(\d+) kB/m.exec(readText(join(procPath, 'meminfo')))?.[1]
  const machine: Memory = { freeBytes: available === undefined ? freemem() : Number(available) * 1024, ofBytes: totalmem(), where: '' }
  const limit = process.constrainedMemory()
  // 0, or a number beyond the machine's: no limit.
  if (limit === undefined || limit === 0 || limit >= machine.ofBytes) return machine
  const group: Memory = { freeBytes: process.availableMemory(), ofBytes: limit, where: ' in this container' }
  return group.freeBytes < machine.freeBytes ? group : machine
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
