import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LedgerRecord } from '../../core/audit/ledger.ts'
import { openLedgerFile } from './ledger-file.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-ledger-'))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

const record = (exchangeId: string): LedgerRecord => ({
  exchangeId, receivedAtMs: 1, durationMs: 2, transport: 'http', era: 'modern', revision: '2026-07-28', principal: 'token', endpoint: '',
  method: 'tools/call', upstreamId: 'a', subject: 'echo\n"x"', outcome: 'result', status: 200, errorCode: '', requestBytes: 1, responseBytes: 1,
})
const path = (): string => join(folder, 'ledger.jsonl')
const idsIn = (): string[] => readFileSync(path(), 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line).exchangeId)
const open = (options: { path?: string; batchMs?: number; maxWaiting?: number } = {}, failures: unknown[] = []) =>
  openLedgerFile({ path: path(), ...options, onFailure: (failure) => failures.push(failure) })

describe('the ledger file', () => {
  it('holds one line for each record, in order, after a flush', async () => {
    const ledger = await open()
    const ids = Array.from({ length: 2_500 }, (_, index) => `e${index}`)
    for (const id of ids.slice(0, 1_000)) ledger.append(record(id))
    const first = ledger.flush()
    for (const id of ids.slice(1_000)) ledger.append(record(id))
    await Promise.all([first, ledger.flush()])
    expect(idsIn()).toEqual(ids)
    expect((statSync(path()).mode & 0o777).toString(8)).toBe('600')
    await ledger.close()
  })

  it('writes by itself after the batch time', async () => {
    const ledger = await open({ batchMs: 5 })
    ledger.append(record('a'))
    await expect.poll(idsIn).toEqual(['a'])
    await ledger.close()
  })

  it('goes on where an earlier process stopped, and loses nothing at the end', async () => {
    for (const id of ['a', 'b']) {
      const ledger = await open({ batchMs: 60_000 })
      ledger.append(record(id))
      await ledger.close()
    }
    expect(idsIn()).toEqual(['a', 'b'])
  })

  it('keeps a bounded number in memory and counts what is lost', async () => {
    const ledger = await open({ batchMs: 60_000, maxWaiting: 2 })
    for (const id of ['a', 'b', 'c', 'd']) ledger.append(record(id))
    expect(ledger.lostCount).toBe(2)
    await ledger.close()
    expect(idsIn()).toEqual(['a', 'b'])
  })

  it('begins a line of its own where an earlier process was cut off in one', async () => {
    writeFileSync(path(), '{"exchangeId":"a"}\n{"exch')
    const ledger = await open()
    ledger.append(record('b'))
    await ledger.close()
    expect(readFileSync(path(), 'utf8').split('\n')).toEqual(['{"exchangeId":"a"}', '{"exch', JSON.stringify(record('b')), ''])
  })

  describe.runIf(process.platform === 'linux')('on a disk that is full', () => {
    it('counts what it still had at the end, and says so', async () => {
      const failures: unknown[] = []
      const ledger = await open({ path: '/dev/full', batchMs: 60_000 }, failures)
      for (const id of ['a', 'b', 'c']) ledger.append(record(id))
      await ledger.flush()
      ledger.append(record('d'))
      await ledger.close()
      expect(ledger.lostCount).toBe(4)
      expect(failures.at(-1)).toEqual({ reason: expect.stringContaining('ENOSPC'), lostCount: 4 })
    })

    it('counts the records of a batch that waits among those that it keeps', async () => {
      const ledger = await open({ path: '/dev/full', batchMs: 60_000, maxWaiting: 3 })
      for (const id of ['a', 'b']) ledger.append(record(id))
      await ledger.flush()
      for (const id of ['c', 'd', 'e']) ledger.append(record(id))
      expect(ledger.lostCount).toBe(2)
      await ledger.close()
    })

    it('is tried every 5 s, also where a record comes while a write fails', async () => {
      const ledger = await open({ path: '/dev/full' })
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      ledger.append(record('a'))
      const failed = ledger.flush()
      ledger.append(record('b'))
      await failed
      vi.advanceTimersByTime(4_999)
      expect(vi.getTimerCount()).toBe(1)
      vi.advanceTimersByTime(1)
      expect(vi.getTimerCount()).toBe(0)
      await ledger.close()
    })
  })

  it.runIf(process.platform === 'linux')('has each record once and whole when the disk was full for a while, in mid-line', () => {
    const script = `
      import { execFileSync } from 'node:child_process'
      process.on('SIGXFSZ', () => undefined)
      const { openLedgerFile } = await import(${JSON.stringify(new URL('ledger-file.ts', import.meta.url).href)})
      let [fail, failures] = [undefined, 0]
      const failed = new Promise((resolve) => (fail = resolve))
      const ledger = await openLedgerFile({ path: ${JSON.stringify(path())}, batchMs: 1, retryMs: 60_000, onFailure: ({ reason }) => ((failures += 1), fail(reason)) })
      const append = (from, to) => { for (let at = from; at < to; at += 1) ledger.append({ ...${JSON.stringify(record(''))}, exchangeId: 'e' + at }) }
      append(0, 100)
      const alive = setInterval(() => undefined, 1_000)
      const reason = await failed
      clearInterval(alive)
      append(100, 150)
      execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
      await ledger.close()
      console.log(JSON.stringify({ reason, failures, lost: ledger.lostCount }))`
    // A limit on the file's size ends a write as a full disk does: after a part of it.
    const said = execFileSync('sh', ['-c', 'ulimit -S -f 10; exec "$0" "$@"', process.execPath, '--input-type=module', '--eval', script], { encoding: 'utf8' })
    expect(JSON.parse(said)).toEqual({ reason: expect.stringContaining('EFBIG'), failures: 1, lost: 0 })
    expect(idsIn()).toEqual(Array.from({ length: 150 }, (_, at) => `e${at}`))
  })
})
