/** The metrics of all workers as one text, each sample with its worker's number; sum over it for the whole. */

import type { Slot } from './slot.ts'

const TYPE_LINE = '# TYPE '
const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/

export function mergedMetrics(texts: readonly { readonly number: number; readonly text: string }[], slots: readonly Pick<Slot, 'number' | 'state' | 'restarts'>[]): string {
  const families = new Map<string, string[]>()
  const linesOf = (head: string): string[] => {
    const known = families.get(head) ?? []
    families.set(head, known)
    return known
  }
  for (const { number, text } of texts) {
    let lines: string[] = []
    for (const line of text.split('\n')) {
      const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
      if (line.startsWith(TYPE_LINE)) lines = linesOf(line)
      else if (name !== '') lines.push(`${name}{${labels === '' ? '' : `${labels},`}worker="${number}"} ${value}`)
    }
  }
  linesOf(`${TYPE_LINE}portolan_worker_up gauge`).push(...slots.map(({ number, state }) => `portolan_worker_up{worker="${number}"} ${state === 'ready' ? 1 : 0}`))
  linesOf(`${TYPE_LINE}portolan_worker_restarts gauge`).push(...slots.map(({ number, restarts }) => `portolan_worker_restarts{worker="${number}"} ${restarts}`))
  return `${[...families].flatMap(([head, lines]) => [head, ...lines]).join('\n')}\n`
}
