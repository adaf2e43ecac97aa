/** What a person must know before visiting a URL that a server gave (elicitation, safe URL handling). Nothing is fetched. */

import { domainToUnicode } from 'node:url'

export type UrlCheck =
  | { ok: false }
  | {
      ok: true
      /** What would be opened: normalized, so that no parser downstream sees another host. */
      href: string
      /** `href` around its host, the host in the middle. */
      parts: readonly [before: string, host: string, after: string]
      /** Only http and https are opened for the person. */
      canOpen: boolean
      warnings: readonly string[]
    }

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/
const ADDRESS = /^(?:\d+(?:\.\d+){3}|\[.*\])$/

export function checkUrl(text: string): UrlCheck {
  const url = URL.parse(text)
  if (url === null) return { ok: false }
  const { href, host, hostname, protocol } = url
  const canOpen = protocol === 'https:' || protocol === 'http:'
  const warnings: string[] = []
  const warn = (isSo: boolean, warning: string): void => void (isSo && warnings.push(warning))
  warn(!canOpen, `It is not a web page (${protocol}): Portolan does not open it.`)
  warn(protocol === 'http:' && !LOOPBACK.test(hostname), 'It is not encrypted (http): others may read and change what you see and type.')
  warn(hostname.split('.').some((label) => label.startsWith('xn--')), `Its host is written in other letters than it may show (Punycode): ${domainToUnicode(hostname)} is really ${hostname}.`)
  warn(url.username !== '' || url.password !== '', `It has a user name in front of the host, which is a way to disguise it. The host is ${host}.`)
  warn(ADDRESS.test(hostname) && !LOOPBACK.test(hostname), 'Its host is a bare address, without a name that could be checked.')
  warn(/\p{Cc}|\p{DI}|\p{Zl}|\p{Zp}/u.test(text), 'It holds characters that are not seen.')
  const at = host === '' ? -1 : href.indexOf(host, href.indexOf('//') + 2 + userinfoLength(url))
  const parts: [string, string, string] = at === -1 ? [href, '', ''] : [href.slice(0, at), host, href.slice(at + host.length)]
  return { ok: true, href, parts, canOpen, warnings }
}

/** With the `@`. */
function userinfoLength({ username, password }: URL): number {
  if (username === '' && password === '') return 0
  return username.length + (password === '' ? 0 : password.length + 1) + 1
}
