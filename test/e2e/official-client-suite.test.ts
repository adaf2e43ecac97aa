import { beforeAll, describe, expect, it } from 'vitest'
import { listClientScenarios, runClientScenario } from '../official-client-suite.ts'
import type { ClientScenario } from '../official-client-suite.ts'

/** The checks that each scenario of the pinned suite makes of a complete client; not one may fail, none is expected to. */
const CHECKS: Readonly<Record<string, number>> = {
  'initialize 2025-06-18': 1,
  'initialize 2025-11-25': 1,
  'tools_call 2025-06-18': 2,
  'tools_call 2025-11-25': 2,
  'tools_call 2026-07-28': 2,
  'elicitation-sep1034-client-defaults 2025-11-25': 5,
  'sse-retry 2025-11-25': 3,
  'request-metadata 2026-07-28': 8,
  'sep-2322-client-request-state 2026-07-28': 5,
  'http-standard-headers 2026-07-28': 9,
  'http-custom-headers 2026-07-28': 18,
  'http-invalid-tool-headers 2026-07-28': 12,
  'json-schema-ref-no-deref 2026-07-28': 1,
  'json-schema-2020-12-preservation 2025-11-25': 9,
  'json-schema-2020-12-preservation 2026-07-28': 9,
}

let scenarios: readonly ClientScenario[]
beforeAll(async () => {
  scenarios = await listClientScenarios()
})

describe('the official client suite, outside authorization and extensions', () => {
  it('has the scenarios that are run here, and no others', () => {
    expect(scenarios.map(({ name, revision }) => `${name} ${revision}`).sort()).toEqual(Object.keys(CHECKS).sort())
  })

  it.each(Object.entries(CHECKS))('passes %s: %i checks', { timeout: 90_000 }, async (key, passed) => {
    const [name = '', revision = ''] = key.split(' ')
    const result = await runClientScenario({ name, revision })
    expect(result, result.output.slice(-4000)).toMatchObject({ passed, failed: 0, warnings: 0, exitCode: 0 })
  })
})
