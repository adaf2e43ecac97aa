// Starts the reference server. Standard output belongs to the protocol over stdio, and holds the URL over HTTP; everything
// else goes to standard error.
import { HELP, parseCommandLine } from './command-line.ts'
import type { Command } from './command-line.ts'
import { serveHttp } from './http.ts'
import { createReferenceState } from './state.ts'
import { serveStdio } from './stdio.ts'

const EXIT_USAGE = 2
const EXIT_FAILURE = 1
const STOP_GRACE_MS = 2000

function log(line: string): void {
  process.stderr.write(`${line}\n`)
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}

async function run(command: Command): Promise<void> {
  if (command.kind === 'help') {
    process.stdout.write(HELP)
    return
  }
  const stop = stopped()
  const state = createReferenceState()
  if (command.kind === 'http') {
    const handle = await serveHttp(state, { ...command, log })
    process.stdout.write(`Reference server: ${handle.url}\n`)
    await stop
    await handle.close()
  } else {
    const handle = serveStdio(state, log)
    await Promise.race([stop, handle.ended])
    await handle.close()
  }
  // A tool that still waits must not keep the process.
  setTimeout(() => process.exit(), STOP_GRACE_MS).unref()
}

const parsed = parseCommandLine(process.argv.slice(2))
if (parsed.ok) {
  run(parsed.command).catch((error: unknown) => {
    log(error instanceof Error ? error.message : String(error))
    process.exit(EXIT_FAILURE)
  })
} else {
  log(`${parsed.fault.message}\n\n${HELP}`)
  process.exitCode = EXIT_USAGE
}
