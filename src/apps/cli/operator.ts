/** `portolan operator`: who may operate this Portolan over HTTP. Works on the data folder, whether or not it runs. */

import { Command } from 'commander'
import { believed, editOperators } from '../admin/edit-operators.ts'
import { isOperatorName, makeOperator, OPERATORS_FILE } from '../admin/operators.ts'
import { defaultDataPath, openDataFolder } from '../gateway/data-folder.ts'
import { flagProblem } from '../gateway/flag-text.ts'
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

function pathOf({ data }: OperatorOptions): string {
  return openDataFolder(data ?? defaultDataPath(process.env)).file(OPERATORS_FILE)
}

async function add(name: string, options: OperatorOptions): Promise<void> {
  if (!isOperatorName(name)) throw flagProblem('<name>', `${JSON.stringify(name)} is no name of an operator`, 'Give one of A-Z a-z 0-9 . _ - that begins with a letter or digit, and is not "local"')
  const { operator, token } = makeOperator(name)
  await editOperators(pathOf(options), (operators) => {
    if (operators.some((one) => one.name === name)) throw new Error(`There is an operator ${name}. For another token: portolan operator remove ${name}, then add him again.`)
    return [...operators, operator]
  })
  // The token alone on standard output, so that it can go where secrets go.
  process.stderr.write(`${name} may operate Portolan at /api/v1 with this token, which is shown only now and kept nowhere:\n`)
  process.stdout.write(`${token}\n`)
}

function list(options: OperatorOptions): void {
  const names = believed(pathOf(options)).map(({ name }) => name)
  if (options.json === true) process.stdout.write(`${JSON.stringify(names)}\n`)
  else process.stdout.write(names.length === 0 ? 'No operators: the admin API answers on the operations socket only.\n' : `${names.join('\n')}\n`)
}

async function remove(name: string, options: OperatorOptions): Promise<void> {
  await editOperators(pathOf(options), (operators) => {
    if (operators.every((one) => one.name !== name)) throw new Error(`There is no operator ${name}. List them with: portolan operator ls`)
    return operators.filter((one) => one.name !== name)
  })
  process.stdout.write(`${name} is let in no more.\n`)
}
