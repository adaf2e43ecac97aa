import { describe, expect, it } from 'vitest'
import { diffText } from './config-edit-diff.ts'

const lines = (...all: string[]): string => `${all.join('\n')}\n`
const before = lines('{', '  "mcpServers": {', '    "a": {', '      "command": "x",', '      "env": {', '        "DB": "hunter2"', '      }', '    }', '  }', '}')
const after = before.replace('    }\n  }\n', '    },\n    "b": { "command": "y", "env": { "MODE": "fast", "API_KEY": "abc" } }\n  }\n')

describe('the diff of an edit', () => {
  it('has the lines that change and two around them, secrets hidden, and what was just typed', () => {
    expect(diffText('p.json', before, after)).toBe(lines(
      '--- p.json', '+++ p.json', '@@', '         "DB": "<hidden>"', '       }', '-    }', '+    },',
      '+    "b": { "command": "y", "env": { "MODE": "fast", "API_KEY": "<hidden>" } }', '   }', ' }',
    ))
  })

  it('of a new file is the whole file, of the same file nothing', () => {
    expect(diffText('p.json', '', '{\r\n  "a": 1\r\n}\r\n')).toBe(lines('--- /dev/null', '+++ p.json', '+{', '+  "a": 1', '+}'))
    expect(diffText('p.json', before, before)).toBe('')
  })

  it('hides what stands in comments, URLs and arguments, whatever the line ends and the byte order mark', () => {
    const secret = ['ghp', 'A1b2C3d4E5f6G7h8I9'].join('_')
    const text = `\ufeff{ // token: ${secret}\r\n"args": ["--key", "abc", "${secret}"],\r\n"url": "https://a:b@c.example/?k=v"\r\n}`
    const diff = diffText('p.json', text, `${text}\r\n`.replace('"args"', '"arg"'))
    expect(diff).not.toContain(secret)
    expect(diff).not.toContain('"abc"')
    expect(diff).not.toContain('a:b@')
    expect(diff).toContain('"--key", "<hidden>", "<hidden>"')
  })
})
