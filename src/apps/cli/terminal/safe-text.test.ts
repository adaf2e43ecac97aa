import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { safeLine, safeName, safeText } from './safe-text.ts'

/** What a server may put into a name, a description, a result or a question, and what it would do to a terminal. */
const ATTACKS: readonly (readonly [what: string, text: string, shown: string])[] = [
  ['a colour', '\u001b[31mred', '\\u001b[31mred'],
  ['a cleared screen', '\u001b[2J\u001b[Hgone', '\\u001b[2J\\u001b[Hgone'],
  ['a cursor that goes up to overwrite', 'ok\u001b[1A\u001b[2Kapproved', 'ok\\u001b[1A\\u001b[2Kapproved'],
  ['hidden text', '\u001b[8msecret\u001b[28m', '\\u001b[8msecret\\u001b[28m'],
  ['the alternate screen', '\u001b[?1049h', '\\u001b[?1049h'],
  ['a report that is typed back', '\u001b[6n', '\\u001b[6n'],
  ['the answerback', 'a\u0005b', 'a\\u0005b'],
  ['a link that shows another address (OSC 8)', '\u001b]8;;https://evil.example\u001b\\safe\u001b]8;;\u001b\\', '\\u001b]8;;https://evil.example\\u001b\\safe\\u001b]8;;\\u001b\\'],
  ['the clipboard (OSC 52)', '\u001b]52;c;cm0gLXJmIH4K\u0007', '\\u001b]52;c;cm0gLXJmIH4K\\u0007'],
  ['the title (OSC 0)', '\u001b]0;root@host\u0007', '\\u001b]0;root@host\\u0007'],
  ['a device control string (DCS)', '\u001bP$q"p\u001b\\', '\\u001bP$q"p\\u001b\\'],
  ['an inline file (OSC 1337)', '\u001b]1337;File=inline=1:AAAA\u0007', '\\u001b]1337;File=inline=1:AAAA\\u0007'],
  ['an application command (APC)', '\u001b_Ga=d\u001b\\', '\\u001b_Ga=d\\u001b\\'],
  ['C1: CSI in one character', '\u009b2J', '\\u009b2J'],
  ['C1: OSC in one character', '\u009d0;title\u009c', '\\u009d0;title\\u009c'],
  ['a bell', 'ding\u0007', 'ding\\u0007'],
  ['backspaces', 'rm\u0008\u0008ls', 'rm\\u0008\\u0008ls'],
  ['a delete', 'a\u007fb', 'a\\u007fb'],
  ['another character set', '\u000eabc\u000f', '\\u000eabc\\u000f'],
  ['a NUL', 'a\u0000b', 'a\\u0000b'],
  ['a vertical tab and a form feed', 'a\u000bb\u000cc', 'a\\u000bb\\u000cc'],
  ['a right-to-left override', 'gpj.\u202eexe', 'gpj.\\u202eexe'],
  ['bidirectional isolates (trojan source)', '\u2066a\u2069\u2067b\u2069', '\\u2066a\\u2069\\u2067b\\u2069'],
  ['directional marks', 'a\u200eb\u200fc\u061cd', 'a\\u200eb\\u200fc\\u061cd'],
  ['a zero-width space', 'ad\u200bmin', 'ad\\u200bmin'],
  ['joiners between Latin letters', 'ad\u200dm\u200cin', 'ad\\u200dm\\u200cin'],
  ['a word joiner and a byte order mark', 'a\u2060b\ufeffc', 'a\\u2060b\\ufeffc'],
  ['a soft hyphen', 'pass\u00adword', 'pass\\u00adword'],
  ['tags that smuggle ASCII', 'hi\u{e0041}\u{e0042}', 'hi\\udb40\\udc41\\udb40\\udc42'],
  ['variation selectors that smuggle bytes', 'a\u{e0100}\ufe01', 'a\\udb40\\udd00\\ufe01'],
  ['a presentation selector on a letter', 'a\ufe0f', 'a\\ufe0f'],
  ['Hangul fillers', 'a\u3164b\uffa0c\u115f', 'a\\u3164b\\uffa0c\\u115f'],
  ['interlinear annotations', '\ufff9a\ufffab\ufffb', '\\ufff9a\\ufffab\\ufffb'],
  ['line separators', 'a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
  ['half a surrogate pair', 'a\ud800b', 'a\\ud800b'],
]

const HONEST = ['žluťoučký kůň', 'Grüße', '日本語', 'नमस्ते', 'سلام', 'می\u200cخواهم', 'क्\u200dष', '👨‍👩‍👧', '👍🏽', '❤️', '🏳️‍🌈', '1️⃣', '🇨🇿', 'e\u0301', 'สวัสดี', 'a\u00a0b']

describe('text of servers on a terminal', () => {
  for (const [what, text, shown] of ATTACKS) {
    it(`shows ${what} instead of sending it`, () => {
      expect(safeName(text)).toBe(shown)
      expect(safeText(text)).toBe(shown)
    })
  }

  it('leaves languages and emoji as they are', () => {
    for (const text of HONEST) expect(safeName(text)).toBe(text)
  })

  it('keeps lines where there may be several, and shows a lone carriage return as the line break it would be', () => {
    expect(safeText('one\ntwo\r\nthree\rfour')).toBe('one\ntwo\nthree\nfour')
    expect(safeText('a\tb')).toBe('a    b')
  })

  it('folds a description into one line and shows every character of a name', () => {
    expect(safeLine('  Reads\n\ta file.\r\n ')).toBe('Reads a file.')
    expect(safeName('a\nb\tc')).toBe('a\\u000ab\\u0009c')
  })

  it('cuts the pile of marks that would grow over other lines', () => {
    expect(safeText(`a${'\u0301'.repeat(10)}b`)).toBe(`a${'\u0301'.repeat(8)}\\u0301\\u0301b`)
  })

  it('never sends a control character, whatever the text', () => {
    const unit = fc.integer({ min: 0, max: 0x2fff }).map((code) => String.fromCharCode(code))
    fc.assert(fc.property(fc.array(unit, { maxLength: 40 }).map((units) => units.join('')), (text) => {
      expect(safeText(text).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2028-\u2029\u2060-\u206f]/u)
      expect(safeLine(text)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u)
    }))
  })
})
