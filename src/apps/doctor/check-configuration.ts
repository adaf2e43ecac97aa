/** Whether the file can be read, and whether it says what Portolan understands. */

import { ok, problem, shellWord, warning } from './check.ts'
import type { Check } from './check.ts'
import { isReferenceProblem } from './check-references.ts'

export const configurationCheck: Check = {
  id: 'configuration',
  looksAt: 'whether the configuration file can be read and holds no mistake',
  run({ configPath, source, problems, servers, config }) {
    const again = configPath === undefined ? 'portolan config check' : `portolan config check -c ${shellWord(configPath)}`
    const found = problems.filter((one) => !isReferenceProblem(one)).map(({ path, problem: what, fix }) => problem(path, `${capital(what)}. ${fix}.`, again))
    if (found.length > 0) return found
    if (configPath === undefined) return [ok('', 'There is no portolan.json here: the bundled reference server is served.')]
    if (config !== undefined && config.servers.length === 0) return [warning(source, 'It names no server.', `portolan up --config ${shellWord(configPath)}`)]
    return [ok(source, `${servers.length === 1 ? '1 server' : `${servers.length} servers`} enabled.`)]
  },
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
