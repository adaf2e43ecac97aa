/**
 * Who may operate Portolan over HTTP: a file of names, each with the SHA-256 of a token of 256 random bits. Whoever reads the file
 * learns no token; whoever can write it is an operator. Without the file there is no admin API on the public listener.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { Result } from '../../protocol/result.ts'

export const OPERATORS_FILE = 'operators'

export interface Operator {
  readonly name: string
  /** SHA-256 of the token. */
  readonly digest: Buffer
}

/** Undefined: there is no such file. `fault`: it cannot be believed, for people. */
export type Operators = Result<readonly Operator[], string> | undefined

/** Says what is found in logs and commits, and keeps it from being taken for a client's token. */
const PREFIX = 'portolan_op_'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const LINE = /^(\S+) sha256:([A-Za-z0-9_-]{43})$/
const MAX_OPERATORS = 100

export function isOperatorName(name: string): boolean {
  // What the command line does over the socket is recorded by this name.
  return NAME.test(name) && name !== LOCAL_OPERATOR
}

/** Whoever can open the operations socket: its mode lets in. */
export const LOCAL_OPERATOR = 'local'

/** Never throws: what cannot be read lets nobody in. */
export function readOperators(path: string): Operators {
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (process.platform !== 'win32' && (stat.mode & 0o022) !== 0) return { ok: false, fault: `${path} can be written by others: chmod 600 it` }
    return parse(readFileSync(path, 'utf8'), path)
  } catch (error) {
    return { ok: false, fault: `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function parse(text: string, path: string): Exclude<Operators, undefined> {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
  const operators: Operator[] = []
  for (const line of lines) {
    const [, name = '', digest = ''] = LINE.exec(line) ?? []
    if (!isOperatorName(name) || operators.some((one) => one.name === name)) return { ok: false, fault: `${path} has a line that is no operator: make it with portolan operator add` }
    operators.push({ name, digest: Buffer.from(digest, 'base64url') })
  }
  return operators.length > MAX_OPERATORS ? { ok: false, fault: `${path} has more than ${MAX_OPERATORS} operators` } : { ok: true, value: operators }
}

/** Whose token it is. Each digest is compared whole, and all of them, so that time tells nothing. */
export function operatorOf(operators: readonly Operator[], token: string): Operator | undefined {
  const given = digestOf(token)
  let found: Operator | undefined
  for (const operator of operators) if (timingSafeEqual(operator.digest, given)) found = operator
  return found
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token, 'latin1').digest()
}

/** The token is nowhere but in what this returns. */
export function makeOperator(name: string): { readonly operator: Operator; readonly token: string } {
  const token = `${PREFIX}${randomBytes(32).toString('base64url')}`
  return { operator: { name, digest: digestOf(token) }, token }
}

/** The text of their file. */
export function operatorsText(operators: readonly Operator[]): string {
  const lines = operators.map(({ name, digest }) => `${name} sha256:${digest.toString('base64url')}\n`)
  return `# Who may operate Portolan over HTTP: portolan operator\n${lines.join('')}`
}
