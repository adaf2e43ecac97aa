/**
 * Follows a plan over the tokens of a stream: what passes, what is withheld, kept, replaced, dropped and added. Its output is
 * what `splice` makes of the whole text. Memory: `keepBytes` for the value, key or gap at hand, and for an opened object's keys.
 */
import { asciiJson, decodeString } from './json.ts'
import type { WireText } from './json.ts'
import { OPEN_BRACE, OPEN_BRACKET } from './json-skip.ts'
import { StreamStop } from './json-stream-plan.ts'
import type { JsonStreamFault, JsonStreamPlan, OpenPlan } from './json-stream-plan.ts'
import type { JsonTokenListener } from './json-stream-tokens.ts'

/** A listener that cuts each chunk: `begin`, the chunk's tokens, `finish`. */
export interface JsonSplicer extends JsonTokenListener {
  /** `offset`: bytes before the chunk. */
  begin(chunk: WireText, offset: number): void
  /** What leaves of the chunk. */
  finish(): WireText
}

/** An opened container. */
interface Frame {
  readonly plan: OpenPlan
  /** Members may come or go: what stands between them is withheld, since a comma may go too. */
  readonly isEdited: boolean
  readonly keys: Set<string>
  keyBytes: number
  /** What stands between the last member that stayed and the next. */
  gap: WireText
  hasMembers: boolean
  /** The last member was dropped. */
  isDropping: boolean
}

/** V8 makes shorter slices as copies; longer ones keep their whole chunk alive. */
const COPIED_SLICE = 12

/** Throws `StreamStop` from every method. */
export function createJsonSplicer(root: OpenPlan, keepBytes: number): JsonSplicer {
  const frames: Frame[] = []
  let frame: Frame | undefined
  /** The plan of the value that comes next, or is being read. */
  let plan: JsonStreamPlan | undefined = root
  let chunk: WireText = ''
  let offset = 0
  let out: WireText = ''
  /** From here the chunk passes; -1: it is withheld. */
  let passFrom = 0
  /** From here the chunk is kept, after what `kept` has of earlier ones; -1: it is not. */
  let keepFrom = -1
  let kept: WireText = ''

  function stop(reason: JsonStreamFault['reason'], at: number, key?: string): never {
    throw new StreamStop(key === undefined ? { reason, at: offset + at } : { reason, at: offset + at, key })
  }

  function withhold(at: number): void {
    if (passFrom >= 0) out += chunk.slice(passFrom, at)
    passFrom = -1
  }

  function keep(at: number): void {
    keepFrom = at
    kept = ''
  }

  /** What was kept; undefined where it was too long. */
  function take(at: number): WireText | undefined {
    if (keepFrom < 0) return undefined
    const text = kept + chunk.slice(keepFrom, at)
    keepFrom = -1
    kept = ''
    return text.length > keepBytes ? undefined : text
  }

  function takeAll(at: number): WireText {
    return take(at) ?? stop('bound', at)
  }

  function opens(open: OpenPlan, at: number, code: number): void {
    const isObject = code === OPEN_BRACE
    if (!isObject && open.isObject === true) stop('unexpected', at)
    const isArray = code === OPEN_BRACKET && Object.hasOwn(open.members, '*')
    if (!isObject && !isArray) return
    frame = openFrame(open, isObject)
    frames.push(frame)
    splicer.depth = frames.length
    plan = isArray ? open.members['*'] : undefined
    if (!frame.isEdited) return
    withhold(at + 1)
    keep(at + 1)
  }

  /** Two parsers must never see two names. Returns the key. */
  function addKey(to: Frame, at: number, raw: WireText): string {
    const decoded = decodeString(raw, 0, raw.length)
    const key = decoded.length > COPIED_SLICE ? Buffer.from(decoded, 'utf16le').toString('utf16le') : decoded
    if (to.keys.has(key)) stop('duplicate_key', at - raw.length, key)
    to.keys.add(key)
    to.keyBytes += raw.length
    if (to.keyBytes > keepBytes) stop('bound', at)
    return key
  }

  const splicer = {
    depth: 0,

    begin(text: WireText, before: number): void {
      chunk = text
      offset = before
      out = ''
    },

    finish(): WireText {
      if (passFrom >= 0) {
        out = out === '' && passFrom === 0 ? chunk : out + chunk.slice(passFrom)
        passFrom = 0
      }
      if (keepFrom >= 0) {
        kept += chunk.slice(keepFrom)
        keepFrom = 0
        if (kept.length > keepBytes) {
          if (plan?.kind !== 'observe') stop('bound', chunk.length)
          keepFrom = -1
          kept = ''
        }
      }
      chunk = ''
      return out
    },

    keyStarts(at: number): void {
      if (frame?.isEdited === true) {
        const gap = takeAll(at)
        if (!frame.isDropping) frame.gap = gap
      }
      keep(at)
    },

    keyEnds(at: number): void {
      const raw = takeAll(at)
      if (frame === undefined) return
      const key = addKey(frame, at, raw)
      plan = memberPlan(frame.plan, key)
      if (!frame.isEdited) return
      frame.isDropping = plan?.kind === 'drop'
      if (frame.isDropping) return
      out += frame.gap + raw
      passFrom = at
      frame.hasMembers = true
    },

    valueStarts(at: number, code: number): void {
      if (plan === undefined || plan.kind === 'drop') return
      if (plan.kind === 'open') return opens(plan, at, code)
      if (plan.kind === 'refuse') return plan.except === 'object' && code === OPEN_BRACE ? undefined : stop('needs_whole', at)
      if (plan.kind === 'replace') withhold(at)
      keep(at)
    },

    valueEnds(at: number): void {
      if (plan?.kind === 'replace') {
        const replaced = plan.replace(takeAll(at))
        if (typeof replaced !== 'string') stop(replaced.refusal, at)
        out += replaced
        passFrom = at
      } else if (plan?.kind === 'observe') {
        plan.observe(take(at))
      }
      if (frame?.isEdited !== true) return
      withhold(at)
      keep(at)
    },

    closes(at: number): void {
      const closed = frames.pop()
      if (closed === undefined) return
      const missing = missingKey(closed)
      if (missing !== undefined) stop('missing', at, missing)
      if (closed.isEdited) {
        out += addedMembers(closed) + (closed.isDropping && !closed.hasMembers ? closed.gap : '') + takeAll(at)
        passFrom = at
      }
      frame = frames.at(-1)
      splicer.depth = frames.length
      plan = closed.plan
    },
  }
  return splicer
}

function openFrame(plan: OpenPlan, isObject: boolean): Frame {
  const edited = isObject && isEdited(plan)
  return { plan, isEdited: edited, keys: new Set(), keyBytes: 0, gap: '', hasMembers: false, isDropping: false }
}

function memberPlan({ members }: OpenPlan, key: string): JsonStreamPlan | undefined {
  return Object.hasOwn(members, key) ? members[key] : members['*']
}

function isEdited(plan: OpenPlan): boolean {
  if (Object.keys(plan.add ?? {}).length > 0) return true
  for (const key in plan.members) if (plan.members[key]?.kind === 'drop') return true
  return false
}

function missingKey({ plan, keys }: Frame): string | undefined {
  for (const key in plan.members) if (plan.members[key]?.isRequired === true && !keys.has(key)) return key
  return undefined
}

function addedMembers({ plan, keys, hasMembers }: Frame): WireText {
  let added = ''
  for (const key in plan.add) {
    const isThere = keys.has(key) && memberPlan(plan, key)?.kind !== 'drop'
    if (!isThere) added += `${hasMembers || added !== '' ? ',' : ''}${asciiJson(key)}:${plan.add[key] ?? 'null'}`
  }
  return added
}
