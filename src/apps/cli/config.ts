/** `portolan config`: look at a configuration without starting anything. No secret is printed. */

import { resolve } from 'node:path'
import { Command } from 'commander'
import { configJsonSchema } from '../gateway/config-json-schema.ts'
import { loadConfig } from '../gateway/config-file.ts'
import type { LoadedConfig } from '../gateway/config-file.ts'
import { printable, printableResolved } from '../gateway/config-print.ts'
import { ConfigError } from '../gateway/config-problem.ts'
import { readSettings } from '../gateway/settings.ts'
import { configDiffCommand } from './config-diff.ts'
import { configOption, configPathOf } from './option.ts'

interface ConfigOptions {
  readonly config?: string
  readonly resolved?: boolean
  readonly json?: boolean
}

const EXIT_BAD = 2

export function configCommand(): Command {
  const command = new Command('config').description('check, print or compare configuration files')
  command
    .command('check')
    .description('report every problem of the file at once, by path, and what to do')
    .addOption(configOption())
    .option('--json', 'print the outcome as JSON')
    .action((options: ConfigOptions) => {
      if (options.json === true) return checkAsJson(options)
      const { source, config, snapshot } = load(options)
      for (const notice of config.notices) process.stderr.write(`Note: ${notice}.\n`)
      const count = snapshot.servers.length
      process.stdout.write(`${source} is good: ${count === 1 ? '1 server' : `${count} servers`} (${snapshot.digest.slice(0, 12)})\n`)
    })
  command
    .command('print')
    .description('print the file in the one form that Portolan reads it in; secrets are hidden')
    .addOption(configOption())
    .option('--resolved', 'with every default filled in')
    .action((options: ConfigOptions) => {
      const { config, snapshot } = load(options)
      const value = options.resolved === true ? printableResolved(config, snapshot.digest) : printable(config)
      process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
    })
  command.addCommand(configDiffCommand())
  command
    .command('schema')
    .description('print the JSON Schema of the file, for editors')
    .action(() => void process.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`))
  command
    .command('path')
    .description('print which file is meant')
    .addOption(configOption())
    .action((options: ConfigOptions) => {
      const path = configPathOf(options.config)
      if (path === undefined) throw new Error('There is no portolan.json here: portolan up serves the bundled reference server. Make one with: portolan add')
      process.stdout.write(`${resolve(path)}\n`)
    })
  return command
}

function checkAsJson(options: ConfigOptions): void {
  const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
  try {
    const { source, config, snapshot } = load(options)
    print({ ok: true, source, digest: snapshot.digest, servers: snapshot.servers.map(({ name }) => name), notices: config.notices, problems: [] })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    print({ ok: false, problems: error.problems })
    process.exitCode = EXIT_BAD
  }
}

function load(options: ConfigOptions): LoadedConfig {
  const loaded = loadConfig(configPathOf(options.config), process.env)
  const settings = readSettings(loaded.config.portolan, {}, { folder: loaded.folder, operationsSocket: '' })
  if (!settings.ok) throw new ConfigError(loaded.source, settings.fault)
  return loaded
}
