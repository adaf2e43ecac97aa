/** Changes the file of operators. Of several at once each begins with what the one before wrote: nobody who was removed is written back. */

import { editFile } from '../gateway/config-edit-file.ts'
import { operatorsText, readOperators } from './operators.ts'
import type { Operator } from './operators.ts'

type Change = (operators: readonly Operator[]) => readonly Operator[] | Promise<readonly Operator[]>

/**
 * `change` may run several times. Rejects with what it throws, and where the file cannot be written, or not be believed: nobody is
 * added to what may be somebody else's.
 */
export async function editOperators(path: string, change: Change): Promise<void> {
  await editFile(path, async () => ({ text: operatorsText(await change(believed(path))) }), { newMode: 0o600, elsewhere: 'choose another data folder with --data' })
}

/** None where there is no file. Throws where it cannot be believed. */
export function believed(path: string): readonly Operator[] {
  const operators = readOperators(path)
  if (operators?.ok === false) throw new Error(operators.fault)
  return operators?.value ?? []
}
