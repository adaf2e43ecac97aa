/** `portolan operator`: who may operate this Portolan over HTTP. Works on the data folder, whether or not it runs. */

import { Command } from 'commander'
import { isOperatorName, makeOperator, OPERATORS_FILE, readOperators, writeOperators } from '../admin/operators.ts'
import type { Operator } from '../admin/operators.ts'
import { defaultDataPath, openDataFolder } from '../gateway/data-folder.ts'
import { dataOption } from './option.ts'

interface OperatorOptions {
  readonly data?: string
  readonly json?: boolean
}

export function operatorCommand(): Command {
  const command = new Command('operator').description('who may operate this Portolan over HTTP, with a token of his own')
  command
    .command('add <name>')
    .description('make an operator, and print his token once; the first one turns the admin API on')
    .addOption(dataOption())
    .action((name: string, options: OperatorOptions) => add(name, options))
  command
    .command('ls')
    .description('list them')
    .addOption(dataOption())
    .option('--json', 'print them as JSON')
    .action((options: OperatorOptions) => list(options))
  command
    .command('remove <name>')
    .description('let him in no more, from his next request on')
    .addOption(dataOption())
    .action((name: string, options: OperatorOptions) => remove(name, options))
  return command
}

interface Found {
  readonly path: string
  readonly operators: readonly Operator[]
}

/** Throws where the file cannot be believed: nobody is added to what may be somebody else's. */
function find({ data }: OperatorOptions): Found {
  const path = openDataFolder(data ?? defaultDataPath(process.env)).file(OPERATORS_FILE)
  const operators = readOperators(path)
  if (operators?.ok === false) throw new Error(operators.fault)
  return { path, operators: operators?.value ?? [] }
}

/** Of two at once one may be lost: its token is refused then, and nobody else's is let in. */
function add(name: string, options: OperatorOptions): void {
  if (!isOperatorName(name)) throw new Error('Give a name of A-Z a-z 0-9 . _ - that begins with a letter or digit, and is not "local".')
  const { path, operators } = find(options)
  if (operators.some((one) => one.name === name)) throw new Error(`There is an operator ${name}. For another token: portolan operator remove ${name}, then add him again.`)
  const { operator, token } = makeOperator(name)
  writeOperators(path, [...operators, operator])
  // The token alone on standard output, so that it can go where secrets go.
  process.stderr.write(`${name} may operate Portolan at /api/v1 with this token, which is shown only now and kept nowhere:\n`)
  process.stdout.write(`${token}\n`)
}

function list(options: OperatorOptions): void {
  const names = find(options).operators.map(({ name }) => name)
  if (options.json === true) process.stdout.write(`${JSON.stringify(names)}\n`)
  else process.stdout.write(names.length === 0 ? 'No operators: the admin API answers on the operations socket only.\n' : `${names.join('\n')}\n`)
}

function remove(name: string, options: OperatorOptions): void {
  const { path, operators } = find(options)
  if (operators.every((one) => one.name !== name)) throw new Error(`There is no operator ${name}. List them with: portolan operator ls`)
  writeOperators(path, operators.filter((one) => one.name !== name))
  process.stdout.write(`${name} is let in no more.\n`)
}
