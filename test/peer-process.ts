/** A replica's peer link in a process of its own, which can be stopped and continued. Run by itself, this file is that process. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openReplica } from './peer-rig.ts'

export interface PeerProcess {
  readonly replicaId: string
  readonly address: string
  /** The texts that it acted on, `aborted …` among them where a call was. */
  served(): readonly string[]
  stop(): void
  goOn(): void
  close(): Promise<void>
}

export async function startReplica(): Promise<PeerProcess> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  const [first] = await once(reader, 'line')
  reader.on('line', (line) => lines.push(line))
  const { replicaId, address }: { replicaId: string; address: string } = JSON.parse(String(first))
  return {
    replicaId,
    address,
    served: () => lines,
    stop: () => void child.kill('SIGSTOP'),
    goOn: () => void child.kill('SIGCONT'),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

async function main(): Promise<void> {
  const replica = await openReplica(new Map())
  replica.serve('call', async function* (text) {
    process.stdout.write(`${text}\n`)
    yield text
  })
  process.stdout.write(`${JSON.stringify({ replicaId: replica.replicaId, address: replica.address })}\n`)
  // Ends with whoever started it.
  process.stdin.on('end', () => process.exit(0)).resume()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
