/**
 * A long result on its way to the client while it arrives: for answers in which nothing but handles is re-made (design §6,
 * "unrewritten ones stream without cap"). Everything else is collected, and has a limit.
 */

import { lackedContent } from '../../protocol/content.ts'
import { asciiJson, decodeString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { NEEDS_WHOLE, responsePlan } from '../../protocol/json-stream-plan.ts'
import type { JsonStreamPlan, WatchRefusal } from '../../protocol/json-stream-plan.ts'
import { createJsonStream } from '../../protocol/json-stream.ts'
import type { IdText } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import type { Outcome } from '../gateway/outcome.ts'
import type { AnswerWriter, Reply } from '../gateway/reply.ts'
import type { LongResponse } from '../upstream/channel.ts'
import type { ResponseLook } from './client-response.ts'

export interface LongAnswer {
  readonly look: ResponseLook
  /** The id that the response must have. */
  readonly idText: IdText
  readonly reply: Reply
  /** When the answer has begun: from then on the call cannot be sent again. */
  readonly onBegun: () => void
  /** When a client that was slow has caught up. */
  readonly onCaughtUp: () => void
  readonly onPiece: () => void
  readonly onDone: (outcome: Outcome) => void
}

/** Methods whose results hold no task, nor anything else that is put together from several parts. */
const LONG_METHODS: ReadonlySet<string> = new Set(['tools/call', 'resources/read', 'prompts/get', 'completion/complete'])

/** Undefined where the result has to be rewritten: between eras, where URIs are marked or apps bounded, where a revision lacks some content. */
export function longResponse({ look, idText, reply, onBegun, onCaughtUp, onPiece, onDone }: LongAnswer): LongResponse | undefined {
  if (reply.begin === undefined || look.clientEra !== look.upstreamEra || !LONG_METHODS.has(look.method)) return undefined
  if (look.slug !== undefined || look.bounds.length > 0 || lackedContent(look.clientRevision) !== undefined) return undefined
  const seen = { resultType: '', failed: false }
  const stream = createJsonStream({ plan: responsePlan({ idText, clientIdText: look.clientIdText, result: resultPlans(look, seen) }) })
  let writer: AnswerWriter | undefined
  return {
    push(text) {
      onPiece()
      const step = stream.push(text)
      if (!step.ok) return writer === undefined ? 'whole' : 'malformed'
      if (writer === undefined) {
        writer = reply.begin?.()
        if (writer === undefined) return 'whole'
        onBegun()
      }
      if (writer.write(step.out)) return 'more'
      reply.onDrain(onCaughtUp)
      return 'slow'
    },
    end() {
      const step = stream.end()
      if (!step.ok || writer === undefined) return 'malformed'
      writer.write(step.out)
      writer.end()
      onDone(seen.resultType === 'input_required' ? { kind: 'inputRequired', text: '' } : { kind: 'answered', text: '', status: 200, failed: seen.failed })
      return 'done'
    },
  }
}

function resultPlans(look: ResponseLook, seen: { resultType: string; failed: boolean }): Record<string, JsonStreamPlan> {
  return {
    isError: { kind: 'observe', observe: (text) => (seen.failed = text === 'true') },
    resultType: { kind: 'observe', observe: (text) => (seen.resultType = stringOf(text) ?? '') },
    requestState: { kind: 'replace', replace: (text) => sealed(text, look.sealState) },
    _meta: { kind: 'open', members: { [META.relatedTask]: { kind: 'open', members: { taskId: { kind: 'replace', replace: (text) => sealed(text, look.sealTask) } } } } },
    // What names a task of its own is short, and is handled whole.
    task: { kind: 'refuse' },
    ...(look.clientEra === 'modern' && { taskId: { kind: 'refuse' } as const }),
  }
}

function sealed(text: WireText, seal: (plain: string) => string): WireText | WatchRefusal {
  const plain = stringOf(text)
  return plain === undefined ? NEEDS_WHOLE : asciiJson(seal(plain))
}

function stringOf(text: WireText | undefined): string | undefined {
  return text?.startsWith('"') === true ? decodeString(text, 0, text.length) : undefined
}
