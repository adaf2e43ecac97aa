import { describe, expect, it } from 'vitest'
import { trialText } from './add-trial.ts'

describe('what portolan add says of a server that does not answer', () => {
  it.each([
    ['initialize: npx exited with code 1: npm error 404 Note that', /npm knows no package of this name/],
    ['server exited with code 1: HTTP 404', /Run its command by hand/],
    ['no answer for 40 s; stdout: invalid JSON at byte 0', /doctor --only output/],
    ['no answer for 40 s', /npx and uvx may be fetching it/],
    ['status 404', /most servers answer at \/mcp/],
    ['command not found: nope', /Install the program/],
  ])('names the reason "%s", and what helps against it', (detail, advice) => {
    const text = trialText('files', { ok: false, detail })
    expect(text).toContain(`files does not answer: ${detail}\n`)
    expect(text).toMatch(advice)
  })
})
