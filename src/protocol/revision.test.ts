import { describe, expect, it } from 'vitest'
import {
  acceptLegacy, eraOf, isLegacyRevision, isModernRevision, isRevision, LATEST_LEGACY, LATEST_MODERN, negotiateLegacy, pickModern,
  REVISIONS, SUPPORTED_LEGACY, SUPPORTED_MODERN, traitsOf,
} from './revision.ts'

describe('the revision table', () => {
  it('holds the five published revisions', () => {
    expect(Object.keys(REVISIONS)).toEqual(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'])
  })

  it('puts the handshake revisions in the legacy era and the newest in the modern one', () => {
    expect(SUPPORTED_LEGACY).toEqual(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])
    expect(SUPPORTED_MODERN).toEqual(['2026-07-28'])
    expect(SUPPORTED_LEGACY.map(eraOf)).toEqual(['legacy', 'legacy', 'legacy', 'legacy'])
    expect(SUPPORTED_MODERN.map(eraOf)).toEqual(['modern'])
    expect([LATEST_LEGACY, LATEST_MODERN]).toEqual(['2025-11-25', '2026-07-28'])
  })

  it.each([
    ['versionHeader', [false, false, true, true, true]],
    ['batches', [false, true, false, false, false]],
    ['resumable', [false, true, true, true, false]],
    ['primingEvents', [false, false, false, true, false]],
    ['elicitation', ['none', 'none', 'form', 'form+url', 'form+url']],
    ['samplingTools', [false, false, false, true, true]],
    ['tasks', ['none', 'none', 'none', 'core', 'extension']],
    ['structuredContent', ['none', 'none', 'object', 'object', 'any']],
    ['titles', [false, false, true, true, true]],
    ['httpTransport', ['sse', 'streamable', 'streamable', 'streamable', 'streamable']],
    ['rootsListChanged', [true, true, true, true, false]],
    ['completionsCapability', [false, true, true, true, true]],
    ['completionContext', [false, false, true, true, true]],
    ['progressMessage', [false, true, true, true, true]],
    ['icons', [false, false, false, true, true]],
    ['resultType', [false, false, false, false, true]],
    ['cacheHints', [false, false, false, false, true]],
    ['mirroredHeaders', [false, false, false, false, true]],
  ] as const)('%s came and went as the changelogs say', (trait, values) => {
    expect(Object.values(REVISIONS).map((traits) => traits[trait])).toEqual(values)
  })

  it('lets content grow: audio at 2025-03-26, resource links at 2025-06-18', () => {
    expect(traitsOf('2024-11-05').contentKinds).toEqual(['text', 'image', 'resource'])
    expect(traitsOf('2025-03-26').contentKinds).toEqual(['text', 'image', 'resource', 'audio'])
    expect(traitsOf('2025-06-18').contentKinds).toEqual(['text', 'image', 'resource', 'audio', 'resource_link'])
  })
})

describe('negotiation', () => {
  it('answers a known legacy revision with itself', () => {
    for (const revision of SUPPORTED_LEGACY) expect(negotiateLegacy(revision)).toBe(revision)
  })

  it.each([
    '2026-07-28', '1.0.0', '', '2099-01-01', '__proto__', 'constructor',
  ])('answers %j with the latest legacy revision', (requested) => {
    expect(negotiateLegacy(requested)).toBe('2025-11-25')
    expect(acceptLegacy(requested)).toBeUndefined()
  })

  it('handles the unpublished 2024-10-07 as the first published revision', () => {
    expect(negotiateLegacy('2024-10-07')).toBe('2024-11-05')
    expect(acceptLegacy('2024-10-07')).toBe('2024-11-05')
    expect(isRevision('2024-10-07')).toBe(false)
  })

  it('knows no revision by the name of an inherited property', () => {
    expect(isRevision('toString')).toBe(false)
    expect(isLegacyRevision('2026-07-28')).toBe(false)
    expect(isModernRevision('2025-11-25')).toBe(false)
    expect(isModernRevision('2026-07-28')).toBe(true)
  })

  it('picks a modern revision that both speak, or none', () => {
    expect(pickModern(['2027-01-01', '2026-07-28', '2025-11-25'])).toBe('2026-07-28')
    expect(pickModern(['2025-11-25'])).toBeUndefined()
  })
})
