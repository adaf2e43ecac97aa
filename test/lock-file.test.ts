import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface LockedPackage {
  readonly resolved?: string
  readonly link?: boolean
  readonly integrity?: string
  readonly version?: string
}

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'))
const entries = Object.entries(lock.packages)

describe('package-lock.json', () => {
  it('holds no download address: where packages come from is the machine\'s business', () => {
    const addressed = entries.filter(([, { resolved, link }]) => resolved !== undefined && link !== true)
    expect(addressed.map(([name]) => name)).toEqual([])
    expect(JSON.stringify(lock)).not.toMatch(/"resolved":"https?:/)
  })

  it('pins the content of every package that is downloaded', () => {
    const downloaded = entries.filter(([name, { link }]) => name.includes('node_modules/') && link !== true)
    expect(downloaded.length).toBeGreaterThan(50)
    expect(downloaded.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true).map(([name]) => name)).toEqual([])
  })
})
