/** Two texts of a configuration as a unified diff for people, with what may be secret hidden in every line. */

import { parseTree } from 'jsonc-parser'
import type { Node } from 'jsonc-parser'
import { isReference } from './config-reference.ts'
import { HIDDEN, looksSecret, shownText, shownUrl } from './config-secret.ts'

const CONTEXT_LINES = 2

/** '' where they are the same. Ends with a newline otherwise. */
export function diffText(path: string, before: string, after: string): string {
  const [old, now] = [linesOf(before, false), linesOf(after, true)]
  const steps = stepsBetween(old.plain, now.plain)
  const shown = steps.map(({ sign, at }) => `${sign}${(sign === '+' ? now : old).shown[at] ?? ''}`)
  const keep = steps.map((_, index) => steps.slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1).some(({ sign }) => sign !== ' '))
  if (!keep.includes(true)) return ''
  const lines = shown.flatMap((line, index) => (keep[index] === true ? [...(index > 0 && keep[index - 1] === false ? ['@@'] : []), line] : []))
  return `${[`--- ${before === '' ? '/dev/null' : path}`, `+++ ${path}`, ...lines].join('\n')}\n`
}

interface Lines {
  readonly plain: readonly string[]
  readonly shown: readonly string[]
}

function linesOf(text: string, isNew: boolean): Lines {
  const split = (whole: string): string[] => (whole === '' ? [] : whole.replace(/\r?\n$/, '').split(/\r?\n/))
  return { plain: split(text), shown: split(hiddenSecrets(text, isNew)) }
}

/**
 * The same text, line by line, without what may be secret in its values and comments. `isNew`: somebody has just typed it, and
 * wants to see it; only what looks like a secret is hidden then, else every variable and header.
 */
function hiddenSecrets(text: string, isNew: boolean): string {
  const root = parseTree(text.replace(/^\ufeff/, ' '), [], { allowTrailingComma: true })
  const edits = root === undefined ? [] : [...secretsIn(root, [], isNew)]
  let shown = ''
  let at = 0
  for (const { node, value } of edits) {
    shown += text.slice(at, node.offset) + JSON.stringify(value)
    at = node.offset + node.length
  }
  return (shown + text.slice(at)).replace(/\/\/[^\n"]*$/gm, shownText)
}

interface Hidden {
  readonly node: Node
  readonly value: string
}

const MAPS = /^(?:env|environment|envs|headers|http_headers)$/

function* secretsIn(node: Node, keys: readonly string[], isNew: boolean): Generator<Hidden> {
  if (node.type === 'string') {
    const value: unknown = node.value
    const hidden = typeof value === 'string' ? shownValue(value, keys, node, isNew) : undefined
    if (hidden !== undefined && hidden !== value) yield { node, value: hidden }
  }
  for (const child of node.children ?? []) {
    if (child.type !== 'property') yield* secretsIn(child, keys, isNew)
    else if (child.children?.[1] !== undefined) yield* secretsIn(child.children[1], [...keys, String(child.children[0]?.value)], isNew)
  }
}

function shownValue(value: string, keys: readonly string[], node: Node, isNew: boolean): string {
  const name = keys.at(-1) ?? ''
  if (!isNew && keys.slice(0, -1).some((key) => MAPS.test(key))) return isReference(value) ? value : HIDDEN
  if (/url$|^uri$/i.test(name)) return shownUrl(value)
  const before: unknown = node.parent?.type === 'array' ? node.parent.children?.[(node.parent.children ?? []).indexOf(node) - 1]?.value : undefined
  if (typeof before === 'string' && before.startsWith('-') && !value.startsWith('-') && looksSecret(before.replace(/^-+/, ''), value)) return HIDDEN
  return looksSecret(node.parent?.type === 'array' ? '' : name, value) ? HIDDEN : shownText(value)
}

interface Step {
  readonly sign: ' ' | '-' | '+'
  /** The line: of the old text, for `+` of the new one. */
  readonly at: number
}

/** The longest common lines stay. Files of people are small; what is alike at both ends is cut off first. */
function stepsBetween(old: readonly string[], now: readonly string[]): Step[] {
  let head = 0
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1
  let tail = 0
  while (tail < old.length - head && tail < now.length - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1
  const same = (from: number, count: number): Step[] => Array.from({ length: count }, (_, index) => ({ sign: ' ', at: from + index }))
  return [...same(0, head), ...middle(old.slice(head, old.length - tail), now.slice(head, now.length - tail), head), ...same(old.length - tail, tail)]
}

function middle(old: readonly string[], now: readonly string[], offset: number): Step[] {
  // lengths[i][j]: the longest common lines of old from i and now from j.
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1))
  const lengthAt = (i: number, j: number): number => lengths[i]?.[j] ?? 0
  for (let i = old.length - 1; i >= 0; i -= 1) {
    const row = lengths[i]
    for (let j = now.length - 1; row !== undefined && j >= 0; j -= 1) {
      row[j] = old[i] === now[j] ? lengthAt(i + 1, j + 1) + 1 : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1))
    }
  }
  const steps: Step[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      steps.push({ sign: ' ', at: offset + i })
      i += 1
      j += 1
    } else if (i < old.length && (j === now.length || lengthAt(i + 1, j) >= lengthAt(i, j + 1))) {
      steps.push({ sign: '-', at: offset + i })
      i += 1
    } else {
      steps.push({ sign: '+', at: offset + j })
      j += 1
    }
  }
  return steps
}
