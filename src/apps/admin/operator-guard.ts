/**
 * Lets operators in, by `Authorization: Bearer` and nothing else (RFC 6750 §2.1; §2.3 advises against tokens in URLs). Stands before
 * everything else of the API, so that strangers reach neither framework nor parsers. A client's token is no operator's.
 */

import { readStamp } from '../../adapters/node/file-watch.ts'
import type { RateBook } from '../../adapters/memory/rate-book.ts'
import type { HttpRequest } from '../../core/gateway/http-exchange.ts'
import type { Result } from '../../protocol/result.ts'
import { operatorOf, readOperators } from './operators.ts'
import type { Operator, Operators } from './operators.ts'
import type { Problem } from './problem.ts'

export interface OperatorGuard {
  check(request: HttpRequest): Result<Operator, Problem>
  /** Whether somebody who was let in before would be now. */
  isStill(operator: Operator): boolean
}

export interface OperatorGuardDeps {
  readonly path: string
  readonly rates: RateBook
  /** The file cannot be believed: told once for each state of it. */
  readonly onBadFile: (fault: string) => void
}

/** RFC 6750 §2.1: `b64token`; the scheme in any case (RFC 9110 §11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]{1,512}=*) *$/i
const CHALLENGE = 'Bearer realm="portolan operators"'
/** Of wrong tokens from one address. A right one is let in whatever others try from there, behind one proxy for one. */
const FAILURES = { perSec: 0.2, burst: 10 }

export function createOperatorGuard({ path, rates, onBadFile }: OperatorGuardDeps): OperatorGuard {
  let stamp = ''
  let known: Operators

  /** As the file is now: whoever is removed from it is out with his next request. */
  const operators = (): Operators => {
    const now = readStamp(path)
    if (now === stamp) return known
    stamp = now
    known = readOperators(path)
    if (known?.ok === false) onBadFile(known.fault)
    return known
  }
  const refusal = (request: HttpRequest, hasToken: boolean): Problem => {
    const waitMs = rates.take(request.remoteAddress, FAILURES)
    if (waitMs > 0) return { code: 'rate_limited', detail: 'Too many wrong tokens came from this address: wait, then send the right one', headers: { 'retry-after': String(Math.ceil(waitMs / 1_000)) } }
    // RFC 6750 §3.1: no error code where the request brought nothing at all.
    const challenge = hasToken ? `${CHALLENGE}, error="invalid_token", error_description="The operator token is not valid"` : CHALLENGE
    const detail = `${hasToken ? 'This is no operator\'s token' : 'Send an operator\'s token as Authorization: Bearer'}; portolan operator add makes one where this Portolan runs`
    return { code: 'unauthorized', detail, headers: { 'www-authenticate': challenge } }
  }

  return {
    check(request) {
      const found = operators()
      if (found === undefined || (found.ok && found.value.length === 0)) return { ok: false, fault: { code: 'not_found', detail: 'The admin API is off here: portolan operator add turns it on' } }
      const header = request.header('authorization')
      const [, token] = BEARER.exec(header ?? '') ?? []
      const operator = token === undefined || !found.ok ? undefined : operatorOf(found.value, token)
      return operator === undefined ? { ok: false, fault: refusal(request, header !== undefined) } : { ok: true, value: operator }
    },
    isStill({ name, digest }) {
      const found = operators()
      return found?.ok === true && found.value.some((one) => one.name === name && one.digest.equals(digest))
    },
  }
}
