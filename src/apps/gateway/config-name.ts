/** Names that become the first segment of a path: which fit, and which are Portolan's own (design §6). */

export const RESERVED_NAMES: readonly string[] = [
  'mcp', 'sse', 'healthz', 'readyz', 'console', 'api', 'registry', 'oauth', '.well-known', 'connect',
]

const NAME = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/

/** Whether it can stand in a URL as it is. */
export function isServable(name: string): boolean {
  return name === '.well-known' || NAME.test(name)
}

/** Whether the path is Portolan's own, in whatever case. */
export function isReserved(name: string): boolean {
  return RESERVED_NAMES.includes(name.toLowerCase())
}
