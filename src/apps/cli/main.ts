#!/usr/bin/env node
// The `portolan` command. Exit codes: 0 clean, 1 failure, 2 usage or configuration.
import { Command, CommanderError } from 'commander'
import { ConfigError } from '../gateway/config-problem.ts'
import { DataFolderError } from '../gateway/data-folder.ts'
import { readVersion } from '../gateway/version.ts'
import { loadCommands } from './commands.ts'

const EXIT_FAILURE = 1
const EXIT_USAGE = 2

const EXAMPLES = `
Examples:
  portolan up                              the bundled reference server, on http://127.0.0.1:7400
  portolan up --config portolan.json       your servers; any client's own mcpServers file will do
  portolan add memory -- npx -y @modelcontextprotocol/server-memory
  portolan config check --config my.json   what is wrong with a file, all at once
  portolan status                          how the servers are doing
  portolan doctor                          what is misconfigured, and what to do
`

const program = new Command('portolan')
  .description('A self-hosted gateway for the Model Context Protocol: many servers behind one address, for every client.')
  .version(readVersion(), '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print help')
  .option('--no-color', 'no colours; any command takes it')
  .on('option:no-color', noColor)
  .addHelpText('after', EXAMPLES)
  .showHelpAfterError('(add --help for what there is)')
  .exitOverride()

for (const command of await loadCommands(process.argv.slice(2))) program.addCommand(command)
program
  .command('version')
  .description('print the version')
  .action(() => void process.stdout.write(`${readVersion()}\n`))

for (const command of [...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
  command.copyInheritedSettings(program).exitOverride()
}

/** As with NO_COLOR: packages that write to the terminal ask the environment. */
function noColor(): void {
  process.env['NO_COLOR'] = '1'
  delete process.env['FORCE_COLOR']
}

/** What a failure means for whoever ran the command. */
function exitCodeFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return error instanceof ConfigError || error instanceof DataFolderError ? EXIT_USAGE : EXIT_FAILURE
}

/** A reader that has had enough (`portolan --help | head`) is no failure. `up` and `stdio` end in their own way. */
if (!['up', 'stdio'].includes(process.argv[2] ?? '')) {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeFor(error)
}
