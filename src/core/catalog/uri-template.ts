/**
 * Whether a URI can have come of a URI template (RFC 6570). Decides what may be read at a virtual server, so it is narrower
 * than the RFC: what it does not understand fits nothing (decision 0008).
 */

/** `{a}` is any run of unreserved characters and escapes; `{+a}` takes reserved ones, too; a query has its names in order. */
interface Part {
  readonly literal: string
  /** Undefined: the literal only. */
  readonly variable: 'simple' | 'reserved' | undefined
}

/** Servers write templates: what is longer costs more than it is worth. */
const MAX_TEMPLATE_LENGTH = 512
const MAX_URI_LENGTH = 4_096

const UNRESERVED = /[A-Za-z0-9._~-]/
const RESERVED = /[:/?#[\]@!$&'()*+,;=]/
/** A segment that a server may resolve to somewhere else, written plainly or escaped (RFC 3986 §5.2.4, §6.2.2). */
const DOT_SEGMENT = /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?=$|[/\\?#]|%2f|%5c)/i

const expressions = new Map<string, readonly Part[] | undefined>()
const MAX_KEPT = 1_000

/** False for a template that uses what is not understood here, whatever the URI. */
export function fitsTemplate(template: string, uri: string): boolean {
  if (uri.length > MAX_URI_LENGTH || DOT_SEGMENT.test(uri)) return false
  const parts = partsOf(template)
  return parts !== undefined && fits(parts, uri)
}

/** Whether URIs can be matched with the template at all. */
export function isUnderstood(template: string): boolean {
  return partsOf(template) !== undefined
}

function partsOf(template: string): readonly Part[] | undefined {
  if (expressions.has(template)) return expressions.get(template)
  const parts = template.length > MAX_TEMPLATE_LENGTH ? undefined : readTemplate(template)
  if (expressions.size >= MAX_KEPT) expressions.clear()
  expressions.set(template, parts)
  return parts
}

const NAME = '[A-Za-z0-9_%][A-Za-z0-9_.%]*'
const SIMPLE = new RegExp(`^\\{(\\+?)${NAME}\\}$`)
const QUERY = new RegExp(`^\\{([?&])(${NAME}(?:,${NAME})*)\\}$`)

function readTemplate(template: string): readonly Part[] | undefined {
  const parts: Part[] = []
  for (const piece of template.split(/(\{[^{}]*\})/)) {
    if (piece === '') continue
    const read = piece.startsWith('{') ? readExpression(piece) : [{ literal: piece, variable: undefined }]
    if (read === undefined || /[{}]/.test(read.map(({ literal }) => literal).join(''))) return undefined
    const [first] = read
    // Where one ends and the next begins nobody could tell.
    if (parts.at(-1)?.variable !== undefined && first?.literal === '') return undefined
    parts.push(...read)
  }
  // Without a fixed beginning it would fit whatever there is.
  return parts[0] === undefined || parts[0].literal === '' ? undefined : parts
}

function readExpression(expression: string): readonly Part[] | undefined {
  const simple = SIMPLE.exec(expression)
  if (simple !== null) return [{ literal: '', variable: simple[1] === '+' ? 'reserved' : 'simple' }]
  const query = QUERY.exec(expression)
  const names = query?.[2]?.split(',')
  return names?.map((name, index) => ({ literal: `${index === 0 ? (query?.[1] ?? '') : '&'}${name}=`, variable: 'simple' as const }))
}

/** All ends that each part can have, one part after the other: no text can make it more than parts times length. */
function fits(parts: readonly Part[], uri: string): boolean {
  let ends = new Set([0])
  for (const { literal, variable } of parts) {
    const next = new Set<number>()
    for (const end of ends) if (uri.startsWith(literal, end)) next.add(end + literal.length)
    ends = variable === undefined ? next : reached(next, uri, variable)
    if (ends.size === 0) return false
  }
  return ends.has(uri.length)
}

function reached(starts: ReadonlySet<number>, uri: string, variable: 'simple' | 'reserved'): Set<number> {
  const ends = new Set<number>()
  for (let at = 0; at <= uri.length; at += 1) {
    if (starts.has(at)) ends.add(at)
    if (!ends.has(at)) continue
    const length = unitAt(uri, at, variable)
    if (length > 0) ends.add(at + length)
  }
  return ends
}

/** How many characters one character of a value takes here; 0 where none can stand. */
function unitAt(uri: string, at: number, variable: 'simple' | 'reserved'): number {
  const char = uri[at] ?? ''
  // Only as expansion writes it (§3.2.1): other spellings of a character could be another name of what is left out.
  if (char === '%') return /^%[0-9A-F]{2}$/.test(uri.slice(at, at + 3)) && !isUnreserved(uri.slice(at + 1, at + 3)) ? 3 : 0
  return UNRESERVED.test(char) || (variable === 'reserved' && RESERVED.test(char)) ? 1 : 0
}

function isUnreserved(hex: string): boolean {
  return UNRESERVED.test(String.fromCharCode(Number.parseInt(hex, 16)))
}
