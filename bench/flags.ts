// The command line of the benchmark.
import { parseArgs } from 'node:util'
import { type BenchCase, DEFAULT_CASES, EXTRA_CASES } from './cases.ts'
import { CONTENDER_NAMES, type ContenderName } from './contenders.ts'

export type Flags = {
  readonly cases: readonly BenchCase[]
  readonly contenders: readonly ContenderName[]
  readonly seconds: number
  readonly rounds: number
  readonly connections: number
  readonly sessions: number
  readonly name: string
  readonly printJson: boolean
  readonly writeReadme: boolean
  readonly memory: boolean
  readonly useDist: boolean
}

export const USAGE = `npm run bench -- [flags]

  --only <case,…>         only these cases (see below)
  --contenders <name,…>   of ${CONTENDER_NAMES.join(', ')}
  --seconds <n>           measured seconds per round (1.5)
  --rounds <n>            rounds per case and contender (3)
  --connections <n>       keep-alive connections (64)
  --sessions <n>          legacy sessions shared by the connections (8)
  --name <name>           results go to bench/results/<name>.json (latest)
  --json                  print the results as JSON instead of a table
  --write-readme          put the table into bench/README.md
  --dist                  run the built Portolan in dist/ instead of the source
  --memory                measure memory of idle sessions and open streams, and the start, instead of the cases
  --help

cases:  ${DEFAULT_CASES.map((each) => each.name).join('\n        ')}
only on request:
        ${EXTRA_CASES.map((each) => each.name).join('\n        ')}
`

/** The flags, `help`, or everything that is wrong with them. */
export function readFlags(argv: readonly string[]): { ok: true; flags: Flags } | { ok: false; problems: readonly string[] } | { ok: 'help' } {
  let values
  try {
    values = parseArgs({ args: [...argv], options: OPTIONS, strict: true }).values
  } catch (error) {
    return { ok: false, problems: [error instanceof Error ? error.message : String(error)] }
  }
  if (values.help) return { ok: 'help' }
  const problems: string[] = []
  const positive = (flag: string, text: string, whole: boolean): number => {
    const value = Number(text)
    if (!(value > 0) || (whole && !Number.isInteger(value))) problems.push(`--${flag} must be a positive ${whole ? 'whole ' : ''}number, got "${text}"`)
    return value
  }
  const all = [...DEFAULT_CASES, ...EXTRA_CASES]
  const cases = values.only === undefined ? [...DEFAULT_CASES] : values.only.split(',').flatMap((name) => all.find((each) => each.name === name) ?? [])
  if (values.only !== undefined && cases.length !== values.only.split(',').length) problems.push(`--only names an unknown case: "${values.only}"`)
  const names = values.contenders?.split(',') ?? CONTENDER_NAMES
  const contenders = CONTENDER_NAMES.filter((name) => names.includes(name))
  if (contenders.length !== names.length) problems.push(`--contenders names an unknown contender: "${values.contenders}"`)
  if (!/^[\w-]+$/.test(values.name)) problems.push(`--name must be letters, digits, "-" and "_", got "${values.name}"`)
  const flags: Flags = {
    cases,
    contenders,
    seconds: positive('seconds', values.seconds, false),
    rounds: positive('rounds', values.rounds, true),
    connections: positive('connections', values.connections, true),
    sessions: positive('sessions', values.sessions, true),
    name: values.name,
    printJson: values.json,
    writeReadme: values['write-readme'],
    memory: values.memory,
    useDist: values.dist,
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, flags }
}

const OPTIONS = {
  only: { type: 'string' },
  contenders: { type: 'string' },
  seconds: { type: 'string', default: '1.5' },
  rounds: { type: 'string', default: '3' },
  connections: { type: 'string', default: '64' },
  sessions: { type: 'string', default: '8' },
  name: { type: 'string', default: 'latest' },
  json: { type: 'boolean', default: false },
  'write-readme': { type: 'boolean', default: false },
  memory: { type: 'boolean', default: false },
  dist: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const
