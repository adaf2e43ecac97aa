import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { findKin, startedTicksOf } from './process-table.ts'

const started: ChildProcess[] = []
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
      await once(child, 'exit')
    }
  }
})

/** It leads a session, and says so when it has set up what it runs. */
async function lead(script: string): Promise<{ readonly child: ChildProcess; readonly pid: number; readonly said: string }> {
  const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
  started.push(child)
  const [said]: readonly unknown[] = await once(child.stdout, 'data')
  return { child, pid: child.pid ?? 0, said: String(said).trim() }
}

describe.runIf(process.platform === 'linux')('what stems from a child', () => {
  const marker = 'PORTOLAN_CHILD=none.'

  it('is all of its session, also when the child itself has gone', async () => {
    const { child, pid, said } = await lead('sleep 60 >/dev/null & echo $!; read -r _')
    const kin = { sessionId: pid, startedTicks: startedTicksOf(pid), marker }
    expect(kin.startedTicks).toBeGreaterThan(0)
    expect((await findKin(kin)).toSorted()).toEqual([pid, Number(said)].toSorted())
    child.stdin?.end()
    await once(child, 'exit')
    expect(startedTicksOf(pid)).toBeUndefined()
    expect(await findKin(kin)).toEqual([Number(said)])
    process.kill(Number(said), 'SIGKILL')
    await expect.poll(() => findKin(kin)).toEqual([])
  })

  it('is nothing of a session that another process leads under the same pid', async () => {
    const { pid } = await lead('sleep 60 >/dev/null & echo $!; read -r _')
    const before = (startedTicksOf(pid) ?? 0) - 1
    expect(await findKin({ sessionId: pid, startedTicks: before, marker })).toEqual([])
    // Where the system did not say when the child was started, the pid has to do.
    expect(await findKin({ sessionId: pid, startedTicks: undefined, marker })).toHaveLength(2)
  })
})
