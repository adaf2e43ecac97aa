/**
 * What a stream of JSON does with the values at named paths, and how it says that it cannot go on. Data only: the
 * tokenizer is in `json-stream-tokens.ts`, what follows a plan in `json-stream-splicer.ts`.
 */
import { decodeString } from './json.ts'
import type { JsonFault, WireText } from './json.ts'
import type { IdText } from './message.ts'
import { META } from './meta.ts'

/** A value that is opened: an object always, an array where `members` has `*`. No key may repeat in an opened object. */
export interface OpenPlan {
  readonly kind: 'open'
  /** By key; `*` for every other member, and for the items of an array. */
  readonly members: Readonly<Record<string, JsonStreamPlan>>
  /** Anything but an object is a fault (`unexpected`). */
  readonly isObject?: boolean
  /** Members of an object, as wire text, that come last where it has none of that name (dropped ones count as none). */
  readonly add?: Readonly<Record<string, WireText>>
  readonly isRequired?: boolean
}

/** A value that is withheld until it is complete, at most `keepBytes` long, and replaced. */
export interface ReplacePlan {
  readonly kind: 'replace'
  /** The value as it stood, spaces within included -> what leaves in its place. Must not throw. */
  readonly replace: (original: WireText) => WireText | WatchRefusal
  readonly isRequired?: boolean
}

/** A value that is passed on and shown. */
export interface ObservePlan {
  readonly kind: 'observe'
  /** Called once the value is complete; undefined where it was longer than `keepBytes`. Must not throw. */
  readonly observe: (original: WireText | undefined) => void
  readonly isRequired?: boolean
}

/** A member that is left out, its key and comma too. */
export interface DropPlan {
  readonly kind: 'drop'
  readonly isRequired?: boolean
}

/** A value that no stream may hold: its message is to be handled whole. */
export interface RefusePlan {
  readonly kind: 'refuse'
  /** An object passes. */
  readonly except?: 'object'
  readonly isRequired?: false
}

/** `isRequired`: a fault (`missing`) where the object around it ends without it. */
export type JsonStreamPlan = OpenPlan | ReplacePlan | ObservePlan | DropPlan | RefusePlan

/** Why a value ends the stream: it is not what it must be, or only the whole message can be handled. */
export interface WatchRefusal {
  readonly refusal: 'unexpected' | 'needs_whole'
}

export const UNEXPECTED: WatchRefusal = { refusal: 'unexpected' }
export const NEEDS_WHOLE: WatchRefusal = { refusal: 'needs_whole' }

/**
 * Why a stream ended. As `scanJson` says it; `needs_whole`: nothing was passed on, `original()` has everything so far;
 * `too_late`: the same, but bytes have left; `bound`: more to keep than `keepBytes`; `unexpected` and `missing`: see the plan.
 */
export interface JsonStreamFault {
  readonly reason: JsonFault['reason'] | 'needs_whole' | 'too_late' | 'bound' | 'unexpected' | 'missing'
  /** Bytes of the original before the place. */
  readonly at: number
  readonly key?: string
}

/** Ends a stream from within; never leaves `createJsonStream`. */
export class StreamStop extends Error {
  readonly fault: JsonStreamFault
  constructor(fault: JsonStreamFault) {
    super(fault.reason)
    this.fault = fault
  }
}

export interface ResponsePlanOptions {
  /** The id that the response must have, as it was sent. */
  readonly idText: IdText
  readonly clientIdText: IdText
  /** What is done with members of `result`; by default `_meta` and `task` are opened only. */
  readonly result?: Readonly<Record<string, JsonStreamPlan>>
  /** Members that `result` gets where it has none of that name. */
  readonly add?: Readonly<Record<string, WireText>>
}

const OPEN: OpenPlan = { kind: 'open', members: {} }
const REFUSE: RefusePlan = { kind: 'refuse' }

/** The plan for a successful response, as strict as `parseMessage`; an error or a call needs the whole message. */
export function responsePlan({ idText, clientIdText, result = {}, add = {} }: ResponsePlanOptions): OpenPlan {
  const meta: OpenPlan = { kind: 'open', members: { [META.relatedTask]: OPEN } }
  return {
    kind: 'open',
    isObject: true,
    members: {
      jsonrpc: { kind: 'replace', isRequired: true, replace: (text) => (isVersion(text) ? text : UNEXPECTED) },
      id: { kind: 'replace', isRequired: true, replace: (text) => (text === idText ? clientIdText : UNEXPECTED) },
      result: { kind: 'open', isObject: true, isRequired: true, members: { _meta: meta, task: OPEN, ...result }, add },
      error: REFUSE,
      method: REFUSE,
      params: REFUSE,
    },
  }
}

function isVersion(text: WireText): boolean {
  return text.startsWith('"') && decodeString(text, 0, text.length) === '2.0'
}
