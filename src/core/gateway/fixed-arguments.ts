/** Arguments that a virtual server fixes, put beside those of the client: one that the client sends, too, is refused. */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { JsonNode, JsonPlan, WireText } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { splice } from '../../protocol/splice.ts'

/** As wire text, by name. */
export type FixedArguments = Readonly<Record<string, WireText>>

/**
 * The object at `node` with the fixed members behind its own. Throws `invalid_params` where the client names one of them,
 * `duplicate_key` where two readers could read two things.
 */
export function withFixed(message: Message, node: JsonNode | undefined, fixed: FixedArguments): WireText {
  if (node === undefined) return objectText(fixed)
  const { text, root } = opened(message, node, {})
  for (const name of Object.keys(fixed)) if (root.members?.has(name) === true) throw decided(name)
  return splice(text, [{ node: root, set: fixed }])
}

/** `context` of a `completion/complete`: servers complete one argument by what the others are. Throws as `withFixed`. */
export function completedWith(message: Message, fixed: FixedArguments): WireText {
  const argument = member(message.body, 'argument')
  if (argument !== undefined) {
    const asked = opened(message, argument, {})
    const name = readString(asked.text, member(asked.root, 'name'))
    if (name !== undefined && Object.hasOwn(fixed, name)) throw decided(name)
  }
  const node = member(message.body, 'context')
  if (node === undefined) return objectText({ arguments: objectText(fixed) })
  const { text, root } = opened(message, node, { arguments: {} })
  const given = member(root, 'arguments')
  if (given === undefined) return splice(text, [{ node: root, set: { arguments: objectText(fixed) } }])
  if (given.members === undefined) throw notAnObject()
  for (const name of Object.keys(fixed)) if (given.members.has(name)) throw decided(name)
  return splice(text, [{ node: given, set: fixed }])
}

function opened({ text }: Message, { start, end }: JsonNode, plan: JsonPlan): { readonly text: WireText; readonly root: JsonNode } {
  const inner = text.slice(start, end)
  // Its depth was bounded when it arrived.
  const scan = scanJson(inner, plan, Infinity)
  if (!scan.ok) throw new PortolanError('duplicate_key', { message: 'Invalid request: duplicate key in arguments' })
  if (scan.value.members === undefined) throw notAnObject()
  return { text: inner, root: scan.value }
}

function notAnObject(): PortolanError {
  return new PortolanError('invalid_params', { message: 'Invalid params: arguments is not an object' })
}

/** The name is the client's own: it says nothing that the client did not know. */
function decided(name: string): PortolanError {
  return new PortolanError('invalid_params', { message: `Invalid params: no argument ${name.slice(0, 128)} is taken here` })
}

function objectText(members: FixedArguments): WireText {
  return `{${Object.entries(members).map(([name, value]) => `${asciiJson(name)}:${value}`).join(',')}}`
}
