/**
 * What looks like a secret: refused in plain where a configuration is written, hidden where one is printed. Hiding is the
 * broader of the two: a harmless text that is hidden costs a glance, a key that is shown costs a key.
 */

import { isReference } from './config-reference.ts'

export const HIDDEN = '<hidden>'

/** Names behind which secrets stand, as variables, options and headers are called. */
const SECRET_NAME = /key|token|secret|passw|credential|auth|cookie/i
/** Names that say it beyond doubt; `AUTH_TYPE` and `KEYBOARD` do not. */
const SURE_NAME = /passw|secret|token|credential|cookie|^(?:proxy-)?authorization$|(?:^|[-_ ])(?:api|access|private|signing|account)?[-_]?key$|apikey/i
/** Keys that say by their beginning what they are, and what stands at the beginning of private keys. */
const KNOWN = /(?<![A-Za-z0-9])(?:sk-|[rsp]k_(?:live|test)_|gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|hf_|npm_|dop_v1_|SG\.|ya29\.|AIza|AKIA|ASIA|eyJ[\w-]{8,}\.)[\w.-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----/
/** One word of letters and digits too long to be meant for people. */
const RANDOM = /(?<![\w+/=-])(?=[\w+-]*\d)(?=[\w+-]*[A-Za-z])[\w+-]{24,}={0,2}(?![\w+/])/
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const HARMLESS = /^(?:true|false|yes|no|on|off|none|null|\d{1,9}|~?\.{0,2}\/\S*|[A-Za-z]:\\\S*)?$/i
const REFERENCE_PARTS = /\$\{[^}]*\}|\{env:\w+\}/g

/** Whether `value` of the variable, header or option `name` should be a reference instead; `name` '' for a bare argument. */
export function looksSecret(name: string, value: string): boolean {
  if (isReference(value)) return false
  const rest = value.replace(REFERENCE_PARTS, '').replace(/^(?:Bearer|Basic|Token) ?/i, '')
  if (HARMLESS.test(rest) || (rest !== value && rest.trim() === '')) return false
  if (isRandom(rest) || hasUrlSecret(value)) return true
  return SURE_NAME.test(name) && !/^https?:\/\//.test(rest)
}

function isRandom(text: string): boolean {
  if (KNOWN.test(text)) return true
  const word = RANDOM.exec(text)?.[0]
  // Names of packages, images and models are words with hyphens; keys are not.
  return word !== undefined && !UUID.test(word) && !/^[a-z]+(?:[-_][a-z\d]+)+$/.test(word)
}

function hasUrlSecret(text: string): boolean {
  return [...text.matchAll(URLS)].some(([url]) => {
    const [, , userinfo = '', , query = ''] = URL_PARTS.exec(url) ?? []
    const password = /:([^]*)@$/.exec(userinfo)?.[1] ?? ''
    const parameters = [...new URLSearchParams(query.slice(1))]
    return (password !== '' && !isReference(password)) || parameters.some(([name, value]) => SURE_NAME.test(name) && looksSecret(name, value))
  })
}

const URLS = /[a-z][a-z\d+.-]*:\/\/[^\s"'`]+/gi
const URL_PARTS = /^([^:/?#]*:\/\/)?([^/?#]*@)?([^?#]*)(\?[^#]*)?(#[^]*)?$/i

/** The same URL without user, query, fragment and what looks like a key in its path; references are shown. */
export function shownUrl(url: string): string {
  const [, scheme = '', userinfo = '', place = '', query = '', fragment = ''] = URL_PARTS.exec(url) ?? []
  const user = userinfo === '' || isReferenceList(userinfo.slice(0, -1).split(':')) ? userinfo : `${HIDDEN}@`
  const values = query.slice(1).split('&').map((parameter) => parameter.replace(/^[^=]*=?/, ''))
  const shownQuery = query === '' || isReferenceList(values) ? query : `?${HIDDEN}`
  const path = place.split('/').map((segment) => (isRandom(segment) ? HIDDEN : segment)).join('/')
  return `${scheme}${user}${path}${shownQuery}${fragment === '' ? '' : `#${HIDDEN}`}`
}

function isReferenceList(texts: readonly string[]): boolean {
  return texts.every((text) => isReference(text))
}

/** Arguments of a command, each with what may be a secret hidden: after a telling option, in `name=value`, in URLs and headers. */
export function shownArgs(args: readonly string[]): readonly string[] {
  return args.map((arg, index) => {
    const before = args[index - 1] ?? ''
    const isOption = before.startsWith('-') && !before.includes('=')
    const follows = isOption && SECRET_NAME.test(before)
    if (follows && !arg.startsWith('-') && !isReference(arg)) return HIDDEN
    const [, name = '', value = ''] = /^([\w.-]+)=([^]*)$/.exec(arg) ?? []
    if (SECRET_NAME.test(name)) return isReference(value) ? arg : `${name}=${HIDDEN}`
    const header = /^([\w-]+): *([^]*)$/.exec(arg)
    if (header !== null && isOption && /^-(?:H|-headers?)$/.test(before)) return isReference(header[2] ?? '') ? arg : `${header[1]}: ${HIDDEN}`
    return shownText(arg)
  })
}

/** Any text for people's eyes. */
export function shownText(text: string): string {
  const named = text
    .replace(/(\$\{[\w:]*(?:key|token|secret|passw|credential|auth|cookie)\w*:-)[^}]+\}/gi, `$1${HIDDEN}}`)
    .replace(/([\w.-]*(?:key|token|secret|passw|credential|auth|cookie)[\w.-]*=)([^\s&]+)/gi, (whole, name: string, value: string) => (isReference(value) ? whole : name + HIDDEN))
    .replace(/\b([\w-]*(?:authorization|key|token|secret|cookie)[\w-]*: *)(?!-)(\S[^]*)$/gi, (whole, name: string, value: string) => (isReference(value) ? whole : name + HIDDEN))
    .replace(URLS, (url) => shownUrl(url))
  return isRandom(named) ? named.replace(new RegExp(KNOWN, 'g'), HIDDEN).replace(new RegExp(RANDOM, 'g'), (word) => (isRandom(word) ? HIDDEN : word)) : named
}
