/**
 * The fields of an elicitation form as its `requestedSchema` describes them (2025-11-25 and 2026-07-28: primitive types only,
 * one level), and what is wrong with an answer. Pure.
 */

import { z } from 'zod'

export type FormValue = string | number | boolean | string[]

export interface FieldChoice {
  readonly value: string
  readonly title: string
}

interface FieldBase {
  readonly name: string
  /** The title, or the name. */
  readonly label: string
  readonly description?: string | undefined
  readonly isRequired: boolean
  /** It looks as if a password or token were asked for, which no server may do in a form. */
  readonly isSecret: boolean
}

export type TextFormat = 'email' | 'uri' | 'date' | 'date-time'

export type FormField = FieldBase & (
  | { readonly kind: 'text'; readonly format?: TextFormat | undefined; readonly minLength: number; readonly maxLength: number; readonly initial?: string | undefined }
  | { readonly kind: 'number'; readonly isInteger: boolean; readonly minimum: number; readonly maximum: number; readonly initial?: number | undefined }
  | { readonly kind: 'boolean'; readonly initial?: boolean | undefined }
  | { readonly kind: 'one'; readonly choices: readonly FieldChoice[]; readonly initial?: string | undefined }
  | { readonly kind: 'several'; readonly choices: readonly FieldChoice[]; readonly minItems: number; readonly maxItems: number; readonly initial: readonly string[] }
  /** A schema that the specification does not allow in forms. */
  | { readonly kind: 'unknown' }
)

export type ParsedAnswer = { ok: true; value: FormValue | undefined } | { ok: false; problem: string }

const TITLED = z.array(z.object({ const: z.string(), title: z.string().optional().catch(undefined) }))
const optionalText = z.string().optional().catch(undefined)
const optionalNumber = z.number().optional().catch(undefined)

/** Servers are not exact: what can be read is used, what is wrong beside it is not. */
const PROPERTY = z.object({
  type: optionalText,
  title: optionalText,
  description: optionalText,
  format: optionalText,
  minLength: optionalNumber,
  maxLength: optionalNumber,
  minimum: optionalNumber,
  maximum: optionalNumber,
  minItems: optionalNumber,
  maxItems: optionalNumber,
  enum: z.array(z.string()).optional().catch(undefined),
  enumNames: z.array(z.string()).optional().catch(undefined),
  oneOf: TITLED.optional().catch(undefined),
  items: z.object({
    enum: z.array(z.string()).optional().catch(undefined),
    anyOf: TITLED.optional().catch(undefined),
    oneOf: TITLED.optional().catch(undefined),
  }).optional().catch(undefined),
  default: z.unknown().optional(),
})
type Property = z.infer<typeof PROPERTY>

const FORM = z.object({ properties: z.record(z.string(), z.unknown()), required: z.array(z.string()).optional().catch(undefined) })

/** The fields in the order of the schema; undefined where it is not the schema of a form. */
export function formFields(requestedSchema: unknown): FormField[] | undefined {
  const form = FORM.safeParse(requestedSchema).data
  if (form === undefined) return undefined
  return Object.entries(form.properties).map(([name, schema]) => fieldOf(name, schema, form.required?.includes(name) === true))
}

function fieldOf(name: string, schema: unknown, isRequired: boolean): FormField {
  const property = PROPERTY.safeParse(schema).data
  if (property === undefined) return { name, label: name, isRequired, isSecret: false, kind: 'unknown' }
  const { title, description } = property
  const base: FieldBase = { name, label: title ?? name, description, isRequired, isSecret: looksSecret(name, title, description) }
  const { default: initial } = property
  switch (property.type) {
    case 'string': {
      const choices = choicesOf(property)
      if (choices !== undefined) return { ...base, kind: 'one', choices, initial: choices.find(({ value }) => value === initial)?.value }
      const { minLength = 0, maxLength = Infinity } = property
      return { ...base, kind: 'text', format: formatOf(property.format), minLength, maxLength, initial: typeof initial === 'string' ? initial : undefined }
    }
    case 'number':
    case 'integer': {
      const { minimum = -Infinity, maximum = Infinity } = property
      return { ...base, kind: 'number', isInteger: property.type === 'integer', minimum, maximum, initial: typeof initial === 'number' ? initial : undefined }
    }
    case 'boolean':
      return { ...base, kind: 'boolean', initial: typeof initial === 'boolean' ? initial : undefined }
    case 'array': {
      const choices = choicesOf({ ...property.items, enumNames: property.enumNames })
      if (choices === undefined) return { ...base, kind: 'unknown' }
      const { minItems = 0, maxItems = Infinity } = property
      return { ...base, kind: 'several', choices, minItems, maxItems, initial: Array.isArray(initial) ? initial.filter((value) => typeof value === 'string') : [] }
    }
    default:
      return { ...base, kind: 'unknown' }
  }
}

function choicesOf(schema: Pick<Property, 'enum' | 'enumNames' | 'oneOf'> & { readonly anyOf?: Property['oneOf'] }): FieldChoice[] | undefined {
  const titled = schema.oneOf ?? schema.anyOf
  const choices = titled?.map((entry) => ({ value: entry.const, title: entry.title ?? entry.const }))
    ?? schema.enum?.map((value, index) => ({ value, title: schema.enumNames?.[index] ?? value }))
  return choices !== undefined && choices.length > 0 ? choices : undefined
}

function formatOf(format: string | undefined): TextFormat | undefined {
  return format === 'email' || format === 'uri' || format === 'date' || format === 'date-time' ? format : undefined
}

const SECRET_NAME = /pass(?:word|phrase|code|wd)|^pwd?$|secret|token|api.?key|access.?key|private.?key|credential|\bpin\b|\bcvv\b|\botp\b|one.?time.?code|card.?number|seed.?phrase/i
const SECRET_WORDS = /\b(?:passwords?|passphrase|api keys?|access tokens?|secret keys?|private keys?)\b/i

function looksSecret(name: string, title = '', description = ''): boolean {
  const words = name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').replaceAll(/[_-]+/g, ' ')
  return [words, name, title].some((text) => SECRET_NAME.test(text)) || SECRET_WORDS.test(description)
}

/** What an answer may be, in few words; `''` where anything may. */
export function fieldHint(field: FormField): string {
  switch (field.kind) {
    case 'text':
      return [field.format === undefined ? '' : FORMAT_HINTS[field.format], rangeText(field.minLength, field.maxLength, field.minLength <= 0, 'characters')].filter((hint) => hint !== '').join(', ')
    case 'number': {
      const range = rangeText(field.minimum, field.maximum, field.minimum === -Infinity)
      return `${field.isInteger ? 'whole number' : 'number'}${range === '' ? '' : `, ${range}`}`
    }
    case 'several': {
      const most = field.maxItems >= field.choices.length ? Infinity : field.maxItems
      return rangeText(field.minItems, most, field.minItems <= 0)
    }
    default:
      return ''
  }
}

const FORMAT_HINTS: Readonly<Record<TextFormat, string>> = {
  email: 'email address', uri: 'URI, like https://example.com', date: 'date, like 2026-07-28', 'date-time': 'date and time, like 2026-07-28T12:00:00Z',
}

function rangeText(least: number, most: number, isLeastFree: boolean, unit = ''): string {
  const of = unit === '' ? '' : ` ${unit}`
  if (most === Infinity) return isLeastFree ? '' : `at least ${least}${of}`
  if (isLeastFree) return `at most ${most}${of}`
  return least === most ? `exactly ${least}${of}` : `${least} to ${most}${of}`
}

/** What was typed into a text or number field, as the wire has it; undefined where it is left out. */
export function parseAnswer(field: FormField & { readonly kind: 'text' | 'number' }, answer: string): ParsedAnswer {
  if (answer === '') return field.isRequired ? { ok: false, problem: 'An answer is required.' } : { ok: true, value: undefined }
  const problem = field.kind === 'text' ? textProblem(field, answer) : numberProblem(field, answer.trim())
  if (problem !== undefined) return { ok: false, problem }
  return { ok: true, value: field.kind === 'text' ? answer : Number(answer.trim()) }
}

function textProblem(field: FormField & { readonly kind: 'text' }, answer: string): string | undefined {
  // JSON Schema counts characters, not code units.
  const length = [...answer].length
  if (length < field.minLength) return `Too short: at least ${field.minLength} characters, not ${length}.`
  if (length > field.maxLength) return `Too long: at most ${field.maxLength} characters, not ${length}.`
  return field.format === undefined || IS_FORMAT[field.format](answer) ? undefined : `Not a${field.format === 'email' ? 'n' : ''} ${FORMAT_HINTS[field.format]}.`
}

const IS_FORMAT: Readonly<Record<TextFormat, (text: string) => boolean>> = {
  email: (text) => /^[^\s@"<>()]+@[^\s@.]+(?:\.[^\s@.]+)*$/.test(text),
  uri: (text) => /^[a-z][a-z\d+.-]*:[^\s]+$/i.test(text) && URL.canParse(text),
  date: isDate,
  'date-time': (text) => {
    const [, date = '', hour, minute, second] = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/.exec(text) ?? []
    return isDate(date) && Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60
  },
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const atMs = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(text)
}

function numberProblem({ isInteger, minimum, maximum }: FormField & { readonly kind: 'number' }, answer: string): string | undefined {
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(answer)) return isInteger ? 'Not a whole number.' : 'Not a number.'
  const value = Number(answer)
  if (isInteger && !Number.isInteger(value)) return 'Not a whole number.'
  if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) return 'Too large to be sent exactly.'
  if (value < minimum) return `Too small: at least ${minimum}.`
  return value > maximum ? `Too large: at most ${maximum}.` : undefined
}

/** What is wrong with what was chosen, or undefined. */
export function choiceProblem({ minItems, maxItems, isRequired }: FormField & { readonly kind: 'several' }, count: number): string | undefined {
  // None chosen where none is required leaves the field out.
  if (count === 0 && !isRequired) return undefined
  if (count < minItems) return `Choose at least ${minItems}.`
  return count > maxItems ? `Choose at most ${maxItems}, not ${count}.` : undefined
}
