/** No policy: everybody who was authenticated may do everything. */
import type { Policy, PolicyDecision } from '../../core/policy/policy.ts'

const ALLOW: PolicyDecision = { kind: 'allow' }

export function createOpenPolicy(): Policy {
  return { classOf: () => 'all', decide: () => ALLOW }
}
