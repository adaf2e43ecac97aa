import { describe, expect, it } from 'vitest'
import { blockAsText, lackedContent } from './content.ts'
import { toWireText } from './json.ts'
import { scanJson } from './json-scan.ts'
import { REVISIONS } from './revision.ts'
import type { Revision } from './revision.ts'
import { splice } from './splice.ts'

const OLDEST = lackedContent('2024-11-05') ?? new Set()

function asText(blockText: string, lacked: ReadonlySet<string> = OLDEST): string | undefined {
  const text = toWireText(blockText)
  const scan = scanJson(text, {})
  const change = blockAsText(text, scan.ok ? scan.value : expect.fail(), lacked, (uri) => `s+${uri}`)
  return change === undefined ? undefined : splice(text, [change])
}

describe('content that a revision lacks', () => {
  it('is audio before 2025-03-26 and resource links before 2025-06-18', () => {
    const lacked = (Object.keys(REVISIONS) as Revision[]).map((revision) => [revision, [...(lackedContent(revision) ?? [])]])
    expect(Object.fromEntries(lacked)).toEqual({
      '2024-11-05': ['audio', 'resource_link'],
      '2025-03-26': ['resource_link'],
      '2025-06-18': [],
      '2025-11-25': [],
      '2026-07-28': [],
    })
    expect(lackedContent('2025-11-25')).toBeUndefined()
  })

  it('becomes text that names it; annotations and unknown members stay byte for byte', () => {
    expect(asText('{"type":"audio","data":"QUJD","mimeType":"audio/wav", "annotations" : {"priority":1.0},"x":12345678901234567890}')).toBe(
      '{"type":"text","annotations" : {"priority":1.0},"x":12345678901234567890,"text":"[Audio, audio/wav: not available in this protocol revision]"}',
    )
    const link = { type: 'resource_link', uri: 'file:///ä', name: 'a', title: 'Ä', description: 'First.', mimeType: 'text/plain', size: 3 }
    expect(JSON.parse(asText(JSON.stringify(link)) ?? '')).toEqual({
      type: 'text',
      text: '[Resource: Ä <s+file:///ä>, text/plain] First.',
    })
    expect(JSON.parse(asText('{"uri":"a:b","type":"resource_link"}') ?? '')).toEqual({ type: 'text', text: '[Resource: unnamed <s+a:b>]' })
  })

  it.each([
    '{"type":"text","text":"a"}', '{"type":"image","data":"","mimeType":"image/png"}', '{"type":"resource","resource":{}}',
    '{"type":"future"}', '{"type":5}', '{}',
  ])('leaves %s alone', (block) => expect(asText(block)).toBeUndefined())

  it('depends on the revision', () => {
    expect(asText('{"type":"audio"}', lackedContent('2025-03-26'))).toBeUndefined()
    expect(asText('{"type":"resource_link"}', lackedContent('2025-03-26'))).toBeDefined()
  })
})
