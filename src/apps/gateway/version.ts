/** Who Portolan says it is, as package.json has it: beside `src/` and `dist/` alike. */

import { readFileSync } from 'node:fs'

/** The package's version. */
export function readVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : '0.0.0'
}
