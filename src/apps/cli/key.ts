/** `portolan key`: the keys that seal handles, in the database that all replicas share; whether or not one of them runs. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { KeyStore } from '../../core/auth/key-store.ts'
import type { KeyRow } from '../gateway/key-rotation.ts'
import type { KeySeal } from '../gateway/key-seal.ts'
import type { StateFlags } from '../gateway/state-place.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import { dataOption, databaseOption, stateKeyOption } from './option.ts'
import { tableText } from './terminal/table.ts'
import { createTerminal } from './terminal/terminal.ts'

interface KeyOptions extends StateFlags {
  readonly data?: string
  readonly json?: boolean
  readonly now?: boolean
  readonly force?: boolean
}

interface Ring {
  readonly store: KeyStore
  readonly seal: KeySeal
  readonly hasStateKey: boolean
}

export function keyCommand(): Command {
  const command = new Command('key').description('the keys that seal session ids, cursors and task ids; all replicas share them')
  withState(command.command('ls').description('list them: which one seals, which ones only open'))
    .option('--json', 'print them as JSON')
    .action((options: KeyOptions) => withRing(options, (ring) => show(ring, options.json === true)))
  withState(command.command('add').description('add a key that opens, and does not seal yet')).action((options: KeyOptions) =>
    withRing(options, async (ring) => {
      const { KEY_SPREAD_MS } = await import('../gateway/key-ring.ts')
      const id = await addKey(ring)
      say(`Added ${id}. Activate it in ${KEY_SPREAD_MS / 1_000} s, when every replica knows it: portolan key activate ${id}`)
    }),
  )
  withState(command.command('activate <id>').description('have a key seal from now on; the former one still opens'))
    .option('--now', 'though it was just added: there is one replica only')
    .action((id: string, options: KeyOptions) => withRing(options, (ring) => activate(ring, id, options.now === true)))
  withState(command.command('retire <id>').description('forget a key: what it sealed does not open any more'))
    .option('--force', 'though what it sealed may be in use')
    .action((id: string, options: KeyOptions) => withRing(options, (ring) => retire(ring, id, options.force === true)))
  withState(command.command('rotate').description('add a key, wait until every replica knows it, and have it seal')).action((options: KeyOptions) => withRing(options, rotate))
  withState(command.command('seal').description('seal keys that were made before there was a state key')).action((options: KeyOptions) => withRing(options, sealAll))
  return command
}

function withState(command: Command): Command {
  return command.addOption(dataOption()).addOption(databaseOption()).addOption(stateKeyOption())
}

async function withRing(options: KeyOptions, run: (ring: Ring) => Promise<void>): Promise<void> {
  const { openDatabases, statePlaceOf } = await import('../gateway/state-place.ts')
  const { createKeySeal } = await import('../gateway/key-seal.ts')
  const { createKeyStore } = await import('../../adapters/sql/key-store.ts')
  const place = statePlaceOf(options, process.env)
  const databases = await openDatabases(place, options.data ?? defaultDataPath(process.env))
  try {
    const store = createKeyStore(databases.durable)
    if ((await store.list()).length === 0) throw new Error(`There is no key in ${databases.name} yet: the first start of portolan up makes one.`)
    await run({ store, seal: createKeySeal(place.sealSecret), hasStateKey: place.sealSecret !== undefined })
  } finally {
    await databases.close()
  }
}

async function show({ store }: Ring, asJson: boolean): Promise<void> {
  const { listKeys } = await import('../gateway/key-rotation.ts')
  const keys = await listKeys(store)
  if (asJson) return say(JSON.stringify(keys.map((key) => ({ ...key, activatedAtMs: key.activatedAtMs ?? null }))))
  const terminal = createTerminal(process)
  const columns = ['KEY', 'STATE', 'ADDED', 'ACTIVATED'].map((title) => ({ title }))
  terminal.out.write(tableText(terminal.out, columns, keys.map(rowOf)))
  terminal.close()
}

function rowOf({ id, state, addedAtMs, activatedAtMs }: KeyRow): readonly string[] {
  return [id, state, timeText(addedAtMs), activatedAtMs === undefined ? '-' : timeText(activatedAtMs)]
}

function timeText(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z')
}

async function addKey({ store, seal }: Ring): Promise<string> {
  const { makeKey } = await import('../gateway/key-ring.ts')
  // A seal of another state key would lock every replica out at its next start.
  for (const key of await store.list()) seal.open(key)
  const key = makeKey(seal)
  await store.add(key)
  return key.id
}

async function sealAll({ store, seal, hasStateKey }: Ring): Promise<void> {
  if (!hasStateKey) throw new Error('There is nothing to seal them with. Give the state key with --state-key or PORTOLAN_STATE_KEY.')
  const { sealKeys } = await import('../gateway/key-ring.ts')
  const ids = await sealKeys(store, seal)
  say(ids.length === 0 ? 'All keys are sealed already.' : `Sealed ${ids.join(', ')}. Start every replica with the state key from now on.`)
}

async function activate({ store }: Ring, id: string, atOnce: boolean): Promise<void> {
  const { activateKey } = await import('../gateway/key-rotation.ts')
  const activated = await activateKey(store, id, atOnce)
  if (!activated.ok) throw new Error(activated.fault)
  say(`${id} seals from now on. The former key still opens; retire it in a day: portolan key retire <id>`)
}

async function retire({ store }: Ring, id: string, anyway: boolean): Promise<void> {
  const { retireKey } = await import('../gateway/key-rotation.ts')
  const retired = await retireKey(store, id, anyway)
  if (!retired.ok) throw new Error(retired.fault)
  say(`${id} is retired: what it sealed does not open any more.`)
}

async function rotate(ring: Ring): Promise<void> {
  const { spreadLeftMs } = await import('../gateway/key-rotation.ts')
  const id = await addKey(ring)
  process.stderr.write(`Added ${id}. Waiting until every replica knows it …\n`)
  for (;;) {
    const key = (await ring.store.list()).find((one) => one.id === id)
    const leftMs = key === undefined ? 0 : spreadLeftMs(key)
    if (leftMs === 0) return activate(ring, id, false)
    await sleep(leftMs)
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
