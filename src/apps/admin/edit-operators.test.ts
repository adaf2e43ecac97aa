import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { believed, editOperators } from './edit-operators.ts'
import { makeOperator, OPERATORS_FILE } from './operators.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-operators-'))
  folders.push(folder)
  return join(folder, OPERATORS_FILE)
}

const names = (path: string): string[] => believed(path).map(({ name }) => name)
const add = (path: string, name: string): Promise<void> => editOperators(path, (operators) => [...operators, makeOperator(name).operator])

describe('an edit of the operators', () => {
  it('does not bring back who is removed at the same time', async () => {
    const path = place()
    await add(path, 'alice')
    const { promise: hasRead, resolve: read } = Promise.withResolvers<void>()
    const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>()
    const adding = editOperators(path, async (operators) => {
      read()
      await mayGoOn
      return [...operators, makeOperator('bob').operator]
    })
    await hasRead
    const removing = editOperators(path, (operators) => operators.filter(({ name }) => name !== 'alice'))
    // It may come in between only if nobody keeps it out.
    await Promise.race([removing, new Promise((resolve) => setTimeout(resolve, 100))])
    goOn()
    await Promise.all([adding, removing])
    expect(names(path)).toEqual(['bob'])
  })

  it('loses nobody of several who are added at once', async () => {
    const path = place()
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => add(path, name)))
    expect(names(path).toSorted()).toEqual(['a', 'b', 'c', 'd'])
    expect(readdirSync(join(path, '..'))).toEqual([OPERATORS_FILE])
  })

  it('makes a file that only its owner can read', async () => {
    const path = place()
    await add(path, 'a')
    await add(path, 'b')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('is refused where the file cannot be believed, and changes nothing', async () => {
    const path = place()
    await add(path, 'a')
    chmodSync(path, 0o666)
    await expect(add(path, 'b')).rejects.toThrow('chmod 600')
    chmodSync(path, 0o600)
    writeFileSync(path, 'mallory md5:x\n')
    await expect(add(path, 'b')).rejects.toThrow('no operator')
    expect(() => names(path)).toThrow('no operator')
  })
})
