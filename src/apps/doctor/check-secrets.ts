/** Secrets written into the configuration, and who can read or change the file. A file that others can change runs their commands. */

import { chmodSync } from 'node:fs'
import { pathText } from '../gateway/config-problem.ts'
import { looksSecret } from '../gateway/config-secret.ts'
import type { ConfiguredServer } from '../gateway/config.ts'
import { listText, ok, problem, shellText, skipped } from './check.ts'
import type { Check, Finding } from './check.ts'
import { statOf } from './file-stat.ts'

export const secretsCheck: Check = {
  id: 'secrets',
  looksAt: 'who can read or change the configuration file, and whether it holds secrets',
  run({ configPath, config }) {
    const stat = configPath === undefined ? undefined : statOf(configPath)
    if (configPath === undefined || stat === undefined || process.platform === 'win32') return [skipped('There is no configuration file.')]
    const places = config?.servers.flatMap(plainSecrets) ?? []
    const mode = stat.mode & 0o777
    const findings: Finding[] = []
    const change = shellText(['chmod', places.length > 0 ? '600' : 'go-w', configPath])
    if ((mode & 0o022) !== 0) {
      const fix = (): void => chmodSync(configPath, places.length > 0 ? 0o600 : mode & ~0o022)
      findings.push({ ...problem(configPath, `Others can change it (mode ${mode.toString(8)}), and it names commands that run as you.`, change), fix })
    } else if (places.length > 0 && (mode & 0o044) !== 0) {
      const what = `It holds what looks like a secret (${listText(places)}), and others can read it (mode ${mode.toString(8)}). Better still: write a reference such as env:NAME.`
      findings.push({ ...problem(configPath, what, change), fix: () => chmodSync(configPath, 0o600) })
    }
    if (findings.length > 0) return findings
    if (places.length === 0) return [ok(configPath, 'It holds no plain secret.')]
    return [ok(configPath, `It holds what looks like a secret (${listText(places)}), and only its owner can read it.`)]
  },
}

/** Where plain secrets stand, never what they are. */
function plainSecrets({ target, path }: ConfiguredServer): readonly string[] {
  const isHttp = target.transport === 'http'
  const named = Object.entries(isHttp ? target.headers : target.env).filter(([name, text]) => looksSecret(name, text))
  const places = named.map(([name]) => pathText([...path, isHttp ? 'headers' : 'env', name]))
  if (isHttp) return looksSecret('', target.url) ? [...places, pathText([...path, 'url'])] : places
  const args = target.args.flatMap((arg, index) => (isSecretArg(target.args, arg, index) ? [pathText([...path, 'args', index])] : []))
  return [...places, ...args]
}

/** `--token=…`, `--token …`, or one that says itself what it is. */
function isSecretArg(args: readonly string[], arg: string, index: number): boolean {
  const [option = '', value] = arg.split(/=(.*)/s)
  if (option.startsWith('-')) return value !== undefined && looksSecret(option, value)
  const before = args[index - 1] ?? ''
  return looksSecret(before.startsWith('-') ? before : '', arg)
}
