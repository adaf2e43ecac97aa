/** Port: may this principal do this? The same question filters lists, so that nobody sees what they may not use. */

import type { Principal } from '../auth/principal.ts'

export type PolicyAction = 'tools/call' | 'prompts/get' | 'resources/read' | 'other'

export interface PolicyQuestion {
  readonly principal: Principal
  readonly upstreamId: string
  readonly action: PolicyAction
  /** The upstream's own name or URI of what is asked for. */
  readonly subject: string
}

export type PolicyDecision =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny'; readonly reason: string }
  | { readonly kind: 'stepUp'; readonly scopes: readonly string[] }
  | { readonly kind: 'approval'; readonly url: string }

export interface Policy {
  /** Principals with the same class get the same answers: lists are shared by class. */
  classOf(principal: Principal): string
  decide(question: PolicyQuestion): PolicyDecision | Promise<PolicyDecision>
}
