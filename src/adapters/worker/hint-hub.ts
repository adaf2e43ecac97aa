/** Passes the hints of each worker on to all others. One that does not read is told, when it does again, that it missed some. */

import { HEAD_BYTES, takeHintText } from '../../core/event/hint-text.ts'
import type { HintLine } from './hint-line.ts'

export interface HintHub {
  /** Returns what takes it out again. */
  join(line: HintLine): () => void
}

interface Member {
  readonly line: HintLine
  waiting: number
  hasMissed: boolean
}

/** Texts on their way to one worker: of a stopped one they must not pile up here. */
const MAX_WAITING = 64

/** `from`: who says that something was missed, unlike every worker. */
export function createHintHub(from: string): HintHub {
  const members = new Set<Member>()
  let number = 0

  function pass(member: Member, text: string): void {
    if (member.waiting >= MAX_WAITING) {
      member.hasMissed = true
      return
    }
    member.waiting += 1
    member.line.send(text).then(
      () => taken(member),
      // It is gone, and is taken out when that is known.
      () => taken(member),
    )
  }

  function taken(member: Member): void {
    member.waiting -= 1
    if (!member.hasMissed || member.waiting > 0 || !members.has(member)) return
    member.hasMissed = false
    pass(member, takeHintText(new Map(), { from, number: number++, hasMissed: true }, HEAD_BYTES).text)
  }

  return {
    join(line) {
      const joined: Member = { line, waiting: 0, hasMissed: false }
      members.add(joined)
      line.onText((text) => {
        for (const member of members) if (member !== joined) pass(member, text)
      })
      return () => void members.delete(joined)
    },
  }
}
