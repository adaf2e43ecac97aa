import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CLIENT_LIMITS } from './check-tools.ts'
import { CHECKS } from './checks.ts'

const page = readFileSync(new URL('../../../docs/reference/doctor.md', import.meta.url), 'utf8')

describe('docs/reference/doctor.md', () => {
  it('has one section for each check, in their order, with what it looks at', () => {
    const sections = page.split(/^## /m).slice(1).map((section) => section.replaceAll(/\s+/g, ' '))
    expect(sections.map((section) => /^`([\w-]+)`/.exec(section)?.[1])).toEqual(CHECKS.map(({ id }) => id))
    for (const [index, { id, looksAt }] of CHECKS.entries()) expect(sections[index]).toContain(`\`${id}\` Looks at ${looksAt}`)
  })

  it('has the limits of clients', () => {
    for (const { client, tools } of CLIENT_LIMITS) expect(page.replaceAll(/\s+/g, ' ')).toContain(`${client} ${tools} (`)
  })
})
