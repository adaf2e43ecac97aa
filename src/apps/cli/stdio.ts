/** `portolan stdio`: the gateway for clients that only launch commands. Standard output belongs to the protocol alone. */

import { Command } from 'commander'
import { tuneCollector } from '../gateway/collector.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import { createLog, standardErrorOptions } from '../gateway/log.ts'
import type { LogLevel } from '../gateway/log.ts'
import { configOption, configPathOf, dataOption, logLevelOption } from './option.ts'

interface StdioOptions {
  readonly config?: string
  readonly data?: string
  readonly server?: string
  readonly logLevel: LogLevel
}

export function stdioCommand(): Command {
  return new Command('stdio')
    .description('run the gateway on standard input and output, for clients that launch commands')
    .addOption(configOption())
    .addOption(dataOption())
    .option('--server <name>', 'only this server or virtual server, names unchanged (default: all servers as one)')
    .addOption(logLevelOption().default('warn'))
    .action(async (options: StdioOptions) => {
      tuneCollector()
      // Clients read this nowhere: theirs is a pipe.
      if (process.stdin.isTTY) process.stderr.write('Waiting for the messages of an MCP client, one a line; Ctrl+D ends it. portolan up is for clients that connect over HTTP.\n')
      const stop = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort())
      const { runStdio } = await import('../gateway/run-stdio.ts')
      await runStdio({
        configPath: configPathOf(options.config),
        dataPath: options.data ?? defaultDataPath(process.env),
        server: options.server,
        env: process.env,
        log: createLog(standardErrorOptions(options.logLevel)),
        input: process.stdin,
        output: process.stdout,
        signal: stop.signal,
      })
      process.exit(0)
    })
}
