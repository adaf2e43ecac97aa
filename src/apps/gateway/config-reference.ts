/**
 * References to secrets and variables in a configuration, and their late resolution: the text keeps its reference
 * everywhere but in the compiled snapshot. Faults name the reference, never what it stands for.
 */

import { basename, dirname, isAbsolute, sep } from 'node:path'

/** Where references are looked up. */
export interface ReferenceScope {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The folder of the configuration file. */
  readonly folder: string
  readonly home: string
  /** Defaults of VS Code `inputs`, by id. */
  readonly inputs: ReadonlyMap<string, string>
  /** Throws what node:fs throws. */
  readFile(path: string): string
}

/** `value`: of an environment variable or a header, where the whole text may be `env:NAME`, `file:/path`, `vault:name` or `$NAME`. */
export type ReferencePlace = 'value' | 'plain'

export interface ReferenceFault {
  readonly problem: string
  readonly fix: string
}

export type Resolved = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly fault: ReferenceFault }

class Unresolved extends Error {
  readonly fault: ReferenceFault
  constructor(problem: string, fix: string) {
    super(problem)
    this.fault = { problem, fix }
  }
}

const NAME = '[A-Za-z_][A-Za-z0-9_]*'
const WHOLE_ENV = new RegExp(`^env:(${NAME})$`)
const WHOLE_FILE = /^file:(\/(?!\/)[^\0]+)$/
const WHOLE_VAULT = /^vault:[^\s:]+$/
/** `$${` stays `${`; `${…}` is a reference; `{env:NAME}` is OpenCode's. */
const PARTS = `\\$\\$\\{|\\$\\{([^}]*)\\}|\\{env:(${NAME})\\}`
const PLAIN_PARTS = new RegExp(PARTS, 'g')
/** With Gemini CLI's `$NAME`; where no such variable is set the text stays as it is, as it does there. */
const VALUE_PARTS = new RegExp(`${PARTS}|\\$([A-Z_][A-Z0-9_]*)`, 'g')

/** A reference alone or behind a scheme of `Authorization`; one with a default is none, for the default may be a secret. */
const NOTHING_BUT = new RegExp(`^(?:(?:Bearer|Basic|Token) )?(?:\\$\\{(?:(?:env:)?${NAME}|(?:file|input|vault):[^}]+)\\}|\\{env:${NAME}\\})$`, 'i')

/** Whether `text` only refers to something: then printing the text itself gives nothing away. */
export function isReference(text: string): boolean {
  return WHOLE_ENV.test(text) || WHOLE_FILE.test(text) || WHOLE_VAULT.test(text) || NOTHING_BUT.test(text) || /^\$[A-Z_][A-Z0-9_]*$/.test(text)
}

/** What is probably wrong with a text that nearly is a reference, and would be sent as it is written; undefined for all others. */
export function nearReference(text: string): string | undefined {
  if (isReference(text)) return undefined
  if (/^env: ?[\w.-]+$/.test(text)) return 'the name of a variable has letters, digits and _, and does not begin with a digit'
  if (/^file: ?(?:~|\.{1,2})\//.test(text) || text.startsWith('file: /')) return 'write the whole path, from /'
  return undefined
}

/** The text with every reference replaced. */
export function resolveText(text: string, place: ReferencePlace, scope: ReferenceScope): Resolved {
  try {
    return { ok: true, value: place === 'value' ? resolveValue(text, scope) : resolveParts(text, PLAIN_PARTS, scope) }
  } catch (error) {
    if (error instanceof Unresolved) return { ok: false, fault: error.fault }
    throw error
  }
}

function resolveValue(text: string, scope: ReferenceScope): string {
  const variable = WHOLE_ENV.exec(text)?.[1]
  if (variable !== undefined) return lookUp(variable, scope)
  const file = WHOLE_FILE.exec(text)?.[1]
  if (file !== undefined) return readSecret(file, scope)
  if (WHOLE_VAULT.test(text)) throw noVault(text)
  return resolveParts(text, VALUE_PARTS, scope)
}

function noVault(written: string): Unresolved {
  return new Unresolved(`${written} refers to the vault, which this version does not have`, 'Use env:NAME or file:/path until there is one')
}

/** One pass: what a reference stands for is never searched for references again. */
function resolveParts(text: string, parts: RegExp, scope: ReferenceScope): string {
  return text.replace(parts, (whole: string, inner?: string, openCode?: string, short?: string | number) => {
    if (openCode !== undefined) return lookUp(openCode, scope)
    if (typeof short === 'string') return scope.env[short] ?? whole
    return inner === undefined ? '${' : resolveInner(whole, inner, scope)
  })
}

function resolveInner(whole: string, inner: string, scope: ReferenceScope): string {
  const variable = new RegExp(`^(?:env:)?(${NAME})(?::-([^]*))?$`).exec(inner)
  const name = variable?.[1]
  if (name !== undefined && Object.hasOwn(FOLDERS, name)) return FOLDERS[name]?.(scope) ?? ''
  if (name !== undefined) {
    const fallback = variable?.[2]
    // As in a shell, `:-` also replaces an empty value.
    return fallback === undefined ? lookUp(name, scope) : scope.env[name] || fallback
  }
  if (inner.startsWith('file:')) return readSecret(inner.slice('file:'.length), scope)
  if (inner.startsWith('vault:')) throw noVault(whole)
  if (inner.startsWith('input:')) return lookUpInput(inner.slice('input:'.length), scope)
  if (inner === '/') return sep
  throw new Unresolved(
    `the reference ${whole} is of no kind that Portolan knows`,
    'Use ${NAME}, ${NAME:-default}, ${env:NAME} or ${file:/path}; write $${ for a literal ${',
  )
}

const FOLDERS: Readonly<Record<string, (scope: ReferenceScope) => string>> = {
  workspaceFolder: workspaceOf,
  workspaceFolderBasename: (scope) => basename(workspaceOf(scope)),
  userHome: (scope) => scope.home,
  pathSeparator: () => sep,
}

/** Project files of editors stand in `.vscode/`, `.cursor/` and the like, one below the workspace. */
function workspaceOf(scope: ReferenceScope): string {
  return basename(scope.folder).startsWith('.') ? dirname(scope.folder) : scope.folder
}

function lookUp(name: string, scope: ReferenceScope): string {
  const value = scope.env[name]
  if (value !== undefined) return value
  throw new Unresolved(`the environment variable ${name} is not set`, `Set ${name} where Portolan starts, or write \${${name}:-default}`)
}

/** VS Code asks a person; a server has nobody to ask. */
function lookUpInput(id: string, scope: ReferenceScope): string {
  const name = `PORTOLAN_INPUT_${id.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`
  const value = scope.env[name] ?? scope.inputs.get(id)
  if (value !== undefined) return value
  throw new Unresolved(`\${input:${id}} would have to be asked for`, `Set the environment variable ${name}`)
}

function readSecret(path: string, scope: ReferenceScope): string {
  if (!isAbsolute(path)) throw new Unresolved(`the reference file:${path} is not an absolute path`, 'Write the whole path, from /')
  try {
    return scope.readFile(path).replace(/\r?\n$/, '')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new Unresolved(`the file ${path} cannot be read (${code})`, 'Create it, or let the user that runs Portolan read it')
  }
}
