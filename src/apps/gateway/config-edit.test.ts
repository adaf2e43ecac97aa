import fc from 'fast-check'
import { findNodeAtLocation, parseTree } from 'jsonc-parser'
import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../protocol/json-value.ts'
import { removeAt, renameAt, setAt } from './config-edit.ts'
import { parseJsonc } from './config-jsonc.ts'

const entry = { command: 'npx', args: ['-y', 'some-server'] }
const add = (text: string): string => setAt(text, ['mcpServers', 'new'], entry)
const remove = (text: string): string => removeAt(text, ['mcpServers', 'new'])
const lines = (...all: string[]): string => all.join('\n')

describe('a member that is added', () => {
  it.each([
    [
      'on several lines, as its neighbours are',
      lines('{', '    "mcpServers": {', '        "a": {', '            "command": "x",', '            "args": [', '                "1",', '                "2"', '            ]', '        }', '    }', '}', ''),
      lines('        },', '        "new": {', '            "command": "npx",', '            "args": [', '                "-y",', '                "some-server"', '            ]', '        }', '    }', '}', ''),
    ],
    ['on one line, as its neighbours are', lines('{', '  "mcpServers": {', '    "a": { "command": "x" },', '  },', '}'), lines('    "a": { "command": "x" },', '    "new": { "command": "npx", "args": ["-y", "some-server"] },', '  },', '}')],
    ['behind the comment of the line before', lines('{', '\t"mcpServers": {', '\t\t"a": { "url": "x" } // mine', '\t}', '}'), lines('\t\t"a": { "url": "x" }, // mine', '\t\t"new": { "command": "npx", "args": ["-y", "some-server"] }', '\t}', '}')],
    ['into empty braces', '{\n  "mcpServers": {}\n}\n', lines('  "mcpServers": {', '    "new": {', '      "command": "npx",', '      "args": ["-y", "some-server"]', '    }', '  }', '}', '')],
    ['with the objects around it that are missing', '{\n\t"other": 1\n}\n', lines('\t"other": 1,', '\t"mcpServers": {', '\t\t"new": {', '\t\t\t"command": "npx",', '\t\t\t"args": ["-y", "some-server"]', '\t\t}', '\t}', '}', '')],
    ['into a file without a line break', '{"mcpServers":{"a":{"url":"x"}}}', '{"mcpServers":{"a":{"url":"x"},"new":{"command":"npx","args":["-y","some-server"]}}}'],
    ['into an object that has comments only', lines('{', '  "mcpServers": {', '    // none yet', '  }', '}'), lines('    // none yet', '    "new": {', '      "command": "npx",', '      "args": ["-y", "some-server"]', '    }', '  }', '}')],
  ])('stands %s', (_how, before, end) => {
    const after = add(before)
    expect(after.slice(-end.length)).toBe(end)
    expect(after.split('"new"')).toHaveLength(2)
  })

  it('has the line ends of the file, and leaves its byte order mark', () => {
    const before = '\ufeff{\r\n  "mcpServers": {\r\n    "a": {\r\n      "command": "x"\r\n    }\r\n  }\r\n}\r\n'
    const after = add(before)
    expect(after.startsWith('\ufeff{\r\n')).toBe(true)
    expect(after.replaceAll('\r\n', '')).not.toContain('\n')
    expect(remove(after)).toBe(before)
  })

  it('replaces what is there, in its place', () => {
    const text = '{\n  "mcpServers": {\n    "new": { "command": "x" }, // one\n    "b": { "url": "y" }\n  }\n}'
    expect(add(text)).toBe(text.replace('{ "command": "x" }', '{ "command": "npx", "args": ["-y", "some-server"] }'))
  })

  it('changes nothing where it is there already, however it is written', () => {
    const text = '{ "mcpServers": { "new": {"args":[ "-y","some-server"], /* c */ "command":"npx" } } }'
    expect(add(text)).toBe(text)
  })

  it('can be an item of a list', () => {
    const text = '{\n  "mcpServers": [\n    { "name": "a", "command": "x" }\n  ]\n}'
    const after = setAt(text, ['mcpServers', 1], { name: 'b', url: 'y' })
    expect(after).toBe('{\n  "mcpServers": [\n    { "name": "a", "command": "x" },\n    { "name": "b", "url": "y" }\n  ]\n}')
    expect(removeAt(after, ['mcpServers', 1])).toBe(text)
  })
})

describe('a member that is removed', () => {
  it.each([
    ['the first', 'a', '{\n  "mcpServers": {\n    // about a\n    // about b\n    "b": 2, // b!\n    "c": 3\n  }\n}'],
    ['one between', 'b', '{\n  "mcpServers": {\n    // about a\n    "a": 1,\n    // about b\n    // b!\n    "c": 3\n  }\n}'],
    ['the last', 'c', '{\n  "mcpServers": {\n    // about a\n    "a": 1,\n    // about b\n    "b": 2 // b!\n  }\n}'],
  ])('leaves the comments beside it: %s', (_which, key, after) => {
    const before = '{\n  "mcpServers": {\n    // about a\n    "a": 1,\n    // about b\n    "b": 2, // b!\n    "c": 3\n  }\n}'
    expect(removeAt(before, ['mcpServers', key])).toBe(after)
  })

  it.each([
    ['{ "a": 1, "b": 2, "c": 3 }', 'a', '{ "b": 2, "c": 3 }'],
    ['{ "a": 1, "b": 2, "c": 3 }', 'b', '{ "a": 1, "c": 3 }'],
    ['{ "a": 1, "b": 2, "c": 3 }', 'c', '{ "a": 1, "b": 2 }'],
    ['{"a":1,"b":2}', 'b', '{"a":1}'],
    ['{"a":1 /* x */, /* y */ "b":2}', 'b', '{"a":1 /* x */ /* y */}'],
    ['{\n "a": 1, // c\n "b": 2 }', 'b', '{\n "a": 1 // c\n }'],
    ['{\n "a": 1\n}', 'a', '{}'],
    ['{\n "a": 1\n}', 'nope', '{\n "a": 1\n}'],
  ])('%s without %s', (before, key, after) => {
    expect(removeAt(before, [key])).toBe(after)
  })
})

describe('a member that is renamed', () => {
  it('keeps its place and everything in it', () => {
    expect(renameAt('{ "a": { /* c */ "x": 1 }, "b": 2 }', ['a'], 'ä"')).toBe('{ "ä\\"": { /* c */ "x": 1 }, "b": 2 }')
  })
})

describe('a file that two readers would read differently', () => {
  it.each(['{ "a": 1', '[1, 2', '{ "a": 01 }', '{ a: 1 }', '// a\r{ "b": 1 }'])('is not edited: %j', (text) => {
    expect(() => setAt(text, ['x'], 1)).toThrow(/without doubt/)
  })
})

/** JSONC as anybody might write it: white space and comments wherever they may stand. */
const lineEnd = fc.constantFrom('\n', '\r\n')
const key = fc.constantFrom('a', 'b', 'ä', 'mcp', 'x y', '"', '//')
function anyJsonc(end: string): fc.Arbitrary<{ readonly servers: string; readonly text: string; readonly emptied: string }> {
  const space = fc.constantFrom('', '', ' ', '  ', '\t', end, `${end}  `, `${end}${end}    `, ` ${end}\t`)
  const comment = fc.constantFrom('/* c */', '/**/', `/* two${end} lines */`, `// one${end}`, `// "x": { ${end}`, `//${end}`)
  const trivia = fc.oneof({ weight: 3, arbitrary: space }, { weight: 1, arbitrary: fc.tuple(space, comment, space).map((parts) => parts.join('')) })
  const scalar = fc.constantFrom('1', '-0.5e3', 'true', 'null', '"t"', '"// no"', '""', '"/*"')
  const { value } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
    value: fc.oneof({ maxDepth: 2, withCrossShrink: true }, scalar, tie('object'), tie('array')),
    object: membersOf(tie('value')),
    array: fc.tuple(fc.array(fc.tuple(trivia, tie('value'), trivia), { maxLength: 3 }), fc.boolean(), trivia).map(([items, trailing, inside]) => {
      const all = items.map((parts) => parts.join(''))
      return all.length === 0 ? `[${inside}]` : `[${all.join(',')}${trailing ? `,${inside}` : ''}]`
    }),
  }))
  function membersOf(values: fc.Arbitrary<string>): fc.Arbitrary<string> {
    const member = fc.tuple(trivia, key, trivia, trivia, values, trivia)
    return fc.tuple(fc.uniqueArray(member, { maxLength: 4, selector: ([, name]) => name }), fc.boolean(), trivia).map(([members, trailing, inside]) => {
      const all = members.map(([before, name, afterKey, beforeValue, text, after]) => `${before}${JSON.stringify(name)}${afterKey}:${beforeValue}${text}${after}`)
      return all.length === 0 ? `{${inside}}` : `{${all.join(',')}${trailing ? `,${inside}` : ''}}`
    })
  }
  const around = fc.tuple(trivia, trivia, trivia, trivia, trivia, trivia)
  return fc.tuple(membersOf(value), around, value, fc.boolean()).map(([servers, [a, b, c, d, e, f], other, isLast]) => {
    const file = (held: string): string => {
      const own = `"mcpServers"${b}:${c}${held}`
      return `${a}{${d}${isLast ? `"other": ${other},${e}${own}` : `${own}${e},"other": ${other}`}${f}}`
    }
    return { servers, text: file(servers), emptied: file('{}') }
  })
}
const anyFile = lineEnd.chain(anyJsonc)
const commentsOf = (text: string): string[] => [...text.matchAll(/"(?:[^"\\]|\\.)*"|(\/\/[^\n]*|\/\*[^]*?\*\/)/g)].flatMap(([, comment]) => (comment === undefined ? [] : [comment.trim()]))
const read = (text: string): JsonValue | undefined => parseJsonc(text).value

describe('whatever the file', () => {
  it('what is added and then removed leaves every byte, but white space in braces that held nothing else', () => {
    fc.assert(
      fc.property(anyFile, ({ text, emptied, servers }) => {
        const after = add(text)
        expect(read(after)).toEqual({ ...(read(text) as object), mcpServers: { ...(JSON.parse(JSON.stringify(read(servers))) as object), new: entry } })
        expect(remove(after)).toBe(/^\{\s+\}$/.test(servers) ? emptied : text)
      }),
      { numRuns: 3_000 },
    )
  })

  it('no comment is lost but those inside what is removed', () => {
    fc.assert(
      fc.property(anyFile, fc.constantFrom('a', 'b', 'ä', 'x y'), ({ text, servers }, name) => {
        expect(commentsOf(add(text))).toEqual(commentsOf(text))
        const after = removeAt(text, ['mcpServers', name])
        const { [name]: _gone, ...left } = read(servers) as Record<string, JsonValue>
        expect((read(after) as Record<string, JsonValue>)['mcpServers']).toEqual(left)
        const root = parseTree(text)
        const member = root === undefined ? undefined : findNodeAtLocation(root, ['mcpServers', name])?.parent
        const [start, end] = member === undefined ? [0, 0] : [member.offset, member.offset + member.length]
        expect(commentsOf(after)).toEqual([...commentsOf(text.slice(0, start)), ...commentsOf(text.slice(end))])
      }),
      { numRuns: 3_000 },
    )
  })
})
