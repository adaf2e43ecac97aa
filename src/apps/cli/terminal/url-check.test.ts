import { describe, expect, it } from 'vitest'
import { checkUrl } from './url-check.ts'

function warningsOf(url: string): string {
  const check = checkUrl(url)
  return check.ok ? check.warnings.join(' ') : 'none'
}

describe('a URL of a server', () => {
  it('is taken apart around its host', () => {
    expect(checkUrl('https://a.example.com:8443/p?q#f')).toMatchObject({ parts: ['https://', 'a.example.com:8443', '/p?q#f'], canOpen: true, warnings: [] })
    expect(checkUrl('https://example.com@evil.example/example.com')).toMatchObject({ parts: ['https://example.com@', 'evil.example', '/example.com'] })
    expect(checkUrl('https://e:evil@evil.example/')).toMatchObject({ parts: ['https://e:evil@', 'evil.example', '/'] })
    expect(checkUrl('mailto:a@b.example')).toMatchObject({ parts: ['mailto:a@b.example', '', ''], canOpen: false })
    expect(checkUrl('/relative')).toEqual({ ok: false })
  })

  it('is warned of where it is not encrypted, except on this machine', () => {
    expect(warningsOf('http://example.com/')).toContain('not encrypted')
    for (const url of ['http://localhost:3000/', 'http://127.0.0.1/', 'http://[::1]:8080/', 'https://example.com/']) expect(warningsOf(url)).toBe('')
  })

  it('is warned of where letters look like others', () => {
    expect(warningsOf('https://xn--80ak6aa92e.com/')).toContain('аррӏе.com is really xn--80ak6aa92e.com')
    expect(warningsOf('https://аррӏе.com/')).toContain('xn--80ak6aa92e.com')
  })

  it('is warned of where a user name disguises the host', () => {
    expect(warningsOf('https://example.com@evil.example/')).toContain('The host is evil.example.')
  })

  it('is warned of where it is a bare address, hides characters or is no web page', () => {
    expect(warningsOf('https://203.0.113.9/')).toContain('bare address')
    expect(warningsOf('https://2130706434/')).toBe('')
    expect(warningsOf('https://example.com/\u202egpj')).toContain('not seen')
    expect(warningsOf('javascript:alert(1)')).toContain('does not open it')
  })
})
